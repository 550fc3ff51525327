"""(b): a servicer for flights as a competent team writes it with grpcio and Peewee.

Models, a pool of connections, a query built for each call, messages filled field by field; no authentication, filters or masks beyond
what the calls measured need. `python -m tests.bench.with_peewee HOST PORT USER DATABASE` prints the port it listens on.
"""

import base64
import secrets
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import grpc
from peewee import BigIntegerField, CharField, DateTimeField, IntegerField, IntegrityError, Model
from playhouse.pool import PooledMySQLDatabase

from tests.bench.contract import message_class
from tests.bench.stock import Method, flight_id, serve, set_span

THREADS = 16
PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX = 50, 1_000

FlightMessage: Any = message_class("Flight")
ListFlightsResponse: Any = message_class("ListFlightsResponse")

database = PooledMySQLDatabase(None, max_connections=THREADS, timeout=10)


class Flight(Model):
    """The table."""

    flight: Any = CharField(primary_key=True, max_length=63)
    row_version: Any = BigIntegerField()
    airline: Any = CharField(max_length=63)
    flight_number: Any = IntegerField()
    origin: Any = CharField(max_length=63)
    destination: Any = CharField(max_length=63)
    plane: Any = CharField(max_length=63)
    tail_number: Any = CharField(max_length=6)
    scheduled_departure_time: Any = DateTimeField()
    scheduled_arrival_time: Any = DateTimeField()
    departure_time: Any = DateTimeField(null=True)
    arrival_time: Any = DateTimeField(null=True)
    departure_delay: Any = BigIntegerField(null=True)
    arrival_delay: Any = BigIntegerField(null=True)
    air_time: Any = BigIntegerField(null=True)
    distance_miles: Any = IntegerField()
    outcome: Any = IntegerField()
    create_time: Any = DateTimeField()
    update_time: Any = DateTimeField()

    class Meta:
        """Where it is."""

        database = database
        table_name = "flights"


def fill(message: Any, row: Any) -> Any:
    """A row as a message."""
    message.name = f"flights/{row.flight}"
    message.etag = f'"{row.row_version:x}"'
    message.airline = f"airlines/{row.airline}"
    message.flight_number = row.flight_number
    message.origin = f"airports/{row.origin}"
    message.destination = f"airports/{row.destination}"
    if row.plane:
        message.plane = f"planes/{row.plane}"
    message.tail_number = row.tail_number
    message.scheduled_departure_time.FromDatetime(row.scheduled_departure_time)
    message.scheduled_arrival_time.FromDatetime(row.scheduled_arrival_time)
    if row.departure_time is not None:
        message.departure_time.FromDatetime(row.departure_time)
    if row.arrival_time is not None:
        message.arrival_time.FromDatetime(row.arrival_time)
    if row.departure_delay is not None:
        set_span(message.departure_delay, row.departure_delay)
    if row.arrival_delay is not None:
        set_span(message.arrival_delay, row.arrival_delay)
    if row.air_time is not None:
        set_span(message.air_time, row.air_time)
    message.distance_miles = row.distance_miles
    message.outcome = row.outcome
    message.create_time.FromDatetime(row.create_time)
    message.update_time.FromDatetime(row.update_time)
    return message


def get_flight(request: Any, context: grpc.ServicerContext) -> Any:
    """One row by its key."""
    key = flight_id(request.name, context)
    with database.connection_context():
        row = Flight.get_or_none(Flight.flight == key)
    if row is None:
        context.abort(grpc.StatusCode.NOT_FOUND, f"{request.name} was not found")
    return fill(FlightMessage(), row)


def list_flights(request: Any, context: grpc.ServicerContext) -> Any:
    """A page in the order of the names."""
    if request.page_size < 0 or request.filter or request.order_by:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "page_size must not be negative; filter and order_by are not served")
    size = min(request.page_size or PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX)
    after = base64.urlsafe_b64decode(request.page_token).decode() if request.page_token else ""
    with database.connection_context():
        rows = list(Flight.select().where(Flight.flight > after).order_by(Flight.flight).limit(size + 1))
    response = ListFlightsResponse()
    for row in rows[:size]:
        fill(response.flights.add(), row)
    if len(rows) > size:
        response.next_page_token = base64.urlsafe_b64encode(rows[size - 1].flight.encode()).decode()
    return response


def optional_time(message: Any, field: str) -> datetime | None:
    """A Timestamp as Peewee binds it; None when unset."""
    return getattr(message, field).ToDatetime() if message.HasField(field) else None


def optional_span(message: Any, field: str) -> int | None:
    """A Duration in microseconds; None when unset."""
    return getattr(message, field).ToMicroseconds() if message.HasField(field) else None


def create_flight(request: Any, context: grpc.ServicerContext) -> Any:
    """One INSERT."""
    flight, now = request.flight, datetime.now(UTC).replace(tzinfo=None)
    row = Flight(
        flight=request.flight_id,
        row_version=secrets.randbits(62),
        airline=flight.airline.removeprefix("airlines/"),
        flight_number=flight.flight_number,
        origin=flight.origin.removeprefix("airports/"),
        destination=flight.destination.removeprefix("airports/"),
        plane=flight.plane.removeprefix("planes/"),
        tail_number=flight.tail_number,
        scheduled_departure_time=flight.scheduled_departure_time.ToDatetime(),
        scheduled_arrival_time=flight.scheduled_arrival_time.ToDatetime(),
        departure_time=optional_time(flight, "departure_time"),
        arrival_time=optional_time(flight, "arrival_time"),
        departure_delay=optional_span(flight, "departure_delay"),
        arrival_delay=optional_span(flight, "arrival_delay"),
        air_time=optional_span(flight, "air_time"),
        distance_miles=flight.distance_miles,
        outcome=flight.outcome,
        create_time=now,
        update_time=now,
    )
    try:
        with database.connection_context():
            row.save(force_insert=True)
    except IntegrityError:
        context.abort(grpc.StatusCode.ALREADY_EXISTS, f"flights/{request.flight_id} exists already")
    return fill(FlightMessage(), row)


def update_flight(request: Any, context: grpc.ServicerContext) -> Any:
    """Read and lock, change the one field that the benchmark changes, save it."""
    if list(request.update_mask.paths) != ["distance_miles"]:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "only distance_miles can be updated")
    key = flight_id(request.flight.name, context)
    with database.connection_context(), database.atomic():
        row = Flight.select().where(Flight.flight == key).for_update().get_or_none()
        if row is not None:
            row.distance_miles = request.flight.distance_miles
            row.row_version += 1
            row.update_time = datetime.now(UTC).replace(tzinfo=None)
            row.save(only=[Flight.distance_miles, Flight.row_version, Flight.update_time])
    if row is None:
        context.abort(grpc.StatusCode.NOT_FOUND, f"{request.flight.name} was not found")
    return fill(FlightMessage(), row)


METHODS: Mapping[str, Method] = {
    "GetFlight": (get_flight, "GetFlightRequest"),
    "ListFlights": (list_flights, "ListFlightsRequest"),
    "CreateFlight": (create_flight, "CreateFlightRequest"),
    "UpdateFlight": (update_flight, "UpdateFlightRequest"),
}


if __name__ == "__main__":
    database.init(sys.argv[4], host=sys.argv[1], port=int(sys.argv[2]), user=sys.argv[3], charset="utf8mb4")
    serve(METHODS, THREADS)
