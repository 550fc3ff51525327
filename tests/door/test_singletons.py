"""Singletons (AIP-156): there as long as their parent is, through a real port, on every engine."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.door.archive import pb
from tests.door.client import Door, Refused, code_of
from tests.door.recording import recorded
from tests.door.service import Service

Refuse = Callable[..., Refused]


@pytest.fixture
def region(archivist: Door, fresh_id: str) -> str:
    return str(archivist.CreateRegion(region_id=fresh_id, region=pb.Region(display_name="x")).name)


def climate(region: str, **fields: Any) -> Any:
    return pb.Climate(name=f"{region}/climate", **fields)


def test_aip_52_a_singleton_is_there_with_its_parent_and_has_its_defaults(archivist: Door, region: str, refused: Refuse) -> None:
    found = archivist.GetClimate(name=f"{region}/climate")
    assert found.etag
    assert found == climate(region, etag=found.etag)
    assert archivist.GetClimate(name=f"{region}/climate") == found
    assert refused(archivist.GetClimate, name="regions/never-was/climate").code == "NOT_FOUND"
    for name in ("regions/x/climates", f"{region}/climate/x", f"{region}/climate/", "climate", "regions/-/climate", region):
        assert refused(archivist.GetClimate, name=name).reason == "INVALID_NAME"


def test_aip_52_the_first_update_and_the_later_ones_are_read_back(archivist: Door, region: str) -> None:
    first = archivist.UpdateClimate(climate=climate(region, summary="wet", rain_days=200))
    assert (first.summary, first.rain_days) == ("wet", 200)
    assert first.create_time == first.update_time
    assert archivist.GetClimate(name=f"{region}/climate") == first
    then = archivist.UpdateClimate(climate=climate(region, summary="dry", rain_days=7), update_mask=FieldMask(paths=["summary"]))
    assert (then.summary, then.rain_days, then.create_time) == ("dry", 200, first.create_time)
    assert then.etag != first.etag
    assert archivist.UpdateClimate(climate=climate(region), update_mask=FieldMask(paths=["*"])).rain_days == 0


def test_aip_38_52_the_etag_of_the_defaults_guards_the_first_update(archivist: Door, region: str, refused: Refuse) -> None:
    unwritten = archivist.GetClimate(name=f"{region}/climate")
    assert refused(archivist.UpdateClimate, climate=climate(region, summary="x", etag='"7"')).code == "ABORTED"
    written = archivist.UpdateClimate(climate=climate(region, summary="x", etag=unwritten.etag))
    assert refused(archivist.UpdateClimate, climate=climate(region, summary="y", etag=unwritten.etag)).code == "ABORTED"
    assert archivist.UpdateClimate(climate=climate(region, summary="y", etag=written.etag)).summary == "y"


def test_aip_40_52_an_update_that_changes_nothing_leaves_it_unwritten(archivist: Door, region: str) -> None:
    unwritten = archivist.GetClimate(name=f"{region}/climate")
    assert archivist.UpdateClimate(climate=climate(region), update_mask=FieldMask(paths=["*"])) == unwritten
    assert archivist.GetClimate(name=f"{region}/climate") == unwritten


def test_aip_13_14_52_the_first_update_is_checked_rehearsed_and_repeated(archivist: Door, region: str, refused: Refuse) -> None:
    unwritten = archivist.GetClimate(name=f"{region}/climate")
    bad = refused(archivist.UpdateClimate, climate=climate(region, rain_days=-1))
    assert (bad.code, set(bad.violations)) == ("INVALID_ARGUMENT", {"climate.rain_days"})
    assert archivist.UpdateClimate(climate=climate(region, summary="x"), validate_only=True).summary == "x"
    assert archivist.GetClimate(name=f"{region}/climate") == unwritten
    once = str(uuid.uuid4())
    written = archivist.UpdateClimate(climate=climate(region, summary="x"), request_id=once)
    archivist.UpdateClimate(climate=climate(region, summary="y"))
    assert archivist.UpdateClimate(climate=climate(region, summary="x"), request_id=once) == written
    assert refused(archivist.UpdateClimate, climate=climate("regions/never-was", summary="x")).code == "NOT_FOUND"


def test_aip_42_52_a_singleton_does_not_block_its_parents_end_and_ends_with_it(archivist: Door, region: str, fresh_id: str) -> None:
    archivist.UpdateClimate(climate=climate(region, summary="wet"))
    etag = archivist.GetRegion(name=region).etag
    assert code_of(lambda: archivist.DeleteRegion(name=region, etag='"0"')) == "ABORTED"
    assert archivist.GetClimate(name=f"{region}/climate").summary == "wet"
    archivist.DeleteRegion(name=region, etag=etag)
    assert code_of(lambda: archivist.GetClimate(name=f"{region}/climate")) == "NOT_FOUND"
    archivist.CreateRegion(region_id=fresh_id, region=pb.Region(display_name="x"))
    assert archivist.GetClimate(name=f"{region}/climate").summary == "", "the next parent of that name has a new one"


def test_aip_42_52_children_block_and_keep_the_singleton_too(archivist: Door, region: str, refused: Refuse) -> None:
    archivist.UpdateClimate(climate=climate(region, summary="wet"))
    archivist.CreateTown(parent=region, town_id="t", town=pb.Town())
    assert refused(archivist.DeleteRegion, name=region).reason == "RESOURCE_HAS_CHILDREN"
    assert archivist.GetClimate(name=f"{region}/climate").summary == "wet"
    archivist.DeleteRegion(name=region, force=True)
    assert code_of(lambda: archivist.GetClimate(name=f"{region}/climate")) == "NOT_FOUND"


def test_aip_43_52_a_singleton_of_a_deleted_parent_can_be_read_and_not_written(archivist: Door, fresh_id: str, refused: Refuse) -> None:
    folder = archivist.CreateFolder(folder_id=fresh_id, folder=pb.Folder()).name
    archivist.UpdateCover(cover=pb.Cover(name=f"{folder}/cover", color="red"))
    archivist.DeleteFolder(name=folder)
    assert archivist.GetCover(name=f"{folder}/cover").color == "red"
    refusal = refused(archivist.UpdateCover, cover=pb.Cover(name=f"{folder}/cover", color="blue"))
    assert (refusal.code, refusal.metadata["name"]) == ("NOT_FOUND", folder)
    archivist.UndeleteFolder(name=folder)
    assert archivist.UpdateCover(cover=pb.Cover(name=f"{folder}/cover", color="blue")).color == "blue"


def test_of_many_first_updates_at_once_all_are_done(archive: Service, archivist: Door, region: str) -> None:
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
    found = archivist.GetClimate(name=f"{region}/climate")
    assert (found.summary, found.rain_days) == ("wet", 3)


def test_a_region_and_its_singleton_ending_at_once_leave_nothing(archive: Service, archivist: Door, fresh_id: str) -> None:
    other = archive.door()
    for n in range(8):
        name = str(archivist.CreateRegion(region_id=f"{fresh_id}-{n}", region=pb.Region(display_name="x")).name)
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(code_of, partial(other.UpdateClimate, climate=climate(name, summary="x")))
            deleted = code_of(partial(archivist.DeleteRegion, name=name))
            assert writing.result() in {"OK", "NOT_FOUND"}
        assert deleted in {"OK", "ABORTED"}
        if deleted == "OK":
            assert code_of(partial(archivist.GetClimate, name=f"{name}/climate")) == "NOT_FOUND"
    other.close()


def test_aip_51_52_a_mask_reads_the_defaults_too(archivist: Door, region: str) -> None:
    name = f"{region}/climate"
    assert archivist.GetClimate(name=name, metadata=(("x-goog-fieldmask", "name,rain_days"),)) == pb.Climate(name=name)
    archivist.UpdateClimate(climate=climate(region, summary="wet", rain_days=3))
    assert archivist.GetClimate(name=name, metadata=(("x-goog-fieldmask", "rain_days"),)) == pb.Climate(rain_days=3)
    assert code_of(lambda: archivist.GetClimate(name="regions/never-was/climate", metadata=(("x-goog-fieldmask", "name"),))) == "NOT_FOUND"


def test_aip_52_59_an_expansion_of_one_that_was_never_written_is_its_defaults(archivist: Door, fresh_id: str) -> None:
    regions = [archivist.CreateRegion(region_id=f"{fresh_id}-{n}", region=pb.Region(display_name="x")).name for n in range(3)]
    archivist.UpdateClimate(climate=pb.Climate(name=f"{regions[0]}/climate", summary="wet"))
    named = [*(f"{region}/climate" for region in regions), "regions/never-was/climate", ""]
    for n, climate in enumerate(named):
        archivist.CreateTown(parent=regions[0], town_id=f"t{n}", town=pb.Town(climate=climate))
    mask = (("x-goog-fieldmask", "towns.name,towns.expanded_climate"),)
    with recorded() as ran:
        towns = archivist.ListTowns(parent=regions[0], metadata=mask).towns
    assert [town.expanded_climate for town in towns[:3]] == [archivist.GetClimate(name=name) for name in named[:3]]
    assert [town.HasField("expanded_climate") for town in towns] == [True, True, True, False, False]
    assert len(ran) == 3, "the page, those that were written, the parents of the others"
    one = archivist.GetTown(name=towns[1].name, metadata=(("x-goog-fieldmask", "expanded_climate.name"),))
    assert one == pb.Town(expanded_climate=pb.Climate(name=named[1]))
