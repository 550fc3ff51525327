"""Who sees and changes which incident reports of the flight desk, as its README tells, on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.door.client import Door, Refused
from tests.door.service import Service, served
from tests.door.workspace import access_door, tuples
from tests.engines import Engine
from tests.example import DESK, pb

FLIGHT = "flights/2013-01-01-ua-1-jfk"


class Staff:
    """People, each with a door; Ada leads Kennedy and Bob works there, Carl leads LaGuardia."""

    def __init__(self, service: Service, stack: ExitStack) -> None:
        self._service, self._stack = service, stack
        self._doors: dict[tuple[str, bool], Door] = {}
        developer = self["developer"]
        for name in ("jfk", "lga"):
            developer.CreateDesk(desk_id=name, desk=pb.Desk(display_name=name))
        flight = pb.Flight(airline="airlines/ua", flight_number=1, origin="airports/jfk", destination="airports/sfo")
        flight.scheduled_departure_time.seconds = 1_357_035_300
        flight.scheduled_arrival_time.seconds = 1_357_050_000
        developer.CreateFlight(flight_id=FLIGHT.removeprefix("flights/"), flight=flight)
        self.give("developer", "desks/jfk#lead@users/ada", "desks/jfk#member@users/bob", "desks/lga#lead@users/carl")

    def __getitem__(self, subject: str) -> Door:
        return self._door(subject, access=False)

    def access(self, subject: str) -> Door:
        """The service beside the desk's own, as somebody."""
        return self._door(subject, access=True)

    def _door(self, subject: str, *, access: bool) -> Door:
        if (subject, access) not in self._doors:
            door = access_door(self._service, subject) if access else self._service.door(subject)
            self._doors[subject, access] = self._stack.enter_context(closing(door))
        return self._doors[subject, access]

    def give(self, subject: str, *texts: str) -> None:
        """Write tuples as somebody."""
        self.access(subject).WriteRelations(writes=tuples(*texts))

    def report(self, subject: str, **fields: Any) -> Any:
        """A new report of somebody's."""
        return self[subject].CreateIncidentReport(parent=FLIGHT, incident_report=pb.IncidentReport(title="A story", **fields))

    def sees(self, subject: str, report: Any) -> bool:
        """Whether somebody is shown a report: by its name and in lists alike."""
        found = self[subject].ListIncidentReports(parent="flights/-", page_size=1000).incident_reports
        listed = report.name in {one.name for one in found}
        assert (code_of(self[subject].GetIncidentReport, name=report.name) == "OK") == listed
        return listed


def code_of(call: Any, **fields: Any) -> str:
    """How a call ends."""
    try:
        call(**fields)
    except Refused as refused:
        return refused.code
    return "OK"


@pytest.fixture(scope="module")
def staff(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staff]:
    with served(DESK, engine, tmp_path_factory.mktemp("staff")) as service, ExitStack() as stack:
        yield Staff(service, stack)
        service.check()


def test_a_report_is_seen_by_its_reporter_and_the_desk_of_its_airport(staff: Staff) -> None:
    report = staff.report("zoe")
    assert report.desk == "desks/jfk"
    assert [who for who in ("zoe", "ada", "bob", "carl", "developer", "schedule-loader") if staff.sees(who, report)] == [
        "zoe", "ada", "bob", "developer",
    ]  # fmt: skip


def test_a_report_is_shared_by_whoever_may_edit_it_with_somebody_or_with_a_group(staff: Staff) -> None:
    report = staff.report("zoe")
    group = staff["sam"].CreateGroup(group_id="board", group=pb.Group(display_name="Safety board")).name
    staff.give("sam", f"{group}#member@users/una")
    staff.give("zoe", f"{report.name}#viewer@users/yan", f"{report.name}#viewer@{group}#member")
    assert all(staff.sees(who, report) for who in ("yan", "sam", "una"))
    for who in ("yan", "una", "carl"):
        shared = {"writes": tuples(f"{report.name}#viewer@users/xia")}
        assert code_of(staff.access(who).WriteRelations, **shared) == "PERMISSION_DENIED"
        assert (
            code_of(staff[who].UpdateIncidentReport, incident_report=pb.IncidentReport(name=report.name, title="Mine"))
            == "PERMISSION_DENIED"
        )
    assert [found.name for found in staff["una"].ListGroups().groups] == [group]
    staff["sam"].DeleteGroup(name=group)
    assert not staff.sees("una", report)


def test_what_the_desk_thinks_is_for_its_leads(staff: Staff) -> None:
    report = staff.report("zoe")
    written = pb.IncidentReport(name=report.name, assessment="Our mistake")
    for who in ("zoe", "bob"):
        with pytest.raises(Refused) as refused:
            staff[who].UpdateIncidentReport(incident_report=written)
        assert (refused.value.reason, refused.value.metadata["field"]) == ("FIELD_DENIED", "assessment")
    assert staff["ada"].UpdateIncidentReport(incident_report=written).assessment == "Our mistake"
    assert [staff[who].GetIncidentReport(name=report.name).assessment for who in ("ada", "bob", "zoe")] == ["Our mistake", "", ""]
    with pytest.raises(Refused) as filtered:
        staff["zoe"].ListIncidentReports(parent="flights/-", filter='assessment = "Our mistake"')
    assert filtered.value.reason == "INVALID_FILTER"


def test_a_report_is_handed_on_by_whoever_may_edit_it_here_and_there(staff: Staff) -> None:
    report = staff.report("zoe")
    moved = pb.IncidentReport(name=report.name, desk="desks/lga")
    with pytest.raises(Refused) as refused:
        staff["bob"].UpdateIncidentReport(incident_report=moved)
    assert (refused.value.reason, refused.value.metadata["field"]) == ("FIELD_DENIED", "desk")
    assert staff["zoe"].UpdateIncidentReport(incident_report=moved).desk == "desks/lga"
    assert [who for who in ("zoe", "ada", "bob", "carl") if staff.sees(who, report)] == ["zoe", "carl"]
    with pytest.raises(Refused) as gone:
        staff["ada"].ResolveIncidentReport(name=report.name, resolution="done")
    assert gone.value.code == "PERMISSION_DENIED"
    assert staff["carl"].ResolveIncidentReport(name=report.name, resolution="done").resolution == "done"


def test_buttons_ask_what_the_caller_may(staff: Staff) -> None:
    report = staff.report("zoe")
    asked = {"resource": report.name, "permissions": ["viewer", "lead", "owner"]}
    assert list(staff.access("zoe").TestPermissions(**asked).permissions) == ["viewer", "owner"]
    assert list(staff.access("ada").TestPermissions(**asked).permissions) == ["viewer", "lead", "owner"]
    assert list(staff.access("carl").TestPermissions(**asked).permissions) == []


def test_a_report_is_withdrawn_by_its_reporter_or_a_lead(staff: Staff) -> None:
    mine, theirs = staff.report("zoe"), staff.report("zoe")
    assert code_of(staff["bob"].DeleteIncidentReport, name=mine.name) == "PERMISSION_DENIED"
    assert code_of(staff["zoe"].DeleteIncidentReport, name=mine.name) == "OK"
    assert code_of(staff["ada"].DeleteIncidentReport, name=theirs.name) == "OK"
    assert code_of(staff["ada"].DeleteIncidentReport, name=theirs.name) == "PERMISSION_DENIED", "nobody is lead of what is not there"
