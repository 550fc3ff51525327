"""Streams of the Python client: answers as they come, errors, and tries that are made before the first answer alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.door.client import generated
from tests.door.feed import FEED, Served, feeding, pb
from tests.engines import Engine

pytestmark = pytest.mark.engines("sqlite")  # Clients do not know what is behind the server.


@cache
def modules() -> tuple[Any, ...]:
    """Those of the package that are no messages."""
    return generated(FEED.project, *(f"feed.v1.{name}" for name in ("client", "runtime", "channel")))


@pytest.fixture
def feed(engine: Engine, tmp_path: Path) -> Iterator[Served]:
    """The feed, with three items."""
    with feeding(engine, tmp_path) as served:
        for number in range(3):
            served.door().CreateItem(item_id=f"item{number}", item=pb.Item(title="old"))
        yield served


@pytest.fixture
def client(feed: Served) -> Iterator[Any]:
    """A FeedClient of an editor."""
    with modules()[0].FeedClient(feed.target, token=FEED.door(feed.folder, feed.target).token, insecure=True) as client:
        yield client


def test_a_stream_is_an_iterator_of_answers_by_keywords_or_by_a_request(client: Any) -> None:
    assert [answer.item.title for answer in client.stream_items(title="old")] == ["old"] * 3
    assert [answer.total for answer in client.stream_items(pb.StreamItemsRequest())] == [3] * 3
    assert list(client.stream_items(title="none")) == []


def test_an_error_behind_some_answers_is_typed_and_raised_again(client: Any) -> None:
    errors = modules()[1]
    stream = client.pour(count=2, fate="fault", key="typed")
    assert [next(stream).number, next(stream).number] == [1, 2]
    for _ in range(2):
        with pytest.raises(errors.NotFound) as caught:
            next(stream)
        assert (caught.value.reason, caught.value.method) == ("RESOURCE_NOT_FOUND", "/feed.v1.Feed/Pour")
        assert caught.value.call_id


def test_who_leaves_a_stream_ends_it_on_the_server(feed: Served, client: Any) -> None:
    with client.pour(size=1_000, key="left") as stream:
        assert next(stream).number == 1
    assert feed.watched("left").ended.wait(5)
    assert feed.done().reason == "CALL_CANCELLED"


def test_the_timeout_of_a_client_is_that_of_the_whole_stream(client: Any) -> None:
    with pytest.raises(modules()[1].DeadlineExceeded):
        list(client.with_options(timeout_seconds=0.3).pour(size=10, key="late"))


class Failing:
    """A server whose streams end with UNAVAILABLE after some answers."""

    def __init__(self, answers: int, times: int) -> None:
        self.answers, self.times, self.calls = answers, times, 0

    def __call__(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        """One stream; after so many times it ends well."""
        del request
        self.calls += 1
        for number in range(self.answers):
            yield pb.PourResponse(number=number).SerializeToString()
        if self.calls <= self.times:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")


@contextmanager
def failing(answers: int, times: int) -> Iterator[tuple[Failing, Any]]:
    """That server, and a client of it."""
    behaviour = Failing(answers, times)
    server = grpc.server(futures.ThreadPoolExecutor(2))
    handler: Any = grpc.unary_stream_rpc_method_handler(behaviour)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("feed.v1.Feed", {"Pour": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with closing(modules()[0].FeedClient(f"127.0.0.1:{port}", insecure=True)) as client:
            yield behaviour, client
    finally:
        server.stop(0).wait(10)


def test_a_stream_is_tried_again_before_its_first_answer() -> None:
    with failing(0, 2) as (behaviour, client):
        assert list(client.pour(count=1)) == []
    assert behaviour.calls == 3


def test_nobody_tries_again_after_the_first_answer() -> None:
    with failing(1, 2) as (behaviour, client):
        stream = client.pour(count=1)
        assert next(stream).number == 0
        with pytest.raises(modules()[1].Unavailable):
            next(stream)
    assert behaviour.calls == 1


def test_only_streams_that_the_contract_allows_are_tried_again() -> None:
    assert {"/feed.v1.Feed/Pour", "/feed.v1.Feed/StreamItems"} <= set(modules()[2].REPEATABLE)
