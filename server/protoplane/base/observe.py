"""What happened, said once as a value; readers (`base.log`, `base.metrics`, `work.slow`) make of it what they need.

Values hold no request data: a method, a code, names and times. The text of a bug goes to the log only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

from protoplane.base import clock


class Level(StrEnum):
    """How much an operator should care."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Stages:
    """The times at which one call passed each stage; made for every call, so it only notes them."""

    __slots__ = ("marks", "started_seconds")

    def __init__(self, started_seconds: float | None = None) -> None:
        """From now on, or from an earlier time of the monotonic clock."""
        self.started_seconds = clock.monotonic_seconds() if started_seconds is None else started_seconds
        self.marks: list[tuple[str, float]] = []

    def mark(self, stage: str, sql_seconds: float = 0.0) -> None:
        """The stage is done now. What of it the database took is a stage of its own before it, `sql`."""
        marks = self.marks
        if sql_seconds:
            marks.append(("sql", (marks[-1][1] if marks else self.started_seconds) + sql_seconds))
        marks.append((stage, clock.monotonic_seconds()))

    def spent(self, stage: str, seconds: float) -> None:
        """Of the time since the last mark so many seconds went to a stage that was passed over and over; the next mark gets the rest."""
        self.marks.append((stage, (self.marks[-1][1] if self.marks else self.started_seconds) + seconds))

    def seconds(self) -> float:
        """From the start to the last mark."""
        marks = self.marks
        return marks[-1][1] - self.started_seconds if marks else 0.0

    def millis(self) -> dict[str, float]:
        """Milliseconds of each stage, of all its times where a transaction was run again, and of all in `total`."""
        spent: dict[str, float] = {}
        before = self.started_seconds
        for stage, at in self.marks:
            spent[stage] = spent.get(stage, 0.0) + at - before
            before = at
        return {stage: _millis(seconds) for stage, seconds in spent.items()} | {"total": _millis(before - self.started_seconds)}


class Sent(NamedTuple):
    """What a stream of answers has given to its caller."""

    messages: int
    bytes: int


class CallDone(NamedTuple):
    """A call was answered. A tuple because one is made for every call, and a frozen dataclass takes 1 µs longer."""

    method: str
    request_id: str
    subject: str
    """Who called; empty for anonymous callers and for credentials that were refused."""
    code: str
    """Name of the gRPC status code."""
    reason: str
    """`ErrorInfo.reason`; empty for OK."""
    stages: Stages
    bug: BaseException | None = None
    cause: BaseException | None = None
    """Why the storage could not be used, for refusals that tell callers no more than that."""
    trace_id: str = ""
    """Of the caller's trace (see `base.trace`); empty for a call outside of any."""
    sent: Sent | None = None
    """None for a call with one answer."""


Fact: TypeAlias = str | int | float | tuple[str, ...] | Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Event:
    """Anything else that an operator may want to know: `server.started`, `database.lost`."""

    name: str
    """From a small set: events are counted by name."""
    level: Level = Level.INFO
    facts: Mapping[str, Fact] = field(default_factory=dict)
    bug: BaseException | None = None


Observation: TypeAlias = CallDone | Event
Observe: TypeAlias = Callable[[Observation], None]
"""Told of each on the thread where it happened; must neither wait nor fail."""


class Mark(Protocol):
    """`Stages.mark`, as it is handed to those who pass the stages."""

    def __call__(self, stage: str, sql_seconds: float = 0.0) -> None:
        """The stage is done now."""


def told_to(*readers: Observe) -> Observe:
    """One Observe that tells each of the readers, in their order."""

    def observe(observation: Observation) -> None:
        for reader in readers:
            reader(observation)

    return observe


def _millis(seconds: float) -> float:
    return round(seconds * 1_000, 3)
