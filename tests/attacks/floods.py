"""Attacks with frames: floods of what costs the sender little."""

from __future__ import annotations

from itertools import repeat

from tests.attacks.siege import Attack, Attacker
from tests.attacks.wire import Kind, Setting, block, frame, headers, literal, message, settings

FRAMES = 20_000
IDLE_CONNECTIONS = 200


def continuation_empty(attacker: Attacker) -> None:
    """CONTINUATION frames with nothing in them, that never end the headers."""
    wire = attacker.connect()
    (stream,) = wire.streams(1)
    begin = frame(Kind.HEADERS, stream=stream, payload=block(attacker.target.fields()))
    wire.flood([begin, *repeat(frame(Kind.CONTINUATION, stream=stream), FRAMES)])
    assert wire.ended(), "the server takes empty CONTINUATION frames without end"


def continuation_full(attacker: Attacker) -> None:
    """CONTINUATION frames full of headers, that never end: 80 MB. What is above the limit of headers is read and thrown away."""
    wire = attacker.connect()
    (stream,) = wire.streams(1)
    begin = frame(Kind.HEADERS, stream=stream, payload=block(attacker.target.fields()))
    full = frame(Kind.CONTINUATION, stream=stream, payload=literal("x-filler", "y" * 1_000) * 16)
    wire.flood([begin, *repeat(full, 5_000)])


def ping(attacker: Attacker) -> None:
    """PING frames: the server says goodbye."""
    wire = attacker.connect()
    wire.flood(repeat(frame(Kind.PING, payload=b"pingping"), FRAMES))
    assert wire.ended(), "the server answers PING without end"


def settings_flood(attacker: Attacker) -> None:
    """SETTINGS frames, each of which is to be acknowledged."""
    wire = attacker.connect()
    wire.flood(settings({Setting.INITIAL_WINDOW_SIZE: 65_535 + number % 2}) for number in range(FRAMES))


def settings_unread(attacker: Attacker) -> None:
    """The same, by somebody who does not read the acknowledgements."""
    wire = attacker.connect(reads=False)
    wire.flood(settings({Setting.INITIAL_WINDOW_SIZE: 65_535 + number % 2}) for number in range(FRAMES * 10))


def priority(attacker: Attacker) -> None:
    """PRIORITY frames, for streams that there are not."""
    wire = attacker.connect()
    wire.flood(frame(Kind.PRIORITY, stream=2 * number + 1, payload=b"\0\0\0\0\x10") for number in range(FRAMES))


def empty_data(attacker: Attacker) -> None:
    """DATA frames with nothing in them."""
    wire = attacker.connect()
    (stream,) = wire.streams(1)
    wire.flood([headers(stream, block(attacker.target.fields())), *repeat(frame(Kind.DATA, stream=stream), FRAMES)])


def one_byte_data(attacker: Attacker) -> None:
    """A message in frames of one byte."""
    wire = attacker.connect()
    (stream,) = wire.streams(1)
    whole = message(b"\x7a" + b"x" * FRAMES)
    frames = (frame(Kind.DATA, stream=stream, payload=whole[at : at + 1]) for at in range(len(whole)))
    wire.flood([headers(stream, block(attacker.target.fields())), *frames])


def unknown_frames(attacker: Attacker) -> None:
    """Frames of a type that nobody knows, which are to be ignored (RFC 9113, 4.1)."""
    wire = attacker.connect()
    raw = bytearray(frame(Kind.DATA, payload=b"x" * 100))
    raw[3] = 0xBB
    wire.flood(repeat(bytes(raw), FRAMES))


def hpack_bomb(attacker: Attacker) -> None:
    """A few bytes that stand for many: one long field in the table, named thousands of times."""
    wire = attacker.connect()
    bomb = block(attacker.target.fields()) + literal("x", "y" * 3_900, indexed=True) + b"\xbe" * 12_000  # 0xbe: the latest of the table.
    wire.flood(headers(stream, bomb, end_stream=True) for stream in wire.streams(10))


def no_preface(attacker: Attacker) -> None:
    """Connections that say nothing."""
    for _ in range(IDLE_CONNECTIONS):
        attacker.connect(preface=False)


def idle(attacker: Attacker) -> None:
    """Connections that say hello, and then nothing."""
    for _ in range(IDLE_CONNECTIONS):
        attacker.connect()


def garbage(attacker: Attacker) -> None:
    """What is not HTTP/2."""
    for sent in (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 10_000,
        b"PRI * HTTP/2.0\r\n\r\nXX",
    ):
        for _ in range(5):
            attacker.connect(preface=False).flood([sent])


ATTACKS: dict[str, Attack] = {
    "CONTINUATION flood, empty": continuation_empty,
    "CONTINUATION flood, full": continuation_full,
    "PING flood": ping,
    "SETTINGS flood": settings_flood,
    "SETTINGS flood, unread": settings_unread,
    "PRIORITY flood": priority,
    "DATA flood, empty": empty_data,
    "DATA flood, a byte each": one_byte_data,
    "unknown frames": unknown_frames,
    "HPACK bomb": hpack_bomb,
    "connections without a preface": no_preface,
    "idle connections": idle,
    "other protocols": garbage,
}
