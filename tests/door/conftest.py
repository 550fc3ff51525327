"""A real server of the test contract on a real port, once per engine; stubs as `protoplane generate` makes them."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from protoplane import app
from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.cli.generate import command as generate
from protoplane.store.session import Session
from tests.door import archive as archived
from tests.door import depot as depots
from tests.door.changes import check_log
from tests.door.client import Door, importable
from tests.door.statements import Seen, watched
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


SEEN = Seen()
"""Of the whole session, all engines."""


@pytest.fixture(scope="session", autouse=True)
def judged() -> Iterator[None]:
    """B04, B05: no statement of any call here holds what a caller said; values are bound."""
    SEEN.judging = False
    with watched(SEEN):
        yield
    SEEN.check()


@pytest.fixture(autouse=True)
def _judging() -> Iterator[None]:
    """While a test of this folder runs."""
    SEEN.judging = True
    yield
    SEEN.judging = False


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SEEN.hashes:
        terminalreporter.write_line(f"statements of calls: {len(SEEN.hashes)} texts, {len(SEEN.strange)} with a value in them")


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


@dataclass(frozen=True)
class Depot:
    """A running service of depots and crates, and the statements it has run."""

    folder: Path
    target: str
    database: Database
    bugs: list[BaseException]
    statements: list[tuple[str, tuple[object, ...]]]

    def door(self, subject: str = "keeper") -> Door:
        """Calls as that subject; "" is a caller without credentials."""
        return depots.door_of(self.folder, self.target, subject)


@pytest.fixture(scope="session")
def depot(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Depot]:
    """The service, on each engine."""
    database = engine.create_database()
    folder = depots.project(tmp_path_factory.mktemp("depot"), database.url)
    depots.modules()  # Before the server's own classes take the name of the package.
    bugs: list[BaseException] = []
    statements: list[tuple[str, tuple[object, ...]]] = []
    running = app.start(config.load(folder, Environment.DEV), lambda seen: bugs.append(seen.bug) if seen.bug is not None else None)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("rows", "execute"):
            patch.setattr(Session, name, recorded(getattr(Session, name), statements))
        yield Depot(folder, f"127.0.0.1:{running.port}", database, bugs, statements)
    running.stop()
    check_log(database, running.contract)
    database.drop()


def recorded(run: Callable[..., Any], statements: list[tuple[str, tuple[object, ...]]]) -> Callable[..., Any]:
    """A way to run statements that takes note of each, but for what health asks meanwhile and for the server's own tables."""

    def noted(self: Session, sql: str, params: Sequence[object] = ()) -> Any:
        if sql != "SELECT 1" and "protoplane_" not in sql:
            statements.append((sql, tuple(params)))
        return run(self, sql, params)

    return noted


@pytest.fixture
def keeper(depot: Depot) -> Iterator[Door]:
    """Calls of somebody who may do everything in the depots; a bug inside the server fails the test with its own trace."""
    door = depot.door()
    yield door
    door.close()
    if depot.bugs:
        bug = depot.bugs[0]
        depot.bugs.clear()
        raise bug


@pytest.fixture
def place(keeper: Door) -> str:
    """The name of a depot that no other test knows."""
    made = keeper.CreateDepot(depot_id=f"d{next(_numbers)}", depot=depots.pb.Depot(town="Ghent"))
    return str(made.name)


@pytest.fixture(scope="session")
def archive(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[archived.Archive]:
    """The archive, on each engine."""
    with archived.served(engine, tmp_path_factory.mktemp("archive")) as running:
        yield running


@pytest.fixture
def archivist(archive: archived.Archive) -> Iterator[Door]:
    """Calls of somebody who may do everything in the archive; a bug inside the server fails the test with its own trace."""
    door = archive.door()
    yield door
    door.close()
    if archive.bugs:
        bug = archive.bugs[0]
        archive.bugs.clear()
        raise bug


@pytest.fixture
def fresh_id() -> str:
    """An id that no other test has."""
    return f"x{next(_numbers)}"
