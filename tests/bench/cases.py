"""The calls that are compared: what each asks, and what of its answer may differ between servers."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from typing import Any

from tests.bench.contract import message_class


@dataclass(frozen=True, slots=True)
class Round:
    """What the requests of one round are made from."""

    ids: Sequence[str]
    """The ids of the flights that are there."""
    day: str
    """A day on which there are no flights yet: those created have it in their ids."""


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of call: `request(round, number)` makes each request."""

    name: str
    method: str
    response: str
    calls: int
    request: Callable[[Round, int], Any]
    volatile: tuple[str, ...] = ("etag",)
    """Fields of the answer that may differ between the servers."""
    warm: int = 200
    """Calls before those that are measured."""


def get(turn: Round, number: int) -> Any:
    """One flight, another one each time."""
    return message_class("GetFlightRequest")(name=f"flights/{turn.ids[number * 7919 % len(turn.ids)]}")


def list_page(size: int) -> Callable[[Round, int], Any]:
    """The first page, as most callers ask."""
    return lambda _turn, _number: message_class("ListFlightsRequest")(page_size=size)


def create(turn: Round, number: int) -> Any:
    """A flight that is not there yet."""
    request: Any = message_class("CreateFlightRequest")(flight_id=f"{turn.day}-zz-{number % 9_000 + 1}-{number // 9_000 + 100:03d}")
    request.flight.airline, request.flight.flight_number = "airlines/zz", number % 9_000 + 1
    request.flight.origin, request.flight.destination = "airports/jfk", "airports/lax"
    request.flight.plane, request.flight.tail_number = "planes/n12345", "N12345"
    for field, minutes in (("scheduled_departure_time", 0), ("scheduled_arrival_time", 330), ("departure_time", 5), ("arrival_time", 340)):
        getattr(request.flight, field).FromSeconds(1_400_000_000 + number * 60 + minutes * 60)
    for field, seconds in (("departure_delay", 300), ("arrival_delay", 600), ("air_time", 19_000)):
        getattr(request.flight, field).FromSeconds(seconds)
    request.flight.distance_miles, request.flight.outcome = 2_475, 1
    return request


def update(turn: Round, number: int) -> Any:
    """One field of one flight, to a value it does not have."""
    request: Any = message_class("UpdateFlightRequest")()
    request.flight.name = f"flights/{turn.ids[number * 7919 % len(turn.ids)]}"
    request.flight.distance_miles = 100 + uuid.uuid4().int % 5_000
    request.update_mask.paths.append("distance_miles")
    return request


CASES = (
    Case("get", "GetFlight", "Flight", 6_000, get),
    Case("list 100", "ListFlights", "ListFlightsResponse", 1_500, list_page(100), ("next_page_token", "etag")),
    Case("list 1,000", "ListFlights", "ListFlightsResponse", 200, list_page(1_000), ("next_page_token", "etag")),
    Case("create", "CreateFlight", "Flight", 4_000, create, ("name", "etag", "create_time", "update_time")),
    Case("update", "UpdateFlight", "Flight", 4_000, update, ("etag", "update_time", "distance_miles")),
)


def empty_days() -> Iterator[str]:
    """Days long after those of the rows."""
    first = date(2030, 1, 1)
    return (str(first + timedelta(days=number)) for number in count())
