"""The refusals a caller may see: one `Fault`, one table of reasons.

Everything else that is raised is a bug and reaches the caller as INTERNAL_FAULT with a generic text (see `edge.call`).
Shapes follow AIP-193: a canonical code, `google.rpc.ErrorInfo` with a reason and metadata, and
`google.rpc.BadRequest` for input. Every dynamic part of a text is also in the metadata, because both are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "protoplane.v1"
"""`ErrorInfo.domain` of every reason in `Reason`: the package of the enum that clients have."""


class Code(IntEnum):
    """The canonical gRPC status codes, by number."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Reason(StrEnum):
    """Why a call was refused: the names of `protoplane.v1.Reason` (a test holds the two together)."""

    INVALID_FIELDS = "INVALID_FIELDS"
    MALFORMED_MESSAGE = "MALFORMED_MESSAGE"
    INVALID_NAME = "INVALID_NAME"
    INVALID_FILTER = "INVALID_FILTER"
    INVALID_ORDER_BY = "INVALID_ORDER_BY"
    INVALID_FIELD_MASK = "INVALID_FIELD_MASK"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"  # noqa: S105 - a reason, not a secret.
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    RESOURCE_EXISTS = "RESOURCE_EXISTS"
    RESOURCE_HAS_CHILDREN = "RESOURCE_HAS_CHILDREN"
    ETAG_MISMATCH = "ETAG_MISMATCH"
    REQUEST_IN_PROGRESS = "REQUEST_IN_PROGRESS"
    CONCURRENT_WRITE = "CONCURRENT_WRITE"
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    DEADLINE_PASSED = "DEADLINE_PASSED"
    CALL_CANCELLED = "CALL_CANCELLED"
    STORAGE_FULL = "STORAGE_FULL"
    INTERNAL_FAULT = "INTERNAL_FAULT"
    VALUE_TOO_LARGE = "VALUE_TOO_LARGE"
    OVERLOADED = "OVERLOADED"
    METHOD_UNKNOWN = "METHOD_UNKNOWN"
    MESSAGE_LATE = "MESSAGE_LATE"
    MESSAGE_MISSING = "MESSAGE_MISSING"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    ANSWERS_UNREAD = "ANSWERS_UNREAD"
    RESOURCE_NOT_DELETED = "RESOURCE_NOT_DELETED"
    ANSWER_TOO_LARGE = "ANSWER_TOO_LARGE"
    INVALID_AGGREGATE = "INVALID_AGGREGATE"
    AGGREGATE_OUT_OF_RANGE = "AGGREGATE_OUT_OF_RANGE"
    RELATION_UNKNOWN = "RELATION_UNKNOWN"
    RELATION_NOT_ADMITTED = "RELATION_NOT_ADMITTED"
    RELATION_EXISTS = "RELATION_EXISTS"
    RELATION_NOT_FOUND = "RELATION_NOT_FOUND"
    PRECONDITION_UNMET = "PRECONDITION_UNMET"
    CONDITION_CONTEXT = "CONDITION_CONTEXT"
    ACCESS_BOUND = "ACCESS_BOUND"
    FIELD_DENIED = "FIELD_DENIED"


REASONS: Mapping[Reason, tuple[Code, str]] = {
    Reason.INVALID_FIELDS: (Code.INVALID_ARGUMENT, "The request has fields that break their rules: {fields}."),
    Reason.MALFORMED_MESSAGE: (Code.INVALID_ARGUMENT, "The bytes received are not a {message} message."),
    Reason.INVALID_NAME: (Code.INVALID_ARGUMENT, "The name '{name}' in field '{field}' does not fit {patterns}."),
    Reason.INVALID_FILTER: (Code.INVALID_ARGUMENT, "The filter cannot be used: {problem}"),
    Reason.INVALID_ORDER_BY: (Code.INVALID_ARGUMENT, "The order_by cannot be used: {problem}"),
    Reason.INVALID_FIELD_MASK: (Code.INVALID_ARGUMENT, "The field mask path '{path}' cannot be used: {problem}"),
    Reason.INVALID_PAGE_TOKEN: (Code.INVALID_ARGUMENT, "The page token cannot be used: {problem}"),
    Reason.REQUEST_ID_REUSED: (Code.INVALID_ARGUMENT, "The request_id '{requestId}' was used before with another request."),
    Reason.RESOURCE_NOT_FOUND: (Code.NOT_FOUND, "'{name}' was not found."),
    Reason.RESOURCE_EXISTS: (Code.ALREADY_EXISTS, "'{name}' exists already, or another resource holds its unique values."),
    Reason.RESOURCE_HAS_CHILDREN: (Code.FAILED_PRECONDITION, "'{name}' has children and cannot be deleted."),
    Reason.ETAG_MISMATCH: (Code.ABORTED, "The etag given for '{name}' is not its current one; read it again."),
    Reason.REQUEST_IN_PROGRESS: (Code.ABORTED, "Another call with the request_id '{requestId}' is still running."),
    Reason.CONCURRENT_WRITE: (Code.ABORTED, "Concurrent writes collided; run the whole operation again."),
    Reason.CREDENTIALS_INVALID: (Code.UNAUTHENTICATED, "The call needs valid credentials: {problem}"),
    Reason.PERMISSION_DENIED: (
        Code.PERMISSION_DENIED,
        "Permission '{permission}' denied on resource '{resource}' (or it might not exist).",
    ),
    Reason.DATABASE_UNAVAILABLE: (Code.UNAVAILABLE, "The storage cannot be reached at the moment."),
    Reason.OUTCOME_UNKNOWN: (Code.UNAVAILABLE, "The outcome of the write is not known; retry with the same request_id."),
    Reason.DEADLINE_PASSED: (Code.DEADLINE_EXCEEDED, "The deadline passed before the work was done; nothing was changed."),
    Reason.CALL_CANCELLED: (Code.CANCELLED, "The call was cancelled; nothing was changed."),
    Reason.STORAGE_FULL: (Code.RESOURCE_EXHAUSTED, "The storage is full."),
    Reason.INTERNAL_FAULT: (Code.INTERNAL, "Something went wrong inside the service; quote '{requestId}' when you report it."),
    Reason.VALUE_TOO_LARGE: (Code.INVALID_ARGUMENT, "A value is larger than the storage can hold."),
    Reason.OVERLOADED: (Code.RESOURCE_EXHAUSTED, "The service has more work than it can take."),
    Reason.METHOD_UNKNOWN: (Code.UNIMPLEMENTED, "The service has no method '{method}'."),
    Reason.MESSAGE_LATE: (Code.DEADLINE_EXCEEDED, "The request message did not come in time."),
    Reason.MESSAGE_MISSING: (Code.UNIMPLEMENTED, "The method takes exactly one request message, and none came."),
    Reason.ANSWERS_UNREAD: (
        Code.RESOURCE_EXHAUSTED,
        "The connection has not read its last answers; this one was dropped, the work was done.",
    ),
    Reason.RESOURCE_NOT_DELETED: (Code.ALREADY_EXISTS, "'{name}' is not deleted."),
    Reason.ANSWER_TOO_LARGE: (
        Code.RESOURCE_EXHAUSTED,
        "The answer would be larger than {bytesMax} bytes; ask for fewer resources at once. Nothing was changed.",
    ),
    Reason.MESSAGE_TOO_LARGE: (Code.RESOURCE_EXHAUSTED, "The request message is larger than the {bytesMax} bytes that the method takes."),
    Reason.INVALID_AGGREGATE: (Code.INVALID_ARGUMENT, "The groups cannot be made: {problem}"),
    Reason.AGGREGATE_OUT_OF_RANGE: (Code.OUT_OF_RANGE, "The value of '{aggregate}' is beyond what its type holds; ask for less at once."),
    Reason.RELATION_UNKNOWN: (Code.INVALID_ARGUMENT, "There is no relation '{relation}' of the type '{type}'."),
    Reason.RELATION_NOT_ADMITTED: (Code.INVALID_ARGUMENT, "The tuple '{tuple}' cannot be: {problem}"),
    Reason.RELATION_EXISTS: (Code.ALREADY_EXISTS, "The tuple '{tuple}' is there already."),
    Reason.RELATION_NOT_FOUND: (Code.NOT_FOUND, "The tuple '{tuple}' is not there."),
    Reason.PRECONDITION_UNMET: (Code.FAILED_PRECONDITION, "Precondition {index} does not hold; nothing was changed."),
    Reason.CONDITION_CONTEXT: (Code.INVALID_ARGUMENT, "A condition cannot be told: {problem}"),
    Reason.ACCESS_BOUND: (Code.RESOURCE_EXHAUSTED, "The question about relations costs more than it may: {problem}"),
    Reason.FIELD_DENIED: (
        Code.PERMISSION_DENIED,
        "Permission '{permission}' denied for the field '{field}' of '{resource}'.",
    ),
}
"""Code and text of each reason. The braces name metadata keys; both are part of the public contract."""

TEXT_CHARACTERS_MAX = 256
"""Longest value quoted from a request: an error must not be a way to have megabytes echoed."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of the request that is wrong.

    `field` is the path in the request message (`book.title`, `filter`); `reason` follows the form of ErrorInfo reasons.
    """

    field: str
    description: str
    reason: str = ""


class Fault(Exception):
    """An expected refusal. Its metadata values appear in the text and in `ErrorInfo.metadata`."""

    def __init__(
        self,
        reason: Reason,
        *,
        violations: Sequence[Violation] = (),
        retry_delay_seconds: float | None = None,
        **metadata: str,
    ) -> None:
        code, text = REASONS[reason]
        self.code = code
        self.reason: str = reason.value
        self.domain = DOMAIN
        self.metadata = {key: shorten(value) for key, value in metadata.items()}
        self.violations = tuple(violations)
        self.retry_delay_seconds = retry_delay_seconds
        self.text = text.format_map(self.metadata)
        super().__init__(self.text)

    def move(self, place: Callable[[str], str]) -> None:
        """Name the fields of a part of a request, which was judged by itself, as fields of the whole."""
        self.violations = tuple(replace(violation, field=place(violation.field)) for violation in self.violations)
        if "field" in self.metadata:
            self.metadata["field"] = shorten(place(self.metadata["field"]))
        if "fields" in self.metadata:
            self.metadata["fields"] = shorten(_fields(self.violations))
        self.text = REASONS[Reason(self.reason)][1].format_map(self.metadata)
        self.args = (self.text,)

    def to_status(self) -> status_pb2.Status:
        """As a `google.rpc.Status`: ErrorInfo, then BadRequest, PreconditionFailure and RetryInfo where they apply, each at most once."""
        status = status_pb2.Status(code=int(self.code), message=self.text)
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain=self.domain, metadata=self.metadata)
        status.details.add().Pack(info)
        if self.violations:
            bad = error_details_pb2.BadRequest()
            for violation in self.violations:
                bad.field_violations.add(field=violation.field, description=violation.description, reason=violation.reason)
            status.details.add().Pack(bad)
        if self.code is Code.FAILED_PRECONDITION:
            failed = error_details_pb2.PreconditionFailure()
            failed.violations.add(type=self.reason, subject=self.metadata.get("name", ""))
            status.details.add().Pack(failed)
        if self.retry_delay_seconds is not None:
            delay = Duration()
            delay.FromMicroseconds(round(self.retry_delay_seconds * 1_000_000))
            status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        return status


class Refusal(Fault):
    """A refusal of a team's own servicer method: its own reason in its own domain.

    `reason` is UPPER_SNAKE_CASE (AIP-193), `domain` usually the package of the service. `text` may name metadata in braces.
    """

    def __init__(
        self,
        code: Code,
        reason: str,
        *,
        domain: str,
        text: str,
        violations: Sequence[Violation] = (),
        **metadata: str,
    ) -> None:
        self.code = code
        self.reason = reason
        self.domain = domain
        self.metadata = {key: shorten(value) for key, value in metadata.items()}
        self.violations = tuple(violations)
        self.retry_delay_seconds = None
        self.text = text.format_map(self.metadata)
        Exception.__init__(self, self.text)

    def move(self, place: Callable[[str], str]) -> None:
        """As of any fault; its metadata is the team's own and stays."""
        self.violations = tuple(replace(violation, field=place(violation.field)) for violation in self.violations)


def invalid_fields(violations: Sequence[Violation]) -> Fault:
    """INVALID_ARGUMENT for one or more fields of the request."""
    return Fault(Reason.INVALID_FIELDS, violations=violations, fields=_fields(violations))


def _fields(violations: Sequence[Violation]) -> str:
    return ", ".join(dict.fromkeys(violation.field or "the request itself" for violation in violations))


def shorten(text: str) -> str:
    """The text as it may be quoted back to a caller: bounded, with what was cut marked."""
    return text if len(text) <= TEXT_CHARACTERS_MAX else text[: TEXT_CHARACTERS_MAX - 1] + "…"
