"""A service of depots and crates, to be served by tests: a project, its stubs, and callers."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from protoplane.cli.scaffold import Wish, scaffold
from tests.door.client import Door, generated
from tests.door.custom import Later, token_of

HERE = Path(__file__).parent

SETTINGS = """
[project]
name = "depot"
servicers = ["depot_code.py"]

[database]
url = "{url}"

[server]
address = "127.0.0.1:0"
threads = 8

[grants]
"keeper" = ["depots.*", "crates.*", "notices.get"]
"filler" = ["crates.create", "crates.update"]
"stocker" = ["crates.create", "crates.update", "crates.get"]
"crier" = ["notices.create", "notices.commit", "whispers.create"]
"silent" = ["notices.commit"]
"nobody" = []
"""


def project(folder: Path, url: str) -> Path:
    """The project in `folder`, with its data at `url`."""
    proto = folder / "protos/depot/v1/depot.proto"
    proto.parent.mkdir(parents=True, exist_ok=True)
    kinds = ("Get", "BatchGet", "List", "Create", "BatchCreate", "Update", "BatchUpdate", "Delete")
    text = scaffold((HERE / "depot.proto").read_text(), Wish("Depot", methods=kinds))
    proto.write_text(scaffold(text, Wish("Crate")))
    shutil.copy(HERE / "depot_code.py", folder / "depot_code.py")
    (folder / "protoplane.toml").write_text(SETTINGS.format(url=url))
    return folder


@cache
def modules() -> tuple[ModuleType, ModuleType]:
    """`depot_pb2` and `commit_pb2`, as a client of the service has them."""
    return generated(project, "depot.v1.depot_pb2", "depot.v1.protoplane.commit.v1.commit_pb2")


pb: Any = Later(lambda: modules()[0])
"""The messages of the depot."""

commit: Any = Later(lambda: modules()[1])
"""Those of a commit."""


def door_of(folder: Path, target: str, subject: str = "keeper") -> Door:
    """Calls as that subject; "" is a caller without credentials."""
    return Door(target, (modules()[0],), token_of(folder, subject) if subject else "")
