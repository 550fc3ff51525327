"""Fixtures of the store's tests: an engine on a fresh database, and shapes to fill it with."""

from collections.abc import Iterator

import pytest
from peewee import Node

from protoplane.base.deadline import Deadline
from protoplane.store.engine import Engine
from protoplane.store.schema import ColumnShape, ForeignKeyShape, IndexShape, Storage, TableShape
from protoplane.store.statements import render
from tests.engines import Database

SHELF = TableShape(
    name="shelf",
    columns=(ColumnShape("shelf", Storage.TEXT, nullable=False, length=63), ColumnShape("room", Storage.INT64, nullable=False)),
    primary_key=("shelf",),
)
BOOK = TableShape(
    name="book",
    columns=(
        ColumnShape("shelf", Storage.TEXT, nullable=False, length=63),
        ColumnShape("book", Storage.TEXT, nullable=False, length=63),
        ColumnShape("title", Storage.TEXT, nullable=False),
        ColumnShape("isbn", Storage.TEXT, nullable=True, length=20),
        ColumnShape("pages", Storage.INT64, nullable=False),
        ColumnShape("weight", Storage.DOUBLE, nullable=True),
        ColumnShape("serial", Storage.UINT64, nullable=True),
        ColumnShape("lent", Storage.BOOL, nullable=False),
        ColumnShape("cover", Storage.BYTES, nullable=True),
        ColumnShape("printed", Storage.TIME, nullable=True),
        ColumnShape("tags", Storage.JSON, nullable=True),
    ),
    primary_key=("shelf", "book"),
    indexes=(IndexShape("book__isbn", ("isbn",), unique=True), IndexShape("book__pages", ("pages", "book"), unique=False)),
    foreign_key=ForeignKeyShape("book__parent", ("shelf",), "shelf", ("shelf",)),
)


@pytest.fixture
def store(database: Database) -> Iterator[Engine]:
    """An engine on an empty database."""
    opened = Engine(database.url, threads=8)
    yield opened
    opened.close()


@pytest.fixture
def library(store: Engine) -> Engine:
    """An engine whose database has the tables SHELF and BOOK, and one shelf `a`."""
    definitions = store.dialect.definitions
    for shape in (SHELF, BOOK):
        store.define(definitions.create_table(shape), soon())
        for index in shape.indexes:
            store.define(definitions.create_index(shape.name, index), soon())
    write(store, "INSERT INTO shelf (shelf, room) VALUES (?, ?)", "a", 1)
    return store


def soon(seconds: float = 10.0) -> Deadline:
    """A deadline that no test should reach."""
    return Deadline.after(seconds)


def sql(store: Engine, text: str) -> str:
    """A statement written with `?`, as the engine writes it."""
    return text.replace("?", store.dialect.placeholder)


def write(store: Engine, text: str, *values: object) -> int:
    """One write in a transaction of its own."""
    return store.write(lambda session: session.execute(sql(store, text), values), soon())


def read(store: Engine, text: str, *values: object) -> list[tuple[object, ...]]:
    """One query."""
    return list(store.read(lambda session: session.rows(sql(store, text), values), soon()))


def query_rows(store: Engine, query: Node, **values: object) -> list[tuple[object, ...]]:
    """One query of Peewee's, with values for its slots."""
    statement = render(query, store.database)
    return list(store.read(lambda session: session.rows(statement.sql, statement.bound(values)), soon()))
