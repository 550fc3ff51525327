"""What the process has of the machine's memory."""

from __future__ import annotations

import pytest

from protoplane.base import clock, memory
from protoplane.base.memory import Growth, resident_bytes


def test_resident_memory_is_that_of_this_process() -> None:
    before = resident_bytes()
    held = bytes(range(256)) * 400_000
    assert resident_bytes() - before > len(held) / 2


def test_growth_is_against_the_least_of_lately(monkeypatch: pytest.MonkeyPatch) -> None:
    now, size = 100.0, 0.0
    monkeypatch.setattr(clock, "monotonic_seconds", lambda: now)
    monkeypatch.setattr(memory, "resident_bytes", lambda: size)
    growth, found = Growth(10.0), []
    for size in (50, 80, 60, 90, 90, 70, 70, 40, 45):  # noqa: B007 - it is what is measured.
        found.append(growth.bytes())
        now += 4.0
    assert found == [0, 30, 10, 30, 30, 0, 0, 0, 5]


def test_growth_that_cannot_be_told_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> float:
        raise OSError("no /proc")

    monkeypatch.setattr(memory, "resident_bytes", fail)
    assert Growth(10.0).bytes() == 0
