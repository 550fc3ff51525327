"""Connections of the load: as little of gRPC and of HTTP/1.1 as sends a request and sees how it was answered.

A client library costs as much processor time as the servers that are measured, so these write frames that were made before and
read no more than where an answer ends and what became of it. What an answer holds is compared before, by ordinary clients.
"""

import socket
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

OK = "OK"
READ_BYTES = 1 << 18
WINDOW_BYTES_MAX = (1 << 31) - 1
WINDOW_BYTES_DEFAULT = 65_535
FRAME_BYTES_MAX = (1 << 24) - 1
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
ACK = END_STREAM = 1
END_HEADERS = 4
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 1, 4, 5
FRAME_HEAD = struct.Struct(">BHBBL")
"""Length in two parts, type, flags, stream (RFC 9113, 4.1)."""

CODES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
    "UNAUTHENTICATED",
)  # fmt: skip


class Answered(NamedTuple):
    """A call that ended: its number, and `OK` or what else became of it."""

    call: int
    status: str


class Connection(Protocol):
    """One connection to a server."""

    socket: socket.socket

    def send(self, request: bytes) -> int:
        """Begin a call; its number on this connection."""

    def receive(self) -> Iterator[Answered]:
        """The calls that ended by what can be read now; to be called when something can be. ConnectionError when it is over."""


class Grpc:
    """gRPC over HTTP/2 in plaintext; any number of calls at once."""

    def __init__(self, port: int, method: str, metadata: Mapping[str, str]) -> None:
        self.socket = connected(port)
        fixed = {":method": "POST", ":scheme": "http", ":path": method, ":authority": f"127.0.0.1:{port}"}
        fixed |= {"content-type": "application/grpc", "te": "trailers", **metadata}
        self._block = b"".join(literal(name, value) for name, value in fixed.items())
        self._stream = -1
        self._open = set[int]()
        self._waiting = b""
        self._unread_bytes = 0
        settings = [(HEADER_TABLE_SIZE, 0), (INITIAL_WINDOW_SIZE, WINDOW_BYTES_MAX), (MAX_FRAME_SIZE, FRAME_BYTES_MAX)]
        self.socket.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", *setting) for setting in settings))
            + frame(WINDOW_UPDATE, 0, 0, struct.pack(">L", WINDOW_BYTES_MAX - WINDOW_BYTES_DEFAULT))
        )

    def send(self, request: bytes) -> int:
        """Begin a call; its stream."""
        self._stream += 2
        self._open.add(self._stream)
        message = b"\0" + struct.pack(">L", len(request)) + request
        self.socket.sendall(frame(HEADERS, END_HEADERS, self._stream, self._block) + frame(DATA, END_STREAM, self._stream, message))
        return self._stream

    def receive(self) -> Iterator[Answered]:
        """The streams that ended."""
        data = self._waiting + read(self.socket)
        at = 0
        while len(data) >= at + FRAME_HEAD.size:
            high, low, kind, flags, stream = FRAME_HEAD.unpack_from(data, at)
            end = at + FRAME_HEAD.size + (high << 16 | low)
            if len(data) < end:
                break
            if kind == DATA:
                self._give_back(end - at)
            elif kind == HEADERS and flags & END_STREAM:
                self._open.discard(stream)
                yield Answered(stream, status_of(data[at:end]))
            elif kind != HEADERS:
                yield from self._control(kind, flags, stream, data[at + FRAME_HEAD.size : end])
            at = end
        self._waiting = data[at:]

    def _give_back(self, count: int) -> None:
        """Let the server send on; long before the window of the connection is used up."""
        self._unread_bytes += count
        if self._unread_bytes > WINDOW_BYTES_MAX // 4:
            self.socket.sendall(frame(WINDOW_UPDATE, 0, 0, struct.pack(">L", self._unread_bytes)))
            self._unread_bytes = 0

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> Iterator[Answered]:
        if kind in {SETTINGS, PING} and not flags & ACK:
            self.socket.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == RST_STREAM and stream in self._open:  # Not one that was answered before its request was read.
            self._open.discard(stream)
            yield Answered(stream, "RST_STREAM")
        elif kind == GOAWAY:
            raise ConnectionError(f"the server ends the connection: {payload[8:].decode(errors='replace')}")
        elif kind == CONTINUATION:
            raise ConnectionError("the server sends headers in pieces, which this does not read")


def status_of(trailers: bytes) -> str:
    """`grpc-status` of a frame. Without a table to refer to, the server has to write it out."""
    name = next((name for name in STATUS if name in trailers), None)
    if name is None:
        raise ConnectionError(f"no grpc-status in {trailers!r}")
    at = trailers.index(name) + len(name)
    return CODES[int(trailers[at + 1 : at + 1 + trailers[at]])]


STATUS = (b"grpc-status", bytes.fromhex("9acac8b21234da8f"))
"""The name as it is, and in the code of RFC 7541, appendix B, in which servers in Go write it."""


def literal(name: str, value: str) -> bytes:
    """A header that no table has (RFC 7541, 6.2.2)."""
    return b"\0" + text(name) + text(value)


def text(value: str) -> bytes:
    """A length in seven bits and more, then the text (RFC 7541, 5.1 and 5.2)."""
    data, rest = value.encode("ascii"), len(value)
    if rest < 0x7F:
        return bytes([rest]) + data
    length, rest = bytearray([0x7F]), rest - 0x7F
    while rest >= 0x80:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes(length) + bytes([rest]) + data


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame (RFC 9113, 4.1)."""
    return FRAME_HEAD.pack(len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream) + payload


class Http:
    """HTTP/1.1, kept alive; one call at a time."""

    def __init__(self, port: int) -> None:
        self.socket = connected(port)
        self._calls = 0
        self._parts: list[bytes] = []
        self._missing_bytes = 0
        """Of the answer under way, once its head is here."""

    def send(self, request: bytes) -> int:
        """Send a whole request, head and body."""
        self.socket.sendall(request)
        self._calls += 1
        return self._calls

    def receive(self) -> Iterator[Answered]:
        """The call, when its answer is whole."""
        data = read(self.socket)
        self._parts.append(data)
        if self._missing_bytes:
            self._missing_bytes -= len(data)
        else:
            head, separator, body = b"".join(self._parts).partition(b"\r\n\r\n")
            if not separator:
                return
            self._missing_bytes = length_of(head) - len(body)
        if self._missing_bytes <= 0:
            status = self._parts[0][9:12]
            self._parts.clear()
            yield Answered(self._calls, OK if status.startswith(b"2") else f"HTTP {status.decode()}")


def length_of(head: bytes) -> int:
    """`content-length`, which uvicorn writes in lower case."""
    _, name, rest = head.partition(b"\r\ncontent-length: ")
    if not name:
        raise ConnectionError(f"no content-length in {head!r}")
    return int(rest.partition(b"\r\n")[0])


def connected(port: int) -> socket.socket:
    """A connection whose small writes are sent at once."""
    made = socket.create_connection(("127.0.0.1", port), timeout=30)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def read(connection: socket.socket) -> bytes:
    """What is there."""
    data = connection.recv(READ_BYTES)
    if not data:
        raise ConnectionError("the server has hung up")
    return data
