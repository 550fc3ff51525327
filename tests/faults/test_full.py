"""F11, F12: storage that is full, and SQLite's one writer."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protoplane.base.errors import Fault
from protoplane.store.engine import Engine
from tests.door.client import Door, Refused
from tests.engines import Database
from tests.engines import Engine as DatabaseEngine
from tests.faults.others import SERVERS, SQLITE, fill, private
from tests.faults.service import Service, serving
from tests.store.conftest import read, soon, write
from tests.store.test_engine import add_shelf


@SQLITE
def test_f12_a_full_file_is_full_until_there_is_room(library: Engine) -> None:
    fill(library)
    pages = int(str(read(library, "PRAGMA page_count")[0][0]))
    read(library, f"PRAGMA max_page_count = {pages}")
    insert = "INSERT INTO book (shelf, book, title, pages, lent) VALUES (?, ?, ?, ?, ?)"
    with pytest.raises(Fault) as refused:
        write(library, insert, "a", "b", "x" * 1_000_000, 1, 0)
    assert refused.value.reason == "STORAGE_FULL"
    assert len(read(library, "SELECT shelf FROM shelf")) == 401
    read(library, "PRAGMA max_page_count = 1000000")
    assert write(library, insert, "a", "b", "x" * 1_000_000, 1, 0) == 1


@SQLITE
def test_f12_a_writer_in_another_process_is_waited_for(database: Database, library: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE');"
        "print('held', flush=True); sys.stdin.readline(); c.execute('COMMIT'); print('done', flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", program, database.name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert read(library, "SELECT shelf FROM shelf") == [("a",)]  # Readers are not held up.
        monkeypatch.setattr("protoplane.base.limits.TRANSACTION_ATTEMPTS_MAX", 1)
        monkeypatch.setattr("protoplane.store.sqlite.LOCK_WAIT_SECONDS", 0.3)
        with pytest.raises(Fault) as refused:
            library.write(add_shelf(library, "b"), soon())
        assert refused.value.reason == "CONCURRENT_WRITE"
        monkeypatch.undo()
        threading.Timer(0.3, lambda: print(file=other.stdin)).start()
        assert library.write(add_shelf(library, "b"), soon()) == 1
        other.stdout.readline()
        print(file=other.stdin)


BIG_BYTES = 200_000
TABLESPACE = "--innodb-data-file-path=ibdata1:12M:autoextend:max:{}M"
"""A place for all tables that ends, as a disk does (error 1114), without root to make one."""


def put(service: Service, door: Door, parent: str, book_id: str) -> str:
    """Create a big book."""
    book = service.lib.Book(title="x", notes="n" * BIG_BYTES)
    return str(door.CreateBook(parent=parent, book_id=book_id, book=book).name)


def put_many(service: Service, door: Door, parent: str, kept: list[str]) -> None:
    """Create big books for ever; `kept` has the names of those that were made."""
    while True:
        kept.append(put(service, door, parent, f"b{len(kept)}"))


def fill_up(service: Service, door: Door, parent: str) -> list[str]:
    """Create big books until there is no room for one more; their names."""
    kept: list[str] = []
    with pytest.raises(Refused) as caught:
        put_many(service, door, parent, kept)
    assert (caught.value.code, caught.value.reason) == ("RESOURCE_EXHAUSTED", "STORAGE_FULL")
    assert kept
    return kept


def names(door: Door, parent: str) -> list[str]:
    """Of all books there are."""
    found: list[str] = []
    token = ""
    while True:
        page = door.ListBooks(parent=parent, page_size=1000, page_token=token)
        found += [book.name for book in page.books]
        token = page.next_page_token
        if not token:
            return found


@SERVERS
def test_f11_a_full_disk_is_told_and_what_is_there_can_be_read_until_there_is_room(
    engine: DatabaseEngine, client_modules: Any, tmp_path: Path
) -> None:
    """Room is given, not made by deletes: a MySQL without any cannot purge what was deleted."""
    options = ("--innodb-file-per-table=0", TABLESPACE.format(32))
    with (
        private(engine, *options) as server,
        serving(tmp_path, server.create_database(), client_modules) as service,
        closing(service.door()) as door,
    ):
        parent = service.publisher(door, "p")
        kept = fill_up(service, door, parent)
        assert names(door, parent) == sorted(kept), "and not the one refused"
        server.installation = replace(server.installation, serve=(*server.installation.serve, TABLESPACE.format(64)))
        server.restart()
        put(service, door, parent, "again")
        assert len(names(door, parent)) == len(kept) + 1
        assert '"trace"' not in service.log, "the server took something for a bug"


@SQLITE
def test_f12_a_full_file_is_told_and_what_is_there_can_be_used_until_there_is_room(
    start: Callable[..., Service], database: Database
) -> None:
    service = start()
    with closing(service.door()) as door:
        parent = service.publisher(door, "p")
        pages = database.execute("PRAGMA page_count")[0][0]
        assert isinstance(pages, int)
        door.CreatePublisher(publisher=service.lib.Publisher(display_name=f"PRAGMA max_page_count = {pages + 500}"))
        kept = fill_up(service, door, parent)
        assert names(door, parent) == sorted(kept)
        assert door.UpdatePublisher(publisher=service.lib.Publisher(name=parent, display_name="Q")).display_name == "Q"
        door.CreatePublisher(publisher=service.lib.Publisher(display_name="PRAGMA max_page_count = 1000000"))
        put(service, door, parent, "again")


@SQLITE
def test_f12_while_another_process_writes_readers_go_on_and_writers_wait_until_their_deadline(
    service: Service, session_database: Database, door: Door, parent: str
) -> None:
    book = service.lib.Book(title="x")
    with closing(sqlite3.connect(session_database.name, isolation_level=None)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(Refused) as caught:
            door.CreateBook(parent=parent, book_id="late", book=book, seconds=0.5)
        assert caught.value.code == "DEADLINE_EXCEEDED"
        assert time.monotonic() - began < 1.5
        waiting = pool.submit(door.CreateBook, parent=parent, book_id="patient", book=book)
        assert door.GetPublisher(name=parent, seconds=1).name == parent
        other.execute("ROLLBACK")
        patient = waiting.result()
        assert list(door.ListBooks(parent=parent).books) == [patient]
