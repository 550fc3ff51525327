"""Trace context: what W3C's rules take, what they refuse, and what goes on."""

from __future__ import annotations

import pytest

from protoplane.base.trace import Trace, parse

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("text", "sampled"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"00-{TRACE}-{PARENT}-00", False),
        (f"00-{TRACE}-{PARENT}-ff", True),  # Flags of later versions: only the one we know is read.
        (f"00-{TRACE}-{PARENT}-02", False),
        (f"01-{TRACE}-{PARENT}-01", True),
        (f"cc-{TRACE}-{PARENT}-01-what-the-future-holds", True),
        (f"fe-{TRACE}-{PARENT}-00-", False),
    ],
)
def test_a_trace_is_taken_in(text: str, sampled: bool) -> None:
    assert parse(text) == Trace(TRACE, PARENT, sampled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}-001",
        f"00-{TRACE}-{PARENT}-01-",  # Version 00 ends there.
        f"00-{TRACE}-{PARENT}-01-more",
        f"cc-{TRACE}-{PARENT}-01.more",
        f"cc-{TRACE}-{PARENT}-0",
        f"ff-{TRACE}-{PARENT}-01",
        f"FE-{TRACE}-{PARENT}-01",
        f"0-{TRACE}-{PARENT}-01",
        f"000-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT.upper()}-01",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"00-{TRACE}0-{PARENT}-01",
        f"00-{TRACE}-{PARENT}0-01",
        f"00-{TRACE[:-1]}g-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-0g",
        f"00-{TRACE[:-1]}\u0665-{PARENT}-01",  # A digit, but not one of ours.
        f" 00-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01 ",
        f"00-{TRACE}-{PARENT}-01\n",
        f"00_{TRACE}_{PARENT}_01",
        "x" * 16_384,
    ],
)
def test_what_is_not_by_the_rules_is_no_trace(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "onward"),
    [
        (f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-b7ad6b7169203331-01"),
        (f"cc-{TRACE}-{PARENT}-fe-more", f"00-{TRACE}-b7ad6b7169203331-00"),
    ],
)
def test_what_goes_on_has_our_span_and_says_only_what_we_understand(text: str, onward: str) -> None:
    trace = parse(text)
    assert trace is not None
    assert trace.onward("b7ad6b7169203331") == onward
    assert parse(onward) is not None
