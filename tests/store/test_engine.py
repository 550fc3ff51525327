"""Sessions and transactions: all or nothing, run again when the database asks, one for our statements and Peewee's alike."""

import contextlib
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import peewee
import pytest

from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault
from protoplane.store.address import AddressError, parse_address
from protoplane.store.dialect import UnsupportedServer, dialect_of
from protoplane.store.engine import Duplicate, Engine, HasChildren, LockTimeout, ParentMissing
from protoplane.store.session import Session
from tests.engines import Database
from tests.store.conftest import read, soon, sql, write


def run_by_peewee(store: Engine, statement: str) -> object:
    """As custom code may: the cursor."""
    return store.database.execute_sql(statement)


def inside_and_outside(store: Engine, statement: str) -> list[Callable[[], object]]:
    """A statement of Peewee's in a session that reads, and in none."""
    return [lambda: store.read(lambda _: run_by_peewee(store, statement), soon()), lambda: run_by_peewee(store, statement)]


class Rejected(Exception):
    """What the work itself raises."""


def add_shelf(store: Engine, name: str, room: int = 1) -> Callable[[Session], int]:
    return lambda session: session.execute(sql(store, "INSERT INTO shelf (shelf, room) VALUES (?, ?)"), (name, room))


def shelf_model(store: Engine) -> Any:
    class Shelf(peewee.Model):
        shelf = peewee.CharField(primary_key=True)
        room = peewee.BigIntegerField()

        class Meta:
            database = store.database

    return Shelf


def test_what_is_written_is_read(library: Engine) -> None:
    assert library.write(add_shelf(library, "b"), soon()) == 1
    assert read(library, "SELECT shelf FROM shelf ORDER BY shelf") == [("a",), ("b",)]
    assert library.read(lambda session: session.row(sql(library, "SELECT room FROM shelf WHERE shelf = ?"), ("b",)), soon()) == (1,)
    assert library.read(lambda session: session.row(sql(library, "SELECT room FROM shelf WHERE shelf = ?"), ("c",)), soon()) is None


def test_a_write_counts_rows_matched_not_rows_changed(library: Engine) -> None:
    assert write(library, "UPDATE shelf SET room = ? WHERE shelf = ?", 1, "a") == 1
    assert write(library, "UPDATE shelf SET room = ? WHERE shelf = ?", 1, "none") == 0
    assert write(library, "DELETE FROM shelf WHERE shelf = ?", "a") == 1


def test_many_rows_are_inserted_or_none(library: Engine) -> None:
    insert = sql(library, "INSERT INTO shelf (shelf, room) VALUES (?, ?)")
    rows = [(f"s{n} %s ? ' VALUES ", n) for n in range(5_000)]
    assert library.write(lambda session: session.execute_many(insert, rows), soon()) == 5_000
    assert read(library, "SELECT shelf, room FROM shelf WHERE shelf <> ? ORDER BY room", "a") == rows
    with pytest.raises(Duplicate):
        library.write(lambda session: session.execute_many(insert, [("new", 1), ("a", 1)]), soon())
    assert read(library, "SELECT shelf FROM shelf WHERE shelf = ?", "new") == []
    assert library.write(lambda session: session.execute_many(insert, []), soon()) == 0


@pytest.mark.parametrize("failure", [Rejected, KeyboardInterrupt])
def test_work_that_raises_leaves_nothing(library: Engine, failure: type[BaseException]) -> None:
    def work(session: Session) -> None:
        add_shelf(library, "b")(session)
        raise failure

    with pytest.raises(failure):
        library.write(work, soon())
    assert read(library, "SELECT shelf FROM shelf") == [("a",)]
    assert library.write(add_shelf(library, "b"), soon()) == 1


def test_a_rehearsal_gives_its_value_and_leaves_nothing(library: Engine) -> None:
    def work(session: Session) -> str:
        add_shelf(library, "c")(session)
        session.roll_back()
        return "kept"

    assert library.write(work, soon()) == "kept"
    assert read(library, "SELECT shelf FROM shelf") == [("a",)]


def test_a_deadline_that_passed_or_a_caller_that_left_commits_nothing(library: Engine) -> None:
    gone = threading.Event()

    def work(session: Session) -> None:
        add_shelf(library, "b")(session)
        gone.set()

    with pytest.raises(Fault) as refused:
        library.write(work, Deadline.after(10, gone.is_set))
    assert refused.value.reason == "CALL_CANCELLED"

    deadline = Deadline.after(10)

    def slow(session: Session) -> None:
        add_shelf(library, "b")(session)
        deadline.at_seconds -= 10

    with pytest.raises(Fault) as refused:
        library.write(slow, deadline)
    assert refused.value.reason == "DEADLINE_PASSED"
    with pytest.raises(Fault) as refused:
        library.read(lambda session: session.rows("SELECT 1"), Deadline.after(-1))
    assert refused.value.reason == "DEADLINE_PASSED"
    assert read(library, "SELECT shelf FROM shelf") == [("a",)]


def test_keys_and_parents_are_refused_by_name_and_the_transaction_goes_on(library: Engine) -> None:
    book = sql(library, "INSERT INTO book (shelf, book, title, isbn, pages, lent) VALUES (?, ?, ?, ?, ?, ?)")

    def work(session: Session) -> None:
        session.execute(book, ("a", "one", "It's 'for key'", "1.2", 1, False))
        with pytest.raises(Duplicate) as primary:
            session.execute(book, ("a", "one", "", "2", 1, False))
        assert primary.value.index is None
        with pytest.raises(Duplicate) as unique:
            session.execute(book, ("a", "two", "", "1.2", 1, False))
        assert unique.value.index == "book__isbn"
        with pytest.raises(ParentMissing):
            session.execute(book, ("none", "two", "", "3", 1, False))
        with pytest.raises(HasChildren):
            session.execute(sql(library, "DELETE FROM shelf WHERE shelf = ?"), ("a",))

    library.write(work, soon())
    assert read(library, "SELECT book FROM book") == [("one",)]


def test_errors_that_leave_the_work_as_peewee_raised_them_have_the_same_names(library: Engine) -> None:
    model = shelf_model(library)
    with pytest.raises(Duplicate):
        library.write(lambda _: model.insert(shelf="a", room=2).execute(), soon())


def test_peewee_runs_in_the_same_transaction(library: Engine) -> None:
    model = shelf_model(library)

    def work(session: Session) -> None:
        add_shelf(library, "b")(session)
        assert model.select().count() == 2
        model.insert(shelf="c", room=3).execute()
        with pytest.raises(Rejected):
            give_up_savepoint()
        raise Rejected

    def give_up_savepoint() -> None:
        with library.database.atomic():
            model.insert(shelf="d", room=4).execute()
            raise Rejected

    with pytest.raises(Rejected):
        library.write(work, soon())
    assert read(library, "SELECT shelf FROM shelf") == [("a",)]

    def inner(session: Session) -> None:
        with library.database.atomic():
            model.insert(shelf="b", room=3).execute()
        with pytest.raises(peewee.IntegrityError), library.database.atomic():
            model.insert(shelf="b", room=3).execute()
        assert session.attempt == 1

    library.write(inner, soon())
    assert library.read(lambda _: [row.shelf for row in model.select().order_by(model.shelf)], soon()) == ["a", "b"]


def test_callbacks_after_commit_run_after_commit_only(library: Engine) -> None:
    ran: list[str] = []
    library.write(lambda _: library.database.after_commit(lambda: ran.append("kept")), soon())

    def undone(session: Session) -> None:
        library.database.after_commit(lambda: ran.append("lost"))
        session.roll_back()

    library.write(undone, soon())
    assert ran == ["kept"]


def test_nothing_is_written_outside_a_transaction(library: Engine) -> None:
    model = shelf_model(library)
    with pytest.raises(RuntimeError, match=r"Engine\.write"):
        library.read(add_shelf(library, "b"), soon())
    with pytest.raises(RuntimeError, match=r"Engine\.write"):
        library.read(lambda _: model.insert(shelf="b", room=3).execute(), soon())
    with pytest.raises(RuntimeError, match=r"Engine\.write"):
        model.insert(shelf="b", room=3).execute()
    with pytest.raises(RuntimeError, match=r"Engine\.write"), library.database.atomic():
        pass
    with pytest.raises(RuntimeError, match="rolled back by"):
        library.write(lambda _: library.database.rollback(), soon())
    assert [row.shelf for row in model.select()] == ["a"]


HIDDEN = [
    "WITH x AS (SELECT 1) DELETE FROM shelf",
    "with x as (select 1)\ndelete from shelf",
    "/* a read */ DELETE FROM shelf",
    "-- a read\nDELETE FROM shelf",
    "(DELETE FROM shelf)",
    "REPLACE INTO shelf VALUES ('b', 1)",
    "TRUNCATE TABLE shelf",
    "DROP TABLE shelf",
    "CREATE TABLE more (id INTEGER)",
    "EXPLAIN ANALYZE DELETE FROM shelf",
    "ANALYZE DELETE FROM shelf",
    "CALL nothing()",
    "VACUUM",
    "SELECT * FROM shelf INTO OUTFILE '/tmp/shelf'",
    "SELECT room FROM shelf INTO/**/DUMPFILE '/tmp/shelf'",
    "PRAGMA query_only = OFF",
    "PRAGMA user_version = 7",
    "SET SESSION transaction_read_only = 0",
    "START TRANSACTION READ WRITE",
    "BEGIN",
    "COMMIT",
    "LOCK TABLES shelf WRITE",
]


@pytest.mark.parametrize("statement", HIDDEN)
def test_no_statement_of_peewee_writes_outside_a_transaction(library: Engine, statement: str) -> None:
    for run in inside_and_outside(library, statement):
        with pytest.raises((RuntimeError, peewee.PeeweeException)):
            run()
    assert read(library, "SELECT shelf FROM shelf") == [("a",)]
    assert library.write(add_shelf(library, "b"), soon()) == 1
    with pytest.raises(RuntimeError, match=r"Engine\.write"):
        library.database.execute_sql("DELETE FROM shelf")


@pytest.mark.parametrize(
    "statement", ["DELETE FROM shelf", "UPDATE shelf SET room = 2", " insert into shelf values ('b', 1)", "DROP TABLE shelf"]
)
def test_a_write_among_the_rows_of_a_read_is_refused(library: Engine, statement: str) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"Engine\.write"):
            library.read(lambda session: session.rows(statement), soon())
        assert read(library, "SELECT shelf, room FROM shelf") == [("a", 1)]
    assert library.write(add_shelf(library, "b"), soon()) == 1
    assert len(read(library, "SELECT shelf FROM shelf")) == 2


@pytest.mark.engines("sqlite", "mysql")
def test_a_write_behind_a_with_is_refused_by_the_engine(library: Engine) -> None:
    statement = "WITH x AS (SELECT 'a' AS a) DELETE FROM shelf WHERE shelf IN (SELECT a FROM x)"
    for run in inside_and_outside(library, statement):
        with pytest.raises(RuntimeError, match=r"Engine\.write"):
            run()
    assert read(library, "SELECT shelf FROM shelf") == [("a",)]
    library.write(lambda _: run_by_peewee(library, statement), soon())
    assert read(library, "SELECT shelf FROM shelf") == []


@pytest.mark.engines("mariadb", "mysql")
def test_what_a_function_writes_or_a_select_locks_outside_a_transaction_is_refused(database: Database, library: Engine) -> None:
    database.execute("CREATE FUNCTION erase() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN DELETE FROM shelf; RETURN 1; END")
    for statement in ("SELECT erase()", "SELECT * FROM shelf FOR UPDATE"):
        with pytest.raises(RuntimeError, match=r"Engine\.write"):
            library.read(lambda session, text=statement: session.rows(text), soon())  # type: ignore[misc]
    assert read(library, "SELECT shelf FROM shelf") == [("a",)]
    assert library.write(lambda session: session.row("SELECT erase()"), soon()) == (1,)


@pytest.mark.engines("mariadb", "mysql")
def test_after_a_statement_that_commits_by_itself_nothing_more_is_written(library: Engine) -> None:
    def work(session: Session) -> None:
        with pytest.raises(RuntimeError, match="commits by itself"):
            session.execute("CREATE TABLE more (id INTEGER)")
        add_shelf(library, "b")(session)

    with pytest.raises(RuntimeError, match="commits by itself"):
        library.write(work, soon())
    assert read(library, "SELECT shelf FROM shelf") == [("a",)]


def test_reads_of_every_form_may_run_outside_a_transaction(library: Engine) -> None:
    for statement in ("SELECT shelf FROM shelf", " select shelf from shelf", "WITH x AS (SELECT shelf FROM shelf) SELECT * FROM x"):
        for _ in range(2):
            assert library.database.execute_sql(statement).fetchall() in ([("a",)], (("a",),))
        assert library.read(lambda session, text=statement: list(session.rows(text)), soon()) == [("a",)]  # type: ignore[misc]
        assert library.write(lambda session, text=statement: list(session.rows(text)), soon()) == [("a",)]  # type: ignore[misc]


def test_sessions_do_not_nest(library: Engine) -> None:
    with pytest.raises(RuntimeError, match="use it"):
        library.write(lambda _: library.read(lambda session: session.rows("SELECT 1"), soon()), soon())
    assert library.write(add_shelf(library, "b"), soon()) == 1


def test_a_statement_of_ours_that_is_wrong_stays_a_bug(library: Engine) -> None:
    with pytest.raises(Exception, match="syntax") as bug:
        library.read(lambda session: session.rows("SELEKT 1"), soon())
    assert not isinstance(bug.value, Fault)
    assert library.ping()


def test_a_missing_table_or_column_is_a_schema_of_another_version(library: Engine) -> None:
    for query in ("SELECT * FROM gone", "SELECT gone FROM shelf"):
        with pytest.raises(Fault) as refused:
            library.read(lambda session, query=query: session.rows(query), soon())  # type: ignore[misc]
        assert refused.value.reason == "DATABASE_UNAVAILABLE"


def test_every_thread_has_a_connection_and_close_ends_them_all(database: Database) -> None:
    store = Engine(database.url, threads=8)
    ready, go = threading.Barrier(9), threading.Event()
    seen: list[object] = []

    def worker() -> None:
        seen.append(store.read(lambda session: session.row("SELECT 1"), soon()))
        ready.wait(10)
        go.wait(10)
        with pytest.raises(Fault) as refused:
            store.read(lambda session: session.row("SELECT 1"), soon())
        seen.append(refused.value.reason)

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    ready.wait(10)
    assert len(store._connections) >= 8
    store.close()
    go.set()
    for thread in threads:
        thread.join()
    assert seen == [(1,)] * 8 + ["DATABASE_UNAVAILABLE"] * 8
    assert all(connection.ended for connection in store._connections)
    assert not store.ping()


def test_close_lets_running_work_end(library: Engine) -> None:
    running, closed = threading.Event(), threading.Event()
    done: list[object] = []

    def work(session: Session) -> None:
        add_shelf(library, "b")(session)
        running.set()
        closed.wait(10)

    thread = threading.Thread(target=lambda: done.append(library.write(work, soon())))
    thread.start()
    running.wait(10)
    library.close()
    closed.set()
    thread.join()
    assert done == [None]


def test_a_process_database_is_shared_by_its_threads_and_gone_afterwards() -> None:
    store = Engine("sqlite://", threads=4)
    store.define("CREATE TABLE shelf (shelf TEXT PRIMARY KEY, room INTEGER)", soon())
    threads = [threading.Thread(target=lambda n=n: store.write(add_shelf(store, f"s{n}"), soon())) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read(store, "SELECT * FROM shelf")) == 8
    store.close()
    fresh = Engine("sqlite://", threads=4)
    with pytest.raises(Fault):
        read(fresh, "SELECT * FROM shelf")
    fresh.close()


def test_an_address_keeps_its_password_to_itself() -> None:
    address = parse_address("mysql://who:s3cret%40@db.example.com:3307/books?ssl_ca=/ca.pem")
    assert "s3cret" not in repr(address)
    assert (address.password, address.ssl_mode, address.port) == ("s3cret@", "VERIFY_IDENTITY", 3307)  # type: ignore[union-attr]
    assert parse_address("mysql://who:a@127.0.0.1/books", "other").password == "other"  # type: ignore[union-attr]
    assert parse_address("mysql://who@127.0.0.1/books").ssl_mode == "DISABLED"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "url",
    [
        "postgres://a@b/c",
        "mysql://host/db",
        "mysql://who@/db",
        "mysql://who@host",
        "mysql://who:s3cret@host/db?ssl=1",
        "sqlite://relative.db",
    ],
)
def test_an_address_that_cannot_be_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(AddressError) as refused:
        parse_address(url)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("version", "name"),
    [("10.11.19-MariaDB-0+deb12u1", "mariadb"), ("5.5.5-11.4.2-MariaDB", "mariadb"), ("9.7.4-2", "mysql"), ("8.4.0", "mysql")],
)
def test_the_server_says_what_it_is(version: str, name: str) -> None:
    assert dialect_of(version).name == name


@pytest.mark.parametrize("version", ["8.0.11-TiDB-v8.5.6", "8.0.30-Vitess", "PolarDB"])
def test_servers_we_cannot_vouch_for_are_refused(version: str) -> None:
    with pytest.raises(UnsupportedServer):
        dialect_of(version)


def test_a_good_server_has_no_fatal_findings(store: Engine) -> None:
    assert [str(finding) for finding in store.findings() if finding.fatal] == []


@pytest.mark.engines("mariadb", "mysql")
def test_unsafe_server_settings_are_found(database: Database, store: Engine) -> None:
    database.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    try:
        assert [finding.rule for finding in store.findings() if finding.fatal] == ["commit-not-durable"]
    finally:
        database.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
    store.threads = 1_000
    assert [finding.rule for finding in store.findings() if finding.fatal] == ["connections-too-few"]
    store.threads = 1
    room = int(str(database.execute("SELECT @@max_connections")[0][0]))
    found = [finding for finding in store.findings(processes=room // 2) if finding.rule.startswith("connections")]
    assert [(finding.rule, finding.fatal) for finding in found] == [("connections-too-few-to-replace", False)]


@pytest.mark.parametrize("refuse", ["duplicate", "deadline", "conflict", "work"])
def test_a_refusal_keeps_nothing_of_its_call(library: Engine, monkeypatch: pytest.MonkeyPatch, refuse: str) -> None:
    """A cycle through a traceback would keep the call, and its stream, until the next garbage collection; a connection until its next."""
    monkeypatch.setattr("protoplane.base.limits.TRANSACTION_ATTEMPTS_MAX", 2)

    class Canary:
        """Something that only the call knows."""

    def call() -> weakref.ref[Canary]:
        canary = Canary()

        def work(session: Session) -> object:
            match refuse:
                case "duplicate":
                    add_shelf(library, "a")(session)
                case "deadline":
                    session.rows("SELECT COUNT(*) FROM shelf")
                    deadline.at_seconds -= 60
                    session.rows("SELECT 1")
                case "conflict":
                    raise LockTimeout("as the engine says it")
            raise Rejected(canary)

        deadline = soon()
        with contextlib.suppress(Duplicate, Fault, Rejected):
            library.write(work, deadline)
        return weakref.ref(canary)

    gc.collect()
    gc.disable()
    try:
        assert call()() is None
    finally:
        gc.enable()


def test_a_session_that_was_kept_is_of_no_use_to_later_calls(library: Engine) -> None:
    kept: list[Session] = []
    library.write(kept.append, soon())
    library.read(kept.append, soon())
    for session in kept:
        with pytest.raises(RuntimeError, match="the call has ended"):
            session.rows("SELECT 1")


@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "SET SESSION sql_mode = ''",
        "PRAGMA foreign_keys = OFF",
        "CREATE TABLE other (a INT)",
        "DROP TABLE book",
        " (commit)",
    ],
)
def test_custom_code_cannot_end_the_transaction_or_bend_the_connection(library: Engine, sql: str) -> None:
    with pytest.raises(RuntimeError, match="a transaction takes queries, writes and savepoints"):
        library.write(lambda _: library.database.execute_sql(sql), soon())
