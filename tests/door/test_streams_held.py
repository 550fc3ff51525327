"""What streams may hold and for how long, on every engine: threads, connections, memory; and how each of them ends."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from protoplane.base.memory import resident_bytes
from protoplane.database import THREADS_BESIDE
from protoplane.edge import rpc
from tests.door.client import Door, Refused
from tests.door.feed import Served, feeding, pb
from tests.engines import Engine

STREAMS = 4
MAX_SECONDS = 3.0
keys = map("held-{}".format, itertools.count(1))


@pytest.fixture(scope="module")
def feed(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The feed, with few places for streams, and calls that may take three seconds."""
    with feeding(engine, tmp_path_factory.mktemp("feed"), streams=STREAMS, threads=4, max_seconds=MAX_SECONDS) as served:
        served.door().CreateItem(item=pb.Item(title="one"))
        yield served


@pytest.fixture
def door(feed: Served) -> Iterator[Door]:
    """Calls of an editor; nothing of theirs is left over."""
    feed.forget()
    yield feed.door()
    feed.still()


@pytest.fixture
def key() -> str:
    """What no other stream is known by."""
    return next(keys)


def waiting(feed: Served, door: Door) -> tuple[Any, Any]:
    """A stream that waits after one message, and what the code notes of it."""
    key = next(keys)
    stream = door.Pour(count=1, fate="wait", key=key)
    assert next(stream).number == 1
    seen = feed.watched(key)
    assert seen.waiting.wait(20)
    return stream, seen


def refusal(stream: Iterator[Any]) -> Refused:
    """How a stream ends that is refused."""
    with pytest.raises(Refused) as caught:
        list(stream)
    return caught.value


def test_all_streams_there_may_be_hang_and_other_calls_are_answered(feed: Served, door: Door) -> None:
    other = feed.door("other")
    held = [waiting(feed, door) for _ in range(STREAMS - 1)]
    mine = refusal(door.Pour(count=1))
    held.append(waiting(feed, other))
    everybody = refusal(other.Pour(count=1))
    assert [(one.code, one.reason) for one in (mine, everybody)] == [("RESOURCE_EXHAUSTED", "OVERLOADED")] * 2
    assert feed.used == STREAMS, "each holds its connection, and no more"
    answered: list[int] = []

    def call() -> None:
        answered.append(len(feed.door().ListItems().items))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answered == [1] * 8
    for _, seen in held:
        seen.on.set()
    assert [[one.number for one in stream] for stream, _ in held] == [[-1]] * STREAMS
    feed.still()
    assert [one.number for one in door.Pour(count=2)] == [1, 2]


def test_streams_one_after_the_other_share_a_connection(feed: Served, door: Door) -> None:
    engine: Any = feed.app.database
    assert engine.threads == 4 + STREAMS + THREADS_BESIDE, "the database is asked at start whether it has room for all"
    assert len(list(door.StreamItems())) == 1
    feed.still()
    before = sum(engine.connections())
    for _ in range(10):
        assert len(list(door.StreamItems())) == 1
        feed.still()
    assert sum(engine.connections()) == before


def test_a_caller_that_cancels_ends_the_generator_at_once_and_frees_what_it_held(feed: Served, door: Door) -> None:
    stream, seen = waiting(feed, door)
    stream.call.cancel()
    assert seen.ended.wait(2), "it asks whether its caller is there"
    done = feed.done()
    assert (done.code, done.reason) == ("CANCELLED", "CALL_CANCELLED")
    assert done.sent is not None
    assert done.sent.messages == 1
    feed.still()


def test_a_caller_that_cancels_ends_a_generator_that_never_asks(feed: Served, door: Door, key: str) -> None:
    stream = door.Pour(size=1000, key=key)
    next(stream)
    stream.call.cancel()
    assert feed.watched(key).ended.wait(5), "with its next message"
    assert feed.done().code == "CANCELLED"


def test_a_stream_that_nobody_reads_is_made_no_further_and_cut_off(
    feed: Served, door: Door, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the caller's deadline that ends it, nor the server's: a reader that takes nothing holds a connection no longer than that."""
    monkeypatch.setattr(rpc, "SEND_SECONDS_MAX", 0.5)
    before = resident_bytes()
    stream = door.Pour(size=1_000_000, key=key)
    assert next(stream).number == 1
    seen = feed.watched(key)
    assert seen.ended.wait(MAX_SECONDS - 0.5)
    done = feed.done()
    assert (done.code, done.reason) == ("RESOURCE_EXHAUSTED", "ANSWERS_UNREAD")
    assert seen.made < 40, "what the windows of the connection and the sockets hold, which are the caller's to choose"
    assert resident_bytes() - before < 150_000_000
    assert done.sent is not None
    assert done.sent.messages == seen.made - 1
    assert refusal(stream).code == "RESOURCE_EXHAUSTED"


def test_a_deadline_ends_a_stream_that_nobody_reads_before_its_pause_does(feed: Served, door: Door, key: str) -> None:
    stream = door.Pour(size=1_000_000, key=key, seconds=100)
    assert next(stream).number == 1
    assert feed.watched(key).ended.wait(MAX_SECONDS + rpc.LAST_SECONDS + 1)
    seen = feed.done()
    assert (seen.code, seen.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_PASSED")
    assert refusal(stream).code == "DEADLINE_EXCEEDED"


def test_the_callers_deadline_ends_a_stream(feed: Served, door: Door, key: str) -> None:
    refused = refusal(door.Pour(size=10, key=key, seconds=0.5))
    assert refused.code == "DEADLINE_EXCEEDED"
    assert feed.watched(key).ended.wait(2)
    assert feed.done().code in {"DEADLINE_EXCEEDED", "CANCELLED"}, "whoever of the two is first to see it"


def test_the_servers_longest_deadline_ends_a_stream_whatever_its_caller_says(feed: Served, door: Door, key: str) -> None:
    refused = refusal(door.Pour(size=10, key=key, seconds=100))
    assert (refused.code, refused.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_PASSED")
    assert feed.watched(key).ended.is_set()
    done = feed.done()
    assert MAX_SECONDS - 0.1 <= done.stages.seconds() < MAX_SECONDS + 2
    assert (done.code, done.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_PASSED")


def test_a_connection_to_the_database_that_is_lost_ends_the_stream_and_begins_none_anew(feed: Served, door: Door, key: str) -> None:
    if feed.database.engine.name == "sqlite":
        return  # There is no connection that could be lost.
    stream = door.Pour(count=2, fate="ask", key=key)
    assert [next(stream).number, next(stream).number] == [1, 2]
    seen = feed.watched(key)
    assert seen.waiting.wait(20)
    feed.database.execute(f"KILL {seen.connection:d}")
    seen.on.set()
    refused = refusal(stream)
    assert (refused.code, refused.reason) == ("UNAVAILABLE", "DATABASE_UNAVAILABLE")
    assert seen.made == 2
    assert [one.number for one in door.Pour(count=1)] == [1]


@contextmanager
def short_lived(engine: Engine, folder: Path, grace_seconds: float) -> Iterator[tuple[Served, Any, Any]]:
    """A server that is being stopped, with a stream under way."""
    with feeding(engine, folder, grace_seconds=grace_seconds) as feed:
        stream, seen = waiting(feed, feed.door())
        stopping = threading.Thread(target=feed.app.stop)
        stopping.start()
        feed.until(lambda: not feed.app.health.serving, "it does not stop")
        yield feed, stream, seen
        stopping.join(20)
        assert not stopping.is_alive()


def test_a_server_that_stops_lets_its_streams_end(engine: Engine, tmp_path: Path) -> None:
    with short_lived(engine, tmp_path, 20) as (feed, stream, seen):
        seen.on.set()
        assert [one.number for one in stream] == [0]
        assert feed.done().code == "OK"


def test_a_stream_that_does_not_end_in_time_is_cancelled(engine: Engine, tmp_path: Path) -> None:
    with short_lived(engine, tmp_path, 0.3) as (feed, stream, seen):
        assert seen.ended.wait(10)
        assert refusal(stream).code in {"CANCELLED", "UNAVAILABLE"}
        assert feed.done().code == "CANCELLED"
