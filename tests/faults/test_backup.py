"""F41: a backup that is made while many write is one moment of the data, whole, and can be served."""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.door.client import Door
from tests.engines import Database, Engine
from tests.engines.server import Server, driver
from tests.faults.history import BATCH, History
from tests.faults.service import Service, serving, until


@pytest.fixture
def elsewhere(engine: Engine) -> Iterator[Database]:
    """An empty database to restore into."""
    database = engine.create_database()
    yield database
    database.drop()


def copy(source: Database, target: Database) -> None:
    """Copy everything as of one moment, as `mysqldump --single-transaction` and SQLite's backup do."""
    if not isinstance(source.engine, Server):
        with closing(sqlite3.connect(source.name)) as old, closing(sqlite3.connect(target.name)) as new:
            old.backup(new)
        return
    with closing(connect(source)) as old, closing(connect(target)) as new, closing(old.cursor()) as reader, closing(new.cursor()) as writer:
        writer.execute("SET SESSION foreign_key_checks = 0")
        reader.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        reader.execute("SHOW TABLES")
        for (table,) in reader.fetchall():
            reader.execute(f"SHOW CREATE TABLE {table}")
            writer.execute(reader.fetchone()[1])
            reader.execute(f"SELECT * FROM {table}")
            if rows := reader.fetchall():
                writer.executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(rows[0]))})", rows)
        new.commit()


def connect(database: Database) -> Any:
    """A connection of a backup program's."""
    assert isinstance(database.engine, Server)
    return driver().connect(host="127.0.0.1", port=database.engine.port, user="root", database=database.name, charset="utf8mb4")


def test_f41_a_backup_made_during_writes_is_whole_and_goes_on_elsewhere(
    service: Service, session_database: Database, door: Door, parent: str, elsewhere: Database, client_modules: Any, tmp_path: Path
) -> None:
    lib = service.lib
    aside = service.publisher(door, f"{parent.rpartition('/')[2]}-aside")
    request = lib.CreateBookRequest(parent=aside, book=lib.Book(title="before"), request_id=str(uuid.uuid4()))
    before = door.CreateBook(request)
    history = History(lib, parent, service.door)
    history.share(door)
    writers = [threading.Thread(target=history.write, args=(seed,)) for seed in range(4)]
    for writer in writers:
        writer.start()
    until(lambda: len(history.of("kept")) > 50)
    copy(session_database, elsewhere)
    until(lambda: len(history.of("kept")) > 100)
    history.stop.set()
    for writer in writers:
        writer.join()
    history.check(door)
    with serving(tmp_path, elsewhere, client_modules) as restored, closing(restored.door()) as other:
        assert other.CreateBook(request) == before, "answers are restored with their writes"
        effects = history.effects(other)
        assert effects, "some of the writes are in it"
        assert len(effects) < len(history.of("kept")), "others came later"
        for write in history.of("kept"):
            assert effects.get(write.tag, 0) in {0, BATCH if write.method == "BatchCreateBooks" else 1}
        again = [write for write in history.of("kept") if effects.get(write.tag) and write.method != "UpdateBook"][-20:]
        for write in again:
            write.call(other)
        assert history.effects(other) == effects, "a retry of what is in it writes nothing"
        made = other.CreateBook(parent=parent, book=lib.Book(title="new"))
        taken = {book.name for answer in history.of("kept") for book in getattr(answer.answer, "books", [answer.answer])}
        assert made.name not in taken, "an id that was given out after the backup is not given out again"
