"""Connections and transactions: the only place that opens either, and where drivers' errors end.

`Engine.read` and `Engine.write` run a piece of work on the calling thread's own connection, which stays open between calls. Work that
writes is one transaction: it commits as a whole or leaves nothing, and is run again from its start when the database asks for that.
"""

from __future__ import annotations

import atexit
import math
import shutil
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from peewee import PeeweeException

from protoplane.base import limits
from protoplane.base.clock import monotonic_seconds, sleep
from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault, Reason
from protoplane.base.jitter import between
from protoplane.store import sqlite
from protoplane.store.address import ServerAddress, SqliteAddress, parse_address
from protoplane.store.connection import BEGIN, BEGIN_OF_ONE_MOMENT, Connection
from protoplane.store.ddl import Ask
from protoplane.store.dialect import Dialect, ServerFinding, Sqlite, cause
from protoplane.store.session import Session
from protoplane.store.slowest import Slowest, Statement
from protoplane.store.trouble import (
    RECONNECTED,
    RETRIED,
    Duplicate,
    HasChildren,
    LockTimeout,
    ParentMissing,
    StatementTimeout,
    StoreError,
    Trouble,
)

if TYPE_CHECKING:
    from protoplane.store import mysqlclient

__all__ = ["CannotConnect", "Duplicate", "Engine", "HasChildren", "LockTimeout", "ParentMissing", "StoreError", "Unusable"]

T = TypeVar("T")

INSPECT_SECONDS_MAX = 30.0
"""Time for looking at the server's settings or tables; information_schema is slow on servers with many."""

PING_SECONDS_MAX = 1.0
"""Time for the answer to a health check."""

COMMIT_SECONDS_MIN = 1.0
"""Time for a COMMIT once it is sent, whatever is left of the deadline: giving up earlier would leave the outcome unknown for nothing."""

ROLLBACK_SECONDS_MAX = 1.0
"""Time for a ROLLBACK; after it the connection is dropped, which has the same effect."""

BACK_OFF_SECONDS_MIN = 0.005
BACK_OFF_SECONDS_MAX = 0.2
"""Pause before a transaction is run again: random up to a bound that doubles from the first to the second."""

RETRY_SECONDS = 1.0
"""After how long a caller should try again when the database is out of reach."""

COMMIT_FAILED = RETRIED | {Trouble.FULL, Trouble.READ_ONLY}
"""What a COMMIT may report that means it did not take effect. Anything else leaves the outcome unknown."""


class Unusable(Fault):
    """DATABASE_UNAVAILABLE, to callers as ever; its own text says why to the person who configures the database, and holds no secret."""

    def __init__(self, why: str) -> None:
        super().__init__(Reason.DATABASE_UNAVAILABLE, retry_delay_seconds=RETRY_SECONDS)
        self.args = (why,)


class CannotConnect(Exception):
    """The first connection was refused: the text is for the person who configures it, and holds no secret."""


class _Mine(threading.local):
    """What each thread has for itself."""

    def __init__(self) -> None:
        self.deadline: Deadline | None = None
        """Of the connection that it is making."""
        self.slowest = Slowest()


class Engine:
    """A database and this process's connections to it, one per thread that uses it."""

    def __init__(self, url: str, *, threads: int, password: str = "") -> None:
        """Connect once, to learn what the server is. Raises AddressError, CannotConnect or UnsupportedServer.

        `threads` is how many threads will use the engine at once: the server must have room for their connections.
        """
        self.threads = threads
        self._mine = _Mine()
        self._keeping = threading.Lock()  # Of the set that follows.
        self._connections: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._closed = False
        self._folder: str | None = None
        self.address = parse_address(url, password)
        self.database, self.dialect = self._open(self.address)
        """Peewee's database, for queries of custom code: they run in the session of their thread."""

    def __repr__(self) -> str:
        return f"Engine({self.address!r})"

    # Work ---------------------------------------------------------------------------------------------------------------------------

    def read(self, work: Callable[[Session], T], deadline: Deadline) -> T:
        """Run work that only reads; each statement sees what is committed when it starts.

        Run again, once, if the first statement finds that the connection has died while idle.
        """
        attempt = 1
        while True:
            connection = self._enter(deadline, writing=False)
            session = Session(connection, attempt)
            try:
                return work(session)
            except connection.caught as error:
                trouble = judge(connection, error)
                stale = trouble in RECONNECTED and attempt == 1 and connection.statements <= 1
                if not stale and trouble not in RETRIED:
                    fail(trouble, error, deadline)
                failure: Exception = error
            finally:
                session.end()
                self._leave(connection)
            try:
                attempt = again(trouble, attempt, deadline, failure)
            finally:
                del failure  # As above.

    def write(self, work: Callable[[Session], T], deadline: Deadline, *, of_one_moment: bool = False) -> T:
        """Run work as one transaction (READ COMMITTED), committed if it returns and rolled back if it raises or has asked for that.

        `of_one_moment`: what it reads without locks is all of the moment of its first read, and what itself has written (REPEATABLE READ).
        `work` is run again with a new session when it lost against other transactions (at most TRANSACTION_ATTEMPTS_MAX times), and
        once when its connection ended before COMMIT was sent. Raises OUTCOME_UNKNOWN when the answer to COMMIT did not arrive.
        """
        attempt, reconnected = 1, False
        while True:
            deadline.check()
            connection = self._enter(deadline, writing=True)
            committing, session = False, Session(connection, attempt)
            try:
                connection.command(BEGIN_OF_ONE_MOMENT if of_one_moment else BEGIN)
                connection.open = True
                value = work(session)
                if connection.broken is not None:
                    raise connection.broken  # The work went on after an error that ended its transaction.
                if session.rolled_back:
                    return value
                deadline.check()
                committing = True
                self._commit(connection, deadline)
            except connection.caught as error:
                trouble = judge(connection, error, committing=committing)
                if trouble in RECONNECTED and not reconnected:
                    reconnected = True
                elif trouble not in RETRIED:
                    fail(trouble, error, deadline)
                failure: Exception = error
            else:
                return value
            finally:
                session.end()
                self._leave(connection)
            try:
                attempt = again(trouble, attempt, deadline, failure)
            finally:
                del failure  # As above.

    def define(self, statement: str, deadline: Deadline) -> None:
        """Run one schema change, outside any transaction and without the limits of ordinary statements.

        It waits for other users of the table at most as long as any statement does, so that those behind it are not held up:
        raises CONCURRENT_WRITE then, to be tried again.
        """
        connection = self._enter(deadline, writing=True)
        try:
            for setting in self.dialect.define_settings():
                connection.ask(setting)
            connection.change(statement, ())
        except connection.caught as error:
            trouble = judge(connection, error)
            if trouble in RETRIED:
                raise Fault(Reason.CONCURRENT_WRITE) from error
            fail(trouble, error, deadline)
        finally:
            connection.ended = True  # Its settings are not those of a session any more.
            self._leave(connection)

    # Keeping it -----------------------------------------------------------------------------------------------------------------------

    def findings(self, *, processes: int = 1) -> list[ServerFinding]:
        """What is unsafe or unwise about the server's settings, for so many processes as this one."""
        return self.inspect(lambda ask: self.dialect.findings(ask, connections=processes * self.threads))

    def inspect(self, work: Callable[[Ask], T]) -> T:
        """Run the dialect's own questions about the server and its tables. Raises Unusable when it does not answer them."""
        deadline = Deadline.after(INSPECT_SECONDS_MAX)
        connection = self._enter(deadline, writing=False)
        try:
            return work(connection.ask)
        except connection.errors as error:
            try:
                fail(judge(connection, error), error, deadline)
            except Fault as fault:
                raise Unusable(f"cannot look at {self.address}: {error}") from fault
        finally:
            self._leave(connection)

    def ping(self, seconds: float = PING_SECONDS_MAX) -> bool:
        """Whether the database answers within that time."""
        try:
            self.read(lambda session: session.row("SELECT 1"), Deadline.after(seconds))
        except Fault:
            return False
        return not self._closed

    def slowest(self) -> Slowest:
        """The note of this thread's slowest statement."""
        return self._mine.slowest

    def explain(self, statement: Statement, deadline: Deadline) -> tuple[str, ...]:
        """How the server would run it, a line a step; none for what has no plan. It is not run, and no value of it is told.

        Asked on the connection of the calling thread, which should be none that a caller waits for.
        """
        plans = self.dialect.plans
        question = plans.question(statement.sql)
        if question is None:
            return ()

        def ask(session: Session) -> tuple[str, ...]:
            session.roll_back()
            return plans.lines(session.rows(question, statement.params))

        return (self.write if plans.for_writers(statement.sql) else self.read)(ask, deadline)

    def connections(self) -> tuple[int, int]:
        """How many connections run a session now, and how many are idle."""
        kept = [connection for connection in self._kept() if not connection.ended]
        used = sum(connection.lock.locked() for connection in kept)
        return used, len(kept) - used

    def close(self) -> None:
        """Close every connection that is idle now, the others when their work ends. Nothing can be run afterwards."""
        self._closed = True
        for connection in self._kept():
            if connection.lock.acquire(blocking=False):
                try:
                    connection.end()
                finally:
                    connection.lock.release()
        stop = getattr(self.database, "stop", None)
        if stop is not None:
            stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    # Inside ---------------------------------------------------------------------------------------------------------------------------

    def _open(self, address: SqliteAddress | ServerAddress) -> tuple[sqlite.Database | mysqlclient.Database, Dialect]:
        if isinstance(address, SqliteAddress):
            # In memory would mean a shared cache, whose table locks no time-out waits for: a file of our own behaves as any other.
            dialect = Sqlite(sqlite3.sqlite_version_info, durable=bool(address.path))
            path = address.path
            if not path:
                self._folder = tempfile.mkdtemp(prefix="protoplane-")
                atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
                path = str(Path(self._folder) / "database.sqlite")
            return sqlite.Database(path, dialect, self._keep), dialect
        from protoplane.store import mysqlclient

        database = mysqlclient.Database(address, self._patience_seconds, self._keep)
        try:
            database.connect()
        except (PeeweeException, StatementTimeout) as error:
            database.stop()
            raise CannotConnect(f"cannot connect to {address}: {error}") from error
        assert database.dialect is not None
        return database, database.dialect

    def _keep(self, connection: Connection) -> None:
        """A new connection of this thread."""
        connection.slowest = self._mine.slowest
        with self._keeping:
            self._connections.add(connection)

    def _kept(self) -> list[Connection]:
        with self._keeping:
            return list(self._connections)

    def _patience_seconds(self) -> float:
        deadline = self._mine.deadline
        return math.inf if deadline is None else deadline.remaining_seconds()

    def _enter(self, deadline: Deadline, *, writing: bool) -> Connection:
        """The thread's connection, made if need be, set up for one session."""
        if self._closed:
            raise Fault(Reason.DATABASE_UNAVAILABLE)
        database = self.database
        if database.is_closed():
            self._connect(deadline)
        connection = database.start_session(writing=writing)
        connection.until_seconds = deadline.at_seconds
        connection.deadline = deadline
        connection.statements = 0
        connection.broken = None
        connection.committed = False
        connection.writing = writing
        return connection

    def _connect(self, deadline: Deadline) -> None:
        self._mine.deadline = deadline
        try:
            self.database.connect()
        except (PeeweeException, StatementTimeout) as error:
            deadline.check()
            raise Fault(Reason.DATABASE_UNAVAILABLE, retry_delay_seconds=RETRY_SECONDS) from error
        finally:
            self._mine.deadline = None

    def _leave(self, connection: Connection) -> None:
        """End a session: roll back what is open, drop the connection if it cannot be used again."""
        database = self.database
        writing, connection.writing = connection.writing, False
        connection.deadline = connection.broken = None
        if connection.open:
            self._roll_back(connection)
        connection.until_seconds = math.inf
        if connection.ended or self._closed:
            connection.end()
            database.dispose()
        connection.lock.release()
        if writing:
            database.end_session(committed=connection.committed)

    def _roll_back(self, connection: Connection) -> None:
        connection.open = False
        if connection.ended:
            return
        connection.until_seconds = monotonic_seconds() + ROLLBACK_SECONDS_MAX
        try:
            connection.command("ROLLBACK")
        except connection.errors:
            connection.ended = True

    def _commit(self, connection: Connection, deadline: Deadline) -> None:
        connection.until_seconds = max(deadline.at_seconds, monotonic_seconds() + COMMIT_SECONDS_MIN)
        connection.deadline = None
        connection.command("COMMIT")
        connection.open, connection.committed = False, True


def judge(connection: Connection, error: Exception, *, committing: bool = False) -> Trouble:
    """What an error means for its transaction. Raises what the caller should see if it is about data, or about COMMIT and its outcome."""
    trouble = connection.trouble(error)
    refusal = connection.judge(error, connection.statement)
    if committing and trouble not in COMMIT_FAILED:
        connection.ended = True
        raise Fault(Reason.OUTCOME_UNKNOWN, retry_delay_seconds=RETRY_SECONDS) from error
    if refusal is not None and trouble not in RETRIED:
        try:
            raise refusal from error
        finally:
            del refusal  # As above.
    return trouble


def fail(trouble: Trouble, error: Exception, deadline: Deadline) -> NoReturn:
    """Raise the fault that an error becomes, or the error itself if it is a bug of ours."""
    match trouble:
        case Trouble.INTERRUPTED:
            deadline.check()  # Else somebody else stopped it: an administrator, or the server on its way down.
            raise Fault(Reason.DATABASE_UNAVAILABLE, retry_delay_seconds=RETRY_SECONDS) from error
        case Trouble.CONNECT | Trouble.GONE_BEFORE | Trouble.LOST | Trouble.READ_ONLY | Trouble.SCHEMA:
            deadline.check()
            raise Fault(Reason.DATABASE_UNAVAILABLE, retry_delay_seconds=RETRY_SECONDS) from error
        case Trouble.PERMISSION:
            raise Unusable(f"the database account lacks a privilege: {cause(error)}") from error
        case Trouble.FULL:
            raise Fault(Reason.STORAGE_FULL) from error
        case _:
            raise error


def again(trouble: Trouble, attempt: int, deadline: Deadline, failure: Exception) -> int:
    """The number of the next attempt, after a pause that lets the other transactions pass; CONCURRENT_WRITE when there is none."""
    deadline.check()
    if trouble in RECONNECTED:
        return attempt + 1
    pause = between(0.0, min(BACK_OFF_SECONDS_MAX, BACK_OFF_SECONDS_MIN * 2**attempt))
    if attempt >= limits.TRANSACTION_ATTEMPTS_MAX or pause >= deadline.remaining_seconds():
        raise Fault(Reason.CONCURRENT_WRITE, retry_delay_seconds=BACK_OFF_SECONDS_MAX) from failure
    sleep(pause)
    return attempt + 1
