"""The public door of a running server, as import and export go through it: a channel, a token, errors with their details."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from protoplane.base import clock, config, limits
from protoplane.base.jitter import between

if TYPE_CHECKING:
    from protoplane.contract.model import Method

ATTEMPTS_MAX = 8
"""Tries of one call while the server is away or collides: about half a minute in all."""
BACKOFF_SECONDS = 0.2
BACKOFF_SECONDS_MAX = 8.0
CALL_SECONDS = 60.0
"""Deadline of one try: a batch of 1,000 rows takes well below a second."""
AGAIN = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.DEADLINE_EXCEEDED})
"""Worth another try of a call that reads, or that carries a request_id: the second try has no second effect."""
ROW_FAULTS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)
"""Codes that are about what was sent, not about the server or the caller."""
OF_REQUEST = re.compile(r"requests\[(\d+)\]\.?(.*)")


@dataclass(eq=False)  # Not frozen: context managers set the traceback of what passes through them.
class Refused(Exception):
    """What the server said no to. `rows` maps positions in a batch to what is wrong there, as far as the answer tells."""

    code: grpc.StatusCode
    text: str
    name: str = ""
    """Resource name that the error is about."""
    rows: Mapping[int, str] | None = None

    def __str__(self) -> str:
        return f"{self.code.name}: {self.text}"


class Future(Protocol):
    """A call under way."""

    def result(self) -> bytes:
        """The answer's bytes; raises grpc.RpcError."""
        ...


@dataclass(frozen=True, slots=True)
class Door:
    """A server that can be called with the caller's token."""

    channel: grpc.Channel
    metadata: tuple[tuple[str, str], ...]

    def starter(self, method: Method) -> Callable[[bytes], Future]:
        """A function that starts a call of this method and returns at once."""
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(method.path)
        metadata = self.metadata
        return lambda request: call.future(request, timeout=CALL_SECONDS, metadata=metadata)

    def close(self) -> None:
        """Hang up."""
        self.channel.close()


def answer(start: Callable[[bytes], Future], request: bytes, first: Future | None = None) -> bytes:
    """The answer to a call, tried again while that can help. Raises Refused."""
    call = first or start(request)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return call.result()
        except grpc.RpcError as error:
            if error.code() not in AGAIN or attempt == ATTEMPTS_MAX:
                raise refused(error) from error
            most = min(BACKOFF_SECONDS * 2**attempt, BACKOFF_SECONDS_MAX)
            clock.sleep(between(most / 2, most))
            call = start(request)
    raise AssertionError("the last attempt returns or raises")


def refused(error: grpc.RpcError) -> Refused:
    """A gRPC error with what its details tell."""
    name, texts = "", [error.details() or ""]
    rows: dict[int, str] = {}
    for detail in _details(error):
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
            name = info.metadata.get("name", "")
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            for violation in bad.field_violations:
                text = f"{violation.field}: {violation.description}"
                match = OF_REQUEST.match(violation.field)
                if match:
                    rows[int(match[1])] = f"{match[2]}: {violation.description}"
                texts.append(f"    {text}")
    return Refused(error.code(), "\n".join(texts), name, rows)


def _details(error: grpc.RpcError) -> list[Any]:
    trailers: Any = error.trailing_metadata() or ()
    packed = next((value for key, value in trailers if key == "grpc-status-details-bin"), None)
    if packed is None:
        return []
    try:
        return list(status_pb2.Status.FromString(packed).details)
    except DecodeError:
        return []  # A proxy's or another server's own form: the code and text remain.


def open_door(target: str, token: str, *, plaintext: bool | None, certificates: Path | None) -> Door:
    """A channel to `host:port`; encrypted unless the target is this machine or `plaintext` is asked for. Raises OSError."""
    options = [
        ("grpc.max_send_message_length", limits.VALUE_BYTES_MAX),
        ("grpc.max_receive_message_length", 16 * limits.VALUE_BYTES_MAX),  # A page of large rows may be larger than what may be sent.
        ("grpc.enable_retries", 0),  # `answer` does it, and says so.
    ]
    if config.is_loopback(target) if plaintext is None else plaintext:
        channel = grpc.insecure_channel(target, options)
    else:
        trusted = certificates.read_bytes() if certificates else None
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(trusted), options)
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    return Door(channel, metadata)
