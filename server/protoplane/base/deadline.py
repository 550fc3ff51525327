"""The moment after which a call's work is of no use to anybody, and whether its caller still waits."""

from __future__ import annotations

from collections.abc import Callable

from protoplane.base.clock import monotonic_seconds
from protoplane.base.errors import Fault, Reason


class Deadline:
    """A point on the monotonic clock; `cancelled` says whether the caller has gone away before it."""

    __slots__ = ("_cancelled", "at_seconds")

    def __init__(self, at_seconds: float, cancelled: Callable[[], bool] | None = None) -> None:
        self.at_seconds = at_seconds
        self._cancelled = cancelled

    @classmethod
    def after(cls, seconds: float, cancelled: Callable[[], bool] | None = None) -> Deadline:
        """The deadline that many seconds from now."""
        return cls(monotonic_seconds() + seconds, cancelled)

    def remaining_seconds(self) -> float:
        """Seconds left; zero or less once it has passed."""
        return self.at_seconds - monotonic_seconds()

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return monotonic_seconds() >= self.at_seconds

    @property
    def cancelled(self) -> bool:
        """Whether the caller no longer waits for the answer."""
        return self._cancelled is not None and self._cancelled()

    def check(self) -> None:
        """Raise DEADLINE_PASSED or CALL_CANCELLED if there is no point in going on."""
        if self.passed:
            raise Fault(Reason.DEADLINE_PASSED)
        if self.cancelled:
            raise Fault(Reason.CALL_CANCELLED)
