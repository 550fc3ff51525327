"""Places to work in, of which one principal can never have all: whoever else comes finds one that is free or becomes so soon."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, final

T = TypeVar("T")

RESERVED = 8
"""One place of so many, and one at least, is kept for others than whoever has all the rest."""

DIVISIBLE_MIN = 4
"""Fewer places are not divided."""


@final
class Places(Generic[T]):
    """So many places. Safe for threads, because each step is one of a deque's or a set's; cheap while there are places enough."""

    def __init__(self, count: int, whose: Callable[[T], Hashable]) -> None:
        """`whose` says whose a call is; it is asked only when places are scarce."""
        self._count, self._whose = count, whose
        self._reserved = max(1, count // RESERVED) if count >= DIVISIBLE_MIN else 0
        self._free: deque[None] = deque([None] * count)
        self._calls: set[T] = set()

    def __len__(self) -> int:
        """Those that are occupied."""
        return self._count - len(self._free)

    def occupy(self) -> bool:
        """Take a place; False when there is none."""
        try:
            self._free.pop()
        except IndexError:
            return False
        return True

    def leave(self) -> None:
        """Give it back."""
        self._free.append(None)

    def begin(self, call: T) -> None:
        """The call is worked on, in a place that was taken."""
        self._calls.add(call)

    def end(self, call: T) -> None:
        """It is worked on no longer."""
        self._calls.discard(call)

    @property
    def plenty(self) -> bool:
        """Whether a place may be taken for anybody."""
        return len(self._free) > self._reserved

    @property
    def scarce(self) -> bool:
        """Whether whoever has taken a place should see for whom: those left are the last."""
        return len(self._free) < self._reserved

    def is_held(self, principal: Hashable) -> bool:
        """Whether it has all that one may have."""
        return sum(self._whose(call) == principal for call in tuple(self._calls)) >= self._count - self._reserved
