"""What the contract of the flight desk cannot say: rebooking, and how an incident report is completed and closed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flightdesk.v1.airport import Airport
from flightdesk.v1.desk import Desk
from flightdesk.v1.flight import Flight, ProposeRebookingRequest, ProposeRebookingResponse, RebookingCandidate
from flightdesk.v1.incident_report import (
    BatchCreateIncidentReportsRequest,
    BatchCreateIncidentReportsResponse,
    CreateIncidentReportRequest,
    IncidentReport,
    ResolveIncidentReportRequest,
)
from flightdesk.v1.plane import Plane
from flightdesk.v1.weather_observation import WeatherObservation
from peewee import JOIN, fn

from protoplane.base.errors import Code, Fault, Reason, Refusal
from protoplane.method.custom import Call, Handler, Servicer

DOMAIN = "flightdesk.v1"
"""`ErrorInfo.domain` of the refusals below."""

MICROS_PER_MINUTE = 60_000_000
MICROS_PER_HOUR = 60 * MICROS_PER_MINUTE
LATE_MINUTES = 60
"""From here on a delay counts as a disruption: passengers may rebook."""
DEPARTURE_WINDOW_HOURS_DEFAULT = 24
CANDIDATES_DEFAULT = 10
EARTH_RADIUS_MILES = 3_958.8
MILES_PER_DEGREE = 69.0
"""One degree of latitude: 68.7 at the equator, 69.4 at the poles."""


class FlightDesk(Servicer, service="flightdesk.v1.FlightDesk"):
    """The methods of the service that are more than reading and writing rows."""

    def propose_rebooking(self, call: Call, request: ProposeRebookingRequest) -> ProposeRebookingResponse:
        """The first flights to arrive that a passenger of a disrupted flight could take instead."""
        flight = call.get(Flight, request.name)
        late_micros = disruption_micros(flight)
        origins = origins_near(call, flight.origin, request.origin_radius_miles)
        candidates = candidates_for(call, flight, request, origins)
        planned = flight.scheduled_arrival_time.ToMicroseconds()
        response = ProposeRebookingResponse()
        for candidate in candidates:
            if late_micros is not None and candidate.arrival_micros >= planned + late_micros:
                break  # They come in the order of arrival: from here on waiting is better.
            response.candidates.append(candidate.to_message(planned, origins))
        return response

    def create_incident_report(
        self, call: Call, request: CreateIncidentReportRequest, serve: Handler[CreateIncidentReportRequest, IncidentReport]
    ) -> IncidentReport:
        """Around the standard method: who reports, to which desk, how bad it is and what the weather was are ours to say."""
        complete(call, request.incident_report, request.parent)
        return serve(call, request)

    def batch_create_incident_reports(
        self,
        call: Call,
        request: BatchCreateIncidentReportsRequest,
        serve: Handler[BatchCreateIncidentReportsRequest, BatchCreateIncidentReportsResponse],
    ) -> BatchCreateIncidentReportsResponse:
        """The same for each of many."""
        for item in request.requests:
            complete(call, item.incident_report, request.parent or item.parent)
        return serve(call, request)

    def resolve_incident_report(self, call: Call, request: ResolveIncidentReportRequest) -> IncidentReport:
        """Close a report; its state is nobody's to write otherwise."""
        report = call.get(IncidentReport, request.name)
        if request.etag and request.etag != report.etag:
            raise Fault(Reason.ETAG_MISMATCH, name=request.name)
        if report.state == IncidentReport.STATE_RESOLVED:
            raise Refusal(
                Code.FAILED_PRECONDITION, "REPORT_RESOLVED", domain=DOMAIN, text="'{name}' is resolved already.", name=report.name
            )
        # With the etag that was read, so that of two who resolve at the same time one is told.
        closed = IncidentReport(name=report.name, etag=report.etag, state=IncidentReport.STATE_RESOLVED, resolution=request.resolution)
        return call.update(closed, "state", "resolution")


def disruption_micros(flight: Flight) -> int | None:
    """How late a delayed flight arrived; None for one that did not arrive as planned at all. Refuses for any other flight."""
    if flight.outcome in {Flight.OUTCOME_CANCELLED, Flight.OUTCOME_DIVERTED}:
        return None
    known = flight.arrival_delay if flight.HasField("arrival_delay") else flight.departure_delay
    late_micros = known.ToMicroseconds()
    if late_micros < LATE_MINUTES * MICROS_PER_MINUTE:
        raise Refusal(
            Code.FAILED_PRECONDITION,
            "FLIGHT_NOT_DISRUPTED",
            domain=DOMAIN,
            text="'{name}' was neither cancelled nor diverted, nor late by {lateMinutes} minutes.",
            name=flight.name,
            lateMinutes=str(LATE_MINUTES),
        )
    return late_micros


def origins_near(call: Call, origin: str, radius_miles: int) -> Mapping[str, float]:
    """Ids of the airports to depart from → miles from `origin`, which is always among them."""
    start = last_id(origin)
    found = {start: 0.0}
    if not radius_miles:
        return found
    airports: Any = call.model(Airport)
    here = airports.select(airports.location_latitude, airports.location_longitude).where(airports.airport == start).tuples().first()
    if here is None or None in here:
        return found
    band = radius_miles / MILES_PER_DEGREE + 1  # A degree more than needed; the distance below is what counts.
    near = airports.select(airports.airport, airports.location_latitude, airports.location_longitude).where(
        airports.location_latitude.between(here[0] - band, here[0] + band)
    )
    for airport, latitude, longitude in near.tuples():
        miles = great_circle_miles(here[0], here[1], latitude, longitude)
        if miles <= radius_miles:
            found[airport] = miles
    found[start] = 0.0
    return found


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row of the query below; times in microseconds since 1970."""

    flight: str
    airline: str
    origin: str
    departure_micros: int
    arrival_micros: int
    seat_count: int | None

    def to_message(self, planned_micros: int, origins: Mapping[str, float]) -> RebookingCandidate:
        """As the caller sees it; `planned_micros`: when the passenger was to arrive."""
        message = RebookingCandidate(
            flight=f"flights/{self.flight}",
            airline=f"airlines/{self.airline}",
            origin=f"airports/{self.origin}",
            origin_distance_miles=round(origins[self.origin], 1),
            seat_count=self.seat_count,
        )
        message.departure_time.FromMicroseconds(self.departure_micros)
        message.arrival_time.FromMicroseconds(self.arrival_micros)
        message.arrival_delay.FromMicroseconds(self.arrival_micros - planned_micros)
        return message


def candidates_for(call: Call, flight: Flight, request: ProposeRebookingRequest, origins: Mapping[str, float]) -> Iterable[Candidate]:
    """Flights to the same destination that leave within the window, in the order in which they arrive."""
    flights: Any = call.model(Flight)
    planes: Any = call.model(Plane)
    begin = flight.scheduled_departure_time.ToMicroseconds()
    window = request.departure_window.ToMicroseconds() or DEPARTURE_WINDOW_HOURS_DEFAULT * MICROS_PER_HOUR
    rows = (
        flights.select(
            flights.flight,
            flights.airline,
            flights.origin,
            flights.scheduled_departure_time,
            flights.departure_time,
            flights.scheduled_arrival_time,
            flights.arrival_time,
            planes.seat_count,
        )
        .join(planes, JOIN.LEFT_OUTER, on=(flights.plane == planes.plane))
        .where(
            flights.origin.in_(list(origins)),
            flights.scheduled_departure_time.between(begin, begin + window),
            flights.destination == last_id(flight.destination),
            flights.outcome.not_in([Flight.OUTCOME_CANCELLED, Flight.OUTCOME_DIVERTED]),
            flights.flight != last_id(flight.name),
        )
        .order_by(fn.COALESCE(flights.arrival_time, flights.scheduled_arrival_time), flights.flight)
        .limit(request.candidate_count_max or CANDIDATES_DEFAULT)
    )
    if request.seat_count_min:
        rows = rows.where(planes.seat_count >= request.seat_count_min)
    for name, airline, origin, planned_departure, departure, planned_arrival, arrival, seats in rows.tuples():
        yield Candidate(
            flight=name,
            airline=airline,
            origin=origin,
            departure_micros=planned_departure if departure is None else departure,
            arrival_micros=planned_arrival if arrival is None else arrival,
            seat_count=seats,
        )


def complete(call: Call, report: IncidentReport, parent: str) -> None:
    """Fill in what the reporter does not say."""
    flight = call.get(Flight, parent)
    weather = weather_at_departure(call, flight)
    report.reporter = call.principal.subject
    report.state = IncidentReport.STATE_OPEN
    report.weather_observation = weather.name if weather is not None else ""
    report.desk = report.desk or desk_at(call, flight.origin)
    if not report.severity:
        report.severity = severity_of(flight, weather)


def weather_at_departure(call: Call, flight: Flight) -> WeatherObservation | None:
    """What was measured at the flight's origin in the hour in which it departed, or was to."""
    time = flight.departure_time if flight.HasField("departure_time") else flight.scheduled_departure_time
    name = f"{flight.origin}/weatherObservations/{time.ToDatetime():%Y-%m-%dt%H}"
    try:
        # As the service: who may report an incident need not be one who may read the weather.
        return call.as_service().get(WeatherObservation, name)
    except Fault as fault:
        if fault.reason == Reason.RESOURCE_NOT_FOUND:
            return None
        raise


def desk_at(call: Call, airport: str) -> str:
    """The desk that is called as an airport; empty when it has none."""
    name = f"desks/{last_id(airport)}"
    desks: Any = call.model(Desk)
    return name if desks.select().where(desks.desk == last_id(name)).exists() else ""


WIND_DANGEROUS_MPH = 40.0
VISIBILITY_DANGEROUS_MILES = 0.5
DELAY_SERIOUS_MINUTES = 180


def severity_of(flight: Flight, weather: WeatherObservation | None) -> IncidentReport.Severity.ValueType:
    """How bad it must have been, from the flight's fate and the weather."""
    stranded = flight.outcome in {Flight.OUTCOME_CANCELLED, Flight.OUTCOME_DIVERTED}
    dangerous = weather is not None and is_dangerous(weather)
    if stranded and dangerous:
        return IncidentReport.SEVERITY_CRITICAL
    if stranded or dangerous:
        return IncidentReport.SEVERITY_HIGH
    if flight.arrival_delay.ToMicroseconds() >= DELAY_SERIOUS_MINUTES * MICROS_PER_MINUTE:
        return IncidentReport.SEVERITY_MEDIUM
    return IncidentReport.SEVERITY_LOW


def is_dangerous(weather: WeatherObservation) -> bool:
    """Whether wind or sight were bad enough to matter; what was not measured does not count."""
    wind = max(weather.wind_speed_mph, weather.wind_gust_mph)
    blind = weather.HasField("visibility_miles") and weather.visibility_miles <= VISIBILITY_DANGEROUS_MILES
    return wind >= WIND_DANGEROUS_MPH or blind


def last_id(name: str) -> str:
    """The last id of a resource name: `jfk` of `airports/jfk`. Key columns hold ids, messages hold names."""
    return name.rpartition("/")[2]


def great_circle_miles(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Distance of two places on a sphere, by the haversine formula; degrees in, miles out."""
    phi, other_phi = math.radians(latitude), math.radians(other_latitude)
    half = math.sin((other_phi - phi) / 2) ** 2
    half += math.cos(phi) * math.cos(other_phi) * math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_MILES * math.asin(min(1.0, math.sqrt(half)))
