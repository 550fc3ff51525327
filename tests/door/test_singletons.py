"""Singletons (AIP-156): there as long as their parent is, through a real port, on every engine."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.door.archive import Archive, code_of, pb
from tests.door.client import Door, Refused

Refuse = Callable[..., Refused]


@pytest.fixture
def region(keeper: Door, fresh_id: str) -> str:
    return str(keeper.CreateRegion(region_id=fresh_id, region=pb.Region(display_name="x")).name)


def climate(region: str, **fields: Any) -> Any:
    return pb.Climate(name=f"{region}/climate", **fields)


def test_aip_52_a_singleton_is_there_with_its_parent_and_has_its_defaults(keeper: Door, region: str, refused: Refuse) -> None:
    found = keeper.GetClimate(name=f"{region}/climate")
    assert found.etag
    assert found == climate(region, etag=found.etag)
    assert keeper.GetClimate(name=f"{region}/climate") == found
    assert refused(keeper.GetClimate, name="regions/never-was/climate").code == "NOT_FOUND"
    for name in ("regions/x/climates", f"{region}/climate/x", f"{region}/climate/", "climate", "regions/-/climate", region):
        assert refused(keeper.GetClimate, name=name).reason == "INVALID_NAME"


def test_aip_52_the_first_update_and_the_later_ones_are_read_back(keeper: Door, region: str) -> None:
    first = keeper.UpdateClimate(climate=climate(region, summary="wet", rain_days=200))
    assert (first.summary, first.rain_days) == ("wet", 200)
    assert first.create_time == first.update_time
    assert keeper.GetClimate(name=f"{region}/climate") == first
    then = keeper.UpdateClimate(climate=climate(region, summary="dry", rain_days=7), update_mask=FieldMask(paths=["summary"]))
    assert (then.summary, then.rain_days, then.create_time) == ("dry", 200, first.create_time)
    assert then.etag != first.etag
    assert keeper.UpdateClimate(climate=climate(region), update_mask=FieldMask(paths=["*"])).rain_days == 0


def test_aip_38_52_the_etag_of_the_defaults_guards_the_first_update(keeper: Door, region: str, refused: Refuse) -> None:
    unwritten = keeper.GetClimate(name=f"{region}/climate")
    assert refused(keeper.UpdateClimate, climate=climate(region, summary="x", etag='"7"')).code == "ABORTED"
    written = keeper.UpdateClimate(climate=climate(region, summary="x", etag=unwritten.etag))
    assert refused(keeper.UpdateClimate, climate=climate(region, summary="y", etag=unwritten.etag)).code == "ABORTED"
    assert keeper.UpdateClimate(climate=climate(region, summary="y", etag=written.etag)).summary == "y"


def test_aip_40_52_an_update_that_changes_nothing_leaves_it_unwritten(keeper: Door, region: str) -> None:
    unwritten = keeper.GetClimate(name=f"{region}/climate")
    assert keeper.UpdateClimate(climate=climate(region), update_mask=FieldMask(paths=["*"])) == unwritten
    assert keeper.GetClimate(name=f"{region}/climate") == unwritten


def test_aip_13_14_52_the_first_update_is_checked_rehearsed_and_repeated(keeper: Door, region: str, refused: Refuse) -> None:
    unwritten = keeper.GetClimate(name=f"{region}/climate")
    bad = refused(keeper.UpdateClimate, climate=climate(region, rain_days=-1))
    assert (bad.code, set(bad.violations)) == ("INVALID_ARGUMENT", {"climate.rain_days"})
    assert keeper.UpdateClimate(climate=climate(region, summary="x"), validate_only=True).summary == "x"
    assert keeper.GetClimate(name=f"{region}/climate") == unwritten
    once = str(uuid.uuid4())
    written = keeper.UpdateClimate(climate=climate(region, summary="x"), request_id=once)
    keeper.UpdateClimate(climate=climate(region, summary="y"))
    assert keeper.UpdateClimate(climate=climate(region, summary="x"), request_id=once) == written
    assert refused(keeper.UpdateClimate, climate=climate("regions/never-was", summary="x")).code == "NOT_FOUND"


def test_aip_42_52_a_singleton_does_not_block_its_parents_end_and_ends_with_it(keeper: Door, region: str, fresh_id: str) -> None:
    keeper.UpdateClimate(climate=climate(region, summary="wet"))
    etag = keeper.GetRegion(name=region).etag
    assert code_of(lambda: keeper.DeleteRegion(name=region, etag='"0"')) == "ABORTED"
    assert keeper.GetClimate(name=f"{region}/climate").summary == "wet"
    keeper.DeleteRegion(name=region, etag=etag)
    assert code_of(lambda: keeper.GetClimate(name=f"{region}/climate")) == "NOT_FOUND"
    keeper.CreateRegion(region_id=fresh_id, region=pb.Region(display_name="x"))
    assert keeper.GetClimate(name=f"{region}/climate").summary == "", "the next parent of that name has a new one"


def test_aip_42_52_children_block_and_keep_the_singleton_too(keeper: Door, region: str, refused: Refuse) -> None:
    keeper.UpdateClimate(climate=climate(region, summary="wet"))
    keeper.CreateTown(parent=region, town_id="t", town=pb.Town())
    assert refused(keeper.DeleteRegion, name=region).reason == "RESOURCE_HAS_CHILDREN"
    assert keeper.GetClimate(name=f"{region}/climate").summary == "wet"
    keeper.DeleteRegion(name=region, force=True)
    assert code_of(lambda: keeper.GetClimate(name=f"{region}/climate")) == "NOT_FOUND"


def test_aip_43_52_a_singleton_of_a_deleted_parent_can_be_read_and_not_written(keeper: Door, fresh_id: str, refused: Refuse) -> None:
    folder = keeper.CreateFolder(folder_id=fresh_id, folder=pb.Folder()).name
    keeper.UpdateCover(cover=pb.Cover(name=f"{folder}/cover", color="red"))
    keeper.DeleteFolder(name=folder)
    assert keeper.GetCover(name=f"{folder}/cover").color == "red"
    refusal = refused(keeper.UpdateCover, cover=pb.Cover(name=f"{folder}/cover", color="blue"))
    assert (refusal.code, refusal.metadata["name"]) == ("NOT_FOUND", folder)
    keeper.UndeleteFolder(name=folder)
    assert keeper.UpdateCover(cover=pb.Cover(name=f"{folder}/cover", color="blue")).color == "blue"


def test_of_many_first_updates_at_once_all_are_done(archive: Archive, keeper: Door, region: str) -> None:
    doors = [archive.door() for _ in range(4)]
    changes: list[tuple[dict[str, Any], str]] = [({"summary": "wet"}, "summary"), ({"rain_days": 3}, "rain_days")] * 2
    with ThreadPoolExecutor(4) as pool:
        running = [
            pool.submit(code_of, partial(door.UpdateClimate, climate=climate(region, **fields), update_mask=FieldMask(paths=[path])))
            for door, (fields, path) in zip(doors, changes, strict=True)
        ]
        assert [one.result() for one in running] == ["OK"] * 4
    for door in doors:
        door.close()
    found = keeper.GetClimate(name=f"{region}/climate")
    assert (found.summary, found.rain_days) == ("wet", 3)


def test_a_region_and_its_singleton_ending_at_once_leave_nothing(archive: Archive, keeper: Door, fresh_id: str) -> None:
    other = archive.door()
    for n in range(8):
        name = str(keeper.CreateRegion(region_id=f"{fresh_id}-{n}", region=pb.Region(display_name="x")).name)
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(code_of, partial(other.UpdateClimate, climate=climate(name, summary="x")))
            deleted = code_of(partial(keeper.DeleteRegion, name=name))
            assert writing.result() in {"OK", "NOT_FOUND"}
        assert deleted in {"OK", "ABORTED"}
        if deleted == "OK":
            assert code_of(partial(keeper.GetClimate, name=f"{name}/climate")) == "NOT_FOUND"
    other.close()


def test_aip_51_52_a_mask_reads_the_defaults_too(keeper: Door, region: str) -> None:
    name = f"{region}/climate"
    assert keeper.GetClimate(name=name, metadata=(("x-goog-fieldmask", "name,rain_days"),)) == pb.Climate(name=name)
    keeper.UpdateClimate(climate=climate(region, summary="wet", rain_days=3))
    assert keeper.GetClimate(name=name, metadata=(("x-goog-fieldmask", "rain_days"),)) == pb.Climate(rain_days=3)
    assert code_of(lambda: keeper.GetClimate(name="regions/never-was/climate", metadata=(("x-goog-fieldmask", "name"),))) == "NOT_FOUND"
