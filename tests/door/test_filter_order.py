"""Orders, through references too, are those of a plain sort, and their pages lose and repeat nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.door.client import Door
from tests.door.conftest import Serve
from tests.door.museum import MUSEUM
from tests.door.museum.collection import load, museum
from tests.door.museum.oracle import Unset, World

PARENT = "halls/h0"
FIELDS = (
    "title", "subtitle", "views", "ratio", "state", "shown", "make_time", "label", "wrapped_string", "place.city", "place.point.y", "made_part.number", "lender", "copy_of", "name",
    "artist.display_name", "artist.grade", "artist.career", "artist.home", "artist.name", "artist.home.area", "artist.home.found_time", "artist.home.climate.zone", "artist.teacher.grade",
    "lender.population", "lender.continent", "lender.island", "copy_of.title", "copy_of.artist.grade", "copy_of.name", "place.country.display_name", "hall.floor", "hall.country.area",
)  # fmt: skip
TERMS = st.lists(st.tuples(st.sampled_from(FIELDS), st.booleans()), min_size=1, max_size=3, unique_by=lambda term: term[0])
FILTERS = st.sampled_from(("", "artist.home.area > 0 OR number < 7", "NOT lender.island = true", "artist:*"))


@dataclass(frozen=True)
class Sorted:
    """A loaded museum, and what is in it."""

    door: Door
    by_name: dict[str, Any]

    def names(self, terms: Sequence[tuple[str, bool]], among: Sequence[str]) -> list[str]:
        """Sorted by each term, the last one first, because a sort keeps what is equal in place."""
        world = World(museum(), self.by_name, 0)
        names = sorted(among, key=ids, reverse=terms[-1][1])
        for path, descending in reversed(terms):
            names.sort(key=lambda name: key(world, path, self.by_name[name]), reverse=descending)
        return names


def ids(name: str) -> tuple[str, ...]:
    return tuple(name.split("/")[1::2])


def key(world: World, path: str, row: Any) -> tuple[bool, Any]:
    value = world.value_of(path.split("."), row)
    if isinstance(value, Unset):
        return (False, ())
    names = world.schema.target(world.walk(path.split("."), row)[1])
    return (True, (ids(value) or ("", "")) if names else value)


@pytest.fixture(scope="module")
def gallery(serve: Serve) -> Iterator[Sorted]:
    with serve(MUSEUM).calls() as door:
        yield Sorted(door, load(door, seed=11))


def test_aip_23_27_pages_in_any_order_are_those_of_a_plain_sort(gallery: Sorted) -> None:
    @settings(max_examples=100)
    @given(TERMS, FILTERS, st.lists(st.sampled_from((1, 7, 20, 90)), min_size=1, max_size=3))
    def check(terms: list[tuple[str, bool]], text: str, sizes: list[int]) -> None:
        order_by = ", ".join(f"{path}{' desc' if descending else ''}" for path, descending in terms)
        among = [exhibit.name for exhibit in gallery.door.ListExhibits(parent=PARENT, filter=text, page_size=1_000).exhibits]
        found: list[str] = []
        token = ""
        for size in itertools.cycle(sizes):
            page = gallery.door.ListExhibits(parent=PARENT, filter=text, order_by=order_by, page_size=size, page_token=token)
            found += [exhibit.name for exhibit in page.exhibits]
            token = page.next_page_token
            if not token:
                break
        assert found == gallery.names(terms, among), (order_by, text)

    check()
