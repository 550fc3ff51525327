"""Every fault of the checklist that applies so far has a test that names it, where the table says."""

from __future__ import annotations

import re
from pathlib import Path

from tests.faults import FAULTS

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {2, 3, 37}
"""Those of folders that have their own names for them."""


def named(file: Path) -> set[int]:
    """The numbers in the names of a file's tests."""
    names = re.findall(r"^def test_(\w+)", file.read_text(), re.MULTILINE)
    return {int(number) for name in names for number in re.findall(r"(?:^|_)f(\d\d)(?=_)", name)}


def test_every_number_is_named_by_a_test_in_each_file_of_its_row() -> None:
    assert set(FAULTS) == {*range(1, 26), *range(37, 43)}
    missing = [(number, file) for number in set(FAULTS) - ELSEWHERE for file in FAULTS[number] if number not in named(ROOT / file)]
    assert not missing


def test_every_file_of_this_folder_that_names_a_number_is_in_its_row() -> None:
    here = {file.relative_to(ROOT).as_posix(): named(file) for file in Path(__file__).parent.glob("test_*.py")}
    missing = [(number, file) for file, numbers in here.items() for number in numbers if file not in FAULTS[number]]
    assert not missing
