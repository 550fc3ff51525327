"""A real server of the test contract on a real port, once per engine; stubs as `protoplane generate` makes them."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.door import service
from tests.door.archive import ARCHIVE
from tests.door.client import Door, Refused
from tests.door.depot import DEPOT
from tests.door.depot import pb as depot_pb
from tests.door.service import Contract, Service
from tests.door.statements import Seen, watched
from tests.door.workspace import WORKSPACE, Office
from tests.engines import Engine

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


LIBRARY = Contract(project, ("library.v1.library_pb2", "library.v1.specimen_pb2"), "writer")

stubs, specimens = LIBRARY.module(), LIBRARY.module(1)
"""The messages of its two files."""


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
def client_modules() -> Any:
    """The generated client: (library_pb2, specimen_pb2)."""
    return LIBRARY.modules


@pytest.fixture(scope="session")
def served(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The library, on each engine. Modules that are about another contract have a fixture of this name of their own."""
    with service.served(LIBRARY, engine, tmp_path_factory.mktemp("library")) as library:
        yield library


class Serve(Protocol):
    """Serves a contract; options are those of `service.served`."""

    def __call__(self, contract: Contract, **options: Any) -> Service:
        """Until the end of the module."""


@pytest.fixture(scope="module")
def serve(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A server for the tests of one module, with a database of its own."""
    with ExitStack() as stack:
        yield lambda contract, **options: stack.enter_context(
            service.served(contract, engine, tmp_path_factory.mktemp("served"), **options)
        )


@pytest.fixture
def door(served: Service) -> Iterator[Door]:
    """Calls of somebody who may do everything there; a bug inside the server fails the test with its own trace."""
    with served.calls() as door:
        yield door


_numbers = itertools.count(1)


@pytest.fixture
def lib() -> Any:
    """The messages of the library."""
    return stubs


@pytest.fixture
def publisher(door: Door, lib: Any) -> str:
    """The name of a publisher that no other test knows."""
    created = door.CreatePublisher(publisher_id=f"p{next(_numbers)}", publisher=lib.Publisher(display_name="Penguin"))
    return str(created.name)


@pytest.fixture
def refused() -> Callable[..., Any]:
    """Run a call that must be refused, and give the refusal."""

    def run(call: Callable[..., Any], *args: Any, **fields: Any) -> Refused:
        with pytest.raises(Refused) as caught:
            call(*args, **fields)
        return caught.value

    return run


@pytest.fixture(scope="session")
def depot(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The depots, on each engine."""
    with service.served(DEPOT, engine, tmp_path_factory.mktemp("depot"), recording=True) as depots:
        yield depots


@pytest.fixture
def keeper(depot: Service) -> Iterator[Door]:
    """Calls of somebody who may do everything in the depots, as `door` gives them."""
    with depot.calls() as door:
        yield door


@pytest.fixture
def place(keeper: Door) -> str:
    """The name of a depot that no other test knows."""
    made = keeper.CreateDepot(depot_id=f"d{next(_numbers)}", depot=depot_pb.Depot(town="Ghent"))
    return str(made.name)


@pytest.fixture(scope="session")
def archive(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The archive, on each engine."""
    with service.served(ARCHIVE, engine, tmp_path_factory.mktemp("archive")) as archive:
        yield archive


@pytest.fixture(scope="session")
def workspace(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The workspace, on each engine."""
    with service.served(WORKSPACE, engine, tmp_path_factory.mktemp("workspace"), recording=True) as workspace:
        yield workspace


@pytest.fixture
def archivist(archive: Service) -> Iterator[Door]:
    """Calls of somebody who may do everything in the archive, as `door` gives them."""
    with archive.calls() as door:
        yield door


@pytest.fixture
def fresh_id() -> str:
    """An id that no other test has."""
    return f"x{next(_numbers)}"


@pytest.fixture
def office(workspace: Service, fresh_id: str) -> Iterator[Office]:
    """An organisation of Ada's, with a folder and a document in it."""
    with Office.of(workspace, fresh_id) as office:
        yield office
