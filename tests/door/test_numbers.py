"""Every numbered behaviour of the AIP checklist that holds so far has a test that names it."""

from __future__ import annotations

import re
from pathlib import Path

HELD = {*range(1, 6), *range(8, 44), 45, 46, 47, *range(51, 55), 56, 58, 59}


def test_every_number_is_named_by_a_test() -> None:
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    runs = re.findall(r"^def test_aip_((?:\d+_)+)", text, re.MULTILINE)
    named = {int(number) for run in runs for number in run.split("_") if number}
    assert named >= HELD, sorted(HELD - named)
