"""What a call says about itself in its metadata."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from protoplane.base.trace import trace_id_of
from protoplane.query.read_mask import SIDE_CHANNEL

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]
"""Names and values as they were sent, in order; values are bytes where names end with `-bin`."""

TIMINGS_KEY = "server-timing"
"""Asked for with the value `on`, answered in the trailing metadata in the form of the HTTP header of that name: `stage;dur=millis`."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_made_ids = map((secrets.token_hex(6) + "-{:x}").format, itertools.count(1))
"""Ids for calls without one: unique and cheap, not secret."""


class Head(NamedTuple):
    """What a call says about itself in its metadata."""

    request_id: str
    """The call's id: its own if it is a usable one, else a new one."""
    authorization: str
    """Empty for none."""
    doubled: bool
    """Whether there are two authorizations: whichever we took, a proxy may have checked the other."""
    traceparent: str
    """Of W3C Trace Context, unread; empty for none."""
    timings: bool
    """Whether it asks for the times of its stages."""
    field_mask: str
    """What of the answer it wants (AIP-157): paths with commas between them; empty for all of it."""

    @property
    def trace_id(self) -> str:
        """The trace that the call belongs to; empty for none."""
        return trace_id_of(self.traceparent) if self.traceparent else ""


def authorization_of(metadata: Metadata) -> str:
    """The credentials alone; empty for none."""
    return next((str(value) for key, value in metadata if key == "authorization"), "")


def read_metadata(metadata: Metadata) -> Head:
    """What a call says about itself."""
    request_id = authorization = traceparent = field_mask = ""
    doubled = timings = False
    for key, value in metadata:
        if key == "authorization":
            doubled = authorization != ""
            authorization = str(value) or "none"  # An empty header is a wrong one, not an anonymous call.
        elif key == "x-request-id" and _REQUEST_ID.fullmatch(str(value)):
            request_id = str(value)
        elif key == "traceparent":
            traceparent = str(value)
        elif key == TIMINGS_KEY:
            timings = value == "on"
        elif key == SIDE_CHANNEL:
            field_mask = f"{field_mask},{value!s}" if field_mask else str(value)  # Twice is both.
    return Head(request_id or next(_made_ids), authorization, doubled, traceparent, timings, field_mask)
