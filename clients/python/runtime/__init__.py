"""What this package's clients are made of: calls, lists page by page, names of resources, and typed errors."""

from .errors import (
    Aborted,
    AlreadyExists,
    CallError,
    Cancelled,
    DeadlineExceeded,
    FailedPrecondition,
    InternalFault,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    Violation,
)
from .names import ANY, InvalidName, ResourceName
from .paging import Pager
from .streams import Stream

__all__ = [
    "ANY",
    "Aborted",
    "AlreadyExists",
    "CallError",
    "Cancelled",
    "DeadlineExceeded",
    "FailedPrecondition",
    "InternalFault",
    "InvalidArgument",
    "InvalidName",
    "NotFound",
    "OutOfRange",
    "Pager",
    "PermissionDenied",
    "ResourceExhausted",
    "ResourceName",
    "Stream",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Violation",
]
