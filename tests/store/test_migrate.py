"""From what is there to what is wanted: read back exactly, add what can be added, name what cannot, survive being cut off."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peewee import Table

from protoplane.store import migrate
from protoplane.store.ddl import ActualTable
from protoplane.store.engine import Engine
from protoplane.store.migrate import STEP_TABLE, Difference, Plan, StepFailed, StepKind, apply, introspect, plan, reset
from protoplane.store.schema import ColumnShape, ForeignKeyShape, IndexShape, Storage, TableShape
from tests.engines import Database
from tests.store.conftest import BOOK, SHELF, query_rows, read, soon, write

LIBRARY = (BOOK, SHELF)  # Children first: the plan must turn them round.
LENGTHS = {Storage.TEXT: (0, 1, 63, 255, 768, 769, 5_000), Storage.BYTES: (0, 1, 32, 3_072, 3_073)}
INDEXABLE = {Storage.TEXT: (1, 63, 191), Storage.BYTES: (1, 32)}


@st.composite
def columns(draw: st.DrawFn, name: str) -> ColumnShape:
    storage = draw(st.sampled_from(list(Storage)))
    return ColumnShape(name, storage, nullable=draw(st.booleans()), length=draw(st.sampled_from(LENGTHS.get(storage, (0,)))))


@st.composite
def key_columns(draw: st.DrawFn, name: str) -> ColumnShape:
    storage = draw(st.sampled_from([s for s in Storage if s is not Storage.JSON]))
    return ColumnShape(name, storage, nullable=False, length=draw(st.sampled_from(INDEXABLE.get(storage, (0,)))))


@st.composite
def tables(draw: st.DrawFn) -> list[TableShape]:
    """A parent, and a child whose key begins with the parent's; names that need quoting."""
    keys = [draw(key_columns(f"key {n}")) for n in range(draw(st.integers(1, 3)))]
    names = [f"select{n}" for n in range(draw(st.integers(0, 6)))]
    rest = [draw(columns(name)) for name in names]
    indexed = [ColumnShape(f"i{n}", Storage.INT64, nullable=draw(st.booleans())) for n in range(3)]
    indexes = [
        IndexShape(f"parent__{n}", tuple(draw(st.permutations([column.name for column in indexed]))[: n + 1]), unique=draw(st.booleans()))
        for n in range(draw(st.integers(0, 3)))
    ]
    key = tuple(column.name for column in keys)
    parent = TableShape("parent", (*keys, *rest, *indexed), key, tuple(indexes))
    own = ColumnShape("own", Storage.TEXT, nullable=False, length=63)
    child = TableShape("child", (*keys, own), (*key, "own"), foreign_key=ForeignKeyShape("child__parent", key, "parent", key))
    return [parent, child]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables())
def test_what_is_read_back_is_what_was_made(store: Engine, shapes: list[TableShape]) -> None:
    for shape in reversed(shapes):
        store.define(store.dialect.definitions.drop_table(shape.name), soon())
    if any(store.dialect.definitions.problems(shape) for shape in shapes):
        return
    apply(store, plan(store, shapes))
    actual = introspect(store)
    assert [actual[shape.name] for shape in shapes] == [ActualTable(shape, {}) for shape in shapes]
    assert plan(store, shapes) == Plan((), ())


def test_a_new_database_gets_its_tables_parents_first(store: Engine) -> None:
    planned = plan(store, LIBRARY)
    assert [(step.number, step.kind, step.table, step.name) for step in planned.steps] == [
        (1, StepKind.TABLE, "protoplane_step", ""),
        (2, StepKind.TABLE, "shelf", ""),
        (3, StepKind.TABLE, "book", ""),
        (4, StepKind.INDEX, "book", "book__isbn"),
        (5, StepKind.INDEX, "book", "book__pages"),
    ]
    assert not planned.done
    apply(store, planned)
    assert plan(store, LIBRARY).done
    steps = read(store, "SELECT number, statement, checksum, state FROM protoplane_step ORDER BY number")
    assert [(step.number - 1, step.statement, step.checksum, "done") for step in planned.steps[1:]] == steps


def test_the_sql_of_a_plan_is_all_it_takes(database: Database, store: Engine) -> None:
    """Run by hand, in order, as `protoplane migrate` prints it."""
    for step in plan(store, LIBRARY).steps:
        database.execute(step.statement)
    assert plan(store, LIBRARY) == Plan((), ())
    apply(store, plan(store, (*LIBRARY, replace(SHELF, name="more"))))
    assert read(store, "SELECT number, table_name FROM protoplane_step") == [(1, "more")]


def test_a_plan_without_steps_touches_nothing(store: Engine) -> None:
    apply(store, plan(store, ()))
    assert introspect(store) == {}


def test_columns_and_indexes_are_added_under_rows_that_are_there(store: Engine) -> None:
    apply(store, plan(store, LIBRARY))
    write(store, "INSERT INTO shelf (shelf, room) VALUES (?, ?)", "a", 1)
    more = [ColumnShape(f"{storage}_{null}", storage, nullable=null) for storage in Storage for null in (True, False)]
    more += [ColumnShape("short", Storage.TEXT, nullable=False, length=40), ColumnShape("few", Storage.BYTES, nullable=False, length=40)]
    wider = replace(SHELF, columns=(*SHELF.columns, *more), indexes=(IndexShape("shelf__room", ("room", "short"), unique=False),))
    planned = plan(store, (wider, BOOK))
    assert not planned.refused
    apply(store, planned)
    assert plan(store, (wider, BOOK)) == Plan((), ())
    empty = {Storage.TEXT: "", Storage.JSON: "", Storage.BYTES: b"", Storage.TIME: 0}
    for column in more:
        expression = store.dialect.read(Table("shelf").c[column.name], column.storage)
        query = Table("shelf").select(expression)
        assert query_rows(store, query) == [(None if column.nullable else empty.get(column.storage, 0),)], column
    write(store, "INSERT INTO shelf (shelf, room) VALUES (?, ?)", "b", 1)  # As a server that does not know the new columns.


def change(name: str, **changes: object) -> Callable[[], TableShape]:
    """BOOK with one column changed."""
    return lambda: replace(BOOK, columns=tuple(replace(c, **changes) if c.name == name else c for c in BOOK.columns))  # type: ignore[arg-type]


REFUSED: list[tuple[Callable[[], TableShape], str, bool]] = [
    (change("pages", storage=Storage.DOUBLE), "column 'pages' holds int64, wanted is double", False),
    (change("title", storage=Storage.JSON), "column 'title' holds text, wanted is json", False),
    (change("printed", storage=Storage.INT64), "column 'printed' holds time, wanted is int64", False),
    (change("lent", storage=Storage.INT64), "column 'lent' holds bool, wanted is int64", False),
    (change("isbn", length=30), "column 'isbn' has length 20; widening it to 30 is not automatic", False),
    (change("isbn", length=10), "column 'isbn' has length 20; narrowing it to 10 is not automatic", False),
    (
        lambda: replace(change("isbn", length=0)(), indexes=()),
        "column 'isbn' has length 20; widening it to unbounded is not automatic",
        False,
    ),
    (change("title", length=2_000), "column 'title' has length unbounded; narrowing it to 2000 is not automatic", False),
    (change("pages", nullable=True), "column 'pages' is not nullable, wanted is nullable", False),
    (change("isbn", nullable=False), "column 'isbn' is nullable, wanted is not nullable", False),
    (lambda: replace(BOOK, columns=BOOK.columns[:-1]), "column 'tags' is not in the contract", True),
    (lambda: replace(BOOK, indexes=BOOK.indexes[:1]), "index 'book__pages' is not in the contract", True),
    (lambda: replace(BOOK, indexes=BOOK.indexes[1:]), "index 'book__isbn' is not in the contract", False),
    (
        lambda: replace(BOOK, indexes=(IndexShape("book__isbn", ("isbn",), unique=False), BOOK.indexes[1])),
        "index 'book__isbn' is unique on (isbn), wanted is not unique on (isbn)",
        False,
    ),
    (lambda: replace(BOOK, foreign_key=None), "its parent is 'shelf' by (shelf) as book__parent, wanted is none", False),
    (lambda: replace(BOOK, primary_key=("book", "shelf")), "its primary key is (shelf, book), wanted is (book, shelf)", False),
]


def test_what_does_not_add_is_named_and_not_done(store: Engine) -> None:
    apply(store, plan(store, LIBRARY))
    before = introspect(store)
    for wanted, problem, harmless in REFUSED:
        planned = plan(store, (SHELF, wanted()))
        assert Difference("book", problem, harmless=harmless) in planned.refused, (problem, planned.refused)
        assert not planned.steps
        assert planned.done is harmless
    assert introspect(store) == before


def test_tables_of_others_are_left_alone_and_foreign_ones_in_our_place_named(database: Database, store: Engine) -> None:
    database.execute("CREATE TABLE other (id INTEGER PRIMARY KEY, f FLOAT)")
    database.execute("CREATE TABLE shelf (shelf VARCHAR(63) PRIMARY KEY, room SMALLINT)")
    planned = plan(store, LIBRARY)
    assert {difference.table for difference in planned.refused} == {"shelf"}
    assert any("column 'room' is" in difference.problem for difference in planned.refused)
    assert any("column 'shelf' is" in difference.problem for difference in planned.refused)


@pytest.mark.engines("mariadb", "mysql")
def test_another_collation_is_a_difference(database: Database, store: Engine) -> None:
    apply(store, plan(store, LIBRARY))
    database.execute("ALTER TABLE book MODIFY title LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL")
    problems = [difference.problem for difference in plan(store, LIBRARY).refused]
    assert any("column 'title' is longtext utf8mb4_general_ci" in problem for problem in problems)


def test_shapes_no_engine_can_hold_are_refused_before_anything_is_made(store: Engine) -> None:
    text = ColumnShape("t", Storage.TEXT, nullable=False)
    bad = TableShape("bad", (text, ColumnShape("T", Storage.INT64, nullable=True)), ("t",), (IndexShape("i", ("gone",), unique=False),))
    problems = [difference.problem for difference in plan(store, (bad,)).refused]
    assert "two of its columns have one name (case does not count)" in problems
    assert "the primary key has an unbounded column 't'" in problems
    assert "the index 'i' names a column 'gone' that is not there" in problems
    assert not plan(store, (bad,)).steps


@pytest.mark.engines("mariadb", "mysql")
def test_keys_and_rows_beyond_innodb_are_refused(store: Engine) -> None:
    long = [ColumnShape(f"c{n}", Storage.TEXT, nullable=False, length=768) for n in range(30)]
    problems = [difference.problem for difference in plan(store, (TableShape("big", tuple(long), ("c0", "c1")),)).refused]
    assert "the primary key needs 6144 bytes; an index holds 3072" in problems
    assert any("a row holds 65535" in problem for problem in problems)


def test_a_unique_index_over_equal_values_fails_and_is_recorded(store: Engine) -> None:
    apply(store, plan(store, LIBRARY))
    for name in "ab":
        write(store, "INSERT INTO shelf (shelf, room) VALUES (?, ?)", name, 1)
    unique = replace(SHELF, indexes=(IndexShape("shelf__room", ("room",), unique=True),))
    with pytest.raises(StepFailed, match="shelf__room"):
        apply(store, plan(store, (unique, BOOK)))
    assert read(store, "SELECT state FROM protoplane_step ORDER BY number DESC LIMIT 1") == [("failed",)]
    write(store, "DELETE FROM shelf WHERE shelf = ?", "b")
    apply(store, plan(store, (unique, BOOK)))
    assert plan(store, (unique, BOOK)).done


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_cut_off_around_any_step_is_taken_up_again(store: Engine, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "LEASE_SECONDS", 0)
    define, count = store.define, len(plan(store, LIBRARY).steps[1:])

    class CutOff(BaseException):
        """The process ends."""

    for cut in range(count):
        done: list[str] = []

        def fail(statement: str, _deadline: object, cut: int = cut, done: list[str] = done) -> None:
            if "protoplane_step" in statement:
                return define(statement, soon())
            if when == "after":
                define(statement, soon())
            if len(done) == 0 and cut >= 0:
                raise CutOff
            done.append(statement)
            return None

        monkeypatch.setattr(store, "define", fail)
        with pytest.raises(CutOff):
            apply(store, plan(store, LIBRARY))
        monkeypatch.setattr(store, "define", define)
        one = plan(store, LIBRARY)
        apply(store, Plan(one.steps[: 1 if when == "before" else 0], ()))
    apply(store, plan(store, LIBRARY))
    assert plan(store, LIBRARY).done
    assert {row[0] for row in read(store, "SELECT state FROM protoplane_step")} <= {"done", "abandoned", "running"}


def test_many_runs_at_once_make_every_table_once(database: Database) -> None:
    stores = [Engine(database.url, threads=1) for _ in range(4)]
    failures: list[BaseException] = []

    def migrator(store: Engine) -> None:
        try:
            apply(store, plan(store, LIBRARY), deadline=soon(60))
        except BaseException as failure:  # noqa: BLE001 - the test looks at what was raised.
            failures.append(failure)

    threads = [threading.Thread(target=migrator, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert plan(stores[0], LIBRARY).done
    states = read(stores[0], "SELECT DISTINCT table_name, state FROM protoplane_step ORDER BY table_name, state")
    assert states == [("book", "done"), ("shelf", "done")]  # A step that two saw missing may be recorded by both.
    for store in stores:
        store.close()


@pytest.mark.engines("mariadb", "mysql")
def test_a_step_behind_a_long_transaction_waits_without_holding_others_up(database: Database, store: Engine) -> None:
    apply(store, plan(store, LIBRARY))
    wider = replace(SHELF, columns=(*SHELF.columns, ColumnShape("wide", Storage.INT64, nullable=True)))
    other = Engine(database.url, threads=1)
    reading, finish = threading.Event(), threading.Event()

    def long_reader() -> None:
        def work(_session: object) -> None:
            other.database.execute_sql("SELECT * FROM shelf")
            reading.set()
            finish.wait(20)

        other.write(work, soon(30))

    reader = threading.Thread(target=long_reader)
    reader.start()
    reading.wait(10)
    migrator = threading.Thread(target=lambda: apply(store, plan(store, (wider, BOOK)), deadline=soon(30)))
    migrator.start()
    threading.Timer(3.0, finish.set).start()
    migrator.join(20)
    reader.join()
    assert plan(store, (wider, BOOK)).done
    other.close()


def test_reset_drops_what_was_made_and_nothing_else(database: Database, store: Engine) -> None:
    database.execute("CREATE TABLE other (id INTEGER PRIMARY KEY)")
    apply(store, plan(store, LIBRARY))
    assert sorted(reset(store, ())) == ["book", "shelf"]
    assert set(introspect(store)) == {"other", STEP_TABLE.name}
    apply(store, plan(store, LIBRARY))
    assert plan(store, LIBRARY).done
