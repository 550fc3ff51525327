"""Who may write and not read is told nothing of what is there: which permission is asked (6), and what is said of a name or a value that is taken (7)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.field_mask_pb2 import FieldMask

from tests.door.client import Door, Refused
from tests.door.depot import commit, pb
from tests.door.service import Service

Refuse = Callable[..., Refused]
_numbers = itertools.count(1)


@pytest.fixture
def filler(depot: Service) -> Iterator[Door]:
    """Somebody who may create and update crates, and not read them."""
    door = depot.door("filler")
    yield door
    door.close()


@pytest.fixture
def crate(keeper: Door, place: str) -> Any:
    """A crate whose id and serial are taken."""
    return keeper.CreateCrate(parent=place, crate_id="taken", crate=pb.Crate(label="x", serial=f"serial{next(_numbers)}"))


def created(resource: Any, **fields: Any) -> Any:
    """A write of a commit."""
    packed = Packed()
    packed.Pack(resource)
    return commit.Write(create=commit.Write.Create(resource=packed, **fields))


def updated(resource: Any, **fields: Any) -> Any:
    """A write of a commit."""
    packed = Packed()
    packed.Pack(resource)
    return commit.Write(update=commit.Write.Update(resource=packed, **fields))


TAKEN: dict[str, Callable[[Door, Any, str, Any], Any]] = {
    "create, the id": lambda door, crate, place, _: door.CreateCrate(parent=place, crate_id="taken", crate=pb.Crate(label="y")),
    "create, the value": lambda door, crate, place, _: door.CreateCrate(parent=place, crate=pb.Crate(label="y", serial=crate.serial)),
    "batch, the id": lambda door, crate, place, _: door.BatchCreateCrates(
        parent=place, requests=[{"crate_id": "free", "crate": {"label": "y"}}, {"crate_id": "taken", "crate": {"label": "y"}}]
    ),
    "batch, the value": lambda door, crate, place, _: door.BatchCreateCrates(
        parent=place, requests=[{"crate": {"label": "y"}}, {"crate": {"label": "y", "serial": crate.serial}}]
    ),
    "update": lambda door, crate, place, other: door.UpdateCrate(
        crate=pb.Crate(name=other.name, serial=crate.serial), update_mask=FieldMask(paths=["serial"])
    ),
    "update that creates": lambda door, crate, place, _: door.UpdateCrate(
        crate=pb.Crate(name=f"{place}/crates/free", label="y", serial=crate.serial), allow_missing=True
    ),
    "batch of updates": lambda door, crate, place, other: door.BatchUpdateCrates(
        requests=[{"crate": {"name": other.name, "serial": crate.serial}, "update_mask": {"paths": ["serial"]}}]
    ),
    "rehearsal": lambda door, crate, place, _: door.CreateCrate(
        parent=place, crate_id="taken", crate=pb.Crate(label="y"), validate_only=True
    ),
    "commit, the id": lambda door, crate, place, _: door.Commit(writes=[created(pb.Crate(label="y"), parent=place, id="taken")]),
    "commit, the value": lambda door, crate, place, other: door.Commit(
        writes=[updated(pb.Crate(name=other.name, serial=crate.serial), update_mask=FieldMask(paths=["serial"]))]
    ),
}


@pytest.mark.parametrize("way", TAKEN)
def test_aip_7_what_a_caller_may_not_see_is_never_said_to_be_in_the_way(
    depot: Service, filler: Door, keeper: Door, place: str, crate: Any, refused: Refuse, way: str
) -> None:
    """Neither that it is there nor which value it has; whoever may see it is told both."""
    other = keeper.CreateCrate(parent=place, crate_id="other", crate=pb.Crate(label="x"))
    refusal = refused(TAKEN[way], filler, crate, place, other)
    assert (refusal.code, refusal.reason, refusal.metadata["permission"]) == ("PERMISSION_DENIED", "PERMISSION_DENIED", "crates.get")
    assert refusal.violations == {}
    assert refusal.message == f"Permission 'crates.get' denied on resource '{refusal.metadata['resource']}' (or it might not exist)."
    assert "serial" not in f"{refusal.message} {refusal.metadata}"
    stocker = depot.door("stocker")
    seen = refused(TAKEN[way], stocker, crate, place, other)
    stocker.close()
    assert (seen.code, seen.reason) == ("ALREADY_EXISTS", "RESOURCE_EXISTS")
    assert [each.name for each in keeper.ListCrates(parent=place).crates] == [other.name, crate.name], "nothing is kept"


def test_aip_7_a_name_that_is_free_is_given_to_whoever_may_create(filler: Door, crate: Any, place: str) -> None:
    assert filler.CreateCrate(parent=place, crate_id="free", crate=pb.Crate(label="y")).name == f"{place}/crates/free"
    assert filler.UpdateCrate(crate=pb.Crate(name=crate.name, label="z"), allow_missing=True).label == "z", (
        "an update needs its own permission"
    )


def test_aip_7_the_rule_may_be_that_of_another_service_and_what_no_method_reads_nobody_may_know_of(depot: Service, refused: Refuse) -> None:
    crier, name = depot.door("crier"), f"n{next(_numbers)}"
    crier.CreateNotice(notice_id=name, notice=pb.Notice())
    refusal = refused(crier.CreateNotice, notice_id=name, notice=pb.Notice())
    assert (refusal.code, refusal.metadata) == ("PERMISSION_DENIED", {"permission": "notices.get", "resource": f"notices/{name}"})
    crier.CreateWhisper(whisper_id=name, whisper=pb.Whisper())
    refusal = refused(crier.CreateWhisper, whisper_id=name, whisper=pb.Whisper())
    assert (refusal.code, refusal.metadata) == ("PERMISSION_DENIED", {"permission": "whispers.get", "resource": f"whispers/{name}"})
    crier.close()


ASKED: dict[str, Callable[[Door, str, str], Any]] = {
    "depots.get": lambda door, place, crate: door.GetDepot(name=place),
    "depots.list": lambda door, place, crate: door.ListDepots(),
    "depots.create": lambda door, place, crate: door.CreateDepot(depot=pb.Depot(town="x")),
    "depots.update": lambda door, place, crate: door.UpdateDepot(depot=pb.Depot(name=place, town="x")),
    "depots.delete": lambda door, place, crate: door.DeleteDepot(name=place),
    "crates.get": lambda door, place, crate: door.GetCrate(name=crate),
    "crates.list": lambda door, place, crate: door.ListCrates(parent=place),
    "crates.delete": lambda door, place, crate: door.DeleteCrate(name=crate),
}


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("permission", ASKED)
def test_aip_6_a_refusal_names_the_one_permission_that_the_operation_needs(
    filler: Door, crate: Any, place: str, refused: Refuse, permission: str, there: bool
) -> None:
    """It sounds the same whether the resource is there or not, and no other permission stands in for it."""
    names = (place, str(crate.name)) if there else ("depots/none", "depots/none/crates/none")
    refusal = refused(ASKED[permission], filler, *names)
    about = "depots" if permission in {"depots.list", "depots.create"} else names[permission in {"crates.get", "crates.delete"}]
    assert (refusal.code, refusal.reason) == ("PERMISSION_DENIED", "PERMISSION_DENIED")
    assert refusal.message == f"Permission '{permission}' denied on resource '{about}' (or it might not exist)."
    assert refusal.metadata == {"permission": permission, "resource": about}


def test_aip_6_an_operation_asks_for_its_own_permission_and_for_no_other(filler: Door, keeper: Door, crate: Any, place: str) -> None:
    """Its parent's, and that of reading what it answers with, are not asked."""
    made = filler.CreateCrate(parent=place, crate=pb.Crate(label="mine", notes="x"))
    assert keeper.GetCrate(name=made.name) == made
    changed = filler.UpdateCrate(crate=pb.Crate(name=made.name, notes="y"), update_mask=FieldMask(paths=["notes"]))
    assert keeper.GetCrate(name=made.name) == changed
    new = f"{place}/crates/by-update"
    assert filler.UpdateCrate(crate=pb.Crate(name=new, label="x"), allow_missing=True).name == new, "creating by an update is updating"
