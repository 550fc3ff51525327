"""The caller's trace: the `traceparent` of W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context-1/)."""

from __future__ import annotations

import re
from typing import NamedTuple

SAMPLED = 1
"""The one flag that level 1 knows."""

_FORM = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.DOTALL,
)


class Trace(NamedTuple):
    """Where a call belongs. A tuple, as one is made for every call that brings one."""

    trace_id: str
    """Of the whole trace: 32 lower-case hexadecimal digits."""
    parent_id: str
    """Of the caller's span: 16 of them."""
    sampled: bool
    """Whether the caller may have recorded it."""

    def onward(self, span_id: str) -> str:
        """The `traceparent` of a call that we make in turn, by the id of our own span: in the version we know, with the flag we know."""
        return f"00-{self.trace_id}-{span_id}-{SAMPLED if self.sampled else 0:02x}"


def parse(traceparent: str) -> Trace | None:
    """What a `traceparent` says; None for one that is not by the rules: a bad one is as if there were none, never an error.

    Later versions may say more behind what this one has.
    """
    found = _FORM.fullmatch(traceparent)
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if version == "00" and more is not None:
        return None
    return Trace(trace_id, parent_id, bool(int(flags, 16) & SAMPLED))
