"""A handful of flights by hand, as rows of `data.py` and as messages: one day at four airports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

DAY = datetime(2013, 1, 1, tzinfo=UTC)

AIRPORTS = {"jfk": (40.6398, -73.7789), "lga": (40.7772, -73.8726), "ewr": (40.6925, -74.1687), "bos": (42.3643, -71.0052)}
"""Id → latitude and longitude: LaGuardia is 11 miles from Kennedy, Newark 21, Boston 187."""

SEATS = {"n100": 200, "n200": 50}
"""Plane → seats."""


def at(hours: float, minutes: float = 0) -> datetime:
    """A time of the day."""
    return DAY + timedelta(hours=hours, minutes=minutes)


def text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def row(flight_id: str, destination: str, departs: float, **more: Any) -> dict[str, str]:
    """A flight of six hours that arrives as late as `late` minutes, or has the outcome given."""
    _, _, _, airline, number, origin = flight_id.split("-")
    late, outcome = more.get("late", 0), more.get("outcome", "ARRIVED")
    flew = outcome != "CANCELLED" and "late" in more
    return {
        "id": flight_id,
        "airline": f"airlines/{airline}",
        "flight_number": number,
        "origin": f"airports/{origin}",
        "destination": f"airports/{destination}",
        "plane": f"planes/{more['plane']}" if "plane" in more else "",
        "tail_number": more.get("plane", "").upper(),
        "scheduled_departure_time": text(at(departs)),
        "scheduled_arrival_time": text(at(departs + 6)),
        "departure_time": text(at(departs, late)) if flew else "",
        "arrival_time": text(at(departs + 6, late)) if flew else "",
        "departure_delay": f"{late * 60}s" if flew else "",
        "arrival_delay": f"{late * 60}s" if flew else "",
        "air_time": "18000s" if flew else "",
        "distance_miles": "2500",
        "outcome": f"OUTCOME_{outcome}",
    }


FLIGHTS = [
    row("2013-01-01-ua-1-jfk", "sfo", 10, outcome="CANCELLED"),
    row("2013-01-01-ua-2-jfk", "sfo", 11, late=30),
    row("2013-01-01-ua-3-lga", "sfo", 10.5, late=-10, plane="n200"),
    row("2013-01-01-ua-4-ewr", "sfo", 12, plane="n100"),
    row("2013-01-01-ua-5-jfk", "sfo", 12.5, outcome="CANCELLED"),
    row("2013-01-01-ua-6-jfk", "lax", 11, late=0),
    row("2013-01-01-ua-7-jfk", "sfo", 9, late=0),
    row("2013-01-02-ua-8-jfk", "sfo", 34, late=0),
    row("2013-01-02-ua-9-jfk", "sfo", 34.25, late=0),
    row("2013-01-01-ua-10-bos", "sfo", 10.75, late=0),
    row("2013-01-01-ua-11-jfk", "sfo", 10.2, outcome="DIVERTED", late=0),
    row("2013-01-01-ua-20-jfk", "ord", 10, late=120),
    row("2013-01-01-ua-21-jfk", "ord", 11, late=59),
    row("2013-01-01-ua-22-jfk", "ord", 11.5, late=30),
    row("2013-01-01-ua-23-jfk", "ord", 13, late=0),
    row("2013-01-01-ua-30-jfk", "mia", 10, late=59),
]

WEATHER = [
    {"parent": "airports/jfk", "id": "2013-01-01t10", "observe_time": text(at(10)), "wind_speed_mph": "30", "wind_gust_mph": "41.5"},
    {"parent": "airports/jfk", "id": "2013-01-01t11", "observe_time": text(at(11)), "wind_speed_mph": "39.9", "visibility_miles": "0.6"},
    {"parent": "airports/ewr", "id": "2013-01-01t12", "observe_time": text(at(12)), "wind_speed_mph": "", "visibility_miles": "0.5"},
]

ROWS: dict[str, tuple[str, list[dict[str, str]]]] = {
    "airlines": ("Airline", [{"id": "ua", "code": "UA", "display_name": "United Air Lines Inc."}]),
    "airports": (
        "Airport",
        [
            {"id": key, "code": key.upper(), "display_name": key, "location.latitude": str(north), "location.longitude": str(east)}
            for key, (north, east) in AIRPORTS.items()
        ],
    ),
    "planes": (
        "Plane",
        [
            {
                "id": key,
                "tail_number": key.upper(),
                "seat_count": str(seats),
                "manufacturer": "BOEING",
                "model": "737-800",
                "engine_count": "2",
            }
            for key, seats in SEATS.items()
        ],
    ),
    "weather-observations": (
        "WeatherObservation",
        [{**dict.fromkeys(("wind_speed_mph", "wind_gust_mph", "visibility_miles"), ""), **observed} for observed in WEATHER],
    ),
    "flights": ("Flight", FLIGHTS),
}
"""Collection as `data.py` calls it → message and rows; each needs two rows at least to be loaded as `load.py` does."""
