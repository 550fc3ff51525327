"""The flight desk's own methods, on a day of sixteen flights, through the door on every engine."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from protoplane.cli.main import main
from tests.door.client import Door, Refused
from tests.door.service import Service, served
from tests.door.workspace import access_door
from tests.engines import Engine
from tests.example import DESK, pb
from tests.example.rows import ROWS

CANCELLED, LATE, PUNCTUAL = "flights/2013-01-01-ua-1-jfk", "flights/2013-01-01-ua-20-jfk", "flights/2013-01-01-ua-30-jfk"


@pytest.fixture(scope="module")
def desk(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Served with all rows, imported as anyone would, and a desk at Kennedy that somebody leads."""
    with served(DESK, engine, tmp_path_factory.mktemp("desk")) as desk:
        for message, rows in ROWS.values():
            load(desk.folder, desk.target, message, rows)
        with desk.calls() as developer, closing(access_door(desk, "developer")) as access:
            name = developer.CreateDesk(desk_id="jfk", desk=pb.Desk(display_name="Kennedy")).name
            access.WriteRelations(writes=[{"resource": name, "relation": "lead", "subject": "users/desk-lead"}])
        yield desk


def load(folder: Path, target: str, message: str, rows: Sequence[dict[str, str]]) -> None:
    file = folder / f"{message}.csv"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    ran = CliRunner().invoke(main, ["import", message, str(file), "--project", str(folder), "--target", target])
    assert ran.exit_code == 0, ran.output


@pytest.fixture
def alice(desk: Service) -> Iterator[Door]:
    """Somebody who is signed in and has no right of her own."""
    with desk.calls("alice") as door:
        yield door


@pytest.fixture
def lead(desk: Service) -> Iterator[Door]:
    with desk.calls("desk-lead") as door:
        yield door


def refused(call: Callable[..., Any], **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        call(**fields)
    return caught.value


def proposed(door: Door, name: str, **more: Any) -> list[str]:
    """The flight numbers proposed, in order."""
    return [candidate.flight.split("-")[4] for candidate in door.ProposeRebooking(name=name, **more).candidates]


REBOOKINGS: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "from the same airport, within a day, the first to arrive first": (CANCELLED, {}, ["2", "8"]),
    "from airports near by": (CANCELLED, {"origin_radius_miles": 30}, ["3", "2", "4", "8"]),
    "from airports less near by": (CANCELLED, {"origin_radius_miles": 15}, ["3", "2", "8"]),
    "from airports far away": (CANCELLED, {"origin_radius_miles": 200}, ["3", "10", "2", "4", "8"]),
    "on planes that are large enough": (CANCELLED, {"origin_radius_miles": 30, "seat_count_min": 51}, ["4"]),
    "on planes that are just large enough": (CANCELLED, {"origin_radius_miles": 30, "seat_count_min": 50}, ["3", "4"]),
    "within an hour": (CANCELLED, {"departure_window": Duration(seconds=3600)}, ["2"]),
    "within less than an hour": (CANCELLED, {"departure_window": Duration(seconds=3599)}, []),
    "within two days": (CANCELLED, {"departure_window": Duration(seconds=48 * 3600)}, ["2", "8", "9"]),
    "no more than asked for": (CANCELLED, {"origin_radius_miles": 30, "candidate_count_max": 2}, ["3", "2"]),
    "of a late flight only what arrives before it did": (LATE, {}, ["21"]),
    "of a diverted flight whatever comes": ("flights/2013-01-01-ua-11-jfk", {}, ["2", "8"]),
}


@pytest.mark.parametrize("what", REBOOKINGS)
def test_rebooking_proposes_flights(alice: Door, what: str) -> None:
    name, arguments, expected = REBOOKINGS[what]
    assert proposed(alice, name, **arguments) == expected


def test_a_candidate_says_when_and_how_late_and_with_how_many_seats(alice: Door) -> None:
    candidates = alice.ProposeRebooking(name=CANCELLED, origin_radius_miles=30).candidates
    early, late, planned = candidates[0], candidates[1], candidates[2]
    assert (early.flight, early.airline, early.origin) == ("flights/2013-01-01-ua-3-lga", "airlines/ua", "airports/lga")
    assert early.departure_time.ToJsonString() == "2013-01-01T10:20:00Z"
    assert early.arrival_time.ToJsonString() == "2013-01-01T16:20:00Z"
    assert early.arrival_delay.ToTimedelta().total_seconds() == 20 * 60
    assert (early.seat_count, 10 < early.origin_distance_miles < 12) == (50, True)
    assert late.arrival_delay.ToTimedelta().total_seconds() == 90 * 60
    assert (late.HasField("seat_count"), late.origin_distance_miles) == (False, 0)
    assert planned.arrival_time.ToJsonString() == "2013-01-01T18:00:00Z", "what has not arrived counts as planned"


def test_rebooking_is_refused_for_flights_that_went_as_planned_or_are_not_there(desk: Service, alice: Door) -> None:
    punctual = refused(alice.ProposeRebooking, name=PUNCTUAL)
    assert (punctual.code, punctual.reason, punctual.domain) == ("FAILED_PRECONDITION", "FLIGHT_NOT_DISRUPTED", "flightdesk.v1")
    assert punctual.metadata == {"name": PUNCTUAL, "lateMinutes": "60"}
    assert refused(alice.ProposeRebooking, name="flights/2013-01-01-ua-99-jfk").code == "NOT_FOUND"
    assert refused(alice.ProposeRebooking, name="airports/jfk").reason in {"INVALID_NAME", "INVALID_FIELDS"}
    assert "origin_radius_miles" in refused(alice.ProposeRebooking, name=CANCELLED, origin_radius_miles=201).violations
    stranger = desk.door("")
    assert refused(stranger.ProposeRebooking, name=CANCELLED).code == "UNAUTHENTICATED"
    assert stranger.GetFlight(name=CANCELLED).outcome == pb.Flight.OUTCOME_CANCELLED
    stranger.close()


def test_references_lead_from_a_flight_to_its_plane_and_airports(alice: Door) -> None:
    flight = alice.ListFlights(filter='plane = "planes/n100"').flights[0]
    assert alice.GetPlane(name=flight.plane).seat_count == 200
    assert round(alice.GetAirport(name=flight.origin).location.latitude, 4) == 40.6925
    assert refused(alice.GetAirport, name=flight.destination).code == "NOT_FOUND", "not every destination is known"


SEVERITIES: dict[str, tuple[str, str, str]] = {
    "cancelled in a storm": (CANCELLED, "SEVERITY_CRITICAL", "airports/jfk/weatherObservations/2013-01-01t10"),
    "cancelled in fair weather": ("flights/2013-01-01-ua-5-jfk", "SEVERITY_HIGH", ""),
    "late in just bearable weather": ("flights/2013-01-01-ua-21-jfk", "SEVERITY_LOW", "airports/jfk/weatherObservations/2013-01-01t11"),
    "in fog": ("flights/2013-01-01-ua-4-ewr", "SEVERITY_HIGH", "airports/ewr/weatherObservations/2013-01-01t12"),
    "an ordinary flight": ("flights/2013-01-01-ua-23-jfk", "SEVERITY_LOW", ""),
}


@pytest.mark.parametrize("what", SEVERITIES)
def test_a_report_is_completed_from_the_flight_and_its_weather(alice: Door, what: str) -> None:
    flight, severity, weather = SEVERITIES[what]
    asked = pb.IncidentReport(
        title="Nobody at the gate", tags=["gate"], labels={"ticket": "OPS-1"}, reporter="somebody else", resolution="no"
    )
    asked.state = pb.IncidentReport.STATE_RESOLVED
    report = alice.CreateIncidentReport(parent=flight, incident_report=asked)
    assert pb.IncidentReport.Severity.Name(report.severity) == severity
    assert (report.weather_observation, report.reporter, report.state) == (weather, "alice", pb.IncidentReport.STATE_OPEN)
    assert (list(report.tags), dict(report.labels), report.resolution) == (["gate"], {"ticket": "OPS-1"}, "")
    assert report.name.startswith(f"{flight}/incidentReports/")
    assert alice.GetIncidentReport(name=report.name) == report
    given = pb.IncidentReport(title="Worse", severity=pb.IncidentReport.SEVERITY_MEDIUM)
    assert alice.CreateIncidentReport(parent=flight, incident_report=given).severity == pb.IncidentReport.SEVERITY_MEDIUM


def test_a_batch_of_reports_is_completed_too_and_all_or_nothing(alice: Door) -> None:
    flight = "flights/2013-01-01-ua-6-jfk"

    def item(title: str, parent: str = "") -> Any:
        return pb.CreateIncidentReportRequest(parent=parent, incident_report=pb.IncidentReport(title=title))

    made = alice.BatchCreateIncidentReports(parent=flight, requests=[item("First"), item("Second", flight)]).incident_reports
    assert [(report.title, report.reporter) for report in made] == [("First", "alice"), ("Second", "alice")]
    bad = refused(alice.BatchCreateIncidentReports, parent=flight, requests=[item("Third"), item("x")])
    assert "requests[1].incident_report.title" in bad.violations
    assert len(alice.ListIncidentReports(parent=flight).incident_reports) == 2


def test_a_report_on_no_flight_is_refused(alice: Door) -> None:
    report = pb.IncidentReport(title="Nobody")
    refusal = refused(alice.CreateIncidentReport, parent="flights/2013-01-01-ua-99-jfk", incident_report=report)
    assert (refusal.code, refusal.metadata["name"]) == ("NOT_FOUND", "flights/2013-01-01-ua-99-jfk")


def test_a_retried_report_is_one_report(alice: Door) -> None:
    flight, request_id = "flights/2013-01-01-ua-7-jfk", str(uuid.uuid4())
    request = pb.CreateIncidentReportRequest(parent=flight, incident_report=pb.IncidentReport(title="Twice"), request_id=request_id)
    assert alice.CreateIncidentReport(request) == alice.CreateIncidentReport(request)
    assert len(alice.ListIncidentReports(parent=flight).incident_reports) == 1


def test_only_the_lead_resolves_and_only_once(alice: Door, lead: Door) -> None:
    flight = "flights/2013-01-01-ua-2-jfk"
    report = alice.CreateIncidentReport(parent=flight, incident_report=pb.IncidentReport(title="Lost bag"))
    assert refused(alice.ResolveIncidentReport, name=report.name, resolution="found").code == "PERMISSION_DENIED"
    assert "resolution" in refused(lead.ResolveIncidentReport, name=report.name).violations
    stale = refused(lead.ResolveIncidentReport, name=report.name, resolution="found", etag='"other"')
    assert (stale.code, stale.reason) == ("ABORTED", "ETAG_MISMATCH")
    rehearsal = lead.ResolveIncidentReport(name=report.name, resolution="found", validate_only=True)
    assert rehearsal.state == pb.IncidentReport.STATE_RESOLVED
    assert lead.GetIncidentReport(name=report.name) == report
    resolved = lead.ResolveIncidentReport(name=report.name, resolution="found", etag=report.etag)
    assert (resolved.state, resolved.resolution, resolved.title) == (pb.IncidentReport.STATE_RESOLVED, "found", "Lost bag")
    assert resolved.etag != report.etag
    again = refused(lead.ResolveIncidentReport, name=report.name, resolution="found")
    assert (again.code, again.reason, again.domain) == ("FAILED_PRECONDITION", "REPORT_RESOLVED", "flightdesk.v1")


def test_state_and_reporter_are_nobodys_to_write(alice: Door, lead: Door) -> None:
    report = alice.CreateIncidentReport(parent="flights/2013-01-01-ua-2-jfk", incident_report=pb.IncidentReport(title="A story"))
    given = pb.IncidentReport(name=report.name, state=pb.IncidentReport.STATE_RESOLVED, reporter="nobody", title="Another")
    updated = lead.UpdateIncidentReport(incident_report=given, update_mask=FieldMask(paths=["title", "state", "reporter"]))
    assert (updated.title, updated.state, updated.reporter) == ("Another", pb.IncidentReport.STATE_OPEN, "alice")


def test_a_flight_with_reports_and_an_airport_with_weather_stay(desk: Service, alice: Door) -> None:
    flight = "flights/2013-01-02-ua-9-jfk"
    alice.CreateIncidentReport(parent=flight, incident_report=pb.IncidentReport(title="Keep me"))
    developer = desk.door("developer")
    for call, name in ((developer.DeleteFlight, flight), (developer.DeleteAirport, "airports/jfk")):
        refusal = refused(call, name=name)
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "RESOURCE_HAS_CHILDREN")
    developer.close()
    assert refused(alice.DeleteFlight, name=flight).code == "PERMISSION_DENIED"


def test_reports_of_all_flights_are_listed_together_and_end_with_their_flight_by_force(desk: Service, lead: Door, alice: Door) -> None:
    developer = desk.door()
    name = "flights/2013-01-01-ua-99-jfk"
    flight = developer.GetFlight(name=PUNCTUAL)
    developer.CreateFlight(flight_id=name.removeprefix("flights/"), flight=flight)
    reports = [
        alice.CreateIncidentReport(parent=parent, incident_report=pb.IncidentReport(title="No crew")).name for parent in (name, LATE)
    ]
    listed = [
        report.name for report in lead.ListIncidentReports(parent="flights/-", order_by="create_time desc", page_size=2).incident_reports
    ]
    assert listed == reports[::-1]
    with pytest.raises(Refused, match="has children"):
        developer.DeleteFlight(name=name)
    developer.DeleteFlight(name=name, force=True)
    assert reports[0] not in {report.name for report in lead.ListIncidentReports(parent="flights/-", page_size=1_000).incident_reports}
    developer.close()


def test_aip_59_flights_come_with_the_airline_and_the_airports_when_they_are_asked_for(desk: Service) -> None:
    """Anybody may read both; `flights` of the sixteen name airports that are not known here."""
    stranger = desk.door("")
    asked = "flights.name,flights.expanded_airline.display_name,flights.expanded_origin.code,flights.expanded_destination.code"
    page = stranger.ListFlights(metadata=(("x-goog-fieldmask", asked),))
    flights = {flight.name: flight for flight in stranger.ListFlights().flights}
    assert {flight.name for flight in page.flights} == set(flights)
    for flight in page.flights:
        whole = flights[flight.name]
        assert flight.expanded_airline.display_name == stranger.GetAirline(name=whole.airline).display_name
        assert flight.expanded_origin.code == stranger.GetAirport(name=whole.origin).code
        assert not flight.airline
        assert not whole.HasField("expanded_airline")
    stranger.close()
