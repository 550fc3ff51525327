"""Fixed SQL, built once through Peewee and rendered for one engine; a call only binds values.

Values stand as `Slot`s in the expressions, so that the rendered parameters say where each value of a call goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from peewee import SQL, AsIs, Column, Database, Expression, Node
from peewee import Table as SqlTable

from protoplane.contract.columns import ROW_VERSION
from protoplane.query.slot import Slot, bind
from protoplane.store.engine import Engine
from protoplane.store.schema import ColumnShape, Storage, TableShape
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
    sql, params = context.sql(query).query()  # type: ignore[no-untyped-call]  # Peewee has no types.
    return Statement(sql, tuple(params))


def source(shape: TableShape) -> SqlTable:
    """A table as the query builder wants it."""
    return SqlTable(shape.name)


def insert(shape: TableShape, columns: Sequence[str], database: Database) -> str:
    """INSERT of one row: values in the order of `columns`."""
    table = source(shape)
    row = [AsIs(Slot(name)) for name in columns]
    return in_order(render(table.insert([row], columns=[Column(table, name) for name in columns]), database), columns)


def in_order(statement: Statement, names: Sequence[str]) -> str:
    """The SQL of a statement whose slots stand in the order of `names`, so that values can be bound by place."""
    found = [slot.name for slot in statement.params if isinstance(slot, Slot)]
    assert found == list(names), f"{found} in {statement.sql}"
    return statement.sql


def select_by_key(shape: TableShape, columns: Sequence[str], database: Database) -> str:
    """SELECT of plain columns by primary key."""
    table = source(shape)
    return render(table.select(*(Column(table, name) for name in columns)).where(_key(table, shape)), database).sql


def update_by_key(shape: TableShape, columns: Sequence[str], database: Database) -> str:
    """UPDATE by primary key: values of `columns` sorted by name, then the key."""
    table = source(shape)
    changes = {Column(table, name): AsIs(Slot(name)) for name in sorted(columns)}  # Peewee sorts them.
    return in_order(render(table.update(changes).where(_key(table, shape)), database), (*sorted(columns), *shape.primary_key))


def oldest(shape: TableShape, column: str, engine: Engine, storage: Storage) -> Statement:
    """The value of a column in the row that `skip` rows below `before` precede; no row when there are fewer."""
    table = source(shape)
    ordered = Column(table, column)
    found = table.select(engine.dialect.read(ordered, storage)).where(ordered < AsIs(Slot("before")))
    return render(found.order_by(ordered).limit(1).offset(AsIs(Slot("skip"))), engine.database)


def delete_up_to(shape: TableShape, column: str, database: Database) -> str:
    """DELETE of the rows whose `column` is at most a value: the value."""
    table = source(shape)
    return render(table.delete().where(Column(table, column) <= AsIs(Slot(column))), database).sql


def select_one(table: str, key: Sequence[str], database: Database) -> str:
    """Whether there is a row with that key."""
    target = SqlTable(table)
    return render(target.select(SQL("1")).where(_matches(target, key)), database).sql


def select_columns(table: Table, columns: Sequence[ColumnShape], database: Database) -> str:
    """SELECT of some columns of one row, read as our own values, by primary key."""
    found = table.source.select(*(table.read(column) for column in columns)).where(_key(table.source, table.shape))
    return in_order(render(found, database), table.shape.primary_key)


def _key(table: SqlTable, shape: TableShape) -> Expression:
    return _matches(table, shape.primary_key)


def _matches(table: SqlTable, columns: Sequence[str]) -> Expression:
    condition = None
    for name in columns:
        part = Column(table, name) == AsIs(Slot(name))
        condition = part if condition is None else condition & part
    assert condition is not None  # Every table has a primary key.
    return condition


class TableStatements:
    """The statements of a resource's table that never change their shape."""

    def __init__(self, table: Table, database: Database) -> None:
        self.table, self.database = table, database
        shape = table.shape
        self.select = select_columns(table, table.columns, database)
        """One row, all columns, by key."""
        self.select_for_update = table.dialect.for_update(self.select)
        """The same, and the row is locked for this transaction where the engine locks rows."""
        self.insert = insert(shape, [column.name for column in table.columns], database)
        """All columns, in order."""
        self.delete = render(table.source.delete().where(_key(table.source, shape)), database).sql
        self.delete_version = render(
            table.source.delete().where(_key(table.source, shape) & (table.column(ROW_VERSION) == AsIs(Slot(ROW_VERSION)))), database
        ).sql
        """By key, then row version."""
        parent = shape.foreign_key
        self.parent_exists = None if parent is None else select_one(parent.table, parent.target, database)
        """Whether the parent is there, by its key; None where parents are not stored here."""
        self.exists = select_one(shape.name, shape.primary_key, database)
        self._updates: dict[tuple[int, ...], Update] = {}

    @property
    def update_all(self) -> str:
        """UPDATE of every column but the key: what an update of all fields runs."""
        return self.update(tuple(range(len(self.table.keys), len(self.table.columns)))).sql

    def update(self, positions: tuple[int, ...]) -> Update:
        """UPDATE of the columns at `positions` by key, while the row version still stands."""
        update = self._updates.get(positions)
        if update is None:
            if len(self._updates) >= UPDATE_SHAPES_MAX:
                self._updates.clear()
            source, shape = self.table.source, self.table.shape
            changes = {Column(source, shape.columns[i].name): AsIs(Slot(str(i))) for i in positions}
            where = _key(source, shape) & (self.table.column(ROW_VERSION) == AsIs(Slot("seen")))
            statement = render(source.update(changes).where(where), self.database)
            # Peewee sorts the columns that are set; the key and the version come after them.
            order = tuple(int(slot.name) for slot in statement.params[: len(positions)] if isinstance(slot, Slot))
            update = self._updates[positions] = Update(statement.sql, order)
        return update


@dataclass(frozen=True, slots=True)
class Update:
    """UPDATE of some columns of one row."""

    sql: str
    order: tuple[int, ...]
    """Places in the row of the values set, as they stand in the SQL."""

    def bound(self, row: Sequence[object], ids: Sequence[str], seen: int) -> list[object]:
        """The parameters: values of the bound row, the key, the row version that was read."""
        return [*(row[i] for i in self.order), *ids, seen]


UPDATE_SHAPES_MAX = 512
"""Different sets of changed columns kept rendered per table; callers choose the sets, so they are bounded."""
