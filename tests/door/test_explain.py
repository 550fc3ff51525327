"""What the server asks of the database is answered by an index, and a deep page costs what the first one does.

The statements are those that the server ran, recorded as it ran them, and asked again with counters.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.door.client import Door
from tests.door.conftest import Serve
from tests.door.service import Service
from tests.engines import Database
from tests.engines.server import Server, driver
from tests.example import DESK, pb

ROWS = 5_000
PAGE_ROWS = 50
TIES = 20
"""Flights that leave at the same moment."""
RARE = 80
"""One flight in so many leaves from an origin of its own: little more than a page in all."""
START_SECONDS = 1_357_000_000
ROWS_READ_MAX = 4 * PAGE_ROWS
"""For one page: MySQL prefers the index of the order over that of the filter where about every third row fits."""
SQLITE_STEPS_RATIO = 6
"""Of any later page to the first one, in steps: conditions take steps too, and an order with NULLs in front is a union of three parts.
Reading the table would be thirty times as much."""


@dataclass(frozen=True)
class Timetable:
    """A served table of 5,000 flights from three airports, twenty at a time, and the weather of 1,000 hours at each."""

    door: Door
    service: Service


def flight(number: int) -> Any:
    made = pb.Flight(
        airline=f"airlines/{('ua', 'aa', 'dl', 'b6')[number % 4]}",
        flight_number=1 + number % 9_999,
        origin="airports/bos" if number % RARE == 0 else f"airports/{('jfk', 'lga', 'ewr')[number % 3]}",
        destination="airports/sfo",
        tail_number=f"N{100 + number % 97}",
    )
    made.scheduled_departure_time.seconds = START_SECONDS + number // TIES * 600
    made.scheduled_arrival_time.seconds = made.scheduled_departure_time.seconds + 3_600
    return made


def weather(number: int) -> Any:
    made = pb.WeatherObservation(temperature_fahrenheit=50 + number % 40)
    made.observe_time.seconds = START_SECONDS + number * 3_600
    return made


@pytest.fixture(scope="module")
def timetable(serve: Serve) -> Iterator[Timetable]:
    desk = serve(DESK, recording=True, logged=False)
    with desk.calls() as door:
        ids = [f"2013-{n // 1000 + 1:02}-{n % 28 + 1:02}-ua-{n + 1}-jfk" for n in range(ROWS)]
        for start in range(0, ROWS, 1_000):
            door.BatchCreateFlights(
                requests=[pb.CreateFlightRequest(flight_id=ids[n], flight=flight(n)) for n in range(start, start + 1_000)]
            )
        for code in ("ewr", "jfk", "lga"):
            door.CreateAirport(airport_id=code, airport=pb.Airport(code=code.upper(), display_name=code))
            hours = [f"20{n // 8000 + 10}-{n // 600 % 12 + 1:02}-{n // 24 % 25 + 1:02}t{n % 24:02}" for n in range(1_000)]
            door.BatchCreateWeatherObservations(
                parent=f"airports/{code}",
                requests=[
                    pb.CreateWeatherObservationRequest(weather_observation_id=hour, weather_observation=weather(n))
                    for n, hour in enumerate(hours)
                ],
            )
        if isinstance(desk.database.engine, Server):  # By itself it counts its rows some seconds later.
            desk.database.execute("ANALYZE TABLE flights, weather_observations")
        yield Timetable(door, desk)


@dataclass(frozen=True)
class Cost:
    """What answering a statement took."""

    plan: str
    """The engine's own words."""
    reads: int
    """Rows and index entries read (MySQL, MariaDB), or steps of the virtual machine (SQLite)."""
    scans: bool
    """Whether a table was read without an index."""
    sorts: bool


def cost(database: Database, sql: str, params: Sequence[object]) -> Cost:
    """Ask again and count."""
    if isinstance(database.engine, Server):
        return server_cost(database.engine, database.name, sql, params)
    with closing(sqlite3.connect(database.name)) as connection:
        connection.execute("PRAGMA case_sensitive_like = ON")
        plan = " | ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", params))
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 1

        connection.set_progress_handler(count, 1)
        connection.execute(sql, params).fetchall()
        return Cost(plan, steps, plan.startswith("SCAN"), "TEMP B-TREE" in plan)


def server_cost(server: Server, database: str, sql: str, params: Sequence[object]) -> Cost:
    connection = driver().connect(host="127.0.0.1", port=server.port, user="root", database=database, charset="utf8mb4")
    with closing(connection), closing(connection.cursor()) as cursor:
        names = "utf8mb4 COLLATE utf8mb4_nopad_bin" if server.name == "mariadb" else "utf8mb4 COLLATE utf8mb4_0900_bin"
        cursor.execute(f"SET NAMES {names}")
        explain = "EXPLAIN " if server.name == "mariadb" else "EXPLAIN FORMAT=TRADITIONAL "
        cursor.execute(explain + sql, tuple(params))
        columns = [column[0] for column in cursor.description]
        plan = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
        cursor.execute("FLUSH STATUS")
        cursor.execute(sql, tuple(params))
        cursor.fetchall()
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
        counters = {name: int(value) for name, value in cursor.fetchall()}
        scans = any(step["type"] == "ALL" for step in plan) or counters["Handler_read_rnd_next"] > 0
        return Cost(f"{plan} {counters}", sum(counters.values()), scans, any("filesort" in str(step["Extra"]) for step in plan))


LISTS: dict[str, dict[str, str]] = {
    "by name": {},
    "by time": {"order_by": "scheduled_departure_time"},
    "by time backwards": {"order_by": "scheduled_departure_time desc, name desc"},
    "of an origin by time": {"filter": 'origin = "airports/jfk"', "order_by": "scheduled_departure_time"},
    "of a rare origin by time": {"filter": 'origin = "airports/bos"', "order_by": "scheduled_departure_time"},
    "of an airline since": {
        "filter": 'airline = "airlines/ua" AND scheduled_departure_time >= 2013-01-01T02:00:00Z',
        "order_by": "scheduled_departure_time",
    },
    "of a plane": {"filter": 'tail_number = "N123"', "order_by": "scheduled_departure_time"},
}
"""Orders and filters that the contract has an index for."""


def statement(timetable: Timetable, **arguments: Any) -> tuple[Any, tuple[str, tuple[object, ...]]]:
    """One page, and the one statement that it took."""
    answer, statements = timetable.service.ran_by(lambda: timetable.door.ListFlights(page_size=PAGE_ROWS, **arguments))
    assert len(statements) == 1, statements
    return answer, statements[0]


@pytest.mark.parametrize("name", LISTS)
def test_a_deep_page_reads_no_more_than_the_first_and_never_the_table(timetable: Timetable, name: str) -> None:
    page, ran = statement(timetable, **LISTS[name])
    pages = [ran]
    seen = [flight.name for flight in page.flights]
    while page.next_page_token:
        page, ran = statement(timetable, page_token=page.next_page_token, **LISTS[name])
        pages.append(ran)
        seen += [flight.name for flight in page.flights]
    assert len(seen) == len(set(seen))
    deepest = len(pages) - 1
    costs = {number: cost(timetable.service.database, *pages[number]) for number in sorted({0, 1, deepest // 2, deepest})}
    if isinstance(timetable.service.database.engine, Server):
        for number, found in costs.items():
            assert not found.scans, (number, found.plan)
            assert not found.sorts, (number, found.plan)
            assert found.reads <= ROWS_READ_MAX, (number, found.reads, pages[number], found.plan)
    else:
        assert costs[1].reads <= SQLITE_STEPS_RATIO * costs[0].reads, (costs, pages[1])
    assert costs[deepest].reads <= 1.2 * costs[1].reads + 5, (costs, pages[deepest])


@pytest.mark.parametrize("name", ["by name", "by time", "by time backwards", "of an origin by time"])
def test_page_1000_reads_as_many_rows_as_page_1(timetable: Timetable, name: str) -> None:
    rows = 1 if "filter" in LISTS[name] else 4
    costs: list[Cost] = []
    for before in (0, 1, 999):
        token, left = "", before * rows
        while left:  # The size may change from page to page.
            page = timetable.door.ListFlights(page_size=min(left, 1_000), page_token=token, **LISTS[name])
            token, left = page.next_page_token, left - len(page.flights)
        answer, ran = timetable.service.ran_by(partial(timetable.door.ListFlights, page_size=rows, page_token=token, **LISTS[name]))
        assert len(answer.flights) == rows
        (asked,) = ran
        costs.append(cost(timetable.service.database, *asked))
    first, second, deep = costs
    assert deep.reads <= second.reads + 3, (second, deep)
    if isinstance(timetable.service.database.engine, Server):
        for found in costs:
            assert not found.scans, found.plan
            assert not found.sorts, found.plan
            assert found.reads <= first.reads + 2 * TIES, (first, found)
    else:
        assert second.reads < ROWS, "steps: of which reading the table takes several for each row"


def test_get_reads_one_row(timetable: Timetable) -> None:
    name = timetable.door.ListFlights(page_size=1).flights[0].name
    _, statements = timetable.service.ran_by(lambda: timetable.door.GetFlight(name=name))
    (ran,) = statements
    found = cost(timetable.service.database, *ran)
    assert not found.scans, found.plan
    if isinstance(timetable.service.database.engine, Server):
        assert found.reads == 1, found.plan
    else:
        assert "USING PRIMARY KEY (flight=?)" in found.plan, found.plan


def test_the_children_of_one_parent_are_read_alone_and_page_by_page(timetable: Timetable) -> None:
    costs: list[Cost] = []
    request = pb.ListWeatherObservationsRequest(parent="airports/jfk", page_size=PAGE_ROWS)
    for _ in range(1_000 // PAGE_ROWS):
        page, statements = timetable.service.ran_by(lambda: timetable.door.ListWeatherObservations(request))
        (ran,) = statements
        costs.append(cost(timetable.service.database, *ran))
        request.page_token = page.next_page_token
    assert not request.page_token
    for found in costs:
        assert not found.scans, found.plan
        assert not found.sorts, found.plan
        assert found.reads <= 1.2 * costs[0].reads + 5
        assert found.reads <= 3 * PAGE_ROWS or not isinstance(timetable.service.database.engine, Server)


def test_a_name_in_a_filter_is_found_by_key(timetable: Timetable) -> None:
    name = timetable.door.ListFlights(page_size=1).flights[0].name
    answer, ran = statement(timetable, filter=f'name = "{name}"')
    assert len(answer.flights) == 1
    found = cost(timetable.service.database, *ran)
    assert not found.scans, found.plan
    assert found.reads <= 200, (ran, found)
