"""F05, F09, F10: connections that are killed, may not write, or are not to be had."""

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from typing import Any

import pytest

from protoplane.base.errors import Fault
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from tests.door.client import Refused
from tests.engines import Database
from tests.engines.server import Server, driver
from tests.faults.others import LONG_SCAN, SERVERS, fill, own_id, plain_user
from tests.faults.service import THREADS, Service
from tests.store.conftest import read, soon
from tests.store.test_engine import add_shelf


@SERVERS
def test_f05_a_connection_killed_while_idle_is_nobodys_concern(database: Database, library: Engine) -> None:
    database.execute(f"KILL {own_id(library)}")
    assert read(library, "SELECT shelf FROM shelf") == [("a",)]
    database.execute(f"KILL {own_id(library)}")
    attempts = []

    def work(session: Session) -> None:
        attempts.append(session.attempt)
        add_shelf(library, "b")(session)

    library.write(work, soon())
    assert attempts in ([1], [2])  # BEGIN met it before the work did.
    assert len(read(library, "SELECT shelf FROM shelf")) == 2


@SERVERS
def test_f05_a_connection_killed_in_a_transaction_runs_it_again_whole(database: Database, library: Engine) -> None:
    attempts = []

    def work(session: Session) -> None:
        attempts.append(session.attempt)
        add_shelf(library, f"b{session.attempt}")(session)
        if session.attempt == 1:
            row = session.row("SELECT CONNECTION_ID()")
            assert row is not None
            database.execute(f"KILL {row[0]}")
        add_shelf(library, "c")(session)

    library.write(work, soon())
    assert attempts == [1, 2]
    assert sorted(read(library, "SELECT shelf FROM shelf")) == [("a",), ("b2",), ("c",)]


@SERVERS
def test_f05_a_connection_killed_in_a_query_is_unavailable(database: Database, library: Engine) -> None:
    fill(library)
    number = own_id(library)
    killer = threading.Timer(0.5, lambda: database.execute(f"KILL {number}"))
    killer.start()
    with pytest.raises(Fault) as refused:
        library.read(lambda session: (session.row("SELECT 1"), session.rows(LONG_SCAN)), soon())
    killer.join()
    assert refused.value.reason == "DATABASE_UNAVAILABLE"
    assert library.ping()


@SERVERS
def test_f05_a_query_killed_by_an_administrator_is_unavailable(database: Database, library: Engine) -> None:
    fill(library)
    number = own_id(library)
    killer = threading.Timer(0.5, lambda: database.execute(f"KILL QUERY {number}"))
    killer.start()
    with pytest.raises(Fault) as refused:
        library.write(lambda session: session.rows(LONG_SCAN), soon())
    killer.join()
    assert refused.value.reason == "DATABASE_UNAVAILABLE"
    assert own_id(library) == number  # The connection is still good.


@SERVERS
@pytest.mark.usefixtures("library")
def test_f09_a_read_only_server_still_reads(database: Database) -> None:
    plain_user(database)
    plain = Engine(database.url.replace("root@", "plain:word@"), threads=1)
    database.execute("SET GLOBAL read_only = 1")
    try:
        with pytest.raises(Fault) as refused:
            plain.write(add_shelf(plain, "b"), soon())
        assert refused.value.reason == "DATABASE_UNAVAILABLE"
        assert read(plain, "SELECT shelf FROM shelf") == [("a",)]
    finally:
        database.execute("SET GLOBAL read_only = 0")
    assert plain.write(add_shelf(plain, "b"), soon()) == 1
    plain.close()


@SERVERS
def test_f10_too_many_connections_are_unavailable_at_once(database: Database, library: Engine) -> None:
    plain_user(database)
    others = Engine(database.url.replace("root@", "plain:word@"), threads=1)
    # Of this user alone: the server is shared with other tests.
    database.execute("ALTER USER plain@'127.0.0.1' WITH MAX_USER_CONNECTIONS 10")
    ready, release = threading.Barrier(31), threading.Event()
    refused: list[str] = []

    def worker() -> None:
        try:
            others.read(lambda session: session.rows("SELECT 1"), soon())
        except Fault as fault:
            refused.append(fault.reason)
        ready.wait(20)
        release.wait(20)

    threads = [threading.Thread(target=worker) for _ in range(30)]
    try:
        for thread in threads:
            thread.start()
        ready.wait(20)
    finally:
        release.set()
        for thread in threads:
            thread.join()
        others.close()
        database.execute("ALTER USER plain@'127.0.0.1' WITH MAX_USER_CONNECTIONS 0")
    assert set(refused) == {"DATABASE_UNAVAILABLE"}


@pytest.fixture
def plain_service(database: Database, start: Callable[..., Service]) -> Service:
    """A service whose account is an ordinary one."""
    plain_user(database)
    database.execute(f"GRANT ALL ON {database.name}.* TO plain@'127.0.0.1'")
    return start(database=replace(database, url=database.url.replace("root@", "plain:word@")))


@SERVERS
def test_f09_while_the_database_is_read_only_calls_that_read_go_on_and_those_that_write_are_told(
    server: Server, plain_service: Service
) -> None:
    lib = plain_service.lib
    with closing(plain_service.door()) as door:
        parent = plain_service.publisher(door, "p")
        kept = {"parent": parent, "book_id": "b", "book": lib.Book(title="x"), "request_id": str(uuid.uuid4())}
        server.execute("SET GLOBAL read_only = 1")
        try:
            began = time.monotonic()
            for _ in range(3):
                with pytest.raises(Refused) as caught:
                    door.CreateBook(**kept)
                assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "DATABASE_UNAVAILABLE")
                assert door.GetPublisher(name=parent).name == parent
            assert time.monotonic() - began < 2
        finally:
            server.execute("SET GLOBAL read_only = 0")
        assert door.CreateBook(**kept) == door.CreateBook(**kept), "the same request works once it can"


@SERVERS
def test_f10_when_the_database_takes_no_more_connections_calls_are_told_at_once_and_work_again_when_it_does(
    server: Server, database: Database, plain_service: Service
) -> None:
    with (
        closing(plain_service.door()) as door,
        ThreadPoolExecutor(THREADS) as pool,
        ExitStack() as others,
        # One for all: the server has a single place beyond its limit, and takes its time to see that it is free again.
        closing(driver().connect(host="127.0.0.1", port=server.port, user="root", autocommit=True)) as root,
        closing(root.cursor()) as cursor,
    ):
        plain_service.publisher(door, "p")
        cursor.execute("SELECT @@global.max_connections")
        (limit,) = cursor.fetchone()
        cursor.execute("SET GLOBAL max_connections = 12")
        try:
            while own := connections_of(cursor, database):
                occupy(server, others)
                for connection_id in own:
                    with suppress(driver().OperationalError):  # It has gone by itself.
                        cursor.execute(f"KILL {connection_id}")
                occupy(server, others)
            began = time.monotonic()
            calls = [pool.submit(door.ListPublishers) for _ in range(4 * THREADS)]
            failures: list[Any] = [failure for call in calls if (failure := call.exception()) is not None]
            assert {(failure.code, failure.reason) for failure in failures} == {("UNAVAILABLE", "DATABASE_UNAVAILABLE")}
            assert time.monotonic() - began < 2
        finally:
            cursor.execute(f"SET GLOBAL max_connections = {limit}")
            others.close()
        for call in [pool.submit(door.ListPublishers) for _ in range(4 * THREADS)]:
            assert len(call.result().publishers) == 1


def connections_of(cursor: Any, database: Database) -> list[int]:
    """Those that are in a database."""
    cursor.execute("SHOW PROCESSLIST")
    return [row[0] for row in cursor.fetchall() if row[3] == database.name]


def occupy(server: Server, others: ExitStack) -> None:
    """Take every connection that an ordinary account can have."""
    while True:
        try:
            made = driver().connect(host="127.0.0.1", port=server.port, user="plain", password="word")
        except driver().OperationalError as full:
            if full.args[0] != 1040:
                raise
            return
        others.enter_context(closing(made))
