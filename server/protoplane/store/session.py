"""What one piece of work may do with a connection: its statements, while it lasts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import NoReturn, cast

from protoplane.base.clock import monotonic_seconds
from protoplane.store.connection import SNAPSHOT, Connection
from protoplane.store.ddl import Row
from protoplane.store.origin import Origin


class _Ended:
    """In place of a connection when a session is over."""

    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError("the call has ended, and its session with it")


ENDED = _Ended()


class Session:
    """The statements of one piece of work. Errors about data are `Duplicate`, `ParentMissing`, `HasChildren` or a Fault."""

    __slots__ = ("_connection", "_savepoints", "attempt", "origin", "rolled_back")

    def __init__(self, connection: Connection, attempt: int) -> None:
        self._connection = connection
        self.attempt = attempt
        """1 at first; more when the transaction is run again."""
        self.rolled_back = False
        self._savepoints = 0  # That are open, one inside the other.
        self.origin: Origin | None = None
        """Where its writes come from. Whoever writes rows of a resource says it first."""

    def end(self) -> None:
        """Its work is done: whoever kept it would write in the name of another call."""
        self._connection = cast("Connection", ENDED)

    def snapshot(self) -> None:
        """Have all that a session of `Engine.read` reads from now on be of one moment: for answers that several statements make together.

        Costs a round trip or two. One of `Engine.write` goes on to see what is committed when each statement starts.
        """
        connection = self._connection
        if not (connection.writing or connection.open):
            connection.command(SNAPSHOT)
            connection.open = True

    def rows(self, sql: str, params: Sequence[object] = ()) -> Sequence[Row]:
        """All rows of a query. Times are what the query makes of them (`Dialect.read`)."""
        connection, began_seconds = self._connection, monotonic_seconds()
        try:
            return connection.fetch(sql, params)
        except connection.errors as error:
            self._refuse(error, sql)
            raise
        finally:
            connection.slowest.ran(sql, params, began_seconds)

    def row(self, sql: str, params: Sequence[object] = ()) -> Row | None:
        """The first row of a query."""
        rows = self.rows(sql, params)
        return rows[0] if rows else None

    def execute(self, sql: str, params: Sequence[object] = ()) -> int:
        """Run a write; the number of rows it matched, whether or not their values changed."""
        if not self._connection.writing:
            raise RuntimeError("a write needs Engine.write")
        connection, began_seconds = self._connection, monotonic_seconds()
        try:
            return connection.change(sql, params)
        except connection.errors as error:
            self._refuse(error, sql)
            raise
        finally:
            connection.slowest.ran(sql, params, began_seconds)

    def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """Run an INSERT of one row, whose text ends with `VALUES (…)`, for many rows in few statements; the number inserted."""
        if not self._connection.writing:
            raise RuntimeError("a write needs Engine.write")
        connection, began_seconds = self._connection, monotonic_seconds()
        try:
            return connection.change_many(sql, rows)
        except connection.errors as error:
            self._refuse(error, sql)
            raise
        finally:
            connection.slowest.ran(sql, (), began_seconds)

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block wrote if it raises, and nothing else of the transaction. Blocks may stand inside one another."""
        self._savepoints += 1
        name = f"part{self._savepoints}"  # One of its own: MySQL forgets a savepoint when another takes its name.
        try:
            self._connection.ask(f"SAVEPOINT {name}")
            try:
                yield
            except BaseException:
                if self._connection.broken is None:  # Else the whole transaction has ended.
                    self._connection.ask(f"ROLLBACK TO SAVEPOINT {name}")
                raise
            self._connection.ask(f"RELEASE SAVEPOINT {name}")
        finally:
            self._savepoints -= 1

    def roll_back(self) -> None:
        """Have everything undone when the work returns; its value is still given to the caller (`validate_only`)."""
        self.rolled_back = True

    def spoil(self, error: Exception) -> None:
        """Let nothing of the transaction be kept, whatever the work makes of this error: what was written is only half of what must be."""
        if self._connection.broken is None:
            self._connection.broken = error

    def _refuse(self, error: Exception, sql: str) -> None:
        refusal = self._connection.judge(error, sql)
        if refusal is not None:
            try:
                raise refusal from error
            finally:
                del refusal  # Its traceback has this frame: the cycle would keep the whole call until a garbage collection.
