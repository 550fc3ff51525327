"""Many rows of one table by their keys: read, locked, deleted or updated in one statement, whatever their number.

Transactions that lock rows of the same table must do so in the same order, or two of them may wait for each other: every list of keys
is sorted here, and what is read comes back in that order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from peewee import SQL, Database, Node, Select

from protoplane.contract.names import Id
from protoplane.store.codec import Row
from protoplane.store.keylist import LIST
from protoplane.store.session import Session
from protoplane.store.statements import TableStatements, in_order, render
from protoplane.store.tables import Table

Key = tuple[Id, ...]

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


class KeyedRows:
    """The rows of one table by lists of keys."""

    def __init__(self, table: Table, one: TableStatements, database: Database) -> None:
        self._table, self._one, self._list = table, one, table.dialect.key_list
        self._count = len(table.keys)
        self.select = self._select([table.read(column) for column in table.columns], database)
        """Rows that are there, all columns."""
        self.select_for_update = self._list.locking(self.select)
        """The same, locked."""
        versions = self._select([table.read(column) for column in table.columns[: self._count + 1]], database)
        self.lock = self._list.locking(versions)
        """Of rows that are there, key and row version; locked."""
        self.share = self._list.locking(versions, shared=True)
        """The same, locked against writers alone."""
        self.delete = self._list.delete(self._select([SQL("1")], database), table.shape.name, table.keys)

    def _select(self, columns: Sequence[Node], database: Database) -> str:
        found = self._list.found(self._table.source, self._table.keys)
        return in_order(render(Select((found,), columns), database), [LIST])

    def read(self, session: Session, keys: Sequence[Key]) -> dict[Key, Row]:
        """The rows that are there."""
        return self._rows(session, self.select, keys)

    def read_for_update(self, session: Session, keys: Sequence[Key]) -> dict[Key, Row]:
        """The rows that are there, locked until the transaction ends."""
        return self._rows(session, self.select_for_update, keys)

    def versions(self, session: Session, keys: Sequence[Key]) -> dict[Key, int]:
        """The row versions of those that are there, locked until the transaction ends."""
        return {key: row[self._count] for key, row in self._rows(session, self.lock, keys).items()}

    def hold(self, session: Session, keys: Sequence[Key]) -> None:
        """Lock the rows that are there against writers, who else might delete them, until the transaction ends."""
        self._rows(session, self.share, keys)

    def remove(self, session: Session, keys: Sequence[Key]) -> int:
        """Delete the rows; how many were there."""
        return session.execute(self.delete, (document(keys),)) if keys else 0

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

    def _rows(self, session: Session, sql: str, keys: Sequence[Key]) -> dict[Key, Row]:
        if not keys:
            return {}
        return {tuple(row[: self._count]): row for row in session.rows(sql, (document(keys),))}


def document(keys: Collection[Key]) -> str:
    """Keys, or their beginnings, as `keylist` wants them."""
    return json.dumps(sorted(keys))


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
