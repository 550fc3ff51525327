"""Plans: asked for without running the statement or waiting for its rows, told without its values; the slowest of each thread noted."""

from __future__ import annotations

import threading
from typing import Any

import peewee
import pytest

from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault
from protoplane.store import slowest as module
from protoplane.store.engine import Engine
from protoplane.store.plans import MARIADB, MYSQL, SQLITE
from protoplane.store.session import Session
from protoplane.store.slowest import Slowest, Statement
from tests.engines import Database
from tests.store.conftest import BOOK, read, soon, sql, write

CANARY = "canary-7531-zebra"


def explained(store: Engine, text: str, *values: object) -> str:
    """The plan, as one text."""
    return "\n".join(store.explain(Statement(sql(store, text), values, 1.0), soon()))


def add_book(store: Engine, book: str, pages: int) -> None:
    write(store, "INSERT INTO book (shelf, book, title, pages, lent) VALUES (?, ?, ?, ?, ?)", "a", book, CANARY, pages, 0)


@pytest.mark.parametrize(
    ("text", "values", "index"),
    [
        ("SELECT title FROM book WHERE pages > ? ORDER BY pages, book LIMIT 7531", (7_531,), "book__pages"),
        ("SELECT pages FROM book WHERE isbn = ?", (CANARY,), "book__isbn"),
        ("UPDATE book SET title = ? WHERE isbn = ?", (CANARY, CANARY), "book__isbn"),
        ("DELETE FROM book WHERE isbn = ?", (CANARY,), "book__isbn"),
    ],
)
def test_a_plan_names_the_index_and_no_value(library: Engine, text: str, values: tuple[object, ...], index: str) -> None:
    for number in range(40):
        add_book(library, f"b{number}", 7_500 + number)
        write(library, "UPDATE book SET isbn = ? WHERE book = ?", CANARY if number == 0 else f"isbn-{number}", f"b{number}")
    plan = explained(library, text, *values)
    assert index in plan
    assert "7531" not in plan
    assert CANARY not in plan
    assert len(read(library, "SELECT book FROM book WHERE title = ?", CANARY)) == 40  # Nothing was run.


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO shelf (shelf, room) VALUES (?, 1)",
        "SHOW TABLES",
        "PRAGMA optimize",
        "ANALYZE TABLE book",
        "COMMIT",
        "",
        "DROP TABLE book",
    ],
)
def test_nothing_else_is_asked_about(library: Engine, text: str) -> None:
    assert library.explain(Statement(text, (), 1.0), soon()) == ()
    assert read(library, "SELECT shelf FROM shelf") == [("a",)]


def test_a_plan_waits_for_no_row_that_somebody_else_has_locked(library: Engine) -> None:
    """Looking a row up by its key is part of planning on some engines: it must not be locked for that."""
    add_book(library, "b", 1)
    locked, explained_all = threading.Event(), threading.Event()

    def hold(session: Session) -> None:
        session.execute(sql(library, "UPDATE book SET pages = 2 WHERE shelf = ? AND book = ?"), ("a", "b"))
        locked.set()
        assert explained_all.wait(20)

    holder = threading.Thread(target=lambda: library.write(hold, soon(30)))
    holder.start()
    try:
        assert locked.wait(10)
        by_key = "FROM book WHERE shelf = ? AND book = ?"
        select = library.dialect.for_update(f"SELECT pages {by_key}")
        for text in (select, "UPDATE book SET pages = 3 WHERE shelf = ? AND book = ?", f"DELETE {by_key}"):
            assert library.explain(Statement(sql(library, text), ("a", "b"), 1.0), Deadline.after(2))
    finally:
        explained_all.set()
        holder.join(20)
    assert read(library, "SELECT pages FROM book") == [(2,)]


def test_a_plan_that_cannot_be_had_is_a_fault_or_the_drivers_error(library: Engine) -> None:
    with pytest.raises(Fault):
        library.explain(Statement("SELECT 1", (), 1.0), Deadline.after(-1))
    with pytest.raises(library.database.connection().errors):
        library.explain(Statement("SELECT FROM WHERE", (), 1.0), soon())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SELECT a FROM b WHERE c = 'secret'", "SELECT a FROM b WHERE c = ?"),
        ("SELECT 'it''s', '', x FROM b", "SELECT ?, ?, x FROM b"),
        ("SELECT a FROM b WHERE c = 1234.5e3 AND d1 > -0x1F LIMIT 50", "SELECT a FROM b WHERE c = ? AND d1 > -? LIMIT ?"),
        ("SELECT a FROM b WHERE c = X'736563726574' AND d = ?", "SELECT a FROM b WHERE c = X? AND d = ?"),
        ("SELECT a FROM b WHERE c = %s", "SELECT a FROM b WHERE c = %s"),
        ("SELECT a FROM b WHERE c = 'secret and no end", "SELECT a FROM b WHERE c = ?"),
    ],
)
def test_literals_are_not_told(text: str, told: str) -> None:
    assert {plans.without_values(text) for plans in (SQLITE, MARIADB, MYSQL)} == {told}


def test_each_engine_has_its_own_quotes() -> None:
    assert SQLITE.without_values("""SELECT "a 1" FROM b WHERE c = 'x\\' AND d = 'y'""") == """SELECT "a 1" FROM b WHERE c = ? AND d = ?"""
    for plans in (MARIADB, MYSQL):
        assert (
            plans.without_values(r"""SELECT `a 1` FROM b WHERE c = "se\"cret" AND d = 'it\'s'""")
            == "SELECT `a 1` FROM b WHERE c = ? AND d = ?"
        )


def test_the_slowest_statement_of_a_thread_is_noted_until_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module, "monotonic_seconds", lambda: now[0])
    note = Slowest()
    assert note.taken() is None
    for text, took in (("first", 1.0), ("second", 3.0), ("third", 2.0)):
        began = now[0]
        now[0] += took
        note.ran(text, (text,), began)
    assert note.taken() == Statement("second", ("second",), 3.0)
    assert note.taken() is None


def test_the_values_of_a_statement_are_not_in_its_text() -> None:
    assert CANARY not in repr(Statement("SELECT ?", (CANARY,), 1.0))


def shelf_model(store: Engine) -> Any:
    class Shelf(peewee.Model):
        shelf = peewee.CharField(primary_key=True)

        class Meta:
            database = store.database

    return Shelf


def test_every_statement_is_noted_whoever_runs_it_and_however_it_ends(library: Engine) -> None:
    slowest, shelf = library.slowest(), shelf_model(library)
    slowest.forget()
    read(library, "SELECT shelf FROM shelf WHERE shelf = ?", "a")
    found = slowest.taken()
    assert found is not None
    assert (found.sql, tuple(found.params)) == (sql(library, "SELECT shelf FROM shelf WHERE shelf = ?"), ("a",))

    write(library, "UPDATE shelf SET room = ? WHERE shelf = ?", 2, "a")
    found = slowest.taken()
    assert found is not None
    assert found.sql.startswith("UPDATE shelf")

    insert = sql(library, "INSERT INTO shelf (shelf, room) VALUES (?, ?)")
    library.write(lambda session: session.execute_many(insert, [("b", 1), ("c", 1)]), soon())
    found = slowest.taken()
    assert found is not None
    assert (found.sql, found.params) == (insert, ())

    library.read(lambda _: shelf.get_or_none(shelf.shelf == CANARY), soon())
    found = slowest.taken()
    assert found is not None
    assert CANARY in found.params

    with pytest.raises(Fault):
        read(library, "SELECT x FROM nowhere")
    found = slowest.taken()
    assert found is not None
    assert found.sql == "SELECT x FROM nowhere"


def test_a_statement_that_ran_out_of_time_and_cost_the_connection_is_noted(library: Engine) -> None:
    """It is the one that a slow call is about."""
    add_book(library, "b", 1)
    library.slowest().forget()
    rows = ", ".join(f"{BOOK.name} b{n}" for n in range(2))
    endless = (
        f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT COUNT(*) FROM n, {rows}"
        if library.dialect.name == "sqlite"
        else f"SELECT SLEEP(20) FROM {rows}"
    )
    with pytest.raises(Fault) as refused:
        library.read(lambda session: session.rows(endless), Deadline.after(0.3))
    assert refused.value.reason == "DEADLINE_PASSED"
    found = library.slowest().taken()
    assert found is not None
    assert found.sql == endless
    assert 0.2 < found.seconds < 10


def test_connections_are_counted_by_whether_they_are_used(database: Database) -> None:
    engine = Engine(database.url, threads=2)
    try:
        assert engine.read(lambda _: engine.connections(), soon()) == (1, 0)
        assert engine.connections() == (0, 1)
    finally:
        engine.close()
    assert engine.connections() == (0, 0)
