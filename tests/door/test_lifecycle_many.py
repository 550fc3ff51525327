"""A batch of deletes is few statements, however many rows it is about: kept ones, parents with singletons, and by force; on every engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.door.archive import pb
from tests.door.changes import entries
from tests.door.client import Door, Refused
from tests.door.recording import Ran, recorded
from tests.door.service import Service
from tests.door.test_batches_locks import plan
from tests.engines.server import Server

Refuse = Callable[..., Refused]
MANY = 1_000


def made(archivist: Door, fresh_id: str, count: int) -> tuple[str, list[Any]]:
    """A folder, and so many notes in it."""
    folder = str(archivist.CreateFolder(folder_id=fresh_id, folder=pb.Folder()).name)
    request = pb.BatchCreateNotesRequest(parent=folder)
    for n in range(count):
        request.requests.add(note_id=f"n{n:04}").note.rank = n
    return folder, list(archivist.BatchCreateNotes(request).notes)


def deletes(names: Sequence[str], **fields: Any) -> Any:
    return pb.BatchDeleteNotesRequest(requests=[pb.DeleteNoteRequest(name=name, **fields) for name in names])


def of_rows(ran: Ran) -> list[str]:
    """The statements on resources, and on the change log; not those about savepoints and repeated calls."""
    return [sql for sql, _ in ran if re.match(r"(SELECT|INSERT|UPDATE|DELETE)", sql)]


def told(archive: Service, name: str) -> int:
    """How many deletes the log tells of, of a resource and all below it."""
    return sum(entry.kind == "DELETED" for entry in entries(archive.database, name))


def test_aip_43_47_a_thousand_deletes_of_what_is_kept_are_six_statements(archive: Service, archivist: Door, fresh_id: str) -> None:
    folder, notes = made(archivist, fresh_id, MANY)
    names = [note.name for note in reversed(notes)]
    with recorded() as ran:
        deleted = archivist.BatchDeleteNotes(deletes(names)).notes
    assert [note.name for note in deleted] == names
    assert len({(note.etag, note.rank) for note in deleted}) == MANY
    assert len({note.delete_time.ToMicroseconds() for note in deleted}) == 1
    statements = of_rows(ran)
    assert len(statements) <= 6, statements  # Locked, looked below, marked, logged.
    assert archivist.BatchGetNotes(names=names).notes == deleted, "what was answered is what is stored"
    assert not archivist.ListNotes(parent=folder).notes
    assert told(archive, folder) == MANY


def test_aip_42_47_deletes_by_force_are_few_statements_and_leave_nothing(archivist: Door, fresh_id: str) -> None:
    folder, notes = made(archivist, fresh_id, 40)
    for note in notes[::4]:
        archivist.CreateLine(parent=note.name, line_id="l", line=pb.Line())
    with recorded() as ran:
        archivist.BatchDeleteNotes(deletes([note.name for note in notes], force=True))
    assert len(of_rows(ran)) <= 6
    assert archivist.GetLine(name=f"{notes[0].name}/lines/l"), "what cannot be kept stays until its parent is gone for good"
    with recorded() as ran:
        archivist.BatchDeleteFolders(pb.BatchDeleteFoldersRequest(requests=[pb.DeleteFolderRequest(name=folder, force=True)]))
    assert len(of_rows(ran)) <= 12


@pytest.fixture
def towns(archivist: Door, fresh_id: str) -> list[str]:
    """Towns, of which every third has streets."""
    region = archivist.CreateRegion(region_id=fresh_id, region=pb.Region(display_name="x")).name
    request = pb.BatchCreateTownsRequest(parent=region)
    for n in range(90):
        request.requests.add(town_id=f"t{n:02}").town.population = n
    names = [str(town.name) for town in archivist.BatchCreateTowns(request).towns]
    for name in names[::3]:
        streets = pb.BatchCreateStreetsRequest(parent=name)
        for n in range(7):
            streets.requests.add(street_id=f"s{n}").street.length_meters = n
        archivist.BatchCreateStreets(streets)
    return names


def test_aip_42_47_one_that_has_children_keeps_all_and_is_named(archivist: Door, towns: list[str], refused: Refuse) -> None:
    request = pb.BatchDeleteTownsRequest(requests=[pb.DeleteTownRequest(name=name, force=n != 60) for n, name in enumerate(towns)])
    refusal = refused(archivist.BatchDeleteTowns, request)
    assert (refusal.reason, refusal.metadata["name"]) == ("RESOURCE_HAS_CHILDREN", towns[60])
    assert len(archivist.ListStreets(parent=f"{towns[0]}").streets) == 7, "all or none"
    request.requests[60].force = True
    with recorded() as ran:
        archivist.BatchDeleteTowns(request)
    assert len(of_rows(ran)) <= 14, of_rows(ran)
    assert refused(archivist.GetStreet, name=f"{towns[0]}/streets/s0").code == "NOT_FOUND"


def test_more_below_one_than_is_read_at_once_is_logged_whole(archive: Service, archivist: Door) -> None:
    names = [archivist.CreateTicket(ticket=pb.Ticket(subject="x")).name for _ in range(4)]
    for name, count in zip(names, (1, 1_200, 300, 300), strict=True):
        for start in range(0, count, MANY):
            comments = pb.BatchCreateCommentsRequest(parent=name)
            for _ in range(min(MANY, count - start)):
                comments.requests.add().comment.text = "x"
            archivist.BatchCreateComments(comments)
    with recorded() as ran:
        archivist.BatchDeleteTickets(
            pb.BatchDeleteTicketsRequest(requests=[pb.DeleteTicketRequest(name=name, force=True) for name in names])
        )
    assert len(of_rows(ran)) <= 20
    assert [told(archive, name) for name in names] == [2, 1_201, 301, 301]


def test_every_statement_of_a_batch_of_deletes_finds_its_rows_by_key(archive: Service, archivist: Door, fresh_id: str) -> None:
    folder, notes = made(archivist, fresh_id, MANY)
    tickets = [archivist.CreateTicket(ticket=pb.Ticket(subject="x")).name for _ in range(2)]
    for _ in range(40):
        archivist.CreateComment(parent=tickets[0], comment=pb.Comment(text="x"))
    with recorded() as ran:
        archivist.BatchDeleteNotes(deletes([note.name for note in notes[:5]]))
        archivist.BatchDeleteFolders(pb.BatchDeleteFoldersRequest(requests=[pb.DeleteFolderRequest(name=folder, force=True)]))
        archivist.BatchDeleteTickets(pb.BatchDeleteTicketsRequest(requests=[pb.DeleteTicketRequest(name=n, force=True) for n in tickets]))
    listed = [(sql, params) for sql, params in ran if "json" in sql.lower() and "protoplane" not in sql]
    assert len(listed) >= 12
    for sql, params in listed:
        steps = plan(archive.database, sql, params)
        if isinstance(archive.database.engine, Server):
            types = {step["type"] for step in steps if step["table"] in {"t1", "below"}}
            assert types
            assert types <= {"eq_ref", "ref"}, (sql, steps)
        else:
            assert not any(re.match(r"SCAN (t1|below|notes|lines|folders|tickets|comments)", step["detail"]) for step in steps), (
                sql,
                steps,
            )


@pytest.mark.parametrize("lenient", [False, True])
def test_aip_41_43_47_what_is_deleted_already_is_an_error_or_given_as_it_is(
    archivist: Door, fresh_id: str, lenient: bool, refused: Refuse
) -> None:
    _, notes = made(archivist, fresh_id, 3)
    names = [note.name for note in notes]
    gone = archivist.DeleteNote(name=names[1])
    request = deletes([*names, f"{names[0]}-never"], allow_missing=lenient)
    if not lenient:
        assert refused(archivist.BatchDeleteNotes, request).metadata["name"] == names[1]
        assert not archivist.GetNote(name=names[0]).HasField("delete_time")
        return
    answered = archivist.BatchDeleteNotes(request).notes
    assert [note.name for note in answered] == names
    assert answered[1] == gone
