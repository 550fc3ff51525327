"""`protoplane …` as people run it: commands as processes, and what they print while they run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import grpc
from grpc_health.v1 import health_pb2

from tests.door.process import free_port

PROTOPLANE = (sys.executable, "-m", "protoplane.cli.main")
SECONDS_MAX = 60.0


def environment(**variables: str) -> dict[str, str]:
    """This process's, without settings of Protoplane's that somebody may have made."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PROTOPLANE_")} | variables


def run(*arguments: object, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in `folder`."""
    command = [*PROTOPLANE, *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=environment(**variables), capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )


def done(*arguments: object, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command that must work."""
    ran = run(*arguments, folder=folder, **variables)
    assert ran.returncode == 0, f"{arguments}: {ran.stdout}{ran.stderr}"
    return ran


class Running:
    """A command under way at an address of its own, with what it has printed so far."""

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        self.target = variables.setdefault("PROTOPLANE_SERVER_ADDRESS", f"127.0.0.1:{free_port()}")
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            [*PROTOPLANE, *arguments],
            cwd=folder,
            env=environment(PYTHONUNBUFFERED="1", **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    self.lines.append(line.rstrip("\n"))
                    self._news.notify_all()

    def seen(self, pattern: str, *, times: int = 1, seconds: float = SECONDS_MAX) -> list[str]:
        """The lines that match, once there are so many."""

        def found() -> list[str]:
            return [line for line in self.lines if re.search(pattern, line)]

        with self._news:
            assert self._news.wait_for(lambda: len(found()) >= times, seconds), f"no {pattern!r} in\n{self.text}"
            return found()

    def started(self, times: int = 1) -> None:
        """Wait until it has begun to take calls for so many times."""
        for line in self.seen('"server.started"', times=times):
            assert self.target.endswith(f":{json.loads(line)['port']}")

    @property
    def text(self) -> str:
        """Everything it has printed."""
        return "\n".join(self.lines)

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        return self._process.pid

    @property
    def token(self) -> str:
        """The token that development prints."""
        self.seen("^Token of")
        self.seen("^grpcurl ")
        return self.lines[next(i for i, line in enumerate(self.lines) if line.startswith("Token of")) + 1]

    def ended(self) -> int:
        """Wait until it ends by itself; the exit code."""
        code = self._process.wait(SECONDS_MAX)
        self._reader.join(SECONDS_MAX)
        return code

    def stop(self) -> int:
        """SIGTERM, unless it has ended; the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self.ended()


@contextmanager
def running(folder: Path, *arguments: str, **variables: str) -> Iterator[Running]:
    """A command that is ended with the block."""
    process = Running(folder, *arguments, **variables)
    try:
        yield process
    finally:
        process.stop()


def is_refused(target: str) -> bool:
    """Whether nothing listens there."""
    import socket

    host, _, port = target.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


class HealthWatch:
    """A stream of what the health service says, as a balancer has it."""

    def __init__(self, target: str, service: str = "") -> None:
        self._channel = grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        self._news = threading.Condition()
        self.told: list[str] = []
        watch = self._channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        self._stream = watch(health_pb2.HealthCheckRequest(service=service))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for answer in self._stream:
                with self._news:
                    self.told.append(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
                    self._news.notify_all()
        except grpc.RpcError:
            return  # Closed.

    def until(self, status: str, seconds: float) -> None:
        """Wait until this is the latest that was told."""
        with self._news:
            assert self._news.wait_for(lambda: self.told[-1:] == [status], seconds), f"{status} not told within {seconds} s: {self.told}"

    def close(self) -> None:
        """End the stream."""
        self._stream.cancel()
        self._channel.close()
