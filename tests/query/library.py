"""The book of `protos/library`, rows of it as plain values, and a table of them in SQLite."""

from __future__ import annotations

import base64
import json
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

from peewee import SQL, AsIs, Entity, Expression, Node, NodeList, Select, SqliteDatabase, fn
from peewee import Database as SqlDatabase

from protoplane.contract.load import load
from protoplane.contract.model import Contract, Field, Kind, Label, Presence, Resource
from protoplane.query.columns import Dynamic, Inner, Level, NameColumns
from protoplane.query.slot import bind
from protoplane.store.dialect import Sqlite

SQLITE = Sqlite(sqlite3.sqlite_version_info)
"""What Structs hold is asked as the product asks."""

Row: TypeAlias = dict[str, object]
"""By dotted path: canonical values, names as text, lists, dicts; True for a message that is there. What is unset is absent."""


@cache
def contract() -> Contract:
    loaded = load([Path(__file__).parent / "protos"])
    assert loaded.contract is not None, loaded.findings
    return loaded.contract


def book() -> Resource:
    return contract().resources["library.example.com/Book"]


def all_fields(fields: Sequence[Field] | None = None) -> Iterator[Field]:
    """Every field of a book that has columns of its own."""
    for field in book().fields if fields is None else fields:
        yield field
        if field.kind is Kind.MESSAGE and field.label is Label.SINGULAR:
            yield from all_fields(field.fields)


def reference(field: Field) -> Resource | None:
    return contract().resources.get(field.reference)


class BookColumns:
    """`Columns` over one SQLite table: column `a.b` for field `a.b`, `a.b/author` for the ids of a reference."""

    def __init__(self, *, merges_ranges: bool = False) -> None:
        self.merges_ranges = merges_ranges

    resource = property(lambda _self: book())
    prefix = ""
    above = None
    engine = "sqlite"
    hops = 0

    def through(self, path: str) -> None:
        """See `Columns.through`: references are followed in tests of the store."""

    def is_there(self) -> Node:
        """See `Columns.is_there`."""
        return Expression(self.column("book"), "IS NOT", SQL("NULL"))

    def column(self, name: str) -> Node:
        """A column by name."""
        return Entity("book", name)

    def value(self, field: Field) -> Node:
        """See `Columns.value`."""
        return self.column(field.path)

    def sort_key(self, field: Field) -> Node:
        """See `Columns.sort_key`."""
        return fn.SUBSTR(self.value(field), SQL("1"), SQL("3")) if field.path == "subtitle" else self.value(field)

    def is_set(self, field: Field) -> Node:
        """See `Columns.is_set`."""
        if (name := self.name(field)) is not None:
            return Expression(name.columns[0], "<>", "")
        column = self.value(field)
        if field.label is not Label.SINGULAR:
            return Expression(column, "<>", "[]" if field.label is Label.REPEATED else "{}")
        if field.presence is Presence.EXPLICIT:
            return Expression(column, "IS NOT", SQL("NULL"))
        return Expression(column, "<>", SQL({Kind.STRING: "''", Kind.BYTES: "x''"}.get(field.kind, "0")))

    def name(self, field: Field) -> NameColumns | None:
        """See `Columns.name`."""
        if field.path == "name":
            return NameColumns(book().pattern, tuple(self.column(variable) for variable in book().pattern.variables))
        target = reference(field)
        if target is None:
            return None
        return NameColumns(target.pattern, tuple(self.column(f"{field.path}/{variable}") for variable in target.pattern.variables))

    def bind(self, field: Field, value: object) -> object:
        """See `Columns.bind`."""
        if field.kind is Kind.BYTES and field.label is Label.REPEATED and isinstance(value, bytes):
            return base64.b64encode(value).decode()  # As JSON holds it.
        if field.kind is Kind.UINT64 and isinstance(value, int) and value > 2**63 - 1:
            return float(value)  # Above everything stored, and compared exactly by SQLite.
        return value

    def bind_inside(self, field: Field, value: object) -> object:
        """See `Columns.bind_inside`."""
        return base64.b64encode(value).decode() if isinstance(value, bytes) else self.bind(field, value)

    def any_element(self, levels: Sequence[Level], test: Callable[[Sequence[Node], Inner], Node]) -> Node:
        """See `Columns.any_element`: one level, and no members, are enough here."""
        source = NodeList((fn.json_each(self.value(levels[0].holder)), SQL("AS e")))
        return fn.EXISTS(Select((source,), (SQL("1"),)).where(test([Entity("e", "key")], Inner(Entity("e", "value"), None))))

    def document(self, field: Field) -> Node:
        """See `Columns.document`."""
        return self.value(field)

    def json(self, document: Node, path: Node) -> Dynamic:
        """See `Columns.json`."""
        return SQLITE.json_at(document, path)

    def any_key(self, document: Node, path: Node, test: Callable[[Node], Node]) -> Node:
        """See `Columns.any_key`."""
        return SQLITE.any_key(document, path, test)

    def any_value(self, document: Node, path: Node, test: Callable[[Dynamic], Node]) -> Node:
        """See `Columns.any_value`."""
        return SQLITE.any_value(document, path, test)

    def any_object(self, document: Node, steps: Sequence[Node], test: Callable[[Node], Node]) -> Node:
        """See `Columns.any_object`."""
        return SQLITE.any_object(document, steps, test)

    def characters(self, field: Field) -> Node:
        """See `Columns.characters`."""
        return fn.LENGTH(self.value(field))

    def size(self, field: Field) -> Node:
        """See `Columns.size`."""
        return fn.json_array_length(self.value(field))


class Books:
    """Rows of books in a database in memory; `id` numbers them from 0."""

    def __init__(self, rows: Iterable[Row], indexes: Sequence[str] = ()) -> None:
        self.rows = list(rows)
        self.columns = BookColumns()
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute("PRAGMA case_sensitive_like = ON")
        cells = [_cells(number, row) for number, row in enumerate(self.rows)]
        names = ", ".join(f'"{name}"' for name in cells[0])
        self.connection.execute(f'CREATE TABLE book ({names}, PRIMARY KEY ("publisher", "book")) WITHOUT ROWID')
        for number, index in enumerate(indexes):
            self.connection.execute(f"CREATE INDEX by_{number} ON book ({index})")
        marks = ", ".join("?" * len(cells[0]))
        self.connection.executemany(f"INSERT INTO book VALUES ({marks})", [tuple(row.values()) for row in cells])

    def select(self, *names: str) -> Select:
        """A query for columns, by default the id."""
        return Select([Entity("book")], [self.columns.column(name) for name in names or ("id",)])

    def run(self, query: Node, values: dict[str, object]) -> list[tuple[object, ...]]:
        """The rows of a query whose slots are bound to `values`."""
        sql, params = render(query, DATABASE)
        return self.connection.execute(sql, bind(params, values)).fetchall()

    def plan(self, query: Node, values: dict[str, object]) -> str:
        """How SQLite says it runs a query."""
        sql, params = render(query, DATABASE)
        found = self.connection.execute(f"EXPLAIN QUERY PLAN {sql}", bind(params, values))
        return "\n".join(str(row[3]) for row in found)


DATABASE = SqliteDatabase(None)
"""Never opened: it renders SQL."""


def render(query: Node, database: SqlDatabase) -> tuple[str, list[object]]:
    """The SQL of a query and its parameters, slots among them."""
    sql, params = database.get_sql_context().sql(query).query()  # type: ignore[no-untyped-call] # The stubs leave it out.
    return sql, params


def equals(node: Node, value: object) -> Node:
    """The condition that a column has a value."""
    return Expression(node, "=", AsIs(value))


def limit(rows: int) -> Node:
    return AsIs(rows)


def _cells(number: int, row: Row) -> dict[str, object]:
    cells: dict[str, object] = {"id": number}
    publisher, book_id = str(row["name"]).split("/")[1::2]
    cells |= {"publisher": publisher, "book": book_id}
    for field in all_fields():
        value = row.get(field.path)
        target = reference(field)
        if field.path == "name":
            continue
        if target is not None:
            ids = str(value).split("/")[1::2] if value else [None if value is None else ""] * len(target.pattern.variables)
            cells |= dict(zip((f"{field.path}/{variable}" for variable in target.pattern.variables), ids, strict=True))
        elif value is not None and field.label is not Label.SINGULAR:
            cells[field.path] = json.dumps(value, default=lambda part: base64.b64encode(part).decode())
        else:
            cells[field.path] = value
    return cells


STRINGS = ("", "a", "ab", "aB", "b", "a%b", "a_b", "a!b", "a*b", "a\\b", "a b", "ä😀", "a\nb", "ab ")
INTS = (0, 1, -1, 7, 42)
FLOATS = (0.0, 0.5, -1.5, 1e-9, 1e300, 9007199254740992.0)
TIMES = (0, -1, 1_714_564_800_000_000, 1_714_564_800_123_456, -62_135_596_800_000_000, 253_402_300_799_999_999)
NAMES = ("publishers/p1/authors/a1", "publishers/p1/authors/a2", "publishers/p2/authors/a1")
POOLS: dict[str, Sequence[object]] = {
    "title": STRINGS,
    "subtitle": (None, *STRINGS),
    "pages": (*INTS, 2**31 - 1, -(2**31)),
    "views": (None, *INTS, 2**63 - 1, -(2**63)),
    "stock": (0, 1, 7, 2**63 - 1),
    "ratio": FLOATS,
    "weight": (0.0, 0.5, 0.10000000149011612, 16777216.0, -1.5),
    "score": (None, *FLOATS),
    "state": (0, 1, 2, 9),
    "active": (False, True),
    "publish_time": (None, *TIMES),
    "length": (None, 0, 1_200_000, -3_000_000, 1, -1),
    "cover": (b"", b"\x00\xff", b"a"),
    "author": ("", *NAMES),
    "editor": (None, "", *NAMES),
    "rank": (None, *INTS),
    "tags": ([], ["a"], ["a", "ab"], ["a*b", "", "ä😀"]),
    "codes": ([], [0], [1, 42], [-1, 7]),
    "labels": ({}, {"env": "a"}, {"env": "ab", "a b": ""}, {"a.b": "x", "1": "y"}),
    "counts": ({}, {"1": 7}, {"42": -1, "-1": 2**63 - 1}),
    "parts": ([], [{"title": "a"}]),
    "pieces": ({}, {"a": {"title": "a"}}),
    "extra": (None, "{}"),
    "printings": ([], [0, -1], [1_714_564_800_123_456]),
    "plates": ([], [b""], [b"\x00\xff", b"a"]),
    "flags": ([], [True], [False, False]),
    "states": ([], [0], [1, 9]),
    "serials": ([], [0, 7], [2**63 - 1]),
    "ratings": ([], [0.5, -1.5], [0.10000000149011612]),
    "answers": ({}, {"true": "a"}, {"true": "b", "false": "ab"}),
    "delays": ({}, {"a": 1_200_000}, {"b": -3_000_000, "a": 0}),
}


def random_books(count: int, seed: int = 1) -> list[Row]:
    """Rows of every shape, names unique."""
    chosen = random.Random(seed)
    rows = []
    for number in range(count):
        row: Row = {"name": f"publishers/p{number % 3}/books/b{number:05d}"}
        row |= {path: value for path, values in POOLS.items() if (value := chosen.choice(values)) is not None}
        if chosen.random() < 0.6:
            row |= {"address": True, "address.city": chosen.choice(STRINGS), "address.lines": chosen.choice(([], ["a"], ["b", "a"]))}
            row |= {"address.zip": chosen.choice(INTS)} if chosen.random() < 0.5 else {}
            row |= {"address.point": True, "address.point.x": chosen.choice(FLOATS)} if chosen.random() < 0.5 else {}
        rows.append(row)
    return rows
