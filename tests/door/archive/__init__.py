"""The archive: a contract of resources that end in every way there is, stand below one another, and have names of every form."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from protoplane import app
from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.store.session import Session
from tests.door.changes import check_log
from tests.door.client import Door, Refused, generated
from tests.door.custom import Later
from tests.engines import Database, Engine

HERE = Path(__file__).parent

PROJECT = """
[project]
name = "archive"

[database]
url = "{url}"

[server]
address = "127.0.0.1:0"

[grants]
"archivist" = ["*"]
"nobody" = []
"""


@dataclass(frozen=True)
class Archive:
    """The archive, served."""

    app: app.App
    database: Database
    bugs: list[BaseException]
    """What the server raised that it should not have."""

    def door(self, subject: str = "archivist") -> Door:
        """Calls as that subject."""
        signer, auth = self.app.signer, self.app.settings.auth
        assert signer is not None
        token = signer.mint(subject=subject, issuer=auth.issuer, audience=auth.audience, seconds=600)
        return Door(f"127.0.0.1:{self.app.port}", (messages(),), token)


def project(folder: Path, url: str) -> Path:
    """The project, with its data kept at `url`."""
    shutil.copytree(HERE / "protos", folder / "protos", dirs_exist_ok=True)
    (folder / "protoplane.toml").write_text(PROJECT.format(url=url))
    return folder


@cache
def messages() -> Any:
    """`archive_pb2`, as `protoplane generate` makes it."""
    (module,) = generated(project, "archive.v1.archive_pb2")
    return module


pb = Later(messages)
"""The messages of the archive."""


@contextmanager
def served(engine: Engine, folder: Path, *, logged: bool = True) -> Iterator[Archive]:
    """The archive on an engine; `logged`: nobody writes past the log, and so it must say in the end what the tables say."""
    messages()  # Before the server's own classes of that name take the package.
    database, bugs = engine.create_database(), list[BaseException]()
    settings = config.load(project(folder, database.url), Environment.DEV)
    running = app.start(settings, lambda seen: bugs.append(seen.bug) if seen.bug is not None else None)
    try:
        yield Archive(running, database, bugs)
    finally:
        running.stop()
        if logged:
            check_log(database, running.contract)
        database.drop()


def code_of(call: Callable[[], object]) -> str:
    """`OK`, or the code with which a call was refused."""
    try:
        call()
    except Refused as refusal:
        return refusal.code
    return "OK"


Ran = list[tuple[str, tuple[object, ...]]]


@contextmanager
def recorded() -> Iterator[Ran]:
    """The statements that servers in this process run meanwhile, with what is bound; what health asks is left out."""
    ran: Ran = []
    execute, execute_many, rows = Session.execute, Session.execute_many, Session.rows

    def noted_execute(self: Session, sql: str, params: Sequence[object] = ()) -> int:
        ran.append((sql, tuple(params)))
        return execute(self, sql, params)

    def noted_many(self: Session, sql: str, rows: Sequence[Sequence[object]]) -> int:
        ran.append((sql, ()))
        return execute_many(self, sql, rows)

    def noted_rows(self: Session, sql: str, params: Sequence[object] = ()) -> Any:
        if sql != "SELECT 1":
            ran.append((sql, tuple(params)))
        return rows(self, sql, params)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "execute", noted_execute)
        patch.setattr(Session, "execute_many", noted_many)
        patch.setattr(Session, "rows", noted_rows)
        yield ran
