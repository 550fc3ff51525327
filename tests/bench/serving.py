"""A server under measurement, whatever it is made with: started on a core of its own, asked, and what it has used of the processor."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import create_connection
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import grpc

from tests.bench import rest
from tests.bench.contract import ROOT, SERVICE, message_class
from tests.bench.load import Orders

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class NotServing(Exception):
    """A server did not start, or did not answer as it should; the text has what it said."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that takes calls of the flight desk, each given as gRPC's request."""

    name: str
    port: int
    pid: int
    metadata: Mapping[str, str]
    """What each call carries; names are lower case."""
    rest: bool = False
    """It takes the same requests by meaning as REST with JSON."""

    def ask(self, method: str, response: str, request: Any) -> Any:
        """One answer, as gRPC's message."""
        if self.rest:
            return rest.ask(self.port, request, message_class(response))
        made: Any = message_class(response)
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            call: Callable[..., Any] = channel.unary_unary(f"/{SERVICE}/{method}", response_deserializer=made.FromString)
            return call(request.SerializeToString(), metadata=tuple(self.metadata.items()), timeout=30)

    def orders(self, method: str, connections: int, warm: int) -> Orders:
        """What a client process is told."""
        return Orders("http" if self.rest else "grpc", self.port, f"/{SERVICE}/{method}", self.metadata, connections, warm)

    def encode(self, request: Any) -> bytes:
        """What a client process sends."""
        encoded: bytes = rest.encode(request) if self.rest else request.SerializeToString()
        return encoded

    def processor_seconds(self) -> float:
        """Processor time of the process and those it has started."""
        return processor_seconds(self.pid)


def processor_seconds(pid: int) -> float:
    """Processor time of a process and those it has started, user and system; counted in hundredths of a second."""
    stats = {int(entry.name): _stat(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    family, grown = set[int](), {pid}
    while grown:  # `protoplane serve` may serve in processes of its own.
        family |= grown
        grown = {pid for pid, fields in stats.items() if fields and int(fields[PARENT]) in grown}
    return sum(int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS]) for pid in family if (fields := stats.get(pid))) / TICKS_PER_SECOND


Serve: TypeAlias = Callable[[str], AbstractContextManager[Serving]]
"""Serves the database of this URL until the end of the block. Raises NotServing."""


def by_hand(name: str, module: str, *, rest: bool = False) -> Serve:
    """A server that is a program of `tests.bench` and prints its port."""
    return partial(_by_hand, name, module, rest)


@contextmanager
def _by_hand(name: str, module: str, rest: bool, url: str) -> Iterator[Serving]:
    parts = urlsplit(url)
    command = [sys.executable, "-m", module, str(parts.hostname), str(parts.port), str(parts.username), parts.path[1:]]
    with process(command, os.environ, stdout=subprocess.PIPE) as (started, log):
        assert started.stdout is not None
        port = int(started.stdout.readline().decode().strip() or 0)  # Nothing when it ended.
        yield ready(Serving(name, port, started.pid, {}, rest), started, log)


@contextmanager
def process(
    command: list[str], environment: Mapping[str, str], stdout: int | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A process on the servers' core, whose stderr goes to a file; ended with the block."""
    with tempfile.TemporaryDirectory(prefix="protoplane-bench-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as stderr:
            started = subprocess.Popen(command, env=dict(environment), cwd=ROOT, stdout=stdout or stderr, stderr=stderr)
        if SERVER_CORES:
            os.sched_setaffinity(started.pid, SERVER_CORES)  # It has no other threads yet: Python has not come up.
        try:
            yield started, log
        finally:
            started.terminate()
            with suppress(subprocess.TimeoutExpired):
                started.wait(STOP_SECONDS_MAX)
            started.kill()
            started.wait()
            if started.stdout is not None:
                started.stdout.close()


SERVER_CORES: set[int] = set()
"""The one core of the servers; none on a machine that has no other."""


def take_cores() -> None:
    """Leave one core to the servers, which run one at a time; everything else that is started from now on, the database too, has the others."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        SERVER_CORES.add(cores[0])
        os.sched_setaffinity(0, cores[1:])


@contextmanager
def servers_core() -> Iterator[None]:
    """What is started in the block is a server: it has their core from its first thread on."""
    mine = os.sched_getaffinity(0)
    if SERVER_CORES:
        os.sched_setaffinity(0, SERVER_CORES)
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def core_seconds() -> tuple[float, float]:
    """Processor time that the servers' core has spent on anything so far, and that all the others have: proc(5), `stat`."""
    spent = {True: 0.0, False: 0.0}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            user, nice, system, _idle, _waiting, *interrupts = map(int, fields[:7])
            spent[int(name[3:]) in SERVER_CORES] += (user + nice + system + sum(interrupts)) / TICKS_PER_SECOND
    return spent[True], spent[False]


def ready(serving: Serving, started: subprocess.Popen[bytes], log: Path) -> Serving:
    """Wait until the server takes connections. Raises NotServing with its last words."""
    give_up = time.monotonic() + START_SECONDS_MAX
    while started.poll() is None and time.monotonic() < give_up:
        with suppress(OSError):
            create_connection(("127.0.0.1", serving.port), timeout=1).close()
            return serving
        time.sleep(0.05)
    raise NotServing(f"the {serving.name} server did not start:\n{log.read_text(errors='replace')[-4_000:]}")


def _stat(process_folder: Path) -> list[str]:
    """What the kernel says of a process, from its state on (proc(5)); nothing when it has ended."""
    try:
        return (process_folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


PARENT, USER_TICKS, SYSTEM_TICKS = 1, 11, 12
