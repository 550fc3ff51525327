"""Batches of what is kept, of what has children, and of what is called by numbers."""

from __future__ import annotations

from collections.abc import Callable

from tests.door.archive import pb
from tests.door.client import Door, Refused, code_of

Refuse = Callable[..., Refused]


def test_aip_43_47_a_batch_delete_of_what_is_kept_gives_it_in_order(archivist: Door, fresh_id: str, refused: Refuse) -> None:
    folder = archivist.CreateFolder(folder_id=fresh_id, folder=pb.Folder()).name
    notes = [archivist.CreateNote(parent=folder, note_id=f"n{n}", note=pb.Note()) for n in (2, 1, 3)]
    archivist.CreateLine(parent=notes[0].name, line_id="l", line=pb.Line())
    plain = pb.BatchDeleteNotesRequest(requests=[pb.DeleteNoteRequest(name=note.name) for note in notes])
    assert refused(archivist.BatchDeleteNotes, plain).reason == "RESOURCE_HAS_CHILDREN"
    assert len(archivist.ListNotes(parent=folder).notes) == 3, "all or none"
    forced = pb.BatchDeleteNotesRequest(
        requests=[pb.DeleteNoteRequest(name=note.name, etag=note.etag, force=note is notes[0]) for note in notes]
    )
    deleted = archivist.BatchDeleteNotes(forced).notes
    assert [note.name for note in deleted] == [note.name for note in notes]
    assert all(note.HasField("delete_time") for note in deleted)
    assert not archivist.ListNotes(parent=folder).notes
    assert refused(archivist.BatchDeleteNotes, forced).code == "NOT_FOUND"
    for one in forced.requests:
        one.allow_missing = True
    assert list(archivist.BatchDeleteNotes(forced).notes) == list(deleted)


def test_aip_18_45_46_a_batch_get_gives_deleted_ones_and_a_batch_update_does_not_find_them(
    archivist: Door, fresh_id: str, refused: Refuse
) -> None:
    folder = archivist.CreateFolder(folder_id=fresh_id, folder=pb.Folder()).name
    names = [archivist.CreateNote(parent=folder, note_id=f"n{n}", note=pb.Note()).name for n in range(2)]
    gone = archivist.DeleteNote(name=names[0])
    assert archivist.BatchGetNotes(names=names).notes[0] == gone
    for lenient in (False, True):
        update = pb.BatchUpdateNotesRequest(
            requests=[pb.UpdateNoteRequest(note=pb.Note(name=name, rank=7), allow_missing=lenient) for name in names]
        )
        refusal = refused(archivist.BatchUpdateNotes, update)
        assert (refusal.code, refusal.metadata["name"]) == ("NOT_FOUND", names[0])
    assert archivist.GetNote(name=names[1]).rank == 0


def test_aip_42_47_a_batch_delete_takes_singletons_along_and_children_by_force(archivist: Door, fresh_id: str, refused: Refuse) -> None:
    region = archivist.CreateRegion(region_id=fresh_id, region=pb.Region(display_name="x")).name
    towns = [archivist.CreateTown(parent=region, town_id=f"t{n}", town=pb.Town()).name for n in range(3)]
    archivist.CreateStreet(parent=towns[1], street_id="s", street=pb.Street())
    request = pb.BatchDeleteTownsRequest(requests=[pb.DeleteTownRequest(name=name) for name in towns])
    refusal = refused(archivist.BatchDeleteTowns, request)
    assert (refusal.reason, refusal.metadata["name"]) == ("RESOURCE_HAS_CHILDREN", towns[1])
    request.requests[1].force = True
    archivist.BatchDeleteTowns(request)
    assert {code_of(lambda name=name: archivist.GetTown(name=name)) for name in towns} == {"NOT_FOUND"}  # type: ignore[misc]  # Bound.


def test_aip_45_46_47_batches_of_numbers(archivist: Door, refused: Refuse) -> None:
    made = [archivist.CreateTicket(ticket=pb.Ticket(subject=str(n))) for n in range(4)]
    names = [ticket.name for ticket in made]
    wanted = [names[2], names[0], names[3]]
    assert [ticket.name for ticket in archivist.BatchGetTickets(names=wanted).tickets] == wanted
    assert refused(archivist.BatchGetTickets, names=[*names, "tickets/042"]).reason == "INVALID_NAME"
    update = pb.BatchUpdateTicketsRequest(requests=[pb.UpdateTicketRequest(ticket=pb.Ticket(name=name, subject="x")) for name in wanted])
    assert [ticket.subject for ticket in archivist.BatchUpdateTickets(update).tickets] == ["x"] * 3
    number = 9_000_000_000_000_000_000 - int(names[0].removeprefix("tickets/")) % 1_000_000
    new = f"tickets/{number}"
    update = pb.BatchUpdateTicketsRequest(requests=[pb.UpdateTicketRequest(ticket=pb.Ticket(name=new, subject="n"), allow_missing=True)])
    assert archivist.BatchUpdateTickets(update).tickets[0].name == new
    comments = [archivist.CreateComment(parent=names[0], comment=pb.Comment(text=str(n))).name for n in range(2)]
    assert len(archivist.BatchGetComments(parent=names[0], names=comments).comments) == 2
    assert len(archivist.BatchGetComments(parent="tickets/-", names=comments).comments) == 2
    assert "names[0]" in refused(archivist.BatchGetComments, parent=names[1], names=comments).violations
    delete = pb.BatchDeleteTicketsRequest(requests=[pb.DeleteTicketRequest(name=name, force=True) for name in [*names, new]])
    archivist.BatchDeleteTickets(delete)
    assert refused(archivist.GetComment, name=comments[0]).code == "NOT_FOUND"
