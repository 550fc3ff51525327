"""`protoplane serve`: the process that looks after those that serve. It takes no calls itself and never imports gRPC.

Workers share one address (SO_REUSEPORT). One that dies is started again, SIGHUP replaces all of them without a gap, SIGTERM
ends them gracefully; when this process is killed they end by themselves, because their stdin does.
"""

from __future__ import annotations

import contextlib
import select
import signal
from collections.abc import Sequence
from typing import final

from protoplane.base import clock, config
from protoplane.base.observe import Event, Level, Observe
from protoplane.base.settings import Environment, Settings
from protoplane.cli.crew import Crew, Worker
from protoplane.cli.reporting import Reports
from protoplane.cli.reservation import Reservation
from protoplane.cli.signals import ENDING, Signals


@final
class Supervisor:
    """Keeps a crew of workers serving, from the first that is ready until a signal says stop."""

    def __init__(self, settings: Settings, place: Reservation, observe: Observe, reports: Reports, *, processes: int | None) -> None:
        """`processes` wins over the setting, also over what it is when they are replaced."""
        self._settings, self._place, self._observe, self._reports = settings, place, observe, reports
        self._processes = processes
        self._signals = Signals({*ENDING, signal.SIGHUP, signal.SIGCHLD})
        self._crew: Crew | None = None
        self._coming: Crew | None = None
        """Who is to take the place of the crew, once all of them can."""
        self._leaving: dict[Worker, float] = {}
        """Who drains, and when their time is over."""
        self._replace = self._stopping = False
        self._code = 0

    def run(self) -> int:
        """Serve; the exit code: 0, or that of the very first worker if not even that one could start."""
        self._crew = self._assemble()
        told: frozenset[int] = frozenset()
        while self._crews or self._leaving:
            now = clock.monotonic_seconds()
            self._obey(told, now)
            for crew in self._crews:
                crew.tend(now)
            self._judge(now)
            self._see_off(now)
            told = self._wait(now)
        return self._code

    @property
    def _crews(self) -> Sequence[Crew]:
        return [crew for crew in (self._crew, self._coming) if crew is not None]

    def _wait(self, now_seconds: float) -> frozenset[int]:
        """Until something happens or is due, and take in what workers say; the signals there were."""
        workers = [*self._leaving, *(worker for crew in self._crews for worker in crew.workers)]
        if not workers and not self._crews:
            return frozenset()
        speakers = {worker.inbox.fileno(): worker for worker in workers if worker.inbox.open}
        poll = select.poll()  # Not select: it knows no file above 1,023.
        for file in (self._signals.fileno(), *speakers):
            poll.register(file, select.POLLIN)
        dues = [*self._leaving.values(), *(crew.due_seconds() for crew in self._crews)]
        due = min((each for each in dues if each is not None), default=None)
        for file, _ in poll.poll(None if due is None else max(0.0, (due - now_seconds) * 1_000)):
            if file in speakers:
                speakers[file].listen()
        return self._signals.read()

    def _obey(self, told: frozenset[int], now_seconds: float) -> None:
        """Do what signals ask for; a second one to stop does not wait for calls."""
        if told & ENDING and self._stopping:
            self._code = 1
            for worker in self._leaving:
                worker.kill()
        elif told & ENDING:
            self._stopping = True
            for crew in self._crews:
                self._dismiss(crew, now_seconds)
            self._crew = self._coming = None
        elif signal.SIGHUP in told:
            self._replace = True

    def _judge(self, now_seconds: float) -> None:
        """What becomes of those who start: a first crew that cannot is the end, a later one is not."""
        if self._crew is None:
            return
        if not self._crew.open and self._crew.failure is not None:
            self._code = self._crew.failure if self._crew.failure > 0 else 128 - self._crew.failure
            self._crew = None
        elif self._coming is not None and self._coming.failure is not None:
            self._keep(f"a new worker ended with code {self._coming.failure} before it could serve")
            self._dismiss(self._coming, now_seconds)
            self._coming = None
        elif self._coming is not None and self._coming.complete:
            self._observe(Event("workers.replaced", facts={"processes": len(self._coming.workers)}))
            self._dismiss(self._crew, now_seconds)
            self._crew, self._coming = self._coming, None
        elif self._replace and self._coming is None and self._crew.open and not self._leaving:  # Never three crews at a time.
            self._replace = False
            self._begin_replacement()

    def _begin_replacement(self) -> None:
        if not self._place.shared:
            self._keep("two processes cannot listen on one unix: address")
            return
        # What is wrong with settings the first new worker says, and then ends.
        with contextlib.suppress(config.SettingsError):
            self._settings = config.load(self._settings.folder, Environment.SERVE)
        self._coming = self._assemble()

    def _keep(self, problem: str) -> None:
        self._observe(Event("workers.kept", Level.ERROR, {"problem": f"{problem}; the old ones go on"}))

    def _assemble(self) -> Crew:
        settings, address = self._settings, self._place.address
        return Crew(lambda: Worker(settings, address, self._reports), self._processes or settings.server.processes, self._observe)

    def _dismiss(self, crew: Crew, now_seconds: float) -> None:
        """Have a crew drain and end."""
        for worker in crew.workers:
            worker.stop()
            self._leaving[worker] = now_seconds + worker.end_seconds_max

    def _see_off(self, now_seconds: float) -> None:
        """Let go of those that have ended, and make those end whose time is over."""
        for worker, until_seconds in list(self._leaving.items()):
            if worker.code() is not None:
                del self._leaving[worker]
            elif now_seconds >= until_seconds:
                self._observe(Event("worker.killed", Level.ERROR, {"pid": worker.pid, "seconds": worker.end_seconds_max}))
                worker.kill()
                self._leaving[worker] = now_seconds + worker.end_seconds_max
