"""Rows by many keys: the ones that are there, in one statement, by the primary key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

import pytest

from protoplane.base.deadline import Deadline
from protoplane.store.by_keys import KEYS_MAX, STATEMENTS_KEPT_MAX, ByKeys
from protoplane.store.codec import compile_codec
from protoplane.store.engine import Engine
from protoplane.store.migrate import apply, plan
from protoplane.store.session import Session
from protoplane.store.statements import TableStatements
from protoplane.store.tables import Table
from tests.engines import Database
from tests.query.library import contract

ROWS = 10_000
T = TypeVar("T")


@dataclass
class Library:
    """Publishers (one key column) and books (two), ROWS of each."""

    engine: Engine
    database: Database
    publishers: Table
    books: Table

    def read(self, work: Callable[[Session], T]) -> T:
        """What a piece of work that reads gives."""
        return self.engine.read(work, Deadline.after(20))


@pytest.fixture(scope="module")
def library(module_database: Database) -> Iterator[Library]:
    engine = Engine(module_database.url, threads=2)
    tables = {kind: Table(resource, contract(), engine.dialect) for kind, resource in contract().resources.items()}
    apply(engine, plan(engine, [table.shape for table in tables.values()]))
    publishers, books = tables["library.example.com/Publisher"], tables["library.example.com/Book"]
    fill(engine, publishers, [(f"p{n}",) for n in range(ROWS)])
    fill(engine, books, [(f"p{n // 7}", f"b{n}") for n in range(ROWS)])
    yield Library(engine, module_database, publishers, books)
    engine.close()


def fill(engine: Engine, table: Table, ids: list[tuple[str, ...]]) -> None:
    codec, statements = compile_codec(table), TableStatements(table, engine.database)
    rows = [codec.bind(codec.row(table.resource.message_class(), one, 1)) for one in ids]
    engine.write(lambda session: session.execute_many(statements.insert, rows), Deadline.after(30))


def some(table: Table, count: int) -> list[tuple[str, ...]]:
    """Keys of rows that lie all over the table."""
    numbers = [n * 7_919 % ROWS for n in range(count)]
    return [(f"p{n // 7}", f"b{n}") if len(table.keys) > 1 else (f"p{n}",) for n in numbers]


@pytest.mark.parametrize("count", [1, 2, 3, 64, 65, 1_000, KEYS_MAX, KEYS_MAX + 1])
@pytest.mark.parametrize("kind", ["publishers", "books"])
def test_every_row_that_is_there_is_found_by_its_key_and_no_other(library: Library, kind: str, count: int) -> None:
    table: Table = getattr(library, kind)
    by_keys, keys = ByKeys(table, library.engine.database), some(table, count)
    width = len(table.keys)
    strange = [("p1", "B1"), ("p1", "b1 "), ("p1 ", "b1"), ("", ""), ("p0", "b7")]  # Case, spaces, and another's book.
    found = library.read(lambda session: by_keys.rows(session, [*keys, *keys[:3], *[key[:width] for key in strange if width > 1]]))
    assert set(found) == set(keys)
    assert all(row[:width] == key and len(row) == len(table.columns) for key, row in found.items())


def test_no_keys_take_no_statement(library: Library) -> None:
    by_keys = ByKeys(library.books, library.engine.database)
    assert library.read(lambda session: by_keys.rows(session, [])) == {}
    assert by_keys._statements == {}


@pytest.mark.parametrize("kind", ["publishers", "books"])
@pytest.mark.parametrize("count", [3, 64, 999, KEYS_MAX])
def test_as_many_rows_are_read_as_there_are_keys(library: Library, kind: str, count: int) -> None:
    """By the engine's own counters, on a connection as the service has it; SQLite counts nothing, and is asked for its plan."""
    table: Table = getattr(library, kind)
    by_keys, keys = ByKeys(table, library.engine.database), some(table, count)
    by_keys.statement(1 << (count - 1).bit_length(), table.columns)
    (sql,) = by_keys._statements.values()
    if library.database.engine.name == "sqlite":
        with closing(sqlite3.connect(library.database.name)) as connection:
            plan_ = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [""] * sql.count("?"))]
        assert any("USING PRIMARY KEY" in step for step in plan_), plan_
        assert not any(step.startswith("SCAN t1") for step in plan_), plan_
        return

    def work(session: Session) -> tuple[int, int]:
        before = reads(session)
        found = by_keys.rows(session, keys)
        return len(found), reads(session) - before

    found, took = library.read(work)
    assert found == count
    assert took <= 3 * (1 << (count - 1).bit_length()), session_plan(library, sql)


def reads(session: Session) -> int:
    """Rows and index entries that this connection has read so far."""
    return sum(int(value) for _, value in session.rows("SHOW SESSION STATUS LIKE 'Handler_read%%'"))


def session_plan(library: Library, sql: str) -> object:
    """The engine's own words."""
    return library.read(lambda session: session.rows(f"EXPLAIN {sql}", [""] * sql.count("%s")))


def test_some_columns_are_read_alone(library: Library) -> None:
    table = library.books
    by_keys, key = ByKeys(table, library.engine.database), some(table, 1)[0]
    found = library.read(lambda session: by_keys.rows(session, [key], columns=table.columns[:3]))
    assert found == {key: (*key, 1)}


def test_locked_rows_are_read_in_the_order_of_their_keys(library: Library) -> None:
    by_keys = ByKeys(library.books, library.engine.database)
    keys = some(library.books, 20)
    found = library.engine.write(lambda session: by_keys.rows(session, keys, locked=True), Deadline.after(20))
    assert list(found) == sorted(keys)
    sql = by_keys.statement(32, library.books.columns, locked=True)
    assert "ORDER BY" in sql
    assert sql.endswith("FOR UPDATE") == (library.database.engine.name != "sqlite")


def test_however_many_shapes_are_asked_for_so_many_statements_are_kept(library: Library) -> None:
    table = library.books
    by_keys = ByKeys(table, library.engine.database)
    for end in range(3, len(table.columns)):
        for size in (1, 2, 4, 8):
            by_keys.statement(size, table.columns[:end])
    assert len(by_keys._statements) <= STATEMENTS_KEPT_MAX
