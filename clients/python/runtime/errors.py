"""A failed call as a typed error: its code as a class, and what the server said about it as attributes (AIP-193)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as AnyMessage

DETAILS = "grpc-status-details-bin"
"""The trailer that holds a google.rpc.Status."""


@dataclass(frozen=True)
class Violation:
    """One field of the request that is wrong: its path (`book.title`), why in words, and why for programs."""

    field: str
    description: str
    reason: str = ""


# Every field has a default and none is frozen, so that errors pass between processes, and Python can add a traceback.
@dataclass(eq=False)
class CallError(Exception):
    """A call that failed. Decide by class or `code`, and by `reason`, never by the text."""

    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN
    message: str = ""
    """For people."""
    method: str = ""
    """`/library.v1.Library/GetBook`"""
    reason: str = ""
    """`RESOURCE_NOT_FOUND`; empty where the server did not say, as when there is none."""
    domain: str = ""
    """Whose reason it is."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Every changing part of the message."""
    violations: tuple[Violation, ...] = ()
    retry_delay_seconds: float | None = None
    """How long to wait before another try; None where the server did not say."""
    call_id: str = ""
    """What the server's log knows the call by."""
    details: tuple[AnyMessage, ...] = ()
    """All that the server said, also what is taken apart above."""

    def __str__(self) -> str:
        head = " ".join(filter(None, (self.code.name, self.reason)))
        return "\n".join((f"{head}: {self.message}", *(f"  {each.field}: {each.description}" for each in self.violations)))


class InvalidArgument(CallError):
    """The request is wrong, whatever the state of the service: `violations` name its fields."""


class Unauthenticated(CallError):
    """There are no credentials, or they are not valid any more."""


class PermissionDenied(CallError):
    """The caller may not do this; whether the resource is there is not said."""


class NotFound(CallError):
    """The resource, or its parent, is not there."""


class AlreadyExists(CallError):
    """Another resource has this name, or a value that must be unique."""


class FailedPrecondition(CallError):
    """Something else has to be done first, such as deleting children."""


class Aborted(CallError):
    """Somebody else wrote meanwhile: read anew, and begin again from there."""


class OutOfRange(CallError):
    """The answer would be beyond what its type holds."""


class ResourceExhausted(CallError):
    """Too much at once, or too often: `retry_delay_seconds` says when to come again."""


class Unavailable(CallError):
    """The server cannot be reached or cannot serve, also after the tries that the channel made."""


class DeadlineExceeded(CallError):
    """The time of the call is over. A write may have been done: repeat it with the same request_id, or read what is there."""


class Cancelled(CallError):
    """The call was given up, by its caller or by a server that stops."""


class Unimplemented(CallError):
    """The server does not have this method."""


class InternalFault(CallError):
    """A fault of the server: report it with `call_id`."""


_CLASSES: Mapping[grpc.StatusCode, type[CallError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.ABORTED: Aborted,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRange,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
    grpc.StatusCode.INTERNAL: InternalFault,
}
"""Any other code is a plain CallError."""


def error_of(failure: grpc.RpcError, method: str) -> CallError:
    """A failed call taken apart."""
    # What a unary call raises is a grpc.Call too, which the types do not say.
    call: Any = failure
    error = _CLASSES.get(call.code(), CallError)(code=call.code(), message=call.details() or "", method=method)
    data = next((value for key, value in call.trailing_metadata() or () if key == DETAILS), b"")
    if data:
        _add_details(error, data)
    return error


def _add_details(error: CallError, data: bytes) -> None:
    # Only here: importing them takes as long as some calls, and most programs have no error to read.
    from google.protobuf.message import DecodeError
    from google.rpc import error_details_pb2, status_pb2

    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry, request = error_details_pb2.RetryInfo(), error_details_pb2.RequestInfo()
    try:
        status = status_pb2.Status.FromString(data)
        for detail in status.details:
            for part in (info, bad, retry, request):
                detail.Unpack(part)  # Only where it is one.
    except DecodeError:  # Of something between us and the server; the code holds nevertheless.
        return
    error.reason, error.domain, error.metadata = info.reason, info.domain, dict(info.metadata)
    error.violations = tuple(Violation(each.field, each.description, each.reason) for each in bad.field_violations)
    error.retry_delay_seconds = retry.retry_delay.ToMicroseconds() / 1_000_000 if retry.HasField("retry_delay") else None
    error.call_id = request.request_id
    error.details = tuple(status.details)
