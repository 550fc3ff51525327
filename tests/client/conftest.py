"""Fixtures of generated clients: the library of the door's tests on SQLite, its client, and what went over the wire."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.client.library import Library
from tests.door.conftest import client_modules, served
from tests.door.service import Service
from tests.faults.proxy import Proxy

__all__ = ["client_modules", "served"]


@pytest.fixture
def library(served: Service) -> Iterator[Library]:
    """The modules of the client, and clients of the server; a bug inside the server fails the test."""
    with closing(Library(served)) as library:
        yield library
    assert not served.bugs


@pytest.fixture
def client(library: Library) -> Any:
    """A LibraryClient of somebody who may do everything."""
    return library.client()


@pytest.fixture
def parent(client: Any, library: Library) -> str:
    """The name of a publisher that no other test knows."""
    return str(client.create_publisher(publisher=library.pb.Publisher(display_name="P")).name)


@pytest.fixture
def proxy(served: Service) -> Iterator[Proxy]:
    """A bad network before the server."""
    with closing(Proxy(served.app.port)) as proxy:
        yield proxy
