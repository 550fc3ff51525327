"""Calls that wait for a thread: how many, whose turn it is, and who is turned away when there are too many.

Each principal has a queue of its own, and threads take from them in turn: one that sends ten times as much waits ten times as
long, and the others do not notice. A call takes one place, and more if its request is large, so that places bound the memory too.
When they do not suffice the longest queue, counted in places, gives up its last call; only when that is the caller's own is the caller refused.
Callers whose credentials have not been verified yet, or are none, share one queue: they cannot make themselves many.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar, final

from protoplane.base.errors import Fault, Reason
from protoplane.base.jitter import between

T = TypeVar("T")

RETRY_SECONDS = (0.1, 0.5)
"""When a caller that was turned away should come again, at random between the two: all at once would be the next overload."""

PLACE_BYTES = 256 * 1024
"""Of a request in one place: 200 places are 50 MiB at most, and a request of 4 MiB takes 17."""


_NOBODY = object()


@final
class _Queue(Generic[T]):
    """The calls of one principal, with the places that each takes."""

    __slots__ = ("calls", "places")

    def __init__(self) -> None:
        self.calls: deque[tuple[T, int]] = deque()
        self.places = 0


@final
class Waiting(Generic[T]):
    """Queues by principal, `places` in all. Safe for threads; cheap while nothing waits."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._queues: dict[Hashable, _Queue[T]] = {}
        """In the order of their turns; none is empty."""
        self._count = self._taken = 0

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        return self._count > 0

    @property
    def full(self) -> bool:
        """Whether a call that comes now can only take another's place."""
        return self._taken >= self._places

    def admits(self, mine: Hashable) -> bool:
        """Whether a call of that principal would get a place now; asked before its message is received."""
        with self._lock:
            return not self.full or self._places_of(mine) + 1 < self._places_of(self._longest())

    def put(self, call: T, mine: Hashable, size: int) -> Sequence[T]:
        """Have a call of that principal wait, with a request of `size` bytes; the calls that are turned away for it, which may be itself."""
        places = 1 + size // PLACE_BYTES
        making_way: list[tuple[Hashable, T, int]] = []
        with self._lock:
            while self._taken and self._taken + places > self._places:
                longest = self._longest()
                if self._places_of(mine) + places >= self._places_of(longest):
                    for spared in reversed(making_way):  # Not in vain.
                        self._append(*spared)
                    return [call]
                making_way.append((longest, *self._drop_last(longest)))
            self._append(mine, call, places)
        return [turned_away for _, turned_away, _ in making_way]

    def take(self, held: Callable[[Hashable], bool] | None = None) -> T | None:
        """The next call by turns, but of a principal that is `held`; None when nothing of others waits."""
        if not self._count:
            return None
        with self._lock:
            if not self._count:
                return None
            mine = next((one for one in self._queues if held is None or not held(one)), _NOBODY)
            if mine is _NOBODY:
                return None
            queue = self._queues.pop(mine)
            call, places = queue.calls.popleft()
            self._leave(queue, places)
            if queue.calls:
                self._queues[mine] = queue  # Behind the others.
        return call

    def forget(self, over: Callable[[T], bool]) -> None:
        """Let go of the calls that nobody waits for any more: the dead must not keep the living out."""
        if not self._count:
            return
        with self._lock:
            for principal, queue in list(self._queues.items()):
                gone = [one for one in queue.calls if over(one[0])]
                for one in gone:
                    queue.calls.remove(one)
                    self._leave(queue, one[1])
                if not queue.calls:
                    del self._queues[principal]

    def _append(self, principal: Hashable, call: T, places: int) -> None:
        queue = self._queues.setdefault(principal, _Queue())
        queue.calls.append((call, places))
        queue.places += places
        self._taken += places
        self._count += 1

    def _drop_last(self, principal: Hashable) -> tuple[T, int]:
        queue = self._queues[principal]
        call, places = queue.calls.pop()
        self._leave(queue, places)
        if not queue.calls:
            del self._queues[principal]
        return call, places

    def _leave(self, queue: _Queue[T], places: int) -> None:
        queue.places -= places
        self._taken -= places
        self._count -= 1

    def _places_of(self, principal: Hashable) -> int:
        queue = self._queues.get(principal)
        return 0 if queue is None else queue.places

    def _longest(self) -> Hashable:
        return max(self._queues, key=self._places_of)

    @staticmethod
    def fault() -> Fault:
        """What a caller is told that was turned away."""
        return Fault(Reason.OVERLOADED, retry_delay_seconds=between(*RETRY_SECONDS))
