"""Calls that hold something of the server's while they wait for their callers: for how long at most, and how much together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, final

from protoplane.base import clock

T = TypeVar("T")


@final
class Held(Generic[T]):
    """Calls by age, each with a weight; the oldest is evicted when they are too old or together too heavy. Safe for threads."""

    def __init__(self, seconds_max: float, total_max: int, evict: Callable[[T], None]) -> None:
        self._seconds_max, self._total_max, self._evict = seconds_max, total_max, evict
        self._held: dict[T, tuple[float, int]] = {}
        self._lock = threading.Lock()
        self.total = 0

    def add(self, call: T, weight: int = 1) -> None:
        """Hold it from now on."""
        now = clock.monotonic_seconds()
        evicted = None
        with self._lock:
            self._held[call] = (now, weight)
            self.total += weight
            if self.total > self._total_max:
                evicted = next(iter(self._held))
                self.total -= self._held.pop(evicted)[1]
        if evicted is not None:
            self._evict(evicted)

    def discard(self, call: T) -> bool:
        """Hold it no longer; False when it was not held."""
        with self._lock:
            held = self._held.pop(call, None)
            if held is not None:
                self.total -= held[1]
        return held is not None

    def sweep(self) -> None:
        """Evict what is too old."""
        before = clock.monotonic_seconds() - self._seconds_max
        while True:
            with self._lock:
                oldest = next(iter(self._held), None)
                if oldest is None or self._held[oldest][0] > before:
                    return
                self.total -= self._held.pop(oldest)[1]
            self._evict(oldest)
