"""Calls that wait for a thread: how many, whose turn it is, and who is turned away when there are too many.

Each principal has a queue of its own, and threads take from them in turn: one that sends ten times as much waits ten times as
long, and the others do not notice. When all places are taken the longest queue gives up its last call; only when that is the caller's own is the caller refused.
Callers whose credentials have not been verified yet, or are none, share one queue: they cannot make themselves many.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeAlias, TypeVar, final

from protoplane.base.errors import Fault, Reason

T = TypeVar("T")

RETRY_SECONDS = (0.1, 0.5)
"""When a caller that was turned away should come again, at random between the two: all at once would be the next overload."""

Metadata: TypeAlias = Iterable[tuple[str, str | bytes]]
Identify: TypeAlias = Callable[[Metadata], Hashable]
"""Whose a call is, as far as it is known without verifying anything; None for unknown callers."""


@final
class Waiting(Generic[T]):
    """Queues by principal, `places` in all. Safe for threads; cheap while nothing waits."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._queues: dict[Hashable, deque[T]] = {}
        """In the order of their turns; none is empty."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        return self._count > 0

    @property
    def full(self) -> bool:
        """Whether a call that comes now can only take another's place."""
        return self._count >= self._places

    def admits(self, mine: Hashable) -> bool:
        """Whether a call of that principal would get a place now; asked before its message is received."""
        with self._lock:
            return self._count < self._places or len(self._queues.get(mine, ())) + 1 < len(self._longest())

    def put(self, call: T, mine: Hashable) -> T | None:
        """Have a call of that principal wait; the call that is turned away for it, which may be itself."""
        with self._lock:
            queue = self._queues.get(mine)
            turned_away: T | None = None
            if self._count >= self._places:
                longest = self._longest()
                if (0 if queue is None else len(queue)) + 1 >= len(longest):
                    return call
                turned_away = longest.pop()  # Two are left at least: it is no shorter than ours is now.
                self._count -= 1
            if queue is None:
                queue = self._queues[mine] = deque()
            queue.append(call)
            self._count += 1
        return turned_away

    def take(self) -> T | None:
        """The next call by turns; None when nothing waits."""
        if not self._count:
            return None
        with self._lock:
            if not self._count:
                return None
            mine = next(iter(self._queues))
            queue = self._queues.pop(mine)
            call = queue.popleft()
            self._count -= 1
            if queue:
                self._queues[mine] = queue  # Behind the others.
        return call

    def _longest(self) -> deque[T]:
        return max(self._queues.values(), key=len)

    @staticmethod
    def fault() -> Fault:
        """What a caller is told that was turned away."""
        return Fault(Reason.OVERLOADED, retry_delay_seconds=random.uniform(*RETRY_SECONDS))  # noqa: S311 - jitter, not a secret.
