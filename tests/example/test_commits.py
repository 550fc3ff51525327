"""The flight desk's batches and its Commit, as the pages tell of them, on every engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.field_mask_pb2 import FieldMask

from tests.door.client import Door, Refused
from tests.door.service import Service, served
from tests.engines import Engine
from tests.example import DESK, pb

NAMES = [f"flights/2013-01-01-ua-{number}-ewr" for number in (1545, 1714)]


@pytest.fixture(scope="module")
def desk(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Served with two flights."""
    with served(DESK, engine, tmp_path_factory.mktemp("desk")) as desk, desk.calls() as door:
        requests = []
        for number, name in enumerate(NAMES, 1545):
            made = pb.Flight(airline="airlines/ua", flight_number=number, origin="airports/ewr", destination="airports/iah")
            made.scheduled_departure_time.seconds = 1_357_035_300
            made.scheduled_arrival_time.seconds = 1_357_050_000
            requests.append(pb.CreateFlightRequest(flight_id=name.rpartition("/")[2], flight=made))
        door.BatchCreateFlights(requests=requests)
        yield desk


@pytest.fixture
def door(desk: Service) -> Iterator[Door]:
    """Somebody who may do everything."""
    with desk.calls() as door:
        yield door


def writes(door: Door, plane_id: str) -> list[dict[str, object]]:
    """Another plane flies, one that was not known yet, if nobody has changed the flight meanwhile."""
    plane, flight = Packed(), Packed()
    plane.Pack(pb.Plane(tail_number=plane_id.upper(), manufacturer="BOEING"))
    read = door.GetFlight(name=NAMES[0])
    flight.Pack(pb.Flight(name=read.name, etag=read.etag, plane=f"planes/{plane_id}", tail_number=plane_id.upper()))
    return [
        {"create": {"id": plane_id, "resource": plane}},
        {"update": {"resource": flight, "update_mask": FieldMask(paths=["plane", "tail_number"])}},
    ]


def test_anybody_reads_flights_in_one_call(desk: Service) -> None:
    anybody = desk.door("")
    assert [flight.name for flight in anybody.BatchGetFlights(names=NAMES[::-1]).flights] == NAMES[::-1]
    anybody.close()


def test_a_new_plane_and_the_flight_it_flies_are_written_together(door: Door) -> None:
    both = writes(door, "n28001")
    assert len(door.Commit(writes=both).results) == 2
    assert door.GetFlight(name=NAMES[0]).plane == door.GetPlane(name="planes/n28001").name
    both[0]["create"]["id"] = "n28002"  # type: ignore[index]  # A dict of what a message is made of.
    with pytest.raises(Refused) as stale:
        door.Commit(writes=both)
    assert stale.value.reason == "ETAG_MISMATCH"
    with pytest.raises(Refused) as gone:
        door.GetPlane(name="planes/n28002")
    assert gone.value.code == "NOT_FOUND"


def test_who_may_create_planes_and_not_change_flights_may_not_commit_both(desk: Service, door: Door) -> None:
    loader = desk.door("schedule-loader")
    with pytest.raises(Refused) as denied:
        loader.Commit(writes=writes(door, "n28003"))
    assert denied.value.metadata["permission"] == "flights.update"
    loader.close()
