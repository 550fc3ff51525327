"""Commit through a real port, on every engine: several writes over several kinds of resource, all of them or none (58)."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask

from tests.door.client import Door, Refused
from tests.door.depot import commit, pb
from tests.door.service import Service

Refuse = Callable[..., Refused]
CRATE, DEPOT, NOTICE = (f"depot.example.com/{kind}" for kind in ("Crate", "Depot", "Notice"))


def packed(message: Any) -> Any:
    """A resource in a write."""
    made = Packed()
    made.Pack(message)
    return made


def create(resource: Any, **fields: Any) -> Any:
    """A write that creates."""
    return commit.Write(create=commit.Write.Create(resource=packed(resource), **fields))


def update(resource: Any, *paths: str, **fields: Any) -> Any:
    """A write that updates."""
    return commit.Write(update=commit.Write.Update(resource=packed(resource), update_mask=FieldMask(paths=paths), **fields))


def delete(kind: str, name: str, **fields: Any) -> Any:
    """A write that deletes."""
    return commit.Write(delete=commit.Write.Delete(type=kind, name=name, **fields))


def verify(kind: str, name: str, etag: str = "") -> Any:
    """A write that changes nothing."""
    return commit.Write(verify=commit.Write.Verify(type=kind, name=name, etag=etag))


def opened(results: Any) -> list[Any]:
    """The resources in results."""
    found = []
    for result in results:
        made = {kind.DESCRIPTOR.full_name: kind for kind in (pb.Crate, pb.Depot, Empty)}[result.TypeName()]()
        assert result.Unpack(made)
        found.append(made)
    return found


@pytest.fixture
def stored(keeper: Door, place: str) -> Any:
    """A crate that is stored."""
    return keeper.CreateCrate(parent=place, crate_id="stored", crate=pb.Crate(label="old", notes="kept"))


def count(keeper: Door, place: str) -> int:
    """How many crates a depot has."""
    return len(keeper.ListCrates(parent=place).crates)


def test_aip_58_writes_of_several_kinds_are_done_in_order_and_answered_as_by_their_own_methods(
    keeper: Door, place: str, stored: Any
) -> None:
    new = f"depots/{uuid.uuid4().hex[:8].translate(str.maketrans('0123456789', 'ghijklmnop'))}"
    doomed = keeper.CreateCrate(parent=place, crate_id="doomed", crate=pb.Crate(label="x"))
    answer = keeper.Commit(
        writes=[
            create(pb.Depot(town="Ypres"), id=new.partition("/")[2]),
            create(pb.Crate(label="child", weight=1), parent=new, id="first"),
            update(pb.Crate(name=stored.name, label="new", etag=stored.etag), "label"),
            delete(CRATE, doomed.name, etag=doomed.etag),
            verify(DEPOT, place),
            create(pb.Crate(label="made"), parent=place),
        ]
    )
    depot, child, changed, deleted, verified, made = opened(answer.results)
    assert depot == keeper.GetDepot(name=new)
    assert child == keeper.GetCrate(name=f"{new}/crates/first")
    assert changed == keeper.GetCrate(name=stored.name)
    assert (changed.label, changed.notes) == ("new", "kept")
    assert (deleted, verified) == (Empty(), Empty())
    assert made == keeper.GetCrate(name=made.name)
    assert count(keeper, place) == 2


def test_aip_58_a_write_sees_what_those_before_it_did(keeper: Door, place: str) -> None:
    name = f"{place}/crates/brief"
    answer = keeper.Commit(
        writes=[
            create(pb.Crate(label="one", notes="kept"), parent=place, id="brief"),
            update(pb.Crate(name=name, label="two"), "label"),
            delete(CRATE, name),
            create(pb.Crate(label="again"), parent=place, id="brief"),
        ]
    )
    _, second, _, last = opened(answer.results)
    assert (second.label, second.notes) == ("two", "kept")
    assert last == keeper.GetCrate(name=name)


FAILING: dict[str, tuple[str, str, Callable[[str, Any], Any]]] = {
    "missing": ("NOT_FOUND", "RESOURCE_NOT_FOUND", lambda place, stored: update(pb.Crate(name=f"{place}/crates/gone", label="x"))),
    "stale": ("ABORTED", "ETAG_MISMATCH", lambda place, stored: update(pb.Crate(name=stored.name, label="x", etag='"0"'))),
    "stale delete": ("ABORTED", "ETAG_MISMATCH", lambda place, stored: delete(CRATE, stored.name, etag='"0"')),
    "unverified": ("ABORTED", "ETAG_MISMATCH", lambda place, stored: verify(CRATE, stored.name, '"0"')),
    "verified in vain": ("NOT_FOUND", "RESOURCE_NOT_FOUND", lambda place, stored: verify(CRATE, f"{place}/crates/gone")),
    "taken": ("ALREADY_EXISTS", "RESOURCE_EXISTS", lambda place, stored: create(pb.Crate(label="x"), parent=place, id="stored")),
    "orphan": ("NOT_FOUND", "RESOURCE_NOT_FOUND", lambda place, stored: create(pb.Crate(label="x"), parent="depots/gone")),
    "parent": ("FAILED_PRECONDITION", "RESOURCE_HAS_CHILDREN", lambda place, stored: delete(DEPOT, place)),
    "code": ("FAILED_PRECONDITION", "NOT_KEPT", lambda place, stored: create(pb.Crate(label="bomb"), parent=place)),
}
"""A write of each kind that fails only when it is done."""


@pytest.mark.parametrize("name", FAILING)
def test_aip_58_one_failing_write_undoes_all(keeper: Door, place: str, stored: Any, refused: Refuse, name: str) -> None:
    code, reason, bad = FAILING[name]
    others = [create(pb.Crate(label="x"), parent=place), update(pb.Depot(name=place, town="Ypres"), "town")]
    refusal = refused(keeper.Commit, writes=[*others, bad(place, stored), create(pb.Crate(label="x"), parent=place)])
    assert (refusal.code, refusal.reason) == (code, reason)
    assert count(keeper, place) == 1
    assert keeper.GetDepot(name=place).town == "Ghent"
    assert keeper.GetCrate(name=stored.name) == stored


def test_aip_58_what_is_verified_is_what_was_there_before_the_commit(keeper: Door, stored: Any) -> None:
    writes = [update(pb.Crate(name=stored.name, label="new"), "label"), verify(CRATE, stored.name, stored.etag)]
    assert opened(keeper.Commit(writes=writes).results)[0].label == "new"


def test_aip_58_everything_that_can_be_told_of_writes_by_themselves_is_told_at_once(keeper: Door, place: str, refused: Refuse) -> None:
    broken = Packed(type_url="type.googleapis.com/depot.v1.Crate", value=b"\xff")
    refusal = refused(
        keeper.Commit,
        writes=[
            create(pb.Crate(label="x"), parent=place),
            commit.Write(),
            commit.Write(update=commit.Write.Update(resource=broken)),
            delete(CRATE, f"{place}/crates/x", force=True),
            create(pb.Depot(town="x"), parent="depots/above"),
            create(Empty()),
        ],
    )
    assert refusal.code == "INVALID_ARGUMENT"
    assert list(refusal.violations) == [
        "writes[1]",
        "writes[2].update.resource",
        "writes[3].delete.force",
        "writes[4].create.parent",
        "writes[5].create.resource",
    ]
    refusal = refused(keeper.Commit, writes=[commit.Write(create=commit.Write.Create(parent=place))])
    assert set(refusal.violations) == {"writes[0].create.resource"}


MISTAKES: dict[str, Callable[[str, Any], Any]] = {
    "create.resource.label": lambda place, stored: create(pb.Crate(label="x" * 41), parent=place),
    "create.id": lambda place, stored: create(pb.Crate(label="x"), parent=place, id="No/Id"),
    "create.parent": lambda place, stored: create(pb.Crate(label="x"), parent="depots"),
    "update.resource.name": lambda place, stored: update(pb.Crate(name="crates/x", label="x")),
    "update.resource.label": lambda place, stored: update(pb.Crate(name=stored.name), "label"),
    "update.resource.maker": lambda place, stored: update(pb.Crate(name=stored.name, maker="x"), "maker"),
    "update.update_mask": lambda place, stored: update(pb.Crate(name=stored.name), "nothing"),
    "delete.name": lambda place, stored: delete(CRATE, "crates/x"),
    "verify.name": lambda place, stored: verify(DEPOT, stored.name),
}
"""A wrong write for each field that its method finds wrong."""


@pytest.mark.parametrize("field", MISTAKES)
def test_aip_58_3_violations_name_the_write_and_the_field_in_it(keeper: Door, place: str, stored: Any, refused: Refuse, field: str) -> None:
    refusal = refused(keeper.Commit, writes=[create(pb.Crate(label="x"), parent=place), MISTAKES[field](place, stored)])
    assert (refusal.code, list(refusal.violations)) == ("INVALID_ARGUMENT", [f"writes[1].{field}"])
    for value in refusal.metadata.values():
        assert value in refusal.message
    assert count(keeper, place) == 1


def test_aip_58_3_refusals_of_a_teams_own_code_name_the_write_too(keeper: Door, place: str, refused: Refuse) -> None:
    refusal = refused(keeper.Commit, writes=[create(pb.Crate(label="bomb"), parent=place)])
    assert (refusal.reason, set(refusal.violations)) == ("NOT_KEPT", {"writes[0].create.resource.label"})


def test_aip_58_kinds_without_a_method_of_their_own_are_refused(keeper: Door, refused: Refuse) -> None:
    for write, field in (
        (create(pb.Notice(text="x")), "writes[0].create.resource"),
        (update(pb.Notice(name="notices/x", text="x")), "writes[0].update.resource"),
        (delete(NOTICE, "notices/x"), "writes[0].delete.type"),
        (delete("depot.example.com/Nothing", "x"), "writes[0].delete.type"),
        (create(Empty()), "writes[0].create.resource"),
        (create(pb.CreateCrateRequest()), "writes[0].create.resource"),
    ):
        refusal = refused(keeper.Commit, writes=[write])
        assert (refusal.code, set(refusal.violations)) == ("INVALID_ARGUMENT", {field})
    assert refused(keeper.Commit, writes=[verify(NOTICE, "notices/x")]).code == "NOT_FOUND"


def test_aip_58_5_every_write_is_under_the_rule_of_its_own_method_before_anything_is_looked_at(
    depot: Service, keeper: Door, place: str, stored: Any, refused: Refuse
) -> None:
    filler = depot.door("filler")
    allowed = [create(pb.Crate(label="x"), parent=place, id="allowed"), update(pb.Crate(name=stored.name, label="new"), "label")]
    broken = [commit.Write(), create(pb.Crate(), parent="?"), create(Empty())]
    for bad, permission, resource in (
        (create(pb.Depot(town="x"), id="x"), "depots.create", "depots"),
        (update(pb.Depot(name=place, town="x")), "depots.update", place),
        (update(pb.Depot(name="?"), "nothing"), "depots.update", "?"),
        (delete(CRATE, stored.name), "crates.delete", stored.name),
        (delete(CRATE, "no name", force=True), "crates.delete", "no name"),
        (verify(CRATE, stored.name, stored.etag), "crates.get", stored.name),
    ):
        refusal = refused(filler.Commit, writes=[*allowed, *broken, bad])
        assert (refusal.code, refusal.metadata["permission"], refusal.metadata["resource"]) == ("PERMISSION_DENIED", permission, resource)
    assert count(keeper, place) == 1
    assert len(filler.Commit(writes=allowed).results) == 2
    filler.close()
    anybody = depot.door("")
    assert refused(anybody.Commit, writes=allowed).code == "UNAUTHENTICATED"
    anybody.close()


def test_aip_58_code_around_a_method_runs_for_its_writes_as_for_its_calls(keeper: Door, place: str) -> None:
    alone = keeper.CreateCrate(parent=place, crate=pb.Crate(label="x", stamp="forged"))
    (within,) = opened(keeper.Commit(writes=[create(pb.Crate(label="x", stamp="forged"), parent=place)]).results)
    assert within.stamp == alone.stamp == "CreateCrate by keeper"


def test_aip_58_39_41_missing_resources_are_created_or_left_where_that_is_allowed(keeper: Door, place: str) -> None:
    name = f"{place}/crates/new"
    writes = [
        update(pb.Crate(name=name, label="all fields"), "weight", allow_missing=True),
        delete(CRATE, f"{place}/crates/gone", allow_missing=True),
    ]
    assert opened(keeper.Commit(writes=writes).results)[0] == keeper.GetCrate(name=name)


def test_aip_58_13_a_rehearsal_gives_the_answer_and_changes_nothing(keeper: Door, place: str, refused: Refuse) -> None:
    writes = [create(pb.Crate(label="x"), parent=place), create(pb.Crate(label="x"), parent=place, id="given")]
    made, given = opened(keeper.Commit(writes=writes, validate_only=True).results)
    assert (made.name, given.name) == ("", f"{place}/crates/given")
    assert count(keeper, place) == 0
    assert refused(keeper.Commit, writes=[*writes, writes[1]], validate_only=True).code == "ALREADY_EXISTS"


def test_aip_58_14_a_request_id_makes_a_commit_have_one_effect(keeper: Door, place: str, refused: Refuse) -> None:
    request_id, writes = str(uuid.uuid4()), [create(pb.Crate(label="x"), parent=place)]
    first = keeper.Commit(writes=writes, request_id=request_id)
    assert keeper.Commit(writes=writes, request_id=request_id) == first
    assert count(keeper, place) == 1
    assert refused(keeper.Commit, writes=[*writes, *writes], request_id=request_id).reason == "REQUEST_ID_REUSED"
    assert set(refused(keeper.Commit, writes=writes, request_id="7").violations) == {"request_id"}


def test_aip_58_the_number_of_writes_and_the_size_of_the_answer_are_bounded(keeper: Door, place: str, refused: Refuse) -> None:
    assert set(refused(keeper.Commit).violations) == {"writes"}
    refusal = refused(keeper.Commit, writes=[create(pb.Crate(label="x"), parent=place)] * 501)
    assert "500" in refusal.violations["writes"]
    large = [create(pb.Crate(label="x", notes="n" * 1_900_000), parent=place) for _ in range(2)]
    assert refused(keeper.Commit, writes=large).reason == "ANSWER_TOO_LARGE"
    assert count(keeper, place) == 0
    assert len(keeper.Commit(writes=large[:1]).results) == 1


def test_aip_58_grpcurl_describes_a_commit_and_makes_one(depot: Service, keeper: Door, place: str, grpcurl: Path) -> None:
    def run(*arguments: str) -> str:
        token = depot.token()
        command = [str(grpcurl), "-plaintext", "-H", f"authorization: Bearer {token}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout

    assert "protoplane.commit.v1.CommitRequest" in run(depot.target, "describe", "depot.v1.Depots.Commit")
    assert "Changes nothing, and has the whole commit refused" in run(depot.target, "describe", "protoplane.commit.v1.Write")
    crate = {"@type": "type.googleapis.com/depot.v1.Crate", "label": "by hand"}
    request = {"writes": [{"create": {"parent": place, "id": "hand", "resource": crate}}]}
    answer = json.loads(run("-d", json.dumps(request), depot.target, "depot.v1.Depots/Commit"))
    assert answer["results"][0]["label"] == keeper.GetCrate(name=f"{place}/crates/hand").label == "by hand"


def test_aip_58_a_commit_of_a_service_writes_by_methods_of_that_service_alone(depot: Service, place: str, refused: Refuse) -> None:
    crier = depot.door("crier")
    written = crier.CommitNotices(writes=[create(pb.Notice(text="asked for"))])
    texts = [pb.Notice.FromString(result.value).text for result in written.results]
    assert texts == ["asked for", "by crier"]
    refusal = refused(crier.CommitNotices, writes=[create(pb.Crate(label="x"), parent=place)])
    assert set(refusal.violations) == {"writes[0].create.resource"}
    crier.close()


def test_aip_58_writes_added_by_code_around_a_commit_are_under_the_callers_rules_too(depot: Service, refused: Refuse) -> None:
    silent = depot.door("silent")
    refusal = refused(silent.CommitNotices, writes=[create(Empty())])  # Which no rule stands before.
    assert (refusal.code, refusal.metadata["permission"]) == ("PERMISSION_DENIED", "notices.create")
    silent.close()


def test_aip_58_51_what_a_caller_wants_of_the_answer_narrows_no_write_inside(keeper: Door, stored: Any) -> None:
    writes = [verify(CRATE, stored.name, stored.etag), update(pb.Crate(name=stored.name, label="new"), "label")]
    answer = keeper.Commit(writes=writes, metadata=[("x-goog-fieldmask", "results")])
    assert opened(answer.results)[1].notes == "kept"
