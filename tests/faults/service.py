"""The test library as a process over several lives, and what its callers need: doors, and numbers about the process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.identity.tokens import Signer
from tests.door.client import Door
from tests.door.conftest import project
from tests.door.process import START_SECONDS_MAX, Process
from tests.door.running import environment
from tests.engines import Database
from tests.engines.server import free_port

HERE = Path(__file__).parent
THREADS = 8
POLL_SECONDS = 0.02


class Service(Process):
    """`protoplane dev --once` on a database, by way of `through` (a port) where that is given.

    `before` is a command that the server is started with, such as `prlimit --nofile=64`; `variables` are of its environment.
    """

    def __init__(
        self, folder: Path, database: Database, modules: Any, *, through: int = 0, before: Sequence[str] = (), **variables: str
    ) -> None:
        url = database.url
        if through:
            url = url.replace(f":{getattr(database.engine, 'port', 0)}/", f":{through}/")
        super().__init__(project(folder, url))
        shutil.copy(HERE / "servicers.py", folder / "servicers.py")
        # Not of the ephemeral range: a client that asks for a server that is down could be given its port, and meet itself.
        self.target = f"127.0.0.1:{free_port()}"
        self.modules, self.lib = modules, modules[0]
        self.slow = folder / "slow"
        """While this file is there, a CreateBook goes on for ages after it has written its row."""
        self.stderr: int | None = None
        """Where its log goes instead of `server.log`."""
        self._before = tuple(before)
        defaults = {"PROTOPLANE_SERVER_ADDRESS": self.target, "PROTOPLANE_SERVER_THREADS": str(THREADS)}
        self._environment = environment(**(defaults | variables))

    def start(self) -> None:
        """Start, and wait until it takes calls."""
        command = [*self._before, sys.executable, "-m", "protoplane.cli.main", "dev", "--once", "--project", str(self.folder)]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL, stderr=self.stderr or log)
        with grpc.insecure_channel(self.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            grpc.channel_ready_future(channel).result(START_SECONDS_MAX)

    @property
    def pid(self) -> int:
        """Of the process under way."""
        assert self._process is not None
        return self._process.pid

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.target.rpartition(":")[2])

    def pause(self) -> None:
        """Freeze it (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def token(self, seconds: int = 600) -> str:
        """Credentials of somebody who may do everything."""
        settings = config.load(self.folder, Environment.DEV)
        auth = settings.auth
        signer = Signer.kept(settings.development_signing_key)
        return signer.mint(subject="writer", issuer=auth.issuer, audience=auth.audience, seconds=seconds)

    def door(self, port: int = 0) -> Door:
        """Calls, by way of another port where that is given."""
        return Door(f"127.0.0.1:{port or self.port}", self.modules, self.token())

    def publisher(self, door: Door, publisher_id: str) -> str:
        """The name of a new publisher."""
        return str(door.CreatePublisher(publisher_id=publisher_id, publisher=self.lib.Publisher(display_name="P")).name)

    def resident_bytes(self) -> int:
        """Memory that the process has now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1_024

    def cpu_seconds(self) -> float:
        """What the process has worked so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self) -> int:
        """How many descriptors the process has open."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())


@contextmanager
def serving(folder: Path, database: Database, modules: Any, **options: Any) -> Iterator[Service]:
    """A service that is killed with the block."""
    service = Service(folder, database, modules, **options)
    try:
        service.start()
        yield service
    finally:
        service.kill()


def until(true: Callable[[], object], seconds: float = 10.0) -> float:
    """Wait for what nobody tells; the seconds that it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + seconds, f"it did not happen within {seconds} s"
        time.sleep(POLL_SECONDS)
    return time.monotonic() - began
