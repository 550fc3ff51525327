"""SQLite, MariaDB and MySQL told apart: expressions, session settings, server checks; DDL and errors by way of `ddl` and `trouble`.

A dialect is chosen once, when the first connection is made; everything above asks it and never for its name.
"""

from __future__ import annotations

import re
import sqlite3
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import SQL, Entity, Node, NodeList, PeeweeException, fn

from protoplane.base import limits
from protoplane.base.moments import second_text
from protoplane.store.ddl import Ask, Definitions
from protoplane.store.ddl_server import MariaDBDefinitions, MySQLDefinitions, ServerDefinitions
from protoplane.store.ddl_sqlite import SqliteDefinitions
from protoplane.store.documents import Documents, MySQLDocuments, SqliteDocuments
from protoplane.store.grouping import SERVER, Grouping
from protoplane.store.grouping import SQLITE as SQLITE_GROUPING
from protoplane.store.keylist import ROWS, KeyList, ServerKeyList, SqliteKeyList
from protoplane.store.plans import MARIADB, MYSQL, SQLITE, Plans
from protoplane.store.schema import Storage
from protoplane.store.trouble import MYSQL_ERRORS, SQLITE_ERRORS, Trouble

LOCK_WAIT_SECONDS = 3
"""How long a statement waits for a row, or SQLite for its one writer, before the transaction is run again."""

TABLE_LOCK_WAIT_SECONDS = 5
"""How long a statement waits for a schema change: an ALTER that waits blocks everything behind it."""

DEFINE_WAIT_SECONDS = 2
"""How long a schema change waits for the transactions that use its table, before it lets those behind it pass and is tried again."""

IDLE_TRANSACTION_SECONDS = 60
"""After so long without a statement MariaDB ends an open transaction, and its locks: a backstop for processes that hang."""

RECURSIONS_MAX = 2**32 - 1
"""Of a recursive query: all that the servers take. At its default of 1,000 MariaDB stops, says nothing, and gives an answer that lacks the
rest; the statement's time bounds it as well."""

SORT_BYTES = 4_096
"""Bytes of a text that take part in sorting; our longest key column has 3,072."""

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - MySQL's DATETIME has no zone; the session's is UTC.
MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class ServerFinding:
    """Something about the database server that is unsafe (`fatal`: do not serve) or unwise."""

    rule: str
    """Stable kebab-case id, such as `commit-not-durable`."""
    problem: str
    mend: str
    fatal: bool

    def __str__(self) -> str:
        return f"database: {self.problem} [{self.rule}]\n    mend: {self.mend}"


class Dialect(Documents):
    """What one engine does in its own way."""

    name: str
    placeholder: str
    """How a bound value is written in SQL."""
    definitions: Definitions
    """Its DDL."""
    plans: Plans
    """How it explains a statement."""
    grouping: Grouping
    """How it buckets times, sums and joins texts."""
    key_list: KeyList
    """How it is told of many keys at once."""
    id_text: str
    """A bound id as a text with a width of its own: what a recursive table holds is as wide as its first row."""
    id_number: str
    """The number that a text is; of a text that is none no error, and nothing of which an index may be full."""
    uint64_max: int
    """Largest value of Storage.UINT64."""
    limits_recursion: bool = True
    """Whether LIMIT in a recursive table ends it. Where it does not, LIMIT ROWS EXAMINED ends the statement."""
    insert_missing: str = "INSERT IGNORE INTO"
    """The head of an INSERT that leaves rows as they are whose key is there. What does not fit is cut, too: that must have been looked at."""
    merges_ranges: bool = True
    """Whether the OR of ranges of one index is scanned in order (see `query.order`)."""

    @abstractmethod
    def session(self) -> Sequence[str]:
        """Statements that every new connection runs, before anything else."""

    @abstractmethod
    def define_settings(self) -> Sequence[str]:
        """Statements to run before a schema change, on a connection that is dropped after it."""

    @abstractmethod
    def findings(self, ask: Ask, *, connections: int) -> list[ServerFinding]:
        """What is unsafe or unwise about the server, for one of ours that keeps that many connections."""

    @abstractmethod
    def classify(self, error: BaseException) -> Trouble:
        """What a driver's error (Peewee's wrapping removed or not) means."""

    @abstractmethod
    def duplicate_index(self, error: BaseException, ask: Ask) -> str | None:
        """Name of the unique index that refused a row; None for the primary key."""

    @abstractmethod
    def read(self, column: Node, storage: Storage) -> Node:
        """The expression to select so that a row holds our own values: times as int microseconds since 1970."""

    @abstractmethod
    def bind(self, storage: Storage) -> Callable[[Any], Any] | None:
        """How our value of a storage becomes a parameter (None stays None); None when it is bound as it is."""

    def binder(self, storage: Storage) -> Callable[[Any], Any]:
        """As `bind`, for callers who do not care whether there is anything to do."""
        return self.bind(storage) or as_it_is

    @abstractmethod
    def for_update(self, select: str) -> str:
        """The SELECT that also locks its rows until the transaction ends, where the engine locks rows."""

    @abstractmethod
    def for_share(self, select: str) -> str:
        """The SELECT whose rows nobody changes until the transaction ends, where the engine locks rows; others may read them so too."""

    @abstractmethod
    def now(self) -> Node:
        """The server's clock, in int microseconds since 1970."""

    def led_by(self, source: Node, index: str) -> Node:
        """A table in FROM that is read by this index."""
        del index  # Chosen by itself.
        return source

    @abstractmethod
    def left(self, text: Node, characters: int) -> Node:
        """The first characters of a text."""

    @abstractmethod
    def id_part(self, text: str, place: int) -> str:
        """Of ids joined by `/` the one at a place, counted from 0, as SQL; anything where there are fewer."""

    @abstractmethod
    def id_start(self, text: str, count: int) -> str:
        """Of ids joined by `/` the first so many, joined, as SQL; anything where there are fewer."""

    @abstractmethod
    def id_joined(self, parts: Sequence[str]) -> str:
        """Two or more columns joined by `/`, as SQL; NULL where one is NULL."""

    def delete_from(self, table: str, index: str) -> str:
        """The head of a DELETE from a table, called `t`, whose rows are found by this index: `WHERE` is to follow."""
        del index  # Chosen by itself.
        return f"DELETE FROM {self.definitions.name(table)} AS t"  # noqa: S608 - a name of ours.


def cause(error: BaseException) -> BaseException:
    """The driver's own error inside Peewee's."""
    inner = getattr(error, "orig", None) if isinstance(error, PeeweeException) else None
    return inner if isinstance(inner, BaseException) else error


def as_it_is(value: Any) -> Any:
    """The value."""
    return value


def quote_text(value: str) -> str:
    """A text literal for DDL, which takes no parameters."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def time_text(micros: int | None) -> str | None:
    """Microseconds since 1970 UTC as MySQL reads them: `2026-01-31 12:00:00.000001`."""
    if micros is None:
        return None
    seconds, fraction = divmod(micros, MICROS)
    text = second_text(seconds, " ")
    return f"{text}.{fraction:06d}" if fraction else text


class Sqlite(SqliteDocuments, Dialect):
    """SQLite 3.37 and later, in WAL mode, with STRICT tables."""

    name = "sqlite"
    plans = SQLITE
    grouping = SQLITE_GROUPING
    placeholder = "?"
    id_text = "CAST({} AS TEXT)"
    id_number = "NULLIF(CAST({} AS INTEGER), 0)"
    uint64_max = 2**63 - 1
    merges_ranges = False
    insert_missing = "INSERT OR IGNORE INTO"
    version_min = (3, 37, 0)

    def __init__(self, version: tuple[int, ...], *, durable: bool = True) -> None:
        self.version = version
        self.durable = durable
        self.definitions = SqliteDefinitions()
        self.key_list = SqliteKeyList()

    def session(self) -> Sequence[str]:
        """WAL outlives the connection, the rest does not."""
        return (
            "PRAGMA journal_mode = WAL",
            f"PRAGMA synchronous = {'FULL' if self.durable else 'OFF'}",
            "PRAGMA foreign_keys = ON",
            f"PRAGMA busy_timeout = {LOCK_WAIT_SECONDS * 1_000}",
            "PRAGMA case_sensitive_like = ON",
            "PRAGMA trusted_schema = OFF",
        )

    def define_settings(self) -> Sequence[str]:
        """Nothing but the right to write: a schema change waits for the write lock as any write does."""
        return ("PRAGMA query_only = OFF",)

    def findings(self, ask: Ask, *, connections: int) -> list[ServerFinding]:
        """The version, and whether WAL is possible where the file lies."""
        del connections
        found = []
        if self.version < self.version_min:
            found.append(unsupported("SQLite", self.version, self.version_min))
        mode = ask("PRAGMA journal_mode")[0][0]
        if mode != "wal":
            problem = f"SQLite's journal mode is '{mode}', not 'wal': readers would block writers"
            found.append(
                ServerFinding("sqlite-not-wal", problem, "keep the file on a local disk, not on a network file system", fatal=True)
            )
        return found

    def classify(self, error: BaseException) -> Trouble:
        """By SQLite's extended code; a missing table or column has no code of its own, only its text."""
        error = cause(error)
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            return self._classify_uncoded(error)
        if code == sqlite3.SQLITE_ERROR and re.search(r"no such (table|column)|has no column named", str(error)):
            return Trouble.SCHEMA
        if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
            return Trouble.PARENT_MISSING  # SQLite does not say which side; the session knows its statement.
        return SQLITE_ERRORS.get(code) or SQLITE_ERRORS.get(code & 0xFF, Trouble.BUG)

    @staticmethod
    def _classify_uncoded(error: BaseException) -> Trouble:
        """What Python's module says by itself."""
        if isinstance(error, OverflowError | sqlite3.DataError):  # An integer beyond 64 bits, a text beyond SQLite's limit.
            return Trouble.VALUE
        closed = isinstance(error, sqlite3.ProgrammingError) and "closed database" in str(error)
        return Trouble.GONE_BEFORE if closed else Trouble.BUG

    def duplicate_index(self, error: BaseException, ask: Ask) -> str | None:
        """`UNIQUE constraint failed: t.a, t.b`: the index is looked up by its columns."""
        error = cause(error)
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_CONSTRAINT_UNIQUE:
            return None
        places = [place.rpartition(".") for place in str(error).partition("failed: ")[2].split(", ")]
        table, columns = places[0][0], [column for _, _, column in places]
        for _, index, unique, *_ in ask(f"PRAGMA index_list({quote_text(table)})"):
            if unique and [name for _, _, name in ask(f"PRAGMA index_info({quote_text(index)})")] == columns:
                return str(index)
        return None

    def read(self, column: Node, storage: Storage) -> Node:
        """Everything is stored as we want it."""
        del storage
        return column

    def bind(self, storage: Storage) -> Callable[[Any], Any] | None:
        """Everything is stored as we have it."""
        del storage
        return None

    def for_update(self, select: str) -> str:
        """A transaction that writes has the whole database to itself."""
        return select

    def for_share(self, select: str) -> str:
        """As `for_update`."""
        return select

    def now(self) -> Node:
        """To the millisecond: all that SQLite's own clock tells."""
        return SQL("CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000")

    def left(self, text: Node, characters: int) -> Node:
        """SUBSTR counts characters from 1."""
        return fn.SUBSTR(text, SQL("1"), SQL(str(characters)))

    def id_part(self, text: str, place: int) -> str:
        """By way of JSON, which quotes everything but the `/`: SQLite has no function that splits."""
        return f"""json_extract('[' || replace(json_quote({text}), '/', '","') || ']', '$[{place}]')"""

    def id_start(self, text: str, count: int) -> str:
        """Its parts, joined again."""
        return self.id_joined([self.id_part(text, place) for place in range(count)])

    def id_joined(self, parts: Sequence[str]) -> str:
        """Of numbers their digits."""
        joined = " || '/' || ".join(parts)
        return f"({joined})"


class MySQLFamily(MySQLDocuments, Dialect):
    """What MariaDB and MySQL have in common."""

    placeholder = "%s"
    id_text = "CAST({} AS CHAR(255))"
    id_number = "CAST(CASE WHEN {0} REGEXP '^[1-9][0-9]{{0,18}}$' THEN {0} ELSE '9223372036854775807' END AS UNSIGNED)"
    grouping = SERVER
    uint64_max = 2**64 - 1
    product: str
    row_lock: str = "FOR UPDATE"
    """Locks the rows of `keylist.ROWS`."""
    row_share: str = "LOCK IN SHARE MODE"
    """Locks them against writers alone."""
    row_constructor: str = ""
    """What stands before each row of VALUES."""
    read_only: str = "transaction_read_only"
    """The session variable that says whether transactions may write."""
    version_min: tuple[int, ...]

    server_definitions: type[ServerDefinitions]

    def __init__(self, version: tuple[int, ...]) -> None:
        self.version = version
        self.definitions = self.server_definitions(self.collation)
        self.key_list = ServerKeyList(self.exact, lock=self.row_lock, share=self.row_share, row=self.row_constructor)

    @abstractmethod
    def own_settings(self) -> Mapping[str, str]:
        """Session variables of this product alone."""

    def session(self) -> Sequence[str]:
        """One statement, one round trip."""
        mode = "STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
        settings = {
            "sql_mode": f"'{mode}'",
            "time_zone": "'+00:00'",
            "collation_connection": f"'{self.collation}'",  # Of literals, and so of what is computed from them.
            "lc_messages": "'en_US'",  # The index of a duplicate is read from the message.
            "innodb_lock_wait_timeout": str(LOCK_WAIT_SECONDS),
            "lock_wait_timeout": str(TABLE_LOCK_WAIT_SECONDS),
            "max_sort_length": str(SORT_BYTES),
            self.read_only: "1",  # `Engine.write` begins its transactions as READ WRITE; what stands outside of them cannot write.
            **self.own_settings(),
        }
        return ("SET SESSION " + ", ".join(f"{name} = {value}" for name, value in settings.items()),)

    def define_settings(self) -> Sequence[str]:
        """The default is a day; an ALTER that waits for a long transaction blocks every later query of its table."""
        return (f"SET SESSION lock_wait_timeout = {DEFINE_WAIT_SECONDS}, {self.read_only} = 0",)

    def findings(self, ask: Ask, *, connections: int) -> list[ServerFinding]:
        """Durability, room for our connections, packet size, character set, version."""
        variables = {str(name): str(value) for name, value in ask(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({SERVER_VARIABLES})")}
        found = []
        if self.version < self.version_min:
            found.append(unsupported(self.product, self.version, self.version_min))
        if variables.get("innodb_flush_log_at_trx_commit") != "1":
            problem = "innodb_flush_log_at_trx_commit is not 1: a crash of the server loses acknowledged writes"
            found.append(ServerFinding("commit-not-durable", problem, "set innodb_flush_log_at_trx_commit = 1", fatal=True))
        if variables.get("log_bin") == "ON" and variables.get("binlog_format") == "STATEMENT":
            problem = "binlog_format is STATEMENT, with which InnoDB refuses writes at READ COMMITTED"
            found.append(ServerFinding("binlog-statement", problem, "set binlog_format = ROW", fatal=True))
        if variables.get("log_bin") == "ON" and variables.get("sync_binlog") != "1":
            problem = "sync_binlog is not 1: a replica that is promoted may lack acknowledged writes"
            found.append(ServerFinding("binlog-not-synced", problem, "set sync_binlog = 1 where replicas are promoted", fatal=False))
        room = int(variables.get("max_connections", 0))
        if room < connections + CONNECTIONS_RESERVED:
            problem = f"max_connections is {room}; this server alone keeps up to {connections}, and {CONNECTIONS_RESERVED} are for others"
            mend = "raise max_connections, or lower the number of threads or processes"
            found.append(ServerFinding("connections-too-few", problem, mend, fatal=True))
        elif room < 2 * connections + CONNECTIONS_RESERVED:
            problem = f"max_connections is {room}; while processes are replaced there are two of each, with up to {2 * connections}"
            mend = "raise max_connections, or lower the number of threads or processes"
            found.append(ServerFinding("connections-too-few-to-replace", problem, mend, fatal=False))
        packet = int(variables.get("max_allowed_packet", 0))
        if packet < PACKET_BYTES_MIN:
            problem = f"max_allowed_packet is {packet} bytes; a message of {limits.VALUE_BYTES_MAX} bytes needs {PACKET_BYTES_MIN}"
            found.append(ServerFinding("packet-too-small", problem, f"set max_allowed_packet = {PACKET_BYTES_MIN} or more", fatal=True))
        if variables.get("lower_case_table_names") == "1":
            problem = "lower_case_table_names is 1: tables whose names differ by case alone would be one"
            found.append(ServerFinding("table-names-folded", problem, "keep table names in lower case", fatal=False))
        return found

    def classify(self, error: BaseException) -> Trouble:
        """By error number."""
        error = cause(error)
        number = error.args[0] if error.args else None
        if number == 0:
            return Trouble.GONE_BEFORE  # InterfaceError(0, ''): a handle that was closed.
        return MYSQL_ERRORS.get(number, Trouble.BUG) if isinstance(number, int) else Trouble.BUG

    def duplicate_index(self, error: BaseException, ask: Ask) -> str | None:
        """`Duplicate entry '…' for key 'table.index'`; the table is named by MySQL only, the entry may hold anything."""
        del ask
        text = str(cause(error).args[-1])
        index = text.rpartition("for key '")[2].removesuffix("'").rpartition(".")[2]
        return None if index == "PRIMARY" else index

    def read(self, column: Node, storage: Storage) -> Node:
        """Measured on 1,000 rows: 0.08 ms more than an integer column; parsing the text in Python 0.3 ms, the driver's datetime 1 ms.

        Exact from 0001-01-01 to 9999-12-31T23:59:59.999999.
        """
        if storage is not Storage.TIME:
            return column
        return fn.TIMESTAMPDIFF(SQL("MICROSECOND"), SQL("TIMESTAMP'1970-01-01 00:00:00.000000'"), column)

    def bind(self, storage: Storage) -> Callable[[Any], Any] | None:
        """Times as text; cut to microseconds by being an int, because MySQL would round and MariaDB truncate."""
        return time_text if storage is Storage.TIME else None

    def for_update(self, select: str) -> str:
        """Rows that are found are locked; READ COMMITTED locks no gaps."""
        return select + " FOR UPDATE"

    def for_share(self, select: str) -> str:
        """In the words that MariaDB and MySQL both have."""
        return select + " LOCK IN SHARE MODE"

    def now(self) -> Node:
        """UTC, whatever the session's zone."""
        return self.read(SQL("UTC_TIMESTAMP(6)"), Storage.TIME)

    def led_by(self, source: Node, index: str) -> Node:
        """Left to themselves both read the primary key and skip, or merge indexes and sort, as their guesses have it."""
        return NodeList((source, SQL("FORCE INDEX ("), Entity(index), SQL(")")))

    def left(self, text: Node, characters: int) -> Node:
        """Characters, not bytes."""
        return fn.LEFT(text, SQL(str(characters)))

    def id_part(self, text: str, place: int) -> str:
        """The last of the first so many."""
        start = self.id_start(text, place + 1)
        return f"SUBSTRING_INDEX({start}, '/', -1)" if place else start

    def id_start(self, text: str, count: int) -> str:
        """Up to the `/` behind it."""
        return f"SUBSTRING_INDEX({text}, '/', {count})"

    def id_joined(self, parts: Sequence[str]) -> str:
        """CONCAT_WS would leave out what is NULL."""
        joined = ", '/', ".join(parts)
        return f"CONCAT({joined})"

    def delete_from(self, table: str, index: str) -> str:
        """In the form for many tables, which alone takes an index: read whole, it waits for the locks of all others."""
        definitions = self.definitions
        return f"DELETE t FROM {definitions.name(table)} AS t FORCE INDEX ({definitions.name(index)})"


class MariaDB(MySQLFamily):
    """MariaDB 10.6 and later: the first with JSON_TABLE and SKIP LOCKED."""

    name = "mariadb"
    plans = MARIADB
    product = "MariaDB"
    limits_recursion = False
    server_definitions = MariaDBDefinitions
    collation = "utf8mb4_nopad_bin"
    version_min = (10, 6, 0)

    def __init__(self, version: tuple[int, ...]) -> None:
        super().__init__(version)
        if version < VARIABLES_RENAMED:
            self.read_only = "tx_read_only"

    def own_settings(self) -> Mapping[str, str]:
        """Limits on time are a backstop here: the engine's own deadline comes first, but dies with the process."""
        isolation = "transaction_isolation" if self.version >= VARIABLES_RENAMED else "tx_isolation"
        return {
            isolation: "'READ-COMMITTED'",
            "max_statement_time": str(limits.DEADLINE_SECONDS_MAX),
            "max_recursive_iterations": str(RECURSIONS_MAX),
            "idle_transaction_timeout": str(IDLE_TRANSACTION_SECONDS),
        }

    def define_settings(self) -> Sequence[str]:
        """An index over many rows takes longer than any call may."""
        return (*super().define_settings(), "SET SESSION max_statement_time = 0")


class MySQL(MySQLFamily):
    """MySQL 8.0.31 and later: the first whose JSON_TABLE takes a collation."""

    name = "mysql"
    plans = MYSQL
    product = "MySQL"
    server_definitions = MySQLDefinitions
    collation = "utf8mb4_0900_bin"
    row_lock = f"FOR UPDATE OF {ROWS}"  # It refuses to lock the list.
    row_share = f"FOR SHARE OF {ROWS}"
    row_constructor = "ROW"
    version_min = (8, 0, 31)

    def own_settings(self) -> Mapping[str, str]:
        """MySQL limits SELECT only."""
        return {
            "transaction_isolation": "'READ-COMMITTED'",
            "max_execution_time": str(int(limits.DEADLINE_SECONDS_MAX * 1_000)),
            "cte_max_recursion_depth": str(RECURSIONS_MAX),
        }


VARIABLES_RENAMED = (11, 1)
"""The version of MariaDB from which on `tx_isolation` and `tx_read_only` are called as MySQL calls them."""

CONNECTIONS_RESERVED = 10
"""Connections left for administrators, migrations and health checks."""

PACKET_BYTES_MIN = 2 * limits.VALUE_BYTES_MAX + 1024 * 1024
"""The largest message with every byte escaped, and the rest of its statement."""

SERVER_VARIABLES = ", ".join(
    f"'{name}'"
    for name in (
        "binlog_format",
        "innodb_flush_log_at_trx_commit",
        "log_bin",
        "lower_case_table_names",
        "max_allowed_packet",
        "max_connections",
        "sync_binlog",
    )
)


class UnsupportedServer(Exception):
    """The server is of a kind that Protoplane does not run on."""


def dialect_of(version: str) -> MySQLFamily:
    """The dialect of a server that speaks MySQL's protocol, by what VERSION() says; raises UnsupportedServer."""
    for name in ("TiDB", "Vitess"):
        if name.lower() in version.lower():
            raise UnsupportedServer(f"the server is {name} ({version}); supported are MariaDB 10.6+, MySQL 8.0.31+ and SQLite 3.37+")
    numbers = re.search(r"(\d+)\.(\d+)\.(\d+)", version.removeprefix("5.5.5-"))
    if numbers is None:
        raise UnsupportedServer(f"the server calls itself '{version}', which names no version of MariaDB or MySQL")
    parts = tuple(int(number) for number in numbers.groups())
    return MariaDB(parts) if "mariadb" in version.lower() else MySQL(parts)


def unsupported(product: str, version: tuple[int, ...], needed: tuple[int, ...]) -> ServerFinding:
    """A server that is too old."""
    have, want = (".".join(map(str, parts)) for parts in (version, needed))
    return ServerFinding("version-unsupported", f"{product} is {have}; {want} or later is needed", f"upgrade {product}", fatal=True)
