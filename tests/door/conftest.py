"""A real server of the test contract on a real port, once per engine; stubs as `protoplane generate` makes them."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from protoplane import app
from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.cli.generate import command as generate
from tests.door.changes import check_log
from tests.door.client import Door, importable
from tests.engines import Database, Engine

HERE = Path(__file__).parent

PROJECT = """
[project]
name = "library"

[database]
url = "{url}"

[server]
address = "127.0.0.1:0"

[grants]
"reader" = ["publishers.get", "publishers.list", "books.get", "books.list"]
"writer" = ["publishers.*", "books.*"]
"nobody" = []
"""


def project(folder: Path, url: str) -> Path:
    """A project of the test contract that keeps its data at `url`."""
    shutil.copytree(HERE / "protos", folder / "protos", dirs_exist_ok=True)
    shutil.copy(HERE / "servicers.py", folder / "servicers.py")
    (folder / "protoplane.toml").write_text(PROJECT.format(url=url))
    return folder


@dataclass(frozen=True)
class Served:
    """A running server and what its clients need."""

    app: app.App
    folder: Path
    stubs: Any
    """`library_pb2`: the messages of the library."""
    specimens: Any
    """`specimen_pb2`."""
    bugs: list[BaseException]
    """What the server raised that it should not have."""
    database: Database

    def door(self, subject: str = "writer") -> Door:
        """Calls as that subject; "" is a caller without credentials."""
        settings, signer = self.app.settings, self.app.signer
        assert signer is not None
        auth = settings.auth
        token = signer.mint(subject=subject, issuer=auth.issuer, audience=auth.audience, seconds=600) if subject else ""
        return Door(f"127.0.0.1:{self.app.port}", (self.stubs, self.specimens), token)


@pytest.fixture(scope="session")
def client_modules(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The generated client: (library_pb2, specimen_pb2)."""
    folder = project(tmp_path_factory.mktemp("library"), "sqlite:///none.db")
    out = folder / "client"
    result = CliRunner().invoke(generate, ["--lang", "python", "--out", str(out), "--project", str(folder)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    with importable(out / "src") as load:
        return load("library.v1.library_pb2"), load("library.v1.specimen_pb2")


@pytest.fixture(scope="session")
def served(engine: Engine, client_modules: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server, on each engine."""
    database = engine.create_database()
    folder = project(tmp_path_factory.mktemp("served"), database.url)
    settings = config.load(folder, Environment.DEV)
    bugs: list[BaseException] = []
    running = app.start(settings, lambda seen: bugs.append(seen.bug) if seen.bug is not None else None)
    library, specimens = client_modules
    yield Served(running, folder, library, specimens, bugs, database)
    running.stop()
    check_log(database, running.contract)
    database.drop()


@pytest.fixture
def door(served: Served) -> Iterator[Door]:
    """Calls of somebody who may do everything in the library; a bug inside the server fails the test with its own trace."""
    door = served.door()
    yield door
    door.close()
    if served.bugs:
        bug = served.bugs[0]
        served.bugs.clear()
        raise bug


_numbers = itertools.count(1)


@pytest.fixture
def lib(served: Served) -> Any:
    """The messages of the library."""
    return served.stubs


@pytest.fixture
def publisher(door: Door, lib: Any) -> str:
    """The name of a publisher that no other test knows."""
    created = door.CreatePublisher(publisher_id=f"p{next(_numbers)}", publisher=lib.Publisher(display_name="Penguin"))
    return str(created.name)


@pytest.fixture
def refused() -> Callable[..., Any]:
    """Run a call that must be refused, and give the refusal."""
    from tests.door.client import Refused

    def run(call: Callable[..., Any], *args: Any, **fields: Any) -> Refused:
        with pytest.raises(Refused) as caught:
            call(*args, **fields)
        return caught.value

    return run
