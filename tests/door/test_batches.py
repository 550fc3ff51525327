"""Batches (AIP-231, 233, 234, 235) through a real port, on every engine: all or nothing, in order, one statement."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict

from tests.door.client import Door, Refused
from tests.door.depot import pb
from tests.door.service import Service

Refuse = Callable[..., Refused]


def crate(keeper: Door, parent: str, crate_id: str, **fields: Any) -> Any:
    """A crate that is stored."""
    fields.setdefault("label", crate_id)
    return keeper.CreateCrate(parent=parent, crate_id=crate_id, crate=pb.Crate(**fields))


def crates(keeper: Door, parent: str, *ids: str) -> list[Any]:
    """Crates that are stored, by BatchCreate."""
    requests = [pb.CreateCrateRequest(crate_id=one, crate=pb.Crate(label=one)) for one in ids]
    return list(keeper.BatchCreateCrates(parent=parent, requests=requests).crates)


def update(name: str, *paths: str, **fields: Any) -> Any:
    """One item of a BatchUpdate."""
    allow_missing = fields.pop("allow_missing", False)
    return pb.UpdateCrateRequest(crate=pb.Crate(name=name, **fields), update_mask=FieldMask(paths=paths), allow_missing=allow_missing)


def labels(keeper: Door, parent: str) -> dict[str, str]:
    """What is written on every crate of a depot, by id."""
    return {one.name.rpartition("/")[2]: one.label for one in keeper.ListCrates(parent=parent).crates}


def asked(depot: Service, call: Callable[[], Any]) -> tuple[Any, list[str]]:
    """The answer of a call and the SQL that it took."""
    depot.ran.clear()
    answer = call()
    return answer, depot.asked()


def test_aip_45_batch_get_answers_in_the_order_asked_and_twice_what_was_asked_twice(keeper: Door, place: str) -> None:
    stored = {one.name: one for one in crates(keeper, place, "a", "b", "c")}
    names = [f"{place}/crates/{one}" for one in "cabc"]
    assert list(keeper.BatchGetCrates(names=names).crates) == [stored[name] for name in names]


def test_aip_45_batch_get_is_one_statement(depot: Service, keeper: Door, place: str) -> None:
    crates(keeper, place, *(f"c{n}" for n in range(60)))
    for many in (1, 7, 60):
        answer, ran = asked(depot, lambda many=many: keeper.BatchGetCrates(names=[f"{place}/crates/c{n}" for n in range(many)]))  # type: ignore[misc]
        assert len(answer.crates) == many
        assert len(ran) == 1


def test_aip_45_one_missing_resource_refuses_the_whole_batch_and_is_named(keeper: Door, place: str, refused: Refuse) -> None:
    crates(keeper, place, "a", "b")
    refusal = refused(keeper.BatchGetCrates, names=[f"{place}/crates/{one}" for one in ("a", "gone", "b", "lost")])
    assert (refusal.code, refusal.metadata["name"]) == ("NOT_FOUND", f"{place}/crates/gone")


def test_aip_45_a_parent_that_does_not_match_refuses_the_batch_and_names_the_item(keeper: Door, place: str, refused: Refuse) -> None:
    other = keeper.CreateDepot(depot=pb.Depot(town="Bruges")).name
    crates(keeper, place, "a")
    crates(keeper, other, "a")
    both = [f"{place}/crates/a", f"{other}/crates/a"]
    refusal = refused(keeper.BatchGetCrates, parent=place, names=both)
    assert (refusal.code, set(refusal.violations)) == ("INVALID_ARGUMENT", {"names[1]"})
    for parent in ("", "depots/-"):
        assert [one.name for one in keeper.BatchGetCrates(parent=parent, names=both).crates] == both
    for parent in ("depots", "places/-", "depots/-/crates/-"):
        assert set(refused(keeper.BatchGetCrates, parent=parent, names=both).violations) == {"parent"}


@pytest.mark.parametrize("call", ["BatchGetCrates", "BatchDeleteCrates", "BatchUpdateCrates", "BatchCreateCrates"])
def test_aip_45_46_empty_and_oversized_batches_are_refused(keeper: Door, place: str, refused: Refuse, call: str) -> None:
    item: Any = {"Get": f"{place}/crates/a", "Del": f"{place}/crates/a", "Upd": update(f"{place}/crates/a", label="x")}.get(call[5:8])
    field = "names" if isinstance(item, str) else "requests"
    item = item or pb.CreateCrateRequest(parent=place, crate=pb.Crate(label="x"))
    empty, large = refused(getattr(keeper, call)), refused(getattr(keeper, call), **{field: [item] * 1_001})
    assert (empty.code, set(empty.violations)) == ("INVALID_ARGUMENT", {field})
    assert (large.code, set(large.violations)) == ("INVALID_ARGUMENT", {field})
    assert "1000" in large.violations[field]


def test_aip_45_malformed_names_say_which_they_are(keeper: Door, place: str, refused: Refuse) -> None:
    refusal = refused(keeper.BatchGetCrates, names=[f"{place}/crates/a", "crates/b"])
    assert (refusal.reason, set(refusal.violations)) == ("INVALID_NAME", {"names[1]"})


def test_aip_5_permission_for_batches_is_decided_before_anything_else(depot: Service, place: str, refused: Refuse) -> None:
    nobody = depot.door("nobody")
    name = f"{place}/crates/x"
    for call in (
        lambda: nobody.BatchGetCrates(names=["?"]),
        lambda: nobody.BatchUpdateCrates(requests=[update(name, "nothing", label="x")]),
        lambda: nobody.BatchDeleteCrates(names=[]),
        lambda: nobody.BatchCreateCrates(requests=[]),
    ):
        assert refused(call).code == "PERMISSION_DENIED"
    nobody.close()


def test_batch_get_refuses_an_answer_that_clients_could_not_take(keeper: Door, place: str, refused: Refuse) -> None:
    for one in "ab":
        crate(keeper, place, one, notes="x" * 2_000_000)
    names = [f"{place}/crates/{one}" for one in "ab"]
    refusal = refused(keeper.BatchGetCrates, names=names)
    assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "ANSWER_TOO_LARGE")
    assert refused(keeper.BatchGetCrates, names=[names[0]] * 2).reason == "ANSWER_TOO_LARGE"
    assert len(keeper.BatchGetCrates(names=names[:1]).crates[0].notes) == 2_000_000
    refusal = refused(keeper.BatchUpdateCrates, requests=[update(name, "label", label="new") for name in names])
    assert refusal.reason == "ANSWER_TOO_LARGE"
    assert keeper.GetCrate(name=names[0]).label == "a"


def test_aip_46_batch_update_heeds_the_mask_of_each_item_and_answers_in_order(keeper: Door, place: str) -> None:
    before = {one.name: one for one in crates(keeper, place, "a", "b", "c")}
    a, b, c = (f"{place}/crates/{one}" for one in "abc")
    items = [
        update(c, "tags", label="not written", tags=["x", "y"]),
        update(a, "label", "weight", label="new", weight=2.5),
        update(b, label="implied"),
    ]
    answer = keeper.BatchUpdateCrates(parent=place, requests=items).crates
    assert [one.name for one in answer] == [c, a, b]
    assert list(answer) == [keeper.GetCrate(name=name) for name in (c, a, b)]
    assert (answer[0].label, list(answer[0].tags)) == ("c", ["x", "y"])
    assert (answer[1].label, answer[1].weight) == ("new", 2.5)
    assert answer[2].label == "implied"
    assert all(one.etag != before[one.name].etag for one in answer)


def test_aip_46_batch_update_is_one_locking_select_and_one_update(depot: Service, keeper: Door, place: str) -> None:
    crates(keeper, place, *(f"c{n}" for n in range(30)))
    items = [update(f"{place}/crates/c{n}", "label", label=f"new {n}") for n in reversed(range(30))]
    _, ran = asked(depot, lambda: keeper.BatchUpdateCrates(requests=items))
    assert labels(keeper, place) == {f"c{n}": f"new {n}" for n in range(30)}
    writes = [sql for sql in ran if sql.startswith("UPDATE")]
    assert len(ran) - len(writes) == 1
    if depot.database.engine.name != "sqlite":  # There it is a call of a function, not a way to another machine.
        assert len(writes) == 1
        assert " FOR UPDATE" in ran[0]


VALUES: list[dict[str, Any]] = [
    {"weight": 0.1, "seal": 2**63 - 1, "picture": "AP/+", "arrival_time": "0001-01-01T00:00:00Z", "stay": "-3.000001s", "fragile": False},
    {"weight": 1e300, "seal": 0, "picture": "", "arrival_time": "9999-12-31T23:59:59.999999Z", "stay": "9.9s", "fragile": True},
    {"weight": -0.000123456789012345, "seal": 7, "tags": ["", "ä", "'", "\\", "%s", "\U0001f4e6"], "extra": {"k": [1, None, "x"]}},
    {"label": "quote ' and \\ and %s and `", "serial": "", "origin": "depots/elsewhere", "notes": "n" * 70_000},
    {},
]
"""Changes of every kind of value, and of none: what one statement writes for many rows must be what one row's statement writes."""


@pytest.mark.parametrize(
    "paths", [("weight", "seal", "picture", "arrival_time", "stay", "fragile", "tags", "extra", "origin", "notes"), ("*",)]
)
def test_aip_46_what_a_batch_writes_is_what_single_updates_write(keeper: Door, place: str, paths: tuple[str, ...]) -> None:
    ids = [f"c{n}" for n in range(len(VALUES))]
    single = keeper.CreateDepot(depot=pb.Depot(town="Bruges")).name
    given: dict[str, list[Any]] = {}
    for parent in (place, single):
        crates(keeper, parent, *ids)
        fields = [{"label": "x", **values} for values in VALUES]
        for values in fields:
            values.update({"serial": f"{parent}{values['serial']}"} if "serial" in values else {})
        given[parent] = [
            pb.UpdateCrateRequest(
                crate=ParseDict({**values, "name": f"{parent}/crates/{one}"}, pb.Crate()), update_mask=FieldMask(paths=paths)
            )
            for one, values in zip(ids, fields, strict=True)
        ]
    keeper.BatchUpdateCrates(requests=given[place])
    for request in given[single]:
        keeper.UpdateCrate(request)

    def contents(parent: str) -> list[Any]:
        found = list(keeper.ListCrates(parent=parent).crates)
        for one in found:
            for field in ("name", "etag", "update_time"):
                one.ClearField(field)
            one.serial = one.serial.removeprefix(parent)
        return found

    assert contents(place) == contents(single)


def test_aip_46_an_update_that_changes_nothing_leaves_its_row_alone(keeper: Door, place: str) -> None:
    a, b = crates(keeper, place, "a", "b")
    answer = keeper.BatchUpdateCrates(requests=[update(a.name, "label", label="a"), update(b.name, "label", label="new")]).crates
    assert answer[0] == keeper.GetCrate(name=a.name) == a
    assert answer[1].etag != b.etag


def test_aip_46_batch_update_is_atomic_and_names_what_is_wrong_with_each_item(keeper: Door, place: str, refused: Refuse) -> None:
    a, b, c = crates(keeper, place, "a", "b", "c")
    good = update(a.name, "label", label="new")
    refusal = refused(
        keeper.BatchUpdateCrates,
        requests=[good, update(b.name, "label", label=""), update(c.name, "label", "maker", label="x" * 41, maker="y")],
    )
    assert refusal.code == "INVALID_ARGUMENT"
    assert {"requests[1].crate.label", "requests[2].crate.maker"} <= set(refusal.violations)
    for bad, code, where in (
        (update(b.name, "nothing", label="x"), "INVALID_ARGUMENT", {"requests[1].update_mask"}),
        (update("crates/b", "label", label="x"), "INVALID_ARGUMENT", {"requests[1].crate.name"}),
        (update(b.name, "label", label="x", etag='"0"'), "ABORTED", set()),
        (update(f"{place}/crates/gone", "label", label="x"), "NOT_FOUND", set()),
        (update(a.name, "weight", weight=1), "INVALID_ARGUMENT", {"requests[1].crate.name"}),
    ):
        refusal = refused(keeper.BatchUpdateCrates, requests=[good, bad])
        assert (refusal.code, set(refusal.violations)) == (code, where)
    assert set(refused(keeper.BatchUpdateCrates, parent="depots/other", requests=[good]).violations) == {"requests[0].crate.name"}
    assert labels(keeper, place) == {"a": "a", "b": "b", "c": "c"}


def test_aip_46_values_that_must_be_unique_refuse_the_whole_batch(keeper: Door, place: str, refused: Refuse) -> None:
    a, b, _ = crates(keeper, place, "a", "b", "c")
    crate(keeper, place, "d", serial=f"{place} 1")
    refusal = refused(keeper.BatchUpdateCrates, requests=[update(a.name, label="new"), update(b.name, serial=f"{place} 1")])
    assert (refusal.code, set(refusal.violations)) == ("ALREADY_EXISTS", {"serial"})
    assert labels(keeper, place)["a"] == "a"


def test_aip_46_current_etags_of_all_items_let_the_batch_pass(keeper: Door, place: str) -> None:
    stored = crates(keeper, place, "a", "b")
    items = [update(one.name, "label", label="new", etag=one.etag) for one in stored]
    assert [one.label for one in keeper.BatchUpdateCrates(requests=items).crates] == ["new", "new"]


def test_aip_46_39_items_that_allow_it_are_created_and_the_others_must_be_there(keeper: Door, place: str, refused: Refuse) -> None:
    crates(keeper, place, "a")
    new, old = f"{place}/crates/new", f"{place}/crates/a"
    items = [update(new, "weight", label="all fields", weight=1, allow_missing=True), update(old, "label", label="b", allow_missing=True)]
    answer = keeper.BatchUpdateCrates(requests=items).crates
    assert [(one.name, one.label) for one in answer] == [(new, "all fields"), (old, "b")]
    assert answer[0] == keeper.GetCrate(name=new)
    refusal = refused(keeper.BatchUpdateCrates, requests=[update(f"{place}/crates/newer", allow_missing=True)])
    assert set(refusal.violations) == {"requests[0].crate.label"}
    refusal = refused(keeper.BatchUpdateCrates, requests=[update(f"{place}/crates/newer", label="x", etag='"1"', allow_missing=True)])
    assert refusal.code == "ABORTED"


def test_aip_46_13_14_a_batch_is_rehearsed_and_repeated_as_a_whole(keeper: Door, place: str, refused: Refuse) -> None:
    a, b = crates(keeper, place, "a", "b")
    items = [update(a.name, "label", label="new")]
    assert keeper.BatchUpdateCrates(requests=items, validate_only=True).crates[0].label == "new"
    keeper.BatchDeleteCrates(names=[a.name], validate_only=True)
    assert labels(keeper, place) == {"a": "a", "b": "b"}
    request_id = str(uuid.uuid4())
    first = keeper.BatchUpdateCrates(requests=items, request_id=request_id)
    assert keeper.BatchUpdateCrates(requests=items, request_id=request_id) == first
    assert keeper.GetCrate(name=a.name).etag == first.crates[0].etag
    for _ in range(2):
        keeper.BatchDeleteCrates(names=[b.name], request_id=f"{request_id[:-4]}0000")
    own = pb.UpdateCrateRequest(crate=a, request_id=request_id)
    assert set(refused(keeper.BatchUpdateCrates, requests=[own]).violations) == {"requests[0].request_id"}


def test_aip_47_batch_delete_takes_all_or_nothing_in_one_statement(depot: Service, keeper: Door, place: str, refused: Refuse) -> None:
    names = [one.name for one in crates(keeper, place, *"abcd")]
    refusal = refused(keeper.BatchDeleteCrates, names=[names[0], f"{place}/crates/gone", names[1]])
    assert (refusal.code, refusal.metadata["name"]) == ("NOT_FOUND", f"{place}/crates/gone")
    assert set(refused(keeper.BatchDeleteCrates, names=[names[0], names[0]]).violations) == {"names[1]"}
    assert set(refused(keeper.BatchDeleteCrates, parent="depots/other", names=names).violations) == {f"names[{n}]" for n in range(4)}
    assert len(labels(keeper, place)) == 4
    _, ran = asked(depot, lambda: keeper.BatchDeleteCrates(parent=place, names=names[:3]))
    assert [sql.split(" ", 1)[0] for sql in ran] == ["SELECT", "SELECT", "DELETE"], "locked, read for the log, deleted"
    assert labels(keeper, place) == {"d": "d"}
    keeper.BatchDeleteCrates(names=names, allow_missing=True)
    assert labels(keeper, place) == {}


def test_aip_47_batch_delete_by_requests_heeds_etags(keeper: Door, refused: Refuse) -> None:
    a, b = (keeper.CreateDepot(depot=pb.Depot(town="Ghent")) for _ in range(2))
    stale, current = (pb.DeleteDepotRequest(name=b.name, etag=etag) for etag in ('"0"', b.etag))
    first = pb.DeleteDepotRequest(name=a.name)
    refusal = refused(keeper.BatchDeleteDepots, requests=[first, stale])
    assert (refusal.code, refusal.metadata["name"]) == ("ABORTED", b.name)
    assert keeper.GetDepot(name=a.name) == a
    gone = pb.DeleteDepotRequest(name="depots/gone", etag='"0"', allow_missing=True)
    keeper.BatchDeleteDepots(requests=[first, current, gone])
    assert refused(keeper.BatchGetDepots, names=[a.name]).code == "NOT_FOUND"
    assert set(refused(keeper.BatchDeleteDepots, requests=[first, pb.DeleteDepotRequest(name="x")]).violations) == {"requests[1].name"}


def test_aip_47_42_children_refuse_the_whole_batch_and_their_parent_is_named(keeper: Door, place: str, refused: Refuse) -> None:
    empty = keeper.CreateDepot(depot=pb.Depot(town="Bruges")).name
    crates(keeper, place, "a")
    refusal = refused(keeper.BatchDeleteDepots, requests=[pb.DeleteDepotRequest(name=name) for name in (empty, place)])
    assert (refusal.code, refusal.reason, refusal.metadata["name"]) == ("FAILED_PRECONDITION", "RESOURCE_HAS_CHILDREN", place)
    assert keeper.GetDepot(name=empty).name == empty


def test_aip_46_batch_create_keeps_order_and_refuses_other_parents_and_twins(keeper: Door, place: str, refused: Refuse) -> None:
    made = crates(keeper, place, *"zay")
    assert [one.name.rpartition("/")[2] for one in made] == ["z", "a", "y"]

    def item(**fields: Any) -> Any:
        return pb.CreateCrateRequest(crate=pb.Crate(label="x"), **fields)

    refusal = refused(keeper.BatchCreateCrates, parent=place, requests=[item(), item(parent="depots/other")])
    assert set(refusal.violations) == {"requests[1].parent"}
    assert set(refused(keeper.BatchCreateCrates, requests=[item(parent=place), item()]).violations) == {"requests[1].parent"}
    twins = [item(crate_id="twin", parent=place)] * 2
    assert set(refused(keeper.BatchCreateCrates, requests=twins).violations) == {"requests[1].crate"}
    assert refused(keeper.BatchCreateCrates, requests=[item(parent=place), item(parent="depots/gone")]).metadata["name"] == "depots/gone"
    assert len(labels(keeper, place)) == 3
