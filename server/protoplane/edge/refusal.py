"""A `Fault` as gRPC sends it: code, text and the `google.rpc.Status` in the trailers, within what every client accepts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from google.rpc import error_details_pb2

from protoplane.base.errors import Fault, Violation

if TYPE_CHECKING:
    from google.rpc import status_pb2

DETAILS_BYTES_MAX = 4_096
"""Of the serialised Status: base64 adds a third, and clients on gRPC's C core may refuse trailers above 8 KiB in all."""

TEXT_BYTES_MAX = 768
"""Of the text, which is sent twice, once percent-encoded at up to three bytes for one."""

VIOLATIONS_MAX = 64
"""More cannot fit; cut first, so that a refusal of a huge batch costs no more than another."""

DESCRIPTION_CHARACTERS_MAX = 512

DETAILS_KEY = "grpc-status-details-bin"

PUSHBACK_KEY = "grpc-retry-pushback-ms"
"""What gRPC's own retries go by (gRFC A6)."""


class Refused(Exception):
    """Ends a call with a status."""

    def __init__(self, code: int, text: str, trailing_metadata: Sequence[tuple[str, str | bytes]] = ()) -> None:
        self.code, self.text, self.trailing_metadata = code, text, trailing_metadata
        super().__init__(text)


def refused(fault: Fault, request_id: str) -> Refused:
    """What ends a call with the fault."""
    status = status_of(fault, request_id)
    trailing: list[tuple[str, str | bytes]] = [(DETAILS_KEY, status.SerializeToString())]
    if fault.retry_delay_seconds is not None:
        trailing.append((PUSHBACK_KEY, str(round(fault.retry_delay_seconds * 1_000))))
    return Refused(status.code, status.message, trailing)


def status_of(fault: Fault, request_id: str) -> status_pb2.Status:
    """The fault and the id of its call, cut to DETAILS_BYTES_MAX: field violations go first, from the end, and are counted."""
    status = _status(fault, request_id)
    if status.ByteSize() <= DETAILS_BYTES_MAX and len(status.message.encode()) <= TEXT_BYTES_MAX:
        return status
    shorter = Fault.__new__(Fault)
    vars(shorter).update(vars(fault))
    shorter.text = fault.text.encode()[: TEXT_BYTES_MAX - 3].decode(errors="ignore") + "…"
    kept = min(len(fault.violations), VIOLATIONS_MAX)
    while True:
        shorter.violations = tuple(_shortened(violation) for violation in fault.violations[:kept])
        if omitted := len(fault.violations) - kept:
            shorter.metadata = {**fault.metadata, "violationsOmitted": str(omitted)}
        status = _status(shorter, request_id)
        if status.ByteSize() <= DETAILS_BYTES_MAX:
            return status
        if kept == 0:
            break
        kept //= 2
    # Long values in four-byte characters: the keys must stay (AIP-193), the values need not stay whole.
    shorter.metadata = {key: value[:48] for key, value in shorter.metadata.items()}
    return _status(shorter, request_id)


def _status(fault: Fault, request_id: str) -> status_pb2.Status:
    status = fault.to_status()
    status.details.add().Pack(error_details_pb2.RequestInfo(request_id=request_id))
    return status


def _shortened(violation: Violation) -> Violation:
    description = violation.description
    if len(description) > DESCRIPTION_CHARACTERS_MAX:
        description = description[: DESCRIPTION_CHARACTERS_MAX - 1] + "…"
    return Violation(violation.field[:DESCRIPTION_CHARACTERS_MAX], description, violation.reason)
