"""HTTP/2 by hand: one connection, with frames as no honest client sends them, and what the server answered to each stream."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from types import TracebackType
from typing import Self

from hpack import Decoder, Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_BYTES_MAX = 16_384
"""The largest payload that every HTTP/2 server takes (RFC 9113, 4.2)."""
WINDOW_BYTES = 65_535
"""Before anybody says otherwise (RFC 9113, 6.9.2)."""
WINDOW_BYTES_MAX = 2**31 - 1
SECONDS_MAX = 10.0
"""For one step: to connect, to send, to be answered."""
BATCH_BYTES = 1 << 18

Fields = Sequence[tuple[str | bytes, str | bytes]]


class Kind(IntEnum):
    """Types of frames (RFC 9113, 6)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Flag(IntFlag):
    """Flags of frames; ACK is END_STREAM on SETTINGS and PING."""

    NONE = 0
    END_STREAM = 1
    ACK = 1
    END_HEADERS = 4


class Setting(IntEnum):
    """What a peer says of itself (RFC 9113, 6.5.2)."""

    HEADER_TABLE_SIZE = 1
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


def frame(kind: Kind, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def settings(values: dict[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(Kind.SETTINGS, payload=b"".join(struct.pack(">HI", *pair) for pair in values.items()))


def reset(stream: int, code: int = 8) -> bytes:
    """A RST_STREAM frame; 8 is CANCEL."""
    return frame(Kind.RST_STREAM, stream=stream, payload=struct.pack(">I", code))


def window_update(stream: int, grown_bytes: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(Kind.WINDOW_UPDATE, stream=stream, payload=struct.pack(">I", grown_bytes))


def block(fields: Fields) -> bytes:
    """A header block that leaves nothing in the server's table, so that it can be sent any number of times."""
    encoder = Encoder()
    encoder.header_table_size = 0
    return encoder.encode(fields)


def literal(name: str, value: str, *, indexed: bool = False) -> bytes:
    """One field of a header block as it is, which the server is to remember if it is `indexed` (RFC 7541, 6.2)."""
    return (b"\x40" if indexed else b"\x00") + b"".join(_integer(len(text)) + text.encode() for text in (name, value))


def _integer(number: int) -> bytes:
    """The length of a text that is not Huffman-coded (RFC 7541, 5.1)."""
    if number < 127:
        return bytes([number])
    encoded, number = bytearray(b"\x7f"), number - 127
    while number >= 128:
        encoded.append(number % 128 + 128)
        number //= 128
    return bytes([*encoded, number])


def headers(stream: int, encoded: bytes, *, end_stream: bool = False) -> bytes:
    """A HEADERS frame, with as many CONTINUATION frames as the block takes."""
    parts = [encoded[at : at + FRAME_BYTES_MAX] for at in range(0, len(encoded), FRAME_BYTES_MAX)] or [b""]
    last = len(parts) - 1
    return b"".join(
        frame(
            Kind.CONTINUATION if number else Kind.HEADERS,
            (Flag.END_HEADERS if number == last else 0) | (Flag.END_STREAM if end_stream and not number else 0),
            stream,
            part,
        )
        for number, part in enumerate(parts)
    )


def message(data: bytes, *, flag: int = 0, length: int | None = None) -> bytes:
    """A gRPC message with its prefix, which may lie about its length."""
    return struct.pack(">BI", flag, len(data) if length is None else length) + data


@dataclass
class Answer:
    """What the server has said on one stream so far."""

    fields: dict[str, str] = field(default_factory=dict)
    """Headers and trailers."""
    data: bytes = b""
    ended: bool = False
    reset: int | None = None
    """The error code of a RST_STREAM."""

    @property
    def status(self) -> int | None:
        """`grpc-status`, once it is there."""
        return int(self.fields["grpc-status"]) if "grpc-status" in self.fields else None

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.ended or self.reset is not None


class Wire:
    """One connection to `host:port`. A thread of its own reads what comes and acknowledges SETTINGS and PING.

    `window_bytes`: what the server may send on a stream before it is given more. `reads=False`: nothing is ever taken from the socket.
    """

    def __init__(self, target: str, *, preface: bool = True, window_bytes: int = WINDOW_BYTES_MAX, reads: bool = True) -> None:
        host, _, port = target.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), SECONDS_MAX)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._news, self._sending = threading.Condition(), threading.Lock()
        self._decoder = Decoder(max_header_list_size=1 << 20)
        self._decoder.max_allowed_table_size = self._decoder.header_table_size
        self._encoder = Encoder()
        self._windows: defaultdict[int, int] = defaultdict(int)
        self._next = 1
        self._replies = preface  # A reply would be the first the server hears of us.
        self.settings: dict[int, int] = {}
        self.answers: defaultdict[int, Answer] = defaultdict(Answer)
        self.frames: Counter[Kind] = Counter()
        self.goaway: tuple[int, str] | None = None
        """Error code and text, once the server has said goodbye."""
        self.closed = False
        """The server has ended the connection."""
        if preface:
            more = window_update(0, WINDOW_BYTES_MAX - WINDOW_BYTES) if window_bytes else b""
            self.send(PREFACE + settings({Setting.INITIAL_WINDOW_SIZE: window_bytes}) + more)
        self._reader = threading.Thread(target=self._read, daemon=True)
        if reads:
            self._reader.start()
        if reads and preface:
            assert self.wait(lambda: bool(self.frames[Kind.SETTINGS]) or self.closed), "the server sent no SETTINGS"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Put bytes on the wire. OSError when the server has closed, or takes nothing for SECONDS_MAX."""
        with self._sending:
            self._socket.sendall(data)

    def flood(self, frames: Iterable[bytes]) -> bool:
        """Send all as fast as the server takes them; False when it ended the connection before that."""
        batch = bytearray()
        try:
            for one in frames:
                batch += one
                if len(batch) >= BATCH_BYTES:
                    self.send(bytes(batch))
                    batch.clear()
            self.send(bytes(batch))
        except OSError:
            return False
        return True

    def streams(self, count: int) -> list[int]:
        """So many stream numbers that were not used yet."""
        first, self._next = self._next, self._next + 2 * count
        return list(range(first, self._next, 2))

    def encode(self, fields: Fields) -> bytes:
        """A header block as an honest client makes it, which remembers in the server's table what it may."""
        self._encoder.header_table_size = min(4096, self.settings.get(Setting.HEADER_TABLE_SIZE, 4096))
        return self._encoder.encode(fields)

    def call(self, fields: Fields, data: bytes = b"", *, encoded: bytes | None = None) -> Answer:
        """A whole call: headers (with `encode`, unless they are encoded already), `data` within the windows, and what came back."""
        (stream,) = self.streams(1)
        try:
            self.send(headers(stream, self.encode(fields) if encoded is None else encoded))
            self.data(stream, data, end_stream=True)
        except OSError:
            assert self.wait(lambda: self.closed), "the server takes nothing, and does not say goodbye"
        return self.answered(stream)

    def data(self, stream: int, data: bytes, *, end_stream: bool = False) -> None:
        """DATA frames, as far as the windows let them; nothing more once the stream is answered."""
        at = 0
        while at < len(data):
            assert self.wait(lambda: self.closed or self.answers[stream].over or min(self._room(0), self._room(stream)) > 0)
            if self.closed or self.answers[stream].over:
                return
            part = data[at : at + min(FRAME_BYTES_MAX, self._room(0), self._room(stream))]
            at += len(part)
            with self._news:
                self._windows[0] -= len(part)
                self._windows[stream] -= len(part)
            self.send(frame(Kind.DATA, Flag.END_STREAM if end_stream and at == len(data) else 0, stream, part))
        if end_stream and not data:
            self.send(frame(Kind.DATA, Flag.END_STREAM, stream))

    def _room(self, stream: int) -> int:
        start = self.settings.get(Setting.INITIAL_WINDOW_SIZE, WINDOW_BYTES) if stream else WINDOW_BYTES
        return start + self._windows[stream]

    def answered(self, stream: int, seconds: float = SECONDS_MAX) -> Answer:
        """The answer, once nothing more will come on the stream; what there is of it when the connection ended."""
        assert self.wait(lambda: self.answers[stream].over or self.closed, seconds), f"stream {stream} is not answered: {self}"
        return self.answers[stream]

    def ended(self, seconds: float = SECONDS_MAX) -> bool:
        """Whether the server ends the connection within this time."""
        return self.wait(lambda: self.closed, seconds)

    def lives(self) -> bool:
        """Whether the server still answers a PING here, and with it all that was sent before."""
        pongs = self.frames[Kind.PING]
        try:
            self.send(frame(Kind.PING, payload=b"are you?"))
        except OSError:
            return False
        return self.wait(lambda: self.frames[Kind.PING] > pongs or self.closed) and not self.closed

    def wait(self, holds: Callable[[], bool], seconds: float = SECONDS_MAX) -> bool:
        """Wait until it holds; whether it does."""
        with self._news:
            return self._news.wait_for(holds, seconds)

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):  # The server was first.
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._reader.is_alive():
            self._reader.join(SECONDS_MAX)
        self._socket.close()

    def __repr__(self) -> str:
        seen = {kind.name: count for kind, count in self.frames.items()}
        return f"Wire(closed={self.closed}, goaway={self.goaway}, frames={seen})"

    def _read(self) -> None:
        buffer = bytearray()
        while received := self._receive():
            buffer += received
            while len(buffer) >= 9 and len(buffer) >= (whole := 9 + int.from_bytes(buffer[:3])):
                kind, flags, stream, payload = Kind(buffer[3]), buffer[4], int.from_bytes(buffer[5:9]), bytes(buffer[9:whole])
                del buffer[:whole]
                reply = self._take(kind, flags, stream, payload)
                if reply and self._replies:
                    self.flood([reply])
        with self._news:
            self.closed = True
            self._news.notify_all()

    def _receive(self) -> bytes:
        """What comes next; nothing when the connection is over."""
        while True:
            try:
                return self._socket.recv(BATCH_BYTES)
            except TimeoutError:
                continue  # The time limit of the socket is for sending.
            except OSError:
                return b""

    def _take(self, kind: Kind, flags: int, stream: int, payload: bytes) -> bytes:
        """Note one frame; the frame that answers it, if any."""
        reply = b""
        with self._news:
            answer = self.answers[stream]
            match kind:
                case Kind.HEADERS:
                    answer.fields |= {str(name): str(value) for name, value in self._decoder.decode(payload)}
                    answer.ended |= bool(flags & Flag.END_STREAM)
                case Kind.DATA:
                    answer.data += payload
                    answer.ended |= bool(flags & Flag.END_STREAM)
                case Kind.RST_STREAM:
                    answer.reset = int.from_bytes(payload)
                case Kind.SETTINGS if not flags & Flag.ACK:
                    self.settings |= dict(struct.iter_unpack(">HI", payload))
                    reply = frame(Kind.SETTINGS, Flag.ACK)
                case Kind.PING if not flags & Flag.ACK:
                    reply = frame(Kind.PING, Flag.ACK, payload=payload)
                case Kind.WINDOW_UPDATE:
                    self._windows[stream] += int.from_bytes(payload)
                case Kind.GOAWAY:
                    self.goaway = (int.from_bytes(payload[4:8]), payload[8:].decode(errors="replace"))
                case _:
                    pass
            self.frames[kind] += 1
            self._news.notify_all()
        return reply


def monotonic_seconds() -> float:
    """The clock that all processes of this machine share."""
    return time.monotonic()
