"""Filters and orders through references read the referenced table by its key, and join it once for each path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.door.client import Door
from tests.door.conftest import Serve
from tests.door.museum import MUSEUM, pb
from tests.door.service import Service
from tests.door.test_explain import Cost, cost
from tests.engines.server import Server

EXHIBITS, ARTISTS, COUNTRIES = 4_000, 400, 40
PARENT = "halls/h"
READS_MAX = 4 * EXHIBITS + 100
"""Of an order that no index has: each exhibit, each row behind it, and the sort. A product of two tables would be a hundred times as much."""


@dataclass(frozen=True)
class Large:
    """A museum of 4,000 exhibits by 400 artists, ten each, and what it asks of its database."""

    door: Door
    service: Service

    def ask(self, **arguments: Any) -> tuple[list[str], str, Cost]:
        """The names on one page, the statement, and what it took."""
        page, ran = self.service.ran_by(lambda: self.door.ListExhibits(parent=PARENT, **arguments))
        (statement,) = ran
        return [exhibit.name for exhibit in page.exhibits], statement[0], cost(self.service.database, *statement)


@pytest.fixture(scope="module")
def large(serve: Serve) -> Iterator[Large]:
    museum = serve(MUSEUM, recording=True, logged=False)
    with museum.calls() as door:
        door.CreateHall(hall_id="h", hall=pb.Hall())
        for number in range(COUNTRIES):
            door.CreateCountry(country_id=f"c{number}", country=pb.Country(area=number))
        artist, exhibit = pb.CreateArtistRequest, pb.CreateExhibitRequest
        door.BatchCreateArtists(
            requests=[artist(artist_id=f"a{n}", artist=pb.Artist(grade=n, home=f"countries/c{n % COUNTRIES}")) for n in range(ARTISTS)]
        )
        for start in range(0, EXHIBITS, 1_000):
            numbers = range(start, start + 1_000)
            items = [pb.Exhibit(artist=f"artists/a{n * 7 % ARTISTS}", number=n) for n in numbers]
            door.BatchCreateExhibits(
                parent=PARENT,
                requests=[exhibit(parent=PARENT, exhibit_id=f"e{n:05}", exhibit=e) for n, e in zip(numbers, items, strict=True)],
            )
        servers = isinstance(museum.database.engine, Server)
        museum.database.execute("ANALYZE TABLE exhibits, artists, countries" if servers else "ANALYZE")
        yield Large(door, museum)


def scanned(found: Cost) -> list[str]:
    """The steps of a plan, but the one it begins with, that read a table behind a reference without a key: once for each row before."""
    steps = found.plan.split(" | ") if "{" not in found.plan else found.plan.split("}, {")
    return [step for step in steps[1:] if "via." in step and ("SCAN" in step or "'type': 'ALL'" in step or "'type': 'index'" in step)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"filter": "artist.grade < 200"},
        {"filter": "NOT artist.grade = 7"},
        {"filter": "artist.home.area > 1 AND number > 5"},
        {"filter": "artist.home.area:* OR number = 1"},
        {"order_by": "artist.home.area desc, number", "page_size": 20},
        {"order_by": "artist.grade", "filter": "artist.home.area = 2", "page_size": 20},
    ],
)
def test_a_table_behind_a_reference_is_reached_by_its_key(large: Large, arguments: dict[str, Any]) -> None:
    names, sql, found = large.ask(**arguments)
    assert names
    assert sql.count("JOIN") == 1 + ("via.artist.home" in sql), "one join for each path"
    assert not scanned(found), found.plan
    if isinstance(large.service.database.engine, Server):
        assert found.reads <= READS_MAX, found.plan


def test_a_path_that_is_named_often_is_joined_once(large: Large) -> None:
    _, sql, _ = large.ask(filter="artist.grade > 1 artist.grade < 9 OR artist.home.area = 1", order_by="artist.grade")
    assert sql.count("JOIN") == 2


def test_a_selective_condition_behind_a_reference_is_where_the_engine_may_begin(large: Large) -> None:
    names, _, found = large.ask(filter="artist.grade = 7")
    assert len(names) == EXHIBITS // ARTISTS
    if isinstance(large.service.database.engine, Server):
        assert found.reads <= 100, found.plan
    else:
        assert "SEARCH via.artist USING" in found.plan, found.plan
        assert "exhibits__artist" in found.plan, found.plan


@pytest.mark.parametrize("text", ["artist.grade < 200", "artist.home.area = 2"])
def test_a_deep_page_through_a_reference_reads_no_more_than_the_first(large: Large, text: str) -> None:
    costs: list[Cost] = []
    token = ""
    for _ in range(4):
        page, (ran,) = large.service.ran_by(partial(large.door.ListExhibits, parent=PARENT, filter=text, page_size=20, page_token=token))
        assert len(page.exhibits) == 20
        token = page.next_page_token
        costs.append(cost(large.service.database, *ran))
    first, second, *_, deep = costs
    assert not [step for found in costs for step in scanned(found)]
    # On SQLite, conditions that hold where a page starts take steps of their own, the same on every later page.
    start = first if isinstance(large.service.database.engine, Server) else second
    assert deep.reads <= 1.2 * start.reads + 5, (start, deep)


def test_a_list_that_follows_no_reference_joins_nothing(large: Large) -> None:
    assert "JOIN" not in large.ask(filter='number > 1 AND artist = "artists/a1"')[1]
