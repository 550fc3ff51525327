"""The workers of `serve` as the process that supervises them sees them, singly and together."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from protoplane.base import clock
from protoplane.base.observe import Event, Level, Observe
from protoplane.base.settings import Settings
from protoplane.cli.child import Child
from protoplane.cli.reporting import Inbox, Report, Reports

AGAIN_SECONDS = 0.1
"""Until a worker that died is started again; doubled for each that dies young."""
AGAIN_SECONDS_MAX = 5.0
STEADY_SECONDS = 10.0
"""A worker that has served so long did not die of its start: the next one is started as quickly as the first."""
READY_SECONDS_MAX = 120.0
"""From start to taking calls: code of the project is imported and the database compared meanwhile."""
OVERTIME_SECONDS = 5.0
"""What a worker may take to end beyond the seconds that it has to drain and that calls have to end; then it is killed."""


@final
class Worker:
    """One serving process."""

    def __init__(self, settings: Settings, address: str, reports: Reports) -> None:
        """Start it, to serve at this address whatever its settings say."""
        self.end_seconds_max = settings.server.drain_seconds + settings.server.grace_seconds + OVERTIME_SECONDS
        read_end, write_end = os.pipe()
        try:
            self._child = Child(
                ["serve", "--worker", str(write_end), "--project", str(settings.folder)],
                handed=(write_end,),
                variables={"PROTOPLANE_SERVER_ADDRESS": address},
            )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self.inbox, self._reports = Inbox(read_end), reports
        self.since_seconds = clock.monotonic_seconds()
        """When it was started or, once it is ready, when it became that."""
        self.ready = self._gone = False
        self.pid = self._child.pid

    def listen(self) -> None:
        """Take in what it has told."""
        for message in self.inbox.messages():
            if "ready" in message:
                self.ready, self.since_seconds = True, clock.monotonic_seconds()
            else:
                self._reports.update(self.pid, Report(message.get("metrics"), message.get("serving") is True))

    def code(self) -> int | None:
        """Its exit code once it has ended, -N when signal N ended it; None while it runs."""
        code = self._child.code()
        if code is not None and not self._gone:
            self._gone = True
            self.listen()  # Its last words.
            self.inbox.close()
            self._reports.end(self.pid)
        return code

    def stop(self) -> None:
        """Tell it to drain and end."""
        self._child.stop()

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()


Hire: TypeAlias = Callable[[], Worker]


@dataclass(slots=True)
class _Place:
    """Where one worker is, and after its death another."""

    worker: Worker | None = None
    due_seconds: float = 0.0
    """When the next worker is to be started, if there is none."""
    again_seconds: float = AGAIN_SECONDS

    def postpone(self, now_seconds: float) -> None:
        """Put the next start off, each time for longer."""
        self.due_seconds = now_seconds + self.again_seconds
        self.again_seconds = min(2 * self.again_seconds, AGAIN_SECONDS_MAX)


@final
class Crew:
    """So many workers, started together, one after another at the same place, and replaced together.

    The first is started alone: whatever keeps it from serving keeps all of them, and is to be said once.
    """

    def __init__(self, hire: Hire, count: int, observe: Observe) -> None:
        self._hire, self._observe = hire, observe
        self._places = [_Place() for _ in range(count)]
        self.open = False
        """Whether a worker has been ready."""
        self.complete = False
        """Whether all have been ready, at one time."""
        self.failure: int | None = None
        """The exit code of the last worker that ended before it was ready."""

    @property
    def workers(self) -> Sequence[Worker]:
        """Those that run."""
        return [place.worker for place in self._places if place.worker is not None]

    def tend(self, now_seconds: float) -> None:
        """Take note of the dead, start who is due."""
        for place in self._places:
            if place.worker is not None:
                self._look_at(place, place.worker, now_seconds)
        self.open = self.open or any(worker.ready for worker in self.workers)
        self.complete = self.complete or all(place.worker is not None and place.worker.ready for place in self._places)
        for place in self._places if self.open else self._places[:1]:
            if place.worker is None and place.due_seconds <= now_seconds and (self.open or self.failure is None):
                self._fill(place, now_seconds)

    def due_seconds(self) -> float | None:
        """When there is something to do even if nothing happens; None for never."""
        starts = [place.due_seconds for place in self._places if place.worker is None and self.open]
        lates = [worker.since_seconds + READY_SECONDS_MAX for worker in self.workers if not worker.ready]
        return min((*starts, *lates), default=None)

    def _look_at(self, place: _Place, worker: Worker, now_seconds: float) -> None:
        code = worker.code()
        if code is None:
            if not worker.ready and now_seconds - worker.since_seconds >= READY_SECONDS_MAX:
                self._observe(Event("worker.late", Level.ERROR, {"pid": worker.pid, "seconds": READY_SECONDS_MAX}))
                worker.kill()
                worker.since_seconds = now_seconds
            return
        if not worker.ready:
            self.failure = code
        elif now_seconds - worker.since_seconds >= STEADY_SECONDS:
            place.again_seconds = AGAIN_SECONDS
        facts = {"pid": worker.pid, "code": code, **({"again_seconds": place.again_seconds} if self.open else {})}
        self._observe(Event("worker.ended", Level.WARNING, facts))
        place.worker = None
        place.postpone(now_seconds)

    def _fill(self, place: _Place, now_seconds: float) -> None:
        try:
            place.worker = self._hire()
        except OSError as error:  # No memory or no process left: later, perhaps.
            self._observe(Event("worker.missing", Level.ERROR, {"problem": str(error)}))
            self.failure = 1
            place.postpone(now_seconds)
