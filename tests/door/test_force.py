"""Deleting what has children: refused, or with all that stands below (AIP-135), through a real port, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from tests.door.archive import pb
from tests.door.client import Door, Refused, code_of
from tests.door.recording import recorded
from tests.door.service import Service

Refuse = Callable[..., Refused]


@pytest.fixture
def region(archivist: Door, fresh_id: str) -> str:
    """A region with two towns of two streets each, and a neighbour whose id begins with the same letters."""
    for end in ("", "-b"):
        name = archivist.CreateRegion(region_id=f"{fresh_id}{end}", region=pb.Region(display_name="x")).name
        for town in ("t1", "t2"):
            archivist.CreateTown(parent=name, town_id=town, town=pb.Town())
            for street in ("s1", "s2"):
                archivist.CreateStreet(parent=f"{name}/towns/{town}", street_id=street, street=pb.Street())
    return f"regions/{fresh_id}"


def is_there(get: Callable[..., Any], name: str) -> bool:
    code = code_of(lambda: get(name=name))
    assert code in {"OK", "NOT_FOUND"}
    return code == "OK"


def everything(archivist: Door, region: str) -> list[bool]:
    """Which of the region, its towns and streets are there."""
    towns = [f"{region}/towns/{town}" for town in ("t1", "t2")]
    streets = [f"{town}/streets/{street}" for town in towns for street in ("s1", "s2")]
    found = [is_there(archivist.GetRegion, region), *(is_there(archivist.GetTown, town) for town in towns)]
    return [*found, *(is_there(archivist.GetStreet, street) for street in streets)]


def test_aip_42_a_parent_with_children_is_not_deleted_without_force(archivist: Door, region: str, refused: Refuse) -> None:
    for call in (lambda: archivist.DeleteRegion(name=region), lambda: archivist.DeleteTown(name=f"{region}/towns/t1")):
        refusal = refused(call)
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "RESOURCE_HAS_CHILDREN")
    assert all(everything(archivist, region))


def test_aip_42_force_deletes_all_that_is_below_and_nothing_beside(archivist: Door, region: str) -> None:
    archivist.DeleteTown(name=f"{region}/towns/t1", force=True)
    assert everything(archivist, region) == [True, False, True, False, False, True, True]
    archivist.DeleteRegion(name=region, force=True)
    assert not any(everything(archivist, region))
    assert all(everything(archivist, f"{region}-b"))


def test_aip_42_force_on_what_has_no_children_is_a_delete(archivist: Door, fresh_id: str, refused: Refuse) -> None:
    name = archivist.CreateRegion(region_id=fresh_id, region=pb.Region(display_name="x")).name
    archivist.DeleteRegion(name=name, force=True)
    assert refused(archivist.DeleteRegion, name=name, force=True).code == "NOT_FOUND"
    archivist.DeleteRegion(name=name, force=True, allow_missing=True)


def test_aip_41_42_with_force_the_etag_is_honoured_and_a_rehearsal_keeps_everything(archivist: Door, region: str, refused: Refuse) -> None:
    assert refused(archivist.DeleteRegion, name=region, force=True, etag='"0"').code == "ABORTED"
    archivist.DeleteRegion(name=region, force=True, validate_only=True)
    assert all(everything(archivist, region))
    archivist.DeleteRegion(name=region, force=True, etag=archivist.GetRegion(name=region).etag)
    assert not any(everything(archivist, region))


def test_force_takes_as_many_statements_for_many_children_as_for_few(archivist: Door, fresh_id: str) -> None:
    counts = []
    for number, children in (("a", 1), ("b", 200)):
        name = archivist.CreateRegion(region_id=f"{fresh_id}{number}", region=pb.Region(display_name="x")).name
        request = pb.BatchCreateTownsRequest(parent=name)
        for n in range(children):
            request.requests.add(town_id=f"t{n}").town.population = n
        archivist.BatchCreateTowns(request)
        with recorded() as ran:
            archivist.DeleteRegion(name=name, force=True)
        counts.append(len(ran))
    assert counts[0] == counts[1]


def test_children_made_meanwhile_are_deleted_too_or_find_no_parent(archive: Service, archivist: Door, fresh_id: str) -> None:
    doors = [archive.door() for _ in range(3)]
    for attempt in range(8):
        name = archivist.CreateRegion(region_id=f"{fresh_id}-{attempt}", region=pb.Region(display_name="x")).name
        town = archivist.CreateTown(parent=name, town_id="t", town=pb.Town()).name
        with ThreadPoolExecutor(3) as pool:
            making = [
                pool.submit(code_of, partial(door.CreateStreet, parent=town, street_id=f"s{n}", street=pb.Street()))
                for n, door in enumerate(doors)
            ]
            deleted = code_of(partial(archivist.DeleteRegion, name=name, force=True))
            assert {one.result() for one in making} <= {"OK", "NOT_FOUND"}
        assert deleted in {"OK", "ABORTED"}
        if deleted == "ABORTED":
            archivist.DeleteRegion(name=name, force=True)
        assert not is_there(archivist.GetTown, town)
    for door in doors:
        door.close()


@pytest.fixture
def folder(archivist: Door, fresh_id: str) -> str:
    """A folder with two notes, one with a line, and one note that is deleted already."""
    name = str(archivist.CreateFolder(folder_id=fresh_id, folder=pb.Folder()).name)
    for note in ("n1", "n2", "gone"):
        archivist.CreateNote(parent=name, note_id=note, note=pb.Note())
    archivist.CreateLine(parent=f"{name}/notes/n1", line_id="l", line=pb.Line(text="x"))
    archivist.DeleteNote(name=f"{name}/notes/gone")
    return name


def test_aip_42_43_force_deletes_softly_what_can_be_and_keeps_the_rest_until_the_purge(
    archivist: Door, folder: str, refused: Refuse
) -> None:
    assert refused(archivist.DeleteFolder, name=folder).reason == "RESOURCE_HAS_CHILDREN"
    before = archivist.GetNote(name=f"{folder}/notes/n1")
    gone = archivist.GetNote(name=f"{folder}/notes/gone")
    deleted = archivist.DeleteFolder(name=folder, force=True)
    after = archivist.GetNote(name=f"{folder}/notes/n1")
    assert after.delete_time == deleted.delete_time
    assert after.etag != before.etag
    assert archivist.GetNote(name=f"{folder}/notes/gone") == gone, "what was deleted before stays as it was"
    assert archivist.GetLine(name=f"{folder}/notes/n1/lines/l").text == "x"
    archivist.UndeleteFolder(name=folder)
    assert not archivist.ListNotes(parent=folder).notes, "the children are had back one by one"
    assert archivist.UndeleteNote(name=f"{folder}/notes/n1").name == f"{folder}/notes/n1"
    assert len(archivist.ListNotes(parent=folder).notes) == 1


def test_aip_42_43_children_that_are_deleted_do_not_block_a_soft_delete(archivist: Door, folder: str) -> None:
    for note in ("n1", "n2"):
        archivist.DeleteNote(name=f"{folder}/notes/{note}", force=True)
    assert archivist.DeleteFolder(name=folder).HasField("delete_time")
