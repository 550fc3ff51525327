"""Signals as bytes on a pipe, so that a process can wait for them and for other things at once."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable
from typing import Final

ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})
"""What tells a process to end."""


class Signals:
    """The signals that this process takes note of, from now on.

    A Python handler is not enough: it runs when the main thread gets to it, and a signal that comes just before that thread
    begins to wait, or on another thread, does not wake it. The byte is written by the C handler, wherever it runs.
    """

    def __init__(self, numbers: Iterable[signal.Signals] = ENDING) -> None:
        self._numbers = frozenset(numbers)
        self._read_end, self._write_end = os.pipe()
        for end in (self._read_end, self._write_end):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)  # Full: whoever reads it will wake anyway.
        for number in self._numbers:
            signal.signal(number, lambda _number, _frame: None)

    def fileno(self) -> int:
        """What to wait for: readable once `read` has something."""
        return self._read_end

    def read(self) -> frozenset[int]:
        """The signals since the last look, without waiting; 0 stands for a `notify`."""
        with contextlib.suppress(BlockingIOError):
            return frozenset(os.read(self._read_end, 1_024))
        return frozenset()

    def wait(self, *, end_of_input: bool = False) -> frozenset[int]:
        """Wait for a signal, a `notify` or, with `end_of_input`, the end of stdin, which is no signal at all: the empty set."""
        inputs = [self._read_end, *([0] if end_of_input else [])]
        while True:
            ready, _, _ = select.select(inputs, [], [])
            if self._read_end in ready:
                return self.read()
            if not os.read(0, 1_024):
                return frozenset()

    def notify(self) -> None:
        """Wake who waits; from any thread."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._write_end, b"\0")

    def let_go(self) -> None:
        """From now on these signals end the process at once."""
        for number in self._numbers:
            signal.signal(number, signal.SIG_DFL)
