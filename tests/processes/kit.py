"""What the tests of processes share: a project in production, its client package, processes by their parent, callers."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from protoplane.cli.scaffold import Wish, scaffold
from protoplane.identity.tokens import Signer
from tests.door.running import Running, done, running

HERE = Path(__file__).parent
ISSUER, AUDIENCE = "https://issuer.example", "desk"
SECONDS_MAX = 30.0
"""For anything that is waited for."""
LOOK_SECONDS = 0.02
"""Between two looks at what tells nobody of its end."""
OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)


@dataclass(frozen=True)
class Client:
    """The client package that `protoplane generate` writes, imported, and a token."""

    pb: Any
    grpc: Any
    channel: Any
    token: str

    @contextmanager
    def stub(self, target: str) -> Iterator[Any]:
        """Calls with what the package ships: the stub, on a connection of its own."""
        with self.channel.connect(target, options=[OWN_CONNECTION]) as channel:
            yield self.grpc.DeskStub(channel)

    @contextmanager
    def once(self, target: str) -> Iterator[Any]:
        """Calls that are made once, whatever comes of it."""
        with grpc.insecure_channel(target, [OWN_CONNECTION, ("grpc.enable_retries", 0)]) as channel:
            yield self.grpc.DeskStub(channel)

    @property
    def own(self) -> dict[str, Any]:
        """What each call is made with."""
        return {"metadata": [("authorization", f"Bearer {self.token}")], "timeout": SECONDS_MAX}


@dataclass(frozen=True)
class Project:
    """A project and what it is told in production."""

    folder: Path
    variables: Mapping[str, str]

    def migrate(self) -> Project:
        """Give its database the tables."""
        done("migrate", "--production", "--apply", folder=self.folder, **self.variables)
        return self

    @contextmanager
    def serving(self, *arguments: str, **variables: str) -> Iterator[Running]:
        """`protoplane serve` in its folder, once it takes calls; ended with the block."""
        with running(self.folder, "serve", *arguments, **{**self.variables, **variables}) as process:
            process.started()
            yield process

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Its contract has a fault for as long as the block lasts."""
        file = self.folder / "protos/desk/v1/desk.proto"
        text = file.read_text()
        file.write_text(f"{text}\nmessage Broken {{\n  strong text = 1;\n}}\n")
        try:
            yield
        finally:
            file.write_text(text)

    def begun(self, text: str) -> bool:
        """Whether a call of that id has begun."""
        file = self.folder / "begun"
        return file.exists() and text in file.read_text().split()


def write_project(folder: Path) -> None:
    """Contract and code."""
    proto = folder / "protos/desk/v1/desk.proto"
    proto.parent.mkdir(parents=True)
    proto.write_text(scaffold((HERE / "desk.proto").read_text(), Wish("Note")))
    shutil.copy(HERE / "desk_code.py", folder / "desk_code.py")
    (folder / "protoplane.toml").write_text('[project]\nname = "desk"\nservicers = ["desk_code.py"]\n\n[grants]\n"writer" = ["notes.*"]\n')


def production(folder: Path, url: str, signer: Signer) -> Project:
    """The project in `folder`, with keys; its database is empty."""
    write_project(folder)
    (folder / "page.keys").write_text(base64.b64encode(b"k" * 32).decode())
    variables = {
        "PROTOPLANE_DATABASE_URL": url,
        "PROTOPLANE_AUTH_ISSUER": ISSUER,
        "PROTOPLANE_AUTH_AUDIENCE": AUDIENCE,
        "PROTOPLANE_AUTH_KEYS": json.dumps(signer.jwks()),
        "PROTOPLANE_PAGE_TOKENS_KEYS": "page.keys",
        "PROTOPLANE_SERVER_DRAIN_SECONDS": "0.2",
        "PROTOPLANE_METRICS_ADDRESS": "",
    }
    return Project(folder, variables)


def children(pid: int) -> set[int]:
    """The processes that this one has started and that run."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = file.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # It has just ended.
        if int(parent) == pid and state != "Z":
            found.add(int(file.parent.name))
    return found


def runs(pid: int) -> bool:
    """Whether there is such a process, and it is more than a name."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], object], seconds: float = SECONDS_MAX) -> None:
    """Wait until it holds, by looking again and again."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(LOOK_SECONDS)


def everybody(client: Client, target: str) -> set[int]:
    """The processes that answer at the address, asked on many connections."""
    found = set()
    for _ in range(24):
        with client.stub(target) as stub:
            found.add(int(stub.Ask(client.pb.AskRequest(), **client.own).pid))
    return found


@dataclass
class Load:
    """Clients that read and write in turn, each on its own connection, and what became of their calls."""

    client: Client
    target: str
    stop: threading.Event = field(default_factory=threading.Event)
    answered: int = 0
    failed: list[str] = field(default_factory=list)

    def run(self, number: int) -> None:
        """One client, until told to stop."""
        pb, own = self.client.pb, self.client.own
        with self.client.stub(self.target) as stub:
            for turn in itertools.count():
                if self.stop.is_set():
                    return
                try:
                    made = stub.CreateNote(pb.CreateNoteRequest(note=pb.Note(text=f"{number}-{turn}")), **own)
                    assert stub.GetNote(pb.GetNoteRequest(name=made.name), **own).text == f"{number}-{turn}"
                    stub.Ask(pb.AskRequest(seconds=0.02), **own)
                    self.answered += 3
                except grpc.RpcError as error:
                    self.failed.append(f"{error.code()}: {error.details()}")


@contextmanager
def load(client: Client, target: str, clients: int = 6) -> Iterator[Load]:
    """Clients at work for as long as the block lasts."""
    going = Load(client, target)
    threads = [threading.Thread(target=going.run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: going.answered or going.failed)
        yield going
        before = going.answered
        until(lambda: going.answered > before + 10 * clients or going.failed)
    finally:
        going.stop.set()
        for thread in threads:
            thread.join()


def signal_all(pids: set[int], number: int) -> None:
    """The same signal to processes of ours."""
    for pid in pids:
        os.kill(pid, number)
