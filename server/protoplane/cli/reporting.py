"""What the workers of `serve` tell the process that supervises them: JSON, one message a line, on a pipe of each.

The first message is `{"ready": port}`, then once a second `{"metrics": …, "serving": bool}`, and the last time at the end.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from protoplane.base import clock
from protoplane.base.snapshot import Snapshot, ended, merged

EVERY_SECONDS = 1.0
LINE_BYTES_MAX = 16 * 1024 * 1024
"""Of one message: what is longer is thrown away rather than kept."""
BELIEVED_SECONDS = 5.0
"""After which a worker that has told nothing more is taken for one that hangs."""


@final
class Reporter:
    """The worker's end."""

    def __init__(self, pipe: int, port: int, *, serving: Callable[[], bool], snapshot: Callable[[], Snapshot]) -> None:
        """Say that calls are taken, and go on reporting. Takes the pipe over."""
        os.set_inheritable(pipe, False)  # noqa: FBT003 - it has no keywords.
        self._pipe, self._serving, self._snapshot = pipe, serving, snapshot
        self._closing = threading.Event()
        self._tell({"ready": port})
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Report once more, the final figures, and stop."""
        self._closing.set()
        self._thread.join(EVERY_SECONDS)

    def _run(self) -> None:
        told = True
        while told:
            last = self._closing.is_set()
            told = self._tell({"metrics": self._snapshot(), "serving": self._serving()}) and not last
            self._closing.wait(EVERY_SECONDS)

    def _tell(self, message: Mapping[str, object]) -> bool:
        """Whether anybody listens still; a supervisor that is slow to read holds up this thread and nothing else."""
        data = json.dumps(message).encode("ascii") + b"\n"
        try:
            while data:
                data = data[os.write(self._pipe, data) :]
        except OSError:
            return False
        return True


@final
class Inbox:
    """The supervisor's end: messages out of the bytes of one worker's pipe."""

    def __init__(self, pipe: int) -> None:
        """Takes the pipe over."""
        os.set_blocking(pipe, False)
        self._pipe, self._held, self.open = pipe, b"", True

    def fileno(self) -> int:
        """What to wait for."""
        return self._pipe

    def messages(self) -> Iterator[Mapping[str, Any]]:
        """Those that have come whole since the last look. At the end of the pipe it is closed, and no more `open`."""
        while self.open:
            try:
                data = os.read(self._pipe, 65_536)
            except BlockingIOError:
                return
            if not data:
                self.close()
            *lines, self._held = (self._held + data).split(b"\n")
            if len(self._held) > LINE_BYTES_MAX:
                self._held = b""
            for line in lines:
                try:
                    message = json.loads(line)
                except ValueError:
                    continue  # What was left of a message that was too long.
                if isinstance(message, dict):
                    yield message

    def close(self) -> None:
        """Listen no more."""
        if self.open:
            self.open = False
            os.close(self._pipe)


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker told last."""

    metrics: Snapshot | None = None
    serving: bool = False
    at_seconds: float = field(default_factory=clock.monotonic_seconds)


@final
class Reports:
    """What all workers told last, and what those counted that have ended; may be asked from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._living: dict[int, Report] = {}
        self._ended: Snapshot = merged(())

    def update(self, pid: int, report: Report) -> None:
        """A worker told something."""
        with self._lock:
            self._living[pid] = report

    def end(self, pid: int) -> None:
        """A worker has ended. What it counted still belongs to the sum, or that would fall with every replacement."""
        with self._lock:
            report = self._living.pop(pid, None)
            if report is not None and report.metrics is not None:
                self._ended = merged((self._ended, ended(report.metrics)))

    def metrics(self) -> Snapshot:
        """All workers together."""
        with self._lock:
            return merged((self._ended, *(report.metrics for report in self._living.values() if report.metrics is not None)))

    def serving(self) -> bool:
        """Whether a worker has said lately that it can answer calls."""
        since_seconds = clock.monotonic_seconds() - BELIEVED_SECONDS
        with self._lock:
            return any(report.serving and report.at_seconds >= since_seconds for report in self._living.values())
