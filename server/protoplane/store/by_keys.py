"""Rows by many primary keys at once: one statement for as many as a page or a batch has.

Statements have room for a power of two of keys: a shorter list repeats its last one, so that there are eleven shapes and not
a thousand.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from peewee import AsIs, Database, EnclosedNodeList, Expression, Select

from protoplane.contract.names import Id
from protoplane.query.slot import Slot
from protoplane.store.codec import Row
from protoplane.store.schema import ColumnShape
from protoplane.store.session import Session
from protoplane.store.statements import in_order, render
from protoplane.store.tables import Table

KEYS_MAX = 1_024
"""Keys in one statement; more are asked for in several."""

STATEMENTS_KEPT_MAX = 256
"""Statements kept per table: a shape for each size, set of columns and lock. Callers choose the columns, so they are bounded."""


class ByKeys:
    """The rows of one table by many keys."""

    def __init__(self, table: Table, database: Database) -> None:
        self.table, self.database = table, database
        self._statements: dict[tuple[int, tuple[str, ...], bool], str] = {}
        self._keeping = threading.Lock()

    def rows(
        self, session: Session, keys: Sequence[tuple[Id, ...]], *, columns: Sequence[ColumnShape] = (), locked: bool = False
    ) -> dict[tuple[Id, ...], Row]:
        """The rows that are there, by key; in no order, and a key that has no row is not in it. No keys: no statement.

        `columns` are those to read (none: all), the key columns first. `locked`: for this transaction, in the order of the keys,
        so that two of them do not wait for each other.
        """
        unique = list(dict.fromkeys(keys))
        if locked:
            unique.sort()
        count, found = len(self.table.keys), {}
        for size, part in _parts(unique):
            sql = self.statement(size, columns or self.table.columns, locked=locked)
            for row in session.rows(sql, [value for key in part for value in key]):
                found[tuple(row[:count])] = row
        return found

    def statement(self, size: int, columns: Sequence[ColumnShape], *, locked: bool = False) -> str:
        """The SELECT for `size` keys, whose values stand in it key by key."""
        shape = (size, tuple(column.name for column in columns), locked)
        sql = self._statements.get(shape)
        if sql is None:
            sql = self._render(size, columns, locked=locked)
            with self._keeping:
                if len(self._statements) >= STATEMENTS_KEPT_MAX:
                    del self._statements[next(iter(self._statements))]
                self._statements[shape] = sql
        return sql

    def _render(self, size: int, columns: Sequence[ColumnShape], *, locked: bool) -> str:
        table = self.table
        assert tuple(columns[: len(table.keys)]) == table.keys
        keys = [table.column(key.name) for key in table.keys]
        slots = [[AsIs(Slot(f"{at}.{i}")) for i in range(len(keys))] for at in range(size)]
        selected = [table.read(column) for column in columns]
        if size == 1:
            select = Select([table.source], selected)
            for key, slot in zip(keys, slots[0], strict=True):
                select = select.where(key == slot)
        elif len(keys) == 1:
            select = Select([table.source], selected).where(Expression(keys[0], "IN", EnclosedNodeList([row[0] for row in slots])))
        else:
            select = table.dialect.among(table.source, selected, keys, slots)
        if locked:
            select = select.order_by(*keys)
        sql = in_order(render(select, self.database), [f"{at}.{i}" for at in range(size) for i in range(len(keys))])
        return table.dialect.for_update(sql) if locked else sql


def _parts(keys: Sequence[tuple[Id, ...]]) -> Iterator[tuple[int, Sequence[tuple[Id, ...]]]]:
    """The keys in parts of a power of two, the last one filled up with its last key."""
    for start in range(0, len(keys), KEYS_MAX):
        part = keys[start : start + KEYS_MAX]
        size = 1 << (len(part) - 1).bit_length()
        yield size, [*part, *[part[-1]] * (size - len(part))]
