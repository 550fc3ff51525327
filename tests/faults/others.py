"""Other users of the database that a test is about: what they hold, run and may do meanwhile."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from protoplane.store.engine import Engine
from protoplane.store.session import Session
from tests.engines import Database
from tests.engines import Engine as DatabaseEngine
from tests.engines.server import Server
from tests.engines.server import start as start_server
from tests.store.conftest import read, soon, sql

SERVERS = pytest.mark.engines("mariadb", "mysql")
SQLITE = pytest.mark.engines("sqlite")
LONG_SCAN = "SELECT COUNT(*) FROM shelf a, shelf b, shelf c, shelf d WHERE a.room + b.room + c.room + d.room < 0"
"""Runs for ages over a few hundred shelves; SLEEP would end quietly when it is killed."""


def fill(store: Engine) -> None:
    insert = sql(store, "INSERT INTO shelf (shelf, room) VALUES (?, ?)")
    store.write(lambda session: session.execute_many(insert, [(f"f{n}", n) for n in range(400)]), soon())


def own_id(store: Engine) -> int:
    """The number of this thread's connection to the server."""
    number = read(store, "SELECT CONNECTION_ID()")[0][0]
    assert isinstance(number, int)
    return number


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[list[BaseException]]:
    """Run something in another thread; what it raises is in the list afterwards."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - the test looks at what was raised.
            raised.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        thread.join(60)
        assert not thread.is_alive()


@contextmanager
def held(store: Engine, statement: str) -> Iterator[None]:
    """Another transaction that has run a statement and does not end."""
    ready, release = threading.Event(), threading.Event()

    def work(session: Session) -> None:
        session.execute(statement)
        ready.set()
        release.wait(60)
        session.roll_back()

    with meanwhile(lambda: store.write(work, soon(60))):
        assert ready.wait(10)
        try:
            yield
        finally:
            release.set()


def plain_user(database: Database) -> None:
    """A user without the connection that administrators have in reserve."""
    database.execute("CREATE USER IF NOT EXISTS plain@'127.0.0.1' IDENTIFIED BY 'word'")
    database.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {database.name}.* TO plain@'127.0.0.1'")


@contextmanager
def private(engine: DatabaseEngine, *options: str, without: str = "") -> Iterator[Server]:
    """A server of the same software with other settings."""
    assert isinstance(engine, Server)
    installation = engine.installation
    serve = tuple(option for option in installation.serve if option != without)
    with closing(start_server(replace(installation, serve=(*serve, *options)))) as server:
        yield server
