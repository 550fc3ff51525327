"""Resources that are kept for a while when they are deleted (AIP-164), through a real port, on every engine."""

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
WEEK_SECONDS = 7 * 24 * 3_600


@pytest.fixture
def folder(archivist: Door, fresh_id: str) -> Any:
    """A folder that no other test knows."""
    return archivist.CreateFolder(folder_id=fresh_id, folder=pb.Folder(code=f"c-{fresh_id}"))


def note(archivist: Door, parent: Any, note_id: str, **fields: Any) -> Any:
    return archivist.CreateNote(parent=parent.name, note_id=note_id, note=pb.Note(**fields))


def names(listed: Any) -> list[str]:
    return [one.name.rpartition("/")[2] for one in listed]


def test_aip_43_a_delete_gives_the_resource_with_its_times_and_a_new_etag(archivist: Door, folder: Any) -> None:
    assert not folder.HasField("delete_time")
    deleted = archivist.DeleteFolder(name=folder.name)
    assert deleted.name == folder.name
    assert deleted.code == folder.code
    assert deleted.etag != folder.etag
    assert deleted.delete_time.ToMicroseconds() >= folder.create_time.ToMicroseconds()
    assert deleted.purge_time.seconds - deleted.delete_time.seconds == WEEK_SECONDS
    assert deleted.update_time == deleted.delete_time, "a delete is a change by a user (AIP-148)"
    assert archivist.GetFolder(name=folder.name) == deleted


def test_aip_43_what_is_deleted_is_not_found_by_delete_unless_missing_is_allowed(archivist: Door, folder: Any, refused: Refuse) -> None:
    deleted = archivist.DeleteFolder(name=folder.name)
    again = refused(archivist.DeleteFolder, name=folder.name)
    assert (again.code, again.reason) == ("NOT_FOUND", "RESOURCE_NOT_FOUND")
    assert archivist.DeleteFolder(name=folder.name, allow_missing=True, etag='"old"') == deleted, (
        "nothing is done, the etag is not asked for"
    )
    assert refused(archivist.DeleteFolder, name="folders/never-was").code == "NOT_FOUND"
    assert archivist.DeleteFolder(name="folders/never-was", allow_missing=True) == pb.Folder()


def test_aip_43_an_etag_is_honoured_by_delete_and_undelete(archivist: Door, folder: Any, refused: Refuse) -> None:
    assert refused(archivist.DeleteFolder, name=folder.name, etag='"0"').code == "ABORTED"
    deleted = archivist.DeleteFolder(name=folder.name, etag=folder.etag)
    assert refused(archivist.UndeleteFolder, name=folder.name, etag=folder.etag).code == "ABORTED"
    back = archivist.UndeleteFolder(name=folder.name, etag=deleted.etag)
    assert back.etag not in {folder.etag, deleted.etag}


def test_aip_43_undelete_gives_back_a_live_resource_and_refuses_one_that_is_live(archivist: Door, folder: Any, refused: Refuse) -> None:
    live = refused(archivist.UndeleteFolder, name=folder.name)
    assert (live.code, live.reason) == ("ALREADY_EXISTS", "RESOURCE_NOT_DELETED")
    assert refused(archivist.UndeleteFolder, name="folders/never-was").code == "NOT_FOUND"
    deleted = archivist.DeleteFolder(name=folder.name)
    back = archivist.UndeleteFolder(name=folder.name)
    assert not back.HasField("delete_time")
    assert not back.HasField("purge_time")
    assert (back.code, back.create_time) == (folder.code, folder.create_time)
    assert back.update_time.ToMicroseconds() >= deleted.update_time.ToMicroseconds()
    assert archivist.GetFolder(name=folder.name) == back
    assert archivist.DeleteFolder(name=folder.name).HasField("delete_time"), "and it can be deleted again"


def test_aip_43_an_id_and_unique_values_are_taken_until_the_purge(archivist: Door, folder: Any, fresh_id: str, refused: Refuse) -> None:
    archivist.DeleteFolder(name=folder.name)
    assert refused(archivist.CreateFolder, folder_id=fresh_id, folder=pb.Folder()).code == "ALREADY_EXISTS"
    clash = refused(archivist.CreateFolder, folder_id=f"{fresh_id}-b", folder=pb.Folder(code=folder.code))
    assert (clash.code, set(clash.violations)) == ("ALREADY_EXISTS", {"folder.code"})


def test_aip_18_get_gives_a_deleted_resource(archivist: Door, folder: Any) -> None:
    deleted = archivist.DeleteFolder(name=folder.name)
    assert archivist.GetFolder(name=folder.name) == deleted


def test_aip_43_a_deleted_resource_is_not_found_by_update(archivist: Door, folder: Any, refused: Refuse) -> None:
    deleted = archivist.DeleteFolder(name=folder.name)
    change = pb.Folder(name=folder.name, code="other")
    assert refused(archivist.UpdateFolder, folder=change).code == "NOT_FOUND"
    assert refused(archivist.UpdateFolder, folder=change, allow_missing=True).code == "NOT_FOUND"
    assert archivist.GetFolder(name=folder.name) == deleted


def test_aip_43_delete_time_cannot_be_written_by_an_update(archivist: Door, folder: Any) -> None:
    given = pb.Folder(name=folder.name)
    given.delete_time.seconds = 1
    given.purge_time.seconds = 1
    assert archivist.UpdateFolder(folder=given, update_mask=FieldMask(paths=["delete_time", "purge_time"])) == folder


def test_aip_26_a_list_hides_what_is_deleted_unless_it_is_asked_for(archivist: Door, folder: Any) -> None:
    for n in range(6):
        note(archivist, folder, f"n{n}", rank=n)
    for n in (0, 3, 4):
        archivist.DeleteNote(name=f"{folder.name}/notes/n{n}")
    hidden = archivist.ListNotes(parent=folder.name)
    assert names(hidden.notes) == ["n1", "n2", "n5"]
    assert hidden.total_size == 3
    shown = archivist.ListNotes(parent=folder.name, show_deleted=True, order_by="rank desc")
    assert names(shown.notes) == ["n5", "n4", "n3", "n2", "n1", "n0"]
    assert shown.total_size == 6
    assert [one.HasField("delete_time") for one in shown.notes] == [False, True, True, False, False, True]
    assert names(archivist.ListNotes(parent=folder.name, show_deleted=True, filter="delete_time:*").notes) == ["n0", "n3", "n4"]
    assert not archivist.ListNotes(parent=folder.name, filter="delete_time:*").notes, "a filter alone shows nothing that is hidden"


@pytest.mark.parametrize("order_by", ["", "rank", "rank desc", "name desc", "delete_time, rank"])
@pytest.mark.parametrize("show_deleted", [False, True])
def test_aip_26_pages_hold_each_row_once_in_order_with_and_without_deleted_ones(
    archivist: Door, folder: Any, order_by: str, show_deleted: bool
) -> None:
    request = pb.BatchCreateNotesRequest(parent=folder.name)
    for n in range(40):
        request.requests.add(note_id=f"n{n:02}").note.rank = n * 7 % 10
    archivist.BatchCreateNotes(request)
    for n in range(0, 40, 3):
        archivist.DeleteNote(name=f"{folder.name}/notes/n{n:02}")
    arguments = {"parent": folder.name, "order_by": order_by, "show_deleted": show_deleted}
    whole = names(archivist.ListNotes(page_size=1_000, **arguments).notes)
    assert len(whole) == (40 if show_deleted else 26)
    found, token = list[str](), ""
    while True:
        page = archivist.ListNotes(page_size=7, page_token=token, **arguments)
        found += names(page.notes)
        token = page.next_page_token
        if not token:
            break
    assert found == whole


def test_aip_26_a_page_token_is_bound_to_show_deleted(archivist: Door, folder: Any, refused: Refuse) -> None:
    for n in range(3):
        note(archivist, folder, f"n{n}")
    for first in (False, True):
        token = archivist.ListNotes(parent=folder.name, page_size=1, show_deleted=first).next_page_token
        other = refused(archivist.ListNotes, parent=folder.name, page_token=token, show_deleted=not first)
        assert other.reason == "INVALID_PAGE_TOKEN"
        assert archivist.ListNotes(parent=folder.name, page_token=token, show_deleted=first).notes


def test_aip_43_children_of_a_deleted_parent_are_reached_and_none_are_made_or_had_back(
    archivist: Door, folder: Any, refused: Refuse
) -> None:
    kept = note(archivist, folder, "kept")
    gone = archivist.DeleteNote(name=note(archivist, folder, "gone").name)
    archivist.DeleteNote(name=kept.name)
    archivist.DeleteFolder(name=folder.name)
    assert names(archivist.ListNotes(parent=folder.name, show_deleted=True).notes) == ["gone", "kept"]
    below = refused(archivist.CreateNote, parent=folder.name, note_id="new", note=pb.Note())
    assert (below.code, below.metadata["name"]) == ("NOT_FOUND", folder.name)
    request = pb.BatchCreateNotesRequest(requests=[pb.CreateNoteRequest(parent=folder.name, note_id="new", note=pb.Note())])
    assert refused(archivist.BatchCreateNotes, request).code == "NOT_FOUND"
    back = refused(archivist.UndeleteNote, name=gone.name)
    assert (back.code, back.metadata["name"]) == ("NOT_FOUND", folder.name)
    archivist.UndeleteFolder(name=folder.name)
    assert archivist.UndeleteNote(name=gone.name).name == gone.name


def test_aip_13_14_43_delete_and_undelete_rehearse_and_repeat(archivist: Door, folder: Any, refused: Refuse) -> None:
    assert archivist.DeleteFolder(name=folder.name, validate_only=True).HasField("delete_time")
    assert archivist.GetFolder(name=folder.name) == folder
    once = str(uuid.uuid4())
    deleted = archivist.DeleteFolder(name=folder.name, request_id=once)
    assert archivist.DeleteFolder(name=folder.name, request_id=once) == deleted
    assert not archivist.UndeleteFolder(name=folder.name, validate_only=True).HasField("delete_time")
    assert archivist.GetFolder(name=folder.name) == deleted
    once = str(uuid.uuid4())
    back = archivist.UndeleteFolder(name=folder.name, request_id=once)
    assert archivist.UndeleteFolder(name=folder.name, request_id=once) == back
    assert refused(archivist.UndeleteFolder, name=folder.name).code == "ALREADY_EXISTS"


def test_aip_5_43_undelete_asks_for_its_permission_first(archive: Service, refused: Refuse) -> None:
    nobody = archive.door("nobody")
    for name in ("folders/never-was", "no name"):
        assert refused(nobody.UndeleteFolder, name=name).code == "PERMISSION_DENIED"
    nobody.close()


def test_of_many_deletes_at_once_one_is_done(archive: Service, folder: Any) -> None:
    doors = [archive.door() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        codes = sorted(pool.map(lambda door: code_of(lambda: door.DeleteFolder(name=folder.name)), doors))
    for door in doors:
        door.close()
    assert codes == ["NOT_FOUND"] * 3 + ["OK"]


def test_no_child_slips_below_a_parent_that_is_being_deleted(archive: Service, archivist: Door, folder: Any) -> None:
    other = archive.door()
    for n in range(10):
        made_name = f"{folder.name}/notes/n{n}"
        with ThreadPoolExecutor(1) as pool:
            making = pool.submit(code_of, partial(note, other, folder, f"n{n}"))
            deleted = code_of(lambda: archivist.DeleteFolder(name=folder.name))
            made = making.result()
        assert (made, deleted) in {("OK", "FAILED_PRECONDITION"), ("NOT_FOUND", "OK")}, "either was first"
        if made == "OK":
            archivist.DeleteNote(name=made_name)
        else:
            archivist.UndeleteFolder(name=folder.name)
    other.close()


def test_a_get_and_a_delete_that_keeps_nothing_take_the_statements_they_took(archivist: Door, fresh_id: str) -> None:
    name = archivist.CreateRegion(region_id=fresh_id, region=pb.Region(display_name="x")).name
    town = archivist.CreateTown(parent=name, town_id="t", town=pb.Town()).name
    street = archivist.CreateStreet(parent=town, street_id="s", street=pb.Street()).name
    with recorded() as ran:
        archivist.GetStreet(name=street)
        archivist.DeleteStreet(name=street)
    assert [sql.split()[0] for sql, _ in ran] == ["SELECT", "DELETE"]
