"""(a): a servicer for flights as a careful team writes it by hand with grpcio and mysqlclient.

Stock thread pool, one connection per thread, plain SQL, messages filled field by field. No authentication, no filters, no masks
beyond what the calls measured need. `python -m tests.bench.with_mysqlclient HOST PORT USER DATABASE` prints the port it listens on.
"""

import base64
import secrets
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import grpc
import MySQLdb

from tests.bench.contract import message_class
from tests.bench.questions import GROUPS, GROUPS_MAX, THROUGH_REFERENCES
from tests.bench.stock import Method, flight_id, serve, set_span, set_time

THREADS = 16
PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX = 50, 1_000

Flight: Any = message_class("Flight")
ListFlightsResponse: Any = message_class("ListFlightsResponse")
BatchGetFlightsResponse: Any = message_class("BatchGetFlightsResponse")
AggregateFlightsResponse: Any = message_class("AggregateFlightsResponse")


def micros(column: str) -> str:
    """Times come as whole microseconds: measured to be six times as quick as datetime objects."""
    return f"TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {column})"


def fields(table: str = "flights") -> str:
    """What `fill` reads of a flight."""
    text = ("flight", "row_version", "airline", "flight_number", "origin", "destination", "plane", "tail_number")
    times = ("scheduled_departure_time", "scheduled_arrival_time", "departure_time", "arrival_time")
    numbers = ("departure_delay", "arrival_delay", "air_time", "distance_miles", "outcome")
    plain, more = ([f"{table}.{column}" for column in part] for part in (text, numbers))
    moments, stamps = ([micros(f"{table}.{column}") for column in part] for part in (times, ("create_time", "update_time")))
    return ", ".join([*plain, *moments, *more, *stamps])


FIELDS = fields()
GET = f"SELECT {FIELDS} FROM flights WHERE flight = %s"
GET_TO_CHANGE = f"{GET} FOR UPDATE"
LIST = f"SELECT {FIELDS} FROM flights WHERE flight > %s ORDER BY flight LIMIT %s"
GET_MANY = f"SELECT {FIELDS} FROM flights WHERE flight IN ({{marks}})"
THROUGH_FROM = "FROM flights f JOIN airlines a ON a.airline = f.airline JOIN airports d ON d.airport = f.destination"
THROUGH = {
    (asked.filter, asked.order_by): (
        f"SELECT {fields('f')} {THROUGH_FROM} WHERE {asked.condition} ORDER BY {asked.order} LIMIT %s",
        asked.values,
    )
    for asked in THROUGH_REFERENCES
}
"""First pages through references, by what they are asked with."""
CREATE = (
    "INSERT INTO flights (flight, row_version, airline, flight_number, origin, destination, plane, tail_number,"
    " scheduled_departure_time, scheduled_arrival_time, departure_time, arrival_time,"
    " departure_delay, arrival_delay, air_time, distance_miles, outcome, create_time, update_time)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
UPDATE = "UPDATE flights SET distance_miles = %s, row_version = %s, update_time = %s WHERE flight = %s AND row_version = %s"

local = threading.local()
address: dict[str, Any] = {}


def connection() -> Any:
    """This thread's connection."""
    found = getattr(local, "connection", None)
    if found is None:
        found = local.connection = MySQLdb.connect(**address, charset="utf8mb4", autocommit=True)
        found.query("SET SESSION tx_isolation = 'READ-COMMITTED', time_zone = '+00:00'")
    return found


def query(sql: str, values: tuple[Any, ...]) -> Any:
    """All rows of a SELECT."""
    cursor = connection().cursor()
    try:
        cursor.execute(sql, values)
        return cursor.fetchall()
    finally:
        cursor.close()


def execute(sql: str, values: tuple[Any, ...]) -> int:
    """Number of rows changed."""
    cursor = connection().cursor()
    try:
        return int(cursor.execute(sql, values))
    finally:
        cursor.close()


def fill(flight: Any, row: Any) -> None:
    """A row as a message."""
    (key, version, airline, number, origin, destination, plane, tail, leaves, comes, left, came, *rest) = row
    left_late, came_late, air_time, miles, outcome, created, updated = rest
    flight.name = f"flights/{key}"
    flight.etag = f'"{version:x}"'
    flight.airline = f"airlines/{airline}"
    flight.flight_number = number
    flight.origin = f"airports/{origin}"
    flight.destination = f"airports/{destination}"
    if plane:
        flight.plane = f"planes/{plane}"
    flight.tail_number = tail
    set_time(flight.scheduled_departure_time, leaves)
    set_time(flight.scheduled_arrival_time, comes)
    if left is not None:
        set_time(flight.departure_time, left)
    if came is not None:
        set_time(flight.arrival_time, came)
    if left_late is not None:
        set_span(flight.departure_delay, left_late)
    if came_late is not None:
        set_span(flight.arrival_delay, came_late)
    if air_time is not None:
        set_span(flight.air_time, air_time)
    flight.distance_miles = miles
    flight.outcome = outcome
    set_time(flight.create_time, created)
    set_time(flight.update_time, updated)


def get_flight(request: Any, context: grpc.ServicerContext) -> Any:
    """One row by its key."""
    rows = query(GET, (flight_id(request.name, context),))
    if not rows:
        context.abort(grpc.StatusCode.NOT_FOUND, f"{request.name} was not found")
    flight = Flight()
    fill(flight, rows[0])
    return flight


def list_flights(request: Any, context: grpc.ServicerContext) -> Any:
    """A page in the order of the names."""
    size = min(request.page_size or PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX)
    after = base64.urlsafe_b64decode(request.page_token).decode() if request.page_token else ""
    known = THROUGH.get((request.filter, request.order_by))
    if known is not None:
        sql, values = known
        rows = query(sql, (*values, size + 1))
    elif request.page_size < 0 or request.filter or request.order_by:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "page_size must not be negative; of filter and order_by few are served")
    else:
        rows = query(LIST, (after, size + 1))
    response = ListFlightsResponse()
    add = response.flights.add
    for row in rows[:size]:
        fill(add(), row)
    if len(rows) > size:
        response.next_page_token = base64.urlsafe_b64encode(rows[size - 1][0].encode()).decode()
    return response


def batch_get_flights(request: Any, context: grpc.ServicerContext) -> Any:
    """Rows by their keys, in the order asked."""
    keys = [flight_id(name, context) for name in request.names]
    found = {row[0]: row for row in query(GET_MANY.format(marks=", ".join(["%s"] * len(keys))), tuple(keys))}
    response = BatchGetFlightsResponse()
    for key in keys:
        if key not in found:
            context.abort(grpc.StatusCode.NOT_FOUND, f"flights/{key} was not found")
        fill(response.flights.add(), found[key])
    return response


def aggregate_flights(_request: Any, _context: grpc.ServicerContext) -> Any:
    """Flights and their mean delay by airline and month; nothing else can be asked."""
    response = AggregateFlightsResponse()
    for airline, month, count, delay in query(GROUPS, (GROUPS_MAX + 1,)):
        values = response.groups.add().values
        values["airline"].string_value = f"airlines/{airline}"
        values["month"].timestamp_value.FromDatetime(datetime(month // 100, month % 100, 1))  # noqa: DTZ001 - UTC, as everything here.
        values["flights"].int64_value = count
        if delay is not None:
            set_span(values["delay"].duration_value, int(delay))
    return response


def as_datetime(message: Any) -> datetime:
    """A Timestamp as the driver binds it."""
    found: datetime = message.ToDatetime()
    return found


def span_micros(flight: Any, name: str) -> int | None:
    """A Duration in microseconds; None when unset."""
    return getattr(flight, name).ToMicroseconds() if flight.HasField(name) else None


def create_flight(request: Any, context: grpc.ServicerContext) -> Any:
    """One INSERT, committed."""
    flight, now, version = request.flight, datetime.now(UTC).replace(tzinfo=None), secrets.randbits(62)
    values = (
        request.flight_id,
        version,
        flight.airline.removeprefix("airlines/"),
        flight.flight_number,
        flight.origin.removeprefix("airports/"),
        flight.destination.removeprefix("airports/"),
        flight.plane.removeprefix("planes/"),
        flight.tail_number,
        as_datetime(flight.scheduled_departure_time),
        as_datetime(flight.scheduled_arrival_time),
        as_datetime(flight.departure_time) if flight.HasField("departure_time") else None,
        as_datetime(flight.arrival_time) if flight.HasField("arrival_time") else None,
        span_micros(flight, "departure_delay"),
        span_micros(flight, "arrival_delay"),
        span_micros(flight, "air_time"),
        flight.distance_miles,
        flight.outcome,
        now,
        now,
    )
    try:
        execute(CREATE, values)
    except MySQLdb.IntegrityError:
        context.abort(grpc.StatusCode.ALREADY_EXISTS, f"flights/{request.flight_id} exists already")
    flight.name = f"flights/{request.flight_id}"
    flight.etag = f'"{version:x}"'
    flight.create_time.FromDatetime(now)
    flight.update_time.FromDatetime(now)
    return flight


def update_flight(request: Any, context: grpc.ServicerContext) -> Any:
    """Read, change the one field that the benchmark changes, write under a guard, commit."""
    if list(request.update_mask.paths) != ["distance_miles"]:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "only distance_miles can be updated")
    key = flight_id(request.flight.name, context)
    held, now, version = connection(), datetime.now(UTC).replace(tzinfo=None), 0
    held.query("BEGIN")
    try:
        rows = query(GET_TO_CHANGE, (key,))
        if rows:
            version = rows[0][1]
            execute(UPDATE, (request.flight.distance_miles, version + 1, now, key, version))
        held.commit()
    except BaseException:
        held.rollback()
        raise
    if not rows:
        context.abort(grpc.StatusCode.NOT_FOUND, f"{request.flight.name} was not found")
    flight = Flight()
    fill(flight, rows[0])
    flight.etag = f'"{version + 1:x}"'
    flight.distance_miles = request.flight.distance_miles
    flight.update_time.FromDatetime(now)
    return flight


METHODS: Mapping[str, Method] = {
    "GetFlight": (get_flight, "GetFlightRequest"),
    "ListFlights": (list_flights, "ListFlightsRequest"),
    "BatchGetFlights": (batch_get_flights, "BatchGetFlightsRequest"),
    "AggregateFlights": (aggregate_flights, "AggregateFlightsRequest"),
    "CreateFlight": (create_flight, "CreateFlightRequest"),
    "UpdateFlight": (update_flight, "UpdateFlightRequest"),
}


if __name__ == "__main__":
    address.update(host=sys.argv[1], port=int(sys.argv[2]), user=sys.argv[3], database=sys.argv[4])
    serve(METHODS, THREADS)
