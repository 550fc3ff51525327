"""Fixed SQL, built once through Peewee and rendered for one engine; a call only binds values.

Values stand as `Slot`s in the expressions, so that the rendered parameters say where each value of a call goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from peewee import SQL, AsIs, Column, Database, Expression, Node, Select
from peewee import Table as SqlTable

from protoplane.contract.columns import ROW_VERSION
from protoplane.contract.names import Id
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


def select_one(table: str, key: Sequence[str], database: Database, *, unset: str = "") -> str:
    """Whether there is a row with that key, or the beginning of one; with `unset`, one in which that column is NULL."""
    target = SqlTable(table)
    found = target.select(SQL("1")).where(_matches(target, key))
    return render((found.where(is_null(Column(target, unset))) if unset else found).limit(SQL("1")), database).sql


def is_null(node: Node) -> Expression:
    """Condition: NULL."""
    return Expression(node, "IS", SQL("NULL"))


def delete_below(shape: TableShape, ids: int, database: Database) -> str:
    """DELETE of every row whose key begins with so many ids."""
    table = source(shape)
    return render(table.delete().where(_matches(table, shape.primary_key[:ids])), database).sql


def mark_below(table: Table, times: Sequence[str], ids: int, database: Database) -> str:
    """UPDATE of the rows that are not deleted and whose key begins with so many ids: the `times` set, in order, the version counted up."""
    assert table.deleted is not None
    names = sorted(times)
    changes: dict[Node, object] = {Column(table.source, name): AsIs(Slot(name)) for name in names}
    version = table.column(ROW_VERSION)
    changes[version] = Expression(version, "+", SQL("1"))
    keys = table.shape.primary_key[:ids]
    where = _matches(table.source, keys) & is_null(table.column(table.deleted.name))
    return in_order(render(table.source.update(changes).where(where), database), (*names, *keys))


def due(table: Table, column: str, engine: Engine) -> Statement:
    """The keys of the first `limit` rows whose time `column` is at most `until`."""
    found = table.source.select(*(table.column(key.name) for key in table.keys)).where(table.column(column) <= AsIs(Slot("until")))
    return render(found.order_by(table.column(column)).limit(AsIs(Slot("limit"))), engine.database)


def due_for_update(table: Table, column: str, engine: Engine) -> str:
    """Whether the row with a key is still due at a time, which it then stays for this transaction: the key, then the time."""
    found = table.source.select(SQL("1")).where(_key(table.source, table.shape) & (table.column(column) <= AsIs(Slot("until"))))
    return engine.dialect.for_update(in_order(render(found, engine.database), (*table.shape.primary_key, "until")))


def select_columns(table: Table, columns: Sequence[ColumnShape], database: Database) -> str:
    """SELECT of some columns of one row, read as our own values, by primary key."""
    return in_order(render(_by_key(table, columns), database), table.shape.primary_key)


def _by_key(table: Table, columns: Sequence[ColumnShape]) -> Select:
    return table.source.select(*(table.read(column) for column in columns)).where(_key(table.source, table.shape))


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
        self.select_any_for_update = table.dialect.for_update(self.select)
        """The same, and the row is locked for this transaction where the engine locks rows."""
        self.select_for_update = self.select_any_for_update
        """The same, if the row is not a deleted one that is kept."""
        if table.deleted is not None:
            alive = _by_key(table, table.columns).where(is_null(table.column(table.deleted.name)))
            self.select_for_update = table.dialect.for_update(render(alive, database).sql)
        self.select_key_by_id = ""
        """The key of one row by its last id alone, where that is unique."""
        if table.resource.id.unique:
            last = _matches(table.source, shape.primary_key[-1:])
            keys = [table.column(key.name) for key in table.keys]
            self.select_key_by_id = render(table.source.select(*keys).where(last), database).sql
        self.insert = insert(shape, [column.name for column in table.columns], database)
        """All columns, in order."""
        self.delete = render(table.source.delete().where(_key(table.source, shape)), database).sql
        self.delete_version = render(
            table.source.delete().where(_key(table.source, shape) & (table.column(ROW_VERSION) == AsIs(Slot(ROW_VERSION)))), database
        ).sql
        """By key, then row version."""
        parent = shape.foreign_key
        self.parent_exists = None if parent is None else select_one(parent.table, parent.target, database)
        """Whether the parent is there, by its key, deleted or not; None where parents are not stored here."""
        self.parent_alive = None
        """Whether the parent is there and not deleted, which it then stays for this transaction; None where parents are not deleted softly."""
        if parent is not None and table.parent_deleted:
            self.parent_alive = table.dialect.for_share(select_one(parent.table, parent.target, database, unset=table.parent_deleted))
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

    def bound(self, row: Sequence[object], ids: Sequence[Id], seen: int) -> list[object]:
        """The parameters: values of the bound row, the key, the row version that was read."""
        return [*(row[i] for i in self.order), *ids, seen]


UPDATE_SHAPES_MAX = 512
"""Different sets of changed columns kept rendered per table; callers choose the sets, so they are bounded."""
