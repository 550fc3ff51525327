"""F19, F20, F21, F40: a bad network between callers and the server. Packets are not dropped, which takes root, but late, or their connection is reset."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import grpc
import pytest

from tests.door.client import Door, Refused
from tests.faults.history import History
from tests.faults.others import SQLITE
from tests.faults.proxy import Proxy
from tests.faults.service import THREADS, Service, until
from tests.faults.test_callers import KEEPALIVE, LATE_SECONDS_MAX

PARTITIONED = 50
"""Clients on the other side of the partition: many times the threads."""
MEGABYTE = 1_000_000
STREAMS = 100
UNREAD_BYTES_MAX = 16 * 1024 * 1024
"""Of answers that a connection has not read; they are there twice."""
"""Of one connection: `grpc.max_concurrent_streams`."""


@SQLITE
@pytest.mark.parametrize("direction", ["up", "down"])
def test_f19_a_partition_ends_calls_in_time_and_costs_the_server_nothing(
    service: Service, door: Door, proxied: Callable[[int], Proxy], direction: str
) -> None:
    proxy = proxied(service.port)
    with ThreadPoolExecutor(PARTITIONED) as pool:  # So that every thread of the server has opened its database.
        list(pool.map(lambda _: door.ListPublishers(), range(20 * PARTITIONED)))
    before = service.open_files()
    gate: threading.Event = getattr(proxy, direction)
    far = [service.door(proxy.port) for _ in range(PARTITIONED)]
    with ThreadPoolExecutor(PARTITIONED) as pool, grpc.insecure_channel(f"127.0.0.1:{proxy.port}", options=KEEPALIVE) as pinging:
        ping: Any = pinging.unary_unary("/library.v1.Library/Ping")
        ping(b"", timeout=10)
        list(pool.map(lambda one: one.ListPublishers(), far))
        gate.clear()
        began = time.monotonic()
        noticing = pool.submit(ping, b"", timeout=30)
        failures: list[Any] = list(pool.map(lambda one: failure_of(lambda: one.ListPublishers(seconds=1)), far[1:]))
        assert {failure.code for failure in failures} == {"DEADLINE_EXCEEDED"}
        assert time.monotonic() - began < 1 + LATE_SECONDS_MAX
        for _ in range(20):
            door.ListPublishers(seconds=1)
        noticed: Any = noticing.exception()
        assert noticed.code() is grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - began < 5 + LATE_SECONDS_MAX
        proxy.reset()
        gate.set()
        until(lambda: service.open_files() <= before + THREADS)
        assert far[0].ListPublishers(seconds=5), "and works again when it can"
    for one in far:
        one.close()


def failure_of(call: Callable[[], object]) -> BaseException | None:
    try:
        call()
    except Refused as refusal:
        return refusal
    return None


def test_f20_a_lossy_network_makes_writes_slower_and_none_of_them_wrong(
    service: Service, door: Door, parent: str, proxied: Callable[[int], Proxy]
) -> None:
    proxy = proxied(service.port)
    proxy.stall_share, proxy.stall_seconds = 0.2, 0.2
    history = History(service.lib, parent, lambda: service.door(proxy.port))
    history.share(door)
    writers = [threading.Thread(target=history.write, args=(seed,)) for seed in range(4)]
    for writer in writers:
        writer.start()
    for _ in range(6):
        time.sleep(0.4)
        proxy.reset()
    history.stop.set()
    for writer in writers:
        writer.join()
    assert history.of("kept")
    assert history.of("unknown"), "some answers were lost"
    history.check(door)


@SQLITE
def test_f21_a_client_that_reads_slowly_holds_no_threads_and_no_more_memory_than_its_streams(
    start: Callable[..., Service], proxied: Callable[[int], Proxy]
) -> None:
    """GRPC keeps what was not read of calls that have ended until the connection ends, so the server gives it only so much."""
    service = start()
    proxy, lib = proxied(service.port), service.lib
    with closing(service.door()) as door, closing(service.door(proxy.port)) as far, ThreadPoolExecutor(STREAMS // 2) as pool:
        parent = service.publisher(door, "p")
        items = [lib.CreateBookRequest(book_id=f"b{n}", book=lib.Book(title="x", notes="n" * (MEGABYTE // 100))) for n in range(100)]
        door.BatchCreateBooks(parent=parent, requests=items)
        list(pool.map(lambda _: door.ListBooks(parent=parent, page_size=100), range(STREAMS // 2)))
        proxy.bytes_per_second = 32_000
        sizes = [service.resident_bytes()]
        for _ in range(4):
            calls = [pool.submit(far.ListBooks, parent=parent, page_size=100, seconds=1.5) for _ in range(STREAMS // 2)]
            spent = []
            while not all(call.done() for call in calls):
                began = time.monotonic()
                door.GetPublisher(name=parent, seconds=1)
                spent.append(time.monotonic() - began)
                time.sleep(0.02)
            sizes.append(service.resident_bytes())
            failures: list[Any] = [call.exception() for call in calls]
            assert {failure.code for failure in failures} <= {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}
            assert sorted(spent)[len(spent) // 2] < 0.2, "others are served meanwhile"
        assert sizes[4] - sizes[3] < 16 * MEGABYTE, sizes
        assert sizes[4] - sizes[0] < 2 * UNREAD_BYTES_MAX + 32 * MEGABYTE, sizes
        proxy.reset()
        until(lambda: service.resident_bytes() < sizes[0] + 16 * MEGABYTE)


def test_f40_a_batch_that_is_cut_in_the_middle_writes_nothing(
    service: Service, door: Door, parent: str, proxied: Callable[[int], Proxy]
) -> None:
    lib, proxy = service.lib, proxied(service.port)

    def batch(mark: str) -> None:
        items = [lib.CreateBookRequest(book_id=f"{mark}-{n}", book=lib.Book(title="x", notes="n" * 500)) for n in range(60)]
        with closing(service.door(proxy.port)) as far:
            far.BatchCreateBooks(parent=parent, requests=items)

    batch("whole-00")
    whole_bytes = proxy.up_bytes
    for part in range(1, 20):
        proxy.cut_after_bytes = whole_bytes * part // 20
        with pytest.raises(Refused) as caught:
            batch(f"part-{part:02}")
        assert caught.value.code == "UNAVAILABLE"
    marks = {book.name.rpartition("/")[2][:8] for book in door.ListBooks(parent=parent, page_size=1000).books}
    assert marks == {"whole-00"}
