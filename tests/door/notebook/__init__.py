"""The notebook: a contract of resources that stand under parents of several kinds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from protoplane import app
from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.cli.boilerplate import FURTHER, KEPT_METHODS, METHODS
from protoplane.cli.scaffold import Wish, scaffold
from tests.door.changes import check_log
from tests.door.client import Door, generated
from tests.door.custom import Later
from tests.engines import Database, Engine

HERE = Path(__file__).parent

PROJECT = """
[project]
name = "notebook"
servicers = ["notebook_code.py"]

[database]
url = "{url}"

[server]
address = "127.0.0.1:0"

[grants]
"writer" = ["*"]
"reader" = ["notes.get"]
"""


@dataclass(frozen=True)
class Notebook:
    """The notebook, served."""

    app: app.App
    folder: Path
    database: Database
    bugs: list[BaseException]
    """What the server raised that it should not have."""

    def token(self, subject: str = "writer") -> str:
        """What says that a caller is that subject."""
        signer, auth = self.app.signer, self.app.settings.auth
        assert signer is not None
        return signer.mint(subject=subject, issuer=auth.issuer, audience=auth.audience, seconds=600)

    def door(self, subject: str = "writer") -> Door:
        """Calls as that subject."""
        return Door(f"127.0.0.1:{self.app.port}", (modules()[0],), self.token(subject))


RESOURCES = ("Folder", "User", "Note", "Remark", "Layout", "Memo", "Citation")


def scaffolded(text: str, names: Sequence[str] = RESOURCES) -> str:
    """A contract with the methods of its resources."""
    for name in names:
        text = scaffold(text, Wish(name, methods=(*KEPT_METHODS, *FURTHER) if name in {"Note", "Memo"} else METHODS))
    return text


def project(folder: Path, url: str) -> Path:
    """The project, with its data kept at `url`."""
    text = scaffolded((HERE / "notebook.proto").read_text())
    file = folder / "protos/notebook/v1/notebook.proto"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    shutil.copy(HERE / "notebook_code.py", folder)
    (folder / "protoplane.toml").write_text(PROJECT.format(url=url))
    return folder


@cache
def modules() -> tuple[Any, Any]:
    """`notebook_pb2` and `commit_pb2`, as `protoplane generate` makes them."""
    return generated(project, "notebook.v1.notebook_pb2", "notebook.v1.protoplane.commit.v1.commit_pb2")


pb: Any = Later(lambda: modules()[0])
"""The messages of the notebook."""

commit: Any = Later(lambda: modules()[1])
"""Those of a commit."""


@contextmanager
def served(engine: Engine, folder: Path) -> Iterator[Notebook]:
    """The notebook on an engine. In the end its log must say what its tables say."""
    modules()  # Before the server's own classes of that name take the package.
    database, bugs = engine.create_database(), list[BaseException]()
    settings = config.load(project(folder, database.url), Environment.DEV)
    running = app.start(settings, lambda seen: bugs.append(seen.bug) if seen.bug is not None else None)
    try:
        yield Notebook(running, folder, database, bugs)
    finally:
        running.stop()
        check_log(database, running.contract)
        database.drop()
