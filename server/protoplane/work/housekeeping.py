"""Small tasks that a server does now and then: each process does them, and doing them twice harms nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from protoplane.base.jitter import between
from protoplane.base.observe import Event, Level, Observe

PAUSE_SECONDS = 600.0
"""Between two rounds, on average; the first comes after a random part of it, so that processes started together part."""

STOP_SECONDS_MAX = 5.0


class Housekeeping:
    """A thread that runs every task once a round; what fails is reported and tried again in the next."""

    def __init__(self, tasks: Mapping[str, Callable[[], int]], observe: Observe, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._tasks, self._observe, self._pause_seconds = tasks, observe, pause_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the task under way."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS_MAX)

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_seconds * between(0.5, 1.5)):
            for name, task in self._tasks.items():
                try:
                    done = task()
                except Exception as bug:  # noqa: BLE001 - one task must not end the others.
                    self._observe(Event(f"housekeeping.{name}.failed", level=Level.WARNING, bug=bug))
                else:
                    if done:
                        self._observe(Event(f"housekeeping.{name}", facts={"rows": done}))
