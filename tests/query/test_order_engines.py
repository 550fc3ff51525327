"""Pages on MariaDB and MySQL read what they return and little more, at any depth, with ties and NULLs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import MySQLdb
import pytest
from peewee import Entity, MySQLDatabase, Node, Select

from protoplane.query.order import OrderCompiler
from protoplane.query.slot import bind
from tests.engines import Database
from tests.query.library import BookColumns, book, equals, limit, render

pytestmark = pytest.mark.engines("mariadb", "mysql")

RENDERER = MySQLDatabase(None)
"""Never opened: it renders SQL."""
ROWS = 30_000
TABLE = """CREATE TABLE book (id BIGINT, publisher VARCHAR(63) NOT NULL, book VARCHAR(63) NOT NULL, pages BIGINT NOT NULL, stock BIGINT NOT NULL,
    views BIGINT, subtitle VARCHAR(40), PRIMARY KEY (publisher, book),
    KEY by_pages (publisher, pages), KEY by_stock (publisher, stock), KEY by_views (publisher, views), KEY by_subtitle (publisher, subtitle)) CHARACTER SET ascii"""


@dataclass
class Session:
    """One connection, with its counters."""

    connection: MySQLdb.Connection

    def run(self, query: Node, values: dict[str, object]) -> list[tuple[object, ...]]:
        """The rows of a query whose slots are bound to `values`."""
        sql, params = render(query, RENDERER)
        cursor = self.connection.cursor()
        cursor.execute(sql, bind(params, values))
        return list(cursor.fetchall())

    def rows_read(self) -> int:
        """How often this session has asked the storage for a row so far."""
        cursor = self.connection.cursor()
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
        return sum(int(value) for _, value in cursor.fetchall())


@pytest.fixture(scope="module")
def session(module_database: Database) -> Iterator[Session]:
    place = urlsplit(module_database.url)
    connection = MySQLdb.connect(host=place.hostname, port=place.port, user=place.username, database=place.path[1:], autocommit=True)
    cursor = connection.cursor()
    cursor.execute(TABLE)
    rows = [
        (
            n,
            "p",
            f"b{n * 7919 % ROWS:06d}",
            5 if n % 10 else n % 100,
            n * 31 % 30_011,
            n % 500 if n % 2 else None,
            None if n % 3 else f"s{n % 50}",
        )
        for n in range(ROWS)
    ]
    cursor.executemany("INSERT INTO book VALUES (%s, %s, %s, %s, %s, %s, %s)", rows)
    cursor.execute("ANALYZE TABLE book")
    cursor.fetchall()
    yield Session(connection)
    connection.close()  # type: ignore[no-untyped-call] # The stubs leave it out.


class Columns(BookColumns):
    """Strings are short enough here to be sorted by as they are."""

    sort_key = BookColumns.value


@pytest.mark.parametrize(
    "text", ["pages", "pages desc", "stock", "stock desc", "views", "views desc", "subtitle", "subtitle desc", "", "name desc"]
)
def test_a_page_reads_its_own_rows_at_every_depth(session: Session, text: str) -> None:
    columns = Columns(merges_ranges=True)
    order = OrderCompiler(book(), columns, fixed_keys=1).compile(text)
    keys = [key.node.alias(f"key_{i}") for i, key in enumerate(order.keys)]  # type: ignore[attr-defined] # Entities.
    select = Select([Entity("book")], [columns.column("id"), *keys]).where(equals(columns.column("publisher"), "p"))
    everything = session.run(select.order_by(*order.order_by()), {})
    for depth in (10, 5_000, 14_900, 15_100, 20_500, 29_900):
        after = order.after(everything[depth][1:])  # type: ignore[arg-type] # What the driver returns.
        query, values = order.page(select, after, limit(50)), dict(after.values)
        before = session.rows_read()
        found = session.run(query, values)
        # At most what remains in a small range, and one look at its end: never what lies before it.
        assert session.rows_read() - before <= 2 * 50 + 20, (depth, everything[depth])
        assert [row[0] for row in found] == [row[0] for row in everything[depth + 1 : depth + 51]]
