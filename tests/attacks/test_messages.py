"""A message that is none is refused with its reason, and the other calls of its connection go on."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from protoplane.base import limits
from tests.attacks.messages import MALFORMED, ODD, bomb, length_delimited
from tests.attacks.target import CREATE, GET, HOSTILE, LIST, MEGABYTE, SERVICE, UPDATE, Target
from tests.attacks.wire import Wire, message

OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 0, 3, 8, 12, 13
SIDE_BY_SIDE = 40


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_request_is_an_invalid_argument(target: Target, wire: Wire, data: bytes) -> None:
    assert wire.call(target.fields(), message(data)).status == INVALID_ARGUMENT
    assert target.works_on(wire)


@pytest.mark.parametrize(("path", "data"), ODD.values(), ids=ODD)
def test_what_is_odd_is_answered(target: Target, wire: Wire, path: str, data: bytes) -> None:
    assert wire.call(target.fields(path), message(data)).status in {OK, INVALID_ARGUMENT}
    assert target.works_on(wire)


FRAMINGS: dict[str, tuple[Callable[[bytes], bytes], str, set[int]]] = {
    "larger than is taken": (lambda _: message(bytes(5 * MEGABYTE)), "identity", {RESOURCE_EXHAUSTED}),
    "said to be of 4 GiB": (lambda _: message(b"x", length=2**32 - 1), "identity", {RESOURCE_EXHAUSTED}),
    "a gzip bomb": (lambda _: message(bomb(), flag=1), "gzip", {RESOURCE_EXHAUSTED}),
    "gzip of nothing": (lambda _: message(b"", flag=1), "gzip", {INVALID_ARGUMENT, INTERNAL}),
    "not gzip": (lambda request: message(request, flag=1), "gzip", {INTERNAL}),
    "gzip broken off": (lambda request: message(gzip.compress(request)[:-9], flag=1), "gzip", {INTERNAL}),
    "packed by nobody": (lambda request: message(request, flag=1), "identity", {INTERNAL}),
    "packed in a way that nobody knows": (lambda request: message(request, flag=1), "snappy", {INTERNAL, UNIMPLEMENTED}),
    "broken off": (lambda request: message(request)[:-3], "identity", {INVALID_ARGUMENT, UNIMPLEMENTED, INTERNAL}),
    "broken off in its prefix": (lambda _: b"\0\0\0", "identity", {INVALID_ARGUMENT, UNIMPLEMENTED, INTERNAL}),
    "not there": (lambda _: b"", "identity", {INVALID_ARGUMENT, UNIMPLEMENTED, INTERNAL}),
}
"""Request → bytes on the stream, their encoding, and the codes that fit (the core of gRPC chooses some)."""


@pytest.mark.parametrize(("make", "encoding", "codes"), FRAMINGS.values(), ids=FRAMINGS)
def test_what_is_framed_badly_is_refused(
    target: Target, wire: Wire, make: Callable[[bytes], bytes], encoding: str, codes: set[int]
) -> None:
    assert wire.call(target.fields(GET, ("grpc-encoding", encoding)), make(target.get)).status in codes
    assert target.works_on(wire)


OVERHEAD_BYTES = 4
"""Of a field around so many bytes: one for its number, three for its length."""


@pytest.mark.parametrize("path", [GET, LIST, f"{SERVICE}/DeleteAccount"])
def test_what_only_asks_may_be_less_large_than_what_holds_a_resource(target: Target, wire: Wire, path: str) -> None:
    """A name, a filter and a page token have room; whoever sends more wants something else."""
    largest = length_delimited(15, bytes(limits.QUESTION_BYTES_MAX - OVERHEAD_BYTES))
    assert len(largest) == limits.QUESTION_BYTES_MAX
    assert wire.call(target.fields(path), message(largest)).status != RESOURCE_EXHAUSTED
    refused = wire.call(target.fields(path), message(largest + b"\x78\x01"))
    assert refused.status == RESOURCE_EXHAUSTED
    assert f"larger than the {limits.QUESTION_BYTES_MAX} bytes" in refused.fields["grpc-message"]
    for holding in (CREATE, UPDATE):
        assert wire.call(target.fields(holding), message(largest * 15)).status in {OK, INVALID_ARGUMENT}
    assert target.works_on(wire)


def test_malformed_messages_harm_no_other_call_of_their_connection(target: Target) -> None:
    """Good and bad calls of a real client, many under way at once on one channel."""
    with grpc.insecure_channel(target.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        call: Any = channel.unary_unary(GET)
        metadata = (("authorization", f"Bearer {target.token(HOSTILE)}"),)
        bad = [*MALFORMED.values(), bytes(5 * MEGABYTE)]
        calls = [
            (call.future(target.get, timeout=10, metadata=metadata), call.future(bad[number % len(bad)], timeout=10, metadata=metadata))
            for number in range(SIDE_BY_SIDE)
        ]
        assert {good.code() for good, _ in calls} == {grpc.StatusCode.OK}
        assert {failed.code() for _, failed in calls} == {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
