"""Attacks with streams: opened and left, opened and reset, asked for much and never read."""

from __future__ import annotations

from functools import partial
from itertools import chain

from tests.attacks.siege import Attack, Attacker
from tests.attacks.target import CARDINALITIES, CREATE, GET, LIST, MEGABYTE, WATCH, Target
from tests.attacks.wire import Flag, Kind, Wire, block, frame, headers, message, monotonic_seconds, reset, window_update

CONNECTIONS = 20
STREAMS = 100
"""As many as the server lets a connection have at once."""
RESETS = 20_000
ANSWERS_SECONDS = 4.0
"""For the server to make the answers that nobody reads."""
READERS = 3
"""Connections that do not read: 300 pages of 3 MB are wanted."""


def headers_only(path: str, attacker: Attacker) -> None:
    """Calls without a message, up to the limit, on many connections."""
    encoded = block(attacker.target.fields(path))
    for _ in range(CONNECTIONS):
        wire = attacker.connect()
        wire.flood(headers(stream, encoded) for stream in wire.streams(STREAMS))


def half_a_message(attacker: Attacker) -> None:
    """Calls whose message says that it goes on, and does not."""
    encoded = block(attacker.target.fields(GET))
    for _ in range(CONNECTIONS):
        wire = attacker.connect()
        part = message(attacker.target.get, length=1_000_000)
        wire.flood(headers(stream, encoded) + frame(Kind.DATA, stream=stream, payload=part) for stream in wire.streams(STREAMS))


def nearly_a_message(target: Target, wire: Wire) -> None:
    """Calls on one connection, each with all of a large message but its end."""
    encoded = block([field for field in target.fields(CREATE) if field[0] != "authorization"])
    nearly = message(bytes(4 * MEGABYTE - 100_000), length=4 * MEGABYTE)
    opened = wire.streams(STREAMS)
    wire.flood(headers(stream, encoded) for stream in opened)
    for stream in opened:
        wire.data(stream, nearly)


def rapid_reset(path: str, attacker: Attacker) -> None:
    """HEADERS and RST_STREAM, again and again (CVE-2023-44487)."""
    wire = attacker.connect()
    encoded = block(attacker.target.fields(path))
    wire.flood(headers(stream, encoded) + reset(stream) for stream in wire.streams(RESETS))
    assert wire.lives() or wire.ended()


def rapid_cancel(attacker: Attacker) -> None:
    """Whole calls, each cancelled at once: work that nobody wants."""
    wire = attacker.connect()
    encoded, asked = block(attacker.target.fields(GET)), message(attacker.target.get)
    wire.flood(
        headers(stream, encoded) + frame(Kind.DATA, Flag.END_STREAM, stream, asked) + reset(stream) for stream in wire.streams(RESETS // 2)
    )
    assert wire.lives() or wire.ended()


def made_you_reset(attacker: Attacker) -> None:
    """The server is made to reset the streams itself, by growing a window by nothing (CVE-2025-8671)."""
    wire = attacker.connect()
    encoded, asked = block(attacker.target.fields(GET)), message(attacker.target.get)
    wire.flood(
        headers(stream, encoded) + frame(Kind.DATA, Flag.END_STREAM, stream, asked) + window_update(stream, 0)
        for stream in wire.streams(RESETS)
    )
    assert wire.lives() or wire.ended()


def window_overflow(attacker: Attacker) -> None:
    """The same, by a window beyond 2^31 - 1."""
    wire = attacker.connect()
    encoded, asked = block(attacker.target.fields(GET)), message(attacker.target.get)
    wire.flood(
        headers(stream, encoded) + frame(Kind.DATA, Flag.END_STREAM, stream, asked) + window_update(stream, 2**31 - 1)
        for stream in wire.streams(RESETS)
    )
    assert wire.lives() or wire.ended()


def slow_readers(window_bytes: int, reads: bool, path: str, attacker: Attacker) -> None:
    """The largest page on every stream, and no reader for it. Stays until the server has begun all its answers, or had time to."""
    target = attacker.target
    encoded = block(target.fields(path, seconds=None))
    asked = message(target.list if path == LIST else b"")
    for _ in range(READERS):
        wire = attacker.connect(window_bytes=window_bytes, reads=reads)
        streams = wire.streams(STREAMS)
        wire.flood(chain.from_iterable((headers(s, encoded), frame(Kind.DATA, Flag.END_STREAM, s, asked)) for s in streams))
    until = monotonic_seconds() + ANSWERS_SECONDS
    for wire in attacker.wires:
        wire.wait(lambda wire=wire: wire.closed or begun(wire) >= STREAMS, until - monotonic_seconds())  # type: ignore[misc]


def begun(wire: Wire) -> int:
    """Streams that the server has begun to answer; headers need no window."""
    return sum(bool(answer.fields) or answer.over for answer in wire.answers.values())


def windows_filled(attacker: Attacker) -> None:
    """Messages of 4 MiB that lack their last byte, as far as the windows let them."""
    encoded, part = block(attacker.target.fields(GET)), message(bytes(MEGABYTE), length=4 * MEGABYTE)
    for _ in range(CONNECTIONS):
        wire = attacker.connect()
        for stream in wire.streams(4):
            wire.send(headers(stream, encoded))
            wire.data(stream, part)


ATTACKS: dict[str, Attack] = {
    **{f"header-only streams, {name}": partial(headers_only, path) for name, path in CARDINALITIES.items()},
    "half a message": half_a_message,
    "all of large messages but their end": lambda attacker: nearly_a_message(attacker.target, attacker.connect()),
    "windows filled": windows_filled,
    **{f"rapid reset, {name}": partial(rapid_reset, path) for name, path in CARDINALITIES.items()},
    "whole calls, cancelled": rapid_cancel,
    "made you reset": made_you_reset,
    "window overflow": window_overflow,
    "pages into a window of nothing": partial(slow_readers, 0, True, LIST),
    "pages that nobody takes from the socket": partial(slow_readers, 2**31 - 1, False, LIST),
    "watches into a window of nothing": partial(slow_readers, 0, True, WATCH),
}
