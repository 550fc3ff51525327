"""Fixed SQL, built once through Peewee and rendered for one engine; a call only binds values.

Values stand as `Slot`s in the expressions, so that the rendered parameters say where each value of a call goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from peewee import Column, Database, Expression, Node
from peewee import Table as SqlTable

from protoplane.query.slot import Slot, bind
from protoplane.store.schema import TableShape
from protoplane.contract.columns import ROW_VERSION
from protoplane.store.tables import Table


@dataclass(frozen=True, slots=True)
class Statement:
    """Rendered SQL and its parameters: constants, and Slots to bind."""

    sql: str
    params: tuple[object, ...]

    def bound(self, values: Mapping[str, object]) -> list[object]:
        """The parameters of one execution."""
        return bind(self.params, values)


def render(query: Node, database: Database) -> Statement:
    """The SQL of a query in the database's own placeholders and quotes."""
    context = database.get_sql_context()
    sql, params = context.sql(query).query()
    return Statement(sql, tuple(params))


def source(shape: TableShape) -> SqlTable:
    """A table as the query builder wants it."""
    return SqlTable(shape.name, [column.name for column in shape.columns])


def insert(shape: TableShape, columns: Sequence[str], database: Database) -> str:
    """INSERT of one row: values in the order of `columns`."""
    table = source(shape)
    return render(table.insert({Column(table, name): Slot(name) for name in columns}), database).sql


def select_by_key(shape: TableShape, columns: Sequence[str], database: Database) -> str:
    """SELECT of plain columns by primary key."""
    table = source(shape)
    return render(table.select(*(Column(table, name) for name in columns)).where(_key(table, shape)), database).sql


def update_by_key(shape: TableShape, columns: Sequence[str], database: Database) -> str:
    """UPDATE by primary key: values of `columns`, then the key."""
    table = source(shape)
    changes = {Column(table, name): Slot(name) for name in columns}
    return render(table.update(changes).where(_key(table, shape)), database).sql


def delete_before(shape: TableShape, column: str, database: Database) -> str:
    """DELETE of the rows whose `column` is below a value: the value."""
    table = source(shape)
    return render(table.delete().where(Column(table, column) < Slot(column)), database).sql


def _key(table: SqlTable, shape: TableShape) -> Expression:
    condition = None
    for name in shape.primary_key:
        part = Column(table, name) == Slot(name)
        condition = part if condition is None else condition & part
    assert condition is not None  # noqa: S101 - every table has a primary key.
    return condition


class TableStatements:
    """The statements of a resource's table that never change their shape."""

    def __init__(self, table: Table, database: Database) -> None:
        self.table, self.database = table, database
        shape = table.shape
        everything = [table.read(column) for column in table.columns]
        by_key = table.source.select(*everything).where(_key(table.source, shape))
        self.select = render(by_key, database).sql
        """One row, all columns, by key."""
        self.select_for_update = table.dialect.for_update(self.select)
        """The same, and the row is locked for this transaction where the engine locks rows."""
        self.insert = insert(shape, [column.name for column in table.columns], database)
        """All columns, in order."""
        self.delete = render(table.source.delete().where(_key(table.source, shape)), database).sql
        self.delete_version = render(
            table.source.delete().where(_key(table.source, shape) & (table.column(ROW_VERSION) == Slot(ROW_VERSION))), database
        ).sql
        """By key, then row version."""
        self.exists = render(table.source.select(1).where(_key(table.source, shape)), database).sql
        self._updates: dict[tuple[int, ...], str] = {}

    def update(self, positions: tuple[int, ...]) -> str:
        """UPDATE of the columns at `positions`: their values, then the key, then the row version that must still stand."""
        sql = self._updates.get(positions)
        if sql is None:
            if len(self._updates) >= UPDATE_SHAPES_MAX:
                self._updates.clear()
            source, shape = self.table.source, self.table.shape
            changes = {Column(source, shape.columns[i].name): Slot(str(i)) for i in positions}
            where = _key(source, shape) & (self.table.column(ROW_VERSION) == Slot(ROW_VERSION))
            sql = self._updates[positions] = render(source.update(changes).where(where), self.database).sql
        return sql


UPDATE_SHAPES_MAX = 512
"""Different sets of changed columns kept rendered per table; callers choose the sets, so they are bounded."""
