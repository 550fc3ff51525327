"""What is deleted and kept is had back in a commit, as by its own method; through a real port, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.door.archive import pb
from tests.door.changes import entries
from tests.door.client import Door, Refused
from tests.door.service import Service

Refuse = Callable[..., Refused]
FOLDER, NOTE, TICKET = (f"archive.example.com/{kind}" for kind in ("Folder", "Note", "Ticket"))


def undelete(kind: str, name: str, etag: str = "") -> dict[str, Any]:
    return {"undelete": {"type": kind, "name": name, "etag": etag}}


@pytest.fixture
def deleted(archivist: Door, fresh_id: str) -> tuple[Any, Any]:
    """A folder and a note in it, both deleted."""
    folder = archivist.CreateFolder(folder_id=fresh_id, folder=pb.Folder()).name
    note = archivist.CreateNote(parent=folder, note_id="n", note=pb.Note(rank=1)).name
    gone = archivist.DeleteFolder(name=folder, force=True)
    return gone, archivist.GetNote(name=note)


def test_aip_43_58_a_parent_and_its_child_are_had_back_together(archive: Service, archivist: Door, deleted: tuple[Any, Any]) -> None:
    folder, note = deleted
    results = archivist.Commit(writes=[undelete(FOLDER, folder.name, folder.etag), undelete(NOTE, note.name)]).results
    back = [pb.Folder.FromString(results[0].value), pb.Note.FromString(results[1].value)]
    assert back == [archivist.GetFolder(name=folder.name), archivist.GetNote(name=note.name)]
    assert not any(one.HasField("delete_time") for one in back)
    told = [entry for entry in entries(archive.database, folder.name) if entry.kind == "UNDELETED"]
    assert [entry.name for entry in told] == [folder.name, note.name]
    assert len({entry.transaction_id for entry in told}) == 1


def test_aip_43_58_one_that_cannot_be_had_back_undoes_the_commit(archivist: Door, deleted: tuple[Any, Any], refused: Refuse) -> None:
    folder, note = deleted
    first = undelete(FOLDER, folder.name)
    stale = refused(archivist.Commit, writes=[first, undelete(NOTE, note.name, '"stale"')])
    assert (stale.code, stale.metadata["name"]) == ("ABORTED", note.name)
    missing = refused(archivist.Commit, writes=[undelete(NOTE, note.name), first])
    assert (missing.code, missing.metadata["name"]) == ("NOT_FOUND", folder.name), "its parent is deleted, still"
    twice = refused(archivist.Commit, writes=[first, first])
    assert (twice.code, twice.reason) == ("ALREADY_EXISTS", "RESOURCE_NOT_DELETED")
    assert archivist.GetFolder(name=folder.name) == folder


def test_aip_58_what_cannot_be_undeleted_by_a_method_cannot_be_by_a_commit(archive: Service, archivist: Door, refused: Refuse) -> None:
    ticket = archivist.CreateTicket(ticket=pb.Ticket(subject="x")).name
    unknown = refused(archivist.Commit, writes=[undelete(TICKET, ticket)])
    assert (unknown.code, list(unknown.violations)) == ("INVALID_ARGUMENT", ["writes[0].undelete.type"])
    nobody = archive.door("nobody")
    assert refused(nobody.Commit, writes=[undelete(FOLDER, "folders/never-was")]).code == "PERMISSION_DENIED"
    nobody.close()


def test_aip_13_58_a_rehearsed_undelete_changes_nothing(archivist: Door, deleted: tuple[Any, Any]) -> None:
    folder, _ = deleted
    rehearsed = archivist.Commit(writes=[undelete(FOLDER, folder.name)], validate_only=True).results[0]
    assert not pb.Folder.FromString(rehearsed.value).HasField("delete_time")
    assert archivist.GetFolder(name=folder.name) == folder
