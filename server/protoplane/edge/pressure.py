"""Whether calls come faster than they can even be heard, and whose are turned away then, before anything of them is received.

Cheap calls never wait for a thread: what they wait for is that a thread hears of them, in a queue of the core that nobody sees. What can
be seen is how long after its headers a small message is heard of, though it came with them. As long as some are heard of at once, all
is well, whatever the others do; when for a whole interval none is (the rule of CoDel, RFC 8289), the backlog stands.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Hashable
from typing import final

from protoplane.base import clock

INTERVAL_SECONDS = 0.1
LAG_SECONDS_MAX = 0.02
"""The shortest lag of an interval above which the backlog stands."""

CALLS_MIN = 10
"""In an interval, to judge by."""

SMALL_BYTES = 16_384
"""Larger messages may lag because they are long."""


@final
class Pressure:
    """Judges each interval by the one before. Safe for threads; while all is well it costs a call 0.2 µs."""

    def __init__(self, places: int) -> None:
        """`places`: calls that may come in an interval in any case."""
        self._places = places
        self._lock = threading.Lock()
        self._until_seconds = 0.0
        self._lag_seconds = math.inf
        self._heard = 0
        self._room = 0
        self._counts: Counter[Hashable] = Counter()
        self.high = False
        """Whether the backlog stands: then `admits` is to be asked."""

    def heard(self, lag_seconds: float, size: int, now_seconds: float) -> None:
        """A message was heard of so long after it was asked for."""
        if now_seconds >= self._until_seconds:
            self._judge(now_seconds)
        self._heard += 1
        if lag_seconds < self._lag_seconds and size < SMALL_BYTES:
            self._lag_seconds = lag_seconds

    def admits(self, whose: Hashable) -> bool:
        """Whether this principal has not yet had its share of what was done in the interval before."""
        now_seconds = clock.monotonic_seconds()
        if now_seconds >= self._until_seconds:
            self._judge(now_seconds)
        with self._lock:
            self._counts[whose] += 1
            return self._counts[whose] * len(self._counts) <= self._room

    def _judge(self, now_seconds: float) -> None:
        with self._lock:
            late_seconds = now_seconds - self._until_seconds
            if late_seconds < 0:
                return  # Another thread has done it.
            self.high = self._heard >= CALLS_MIN and LAG_SECONDS_MAX < self._lag_seconds < math.inf
            rate = self._heard / (INTERVAL_SECONDS + late_seconds)
            self._room = max(round(rate * INTERVAL_SECONDS), self._places)
            self._heard, self._lag_seconds = 0, math.inf
            self._until_seconds = now_seconds + INTERVAL_SECONDS
            self._counts.clear()
