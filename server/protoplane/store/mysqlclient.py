# mypy: allow-untyped-calls
# The driver's stubs leave its methods untyped.
"""Connections to MariaDB and MySQL by mysqlclient, which is imported here only: a base install does without it.

A statement is sent, then the socket is polled until its answer is there or its time is over: that costs 1 µs and bounds every kind of
statement on every server, a frozen one too, where a limit set in SQL costs 5 µs, is unknown to MySQL's writes and needs a live server.
"""

from __future__ import annotations

import contextlib
import math
import queue
import select
import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import MySQLdb
from MySQLdb import connections as driver
from MySQLdb.constants import CLIENT
from peewee import MySQLDatabase

from protoplane.base.clock import monotonic_seconds
from protoplane.store import connection
from protoplane.store.address import ServerAddress
from protoplane.store.ddl import Row
from protoplane.store.dialect import MySQLFamily, dialect_of
from protoplane.store.trouble import StatementTimeout

CONNECT_SECONDS_MAX = 5
"""Time for TCP, TLS and log-in."""

STALL_SECONDS_MAX = 60
"""Longest pause inside one answer, and longest time to take a statement off our hands."""

KILL_SECONDS_MAX = 2
"""Time for the connection that ends an abandoned statement."""

KILLS_WAITING_MAX = 64
"""Abandoned statements waiting to be ended; more than that and the server is beyond help."""

INSERT_BYTES_MAX = 512 * 1024
"""Size at which a multi-row INSERT is cut: far below max_allowed_packet, and past the point where larger ones are faster."""

LOOK_SECONDS = 0.25
"""Between two looks at whether the caller still waits: a statement that nobody waits for holds a thread and locks no longer than this."""

MILLISECONDS = 1_000


class Connection(connection.Connection, driver.Connection):
    """A connection whose statements end at `until_seconds`, or when their caller has gone, at the price of the connection."""

    errors = (MySQLdb.MySQLError, StatementTimeout)
    caught = connection.caught(errors)

    def __init__(self, *, abandon: Callable[[int], None], **options: Any) -> None:
        self.lock = threading.Lock()
        self._abandon = abandon
        self._poll: select.poll | None = None
        super().__init__(**options)
        self._poll = select.poll()
        self._poll.register(self.fileno(), select.POLLIN)

    def query(self, query: Any) -> None:
        """Run a statement; Peewee's cursors come here too. Raises StatementTimeout."""
        left = self.until_seconds - monotonic_seconds()
        if left <= 0:
            raise StatementTimeout(sent=False)
        self.send_query(bytes(query) if isinstance(query, bytearray) else query)
        while self._poll is not None and not self._poll.poll(math.ceil(min(left, LOOK_SECONDS) * MILLISECONDS)):
            left = self.until_seconds - monotonic_seconds()
            if left <= 0 or self.deserted:
                self._abandon(self.thread_id())  # The statement still runs, and holds its locks.
                self.end()
                raise StatementTimeout(sent=True)
        self.read_query_result()

    def fetch(self, sql: str, params: Sequence[object]) -> Sequence[Row]:
        """See Connection. The driver's cursor would add 15 µs for a description nobody reads."""
        self.admit(sql)
        self.query(sql.encode() % self._literals(params))
        rows: Sequence[Row] = self.store_result().fetch_row(0)
        return rows

    def change(self, sql: str, params: Sequence[object]) -> int:
        """See Connection; CLIENT.FOUND_ROWS makes it the rows matched."""
        self.admit(sql)
        self.query(sql.encode() % self._literals(params))
        return int(self.affected_rows())

    def change_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """See Connection; a few statements of many rows each."""
        self.admit(sql)
        head, _, values = sql.encode().rpartition(b" VALUES ")
        changed, chunk, size = 0, list[bytes](), 0
        for row in rows:
            text = values % self._literals(row)
            if chunk and size + len(text) > INSERT_BYTES_MAX:
                changed += self._insert(head, chunk)
                chunk, size = [], 0
            chunk.append(text)
            size += len(text) + 1
        return changed + (self._insert(head, chunk) if chunk else 0)

    def _literals(self, values: Sequence[object]) -> tuple[bytes, ...]:
        """As SQL text, each as the driver's `literal` makes it: in less than half the time for what most values are."""
        quote: Callable[[bytes], Any] = self.string_literal
        text = self._text
        return tuple(
            [
                quote(value.encode())
                if value.__class__ is str
                else b"%d" % value
                if value.__class__ is int
                else b"NULL"
                if value is None
                else text(value)
                for value in cast("Sequence[Any]", values)
            ]
        )

    def _text(self, value: Any) -> bytes:
        """One literal, whatever it is."""
        quote: Callable[[bytes], Any] = self.string_literal
        other: Callable[[object], bytes] = self.literal
        match value:
            case bytes():
                return b"_binary%b" % quote(value)
            case str():  # Of a class of its own, such as an enum's.
                return b"%b" % quote(value.encode())
            case int():
                return b"%d" % value
            case _:
                return other(value)

    def _insert(self, head: bytes, chunk: list[bytes]) -> int:
        self.query(head % () + b" VALUES " + b",".join(chunk))
        return int(self.affected_rows())

    def command(self, sql: str) -> None:
        """See Connection. The session's transactions are READ ONLY by default (`MySQLFamily.session`), so that nothing else writes."""
        match sql:
            case connection.BEGIN:
                self.query(b"START TRANSACTION READ WRITE")
            case connection.BEGIN_OF_ONE_MOMENT:
                self.query(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                self.query(b"START TRANSACTION READ WRITE")
            case connection.SNAPSHOT:
                self.query(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                self.query(b"START TRANSACTION WITH CONSISTENT SNAPSHOT")
            case _:
                self.query(sql.encode())

    def ask(self, sql: str) -> Sequence[Row]:
        """See Connection."""
        self.query(sql.encode())
        result = self.store_result()
        return () if result is None else result.fetch_row(0)

    def end(self) -> None:
        """See Connection."""
        self.ended = True
        with contextlib.suppress(MySQLdb.MySQLError):
            self.close()


class Killer:
    """Ends statements that nobody waits for any more: their connection is gone, but the server does not notice while they run."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = {
            **options,
            "connect_timeout": KILL_SECONDS_MAX,
            "read_timeout": KILL_SECONDS_MAX,
            "write_timeout": KILL_SECONDS_MAX,
        }
        self._waiting: queue.Queue[int | None] = queue.Queue(KILLS_WAITING_MAX)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def kill(self, thread_id: int) -> None:
        """End the connection with this number soon, from another thread; at best effort."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="protoplane-kill", daemon=True)
                self._thread.start()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(thread_id)

    def close(self) -> None:
        """Stop; what is waiting is dropped."""
        with self._lock:
            if self._thread is not None:
                with contextlib.suppress(queue.Empty):
                    while True:
                        self._waiting.get_nowait()
                self._waiting.put(None)
                self._thread.join(3 * KILL_SECONDS_MAX)

    def _run(self) -> None:
        while (thread_id := self._waiting.get()) is not None:
            with contextlib.suppress(MySQLdb.MySQLError):  # It has ended, or the server is out of reach: then nothing can be done.
                opened = driver.Connection(**self._options)
                try:
                    opened.query(f"KILL {thread_id:d}".encode())
                finally:
                    opened.close()


class Database(connection.BoundDatabase, MySQLDatabase):
    """Peewee's view of the server. `patience` gives the seconds that a connection attempt may take."""

    operations = {**MySQLDatabase.operations, "LIKE": "LIKE"}  # noqa: RUF012 - Peewee's own class attribute. The collation is exact already.

    def __init__(self, address: ServerAddress, patience: Callable[[], float], on_connect: Callable[[connection.Connection], None]) -> None:
        self._options = options_of(address)
        self._patience = patience
        self._on_connect = on_connect
        self._killer = Killer(self._options)
        self.dialect: MySQLFamily | None = None
        """Known after the first connection."""
        super().__init__(address.database)

    def _connect(self) -> Any:
        seconds = max(1, math.floor(min(CONNECT_SECONDS_MAX, self._patience())))
        opened = Connection(abandon=self._killer.kill, connect_timeout=seconds, **self._options)
        try:
            opened.until_seconds = monotonic_seconds() + seconds
            if self.dialect is None:
                self.dialect = dialect_of(opened.ask("SELECT VERSION()")[0][0])
            opened.dialect = self.dialect
            for statement in self.dialect.session():
                opened.ask(statement)
        except BaseException:
            opened.end()
            raise
        opened.until_seconds = math.inf
        self._on_connect(opened)
        return opened

    def stop(self) -> None:
        """End the thread that ends abandoned statements."""
        self._killer.close()


def options_of(address: ServerAddress) -> dict[str, Any]:
    """What mysqlclient is told. Rows matched are counted, not rows changed: an UPDATE that sets equal values has found its row."""
    options: dict[str, Any] = {
        "user": address.user,
        "password": address.password,
        "database": address.database,
        "charset": "utf8mb4",
        "autocommit": True,
        "binary_prefix": True,
        "multi_statements": False,
        "client_flag": CLIENT.FOUND_ROWS,
        "read_timeout": STALL_SECONDS_MAX,
        "write_timeout": STALL_SECONDS_MAX,
        "ssl_mode": address.ssl_mode,
    }
    if address.ssl_ca:
        options["ssl"] = {"ca": address.ssl_ca}
    if address.socket:
        return {**options, "unix_socket": address.socket}
    return {**options, "host": address.host, "port": address.port}
