"""The slowest statement of each thread since somebody last asked: noted for every statement, so that a slow call can be explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

from protoplane.base.clock import monotonic_seconds


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that was run."""

    sql: str
    params: Sequence[object] = field(repr=False)
    """What was bound: values of callers, for the database's eyes only. Empty for many rows at once."""
    seconds: float


@final
class Slowest:
    """The note of one thread."""

    __slots__ = ("_params", "_seconds", "_sql", "all_seconds")

    def __init__(self) -> None:
        self._sql = ""
        self._params: Sequence[object] = ()
        self._seconds = 0.0
        self.all_seconds = 0.0
        """Of all statements of the thread, ever."""

    def ran(self, sql: str, params: Sequence[object], began_seconds: float) -> None:
        """A statement that began then has ended now. It costs every statement 0.2 µs."""
        seconds = monotonic_seconds() - began_seconds
        self.all_seconds += seconds
        if seconds > self._seconds:
            self._sql, self._params, self._seconds = sql, params, seconds

    def forget(self) -> None:
        """Begin anew, and let go of the values."""
        self._sql, self._params, self._seconds = "", (), 0.0

    def taken(self) -> Statement | None:
        """The slowest since the last time; None if there was no statement at all."""
        statement = Statement(self._sql, self._params, self._seconds) if self._sql else None
        self.forget()
        return statement
