"""The statements of an Aggregate method: made once per shape of everything asked for, bound per page.

    SELECT … FROM (SELECT keys, aggregates FROM table WHERE parent AND filter GROUP BY keys) AS grouped
    WHERE having AND after ORDER BY … LIMIT …

The groups are a table of their own to having, order and page, which are those of a List. The database makes all groups for
every page, and gives one page of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NoReturn

from peewee import SQL, Alias, AsIs, Case, Entity, Expression, Node, NodeList, Select, fn

from protoplane.contract.model import Field, Kind, Label, Presence
from protoplane.contract.names import Id
from protoplane.query.aggregate import BUCKETS, Function, Grouping, Output
from protoplane.query.columns import Columns, Level, NameColumns
from protoplane.query.order import After, Order
from protoplane.query.paging import Position
from protoplane.query.predicate import Predicate
from protoplane.query.slot import Slot
from protoplane.store.codec import Row
from protoplane.store.dialect import as_it_is
from protoplane.store.engine import Engine
from protoplane.store.joins import join
from protoplane.store.kinds import DEFAULTS, STORAGE
from protoplane.store.listing import Listing, keep, parent_values
from protoplane.store.schema import Storage
from protoplane.store.session import Session
from protoplane.store.statements import Statement, render
from protoplane.store.tables import Table

GROUPED = "grouped"
"""The groups, as the outer query calls them."""

DOUBLE_MAX = SQL("1.7976931348623157e308")
"""A sum as large as the largest double ran over: it is infinite, or was cut when it was put away."""

_SUMMED = frozenset({Function.SUM, Function.AVG})


@dataclass(frozen=True, slots=True)
class Question:
    """What one call asks for, but for the parent and the page."""

    predicate: Predicate | None
    """Which resources."""
    groups: Groups
    having: Predicate | None
    """Which groups."""
    order: Order

    @property
    def views(self) -> tuple[Columns, ...]:
        """The columns behind references that it needs, of keys and aggregates as of the filter."""
        return (*self.groups.grouping.views, *(self.predicate.views if self.predicate is not None else ()))

    @property
    def timed(self) -> bool:
        """Whether it depends on the time of the call: `at` must be asked first, and all pages tell the same time."""
        return any(part is not None and part.timed for part in (self.predicate, self.having))

    def at(self, now_micros: int) -> Question:
        """The same question at a time."""
        predicate, having = (part and part.at(now_micros) for part in (self.predicate, self.having))
        return replace(self, predicate=predicate, having=having)


@dataclass(frozen=True, slots=True)
class Cells:
    """The columns that keep one output."""

    output: Output
    first: int
    """Place of the first one in a row."""
    nodes: tuple[Node, ...]
    """What the inner query computes."""
    storage: Storage
    name: NameColumns | None
    """Of the table, when the output is the name of a resource: one column for each variable."""
    shown: Callable[[Node], Node] = as_it_is
    """What the outer query makes of a column."""


class Groups:
    """The columns of the groups. Implements `query.columns.Columns` for the fields that outputs are seen as."""

    merges_ranges = True
    """There is no index to scan: one condition serves every engine."""
    prefix = ""
    above = None
    hops = 0

    def __init__(self, grouping: Grouping, table: Table) -> None:
        self.resource = grouping.as_resource(table.resource)
        self.engine = table.engine
        self.grouping, self._table = grouping, table
        self.cells: dict[str, Cells] = {}
        self._places: dict[str, int] = {}
        for output in grouping.outputs:
            made = self.cells[output.name] = _cells(output, len(self._places))
            for i in range(len(made.nodes)):
                self._places[output.name if made.name is None else f"{output.name}[{i}]"] = made.first + i
        summed = [output.name for output in grouping.outputs if output.function in _SUMMED and output.seen.kind is Kind.DOUBLE]
        self.overflows = {name: len(self._places) + i for i, name in enumerate(summed)}
        """Where a row says whether a sum or average of doubles is beyond them, by name: MySQL and MariaDB give 0 for infinity."""

    def inner(self) -> list[Node]:
        """What the inner query selects."""
        nodes = [node for cells in self.cells.values() for node in cells.nodes]
        return [Alias(node, _column(i)) for i, node in enumerate(nodes)]

    def outer(self) -> list[Node]:
        """What the outer query selects: canonical values in the order of `Cells.first`, then which sums ran over (`overflows`)."""
        values = [
            Alias(self._table.dialect.read(node, cells.storage), _column(cells.first + i))
            for cells in self.cells.values()
            for i, node in enumerate(_entities(cells))
        ]
        ran_over = (Expression(fn.ABS(_entities(self.cells[name])[0]), ">=", DOUBLE_MAX) for name in self.overflows)
        return [*values, *(Alias(node, f"over{i}") for i, node in enumerate(ran_over))]

    @property
    def keys(self) -> int:
        """How many columns the keys have: the first ones."""
        return sum(len(self.cells[key.name].nodes) for key in self.grouping.keys)

    def position(self, order: Order, row: Row) -> Position:
        """The place of a group in an order: what the page after it starts behind."""
        return tuple(row[self._places[key.label]] for key in order.keys)

    # query.columns.Columns

    def through(self, path: str) -> None:
        """See `Columns.through`: what a reference names is reached before it is grouped by."""

    def is_there(self) -> Node:
        """See `Columns.is_there`."""
        raise AssertionError(self.resource.singular)

    def value(self, field: Field) -> Node:
        """See `Columns.value`."""
        return _entities(self.cells[field.name])[0]

    def sort_key(self, field: Field) -> Node:
        """See `Columns.sort_key`: long texts were cut when they were grouped."""
        return self.value(field)

    def is_set(self, field: Field) -> Node:
        """See `Columns.is_set`: of a key as of its field, of anything else whether there is a value."""
        cells = self.cells[field.name]
        path = cells.output.path
        if cells.output.function is not Function.FIELD or path is None or (path.field.presence is Presence.EXPLICIT and cells.name is None):
            return Expression(self.value(field), "IS NOT", SQL("NULL"))
        return Expression(self.value(field), "<>", DEFAULTS[cells.storage])

    def name(self, field: Field) -> NameColumns | None:
        """See `Columns.name`."""
        cells = self.cells[field.name]
        return None if cells.name is None else NameColumns(cells.name.pattern, _entities(cells))

    def bind(self, field: Field, value: object) -> object:
        """See `Columns.bind`."""
        return self._table.bind(field, value)

    def characters(self, field: Field) -> Node:
        """See `Columns.characters`."""
        return self._table.dialect.characters(self.value(field))

    # No output is repeated, a map or a Struct.

    def bind_inside(self, field: Field, value: object) -> NoReturn:
        """See `Columns.bind_inside`."""
        raise AssertionError(field.name, value)

    def any_element(self, levels: Sequence[Level], test: object) -> NoReturn:
        """See `Columns.any_element`."""
        raise AssertionError(levels, test)

    def document(self, field: Field) -> NoReturn:
        """See `Columns.document`."""
        raise AssertionError(field.name)

    def json(self, document: Node, path: Node) -> NoReturn:
        """See `Columns.json`."""
        raise AssertionError(document, path)

    def any_key(self, document: Node, path: Node, test: object) -> NoReturn:
        """See `Columns.any_key`."""
        raise AssertionError(document, path, test)

    def any_value(self, document: Node, path: Node, test: object) -> NoReturn:
        """See `Columns.any_value`."""
        raise AssertionError(document, path, test)

    def any_object(self, document: Node, steps: Sequence[Node], test: object) -> NoReturn:
        """See `Columns.any_object`."""
        raise AssertionError(document, steps, test)

    def size(self, field: Field) -> NoReturn:
        """See `Columns.size`."""
        raise AssertionError(field.name)


class Aggregation:
    """Pages of the groups of one table."""

    def __init__(self, listing: Listing, engine: Engine) -> None:
        self._listing, self._database = listing, engine.database
        self._statements: dict[tuple[str, ...], Statement] = {}

    def page(self, session: Session, parent: Sequence[Id], question: Question, after: After | None, limit: int) -> list[Row]:
        """At most `limit` groups, each a row of canonical values; a sum beyond 64 bits is as large as it is."""
        statement = self.statement(question, after)
        values: dict[str, object] = {"limit": limit, **parent_values(parent)}
        for part in (question.predicate, question.having, after):
            if part is not None:
                values.update(part.values)
        rows = session.rows(statement.sql, statement.bound(values))
        return [tuple(int(cell) if isinstance(cell, Decimal) else cell for cell in row) for row in rows]

    def statement(self, question: Question, after: After | None) -> Statement:
        """The statement of a page of this shape, made at the first one."""
        parts: tuple[Predicate | Grouping | Order | After | None, ...]
        parts = (question.predicate, question.groups.grouping, question.having, question.order, after)
        key = tuple("" if part is None else part.shape for part in parts)
        statement = self._statements.get(key)
        if statement is None:
            statement = keep(self._statements, key, render(self._select(question, after), self._database))
        return statement

    def _select(self, question: Question, after: After | None) -> Node:
        groups = question.groups
        inner = self._listing.restricted(Select([join(self._listing.table, question.views)], groups.inner()), question.predicate)
        if groups.keys:
            # By place: a name could be that of a column of the table, too.
            inner = inner.group_by(*(SQL(str(place + 1)) for place in range(groups.keys)))
        outer = Select([inner.alias(GROUPED)], groups.outer())
        if question.having is not None:
            outer = outer.where(question.having.build(""))
        return question.order.page(outer, after, AsIs(Slot("limit")))


def _column(place: int) -> str:
    return f"c{place}"


def _entities(cells: Cells) -> tuple[Node, ...]:
    return tuple(cells.shown(Entity(GROUPED, _column(cells.first + i))) for i in range(len(cells.nodes)))


def _cells(output: Output, first: int) -> Cells:
    function = output.function
    storage = Storage.TIME if function in BUCKETS else STORAGE[output.seen.kind]
    if output.path is None:
        return Cells(output, first, (fn.COUNT(SQL("1")),), storage, None)
    field, table = output.path.field, output.path.columns
    assert isinstance(table, Table)
    name = _name(field, table)
    if function is Function.FIELD and name is not None:
        return Cells(output, first, name.columns, Storage.INT64 if 0 in name.pattern.integers else storage, name)
    if function in BUCKETS:
        grouping = table.dialect.grouping
        return Cells(output, first, (grouping.start(table.value(field), function),), storage, None, grouping.kept)
    return Cells(output, first, (_MAKES[function](field, table),), storage, None)


def _name(field: Field, table: Table) -> NameColumns | None:
    return table.name(field) if field.kind is Kind.STRING and field.label is Label.SINGULAR else None


def _count(field: Field, table: Table) -> Node:
    return fn.COUNT(Case(None, ((table.is_set(field), SQL("1")),)))


def _count_distinct(field: Field, table: Table) -> Node:
    name = _name(field, table)
    if name is None:
        values = table.sort_key(field)
    else:
        values = name.columns[0] if len(name.columns) == 1 else table.dialect.grouping.joined(name.columns)
    return fn.COUNT(NodeList((SQL("DISTINCT"), values)))


def _sum(field: Field, table: Table) -> Node:
    value = table.value(field)
    wide = field.kind in {Kind.INT64, Kind.UINT64, Kind.DURATION}
    return table.dialect.grouping.whole_sum(value) if wide else fn.SUM(value)


def _avg(field: Field, table: Table) -> Node:
    """As doubles: an AVG of integers has four digits behind the point on MySQL and MariaDB."""
    if field.kind in {Kind.FLOAT, Kind.DOUBLE}:
        return fn.AVG(table.value(field))
    return Expression(Expression(_sum(field, table), "*", SQL("1e0")), "/", fn.COUNT(table.value(field)))


_MAKES: Mapping[Function, Callable[[Field, Table], Any]] = {
    Function.FIELD: lambda field, table: table.sort_key(field),
    Function.COUNT: _count,
    Function.COUNT_DISTINCT: _count_distinct,
    Function.SUM: _sum,
    Function.AVG: _avg,
    Function.MIN: lambda field, table: fn.MIN(table.sort_key(field)),
    Function.MAX: lambda field, table: fn.MAX(table.sort_key(field)),
}
