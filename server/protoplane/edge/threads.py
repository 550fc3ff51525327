"""Threads that calls hold while they last. One that is free waits for the next call, and keeps what it has: a connection to the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import final

IDLE_SECONDS_MAX = 30.0
"""For the next call; then the thread ends, and its connection with it."""


@final
class Threads:
    """As many threads as there are tasks at once. Safe for threads."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._free = 0
        """Threads that wait, less what waits for them."""
        self._stopped = False

    def run(self, task: Callable[[], None]) -> None:
        """Run it on a thread that is free, or on a new one. RuntimeError when the system gives no more."""
        with self._lock:
            if self._free:
                self._free -= 1
                self._tasks.put(task)
                return
        threading.Thread(target=self._work, args=([task],), name=self._name, daemon=True).start()

    def stop(self) -> None:
        """End those that are free now, the others after their tasks."""
        with self._lock:
            self._stopped = True
            for _ in range(self._free):
                self._tasks.put(None)
            self._free = 0

    def _work(self, first: list[Callable[[], None]]) -> None:
        task: Callable[[], None] | None = first.pop()  # A thread keeps its arguments for as long as it lives.
        while task is not None:
            task()
            task = None  # It holds its call, and this thread may wait for long.
            with self._lock:
                if self._stopped:
                    return
                self._free += 1
            task = self._next()

    def _next(self) -> Callable[[], None] | None:
        """What to run next; None to end."""
        try:
            return self._tasks.get(timeout=IDLE_SECONDS_MAX)
        except Empty:
            pass
        with self._lock:
            try:
                return self._tasks.get_nowait()  # It was given between the two.
            except Empty:
                self._free -= 1
                return None
