"""SQLite's connections: one per thread on one file, statements stopped at their deadline."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any

from peewee import SqliteDatabase

from protoplane.base.clock import monotonic_seconds
from protoplane.store import connection
from protoplane.store.ddl import Row
from protoplane.store.dialect import LOCK_WAIT_SECONDS, Sqlite, cause
from protoplane.store.trouble import StatementTimeout, Trouble

PROGRESS_INSTRUCTIONS = 20_000
"""Instructions of SQLite's virtual machine between two looks at the clock and the caller: some 0.2 ms, well under 1 % of the time."""


class Busy(sqlite3.OperationalError):
    """Another thread of this process kept the write lock for too long: as if SQLite had said so."""

    sqlite_errorcode = sqlite3.SQLITE_BUSY


class Connection(connection.Connection, sqlite3.Connection):
    """A connection whose statements end at `until_seconds`."""

    errors = (sqlite3.Error, OverflowError, StatementTimeout)
    caught = connection.caught(errors)

    turn: threading.Lock
    """Held by the one transaction of this process that writes: threads queue here, instead of polling the file's lock."""
    has_turn: bool = False
    patient: bool = True
    """Whether the busy time-out is LOCK_WAIT_SECONDS."""
    guarded: bool = False
    """Whether SQLite itself refuses writes."""

    def prepare(self, dialect: Sqlite, turn: threading.Lock) -> None:
        """Make a new connection ready for use."""
        self.dialect = dialect
        self.lock = threading.Lock()
        self.turn = turn
        for statement in dialect.session():
            self.execute(statement)
        self.set_progress_handler(self._is_late, PROGRESS_INSTRUCTIONS)

    def guard(self) -> None:
        """See Connection. Only now, because the change makes SQLite prepare every statement anew."""
        if not self.guarded:
            self.execute("PRAGMA query_only = ON")
            self.guarded = True

    def trouble(self, error: BaseException) -> Trouble:
        """See Connection. What a file that cannot be written says, too, but that is asked to write by `Engine.write` only."""
        refused = not self.writing and getattr(cause(error), "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY
        return Trouble.OUTSIDE if refused else super().trouble(error)

    def _is_late(self) -> int:
        return int(monotonic_seconds() >= self.until_seconds or self.deserted)

    def _admit_in_time(self, sql: str) -> None:
        self.admit(sql)
        if monotonic_seconds() >= self.until_seconds:
            raise StatementTimeout(sent=False)

    def fetch(self, sql: str, params: Sequence[object]) -> Sequence[Row]:
        """See Connection."""
        self._admit_in_time(sql)
        return self.execute(sql, params).fetchall()

    def change(self, sql: str, params: Sequence[object]) -> int:
        """See Connection."""
        self._admit_in_time(sql)
        return self.execute(sql, params).rowcount

    def change_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """See Connection."""
        self._admit_in_time(sql)
        return self.executemany(sql, rows).rowcount

    def command(self, sql: str) -> None:
        """See Connection."""
        match sql:
            case connection.BEGIN | connection.BEGIN_OF_ONE_MOMENT:  # Nobody else writes meanwhile.
                self._begin()
            case connection.SNAPSHOT:
                self.execute("BEGIN")
                self.execute("SELECT 1 FROM sqlite_schema").fetchone()  # The moment is that of the first read.
            case "COMMIT":
                if not self.in_transaction:
                    raise sqlite3.OperationalError("SQLite has rolled the transaction back by itself")
                self.execute(sql)
                self._give_turn()
            case "ROLLBACK":
                try:
                    if self.in_transaction:
                        self.execute(sql)
                finally:
                    self._give_turn()
            case _:
                self.execute(sql)

    def _begin(self) -> None:
        """Take the one write lock at once: a deferred transaction could not wait for it later (SQLITE_BUSY_SNAPSHOT)."""
        left = min(float(LOCK_WAIT_SECONDS), self.until_seconds - monotonic_seconds())
        if left <= 0:
            raise StatementTimeout(sent=False)
        if not self.turn.acquire(timeout=left):
            raise Busy
        self.has_turn = True
        try:
            if self.guarded:
                self.execute("PRAGMA query_only = OFF")
                self.guarded = False
            self._be_patient(min(float(LOCK_WAIT_SECONDS), self.until_seconds - monotonic_seconds()))
            self.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._give_turn()
            raise

    def _be_patient(self, seconds: float) -> None:
        """Set for how long other processes are waited for, if it is not what it was."""
        patient = seconds >= LOCK_WAIT_SECONDS - 0.1
        if not (patient and self.patient):
            self.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_SECONDS * 1_000 if patient else max(0, int(seconds * 1_000))}")
            self.patient = patient

    def _give_turn(self) -> None:
        if self.has_turn:
            self.has_turn = False
            self.turn.release()

    def ask(self, sql: str) -> Sequence[Row]:
        """See Connection."""
        return self.execute(sql).fetchall()

    def end(self) -> None:
        """See Connection."""
        self.ended = True
        with contextlib.suppress(sqlite3.Error):
            self.close()
        self._give_turn()


class Database(connection.BoundDatabase, SqliteDatabase):
    """Peewee's view of the file."""

    operations = {**SqliteDatabase.operations, "LIKE": "LIKE"}  # noqa: RUF012 - Peewee's own class attribute. LIKE is exact here: see the dialect.

    def __init__(self, path: str, dialect: Sqlite, on_connect: Callable[[connection.Connection], None]) -> None:
        self._dialect = dialect
        self._on_connect = on_connect
        self._turn = threading.Lock()
        super().__init__(path, timeout=LOCK_WAIT_SECONDS)

    def _connect(self) -> Any:
        opened = sqlite3.connect(
            self.database,
            timeout=LOCK_WAIT_SECONDS,
            isolation_level=None,
            check_same_thread=False,  # `Engine.close` closes those of other threads, under each connection's lock.
            factory=Connection,
            cached_statements=1_024,
        )
        try:
            opened.prepare(self._dialect, self._turn)
            self._add_conn_hooks(opened)  # type: ignore[attr-defined]  # Peewee's, not in its stubs.
        except BaseException:
            opened.close()
            raise
        self._on_connect(opened)
        return opened
