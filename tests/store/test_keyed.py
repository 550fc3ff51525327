"""Rows by many keys: the ones that are there, in one statement, by the primary key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import pytest

from protoplane.base.deadline import Deadline
from protoplane.store.codec import compile_codec
from protoplane.store.engine import Engine
from protoplane.store.keyed import SHAPES_KEPT_MAX, KeyedColumns, KeyedRows
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


def keyed(library: Library, table: Table) -> KeyedRows:
    return KeyedRows(table, TableStatements(table, library.engine.database), library.engine.database)


@pytest.mark.parametrize("count", [1, 2, 3, 64, 1_000, 1_025])
@pytest.mark.parametrize("kind", ["publishers", "books"])
def test_every_row_that_is_there_is_found_by_its_key_and_no_other(library: Library, kind: str, count: int) -> None:
    table: Table = getattr(library, kind)
    everything, keys = keyed(library, table).everything, some(table, count)
    width = len(table.keys)
    long = "x" * 1_000  # Longer than any id: no key, and no fault.
    strange = [
        ("p1", "B1"),
        ("p1", "b1 "),
        ("p1 ", "b1"),
        ("", ""),
        ("p0", "b7"),
        ("p1", "é\x00'\\"),
        (long, long),
    ]  # Case, spaces, another's.
    asked = [*keys, *keys[:3], *[key[:width] for key in strange if width > 1]]
    found = library.read(lambda session: everything.rows(session, asked))
    assert set(found) == set(keys)
    assert all(row[:width] == key and len(row) == len(table.columns) for key, row in found.items())
    for key in strange if width > 1 else ():
        assert library.read(lambda session, key=key: everything.rows(session, [key])) == {}  # type: ignore[misc]
    assert library.read(lambda session: everything.row(session, keys[0])) == found[keys[0]]


def test_no_keys_take_no_statement(library: Library) -> None:
    everything = keyed(library, library.books).everything
    assert library.read(lambda session: everything.rows(session, [])) == {}
    assert library.read(lambda session: list(everything.in_pieces(session, []))) == []
    assert {"one", "many"}.isdisjoint(vars(everything)), "none was made"


@pytest.mark.parametrize("kind", ["publishers", "books"])
@pytest.mark.parametrize("count", [1, 3, 64, 1_000])
def test_as_many_rows_are_read_as_there_are_keys(library: Library, kind: str, count: int) -> None:
    """By the engine's own counters, on a connection as the service has it; SQLite counts nothing, and is asked for its plan."""
    table: Table = getattr(library, kind)
    everything, keys = keyed(library, table).everything, some(table, count)
    if library.database.engine.name == "sqlite":
        with closing(sqlite3.connect(library.database.name)) as connection:
            for sql, params in ((everything.many, ["[]"]), (everything.one, list(keys[0]))):
                plan_ = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", params)]
                assert any("USING PRIMARY KEY" in step for step in plan_), plan_
                assert not any(step.startswith("SCAN t1") for step in plan_), plan_
        return

    def work(session: Session) -> tuple[int, int]:
        before = reads(session)
        found = everything.rows(session, keys)
        return len(found), reads(session) - before

    found, took = library.read(work)
    assert found == count
    assert took <= 3 * count + 2, "the key, its row, and the list itself"


def reads(session: Session) -> int:
    """Rows and index entries that this connection has read so far."""
    return sum(int(value) for _, value in session.rows("SHOW SESSION STATUS LIKE 'Handler_read%%'"))


def test_some_columns_are_read_alone(library: Library) -> None:
    table = library.books
    shown, keys = keyed(library, table).showing(table.columns[:3]), some(table, 2)
    assert library.read(lambda session: shown.rows(session, keys[:1])) == {keys[0]: (*keys[0], 1)}
    assert library.read(lambda session: shown.rows(session, keys)) == {key: (*key, 1) for key in keys}


def test_rows_are_read_in_the_order_given_and_locked_in_that_of_their_keys(library: Library) -> None:
    everything, keys = keyed(library, library.books).everything, some(library.books, 20)
    assert keys != sorted(keys)
    assert list(library.read(lambda session: everything.rows(session, keys))) == keys
    found = library.engine.write(lambda session: everything.rows(session, keys, locked=True), Deadline.after(20))
    assert list(found) == sorted(keys)
    assert ("FOR UPDATE" in everything.many_for_update) == (library.database.engine.name != "sqlite")


def test_however_many_sets_of_columns_are_asked_for_so_many_statements_are_kept(library: Library) -> None:
    table = library.books
    rows = keyed(library, table)
    first = rows.showing(table.columns[:3])
    assert rows.showing(table.columns[:3]) is first
    for one in range(3, len(table.columns)):
        for other in range(3, one):
            rows.showing((*table.columns[:3], table.columns[other], table.columns[one]))
    assert len(rows._kept) == SHAPES_KEPT_MAX
    assert rows.showing(table.columns[:3]) is not first, "the oldest went first"


def test_rows_of_ordinary_size_come_in_two_pieces_at_most(library: Library) -> None:
    assert sizes(library, keyed(library, library.books).everything, some(library.books, 1_000)) == [100, 900]
    assert sizes(library, keyed(library, library.books).showing(library.books.columns[:3]), some(library.books, 1_000)) == [1_000]
    assert sizes(library, keyed(library, library.books).everything, some(library.books, 100)) == [100]


def test_keys_without_rows_say_nothing_of_the_size_of_others(library: Library) -> None:
    nobody = [("nobody", f"b{n}") for n in range(150)]
    assert sizes(library, keyed(library, library.books).everything, [*nobody, *some(library.books, 350)]) == [100, 100, 300]


def sizes(library: Library, shown: KeyedColumns, keys: list[tuple[str, ...]]) -> list[int]:
    """Of the pieces that these keys are read in."""

    def work(session: Session) -> list[int]:
        left = [len(keys), *(len(left) for _, left in shown.in_pieces(session, keys))]
        return [before - after for before, after in pairwise(left)]

    return library.read(work)
