"""Methods that stream their answers, on every engine: what a caller sees of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from protoplane.base import limits
from tests.door.client import Door, Refused
from tests.door.feed import ITEMS, Served, feeding, pb
from tests.door.running import done
from tests.engines import Engine

keys = map("stream-{}".format, itertools.count(1))


@pytest.fixture(scope="module")
def feed(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The feed, with three items."""
    with feeding(engine, tmp_path_factory.mktemp("feed")) as served:
        door = served.door()
        for number in range(3):
            door.CreateItem(item_id=f"item{number}", item=pb.Item(title="old", note="x"))
        yield served


@pytest.fixture(autouse=True)
def _anew(feed: Served) -> None:
    feed.forget()


@pytest.fixture
def door(feed: Served) -> Iterator[Door]:
    """Calls of an editor; nothing of theirs is left over."""
    yield feed.door()
    feed.still()


@pytest.fixture
def key() -> str:
    """What no other stream is known by."""
    return next(keys)


def until_refused(stream: Iterator[Any]) -> tuple[list[Any], Refused]:
    """What came of a stream, and how it ended."""
    came: list[Any] = []
    with pytest.raises(Refused) as caught:
        came.extend(stream)
    return came, caught.value


def test_each_message_is_sent_as_it_is_made(feed: Served, door: Door, key: str) -> None:
    stream = door.Pour(count=2, fate="wait", key=key)
    assert [next(stream).number, next(stream).number] == [1, 2]
    seen = feed.watched(key)
    assert seen.waiting.wait(20)
    assert not seen.ended.is_set()
    seen.on.set()
    assert [one.number for one in stream] == [-3]
    assert seen.ended.wait(20)


def test_a_stream_may_be_empty_and_reads_what_is_there(feed: Served, door: Door) -> None:
    assert list(door.StreamItems(title="nothing")) == []
    assert [(one.item.name, one.total) for one in door.StreamItems(title="old")] == [(f"items/item{number}", 3) for number in range(3)]
    assert [feed.done(ITEMS, times).sent for times in (1, 2)] == [(0, 0), (3, 3 * len(pb_bytes()))]


def pb_bytes() -> bytes:
    """One message of StreamItems."""
    item = pb.Item(name="items/item0", title="old", note="x")
    data: bytes = pb.StreamItemsResponse(item=item, total=3).SerializeToString()
    return data


def test_a_stream_is_observed_once_with_its_messages_bytes_and_stages(feed: Served, door: Door) -> None:
    stream = door.StreamItems(title="old", metadata=[("x-request-id", "of-the-caller"), ("server-timing", "on")])
    assert len(list(stream)) == 3
    seen = feed.done(ITEMS)
    assert (seen.request_id, seen.subject, seen.code, seen.reason) == ("of-the-caller", "editor", "OK", "")
    wanted = ["queue", "authenticate", "decode", "authorise", "check", "sql", "encode", "send", "handle", "commit", "total"]
    assert list(seen.stages.millis()) == wanted
    assert seen.stages.millis()["sql"] > 0
    timings = dict(stream.call.trailing_metadata())["server-timing"]
    assert [part.partition(";")[0] for part in timings.split(", ")] == wanted
    assert len(feed.seen) == 1, "once"


@pytest.mark.parametrize(("subject", "code", "reason"), [("reader", "PERMISSION_DENIED", "PERMISSION_DENIED"), ("", "UNAUTHENTICATED", "CREDENTIALS_INVALID")])  # fmt: skip
def test_who_may_not_call_it_gets_nothing_of_it(feed: Served, subject: str, code: str, reason: str) -> None:
    came, refused = until_refused(feed.door(subject).StreamItems(title="far too long a title"))
    assert (came, refused.code, refused.reason) == ([], code, reason)
    assert feed.done(ITEMS).sent == (0, 0)


def test_a_request_that_breaks_its_rules_is_refused_before_anything_runs(feed: Served, door: Door, key: str) -> None:
    came, refused = until_refused(door.Pour(size=-1, key=key))
    assert (came, refused.code, set(refused.violations)) == ([], "INVALID_ARGUMENT", {"size"})
    assert feed.watched(key).made == 0


@pytest.mark.parametrize(("fate", "code", "reason"), [
    ("fault", "NOT_FOUND", "RESOURCE_NOT_FOUND"), ("refusal", "FAILED_PRECONDITION", "DRY"), ("bug", "INTERNAL", "INTERNAL_FAULT"),
    ("exit", "INTERNAL", "INTERNAL_FAULT"), ("other", "INTERNAL", "INTERNAL_FAULT"), ("write", "INTERNAL", "INTERNAL_FAULT"),
])  # fmt: skip
def test_what_goes_wrong_after_some_messages_ends_the_stream_with_its_status(
    feed: Served, door: Door, key: str, fate: str, code: str, reason: str
) -> None:
    came, refused = until_refused(door.Pour(count=2, fate=fate, key=key))
    assert [one.number for one in came] == [1, 2]
    assert (refused.code, refused.reason) == (code, reason)
    assert "google.rpc.ErrorInfo" in refused.details
    assert "canary" not in refused.message + str(refused.metadata)
    seen = feed.done()
    assert (seen.code, seen.reason, seen.sent is not None and seen.sent.messages) == (code, reason, 2)
    assert (seen.bug is not None) == (code == "INTERNAL")
    assert feed.watched(key).ended.is_set()
    assert len(door.ListItems().items) == 3, "nothing was written"


def test_all_of_a_stream_is_of_one_moment(feed: Served, door: Door, key: str) -> None:
    stream = door.Pour(count=1, fate="wait", key=key)
    assert next(stream).number == 1
    seen = feed.watched(key)
    assert seen.waiting.wait(20)
    made = feed.door("other").CreateItem(item=pb.Item(title="new"))
    seen.on.set()
    assert [one.number for one in stream] == [-3], "of which the new one is none"
    assert [one.total for one in door.StreamItems()] == [4] * 4
    door.DeleteItem(name=made.name)


def test_a_field_mask_of_the_metadata_narrows_each_message(door: Door, feed: Served) -> None:
    narrow = list(door.StreamItems(metadata=[("x-goog-fieldmask", "item.title,total")]))
    assert narrow == [pb.StreamItemsResponse(item=pb.Item(title="old"), total=3)] * 3
    came, refused = until_refused(door.StreamItems(metadata=[("x-goog-fieldmask", "item.nothing")]))
    assert (came, refused.code, refused.reason) == ([], "INVALID_ARGUMENT", "INVALID_FIELD_MASK")
    assert feed.done(ITEMS, 2).sent == (0, 0)


def test_a_message_beyond_the_bound_of_answers_ends_the_stream_as_an_answer_would(door: Door, key: str) -> None:
    came, refused = until_refused(door.Pour(count=1, size=limits.ANSWER_BYTES_MAX + 1, key=key))
    assert (came, refused.code, refused.reason) == ([], "RESOURCE_EXHAUSTED", "ANSWER_TOO_LARGE")


@pytest.mark.engines("sqlite")  # Commands do not care.
def test_the_plan_and_the_stubs_say_that_answers_stream(feed: Served) -> None:
    lines = done("plan", "--method", "Pour", folder=feed.folder).stdout.splitlines()
    assert lines[:2] == ["/feed.v1.Feed/Pour", "    custom, rule authenticated, reads, streams its answers"]
    assert lines[2].startswith("    code feed_code.py:")
    done("stubs", folder=feed.folder)
    (stub,) = feed.folder.rglob("feed.pyi")
    assert "def pour(self, call: _Call, request: global___PourRequest) -> _abc.Iterator[global___PourResponse]:" in stub.read_text()
