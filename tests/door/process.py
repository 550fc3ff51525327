"""The server as a process of its own, as a team runs it, that can be killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import grpc

START_SECONDS_MAX = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """`protoplane dev --once` on a project, at one address over several lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = f"127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it takes calls."""
        environment = {**os.environ, "PROTOPLANE_SERVER_ADDRESS": self.target}
        command = [sys.executable, "-m", "protoplane.cli.main", "dev", "--once", "--project", str(self.folder)]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
        with grpc.insecure_channel(self.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            grpc.channel_ready_future(channel).result(START_SECONDS_MAX)

    @property
    def pid(self) -> int:
        """Of the server that runs now."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As a crash: no goodbye."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def terminate(self) -> int:
        """As a deployment: SIGTERM; gives the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(START_SECONDS_MAX)

    @property
    def log(self) -> str:
        """What the server said so far."""
        return (self.folder / "server.log").read_text()
