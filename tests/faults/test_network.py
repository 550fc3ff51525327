"""F14, F15, F16: a bad network between the server and its database."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.door.client import Door, Refused
from tests.door.running import HealthWatch
from tests.engines import Engine
from tests.engines.server import Server
from tests.faults.others import SERVERS
from tests.faults.proxy import Proxy
from tests.faults.service import THREADS, Service

CALL_SECONDS = 1.0
LATE_SECONDS_MAX = 1.0
"""How much later than its deadline an end may be seen here, on a busy machine."""
RECOVERY_SECONDS_MAX = 5.0
NOTICED_SECONDS_MAX = 6.0
"""Until health knows: a probe every second, two to answer in."""


@pytest.fixture
def proxy(engine: Engine, proxied: Callable[[int], Proxy]) -> Proxy:
    """Before the database server."""
    assert isinstance(engine, Server)
    return proxied(engine.port)


@pytest.fixture
def behind(proxy: Proxy, start: Callable[..., Service]) -> Iterator[Service]:
    """A service that reaches its database by way of the proxy only; every thread has its connection."""
    service = start(through=proxy.port)
    with closing(service.door()) as door, ThreadPoolExecutor(THREADS) as pool:
        service.publisher(door, "p")
        list(pool.map(lambda _: door.ListPublishers(), range(8 * THREADS)))
    yield service
    assert '"trace"' not in service.log, "the server took something for a bug"


def seconds_of(call: Callable[[], Any]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


@SERVERS
def test_f14_a_slow_database_slows_what_needs_it_and_nothing_else(proxy: Proxy, behind: Service) -> None:
    lib = behind.lib
    proxy.latency_seconds, proxy.jitter_seconds = 0.15, 0.05
    with closing(behind.door()) as door, ThreadPoolExecutor(3 * THREADS) as pool:
        readers = [pool.submit(door.GetPublisher, name="publishers/p", seconds=10) for _ in range(3 * THREADS)]
        assert {reader.result().name for reader in readers} == {"publishers/p"}, "callers take turns and nobody is turned away"
        writers = [
            pool.submit(door.CreateBook, parent="publishers/p", book=lib.Book(title="x"), request_id=str(uuid.uuid4()))
            for _ in range(THREADS // 2)
        ]
        pings = sorted(seconds_of(door.Ping) for _ in range(100))
        assert pings[98] < 0.2, "half of the threads wait for the database, the others answer at once"
        for writer in writers:
            assert writer.result().name
        proxy.latency_seconds = 0.5  # However few steps it takes, it is too late for the last.
        began = time.monotonic()
        with pytest.raises(Refused) as caught:
            door.CreateBook(parent="publishers/p", book_id="late", book=lib.Book(title="x"), seconds=0.7)
        assert caught.value.code == "DEADLINE_EXCEEDED"
        assert time.monotonic() - began < 0.7 + LATE_SECONDS_MAX
        proxy.latency_seconds = proxy.jitter_seconds = 0.0
        assert len(door.ListBooks(parent="publishers/p").books) == THREADS // 2


@SERVERS
@pytest.mark.parametrize("direction", ["up", "down"])
def test_f15_a_database_that_is_silent_costs_no_more_than_the_deadline_and_recovers_by_itself(
    proxy: Proxy, behind: Service, direction: str
) -> None:
    gate: threading.Event = getattr(proxy, direction)
    with closing(behind.door()) as door, closing(HealthWatch(behind.target)) as health, ThreadPoolExecutor(3 * THREADS) as pool:
        health.until("SERVING", NOTICED_SECONDS_MAX)
        gate.clear()
        for _ in range(2):  # On the connections that are there, then on those that cannot be made.
            began = time.monotonic()
            calls = [pool.submit(door.ListPublishers, seconds=CALL_SECONDS) for _ in range(2 * THREADS)]
            failures: list[Any] = [call.exception() for call in calls]
            assert {failure.code for failure in failures} <= {"DEADLINE_EXCEEDED", "UNAVAILABLE"}
            assert time.monotonic() - began < CALL_SECONDS + LATE_SECONDS_MAX
        health.until("NOT_SERVING", NOTICED_SECONDS_MAX)
        gate.set()
        began = time.monotonic()
        assert all(call.result() for call in [pool.submit(door.ListPublishers, seconds=RECOVERY_SECONDS_MAX) for _ in range(2 * THREADS)])
        assert time.monotonic() - began < RECOVERY_SECONDS_MAX
        health.until("SERVING", NOTICED_SECONDS_MAX)


@SERVERS
def test_f16_a_write_whose_commit_was_not_answered_is_there_and_its_retry_is_told_so(proxy: Proxy, behind: Service) -> None:
    lib, parent = behind.lib, "publishers/p"
    with closing(behind.door()) as door:
        for book_id in ("old", "gone"):
            door.CreateBook(parent=parent, book_id=book_id, book=lib.Book(title="x"))
        items = [lib.CreateBookRequest(book_id=f"n{n}", book=lib.Book(title="x")) for n in range(3)]
        changed = lib.Book(name=f"{parent}/books/old", title="y", etag=door.GetBook(name=f"{parent}/books/old").etag)
        for method, fields in {
            "CreateBook": {"parent": parent, "book_id": "new", "book": lib.Book(title="x")},
            "BatchCreateBooks": {"parent": parent, "requests": items},
            "UpdateBook": {"book": changed, "update_mask": FieldMask(paths=["title"])},
            "DeleteBook": {"name": f"{parent}/books/gone"},
        }.items():
            fields["request_id"] = str(uuid.uuid4())
            proxy.loses_reply_to = b"\x03COMMIT"  # The command, not the setting of that name.
            with pytest.raises(Refused) as caught:
                getattr(door, method)(**fields)
            assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "OUTCOME_UNKNOWN")
            proxy.loses_reply_to = b""
            written = titles(door)
            answer = getattr(door, method)(**fields)
            assert titles(door) == written, "it had been written, and the retry has written nothing"
            assert getattr(door, method)(**fields) == answer
        assert titles(door) == {"old": "y", "new": "x", "n0": "x", "n1": "x", "n2": "x"}


@SERVERS
def test_f16_a_connection_lost_before_commit_is_nothing_callers_notice(proxy: Proxy, behind: Service) -> None:
    with closing(behind.door()) as door:
        for n in range(THREADS):
            proxy.reset()
            door.CreateBook(parent="publishers/p", book_id=f"b{n}", book=behind.lib.Book(title="x"), request_id=str(uuid.uuid4()))
        assert len(titles(door)) == THREADS


def titles(door: Door) -> dict[str, str]:
    """Book id → title."""
    return {book.name.rpartition("/")[2]: book.title for book in door.ListBooks(parent="publishers/p").books}
