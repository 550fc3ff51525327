"""Filters of exhibits, asked at the door."""

from __future__ import annotations

from typing import Any

import pytest

from tests.door.client import Door, Refused


def found(door: Door, text: str, hall: str = "h", **more: Any) -> list[str]:
    """The ids of the exhibits of a hall that a filter finds."""
    return [exhibit.name.rpartition("/")[2] for exhibit in door.ListExhibits(parent=f"halls/{hall}", filter=text, **more).exhibits]


def check_misread(door: Door, text: str, problem: str, hall: str = "h") -> None:
    """A filter is refused, with its problem and the place of that."""
    with pytest.raises(Refused) as caught:
        found(door, text, hall)
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "INVALID_FILTER")
    assert problem in caught.value.violations["filter"]
