"""What happened, as values: the stages of a call, and who is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protoplane.base import clock
from protoplane.base.observe import Event, Observation, Stages, told_to


def test_stages_last_from_one_mark_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 10.001, 10.003])
    now: Callable[[], float] = lambda: next(times)  # noqa: E731
    monkeypatch.setattr(clock, "monotonic_seconds", now)
    stages = Stages()
    stages.mark("a")
    stages.mark("b")
    assert stages.millis() == {"a": 1.0, "b": 2.0, "total": 3.0}
    assert stages.seconds() == pytest.approx(0.003)


def test_what_the_database_took_of_a_stage_is_a_stage_and_a_stage_that_comes_again_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 10.001, 10.004, 10.010])
    now: Callable[[], float] = lambda: next(times)  # noqa: E731
    monkeypatch.setattr(clock, "monotonic_seconds", now)
    stages = Stages()
    stages.mark("check")
    stages.mark("handle", 0.002)
    stages.mark("handle", 0.004)
    assert stages.millis() == {"check": 1.0, "sql": 6.0, "handle": 3.0, "total": 10.0}


def test_a_call_that_passed_no_stage_took_no_time() -> None:
    assert Stages().seconds() == 0.0
    assert Stages().millis() == {"total": 0.0}


def test_every_reader_is_told_in_order() -> None:
    told = list[tuple[str, Observation]]()
    event = Event("server.started")
    told_to(lambda seen: told.append(("first", seen)), lambda seen: told.append(("second", seen)))(event)
    assert told == [("first", event), ("second", event)]
