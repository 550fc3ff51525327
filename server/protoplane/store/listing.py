"""The statements of a List: made once per shape of filter, order and start, bound per page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any, TypeVar

from peewee import SQL, Alias, AsIs, Node, NodeList, Select, fn

from protoplane.base import limits
from protoplane.contract.names import Id
from protoplane.query.columns import Path
from protoplane.query.order import After, Order, SortKey
from protoplane.query.paging import Position
from protoplane.query.predicate import Predicate
from protoplane.query.slot import Slot
from protoplane.store.codec import Row
from protoplane.store.engine import Engine
from protoplane.store.joins import join
from protoplane.store.pieces import Pieces
from protoplane.store.schema import ColumnShape
from protoplane.store.session import Session
from protoplane.store.statements import Statement, is_null, render
from protoplane.store.tables import Table

K = TypeVar("K")
V = TypeVar("V")

STATEMENTS_KEPT_MAX = 512
"""Statements kept per List; callers choose the shapes, so they are bounded. The oldest goes first."""


class Listing:
    """Pages of one table, of the rows whose parents have given ids: the key columns at `parents`, by place.

    `alive`: without what is deleted and still kept.
    """

    def __init__(self, table: Table, engine: Engine, *, parents: Sequence[int], alive: bool = True) -> None:
        self.table, self.database, self.parents = table, engine.database, tuple(parents)
        self._hidden_by = table.deleted.name if alive and table.deleted is not None else ""
        self._pages: dict[tuple[str, str, str, str], Statement] = {}
        self._counts: dict[str, Statement] = {}
        self._pieces: dict[str, Pieces] = {}
        self._show(table.columns)

    def showing(self, columns: Sequence[ColumnShape], order: Order) -> Listing:
        """The same pages, of these columns alone, and of those that tell the place of a row in the order. It shares the statements."""
        sorted_by = dict.fromkeys(self.table.column_of(key) for key in order.keys if not key.columns.prefix)
        narrowed = copy(self)
        narrowed._show((*columns, *(column for column in sorted_by if column not in columns)))  # noqa: SLF001 - itself, anew.
        return narrowed

    def _show(self, columns: Sequence[ColumnShape]) -> None:
        self._columns = columns
        self._position = {column.name: i for i, column in enumerate(columns)}
        self._shown = ",".join(self._position)
        self.pieces = self._pieces.get(self._shown) or keep(self._pieces, self._shown, Pieces(columns))

    def page(
        self, session: Session, parent: Sequence[Id], predicate: Predicate | None, order: Order, after: After | None, limit: int
    ) -> Sequence[Row]:
        """At most `limit` rows: all columns in the table's order, or those that are shown."""
        statement = self.statement(predicate, order, after)
        values: dict[str, object] = {"limit": limit, **parent_values(parent)}
        if predicate:
            values.update(predicate.values)
        if after:
            values.update(after.values)
        return session.rows(statement.sql, statement.bound(values))

    def chunks(
        self, session: Session, parent: Sequence[Id], predicate: Predicate | None, order: Order, after: After | None, size: int
    ) -> Iterator[tuple[Sequence[Row], bool]]:
        """A page of so many rows in pieces, as large as may be in memory, each read when it is asked for; and whether there are rows after it."""
        part, seen, seen_bytes = self.pieces.first(size), 0, 0
        while True:
            found = self.page(session, parent, predicate, order, after, part + 1)
            more = len(found) > part
            found = found[:part]
            yield found, more
            seen += len(found)
            if not more or seen == size:
                return
            seen_bytes += self.pieces.bytes_of(found)
            part = self.pieces.further(size - seen, seen, seen_bytes)
            after = order.after(self.position(order, found[-1]))
            del found  # Before the next are there.

    def statement(self, predicate: Predicate | None, order: Order, after: After | None) -> Statement:
        """The statement of a page of this shape, made at the first one."""
        key = (predicate.shape if predicate else "", order.shape, after.shape if after else "", self._shown)
        statement = self._pages.get(key)
        if statement is None:
            paged = _field_paged_by(order) if after is not None and not self.table.merges_ranges else ""
            by_key = bool(self._hidden_by) and order.by_name and predicate is None
            shown = [Alias(self.table.read(column), column.name) for column in self._columns]
            select = self._select([*shown, *self._reached(order)], predicate, order, by_key=by_key)
            select = self.restricted(select, predicate, paged, by_key=by_key)
            statement = keep(self._pages, key, render(order.page(select, after, AsIs(Slot("limit"))), self.database))
        return statement

    def count(self, session: Session, parent: Sequence[Id], predicate: Predicate | None) -> int:
        """How many rows there are in all."""
        key = predicate.shape if predicate else ""
        statement = self._counts.get(key)
        if statement is None:
            select = self.restricted(self._select([fn.COUNT(AsIs(1))], predicate), predicate)
            statement = keep(self._counts, key, render(select, self.database))
        row = session.row(statement.sql, statement.bound({**parent_values(parent), **(predicate.values if predicate else {})}))
        return int(row[0]) if row else 0

    def position(self, order: Order, row: Row) -> Position:
        """The place of a row in an order: what the page after it starts behind."""
        if not order.views:
            return tuple(self._value(key, row) for key in order.keys)
        reached = iter(row[len(self._columns) :])
        return tuple(next(reached) if key.columns.prefix else self._value(key, row) for key in order.keys)

    def _reached(self, order: Order) -> list[Node]:
        """The sort keys behind references: they are no columns of the row, and a page must know where it ends."""
        keys = [key for key in order.keys if key.columns.prefix]
        return [Alias(_reader(key)(key.node), f"reached_{index}") for index, key in enumerate(keys)]

    def _select(self, columns: Sequence[Node], predicate: Predicate | None, order: Order | None = None, *, by_key: bool = False) -> Select:
        if by_key:  # Nothing is joined to a list by name without a filter.
            return Select([self.table.alive], columns)
        views = (*(predicate.views if predicate else ()), *(order.views if order else ()))
        return Select([join(self.table, views)], columns)

    def _value(self, key: SortKey, row: Row) -> Any:
        column = self.table.column_of(key)
        value = row[self._position[column.name]]
        # As `Table.sort_key` has it: the same characters, without asking the engine for them again.
        return value[: limits.SORT_CHARACTERS_MAX] if isinstance(value, str) and not column.length else value

    def restricted(self, select: Select, predicate: Predicate | None, paged: str = "", *, by_key: bool = False) -> Select:
        """A query of the table, for the rows that are listed: those of the parents, as far as the filter holds."""
        for i in self.parents:
            select = select.where(self.table.column(self.table.keys[i].name) == AsIs(Slot(f"parent.{i}")))
        if self._hidden_by:
            deleted: Node = self.table.column(self._hidden_by)
            if not (self.table.merges_ranges or by_key):
                # SQLite knows nothing of how rare a value is, and would leave the index of the order or of the filter for this one.
                deleted = NodeList((SQL("+"), deleted))
            select = select.where(is_null(deleted))
        return select if predicate is None else select.where(predicate.build(paged))


def _field_paged_by(order: Order) -> str:
    first = order.keys[0]
    return "" if first.field is None else Path(first.columns, first.field).text


def _reader(key: SortKey) -> Callable[[Node], Node]:
    """How a sort key behind a reference is read as our own value."""
    view = key.columns
    assert isinstance(view, Table)
    storage = view.column_of(key).storage
    return lambda node: view.dialect.read(node, storage)


def parent_values(parent: Sequence[Id]) -> dict[str, object]:
    """What binds the slots of the parent in `Listing.restricted`."""
    return {f"parent.{i}": value for i, value in enumerate(parent)}


def keep(kept: dict[K, V], key: K, made: V) -> V:
    """Put a statement, or what goes with it, away under its shape; gives it back."""
    with _keeping:
        if len(kept) >= STATEMENTS_KEPT_MAX:
            del kept[next(iter(kept))]
        kept[key] = made
    return made


_keeping = threading.Lock()
"""Held while a statement is put away: looking for the oldest while another thread adds one would fail."""
