"""The same filters and orders on every engine, through the store's own tables: what the oracle finds, they find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from protoplane.base.deadline import Deadline
from protoplane.contract.model import Field, Kind, Label
from protoplane.query.filter import FilterCompiler
from protoplane.query.order import OrderCompiler
from protoplane.query.paging import Position
from protoplane.query.syntax import parse
from protoplane.store.codec import compile_codec
from protoplane.store.engine import Engine
from protoplane.store.listing import Listing
from protoplane.store.migrate import apply, plan
from protoplane.store.statements import TableStatements
from protoplane.store.tables import Table
from tests.engines import Database
from tests.query import oracle
from tests.query.library import Row, book, contract, random_books
from tests.query.test_filter import FIELDS, FILTERS
from tests.query.test_order import TERMS, sorted_ids

ROWS = random_books(150, seed=4)


@dataclass
class Library:
    """The books in a database, and how they are listed."""

    engine: Engine
    table: Table
    filters: FilterCompiler
    orders: OrderCompiler
    listing: Listing
    number_of: dict[tuple[object, object], int]
    """By publisher and book id."""

    def numbers(self, rows: Any) -> list[int]:
        """The numbers of the rows that the database returned, keys first."""
        return [self.number_of[row[0], row[1]] for row in rows]

    def matched(self, text: str) -> set[int]:
        """The rows a filter finds."""
        predicate, order = self.filters.compile(text), self.orders.compile("")
        return set(self.numbers(self.engine.read(lambda s: self.listing.page(s, (), predicate, order, None, 1_000), Deadline.after(10))))


@pytest.fixture(scope="module")
def library(module_database: Database) -> Iterator[Library]:
    engine = Engine(module_database.url, threads=2)
    tables = [Table(resource, contract(), engine.dialect) for resource in contract().resources.values()]
    apply(engine, plan(engine, [table.shape for table in tables]))
    by_type = {table.resource.type: table for table in tables}
    publishers, books = by_type["library.example.com/Publisher"], by_type["library.example.com/Book"]
    insert(engine, publishers, [publishers.resource.message_class(name=f"publishers/p{n}") for n in range(3)])
    insert(engine, books, [message_of(row) for row in ROWS])
    number_of: dict[tuple[object, object], int] = {tuple(str(row["name"]).split("/")[1::2]): n for n, row in enumerate(ROWS)}  # type: ignore[misc] # Two ids.
    listing = Listing(books, engine, parents=())
    yield Library(engine, books, FilterCompiler(book(), books), OrderCompiler(book(), books), listing, number_of)
    engine.close()


def insert(engine: Engine, table: Table, messages: list[Any]) -> None:
    codec, statements = compile_codec(table), TableStatements(table, engine.database)
    rows = [codec.bind(codec.row(message, tuple(message.name.split("/")[1::2]), 1)) for message in messages]
    engine.write(lambda session: session.execute_many(statements.insert, rows), Deadline.after(30))


def message_of(row: Row) -> Message:
    message: Any = book().message_class()
    fill(message, book().fields, row)
    return message  # type: ignore[no-any-return] # A Message.


def fill(message: Any, fields: tuple[Field, ...], row: Row) -> None:  # noqa: C901, PLR0912 - one case a kind.
    for field in fields:
        value: Any = row.get(field.path)
        if value is None or field.path == "extra":
            continue
        if field.label is Label.MAP:
            for key, element in value.items():
                assert field.key is not None
                typed = oracle.typed_key(field.key, key)
                if field.kind is Kind.MESSAGE:
                    getattr(message, field.name)[typed].title = element["title"]
                elif field.kind is Kind.DURATION:
                    getattr(message, field.name)[typed].FromMicroseconds(element)
                else:
                    getattr(message, field.name)[typed] = element
        elif field.label is Label.REPEATED:
            for element in value:
                if field.kind is Kind.MESSAGE:
                    getattr(message, field.name).add(**element)
                elif field.kind is Kind.TIMESTAMP:
                    getattr(message, field.name).add().FromMicroseconds(element)
                else:
                    getattr(message, field.name).append(element)
        elif field.kind is Kind.MESSAGE:
            getattr(message, field.name).SetInParent()
            fill(getattr(message, field.name), field.fields, row)
        elif field.kind in (Kind.TIMESTAMP, Kind.DURATION):
            getattr(message, field.name).FromMicroseconds(value)
        elif field.wrapper:
            getattr(message, field.name).value = value
        else:
            setattr(message, field.name, value)


ROWS = [{path: value for path, value in row.items() if path != "extra"} for row in ROWS]


def expected(text: str) -> set[int]:
    tree = parse(text)
    return {number for number, row in enumerate(ROWS) if tree is None or oracle.holds(tree, row) is True}


@pytest.mark.parametrize(("path", "comparators", "literals"), FIELDS)
def test_every_field_is_filtered_alike_on_every_engine(
    library: Library, path: str, comparators: tuple[str, ...], literals: st.SearchStrategy[str]
) -> None:
    @settings(max_examples=25)
    @given(st.sampled_from(comparators), literals)
    def check(comparator: str, literal: str) -> None:
        text = f"{path} {comparator} {literal}"
        assert library.matched(text) == expected(text)
        assert library.matched(f"NOT {text}") == expected(f"NOT {text}")

    check()


def test_filters_of_every_form_are_alike_on_every_engine(library: Library) -> None:
    @settings(max_examples=200)
    @given(FILTERS)
    def check(text: str) -> None:
        assert library.matched(text) == expected(text)

    check()


def test_pages_are_alike_on_every_engine(library: Library) -> None:
    @settings(max_examples=60)
    @given(TERMS, st.sampled_from([1, 7, 150]))
    def check(terms: list[tuple[str, bool]], size: int) -> None:
        order = library.orders.compile(", ".join(f"{path}{' desc' if descending else ''}" for path, descending in terms))
        found: list[int] = []
        position: Position | None = None
        while True:
            after = None if position is None else order.after(position)
            rows = library.engine.read(lambda s, after=after: library.listing.page(s, (), None, order, after, size), Deadline.after(10))  # type: ignore[misc] # Bound now.
            if not rows:
                break
            found += library.numbers(rows)
            position = library.listing.position(order, rows[-1])
        assert found == sorted_ids(ROWS, terms)

    check()
