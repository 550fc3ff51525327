"""The time, read in one place so that tests and replays can move it."""

from __future__ import annotations

import time

MICROSECONDS = 1_000_000


def now_micros() -> int:
    """UTC microseconds since 1970, floored."""
    return time.time_ns() // 1_000


def now_seconds() -> float:
    """UTC seconds since 1970."""
    return time.time()


def monotonic_seconds() -> float:
    """Seconds on a clock that never goes back; only differences mean anything."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Give the thread up for `seconds`."""
    time.sleep(seconds)
