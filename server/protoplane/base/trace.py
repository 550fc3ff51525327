"""The caller's trace: the `traceparent` of W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context-1/)."""

from __future__ import annotations

import re

_FORM = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-.*)?",
    re.DOTALL,
)


def trace_id_of(traceparent: str) -> str:
    """The id of the whole trace: 32 lower-case hexadecimal digits.

    Empty for a text that is not by the rules: a bad one is as if there were none, never an error. Later versions may say more behind what
    this one has.
    """
    found = _FORM.fullmatch(traceparent)
    if found is None or (found["version"] == "00" and found["more"] is not None):
        return ""
    return found["trace"]
