"""What was deleted softly goes for good when its time has come, and is found by an index; lists page by one too."""

from __future__ import annotations

from typing import Any

import pytest

from protoplane.base import clock
from protoplane.base.deadline import Deadline
from protoplane.method.compile import compile_methods
from protoplane.method.purge import PURGED_AT_ONCE, Purge
from protoplane.query.paging import PageTokens
from protoplane.store.engine import Engine as StoreEngine
from protoplane.store.schema import Storage
from tests.door.archive import ARCHIVE, pb
from tests.door.client import Door, code_of
from tests.door.conftest import Serve
from tests.door.recording import recorded
from tests.door.service import Service
from tests.door.test_explain import cost
from tests.engines.server import Server

DAY_MICROS = 24 * 3_600 * 1_000_000


@pytest.fixture(scope="module")
def archive(serve: Serve) -> Service:
    """One of its own: time is made to pass in its tables, behind the back of its log."""
    return serve(ARCHIVE, logged=False)


@pytest.fixture
def purge(archive: Service) -> Purge:
    return compile_methods(archive.app.contract, engine_of(archive), PageTokens([bytes(32)]), {}).purge


def engine_of(archive: Service) -> StoreEngine:
    engine = archive.app.database
    assert isinstance(engine, StoreEngine)
    return engine


def age(archive: Service, table: str, column: str, folder: str, days: float) -> None:
    """Have the rows of a folder that are marked be marked with a time so many days ago."""
    engine = engine_of(archive)
    time = engine.dialect.binder(Storage.TIME)(clock.now_micros() - int(days * DAY_MICROS))
    mark = engine.dialect.placeholder
    sql = f"UPDATE {table} SET {column} = {mark} WHERE folder = {mark} AND {column} IS NOT NULL"
    engine.write(lambda session: session.execute(sql, (time, folder)), Deadline.after(20))


def there(archivist: Door, name: str) -> bool:
    get = {1: archivist.GetFolder, 3: archivist.GetNote, 5: archivist.GetLine}[name.count("/")]
    code = code_of(lambda: get(name=name))
    assert code in {"OK", "NOT_FOUND"}
    return code == "OK"


def test_aip_43_what_is_past_its_purge_time_goes_with_all_below_it_and_its_id_is_free(
    archive: Service, archivist: Door, purge: Purge, fresh_id: str
) -> None:
    for end in ("old", "new", "live"):
        archivist.CreateFolder(folder_id=f"{fresh_id}-{end}", folder=pb.Folder(code=f"{fresh_id}-{end}"))
        archivist.CreateNote(parent=f"folders/{fresh_id}-{end}", note_id="n", note=pb.Note())
        archivist.CreateLine(parent=f"folders/{fresh_id}-{end}/notes/n", line_id="l", line=pb.Line())
    for end in ("old", "new"):
        archivist.DeleteFolder(name=f"folders/{fresh_id}-{end}", force=True)
    age(archive, "folders", "purge_time", f"{fresh_id}-old", 0.001)
    assert purge.run(seconds_max=20) == 1
    below = ("", "/notes/n", "/notes/n/lines/l")
    assert [there(archivist, f"folders/{fresh_id}-old{rest}") for rest in below] == [False] * 3
    assert [there(archivist, f"folders/{fresh_id}-{end}{rest}") for end in ("new", "live") for rest in below] == [True] * 6
    assert purge.run(seconds_max=20) == 0
    assert archivist.CreateFolder(folder_id=f"{fresh_id}-old", folder=pb.Folder(code=f"{fresh_id}-old")).code == f"{fresh_id}-old"


def test_aip_43_without_a_purge_time_the_time_of_deletion_decides(archive: Service, archivist: Door, purge: Purge, fresh_id: str) -> None:
    folder = archivist.CreateFolder(folder_id=fresh_id, folder=pb.Folder()).name
    for days in (29, 31):
        archivist.CreateNote(parent=folder, note_id=f"n{days}", note=pb.Note())
        archivist.DeleteNote(name=f"{folder}/notes/n{days}")
    age(archive, "notes", "delete_time", fresh_id, 31)
    archivist.UndeleteNote(name=f"{folder}/notes/n29")
    archivist.DeleteNote(name=f"{folder}/notes/n29")
    assert purge.run(seconds_max=20) == 1
    assert [there(archivist, f"{folder}/notes/n{days}") for days in (29, 31)] == [True, False]


def test_many_are_purged_in_several_transactions_also_when_all_are_due_at_one_moment(
    archive: Service, archivist: Door, purge: Purge, fresh_id: str
) -> None:
    folder = archivist.CreateFolder(folder_id=fresh_id, folder=pb.Folder()).name
    archivist.CreateFolder(folder_id=f"{fresh_id}-b", folder=pb.Folder())
    request = pb.BatchCreateNotesRequest(parent=folder)
    count = 2 * PURGED_AT_ONCE + 1
    for n in range(count):
        request.requests.add(note_id=f"n{n}").note.rank = n
    archivist.BatchCreateNotes(request)
    archivist.DeleteFolder(name=folder, force=True)
    age(archive, "notes", "delete_time", fresh_id, 31)
    transactions = 0
    write = StoreEngine.write

    def counted(self: StoreEngine, work: Any, deadline: Deadline) -> Any:
        nonlocal transactions
        transactions += 1
        return write(self, work, deadline)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StoreEngine, "write", counted)
        assert purge.run(seconds_max=20) == count
    assert transactions >= 3
    assert not archivist.ListNotes(parent=folder, show_deleted=True).notes


NOTES = 1_500
ALIVE = 40


@pytest.fixture
def crowd(archive: Service, archivist: Door, fresh_id: str) -> str:
    """A folder of many notes, all but a few of them deleted."""
    folder = archivist.CreateFolder(folder_id=fresh_id, folder=pb.Folder()).name
    for start in range(0, NOTES, 500):
        request = pb.BatchCreateNotesRequest(parent=folder)
        for n in range(start, start + 500):
            request.requests.add(note_id=f"n{n:05}").note.rank = n
        archivist.BatchCreateNotes(request)
    engine = engine_of(archive)
    time = engine.dialect.binder(Storage.TIME)(clock.now_micros())
    mark = engine.dialect.placeholder
    sql = f"UPDATE notes SET delete_time = {mark} WHERE folder = '{fresh_id}' AND note < 'n{NOTES - ALIVE:05}'"
    assert engine.write(lambda session: session.execute(sql, (time,)), Deadline.after(20)) == NOTES - ALIVE
    if isinstance(archive.database.engine, Server):
        archive.database.execute("ANALYZE TABLE notes")
    return str(folder)


def test_a_page_does_not_read_the_many_that_are_deleted(archive: Service, archivist: Door, crowd: str) -> None:
    with recorded() as statements:
        page = archivist.ListNotes(parent=crowd, page_size=10)
        assert len(page.notes) == 10
        assert len(archivist.ListNotes(parent=crowd, page_size=10, page_token=page.next_page_token).notes) == 10
    for sql, params in (ran for ran in statements if "ORDER BY" in ran[0]):
        found = cost(archive.database, sql, params)
        assert not found.scans, found.plan
        assert not found.sorts, found.plan
        bound = 100 if isinstance(archive.database.engine, Server) else 2_000  # Rows, or steps: about 50 a row.
        assert found.reads <= bound, (found.reads, sql, found.plan)


def test_what_is_due_is_found_by_an_index(archive: Service, archivist: Door, purge: Purge, crowd: str) -> None:
    assert archivist.ListNotes(parent=crowd, page_size=1).notes
    for kind in purge._kinds:
        values = {"until": engine_of(archive).dialect.binder(Storage.TIME)(1_000_000), "limit": PURGED_AT_ONCE}
        found = cost(archive.database, kind.due.sql, kind.due.bound(values))
        assert not found.scans, found.plan
        assert not found.sorts, found.plan
