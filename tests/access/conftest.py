"""An engine whose database has the table of tuples."""

from collections.abc import Iterable, Iterator

import pytest

from protoplane.access.model import Model
from protoplane.access.relations import Relations
from protoplane.access.tuples import RelationTuple
from protoplane.base.deadline import Deadline
from protoplane.store.engine import Engine
from protoplane.store.schema import TableShape
from protoplane.store.tuples import CONDITIONAL_TABLE, TUPLE_TABLE
from tests.engines import Database


def soon(seconds: float = 30.0) -> Deadline:
    """A deadline that no test should reach."""
    return Deadline.after(seconds)


@pytest.fixture
def store(database: Database) -> Iterator[Engine]:
    """An engine with an empty table of tuples."""
    yield from opened(database)


@pytest.fixture(scope="module")
def module_store(module_database: Database) -> Iterator[Engine]:
    """The same for all tests of a module."""
    yield from opened(module_database)


def opened(database: Database) -> Iterator[Engine]:
    store = Engine(database.url, threads=2)
    for table in (TUPLE_TABLE, CONDITIONAL_TABLE):
        define(store, table)
    yield store
    store.close()


def define(store: Engine, table: TableShape) -> None:
    """Make a table."""
    store.define(store.dialect.definitions.create_table(table), soon())
    for index in table.indexes:
        store.define(store.dialect.definitions.create_index(table.name, index), soon())


def fill(store: Engine, model: Model, tuples: Iterable[RelationTuple]) -> None:
    """Have these tuples in the table, and no others."""
    relations, held = Relations(model, store), list(tuples)

    def work(session: object) -> None:
        from protoplane.store.session import Session

        assert isinstance(session, Session)
        for table in (TUPLE_TABLE, CONDITIONAL_TABLE):
            session.execute(f"DELETE FROM {table.name}")
        relations.write(session, held)

    store.write(work, soon())
