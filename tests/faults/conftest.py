"""Fixtures of the faults: an engine of the store, and the test library as a process whose wiring can be cut."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.door.client import Door
from tests.door.conftest import client_modules
from tests.engines import Database, Engine
from tests.faults.proxy import Proxy
from tests.faults.service import Service, serving
from tests.store.conftest import library, store

__all__ = ["client_modules", "library", "store"]

BOOKS = 300
"""Enough for a scan that takes ages (`servicers.LONG_SCAN`)."""

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def session_database(engine: Engine) -> Iterator[Database]:
    """Of the service that many tests share."""
    database = engine.create_database()
    yield database
    engine.mend()
    database.drop()


@pytest.fixture(scope="session")
def service(session_database: Database, client_modules: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A process for tests that do it no lasting harm, with some books in it."""
    with serving(tmp_path_factory.mktemp("service"), session_database, client_modules) as service:
        with closing(service.door()) as door:
            parent = service.publisher(door, "stock")
            items = [service.lib.CreateBookRequest(book_id=f"b{n}", book=service.lib.Book(title="x", page_count=1)) for n in range(BOOKS)]
            door.BatchCreateBooks(parent=parent, requests=items)
        yield service
        assert '"trace"' not in service.log, "the server took something for a bug"


@pytest.fixture
def door(service: Service) -> Iterator[Door]:
    """Calls of the shared service."""
    with closing(service.door()) as door:
        yield door


@pytest.fixture
def parent(service: Service, door: Door) -> str:
    """The name of a publisher that no other test knows."""
    return service.publisher(door, f"p{next(_numbers)}")


@pytest.fixture
def proxied() -> Iterator[Callable[[int], Proxy]]:
    """Make a proxy before a port."""
    with ExitStack() as stack:
        yield lambda port: stack.enter_context(closing(Proxy(port)))


@pytest.fixture
def start(database: Database, client_modules: Any, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Start a service of one's own on the test's database."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(serving(tmp_path, options.pop("database", database), client_modules, **options))
