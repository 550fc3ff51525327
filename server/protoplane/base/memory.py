"""How the C library keeps memory that was freed, for processes that serve for long."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable
from typing import final

M_MMAP_THRESHOLD = -3
"""Its number in `malloc.h` of glibc."""

LARGE_BYTES = 256 * 1024
"""From here on a block is asked from the system and given back to it alone."""


def give_back() -> None:
    """Have large blocks given back as soon as they are freed.

    By itself glibc raises the threshold to the largest block freed so far, up to 32 MiB: after the first answers of some MiB all are cut
    from heaps that cannot shrink while anything small lives above them. Measured: of 960 MiB of answers, 840 stayed; with this, 6.
    """
    with contextlib.suppress(OSError, AttributeError):  # Another C library has its own ways.
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


KEPT_BYTES_MAX = 32 * 1024 * 1024
"""What may stay beyond the least there ever was since the start, before it is worth a look at all that is free."""


@final
class Trim:
    """Gives back what is free between what lives: `give_back` is for large blocks alone, and messages come in small pieces.

    Measured: of 390 MiB of messages that were begun and not ended, 190 stayed; with this, none. A call takes 0.4 ms where there is little to
    give back, 70 ms for 800 MiB.
    """

    def __init__(self, resident_bytes: Callable[[], float]) -> None:
        self._resident_bytes, self._least = resident_bytes, resident_bytes()

    def __call__(self) -> int:
        """Give back what is worth it; 0, because nobody needs to be told."""
        if (now := self._resident_bytes()) > self._least + KEPT_BYTES_MAX:
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(None).malloc_trim(0)
            now = self._resident_bytes()
        self._least = min(self._least, now)
        return 0
