"""A process that we start and that ends when we do: `dev`'s serving process, the workers of `serve`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

from protoplane.base import config


class Child:
    """`protoplane …` in a process of its own, never forked: what runs is what a fresh start gives, and gRPC survives no fork.

    Its stdin is a pipe from us and ends with us, however we end; it ends then.
    """

    def __init__(self, arguments: Sequence[str], *, handed: Sequence[int] = (), variables: Mapping[str, str] | None = None) -> None:
        """Start it. `handed` are file descriptors that it gets under their numbers, `variables` what its environment has besides ours."""
        command = [sys.executable, "-P", "-m", "protoplane.cli.main", *arguments]
        # In a session of its own: Ctrl-C reaches the process through us, once.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, arguments as a list.
            command, stdin=subprocess.PIPE, pass_fds=handed, env=config.child_environment(**variables or {}), start_new_session=True
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def code(self) -> int | None:
        """Its exit code, -N when signal N ended it; None while it runs."""
        code = self._process.poll()
        if code is not None:
            self._hang_up()
        return code

    def stop(self) -> None:
        """Tell it to end, and return at once."""
        self._process.terminate()
        self._hang_up()

    def kill(self) -> None:
        """End it without a goodbye."""
        self._process.kill()

    def end(self, seconds_max: float) -> None:
        """Tell it to end and see to it that it does; returns when it is gone."""
        self.stop()
        try:
            self._process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _hang_up(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
