"""The change log tells of every row that comes to an end, however it does."""

from __future__ import annotations

from collections import Counter

from protoplane.method.compile import compile_methods
from protoplane.query.paging import PageTokens
from protoplane.store.engine import Engine
from tests.door.archive import pb
from tests.door.changes import entries, parsed
from tests.door.client import Door
from tests.door.service import Service


def test_a_soft_delete_an_undelete_and_a_purge_are_told(archive: Service, archivist: Door, fresh_id: str) -> None:
    name = archivist.CreateScrap(scrap_id=fresh_id, scrap=pb.Scrap(text="x")).name
    archivist.DeleteScrap(name=name)
    back = archivist.UndeleteScrap(name=name)
    deleted = archivist.DeleteScrap(name=name)
    engine = archive.app.database
    assert isinstance(engine, Engine)
    assert compile_methods(archive.app.contract, engine, PageTokens([bytes(32)]), {}).purge.run(seconds_max=20) >= 1
    told = entries(archive.database, name)
    assert [entry.kind for entry in told] == ["CREATED", "DELETED", "UNDELETED", "DELETED", "DELETED"]
    assert parsed(pb.Scrap, told[2].after) == back
    assert parsed(pb.Scrap, told[3].after) == deleted
    assert (told[4].before, told[4].after) == (told[3].after, None)
    assert (told[4].actor, told[4].method) == ("", "housekeeping.purge")


def test_all_that_a_forced_delete_takes_is_told_but_what_is_not_logged(archive: Service, archivist: Door, fresh_id: str) -> None:
    region = archivist.CreateRegion(region_id=fresh_id, region=pb.Region(display_name="x")).name
    archivist.UpdateClimate(climate=pb.Climate(name=f"{region}/climate", summary="wet"))
    request = pb.BatchCreateTownsRequest(parent=region)
    for n in range(700):  # More than are read at once.
        request.requests.add(town_id=f"t{n}").town.population = n
    archivist.BatchCreateTowns(request)
    archivist.CreateStreet(parent=f"{region}/towns/t0", street_id="s", street=pb.Street())
    archivist.DeleteRegion(name=region, force=True)
    told = [entry for entry in entries(archive.database, region) if entry.kind == "DELETED"]
    assert Counter(entry.type.rpartition("/")[2] for entry in told) == {"Town": 700, "Climate": 1, "Region": 1}
    assert len({entry.transaction_id for entry in told}) == 1
    assert all(entry.before and entry.after is None for entry in told)
    assert told[-1].name == region, "children go before their parents"


def test_what_a_forced_soft_delete_marks_is_told_as_it_is_then(archive: Service, archivist: Door, fresh_id: str) -> None:
    folder = archivist.CreateFolder(folder_id=fresh_id, folder=pb.Folder()).name
    for note in ("a", "b", "gone"):
        archivist.CreateNote(parent=folder, note_id=note, note=pb.Note())
    archivist.DeleteNote(name=f"{folder}/notes/gone")
    archivist.DeleteFolder(name=folder, force=True)
    last = {entry.name: entry for entry in entries(archive.database, folder)}
    assert {name: entry.kind for name, entry in last.items()} == dict.fromkeys(
        (folder, *(f"{folder}/notes/{note}" for note in ("a", "b", "gone"))), "DELETED"
    )
    for note in ("a", "b", "gone"):
        assert parsed(pb.Note, last[f"{folder}/notes/{note}"].after) == archivist.GetNote(name=f"{folder}/notes/{note}")


def test_the_end_of_a_parent_is_told_of_its_singleton_too(archive: Service, archivist: Door, fresh_id: str) -> None:
    region = archivist.CreateRegion(region_id=fresh_id, region=pb.Region(display_name="x")).name
    written = archivist.UpdateClimate(climate=pb.Climate(name=f"{region}/climate", summary="wet"))
    archivist.DeleteRegion(name=region)
    told = entries(archive.database, f"{region}/climate")
    assert [entry.kind for entry in told] == ["CREATED", "DELETED"]
    assert parsed(pb.Climate, told[0].after) == parsed(pb.Climate, told[1].before) == written
