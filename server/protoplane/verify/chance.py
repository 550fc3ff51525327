"""Chance that can be had again: the same seed gives the same ids and values."""

from __future__ import annotations

import hashlib
import itertools
import threading
from typing import Final, final

_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz"


@final
class Chance:
    """Numbers and words from a seed. It guards nothing; it may be asked by several threads."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self._count = itertools.count()
        self._lock = threading.Lock()

    def number(self, below: int) -> int:
        """A number from 0 on, below the one given."""
        with self._lock:
            turn = next(self._count)
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{turn}".encode()).digest()[:8], "big") % below

    def word(self, letters: int) -> str:
        """Small letters without those that look alike."""
        return "".join(_LETTERS[self.number(len(_LETTERS))] for _ in range(letters))

    def uuid4(self) -> str:
        """A UUID of version 4 (RFC 9562)."""
        text = f"{self.number(1 << 62):016x}{self.number(1 << 62):016x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:32]}"
