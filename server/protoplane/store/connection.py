"""What the engine asks of a connection, whichever driver it comes from, and how Peewee is kept to the same rules."""

from __future__ import annotations

import math
import re
import threading
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from peewee import Database, PeeweeException

from protoplane.base.clock import monotonic_seconds
from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault, Reason
from protoplane.store.ddl import Row
from protoplane.store.dialect import Dialect, cause
from protoplane.store.slowest import Slowest
from protoplane.store.trouble import (
    CONNECTION_ENDED,
    TRANSACTION_ENDED,
    Duplicate,
    HasChildren,
    LockTimeout,
    ParentMissing,
    StatementTimeout,
    StoreError,
    Trouble,
)

if TYPE_CHECKING:

    class BaseDatabase(Database):
        """Peewee's, with what its stubs leave out."""

        _state: Any

        def connection(self) -> Any:
            """See Peewee."""

        def push_transaction(self, transaction: object) -> None:
            """See Peewee."""

        def _run_commit_callbacks(self) -> None: ...
        def _clear_commit_callbacks(self) -> None: ...
else:
    BaseDatabase = object

SNAPSHOT = "SNAPSHOT"
"""The command that begins a transaction which only reads, all of it of one moment."""


BEGIN, BEGIN_OF_ONE_MOMENT = "BEGIN", "BEGIN OF ONE MOMENT"
"""The commands that begin one which writes; what it reads without a lock is, by the second, all of the moment of its first read, but for its own."""


class Connection:
    """One connection, used by one thread at a time. Mixed into the driver's own class."""

    errors: ClassVar[tuple[type[Exception], ...]]
    """What its methods raise."""
    caught: ClassVar[tuple[type[Exception], ...]]
    """What may come out of a session: the same, from Peewee too."""
    dialect: Dialect
    slowest: Slowest
    """The note of its thread."""
    lock: threading.Lock
    """Held while a session runs; whoever holds it may close the connection."""
    until_seconds: float = math.inf
    """Monotonic time at which a statement is given up."""
    deadline: Deadline | None = None
    """Of the call that waits for the statement; None while it must run to its end whether anybody waits or not, as COMMIT must."""
    writing: bool = False
    """Whether a session of `Engine.write` runs: elsewhere Peewee may only read."""
    open: bool = False
    """Whether a transaction has begun and not ended."""
    committed: bool = False
    """Whether the session's transaction was committed."""
    statements: int = 0
    """Statements run in the session, BEGIN and COMMIT not counted."""
    statement: str = ""
    """The last statement, for errors that do not say what they are about."""
    broken: Exception | None = None
    """Why nothing more may run in this session."""
    ended: bool = False
    """Whether the connection cannot be used again."""

    @abstractmethod
    def fetch(self, sql: str, params: Sequence[object]) -> Sequence[Row]:
        """Rows of a query; raises the driver's errors and StatementTimeout."""

    @abstractmethod
    def change(self, sql: str, params: Sequence[object]) -> int:
        """Number of rows that a write matched, changed or not."""

    @abstractmethod
    def change_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """Run a single-row INSERT, whose text ends with its VALUES, for many rows."""

    @abstractmethod
    def command(self, sql: str) -> None:
        """BEGIN, COMMIT, ROLLBACK, SNAPSHOT, or a savepoint's."""

    @abstractmethod
    def ask(self, sql: str) -> Sequence[Row]:
        """Rows of a statement of the dialect's own, not counted and not judged."""

    @abstractmethod
    def end(self) -> None:
        """Close it for good; never raises."""

    @property
    def deserted(self) -> bool:
        """Whether the caller has gone: what runs for it is of no use."""
        return self.deadline is not None and self.deadline.cancelled

    def guard(self) -> None:
        """Have the engine refuse every write until the next transaction, where its sessions do not refuse them anyway."""

    def admit(self, sql: str) -> None:
        """Take note of a statement about to run; raise if the transaction it would belong to has ended.

        Outside of `Engine.write` only reads may run. A statement that begins with SELECT cannot write, but for what the engine refuses
        by itself; any other may (`WITH … DELETE`), whatever it begins with.
        """
        if self.broken is not None:
            raise self.broken
        if not (self.writing or sql.startswith("SELECT")):
            self.guard()
        self.statements += 1
        self.statement = sql

    def judge(self, error: Exception, sql: str) -> StoreError | Fault | RuntimeError | None:
        """What the caller should see in place of a driver's error, if it is about the statement; take note if nothing more may run."""
        trouble = self.trouble(error)
        if trouble in TRANSACTION_ENDED:
            self.broken = error
            self.ended = self.ended or trouble in CONNECTION_ENDED
        refusal: StoreError | Fault | RuntimeError | None = None
        match trouble:
            case Trouble.DUPLICATE:
                refusal = Duplicate(self.dialect.duplicate_index(error, self.ask))
            case Trouble.PARENT_MISSING if sql.lstrip()[:6].upper() != "DELETE":
                refusal = ParentMissing("the parent is not there")
            case Trouble.HAS_CHILDREN | Trouble.PARENT_MISSING:
                refusal = HasChildren("the row has children")
            case Trouble.LOCK_TIMEOUT:
                refusal = LockTimeout("a lock was not to be had")
            case Trouble.VALUE | Trouble.PACKET:
                refusal = Fault(Reason.VALUE_TOO_LARGE)
            case Trouble.OUTSIDE:
                refusal = RuntimeError(OUTSIDE)
        return refusal

    def trouble(self, error: BaseException) -> Trouble:
        """What an error of this connection means."""
        if isinstance(error, LockTimeout):
            return Trouble.LOCK_TIMEOUT
        inner = cause(error)
        return Trouble.INTERRUPTED if isinstance(inner, StatementTimeout) else self.dialect.classify(inner)


def caught(errors: tuple[type[Exception], ...]) -> tuple[type[Exception], ...]:
    """What may come out of a session whose connection raises these."""
    return (*errors, PeeweeException, LockTimeout)


OUTSIDE = "a write outside of Engine.write, or after a statement that commits by itself, would not be part of any transaction"

READ = re.compile(r"[\s(]*+(?:SELECT|WITH|SHOW)\b(?!.*\b(?:OUT|DUMP)FILE\b)", re.IGNORECASE | re.DOTALL)
"""What Peewee may run outside of `Engine.write`. The first word keeps out what changes the session, and a SELECT can write a file on the
server; what writes rows behind such a beginning the engine refuses."""


WRITE = re.compile(r"[\s(]*(SELECT|WITH|SHOW|INSERT|UPDATE|DELETE|REPLACE|SAVEPOINT|RELEASE|ROLLBACK\s+TO)\b", re.IGNORECASE)
"""What custom code may run in a transaction: nothing that ends it, or changes the connection for the calls after it."""

BOUNDS = "a transaction takes queries, writes and savepoints; it is ended by Engine.write, and its session keeps its settings"


class BoundDatabase(BaseDatabase):
    """Mixed into a Peewee database: queries of custom code run in the engine's connection, transaction and deadline."""

    def execute_sql(self, sql: Any, params: Any = None) -> Any:
        """Run a statement of Peewee's; only reads outside `Engine.write`, where a write would be committed on its own."""
        connection: Connection = self.connection()
        alone = not connection.lock.locked()  # A thread of custom code, outside any session.
        if alone:
            connection.broken = None
        if not connection.writing and not READ.match(sql):
            raise RuntimeError(OUTSIDE)
        if connection.writing and not WRITE.match(sql):
            raise RuntimeError(BOUNDS)
        connection.admit(sql)
        began_seconds = monotonic_seconds()
        try:
            return super().execute_sql(sql, params)  # type: ignore[no-untyped-call]  # Peewee's stubs.
        except PeeweeException as error:
            refusal = connection.judge(error, sql)
            if alone and connection.ended:
                connection.end()
                self.dispose()
            if isinstance(refusal, RuntimeError):
                try:
                    raise refusal from error
                finally:
                    del refusal  # Its traceback has this frame: the cycle would keep the whole call until a garbage collection.
            raise
        finally:
            connection.slowest.ran(sql, params or (), began_seconds)

    def start_session(self, *, writing: bool) -> Connection:
        """The thread's connection, locked for one session; in one that writes, `atomic()` makes savepoints."""
        connection: Connection = self.connection()
        if not connection.lock.acquire(blocking=False):
            raise RuntimeError("a session is running on this thread already; use it")
        if writing:
            self.push_transaction(self)
        return connection

    def end_session(self, *, committed: bool) -> None:
        """Run what was asked of `after_commit`, or forget it."""
        self._state.transactions.clear()
        if committed:
            self._run_commit_callbacks()
        else:
            self._clear_commit_callbacks()

    def begin(self, *_args: Any, **_kwargs: Any) -> None:
        """Refused: transactions are the engine's. `atomic()` inside of one makes a savepoint."""
        raise RuntimeError("transactions are begun by Engine.write; inside of it atomic() makes a savepoint")

    def commit(self) -> None:
        """Refused, as `begin`."""
        raise RuntimeError("transactions are committed by Engine.write")

    def rollback(self) -> None:
        """Refused, as `begin`."""
        raise RuntimeError("transactions are rolled back by Engine.write: raise an exception, or Session.roll_back()")
