"""What the workers of `serve` tell the process that supervises them: JSON, one message a line, on a pipe of each.

The first message is `{"ready": port}`, then once a second `{"metrics": …, "serving": bool}`, and the last time at the end.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

EVERY_SECONDS = 1.0
LINE_BYTES_MAX = 16 * 1024 * 1024
"""Of one message: what is longer is thrown away rather than kept."""
ENDED_MAX = 100
"""Last words of ended workers that are kept apart; more are put together."""

Snapshot: TypeAlias = Callable[[], object]
"""What a worker has counted, as something that JSON can say."""
Fold: TypeAlias = Callable[[Sequence[Any]], object]
"""Several workers' counts as one."""


@final
class Reporter:
    """The worker's end."""

    def __init__(self, pipe: int, port: int, *, serving: Callable[[], bool], snapshot: Snapshot | None = None) -> None:
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
            told = self._tell({"metrics": None if self._snapshot is None else self._snapshot(), "serving": self._serving()}) and not last
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

    metrics: object = None
    serving: bool = False


@final
class Reports:
    """What all workers told last, also those that have ended; may be asked from any thread.

    Counts of processes that are gone still belong to the sum, or it would fall with every replacement. `fold` keeps them few;
    without it those of the first workers are forgotten after ENDED_MAX.
    """

    def __init__(self, fold: Fold | None = None) -> None:
        self._fold = fold
        self._lock = threading.Lock()
        self._living: dict[int, Report] = {}
        self._ended: list[object] = []

    def update(self, pid: int, report: Report) -> None:
        """A worker told something."""
        with self._lock:
            self._living[pid] = report

    def end(self, pid: int) -> None:
        """A worker has ended."""
        with self._lock:
            report = self._living.pop(pid, None)
            if report is not None and report.metrics is not None:
                self._ended.append(report.metrics)
            if len(self._ended) > ENDED_MAX:
                self._ended = [self._fold(self._ended)] if self._fold is not None else self._ended[1:]

    def metrics(self) -> tuple[object, ...]:
        """The counts of every worker, ended ones too."""
        with self._lock:
            living = (report.metrics for report in self._living.values() if report.metrics is not None)
            return (*self._ended, *living)

    def living(self) -> Mapping[int, Report]:
        """By process id, what each worker that runs told last."""
        with self._lock:
            return dict(self._living)
