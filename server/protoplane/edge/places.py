"""Places to work in, of which one principal can never have all: whoever else comes finds one that is free or becomes so soon."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeAlias, TypeVar, final

T = TypeVar("T")

RESERVED = 8
"""One place of so many, and one at least, is kept for others than whoever has all the rest."""

DIVISIBLE_MIN = 4
"""Fewer places are not divided."""

_NOT_ASKED = object()


Source: TypeAlias = Callable[[Callable[[Hashable], bool] | None], T | None]
"""Gives the next call that waits for a place, but of no principal of which the function it is given says so; None when there is none."""


@final
class Places(Generic[T]):
    """So many places. Safe for threads; cheap while there are places enough."""

    def __init__(self, count: int, whose: Callable[[T], Hashable]) -> None:
        """`whose` says whose a call is; it is asked only when places are scarce, and once of each call."""
        self._free, self._whose = count, whose
        self._reserved = max(1, count // RESERVED) if count >= DIVISIBLE_MIN else 0
        self._each_max = count - self._reserved
        self._lock = threading.Lock()
        self._calls: dict[T, Hashable] = {}

    def __len__(self) -> int:
        """Those that are occupied."""
        return len(self._calls)

    def take(self, call: T) -> bool:
        """Give the call a place; False when there is none that it may have."""
        with self._lock:
            if not self._free or (self._free <= self._reserved and self._is_held(self._whose(call))):
                return False
            self._free -= 1
            self._calls[call] = _NOT_ASKED
        return True

    def leave(self, call: T) -> None:
        """Give its place back."""
        with self._lock:
            del self._calls[call]
            self._free += 1

    def pass_on(self, call: T, source: Source[T]) -> T | None:
        """Give the call's place to the next one of `source`, which is told; without one it is given back."""
        with self._lock:
            del self._calls[call]
            self._free += 1
            return self._fill(source)

    def fill(self, source: Source[T]) -> T | None:
        """Give a place that is free to the next one of `source`, which is told; None when there is no such place, or none for it."""
        with self._lock:
            return self._fill(source) if self._free else None

    def _fill(self, source: Source[T]) -> T | None:
        call = source(self._is_held if self._free <= self._reserved else None)
        if call is not None:
            self._free -= 1
            self._calls[call] = _NOT_ASKED
        return call

    def _is_held(self, principal: Hashable) -> bool:
        """Whether it has all that one may have."""
        if len(self._calls) < self._each_max:
            return False
        for call, whose in self._calls.items():
            if whose is _NOT_ASKED:
                self._calls[call] = self._whose(call)
        return sum(whose == principal for whose in self._calls.values()) >= self._each_max
