"""The calls of the flight desk as REST with JSON, by meaning the same: for the server made with FastAPI."""

import http.client
import json
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message

TIMES = ("scheduled_departure_time", "scheduled_arrival_time", "departure_time", "arrival_time")
SPANS = ("departure_delay", "arrival_delay", "air_time")
LINKS = {"airline": "airlines/", "origin": "airports/", "destination": "airports/", "plane": "planes/"}
PLAIN = ("flight_number", "tail_number", "distance_miles", "outcome")


def said(request: Any) -> tuple[str, str, str]:
    """Verb, path and body of a request."""
    match request.DESCRIPTOR.name:
        case "GetFlightRequest":
            return "GET", f"/{request.name}", ""
        case "ListFlightsRequest":
            return "GET", f"/flights?page_size={request.page_size}", ""
        case "CreateFlightRequest":
            return "POST", "/flights", json.dumps({"flight": request.flight_id, **fields(request.flight)})
        case "UpdateFlightRequest":
            paths = list(request.update_mask.paths)
            return "PATCH", f"/{request.flight.name}", json.dumps({path: getattr(request.flight, path) for path in paths})
    raise ValueError(f"REST has no {request.DESCRIPTOR.name}")


def fields(flight: Any) -> dict[str, object]:
    """What a caller writes of a flight."""
    made: dict[str, object] = {field: getattr(flight, field) for field in PLAIN}
    made |= {field: getattr(flight, field).removeprefix(collection) for field, collection in LINKS.items()}
    made |= {field: getattr(flight, field).ToDatetime().isoformat() for field in TIMES if flight.HasField(field)}
    return made | {field: getattr(flight, field).ToMicroseconds() for field in SPANS if flight.HasField(field)}


def encode(request: Any) -> bytes:
    """The whole request, head and body."""
    verb, path, body = said(request)
    content = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n" if body else ""
    return f"{verb} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{content}\r\n{body}".encode()


def ask(port: int, request: Any, response: type[Message]) -> Any:
    """One answer, as gRPC's message. ConnectionError unless it is a success."""
    verb, path, body = said(request)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(verb, path, body or None, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status not in {200, 201}:
            raise ConnectionError(f"{verb} {path}: {answer.status} {text.decode()}")
    finally:
        connection.close()
    found, made = json.loads(text), response()
    if "flights" not in found:
        return fill(made, found)
    page: Any = made
    for flight in found["flights"]:
        fill(page.flights.add(), flight)
    page.next_page_token = found["next_page_token"]
    return page


def fill(message: Any, found: dict[str, Any]) -> Any:
    """JSON as a Flight."""
    message.name = f"flights/{found['flight']}"
    message.etag = f'"{found["row_version"]:x}"'
    for field in PLAIN:
        setattr(message, field, found[field])
    for field, collection in LINKS.items():
        if found[field]:
            setattr(message, field, collection + found[field])
    for field in (*TIMES, "create_time", "update_time"):
        if found[field] is not None:
            getattr(message, field).FromDatetime(datetime.fromisoformat(found[field]).replace(tzinfo=UTC))
    for field in SPANS:
        if found[field] is not None:
            getattr(message, field).FromMicroseconds(found[field])
    return message
