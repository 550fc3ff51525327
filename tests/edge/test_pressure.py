"""More calls than can be heard of: noticed by their lag, and shed by principal."""

from __future__ import annotations

import pytest

from protoplane.base import clock
from protoplane.edge.pressure import CALLS_MIN, INTERVAL_SECONDS, LAG_SECONDS_MAX, SMALL_BYTES, Pressure

LATE = 2 * LAG_SECONDS_MAX


class Clock:
    """The time, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_seconds = 1_000.0
        monkeypatch.setattr(clock, "monotonic_seconds", lambda: self.now_seconds)


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def interval(pressure: Pressure, hand: Clock, lags: list[float], size: int = 10) -> bool:
    """One interval with messages of these lags; what is thought of it when the next begins."""
    for lag in lags:
        pressure.heard(lag, size, hand.now_seconds)
    hand.now_seconds += INTERVAL_SECONDS
    pressure.heard(0.0, SMALL_BYTES, hand.now_seconds)
    return pressure.high


@pytest.mark.parametrize(
    ("lags", "size", "high"),
    [
        ([LATE] * 100, 10, True),
        ([LATE] * 99 + [0.001], 10, False),
        ([LATE] * (CALLS_MIN - 2), 10, False),
        ([LATE] * 100, SMALL_BYTES, False),
        ([], 10, False),
    ],
    ids=["all late", "one at once", "too few", "large ones", "none"],
)
def test_the_backlog_stands_when_no_small_message_of_an_interval_was_heard_of_at_once(
    hand: Clock, lags: list[float], size: int, high: bool
) -> None:
    pressure = Pressure(4)
    interval(pressure, hand, [])
    assert interval(pressure, hand, lags, size) == high


def test_one_good_interval_is_enough(hand: Clock) -> None:
    pressure = Pressure(4)
    interval(pressure, hand, [])
    assert interval(pressure, hand, [LATE] * 50)
    assert not interval(pressure, hand, [0.001] * 50)


def test_principals_share_what_was_done_in_the_interval_before(hand: Clock) -> None:
    pressure = Pressure(4)
    interval(pressure, hand, [])
    interval(pressure, hand, [LATE] * 100)
    first = [pressure.admits("modest") for _ in range(20)]
    greedy = [pressure.admits("greedy") for _ in range(1_000)]
    last = [pressure.admits("modest") for _ in range(20)]
    assert all(first)
    assert all(last)
    assert sum(greedy) == 50
    hand.now_seconds += INTERVAL_SECONDS
    assert pressure.admits("greedy"), "a new interval, a new share"


def test_a_few_may_always_come(hand: Clock) -> None:
    pressure = Pressure(4)
    interval(pressure, hand, [])
    interval(pressure, hand, [])
    assert [pressure.admits("somebody") for _ in range(6)] == [True] * 4 + [False] * 2
