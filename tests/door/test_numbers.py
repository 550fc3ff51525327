"""Every numbered behaviour of the AIP checklist, and every numbered attack on input and queries, has a test that names it."""

from __future__ import annotations

import re
from pathlib import Path

HELD = {*range(1, 44), *range(45, 49), *range(51, 55), 56, 58, 59}
ATTACKS = {*range(1, 10), 18}
"""B01 and so on: mass assignment, masks, fields that may not be read, injection, orders, bombs, time, types, page tokens, exhaustion."""


def named(what: str) -> set[int]:
    """The numbers in the names of tests: `test_aip_36_b02_…`, `test_b04_b05_…`."""
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    runs = re.findall(r"^def test_((?:aip_(?:\d+_)+)?)((?:b\d\d_)*)", text, re.MULTILINE)
    return {int(number) for run in runs for number in re.findall(r"\d+", run[0 if what == "aip" else 1])}


def test_every_number_is_named_by_a_test() -> None:
    assert named("aip") >= HELD, sorted(HELD - named("aip"))


def test_every_attack_is_named_by_a_test() -> None:
    assert named("attack") >= ATTACKS, sorted(ATTACKS - named("attack"))
