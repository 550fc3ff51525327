"""A filter finds, on every engine, exactly what a slow interpreter of AIP-160 finds in the messages themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings

from protoplane.base import clock
from protoplane.query.syntax import parse
from tests.door.client import Door, Refused
from tests.door.conftest import Serve
from tests.door.museum import MUSEUM
from tests.door.museum.collection import load, museum
from tests.door.museum.oracle import World
from tests.door.museum.texts import comparisons, filters

CASES = 1_000
PARENT = "halls/h0"
JOINS_PROBLEM = "more than 8 resources"


@dataclass(frozen=True)
class Asked:
    """A loaded museum, and what is in it."""

    door: Door
    by_name: dict[str, Any]

    def check(self, text: str) -> None:
        """The service and the oracle agree."""
        world = World(museum(), self.by_name, clock.now_micros())
        tree = parse(text)
        rows = [name for name in self.by_name if name.startswith(f"{PARENT}/exhibits/")]
        wanted = {name for name in rows if world.holds(tree, self.by_name[name]) is True}
        try:
            found = {exhibit.name for exhibit in self.door.ListExhibits(parent=PARENT, filter=text, page_size=1_000).exhibits}
        except Refused as refused:
            if JOINS_PROBLEM in refused.message:
                return
            raise AssertionError(text) from refused
        assert found == wanted, (text, sorted(found ^ wanted))


@pytest.fixture(scope="module")
def asked(serve: Serve) -> Iterator[Asked]:
    with serve(MUSEUM).calls() as door:
        yield Asked(door, load(door))


def test_aip_28_29_30_31_32_a_filter_finds_what_the_interpreter_finds(asked: Asked) -> None:
    check_cases(asked, CASES)


def check_cases(asked: Asked, cases: int) -> None:
    @settings(max_examples=cases)
    @given(filters(comparisons()))
    def check(text: str) -> None:
        asked.check(text)

    check()
