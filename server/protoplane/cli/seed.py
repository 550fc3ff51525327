"""The project's own data in development: a Python file that `dev` runs as soon as its server answers.

It goes through the public door like anyone, and is run at every start of `dev`, so it must see for itself what is there already.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from protoplane.base import config

STOP_SECONDS_MAX = 5.0


class Seed:
    """One run of a project's seed, beside the server."""

    def __init__(self, file: Path, target: str, done: Callable[[int], None]) -> None:
        """Start it; `done` is called with its exit code from another thread, unless it is stopped before."""
        environment = config.child_environment(PROTOPLANE_TARGET=target)
        self._process = subprocess.Popen([sys.executable, str(file)], cwd=file.parent, env=environment, stdin=subprocess.DEVNULL)  # noqa: S603
        self._stopped = False
        self._done = done
        threading.Thread(target=self._wait, name="dev-seed", daemon=True).start()

    def stop(self) -> None:
        """End it if it still runs: the server goes."""
        self._stopped = True
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _wait(self) -> None:
        code = self._process.wait()
        if not self._stopped:
            self._done(code)
