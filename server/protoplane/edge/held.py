"""Calls that hold something of the server's while they wait for their callers: for how long at most, and how much."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar, final

from protoplane.base import clock

T = TypeVar("T")


@final
class Awaited(Generic[T]):
    """Calls whose first message has not come, by age; the oldest is evicted when it is too old, or when they are too many.

    Safe for threads, as is `Unsent`.
    """

    def __init__(self, seconds_max: float, calls_max: int, evict: Callable[[T], None]) -> None:
        self._seconds_max, self._calls_max, self._evict = seconds_max, calls_max, evict
        self._held: dict[T, float] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, call: T) -> None:
        """Hold it from now on."""
        evicted = None
        with self._lock:
            self._held[call] = clock.monotonic_seconds()
            if len(self._held) > self._calls_max:
                evicted = next(iter(self._held))
                del self._held[evicted]
        if evicted is not None:
            self._evict(evicted)

    def discard(self, call: T) -> bool:
        """Hold it no longer; False when it was evicted."""
        with self._lock:
            return self._held.pop(call, None) is not None

    def sweep(self) -> None:
        """Evict what is too old."""
        self._evict_older(self._seconds_max, 0)

    def relieve(self, seconds: float, calls: int) -> None:
        """Evict what is older than that, but for so many: memory is short, and what has come of their messages is part of it."""
        self._evict_older(seconds, calls)

    def _evict_older(self, seconds: float, spared: int) -> None:
        before = clock.monotonic_seconds() - seconds
        with self._lock:
            old = list(itertools.takewhile(lambda call: self._held[call] <= before, self._held))
            old = old[: max(0, len(old) - spared)]  # The oldest first.
            for call in old:
                del self._held[call]
        for call in old:
            self._evict(call)


@final
class Unsent(Generic[T]):
    """Answers that the core has been given and that have not been taken, by connection.

    Once given, an answer cannot be taken back: of a caller that reads nothing from its socket the core keeps it until keepalive ends the
    connection. So there is a bound for each connection and one for all, before it is given. The first answer of a connection
    may go beyond that of all: those who read are not to suffer from those who do not.
    """

    def __init__(self, seconds_max: float, *, connection_bytes_max: int, bytes_max: int, evict: Callable[[T], None]) -> None:
        self._seconds_max, self._evict = seconds_max, evict
        self._connection_bytes_max, self._bytes_max = connection_bytes_max, bytes_max
        self._held: dict[T, tuple[float, bytes, int]] = {}
        self._connections: Counter[bytes] = Counter()
        self._lock = threading.Lock()
        self.total = 0
        """Bytes."""

    def add(self, call: T, connection: bytes, size: int) -> bool:
        """Hold it from now on; False when there is no room for it."""
        with self._lock:
            mine = self._connections[connection]
            if mine and (mine + size > self._connection_bytes_max or self.total + size > self._bytes_max):
                return False
            self._held[call] = (clock.monotonic_seconds(), connection, size)
            self._connections[connection] += size
            self.total += size
            return True

    def discard(self, call: T) -> None:
        """It was taken, or has nobody to go to any more."""
        with self._lock:
            held = self._held.pop(call, None)
            if held is None:
                return
            _, connection, size = held
            self.total -= size
            self._connections[connection] -= size
            if not self._connections[connection]:
                del self._connections[connection]

    def sweep(self) -> None:
        """Evict what is too old; it counts until the core lets go of it."""
        before = clock.monotonic_seconds() - self._seconds_max
        with self._lock:
            late = []
            for call, (at_seconds, _, _) in self._held.items():
                if at_seconds > before:
                    break
                late.append(call)
        for call in late:
            self._evict(call)
