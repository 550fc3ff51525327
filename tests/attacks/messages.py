"""Attacks with messages: too large, too deep, too many fields, not what they say they are."""

from __future__ import annotations

import gzip
import zlib
from functools import cache, partial

from tests.attacks.siege import Attack, Attacker
from tests.attacks.target import CREATE, MEGABYTE, UPDATE
from tests.attacks.wire import message

MESSAGE_BYTES_MAX = 4 * MEGABYTE
"""What the server takes (`limits.VALUE_BYTES_MAX`)."""
BOMB_BYTES = 256 * MEGABYTE
ROUNDS = 10


@cache
def bomb() -> bytes:
    """A quarter of a megabyte of gzip that stands for BOMB_BYTES."""
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(MEGABYTE)
    return b"".join(packer.compress(zeros) for _ in range(BOMB_BYTES // MEGABYTE)) + packer.flush()


def length_delimited(number: int, data: bytes) -> bytes:
    """A field of a message."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(number: int) -> bytes:
    """As protobuf writes numbers."""
    encoded = bytearray()
    while number >= 128:
        encoded.append(number % 128 + 128)
        number //= 128
    return bytes([*encoded, number])


def nested(depth: int) -> bytes:
    """Groups within groups, of a field that nobody knows."""
    return b"\xfb\x01" * depth + b"\xfc\x01" * depth


MALFORMED: dict[str, bytes] = {
    "not protobuf": b"\xff" * 200,
    "broken off within a field": length_delimited(1, b"accounts/x")[:-3],
    "a length beyond all": b"\x0a\xff\xff\xff\xff\x0f",
    "a number of eleven bytes": b"\x08" + b"\xff" * 10 + b"\x01",
    "field number 0": b"\x02\x01x",
    "a wire type that there is not": b"\x0e\x01",
    "a group that is not begun": b"\xfc\x01",
    "a group that is not ended": b"\xfb\x01",
    "nested 10,000 deep": nested(10_000),
    "nested 60,000 deep": nested(60_000),
    "text that is not UTF-8": length_delimited(1, b"accounts/\xff\xfe"),
    "text with half a surrogate": length_delimited(1, b"accounts/\xed\xa0\x80"),
    "text in overlong UTF-8": length_delimited(1, b"accounts/\xc0\xaf"),
}
"""None of these is a GetAccountRequest; all are INVALID_ARGUMENT."""

ODD: dict[str, tuple[str, bytes]] = {
    "a million unknown fields": (UPDATE, b"\xc8\x3e\x01" * 1_000_000),
    "a million empty paths": (UPDATE, length_delimited(2, b"\x0a\x00" * 1_000_000)),
    "a million times the same message": (CREATE, b"\x0a\x00" * 1_000_000),
    "10,000 deep in bytes": (CREATE, length_delimited(999, nested(10_000))),
    "nothing but text": (CREATE, length_delimited(2, length_delimited(5, b"n" * (MESSAGE_BYTES_MAX - 100)))),
}
"""Well formed, and unwelcome."""


def many(path: str, data: bytes, times: int, attacker: Attacker) -> None:
    """The same message on a few calls, one after the other."""
    wire, fields = attacker.connect(), attacker.target.fields(path)
    for _ in range(times):
        assert wire.call(fields, message(data)).over


def malformed(attacker: Attacker) -> None:
    """All that is not a request."""
    wire, fields = attacker.connect(), attacker.target.fields()
    for _ in range(ROUNDS):
        for data in MALFORMED.values():
            assert wire.call(fields, message(data)).over


def gzip_bomb(attacker: Attacker) -> None:
    """Little that becomes much."""
    wire, fields = attacker.connect(), attacker.target.fields(CREATE, ("grpc-encoding", "gzip"))
    for _ in range(ROUNDS):
        assert wire.call(fields, message(bomb(), flag=1)).status == 8


def gzip_below(attacker: Attacker) -> None:
    """As much as may be, from little."""
    wire, fields = attacker.connect(), attacker.target.fields(CREATE, ("grpc-encoding", "gzip"))
    packed = message(gzip.compress(length_delimited(999, bytes(MESSAGE_BYTES_MAX - 100))), flag=1)
    for _ in range(ROUNDS):
        assert wire.call(fields, packed).over


def oversized(attacker: Attacker) -> None:
    """More than is taken."""
    wire, fields = attacker.connect(), attacker.target.fields(CREATE)
    for _ in range(ROUNDS):
        assert wire.call(fields, message(bytes(5 * MEGABYTE))).status == 8


ATTACKS: dict[str, Attack] = {
    "malformed messages": malformed,
    "gzip bomb": gzip_bomb,
    "gzip just below the limit": gzip_below,
    "oversized messages": oversized,
    **{name: partial(many, path, data, ROUNDS) for name, (path, data) in ODD.items()},
}
