"""The rows that both servers read: one table, made by Protoplane's own migration, filled here with plain SQL."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

AIRLINES = ("9e", "aa", "as", "b6", "dl", "ev", "ua", "us", "wn")
DESTINATIONS = ("atl", "bos", "den", "dfw", "iah", "lax", "mco", "mia", "ord", "sfo")
ORIGINS = ("ewr", "jfk", "lga")
ELEVATION_FEET = {"atl": 1_026, "bos": 20, "den": 5_434, "dfw": 607, "iah": 97, "lax": 126, "mco": 96, "mia": 8, "ord": 672, "sfo": 13}
"""Of the destinations."""
FIRST_DAY = datetime(2013, 1, 1)  # noqa: DTZ001 - DATETIME columns hold UTC without a zone.
FLIGHTS_PER_DAY = 1_000
TOGETHER = 4
"""Flights that are to leave at the same moment."""
MICROS_PER_MINUTE = 60_000_000

COLUMNS = (
    "flight", "row_version", "airline", "flight_number", "origin", "destination", "plane", "tail_number",
    "scheduled_departure_time", "scheduled_arrival_time", "departure_time", "arrival_time",
    "departure_delay", "arrival_delay", "air_time", "distance_miles", "outcome", "create_time", "update_time",
)  # fmt: skip
"""Columns of the table `flights`: the key, the version that the etag is made from, and the fields of `Flight`."""

Row = tuple[Any, ...]


def flight_ids(count: int) -> Iterator[str]:
    """The ids of the rows, in the order of their names."""
    return (row[0] for row in flight_rows(count))


def flight_rows(count: int) -> Iterator[Row]:
    """The same rows every time: like those of the example, one in forty cancelled."""
    chance = random.Random(20130101)
    for number in range(count):
        day, turn = divmod(number, FLIGHTS_PER_DAY)
        airline, origin = AIRLINES[turn % len(AIRLINES)], ORIGINS[turn % len(ORIGINS)]
        planned = FIRST_DAY + timedelta(days=day, minutes=300 + turn // TOGETHER * TOGETHER)
        minutes, late = chance.randint(40, 400), chance.randint(-15, 90)
        went = number % 40 != 0
        tail = f"n{10_000 + chance.randrange(3_000)}"
        yield (
            f"{planned:%Y-%m-%d}-{airline}-{1_000 + turn}-{origin}",
            chance.getrandbits(62),
            airline,
            1_000 + turn,
            origin,
            chance.choice(DESTINATIONS),
            tail,
            tail.upper(),
            planned,
            planned + timedelta(minutes=minutes + 20),
            planned + timedelta(minutes=late) if went else None,
            planned + timedelta(minutes=late + minutes) if went else None,
            late * MICROS_PER_MINUTE if went else None,
            (late - 20) * MICROS_PER_MINUTE if went else None,
            (minutes - 15) * MICROS_PER_MINUTE if went else None,
            chance.randint(100, 2_500),
            1 if went else 3,
            planned,
            planned,
        )


def fill(connection: Any, count: int) -> None:
    """Insert the rows into the empty table `flights`."""
    names, marks = ", ".join(COLUMNS), ", ".join(["%s"] * len(COLUMNS))
    rows = list(flight_rows(count))
    cursor = connection.cursor()
    for start in range(0, len(rows), 1_000):
        cursor.executemany(f"INSERT INTO flights ({names}) VALUES ({marks})", rows[start : start + 1_000])
        connection.commit()
    _fill_named(cursor)
    connection.commit()
    cursor.execute("ANALYZE TABLE flights, airlines, airports")
    cursor.fetchall()


def _fill_named(cursor: Any) -> None:
    """The airlines and airports that the flights name."""
    airlines = [(id_, 1, id_.upper(), f"Airline {id_.upper()}", FIRST_DAY, FIRST_DAY) for id_ in AIRLINES]
    airports = [
        (id_, 1, id_.upper(), f"Airport {id_.upper()}", ELEVATION_FEET.get(id_, 10), FIRST_DAY, FIRST_DAY)
        for id_ in (*ORIGINS, *DESTINATIONS)
    ]
    columns = "row_version, code, display_name"
    cursor.executemany(f"INSERT INTO airlines (airline, {columns}, create_time, update_time) VALUES (%s, %s, %s, %s, %s, %s)", airlines)
    cursor.executemany(
        f"INSERT INTO airports (airport, {columns}, elevation_feet, create_time, update_time) VALUES (%s, %s, %s, %s, %s, %s, %s)", airports
    )
