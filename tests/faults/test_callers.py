"""F17, F18, F22, F23, F24: callers that repeat themselves, vanish or have little time, and a server that does not answer them."""

from __future__ import annotations

import gc
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from protoplane import app
from protoplane.base import config
from protoplane.base.settings import Environment
from tests.door.client import Door, Refused
from tests.door.conftest import project
from tests.engines import Database
from tests.engines.server import Server
from tests.faults.others import SERVERS, SQLITE
from tests.faults.service import THREADS, Service, until

LATE_SECONDS_MAX = 1.0
"""How much later than its deadline an end may be seen here, on a busy machine."""
KEEPALIVE = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.keepalive_time_ms", 3_000),
    ("grpc.http2.ping_timeout_ms", 2_000),
    ("grpc.keepalive_permit_without_calls", 1),
]
"""What notices a server that has stopped answering: `keepalive_timeout_ms` would do nothing in grpcio."""
CLIENT = """
import sys, time, grpc
target, token, path, message = sys.argv[1:]
channel = grpc.insecure_channel(target)
call = channel.unary_unary(path).future(bytes.fromhex(message), metadata=(("authorization", "Bearer " + token),), timeout=120)
call.result()
"""


def is_writing(database: Database) -> bool:
    """Whether somebody's transaction is in its long scan."""
    if isinstance(database.engine, Server):
        return any(row[3] == database.name and "COUNT(*)" in str(row[7]) for row in database.execute("SHOW FULL PROCESSLIST"))
    with closing(sqlite3.connect(database.name, timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        other.execute("ROLLBACK")
        return False


@pytest.fixture
def slow(service: Service) -> Iterator[Callable[[], None]]:
    """A CreateBook takes ages while the test runs, or until this is called."""
    service.slow.touch()
    yield lambda: service.slow.unlink(missing_ok=True)
    service.slow.unlink(missing_ok=True)


def requests(lib: Any, parent: str, note: str = "first") -> dict[str, Any]:
    """One write of every kind with one request_id, on books that `prepare` has made."""
    own, book = str(uuid.uuid4()), f"{parent}/books/old"
    fresh = lib.Book(title="x", notes=note)
    return {
        "CreateBook": lib.CreateBookRequest(parent=parent, book_id="new", book=fresh, request_id=own),
        "BatchCreateBooks": lib.BatchCreateBooksRequest(
            parent=parent, requests=[lib.CreateBookRequest(book_id=f"n{i}", book=fresh) for i in range(3)], request_id=own
        ),
        "UpdateBook": lib.UpdateBookRequest(book=lib.Book(name=book, notes=note), update_mask=FieldMask(paths=["notes"]), request_id=own),
        "DeleteBook": lib.DeleteBookRequest(name=f"{parent}/books/gone", request_id=own),
    }


def prepare(door: Door, lib: Any, parent: str) -> None:
    for book_id in ("old", "gone"):
        door.CreateBook(parent=parent, book_id=book_id, book=lib.Book(title="x"))


@pytest.mark.parametrize("method", ["CreateBook", "BatchCreateBooks", "UpdateBook", "DeleteBook"])
def test_f17_twenty_at_once_with_one_request_id_have_one_effect_and_one_answer(
    service: Service, door: Door, parent: str, method: str
) -> None:
    prepare(door, service.lib, parent)
    request, met = requests(service.lib, parent)[method], threading.Barrier(20)

    def ask(_: int) -> Any:
        met.wait(20)
        while True:
            try:
                return getattr(door, method)(request)
            except Refused as refusal:
                if refusal.reason != "REQUEST_IN_PROGRESS":
                    raise

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(20)))
    assert all(answer == answers[0] for answer in answers)
    assert len(door.ListBooks(parent=parent).books) == {"CreateBook": 3, "BatchCreateBooks": 5, "UpdateBook": 2, "DeleteBook": 1}[method]


def test_f17_a_retry_that_comes_late_undoes_nothing_that_came_after_it(service: Service, door: Door, parent: str) -> None:
    lib = service.lib
    prepare(door, lib, parent)
    first, second = requests(lib, parent, "first"), requests(lib, parent, "second")
    answer = door.UpdateBook(first["UpdateBook"])
    newer = door.UpdateBook(second["UpdateBook"])
    assert door.UpdateBook(first["UpdateBook"]) == answer
    assert door.GetBook(name=newer.name) == newer
    made = door.CreateBook(first["CreateBook"])
    door.DeleteBook(name=made.name)
    assert door.CreateBook(first["CreateBook"]) == made
    with pytest.raises(Refused) as gone:
        door.GetBook(name=made.name)
    assert gone.value.code == "NOT_FOUND", "a retry does not bring back what was deleted since"


@pytest.mark.parametrize("method", ["CreateBook", "BatchCreateBooks", "UpdateBook", "DeleteBook"])
def test_f18_a_request_id_with_another_body_is_refused_and_writes_nothing(service: Service, door: Door, parent: str, method: str) -> None:
    lib = service.lib
    prepare(door, lib, parent)
    request = requests(lib, parent)[method]
    getattr(door, method)(request)
    other = requests(lib, parent, "second")[method]
    if method == "DeleteBook":
        other.name = f"{parent}/books/old"
    other.request_id = request.request_id
    before = door.ListBooks(parent=parent)
    with pytest.raises(Refused) as caught:
        getattr(door, method)(other)
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")
    assert door.ListBooks(parent=parent) == before


@SQLITE
def test_f22_a_frozen_server_is_noticed_by_a_client_that_pings_and_goes_on_when_it_can(start: Callable[..., Service]) -> None:
    service = start()
    with grpc.insecure_channel(service.target, options=KEEPALIVE) as channel, ThreadPoolExecutor(1) as pool:
        ping: Any = channel.unary_unary("/library.v1.Library/Ping")
        ping(b"", timeout=10)
        service.pause()
        try:
            began = time.monotonic()
            failed: Any = pool.submit(ping, b"", timeout=30).exception()
            assert failed.code() is grpc.StatusCode.UNAVAILABLE
            assert 2 <= time.monotonic() - began <= 5 + LATE_SECONDS_MAX
        finally:
            service.resume()
        ping(b"", timeout=10, wait_for_ready=True)


def test_f23_a_client_that_is_killed_in_the_middle_of_a_write_leaves_nothing_behind(
    service: Service, session_database: Database, door: Door, parent: str, slow: Callable[[], None]
) -> None:
    request = service.lib.CreateBookRequest(parent=parent, book_id="b", book=service.lib.Book(title="x"))
    command = [sys.executable, "-c", CLIENT, service.target, service.token(), "/library.v1.Library/CreateBook"]
    with subprocess.Popen([*command, request.SerializeToString().hex()], stderr=subprocess.DEVNULL) as client:
        until(lambda: is_writing(session_database), 20)
        client.kill()
    until(lambda: not is_writing(session_database), 3)
    slow()
    assert not door.ListBooks(parent=parent).books
    with ThreadPoolExecutor(2 * THREADS) as pool:
        list(pool.map(lambda n: door.CreateBook(parent=parent, book_id=f"c{n}", book=service.lib.Book(title="x")), range(2 * THREADS)))


@SERVERS
def test_f23_the_connections_of_clients_that_were_killed_are_used_again(
    service: Service, session_database: Database, door: Door, parent: str, slow: Callable[[], None]
) -> None:
    """Not one of the server's connections is lost with them."""
    command = [sys.executable, "-c", CLIENT, service.target, service.token(), "/library.v1.Library/CreateBook"]
    clients = []
    for n in range(3):
        request = service.lib.CreateBookRequest(parent=parent, book_id=f"b{n}", book=service.lib.Book(title="x"))
        clients.append(subprocess.Popen([*command, request.SerializeToString().hex()], stderr=subprocess.DEVNULL))
    until(lambda: sum("COUNT(*)" in str(row[7]) for row in session_database.execute("SHOW FULL PROCESSLIST")) >= 3, 20)
    for client in clients:
        client.kill()
        client.wait()
    until(lambda: not is_writing(session_database), 3)
    slow()
    assert not door.ListBooks(parent=parent).books
    own = [row for row in session_database.execute("SHOW PROCESSLIST") if row[3] == session_database.name]
    assert len(own) <= THREADS + 2 + 1, "the threads', health's, housekeeping's, and the one that looks"


@pytest.mark.parametrize("seconds", [0.05, 0.4])
def test_f24_a_write_that_outlives_its_deadline_is_stopped_and_its_retry_is_safe(
    service: Service, session_database: Database, door: Door, parent: str, slow: Callable[[], None], seconds: float
) -> None:
    request = service.lib.CreateBookRequest(parent=parent, book_id="b", book=service.lib.Book(title="x"), request_id=str(uuid.uuid4()))
    began = time.monotonic()
    with pytest.raises(Refused) as caught:
        door.CreateBook(request, seconds=seconds)
    assert caught.value.code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - began < seconds + LATE_SECONDS_MAX
    until(lambda: not is_writing(session_database), 2)
    slow()
    assert not door.ListBooks(parent=parent).books
    made = door.CreateBook(request)
    assert door.CreateBook(request) == made
    assert list(door.ListBooks(parent=parent).books) == [made]


@SQLITE
def test_calls_that_were_refused_are_let_go_at_once(tmp_path: Path, client_modules: Any) -> None:
    """A call that waits for a garbage collection keeps its stream: a connection with some hundred of them is refused by gRPC for ever."""
    settings = config.load(project(tmp_path, "sqlite:///library.db"), Environment.DEV)
    running = app.start(settings, lambda _: None)
    assert running.signer is not None
    token = running.signer.mint(subject="writer", issuer=settings.auth.issuer, audience=settings.auth.audience, seconds=600)
    gc.collect()
    gc.disable()
    try:
        with closing(Door(f"127.0.0.1:{running.port}", client_modules, token)) as door:
            for n in range(400):
                with pytest.raises(Refused) as caught:
                    door.GetPublisher(name=f"publishers/none-{n}")
                assert caught.value.code == "NOT_FOUND", f"after {n} refusals"
    finally:
        gc.enable()
        running.stop()
