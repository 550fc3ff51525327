"""Statements that write, take away and read tuples, of both tables."""

# ruff: noqa: S608 - of names of the tables alone.

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeAlias

from peewee import SQL, Column, Select
from peewee import Table as SqlTable

from protoplane.query.slot import Slot
from protoplane.store import statements
from protoplane.store.engine import Engine
from protoplane.store.schema import ColumnShape, TableShape
from protoplane.store.session import Session
from protoplane.store.sources import table_led_by
from protoplane.store.statements import Statement, render
from protoplane.store.tuples import COLUMNS, CONDITION, CONDITIONAL_TABLE, CONTEXT, KEY, REVERSE, TUPLE_TABLE

TABLES = (TUPLE_TABLE, CONDITIONAL_TABLE)
OBJECT, SUBJECT = ("object_type", "object_id"), ("subject_type", "subject_id")
"""What both indexes of a table begin with."""

AFTER_SLASH = "0"
"""The character behind `/`: ids that begin with a prefix and `/` are below the prefix and this."""

Row: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which columns of the key are told."""

    told: frozenset[str]

    @property
    def reverse(self) -> bool:
        """Whether tuples are found by their subject."""
        return "subject_id" in self.told and "object_id" not in self.told

    @property
    def order(self) -> tuple[str, ...]:
        """The columns that tell tuples apart, as the index has them."""
        return tuple(name for name in (REVERSE if self.reverse else KEY) if name not in self.told)


class Written:
    """The statements of one engine. Rows and keys are in the order of KEY; those of conditional tuples end with condition and context."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        columns = {TUPLE_TABLE: KEY, CONDITIONAL_TABLE: (*KEY, CONDITION, CONTEXT)}
        self._insert = {shape.name: statements.insert(shape, names, engine.database) for shape, names in columns.items()}
        missing = engine.dialect.insert_missing
        self._insert_missing = {name: f"{missing}{sql.removeprefix('INSERT INTO')}" for name, sql in self._insert.items()}
        self._there = self._listed(TUPLE_TABLE, KEY)
        self._under = self._listed(CONDITIONAL_TABLE, (*KEY, CONDITION, CONTEXT))
        self._delete = [self._deleting(shape, KEY, "") for shape in TABLES]
        self._forget = [
            self._deleting(shape, names, index) for shape in TABLES for names, index in ((OBJECT, ""), (SUBJECT, shape.indexes[0].name))
        ]
        self._forget_below = [
            self._deleting_below(shape, names, index)
            for shape in TABLES
            for names, index in ((OBJECT, "PRIMARY"), (SUBJECT, shape.indexes[0].name))
        ]
        self._read: dict[tuple[Filter, bool], tuple[Statement, ...]] = {}

    def insert(self, session: Session, plain: Sequence[Row], conditional: Sequence[Row], *, ignore: bool) -> int:
        """Add rows to both tables, those that are missing or (Duplicate) all; the number added."""
        inserts = self._insert_missing if ignore else self._insert
        added = session.execute_many(inserts[TUPLE_TABLE.name], plain) if plain else 0
        return added + (session.execute_many(inserts[CONDITIONAL_TABLE.name], conditional) if conditional else 0)

    def there(self, session: Session, keys: Sequence[Row]) -> list[Row]:
        """The tuples without condition that have these keys; they stay, and so do those that are not there if they stand in the other table."""
        return [tuple(row) for row in session.rows(self._there, (json.dumps(keys),))]

    def under(self, session: Session, keys: Sequence[Row]) -> list[Row]:
        """The same of tuples under conditions."""
        return [tuple(row) for row in session.rows(self._under, (json.dumps(keys),))]

    def delete(self, session: Session, keys: Sequence[Row]) -> int:
        """Take away what has these keys, in their order."""
        return sum(session.execute(sql, (json.dumps(keys),)) for sql in self._delete)

    def forget(self, session: Session, objects: Sequence[tuple[str, str]]) -> int:
        """Take away what is of these objects, or names them."""
        return sum(session.execute(sql, (json.dumps(objects),)) for sql in self._forget)

    def forget_below(self, session: Session, type_name: str, prefix: str) -> int:
        """The same of objects whose ids begin with a prefix and `/`."""
        bounds = (type_name, f"{prefix}/", f"{prefix}{AFTER_SLASH}")
        return sum(session.execute(sql, bounds) for sql in self._forget_below)

    def read(self, session: Session, told: Filter, values: Mapping[str, str], after: Row | None, limit: int) -> list[Row]:
        """The first rows of both tables that have what is told, in the filter's order."""
        if after is not None and not told.order:
            return []  # There was but one.
        shape = (told, after is not None)
        if shape not in self._read:
            self._read[shape] = tuple(self.reading(table, *shape) for table in TABLES)
        bound: dict[str, object] = {**values, "limit": limit}
        bound |= {f"after.{name}": value for name, value in zip(KEY, after or (), strict=False)}
        rows = [tuple(row) for statement in self._read[shape] for row in session.rows(statement.sql, statement.bound(bound))]
        places = [KEY.index(name) for name in told.order]
        key: Callable[[Row], Row] = lambda row: tuple(row[place] for place in places)  # noqa: E731 - with its type.
        return sorted(rows, key=key)[:limit]

    def reading(self, shape: TableShape, told: Filter, after: bool) -> Statement:  # noqa: FBT001 - part of a key.
        """The first rows of one table that have what is told. Slots: what is told, `after.…`, `limit`."""
        dialect = self._engine.dialect
        index = shape.indexes[0].name if told.reverse else "PRIMARY"
        names = [*KEY, *([CONDITION, CONTEXT] if shape is CONDITIONAL_TABLE else [])]
        columns = REVERSE if told.reverse else KEY
        leading = list(takewhile(told.told.__contains__, columns))
        where = [(f"t.{name} = {dialect.placeholder}", [name]) for name in leading]
        # Of an `=` between other columns SQLite concludes that it must sort.
        where += [(f"NOT t.{name} <> {dialect.placeholder}", [name]) for name in columns if name in told.told and name not in leading]
        where += [_behind(told.order, dialect.placeholder, ranges=dialect.merges_ranges)] if after else []
        selected = ", ".join(f"t.{dialect.definitions.name(name)}" for name in names)
        found = f"SELECT {selected} FROM {table_led_by(self._engine, shape.name, index, 't')}"
        condition = f" WHERE {' AND '.join(text for text, _ in where)}" if where else ""
        order = f" ORDER BY {', '.join(f't.{name}' for name in columns)}"
        slots = [*(name for _, used in where for name in used), "limit"]
        return Statement(f"{found}{condition}{order} LIMIT {dialect.placeholder}", tuple(map(Slot, slots)))

    def _listed(self, shape: TableShape, names: Sequence[str]) -> str:
        """SELECT of rows by a list of their keys, which nobody writes until the transaction ends."""
        table, key_list = SqlTable(shape.name), self._engine.dialect.key_list
        found = Select((key_list.found(table, COLUMNS),), [Column(table, name) for name in names])
        return key_list.locking(render(found, self._engine.database).sql, shared=True)

    def _deleting(self, shape: TableShape, names: Sequence[str], index: str) -> str:
        """DELETE of rows by a list of some of their columns."""
        key_list = self._engine.dialect.key_list
        columns: list[ColumnShape] = [column for name in names for column in COLUMNS if column.name == name]
        found = Select((key_list.found(SqlTable(shape.name), columns, index=index),), [SQL("1")])
        return key_list.delete(render(found, self._engine.database).sql, shape.name, columns)

    def _deleting_below(self, shape: TableShape, names: tuple[str, str], index: str) -> str:
        """DELETE of rows by a range of ids: the type, the first id, and the first that is not in it."""
        kind, one = names
        dialect = self._engine.dialect
        mark = dialect.placeholder
        return f"{dialect.delete_from(shape.name, index)} WHERE t.{kind} = {mark} AND t.{one} >= {mark} AND t.{one} < {mark}"


def _behind(order: Sequence[str], mark: str, *, ranges: bool) -> tuple[str, list[str]]:
    """What comes after a row in an order, and its slots: as the engine scans it (see `query.order`)."""
    if not ranges:
        return f"({', '.join(f't.{name}' for name in order)}) > ({', '.join(mark for _ in order)})", [f"after.{name}" for name in order]
    parts, slots = [], []
    for place in range(len(order) - 1, -1, -1):
        equal = [f"t.{name} = {mark}" for name in order[:place]]
        parts.append(f"({' AND '.join([*equal, f't.{order[place]} > {mark}'])})")
        slots += [f"after.{name}" for name in order[: place + 1]]
    return f"({' OR '.join(parts)})", slots
