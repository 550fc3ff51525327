"""What can go wrong in a database, named once for all engines, and the exceptions that other rooms may catch.

The numbers are those of the status map (see the reliability checklist): provoked on MariaDB 10.11, MySQL 9.7 and SQLite 3.40
by `tests/faults` where that is possible on one machine, else from the engines' manuals.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from enum import StrEnum


class Trouble(StrEnum):
    """What a driver's error means for the transaction and the connection."""

    DEADLOCK = "deadlock"  # The transaction was rolled back: run it again.
    LOCK_TIMEOUT = "lock-timeout"  # Only the statement was rolled back: roll back the rest, run it again.
    WRITE_CONFLICT = "write-conflict"  # Rolled back by certification or snapshot isolation: run it again.
    DUPLICATE = "duplicate"  # The statement alone was refused: a primary key or unique index.
    PARENT_MISSING = "parent-missing"
    HAS_CHILDREN = "has-children"
    VALUE = "value"  # Too long or out of range for its column.
    PACKET = "packet"  # Too large for the connection, which is unusable afterwards.
    OUTSIDE = "outside"  # A write where only reads are allowed: outside of `Engine.write`, or after a statement that ended its transaction.
    PERMISSION = "permission"  # The database account lacks a privilege.
    READ_ONLY = "read-only"  # Failover or maintenance: another connection may reach the new primary.
    CONNECT = "connect"  # No connection was made; nothing was done.
    GONE_BEFORE = "gone-before"  # The connection had ended before the statement was sent; nothing was done.
    LOST = "lost"  # The connection ended during the statement: whether it took effect is unknown.
    FULL = "full"
    INTERRUPTED = "interrupted"  # Stopped by a limit on time, or killed.
    SCHEMA = "schema"  # A table or column is missing or has no default: another version of the schema is there.
    BUG = "bug"  # Everything else: ours.


RETRIED = frozenset({Trouble.DEADLOCK, Trouble.LOCK_TIMEOUT, Trouble.WRITE_CONFLICT})
"""The whole transaction is run again on the same connection, several times."""

RECONNECTED = frozenset({Trouble.GONE_BEFORE, Trouble.LOST, Trouble.READ_ONLY})
"""Run again once on another connection, provided that no COMMIT was sent: the transaction ended with its connection."""

CONNECTION_ENDED = frozenset({Trouble.CONNECT, Trouble.GONE_BEFORE, Trouble.LOST, Trouble.PACKET, Trouble.READ_ONLY})
"""The connection is closed and not used again."""

TRANSACTION_ENDED = RETRIED | CONNECTION_ENDED | {Trouble.FULL, Trouble.INTERRUPTED, Trouble.OUTSIDE}
"""Nothing more may run in the transaction: what followed would be committed on its own, or half of it would be."""

MYSQL_ERRORS: Mapping[int, Trouble] = {
    3: Trouble.FULL,  # Error writing file (Errcode: 28).
    1020: Trouble.WRITE_CONFLICT,  # ER_CHECKREAD: MariaDB snapshot isolation.
    1021: Trouble.FULL,  # ER_DISK_FULL
    1040: Trouble.CONNECT,  # ER_CON_COUNT_ERROR: too many connections.
    1042: Trouble.CONNECT,  # ER_BAD_HOST_ERROR
    1043: Trouble.CONNECT,  # ER_HANDSHAKE_ERROR
    1044: Trouble.PERMISSION,  # ER_DBACCESS_DENIED_ERROR
    1045: Trouble.CONNECT,  # ER_ACCESS_DENIED_ERROR
    1047: Trouble.CONNECT,  # ER_UNKNOWN_COM_ERROR: a Galera node that is not part of the cluster.
    1049: Trouble.CONNECT,  # ER_BAD_DB_ERROR
    1053: Trouble.LOST,  # ER_SERVER_SHUTDOWN
    1054: Trouble.SCHEMA,  # ER_BAD_FIELD_ERROR
    1062: Trouble.DUPLICATE,  # ER_DUP_ENTRY
    1114: Trouble.FULL,  # ER_RECORD_FILE_FULL
    1129: Trouble.CONNECT,  # ER_HOST_IS_BLOCKED
    1130: Trouble.CONNECT,  # ER_HOST_NOT_PRIVILEGED
    1142: Trouble.PERMISSION,  # ER_TABLEACCESS_DENIED_ERROR
    1143: Trouble.PERMISSION,  # ER_COLUMNACCESS_DENIED_ERROR
    1146: Trouble.SCHEMA,  # ER_NO_SUCH_TABLE
    1152: Trouble.LOST,  # ER_ABORTING_CONNECTION
    1153: Trouble.PACKET,  # ER_NET_PACKET_TOO_LARGE
    1158: Trouble.LOST,  # ER_NET_READ_ERROR
    1159: Trouble.LOST,  # ER_NET_READ_INTERRUPTED
    1160: Trouble.LOST,  # ER_NET_ERROR_ON_WRITE
    1161: Trouble.LOST,  # ER_NET_WRITE_INTERRUPTED
    1203: Trouble.CONNECT,  # ER_TOO_MANY_USER_CONNECTIONS
    1205: Trouble.LOCK_TIMEOUT,  # ER_LOCK_WAIT_TIMEOUT, also MariaDB's NOWAIT.
    1206: Trouble.FULL,  # ER_LOCK_TABLE_FULL
    1213: Trouble.DEADLOCK,  # ER_LOCK_DEADLOCK
    1226: Trouble.CONNECT,  # ER_USER_LIMIT_REACHED
    1227: Trouble.PERMISSION,  # ER_SPECIFIC_ACCESS_DENIED_ERROR
    1264: Trouble.VALUE,  # ER_WARN_DATA_OUT_OF_RANGE
    1290: Trouble.READ_ONLY,  # ER_OPTION_PREVENTS_STATEMENT: --read-only.
    1317: Trouble.INTERRUPTED,  # ER_QUERY_INTERRUPTED: KILL QUERY.
    1364: Trouble.SCHEMA,  # ER_NO_DEFAULT_FOR_FIELD: a column newer than this server.
    1366: Trouble.VALUE,  # ER_TRUNCATED_WRONG_VALUE_FOR_FIELD
    1370: Trouble.PERMISSION,  # ER_PROCACCESS_DENIED_ERROR
    1406: Trouble.VALUE,  # ER_DATA_TOO_LONG
    1451: Trouble.HAS_CHILDREN,  # ER_ROW_IS_REFERENCED_2
    1452: Trouble.PARENT_MISSING,  # ER_NO_REFERENCED_ROW_2
    1637: Trouble.CONNECT,  # ER_TOO_MANY_CONCURRENT_TRXS
    1792: Trouble.OUTSIDE,  # ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    1836: Trouble.READ_ONLY,  # ER_READ_ONLY_MODE
    1927: Trouble.LOST,  # ER_CONNECTION_KILLED (MariaDB)
    1969: Trouble.INTERRUPTED,  # ER_STATEMENT_TIMEOUT (MariaDB)
    2002: Trouble.CONNECT,  # CR_CONNECTION_ERROR
    2003: Trouble.CONNECT,  # CR_CONN_HOST_ERROR
    2004: Trouble.CONNECT,  # CR_IPSOCK_ERROR
    2005: Trouble.CONNECT,  # CR_UNKNOWN_HOST
    2006: Trouble.GONE_BEFORE,  # CR_SERVER_GONE_ERROR
    2012: Trouble.CONNECT,  # CR_SERVER_HANDSHAKE_ERR
    2013: Trouble.LOST,  # CR_SERVER_LOST
    2020: Trouble.PACKET,  # CR_NET_PACKET_TOO_LARGE
    2026: Trouble.CONNECT,  # CR_SSL_CONNECTION_ERROR
    2027: Trouble.LOST,  # CR_MALFORMED_PACKET
    2055: Trouble.LOST,  # CR_SERVER_LOST_EXTENDED
    2059: Trouble.CONNECT,  # CR_AUTH_PLUGIN_CANNOT_LOAD
    3024: Trouble.INTERRUPTED,  # ER_QUERY_TIMEOUT (MySQL)
    3100: Trouble.WRITE_CONFLICT,  # ER_RUN_HOOK_ERROR: Group Replication before commit.
    3101: Trouble.WRITE_CONFLICT,  # ER_TRANSACTION_ROLLBACK_DURING_COMMIT
    3572: Trouble.LOCK_TIMEOUT,  # ER_LOCK_NOWAIT (MySQL)
    4031: Trouble.GONE_BEFORE,  # ER_CLIENT_INTERACTION_TIMEOUT (MySQL): idle too long.
}
"""By the number of MySQL, MariaDB or their client library."""

SQLITE_ERRORS: Mapping[int, Trouble] = {
    sqlite3.SQLITE_BUSY: Trouble.LOCK_TIMEOUT,
    sqlite3.SQLITE_LOCKED: Trouble.LOCK_TIMEOUT,
    sqlite3.SQLITE_BUSY_SNAPSHOT: Trouble.WRITE_CONFLICT,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: Trouble.DUPLICATE,
    sqlite3.SQLITE_CONSTRAINT_ROWID: Trouble.DUPLICATE,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: Trouble.DUPLICATE,
    sqlite3.SQLITE_TOOBIG: Trouble.PACKET,
    sqlite3.SQLITE_PERM: Trouble.PERMISSION,
    sqlite3.SQLITE_AUTH: Trouble.PERMISSION,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: Trouble.CONNECT,
    sqlite3.SQLITE_IOERR: Trouble.LOST,
    sqlite3.SQLITE_PROTOCOL: Trouble.LOCK_TIMEOUT,
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_INTERRUPT: Trouble.INTERRUPTED,
    sqlite3.SQLITE_SCHEMA: Trouble.SCHEMA,
}
"""By extended result code, or else by its primary code (the low byte)."""


class StoreError(Exception):
    """A write the database refused for a reason that the method knows how to name; only its statement was undone."""


class Duplicate(StoreError):
    """The key exists already. `index` is the name of the unique index, None for the primary key."""

    def __init__(self, index: str | None) -> None:
        self.index = index
        super().__init__(index or "primary key")


class ParentMissing(StoreError):
    """The parent that the row names is not there."""


class HasChildren(StoreError):
    """Other rows name the row as their parent."""


class LockTimeout(StoreError):
    """Another transaction kept a lock for too long. The transaction is run again unless its work raises something else."""


class StatementTimeout(Exception):
    """The time for a statement is over: `sent` says whether the server has it."""

    def __init__(self, *, sent: bool) -> None:
        self.sent = sent
        super().__init__("sent, no answer in time" if sent else "not sent")
