"""A gallery to be served by tests: resources that refer to each other, with masks, views and expansions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from protoplane import app
from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.store.session import Session
from tests.door.client import Door, generated
from tests.engines import Database, Engine

HERE = Path(__file__).parent

SETTINGS = """
[project]
name = "gallery"
servicers = ["gallery_code.py"]

[database]
url = "{url}"

[server]
address = "127.0.0.1:0"
threads = 8

[grants]
"curator" = ["wings.*", "rooms.*", "artists.*", "pictures.*"]
"visitor" = ["pictures.get", "pictures.list", "artists.get"]
"""


def project(folder: Path, url: str) -> Path:
    """The project in `folder`, with its data at `url`."""
    proto = folder / "protos/gallery/v1/gallery.proto"
    proto.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "gallery.proto", proto)
    shutil.copy(HERE / "gallery_code.py", folder / "gallery_code.py")
    (folder / "protoplane.toml").write_text(SETTINGS.format(url=url))
    return folder


@cache
def messages() -> Any:
    """`gallery_pb2`, as a client of the service has it."""
    (module,) = generated(project, "gallery.v1.gallery_pb2")
    return module


@dataclass
class Gallery:
    """The server, the statements it ran, and what it raised that it should not have."""

    app: app.App
    database: Database
    statements: list[str] = field(default_factory=list)
    bugs: list[BaseException] = field(default_factory=list)

    def door(self, subject: str = "curator") -> Door:
        """Calls as that subject."""
        auth, signer = self.app.settings.auth, self.app.signer
        assert signer is not None
        token = signer.mint(subject=subject, issuer=auth.issuer, audience=auth.audience, seconds=600)
        return Door(f"127.0.0.1:{self.app.port}", (messages(),), token)

    def asked(self, table: str) -> list[str]:
        """The statements on a table since they were last forgotten."""
        return [sql for sql in self.statements if f'"{table}"' in sql or f"`{table}`" in sql]


@contextmanager
def opened(engine: Engine, folder: Path) -> Iterator[Gallery]:
    """The gallery on an engine, with every statement that reads noted."""
    database = engine.create_database()
    messages()  # Before the server's own classes take the name of the package.
    rows = Session.rows
    bugs: list[BaseException] = []
    with pytest.MonkeyPatch.context() as patch:
        settings = config.load(project(folder, database.url), Environment.DEV)
        gallery = Gallery(app.start(settings, lambda seen: bugs.append(seen.bug) if seen.bug is not None else None), database, [], bugs)

        def noted(self: Session, sql: str, params: Sequence[object] = ()) -> Any:
            gallery.statements.append(sql)
            return rows(self, sql, params)

        patch.setattr(Session, "rows", noted)
        yield gallery
        gallery.app.stop()
    database.drop()
