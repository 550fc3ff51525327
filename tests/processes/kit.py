"""What the tests of processes share: a project in production, processes by their parent."""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from protoplane.cli.scaffold import Wish, scaffold
from protoplane.identity.tokens import Signer
from tests.door.running import Running, done, running
from tests.processes.client import SECONDS_MAX

HERE = Path(__file__).parent
ISSUER, AUDIENCE = "https://issuer.example", "desk"
LOOK_SECONDS = 0.02
"""Between two looks at what tells nobody of its end."""


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


def production(folder: Path, url: str, signer: Signer, write: Callable[[Path], object] = write_project) -> Project:
    """The project in `folder`, with keys; its database is empty."""
    write(folder)
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


def signal_all(pids: set[int], number: int) -> None:
    """The same signal to processes of ours."""
    for pid in pids:
        os.kill(pid, number)
