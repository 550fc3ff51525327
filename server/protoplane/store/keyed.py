"""Many rows of one table by their keys: read, locked, deleted or updated in one statement, whatever their number.

Transactions that lock rows of the same table must do so in the same order, or two of them may wait for each other: every list of keys
to lock is sorted here, and what is read with it comes back in that order.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from peewee import SQL, Database, Node, Select

from protoplane.contract.names import Id
from protoplane.store.codec import Row
from protoplane.store.keylist import LIST
from protoplane.store.pieces import Pieces
from protoplane.store.schema import ColumnShape
from protoplane.store.session import Session
from protoplane.store.statements import TableStatements, in_order, render, select_columns
from protoplane.store.tables import Table

Key = tuple[Id, ...]

SHAPES_KEPT_MAX = 256
"""Sets of columns whose statements are kept per table; callers choose them, so they are bounded. The oldest goes first."""

UPDATE_BYTES_MAX = 512 * 1024
"""Texts and bytes in one UPDATE of many rows; a row with more has one of its own."""

UPDATE_ROWS_MAX = 250
"""Rows of one UPDATE: of 1,000 it takes the server longer to read the statement than to run it."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row as it was read and as it shall be, the same key in both."""

    before: Row
    after: Row

    @property
    def positions(self) -> tuple[int, ...]:
        """Places of the values that differ."""
        return tuple(i for i, (old, new) in enumerate(zip(self.before, self.after, strict=True)) if old != new)


class KeyedColumns:
    """Some columns of one table, the key columns first, read by keys. Its statements are made when they are first used."""

    def __init__(self, table: Table, columns: Sequence[ColumnShape], database: Database) -> None:
        self._table, self._database, self._list = table, database, table.dialect.key_list
        self._count = len(table.keys)
        assert tuple(columns[: self._count]) == table.keys
        self._columns = columns
        self.pieces = Pieces(columns)

    @cached_property
    def one(self) -> str:
        """Of one key: a third less work for a server than a list of one."""
        return select_columns(self._table, self._columns, self._database)

    @cached_property
    def many(self) -> str:
        """Of a list of keys."""
        return select_listed(self._table, [self._table.read(column) for column in self._columns], self._database)

    @cached_property
    def many_for_update(self) -> str:
        """The same, locked until the transaction ends."""
        return self._list.locking(self.many)

    def row(self, session: Session, key: Key) -> Row | None:
        """The row, if it is there."""
        return session.row(self.one, key)

    def rows(self, session: Session, keys: Sequence[Key], *, locked: bool = False) -> dict[Key, Row]:
        """The rows that are there, in one statement; of none, no statement. Locked until the transaction ends."""
        if not keys:
            return {}
        if locked:
            found = session.rows(self.many_for_update, (document(sorted(keys)),))
        else:
            found = session.rows(self.one, keys[0]) if len(keys) == 1 else session.rows(self.many, (document(keys),))
        return {tuple(row[: self._count]): row for row in found}

    def in_pieces(self, session: Session, keys: Sequence[Key], *, locked: bool = False) -> Iterator[tuple[dict[Key, Row], Sequence[Key]]]:
        """The same, so many at a time as may be in memory together, each when it is asked for, and the keys that are left then.

        In the order of the keys, or sorted if locked.
        """
        left = sorted(set(keys)) if locked else list(dict.fromkeys(keys))
        size, seen, seen_bytes = self.pieces.first(len(left)), 0, 0
        while left:
            part, left = left[:size], left[size:]
            found = self.rows(session, part, locked=locked)
            yield found, left
            if left:
                seen, seen_bytes = seen + len(found), seen_bytes + self.pieces.bytes_of(found.values())
                size = self.pieces.further(len(left), seen, seen_bytes)
            del found


class KeyedRows:
    """The rows of one table by lists of keys."""

    def __init__(self, table: Table, one: TableStatements, database: Database) -> None:
        self._table, self._one, self._database, self._list = table, one, database, table.dialect.key_list
        self._count = len(table.keys)
        self._kept: dict[tuple[str, ...], KeyedColumns] = {}
        self._keeping = threading.Lock()
        self.everything = KeyedColumns(table, table.columns, database)
        """All columns."""
        versions = select_listed(table, [table.read(column) for column in table.columns[: self._count + 1]], database)
        self.lock = self._list.locking(versions)
        """Of rows that are there, key and row version; locked."""
        self.locks = self.lock != versions
        """Whether rows are locked; else whoever writes has the database to himself."""
        self.share = self._list.locking(versions, shared=True)
        """The same, locked against writers alone."""
        self.delete = self._list.delete(select_listed(table, [SQL("1")], database), table.shape.name, table.keys)

    def showing(self, columns: Sequence[ColumnShape]) -> KeyedColumns:
        """Of these columns alone, the key columns first."""
        shape = tuple(column.name for column in columns)
        with self._keeping:
            kept = self._kept.get(shape)
            if kept is None:
                if len(self._kept) >= SHAPES_KEPT_MAX:
                    del self._kept[next(iter(self._kept))]
                kept = self._kept[shape] = KeyedColumns(self._table, columns, self._database)
        return kept

    def versions(self, session: Session, keys: Sequence[Key]) -> dict[Key, int]:
        """The row versions of those that are there, locked until the transaction ends."""
        return {tuple(row[: self._count]): row[self._count] for row in self._rows(session, self.lock, keys)}

    def hold(self, session: Session, keys: Sequence[Key]) -> None:
        """Lock the rows that are there against writers, who else might delete them, until the transaction ends."""
        self._rows(session, self.share, keys)

    def remove(self, session: Session, keys: Sequence[Key]) -> int:
        """Delete the rows; how many were there."""
        return session.execute(self.delete, (document(sorted(keys)),)) if keys else 0

    def update(self, session: Session, changes: Sequence[RowChange], bind: Callable[[Row], Sequence[object]]) -> int:
        """Write what differs into rows that this transaction has locked; how many were there.

        One statement for all rows in which the same columns change. `bind` is the codec's.
        """
        return sum(self._write(session, positions, some, bind) for positions, some in _alike(changes))

    @property
    def update_all(self) -> str:
        """What an update of every column of two rows runs."""
        positions = tuple(range(self._count, len(self._table.columns)))
        shape = self._table.shape
        names = [self._table.columns[i].name for i in positions]
        return self._list.update(shape.name, shape.primary_key, names, 2) or self._one.update(positions).sql

    def _write(
        self, session: Session, positions: tuple[int, ...], changes: Sequence[RowChange], bind: Callable[[Row], Sequence[object]]
    ) -> int:
        count, shape = self._count, self._table.shape
        names = [self._table.columns[i].name for i in positions]
        sql = self._list.update(shape.name, shape.primary_key, names, len(changes)) if len(changes) > 1 else None
        rows = [bind(change.after) for change in changes]
        if sql is not None:
            return session.execute(sql, [value for row in rows for value in (*row[:count], *(row[i] for i in positions))])
        one = self._one.update(positions)
        return sum(
            session.execute(one.sql, one.bound(row, change.before[:count], change.before[count]))
            for row, change in zip(rows, changes, strict=True)
        )

    def _rows(self, session: Session, sql: str, keys: Sequence[Key]) -> Sequence[Row]:
        return session.rows(sql, (document(sorted(keys)),)) if keys else ()


def select_listed(table: Table, selected: Sequence[Node], database: Database) -> str:
    """SELECT from the rows that a list of keys names, in its order: the list."""
    found = table.dialect.key_list.found(table.source, table.keys)
    return in_order(render(Select((found,), selected), database), [LIST])


def document(keys: Sequence[Key]) -> str:
    """A list of keys as it is bound."""
    return json.dumps(keys)


def _alike(changes: Sequence[RowChange]) -> Iterator[tuple[tuple[int, ...], list[RowChange]]]:
    """Changes of the same columns together, as many as fit into one statement."""
    groups: dict[tuple[int, ...], list[RowChange]] = {}
    for change in changes:
        groups.setdefault(change.positions, []).append(change)
    for positions, alike in groups.items():
        some: list[RowChange] = []
        size = 0
        for change in alike:
            more = sum(len(value) for i in positions if isinstance(value := change.after[i], str | bytes))
            if some and (size + more > UPDATE_BYTES_MAX or len(some) >= UPDATE_ROWS_MAX):
                yield positions, some
                some, size = [], 0
            some.append(change)
            size += more
        yield positions, some
