"""F04, F06, F15, F16: a database that dies, hangs, or whose answer to COMMIT is lost; and that it is used again when it is back."""

import os
import signal
import threading
import time

import pytest

from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault
from protoplane.store import mysqlclient
from protoplane.store.engine import CannotConnect, Engine
from tests.engines import Database
from tests.engines.server import Server
from tests.faults.others import SERVERS
from tests.store.conftest import read, soon
from tests.store.test_engine import add_shelf


@SERVERS
def test_f04_f16_a_server_that_dies_during_commit_leaves_the_outcome_unknown(
    server: Server, library: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = mysqlclient.Connection.command

    def die(connection: mysqlclient.Connection, statement: str) -> None:
        if statement == "COMMIT":
            server.pause()
            threading.Timer(0.2, os.kill, (server.pid, signal.SIGKILL)).start()  # Not awake for one moment more.
        command(connection, statement)

    monkeypatch.setattr(mysqlclient.Connection, "command", die)
    with pytest.raises(Fault) as refused:
        library.write(add_shelf(library, "b"), soon())
    monkeypatch.undo()
    assert refused.value.reason == "OUTCOME_UNKNOWN"
    time.sleep(0.3)
    server.restart()
    assert ("a",) in read(library, "SELECT shelf FROM shelf")


@SERVERS
def test_f04_every_commit_that_was_acknowledged_survives_a_killed_server(server: Server, library: Engine) -> None:
    acknowledged: list[str] = []
    refused: list[str] = []

    def writer(worker: int) -> None:
        for n in range(100_000):
            try:
                library.write(add_shelf(library, f"w{worker}-{n}"), soon(5))
            except Fault as fault:
                refused.append(str(fault.reason))
                return
            acknowledged.append(f"w{worker}-{n}")

    threads = [threading.Thread(target=writer, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    server.kill()
    for thread in threads:
        thread.join()
    server.restart()
    assert set(refused) <= {"DATABASE_UNAVAILABLE", "OUTCOME_UNKNOWN"}
    assert len(refused) == 4
    there = {row[0] for row in read(library, "SELECT shelf FROM shelf")}
    assert acknowledged
    assert set(acknowledged) <= there
    assert len(there) <= 1 + len(acknowledged) + 4


@SERVERS
def test_f15_a_frozen_server_costs_no_more_than_the_deadline(server: Server, library: Engine) -> None:
    read(library, "SELECT 1")
    server.pause()
    for _ in range(2):  # On the connection that is there, then on one that cannot be made.
        started = time.monotonic()
        with pytest.raises(Fault) as refused:
            read_with(library, 1.0)
        assert refused.value.reason in {"DEADLINE_PASSED", "DATABASE_UNAVAILABLE"}
        assert time.monotonic() - started < 2.5
    assert not library.ping(0.5)
    server.resume()
    assert read_with(library, 10.0) == [("a",)]


def read_with(store: Engine, seconds: float) -> list[tuple[object, ...]]:
    return list(store.read(lambda session: session.rows("SELECT shelf FROM shelf"), Deadline.after(seconds)))


@SERVERS
def test_f06_a_server_that_is_down_is_unavailable_and_used_again_when_it_is_back(server: Server, library: Engine) -> None:
    server.kill()
    for run in (library.read, library.write):
        with pytest.raises(Fault) as refused:
            run(lambda session: session.rows("SELECT 1"), soon())
        assert refused.value.reason == "DATABASE_UNAVAILABLE"
    assert not library.ping()
    server.restart()
    assert library.ping()
    assert read(library, "SELECT shelf FROM shelf") == [("a",)]


@SERVERS
def test_f06_a_server_that_is_down_at_start_is_named(server: Server, database: Database) -> None:
    server.kill()
    with pytest.raises(CannotConnect, match=f"port={server.port}"):
        Engine(database.url, threads=1)
