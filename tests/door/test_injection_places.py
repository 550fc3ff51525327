"""Texts of attackers in every place of batches and commits, and canaries in every field that only these write (B01, B04)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.field_mask_pb2 import FieldMask

from protoplane.contract.names import DEFAULT_ID_PATTERN
from tests.door.client import Door, Refused
from tests.door.depot import commit, pb
from tests.door.service import Service
from tests.door.test_injection import CANARY, PAYLOADS

CRATE = "depot.example.com/Crate"
REFUSALS = {"INVALID_ARGUMENT", "NOT_FOUND", "ABORTED"}


def packed(message: Any, type_url: str = "") -> Any:
    """A resource in a write, under another type perhaps."""
    made = Packed()
    made.Pack(message)
    made.type_url = type_url or made.type_url
    return made


PLACES: dict[str, Callable[[Door, str, str, str], Any]] = {
    "names of a batch": lambda door, place, crate, text: door.BatchGetCrates(parent=place, names=[crate, text]),
    "ids in names of a batch": lambda door, place, crate, text: door.BatchGetCrates(names=[f"{place}/crates/{text}"]),
    "parent of a batch": lambda door, place, crate, text: door.BatchGetCrates(parent=text, names=[crate]),
    "id in the parent of a batch": lambda door, place, crate, text: door.BatchGetCrates(parent=f"depots/{text}", names=[crate]),
    "names to delete": lambda door, place, crate, text: door.BatchDeleteCrates(names=[f"{place}/crates/{text}"]),
    "etags to delete": lambda door, place, crate, text: door.BatchDeleteDepots(requests=[{"name": place, "etag": text}]),
    "ids to create": lambda door, place, crate, text: door.BatchCreateCrates(
        parent=place, requests=[{"crate_id": text, "crate": {"label": "x"}}], validate_only=True
    ),
    "names to update": lambda door, place, crate, text: door.BatchUpdateCrates(
        requests=[{"crate": {"name": f"{place}/crates/{text}", "label": "x"}, "allow_missing": True}], validate_only=True
    ),
    "masks to update": lambda door, place, crate, text: door.BatchUpdateCrates(
        requests=[{"crate": {"name": crate}, "update_mask": FieldMask(paths=[text])}]
    ),
    "type to delete": lambda door, place, crate, text: write(door, delete=commit.Write.Delete(type=text, name=crate)),
    "type that begins well": lambda door, place, crate, text: write(door, delete=commit.Write.Delete(type=CRATE + text, name=crate)),
    "name to delete by a commit": lambda door, place, crate, text: write(
        door, delete=commit.Write.Delete(type=CRATE, name=f"{place}/crates/{text}")
    ),
    "etag to verify": lambda door, place, crate, text: write(door, verify=commit.Write.Verify(type=CRATE, name=crate, etag=text)),
    "type of a message": lambda door, place, crate, text: write(
        door, create=commit.Write.Create(resource=packed(pb.Crate(label="x"), f"type.googleapis.com/{text}"), parent=place)
    ),
    "id to create by a commit": lambda door, place, crate, text: write(
        door, create=commit.Write.Create(resource=packed(pb.Crate(label="x")), parent=place, id=text)
    ),
    "parent in a commit": lambda door, place, crate, text: write(
        door, create=commit.Write.Create(resource=packed(pb.Crate(label="x")), parent=f"depots/{text}")
    ),
    "mask in a commit": lambda door, place, crate, text: write(
        door, update=commit.Write.Update(resource=packed(pb.Crate(name=crate)), update_mask=FieldMask(paths=[text]))
    ),
}

NEW_IDS = {"ids to create", "names to update", "id to create by a commit"}
"""Where a few of the texts are ids like any other."""


def write(door: Door, **operation: Any) -> Any:
    """A commit of one write, which is never kept."""
    return door.Commit(writes=[commit.Write(**operation)], validate_only=True)


@pytest.mark.parametrize("where", PLACES)
def test_b04_names_ids_types_and_masks_of_batches_and_commits_are_looked_up_or_refused(
    depot: Service, keeper: Door, place: str, where: str
) -> None:
    crate = keeper.CreateCrate(parent=place, crate_id="here", crate=pb.Crate(label="x"))
    depot.ran.clear()
    for payload in PAYLOADS:
        try:
            PLACES[where](keeper, place, crate.name, payload)
        except Refused as refused:
            assert refused.code in REFUSALS, (payload, refused)  # noqa: PT017 - refusing is one of two right answers.
        else:
            assert where in NEW_IDS, payload
            assert re.fullmatch(DEFAULT_ID_PATTERN, payload)
    assert not [sql for sql in depot.asked() if CANARY in sql]
    assert [each.name for each in keeper.ListCrates(parent=place).crates] == [crate.name]
    assert keeper.GetCrate(name=crate.name) == crate


WRITABLE = {"label", "serial", "weight", "seal", "picture", "arrival_time", "stay", "fragile", "tags", "extra", "origin", "notes"}
"""What callers say at any time; `maker` only at first; all else the service says."""


def forged(place: str, **fields: Any) -> Any:
    """A crate with a canary in every field."""
    made = pb.Crate(
        label="canary", serial=f"canary-{place}", weight=3.5, seal=7, picture=b"canary", fragile=True, tags=["canary"], origin="depots/canary",
        maker="canary", stamp="canary", notes="canary", **fields,
    )  # fmt: skip
    for time in (made.arrival_time, made.update_time, made.stay):
        time.seconds = 1_000
    made.extra.update({"canary": "canary"})
    assert {field.name for field, _ in made.ListFields()} | {"name", "etag"} == {field.name for field in pb.Crate.DESCRIPTOR.fields}
    return made


CREATES: dict[str, Callable[[Door, str, Any], Any]] = {
    "batch": lambda door, place, crate: door.BatchCreateCrates(parent=place, requests=[{"crate": crate}]).crates[0],
    "commit": lambda door, place, crate: committed(door, create=commit.Write.Create(resource=packed(crate), parent=place)),
    "batch of updates": lambda door, place, crate: door.BatchUpdateCrates(requests=[{"crate": crate, "allow_missing": True}]).crates[0],
}
UPDATES: dict[str, Callable[[Door, Any, FieldMask], Any]] = {
    "batch": lambda door, crate, mask: door.BatchUpdateCrates(requests=[{"crate": crate, "update_mask": mask}]).crates[0],
    "commit": lambda door, crate, mask: committed(door, update=commit.Write.Update(resource=packed(crate), update_mask=mask)),
}


def committed(door: Door, **operation: Any) -> Any:
    """What a commit of one write gives."""
    (result,) = door.Commit(writes=[commit.Write(**operation)]).results
    made = pb.Crate()
    result.Unpack(made)
    return made


def judge(door: Door, stored: Any, given: Any, writable: set[str]) -> None:
    """What callers may write is there, all else is the service's own."""
    assert door.GetCrate(name=stored.name) == stored
    for field in pb.Crate.DESCRIPTOR.fields:
        same = getattr(stored, field.name) == getattr(given, field.name)
        assert same == (field.name in writable), field.name


@pytest.mark.parametrize("way", CREATES)
def test_b01_what_callers_may_not_write_is_ignored_by_batches_and_commits_that_create(keeper: Door, place: str, way: str) -> None:
    given = forged(place, name="depots/forged/crates/forged")
    if way == "batch of updates":
        given.name = f"{place}/crates/new"
    named = {"name"} if way == "batch of updates" else set[str]()
    judge(keeper, CREATES[way](keeper, place, given), given, WRITABLE | {"maker"} | named)


@pytest.mark.parametrize("paths", [(), ("*",), (*WRITABLE, "stamp", "update_time")], ids=["no mask", "star", "names"])
@pytest.mark.parametrize("way", UPDATES)
def test_b01_what_callers_may_not_write_is_ignored_by_batches_and_commits_that_update(
    keeper: Door, place: str, way: str, paths: tuple[str, ...]
) -> None:
    made = keeper.CreateCrate(parent=place, crate=pb.Crate(label="x", maker="Gouda"))
    given = forged(place, name=made.name)
    mask = FieldMask(paths=paths)
    if "maker" in paths or paths in {(), ("*",)}:
        with pytest.raises(Refused) as caught:
            UPDATES[way](keeper, given, mask)
        assert (caught.value.code, keeper.GetCrate(name=made.name)) == ("INVALID_ARGUMENT", made)
    given.maker = made.maker
    stored = UPDATES[way](keeper, given, mask)
    judge(keeper, stored, given, WRITABLE | {"maker", "name"})
    given.etag = '"forged"'
    with pytest.raises(Refused) as caught:
        UPDATES[way](keeper, given, mask)
    assert (caught.value.code, keeper.GetCrate(name=made.name)) == ("ABORTED", stored)
