"""The part of grpcio that our server stands on: its core, `cygrpc`, which grpcio's own server is written on too.

The names are private, so that every one used is listed here, and `problem` checks at start that they are those that were read
and tested; outside development an unknown grpcio refuses to start rather than fall back to a server that can be stopped.
"""

from __future__ import annotations

import re

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # There is no public way; see `wire`.

__all__ = ("cygrpc", "problem")

READ = ((1, 83, 2), (1, 86, 0))
"""From and below: the versions whose source was read for this."""

NAMES = {
    cygrpc: (
        "CompletionQueue",
        "ReceiveCloseOnServerOperation",
        "ReceiveMessageOperation",
        "SendInitialMetadataOperation",
        "SendMessageOperation",
        "SendStatusFromServerOperation",
        "Server",
        "auth_context",
    ),
    cygrpc.CompletionQueue: ("poll",),
    cygrpc.Server: ("add_http2_port", "cancel_all_calls", "destroy", "register_completion_queue", "request_call", "shutdown", "start"),
    cygrpc.Call: ("cancel", "peer", "start_server_batch"),
}
"""Every name of grpcio's that this module uses."""


def problem() -> str:
    """Why this grpcio cannot be trusted with it; empty when it can."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", grpc.__version__)  # What follows makes it a version before that one, which is not below it.
    version = tuple(map(int, found.groups())) if found else ()
    if not READ[0] <= version < READ[1]:
        low, high = (".".join(map(str, bound)) for bound in READ)
        return f"grpcio is {grpc.__version__}; this server needs one from {low} and below {high}"
    missing = [name for owner, names in NAMES.items() for name in names if not hasattr(owner, name)]
    return f"grpcio {grpc.__version__} is not built as expected ({', '.join(missing)})" if missing else ""
