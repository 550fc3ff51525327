"""F11, F12: storage that is full, and SQLite's one writer."""

import subprocess
import sys
import threading

import pytest

from protoplane.base.errors import Fault
from protoplane.store.engine import Engine
from tests.engines import Database
from tests.faults.others import SQLITE, fill
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
