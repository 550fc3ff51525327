"""The table of a resource: which columns keep which field, and how filters and orders reach them.

A field is kept in one *leaf*: one column, or the key columns of a resource name. A nested message is a leaf of its own
(is it there?) followed by the leaves of its fields. What the columns hold is `store.codec`'s business.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from peewee import Column as SqlColumn
from peewee import Expression, Node
from peewee import Table as SqlTable

from protoplane.base import limits
from protoplane.contract.casing import snake
from protoplane.contract.columns import ROW_VERSION, column_name, is_stored_reference, reference_columns
from protoplane.contract.model import Contract, Field, IndexRule, Kind, Label, Pattern, Presence, Resource, Role
from protoplane.query.columns import Dynamic, Inner, Level, NameColumns
from protoplane.query.order import SortKey
from protoplane.store.dialect import Dialect
from protoplane.store.inside import any_element
from protoplane.store.kinds import DEFAULTS, STORAGE
from protoplane.store.schema import ColumnShape, ForeignKeyShape, IndexShape, Storage, TableShape


class Form(StrEnum):
    """How a leaf keeps its field."""

    VALUE = "value"  # One column holds the value.
    NAME = "name"  # One column per variable of the pattern of the resource named.
    PRESENT = "present"  # Whether a nested message is there.
    JSON = "json"  # Repeated fields, maps and Struct.
    OPAQUE = "opaque"  # Serialised bytes.


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field and the columns that keep it."""

    field: Field
    form: Form
    columns: tuple[ColumnShape, ...]
    within: tuple[Field, ...]
    """The messages on its path, outermost first."""
    pattern: Pattern | None = None
    """Of Form.NAME: the pattern of the resource named."""


@dataclass(frozen=True, slots=True)
class Via:
    """How a table is reached from the one that is listed."""

    path: str
    """As callers write it, from there: `flight.airline`."""
    keys: tuple[Node, ...]
    """The columns of the table above that hold its primary key, in order."""
    above: Table

    @property
    def alias(self) -> str:
        """Its name in a statement, cut for the people who read it; the dot keeps it apart from every other."""
        name = f"via.{self.path}"
        return name if len(name) <= ALIAS_CHARACTERS_MAX else f"{name[:40]}.{hashlib.sha256(name.encode()).hexdigest()[:12]}"


ALIAS_CHARACTERS_MAX = 60
FOREIGN_KEY = ("parent",)
"""In place of columns in its name."""


class Table:
    """The table of one resource, bound to its engine's dialect. Implements `query.columns.Columns`."""

    def __init__(self, resource: Resource, contract: Contract, dialect: Dialect, *, via: Via | None = None) -> None:
        self._contract = contract
        self._reached: dict[str, Table | None] = {}
        self.via = via
        """How a statement that begins at another table comes here; None for the table that is listed."""
        self.resource = resource
        self.dialect = dialect
        self.leaves = tuple(_leaves(resource.fields, contract, ()))
        self.keys = key_columns(resource.pattern, resource.pattern.variables, nullable=False)
        kept = [column for leaf in self.leaves for column in leaf.columns]
        version = ColumnShape(ROW_VERSION, Storage.INT64, nullable=False)
        self.columns = (*self.keys, version, *kept)
        self.source = SqlTable(
            resource.table, alias=via and via.alias
        )  # Without columns: they would hide its own methods (`update`, `select`).
        self._leaf_at = {leaf.field.path: leaf for leaf in self.leaves}
        self._column_at = {column.name: column for column in self.columns}
        self.deleted = self.column_with(Role.DELETE_TIME)
        """Of a resource that is deleted softly: when it was; NULL in those that are not deleted."""
        self.purged = self.column_with(Role.PURGE_TIME)
        """When a deleted one is gone for good, where the contract has a field for it."""
        parent = contract.resources.get(resource.parent)
        gone = None if parent is None else parent.with_role(Role.DELETE_TIME)
        self.parent_deleted = "" if gone is None else column_name(gone)
        """The column of the parent's table that says when the parent was deleted; empty where parents are not deleted softly."""
        self.shape = TableShape(
            name=resource.table,
            columns=self.columns,
            primary_key=resource.pattern.variables,
            indexes=self._indexes(),
            foreign_key=_foreign_key(resource, contract),
        )

    def column(self, name: str) -> SqlColumn:
        """A column by name, as the query builder wants it."""
        return SqlColumn(self.source, name)

    def read(self, column: ColumnShape) -> Node:
        """The expression a SELECT reads a column by: whole microseconds for times."""
        return self.dialect.read(self.column(column.name), column.storage)

    @property
    def row_bytes_max(self) -> int | None:
        """An upper bound of one row's size as a message; None when a column is unbounded."""
        return row_bytes_max(self.columns)

    def column_of(self, key: SortKey) -> ColumnShape:
        """The column that a sort key sorts by."""
        if key.field is not None:
            return self._leaf_at[key.field.path].columns[0]
        assert isinstance(key.node, SqlColumn)
        return self._column_at[key.node.name]

    @property
    def alive(self) -> Node:
        """The table to read in the order of its key without what is deleted: every index ends with the key, so that of `deleted` has it."""
        assert self.deleted is not None
        return self.dialect.led_by(self.source, index_name(self.resource.table, (self.deleted.name,)))

    def column_with(self, role: Role) -> ColumnShape | None:
        """The column that keeps the field with a role; None when the contract has no such field."""
        field = self.resource.with_role(role)
        return None if field is None else self._leaf_at[field.path].columns[0]

    def _indexes(self) -> tuple[IndexShape, ...]:
        """Those of the contract, in its order, then our own: of ids that are unique, and by which soft deletes are listed and purged."""
        asked = [self._index(rule) for rule in self.resource.indexes]
        if self.resource.id.unique:
            last = (self.keys[-1].name,)
            asked.append(IndexShape(self._index_name(last), last, unique=True))
        if self.deleted is not None:
            own = dict.fromkeys((column.name,) for column in (self.deleted, self.purged) if column is not None)
            taken = {index.columns for index in asked}
            asked += [IndexShape(index_name(self.resource.table, o), o, unique=False) for o in own if o not in taken]
        for rule in self.resource.access.relations:  # Whoever has a relation that a field says is looked for by that field.
            columns = tuple(column.name for column in self.columns_at(rule.field)) if rule.field not in {"", Role.NAME.value} else ()
            if columns and not any(index.columns[: len(columns)] == columns for index in asked):
                asked.append(IndexShape(self._index_name(columns), columns, unique=False))
        return tuple(asked)

    def index_led_by(self, columns: Sequence[ColumnShape]) -> str:
        """The name of the first index that begins with these columns."""
        names = tuple(column.name for column in columns)
        return next(index.name for index in self.shape.indexes if index.columns[: len(names)] == names)

    def _index(self, rule: IndexRule) -> IndexShape:
        columns = tuple(column.name for path in rule.paths for column in self.columns_at(path))
        return IndexShape(name=self._index_name(columns), columns=columns, unique=rule.unique)

    def _index_name(self, columns: tuple[str, ...]) -> str:
        """Never that of the foreign key, which MySQL and MariaDB give to an index of their own."""
        taken = columns == FOREIGN_KEY and self.resource.parent in self._contract.resources
        return index_name(self.resource.table, (*columns, "0") if taken else columns)  # No column is called so.

    def columns_at(self, path: str) -> tuple[ColumnShape, ...]:
        """The columns that keep the field at a path."""
        field = self.resource.field(path)
        if field is not None and field.role is Role.NAME:
            return self.keys
        return self._leaf_at[path].columns

    # query.columns.Columns

    @property
    def prefix(self) -> str:
        """See `Columns.prefix`."""
        return "" if self.via is None else f"{self.via.path}."

    @property
    def above(self) -> Table | None:
        """See `Columns.above`."""
        return None if self.via is None else self.via.above

    @property
    def engine(self) -> str:
        """See `Columns.engine`."""
        return self.dialect.name

    @property
    def hops(self) -> int:
        """See `Columns.hops`."""
        return 0 if self.via is None else self.via.above.hops + 1

    def through(self, path: str) -> Table | None:
        """See `Columns.through`; one object for one path."""
        if path not in self._reached:
            self._reached.setdefault(path, self._join(path))
        return self._reached[path]

    def _join(self, path: str) -> Table | None:
        field = self.resource.field(path)
        if field is not None:
            name, kind = self.name(field), field.reference
            keys = () if name is None or field.role is Role.NAME else name.columns
        else:
            parent = self._contract.resources.get(self.resource.parent)
            kind = self.resource.parent if parent is not None and path in {parent.singular, snake(parent.singular)} else ""
            keys = tuple(self.column(key.name) for key in self.keys[: 0 if parent is None else len(parent.pattern.variables)])
        target = self._contract.resources.get(kind)
        if target is None or not keys:
            return None
        return Table(target, self._contract, self.dialect, via=Via(f"{self.prefix}{path}", keys, self))

    def is_there(self) -> Node:
        """See `Columns.is_there`."""
        return self.column(self.keys[0].name).is_null(is_null=False)

    @property
    def merges_ranges(self) -> bool:
        """See `Columns.merges_ranges`."""
        return self.dialect.merges_ranges

    def value(self, field: Field) -> Node:
        """See `Columns.value`."""
        return self.column(self._leaf_at[field.path].columns[0].name)

    def sort_key(self, field: Field) -> Node:
        """See `Columns.sort_key`."""
        shape = self._leaf_at[field.path].columns[0]
        if shape.storage is Storage.TEXT and not shape.length:
            return self.dialect.left(self.value(field), limits.SORT_CHARACTERS_MAX)
        return self.value(field)

    def is_set(self, field: Field) -> Node:
        """See `Columns.is_set`."""
        if field.role is Role.NAME:
            return self.is_there()
        leaf = self._leaf_at[field.path]
        column = self.column(leaf.columns[0].name)
        match leaf.form:
            case Form.PRESENT:
                return Expression(column, "=", 1)
            case Form.JSON | Form.OPAQUE:
                return column.is_null(is_null=False)
            case Form.NAME:
                return Expression(column, "<>", DEFAULTS[leaf.columns[0].storage])
            case Form.VALUE:
                if field.presence is Presence.EXPLICIT:
                    return column.is_null(is_null=False)
                return Expression(column, "<>", DEFAULTS[leaf.columns[0].storage])

    def name(self, field: Field) -> NameColumns | None:
        """See `Columns.name`."""
        if field.role is Role.NAME:
            return NameColumns(self.resource.pattern, tuple(self.column(key.name) for key in self.keys))
        leaf = self._leaf_at.get(field.path)
        if leaf is None or leaf.pattern is None:
            return None
        return NameColumns(leaf.pattern, tuple(self.column(column.name) for column in leaf.columns))

    def bind(self, field: Field, value: object) -> object:
        """See `Columns.bind`."""
        if isinstance(value, int) and value > self.dialect.uint64_max:
            return float(value)  # Above everything that can be stored, and compared exactly.
        if field.label is not Label.SINGULAR:
            return self.bind_inside(field, value)
        return self.dialect.binder(STORAGE[field.kind])(value)

    def bind_inside(self, field: Field, value: object) -> object:
        """See `Columns.bind_inside`: as `store.values` writes it."""
        del field
        if isinstance(value, int) and value > self.dialect.uint64_max:
            return float(value)
        return base64.b64encode(value).decode() if isinstance(value, bytes) else value

    def any_element(self, levels: Sequence[Level], test: Callable[[Sequence[Node], Inner], Node]) -> Node:
        """See `Columns.any_element`."""
        return any_element(self.dialect, self.document(levels[0].holder), levels, test)

    def document(self, field: Field) -> Node:
        """See `Columns.document`."""
        return self.column(self._leaf_at[field.path].columns[0].name)

    def json(self, document: Node, path: Node) -> Dynamic:
        """See `Columns.json`."""
        return self.dialect.json_at(document, path)

    def any_key(self, document: Node, path: Node, test: Callable[[Node], Node]) -> Node:
        """See `Columns.any_key`."""
        return self.dialect.any_key(document, path, test)

    def any_value(self, document: Node, path: Node, test: Callable[[Dynamic], Node]) -> Node:
        """See `Columns.any_value`."""
        return self.dialect.any_value(document, path, test)

    def any_object(self, document: Node, steps: Sequence[Node], test: Callable[[Node], Node]) -> Node:
        """See `Columns.any_object`."""
        return self.dialect.any_object(document, steps, test)

    def characters(self, field: Field) -> Node:
        """See `Columns.characters`."""
        return self.dialect.characters(self.value(field))

    def size(self, field: Field) -> Node:
        """See `Columns.size`."""
        return self.dialect.json_length(self.document(field))


def row_bytes_max(columns: Sequence[ColumnShape]) -> int | None:
    """An upper bound of the size of these columns of one row in a message; None when one is unbounded."""
    sizes = [_bytes_max(column) for column in columns]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def key_columns(pattern: Pattern, names: Sequence[str], *, nullable: bool) -> tuple[ColumnShape, ...]:
    """The columns, called so, that hold the ids of a pattern."""
    return tuple(
        ColumnShape(name, Storage.INT64, nullable=nullable)
        if place in pattern.integers
        else ColumnShape(name, Storage.TEXT, nullable=nullable, length=limits.ID_CHARACTERS_MAX)
        for place, name in enumerate(names)
    )


def _bytes_max(column: ColumnShape) -> int | None:
    """Bytes of a column's value in a message, with its tag, length and what stands around ids in a name."""
    match column.storage:
        case Storage.TEXT | Storage.BYTES:
            return 4 * column.length + 32 if column.length else None
        case Storage.JSON:
            return None
        case _:
            return 32


def index_name(table: str, columns: tuple[str, ...]) -> str:
    """The name of an index, within the 64 characters of MySQL."""
    name = f"{table}__{'__'.join(columns)}"
    if len(name) <= 64:  # noqa: PLR2004 - MySQL's limit for identifiers.
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{table[:40]}__{digest}"


def _leaves(fields: tuple[Field, ...], contract: Contract, within: tuple[Field, ...]) -> Iterator[Leaf]:
    for field in fields:
        if field.role in {Role.NAME, Role.ETAG} or field.expand:
            continue  # Made from the key columns and the row version; another row.
        yield from _leaf(field, contract, within)
        if field.kind is Kind.MESSAGE and field.label is Label.SINGULAR:
            yield from _leaves(field.fields, contract, (*within, field))


def _leaf(field: Field, contract: Contract, within: tuple[Field, ...]) -> Iterator[Leaf]:
    column = column_name(field)
    if field.label is not Label.SINGULAR or field.kind is Kind.JSON:
        yield Leaf(field, Form.JSON, (ColumnShape(column, Storage.JSON, nullable=True),), within)
    elif field.kind is Kind.OPAQUE:
        yield Leaf(field, Form.OPAQUE, (ColumnShape(column, Storage.BYTES, nullable=True),), within)
    elif field.kind is Kind.MESSAGE:
        yield Leaf(field, Form.PRESENT, (ColumnShape(column, Storage.BOOL, nullable=bool(within)),), within)
    else:
        nullable = bool(within) or field.presence is Presence.EXPLICIT
        if is_stored_reference(field, {r.key: r.pattern for r in contract.resources.values()}):
            target = contract.resources[field.reference]
            names = reference_columns(field, target.pattern)
            keys = key_columns(target.pattern, names, nullable=nullable)
            yield Leaf(field, Form.NAME, keys, within, target.pattern)
        else:
            length = field.max_length if field.max_length <= limits.INDEXED_CHARACTERS_MAX else 0
            yield Leaf(field, Form.VALUE, (ColumnShape(column, STORAGE[field.kind], nullable=nullable, length=length),), within)


def _foreign_key(resource: Resource, contract: Contract) -> ForeignKeyShape | None:
    parent = contract.resources.get(resource.parent)
    if parent is None:
        return None
    return ForeignKeyShape(
        name=index_name(resource.table, FOREIGN_KEY),
        columns=resource.pattern.variables[: len(parent.pattern.variables)],
        table=parent.table,
        target=parent.pattern.variables,
    )
