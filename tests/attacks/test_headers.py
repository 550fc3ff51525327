"""Metadata that is wrong, hostile or too much harms its own call, and no other of its connection."""

from __future__ import annotations

import pytest

from tests.attacks.target import GET, Target
from tests.attacks.wire import Answer, Wire, block, literal, message

OK, RESOURCE_EXHAUSTED, INTERNAL = 0, 8, 13
FOLLOWING = 6
"""Valid calls with the same header names, on the same connection."""
SIZES = (4_000, 8_000, 10_000, 12_000)
SIZES_NOT_TAKEN = (17_000, 18_000, 20_000, 30_000)
SIZES_BETWEEN = tuple(range(12_500, 17_000, 500))
TRIES = 4

POISON = {
    "x-canary-bin": (("!!!", "A", "\x01"), "AAAA"),
    "grpc-trace-bin": (("*",), "AAAA"),
    "grpc-tags-bin": (("*",), "AAAA"),
    "grpc-timeout": (("abc", "", "-1S", "5", "1.5S", "\uff11S".encode()), "5S"),
    "grpc-encoding": (("nonsense", ""), "identity"),
    "te": (("x", ""), "trailers"),
    ":scheme": (("ftp", "", "HTTP"), "http"),
    ":method": (("X", "", "DELETE"), "POST"),
    "grpc-previous-rpc-attempts": (("x", "-1"), "1"),
}
"""Header → values that cannot be parsed, and one that can."""

ODD = {
    "upper case": ("X-Upper", "x"),
    "no name": ("", "x"),
    "a space in the name": ("x y", "x"),
    "an unknown pseudo-header": (":nonsense", "x"),
    "a pseudo-header of answers": (":status", "200"),
    "GET": (":method", "GET"),
    "no path": (":path", ""),
    "no authority": (":authority", ""),
    "an authority of bytes": (":authority", b"\xff\xfe"),
    "a line break": ("x-text", "a\r\nx-other: b"),
    "NUL": ("x-text", "a\0b"),
    "bytes": ("x-text", b"\xff\xfe"),
    "a token of bytes": ("authorization", b"Bearer \xe9"),
    "an id of bytes": ("x-request-id", b"\xff"),
    "a header of connections": ("connection", "close"),
    "chunks": ("transfer-encoding", "chunked"),
    "a length that is wrong": ("content-length", "3"),
    "a trailer": ("grpc-status", "0"),
    "what only gRPC itself may say": ("grpc-internal-encoding-request", "gzip"),
    "more than 8 KiB beside a wrong te (CVE-2023-1428)": ("te", "x" * 8_500),
    "more than 8 KiB as :scheme (CVE-2023-1428)": (":scheme", "x" * 8_500),
}


@pytest.mark.parametrize("name", POISON)
def test_a_value_that_cannot_be_parsed_poisons_no_later_call_with_that_header(target: Target, wire: Wire, name: str) -> None:
    """An honest client lets the server remember its headers (HPACK); what it remembers must not be the failure."""
    wrong, right = POISON[name]
    for value in wrong:
        assert wire.call(target.fields(GET, (name, value)), message(target.get)).status != OK, f"{name}: {value!r} is taken"
        good = target.fields(GET, (name, right))
        assert [wire.call(good, message(target.get)).status for _ in range(FOLLOWING)] == [OK] * FOLLOWING, f"after {name}: {value!r}"


@pytest.mark.parametrize(("name", "value"), ODD.values(), ids=ODD)
def test_a_header_that_has_no_business_here_harms_its_own_call_at_most(target: Target, wire: Wire, name: str, value: str | bytes) -> None:
    answer = wire.call(target.fields(GET, (name, value)), message(target.get))
    assert answer.over
    assert all(target.works_on(wire) for _ in range(FOLLOWING))


def test_ten_thousand_headers_are_refused_and_poison_nothing(target: Target, wire: Wire) -> None:
    many = block(target.fields()) + b"".join(literal(f"x-{number}", "") for number in range(10_000))
    assert wire.call((), message(target.get), encoded=many).status == RESOURCE_EXHAUSTED
    assert target.works_on(wire)


def sized(target: Target, wire: Wire, size: int) -> Answer:
    """A call with so many bytes of metadata, and its own few."""
    return wire.call(target.fields(GET, ("x-filler", "y" * size)), message(target.get))


@pytest.mark.parametrize("size", SIZES)
def test_metadata_of_up_to_12_kilobytes_is_always_taken(target: Target, wire: Wire, size: int) -> None:
    assert [sized(target, wire, size).status for _ in range(TRIES)] == [OK] * TRIES


@pytest.mark.parametrize("size", SIZES_NOT_TAKEN)
def test_metadata_of_more_than_17_kilobytes_is_always_refused(target: Target, wire: Wire, size: int) -> None:
    assert [sized(target, wire, size).status for _ in range(TRIES)] == [RESOURCE_EXHAUSTED] * TRIES
    assert target.works_on(wire)


def test_no_size_of_metadata_is_refused_at_random(target: Target, wire: Wire) -> None:
    answers = {size: {sized(target, wire, size).status for _ in range(TRIES)} for size in SIZES_BETWEEN}
    assert all(statuses in ({OK}, {RESOURCE_EXHAUSTED}) for statuses in answers.values()), answers
    assert list(answers.values()) == sorted(answers.values(), key=lambda statuses: RESOURCE_EXHAUSTED in statuses), "there is one border"
