"""Faults provoked for real: each has one name, costs no more time than allowed, and leaves the engine fit for the next call."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import peewee
import pytest

from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault
from protoplane.store import mysqlclient
from protoplane.store.dialect import MySQLFamily
from protoplane.store.engine import CannotConnect, Engine, LockTimeout, Session, Unusable
from protoplane.store.migrate import STEP_TABLE, Plan, StepFailed, apply, plan
from protoplane.store.trouble import MYSQL_ERRORS, Trouble
from tests.engines import Database
from tests.engines.server import Server
from tests.store.conftest import BOOK, SHELF, read, soon, sql, write
from tests.store.test_engine import add_shelf, shelf_model

SERVERS = pytest.mark.engines("mariadb", "mysql")
SQLITE = pytest.mark.engines("sqlite")
LONG_SCAN = "SELECT COUNT(*) FROM shelf a, shelf b, shelf c, shelf d WHERE a.room + b.room + c.room + d.room < 0"
"""Runs for ages over a few hundred shelves; SLEEP would end quietly when it is killed."""


def fill(store: Engine) -> None:
    insert = sql(store, "INSERT INTO shelf (shelf, room) VALUES (?, ?)")
    store.write(lambda session: session.execute_many(insert, [(f"f{n}", n) for n in range(400)]), soon())


def own_id(store: Engine) -> int:
    """The number of this thread's connection to the server."""
    number = read(store, "SELECT CONNECTION_ID()")[0][0]
    assert isinstance(number, int)
    return number


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[list[BaseException]]:
    """Run something in another thread; what it raises is in the list afterwards."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - the test looks at what was raised.
            raised.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        thread.join(60)
        assert not thread.is_alive()


@contextmanager
def held(store: Engine, statement: str) -> Iterator[None]:
    """Another transaction that has run a statement and does not end."""
    ready, release = threading.Event(), threading.Event()

    def work(session: Session) -> None:
        session.execute(statement)
        ready.set()
        release.wait(60)
        session.roll_back()

    with meanwhile(lambda: store.write(work, soon(60))):
        assert ready.wait(10)
        try:
            yield
        finally:
            release.set()


@SERVERS
def test_both_sides_of_a_deadlock_succeed(library: Engine) -> None:
    write(library, "INSERT INTO shelf (shelf, room) VALUES (?, ?)", "b", 1)
    met = threading.Barrier(2)
    attempts: list[int] = []

    def both(first: str, second: str) -> Callable[[Session], None]:
        def work(session: Session) -> None:
            attempts.append(session.attempt)
            update = sql(library, "UPDATE shelf SET room = room + 1 WHERE shelf = ?")
            session.execute(update, (first,))
            if session.attempt == 1:
                met.wait(10)
            session.execute(update, (second,))

        return work

    with meanwhile(lambda: library.write(both("b", "a"), soon())) as raised:
        library.write(both("a", "b"), soon())
    assert not raised
    assert sorted(attempts) == [1, 1, 2]
    assert read(library, "SELECT room FROM shelf") == [(3,), (3,)]


@SERVERS
def test_a_deadlock_that_custom_code_swallows_commits_no_half(library: Engine) -> None:
    write(library, "INSERT INTO shelf (shelf, room) VALUES (?, ?)", "b", 1)
    model = shelf_model(library)
    met = threading.Barrier(2)

    def both(first: str, second: str) -> Callable[[Session], None]:
        def work(session: Session) -> None:
            model.update(room=model.room + 1).where(model.shelf == first).execute()
            if session.attempt == 1:
                met.wait(10)
            try:
                model.update(room=model.room + 1).where(model.shelf == second).execute()
            except peewee.OperationalError:
                with pytest.raises(Exception, match=r"[Dd]eadlock"):  # Not even this may run on its own now.
                    model.update(room=100).execute()

        return work

    with meanwhile(lambda: library.write(both("b", "a"), soon())) as raised:
        library.write(both("a", "b"), soon())
    assert not raised
    assert read(library, "SELECT room FROM shelf") == [(3,), (3,)]


@SERVERS
def test_a_lock_that_is_never_given_is_aborted_with_nothing_written(library: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protoplane.store.dialect.LOCK_WAIT_SECONDS", 1)
    monkeypatch.setattr("protoplane.base.limits.TRANSACTION_ATTEMPTS_MAX", 2)
    attempts = []

    def work(session: Session) -> None:
        attempts.append(session.attempt)
        add_shelf(library, "half")(session)
        session.execute("UPDATE shelf SET room = 5 WHERE shelf = 'a'")

    def run() -> None:
        with pytest.raises(Fault) as refused:
            library.write(work, soon(30))
        assert refused.value.reason == "CONCURRENT_WRITE"

    with held(library, "UPDATE shelf SET room = 2 WHERE shelf = 'a'"), meanwhile(run) as raised:
        pass
    assert not raised
    assert attempts == [1, 2]
    assert read(library, "SELECT shelf, room FROM shelf") == [("a", 1)]


@SERVERS
def test_work_may_name_a_lock_timeout_itself(library: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protoplane.store.dialect.LOCK_WAIT_SECONDS", 1)

    class InProgress(Exception):
        """The work's own name for it."""

    def work(session: Session) -> None:
        try:
            session.execute("UPDATE shelf SET room = 5 WHERE shelf = 'a'")
        except LockTimeout:
            raise InProgress from None

    with held(library, "UPDATE shelf SET room = 2 WHERE shelf = 'a'"), meanwhile(lambda: library.write(work, soon())) as raised:
        pass
    assert [type(failure) for failure in raised] == [InProgress]


def test_a_deadline_ends_the_wait_for_a_lock(library: Engine) -> None:
    def run() -> None:
        started = time.monotonic()
        with pytest.raises(Fault) as refused:
            library.write(lambda session: session.execute("UPDATE shelf SET room = 5 WHERE shelf = 'a'"), Deadline.after(0.5))
        assert refused.value.reason == "DEADLINE_PASSED"
        assert time.monotonic() - started < 1.5

    with held(library, "UPDATE shelf SET room = 2 WHERE shelf = 'a'"), meanwhile(run) as raised:
        pass
    assert not raised
    assert library.ping()


def test_a_deadline_ends_a_long_query(library: Engine) -> None:
    fill(library)
    for run in (library.read, library.write):
        started = time.monotonic()
        with pytest.raises(Fault) as refused:
            run(lambda session: session.rows(LONG_SCAN), Deadline.after(0.3))
        assert refused.value.reason == "DEADLINE_PASSED"
        assert time.monotonic() - started < 1.5
        assert library.ping()
    started = time.monotonic()
    with pytest.raises(Fault) as refused:
        library.read(lambda _: library.database.execute_sql(LONG_SCAN).fetchall(), Deadline.after(0.3))
    assert refused.value.reason == "DEADLINE_PASSED"
    assert time.monotonic() - started < 1.5


@SERVERS
def test_a_query_past_its_deadline_stops_on_the_server_too(database: Database, library: Engine) -> None:
    fill(library)
    with pytest.raises(Fault):
        library.read(lambda session: session.rows(LONG_SCAN), Deadline.after(0.3))
    give_up = time.monotonic() + 10
    while any("COUNT(*)" in str(row[7]) for row in database.execute("SHOW FULL PROCESSLIST")):
        assert time.monotonic() < give_up
        time.sleep(0.02)


@SERVERS
def test_a_connection_killed_while_idle_is_nobodys_concern(database: Database, library: Engine) -> None:
    database.execute(f"KILL {own_id(library)}")
    assert read(library, "SELECT shelf FROM shelf") == [("a",)]
    database.execute(f"KILL {own_id(library)}")
    attempts = []

    def work(session: Session) -> None:
        attempts.append(session.attempt)
        add_shelf(library, "b")(session)

    library.write(work, soon())
    assert attempts in ([1], [2])  # BEGIN met it before the work did.
    assert len(read(library, "SELECT shelf FROM shelf")) == 2


@SERVERS
def test_a_connection_killed_in_a_transaction_runs_it_again_whole(database: Database, library: Engine) -> None:
    attempts = []

    def work(session: Session) -> None:
        attempts.append(session.attempt)
        add_shelf(library, f"b{session.attempt}")(session)
        if session.attempt == 1:
            row = session.row("SELECT CONNECTION_ID()")
            assert row is not None
            database.execute(f"KILL {row[0]}")
        add_shelf(library, "c")(session)

    library.write(work, soon())
    assert attempts == [1, 2]
    assert sorted(read(library, "SELECT shelf FROM shelf")) == [("a",), ("b2",), ("c",)]


@SERVERS
def test_a_connection_killed_in_a_query_is_unavailable(database: Database, library: Engine) -> None:
    fill(library)
    number = own_id(library)
    killer = threading.Timer(0.5, lambda: database.execute(f"KILL {number}"))
    killer.start()
    with pytest.raises(Fault) as refused:
        library.read(lambda session: (session.row("SELECT 1"), session.rows(LONG_SCAN)), soon())
    killer.join()
    assert refused.value.reason == "DATABASE_UNAVAILABLE"
    assert library.ping()


@SERVERS
def test_a_query_killed_by_an_administrator_is_unavailable(database: Database, library: Engine) -> None:
    fill(library)
    number = own_id(library)
    killer = threading.Timer(0.5, lambda: database.execute(f"KILL QUERY {number}"))
    killer.start()
    with pytest.raises(Fault) as refused:
        library.write(lambda session: session.rows(LONG_SCAN), soon())
    killer.join()
    assert refused.value.reason == "DATABASE_UNAVAILABLE"
    assert own_id(library) == number  # The connection is still good.


@SERVERS
def test_a_server_that_dies_during_commit_leaves_the_outcome_unknown(
    server: Server, library: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = mysqlclient.Connection.command

    def die(connection: mysqlclient.Connection, statement: str) -> None:
        if statement == "COMMIT":
            server.pause()
            threading.Timer(0.2, os.kill, (server.pid, signal.SIGKILL)).start()  # Not awake for one moment more.
        command(connection, statement)

    monkeypatch.setattr(mysqlclient.Connection, "command", die)
    with pytest.raises(Fault) as refused:
        library.write(add_shelf(library, "b"), soon())
    monkeypatch.undo()
    assert refused.value.reason == "OUTCOME_UNKNOWN"
    time.sleep(0.3)
    server.restart()
    assert ("a",) in read(library, "SELECT shelf FROM shelf")


@SERVERS
def test_every_commit_that_was_acknowledged_survives_a_killed_server(server: Server, library: Engine) -> None:
    acknowledged: list[str] = []
    refused: list[str] = []

    def writer(worker: int) -> None:
        for n in range(100_000):
            try:
                library.write(add_shelf(library, f"w{worker}-{n}"), soon(5))
            except Fault as fault:
                refused.append(str(fault.reason))
                return
            acknowledged.append(f"w{worker}-{n}")

    threads = [threading.Thread(target=writer, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    server.kill()
    for thread in threads:
        thread.join()
    server.restart()
    assert set(refused) <= {"DATABASE_UNAVAILABLE", "OUTCOME_UNKNOWN"}
    assert len(refused) == 4
    there = {row[0] for row in read(library, "SELECT shelf FROM shelf")}
    assert acknowledged
    assert set(acknowledged) <= there
    assert len(there) <= 1 + len(acknowledged) + 4


@SERVERS
def test_a_frozen_server_costs_no_more_than_the_deadline(server: Server, library: Engine) -> None:
    read(library, "SELECT 1")
    server.pause()
    for _ in range(2):  # On the connection that is there, then on one that cannot be made.
        started = time.monotonic()
        with pytest.raises(Fault) as refused:
            read_with(library, 1.0)
        assert refused.value.reason in {"DEADLINE_PASSED", "DATABASE_UNAVAILABLE"}
        assert time.monotonic() - started < 2.5
    assert not library.ping(0.5)
    server.resume()
    assert read_with(library, 10.0) == [("a",)]


def read_with(store: Engine, seconds: float) -> list[tuple[object, ...]]:
    return list(store.read(lambda session: session.rows("SELECT shelf FROM shelf"), Deadline.after(seconds)))


@SERVERS
def test_a_server_that_is_down_is_unavailable_and_used_again_when_it_is_back(server: Server, library: Engine) -> None:
    server.kill()
    for run in (library.read, library.write):
        with pytest.raises(Fault) as refused:
            run(lambda session: session.rows("SELECT 1"), soon())
        assert refused.value.reason == "DATABASE_UNAVAILABLE"
    assert not library.ping()
    server.restart()
    assert library.ping()
    assert read(library, "SELECT shelf FROM shelf") == [("a",)]


@SERVERS
def test_a_server_that_is_down_at_start_is_named(server: Server, database: Database) -> None:
    server.kill()
    with pytest.raises(CannotConnect, match=f"port={server.port}"):
        Engine(database.url, threads=1)


@SERVERS
@pytest.mark.usefixtures("library")
def test_a_read_only_server_still_reads(database: Database) -> None:
    plain_user(database)
    plain = Engine(database.url.replace("root@", "plain:word@"), threads=1)
    database.execute("SET GLOBAL read_only = 1")
    try:
        with pytest.raises(Fault) as refused:
            plain.write(add_shelf(plain, "b"), soon())
        assert refused.value.reason == "DATABASE_UNAVAILABLE"
        assert read(plain, "SELECT shelf FROM shelf") == [("a",)]
    finally:
        database.execute("SET GLOBAL read_only = 0")
    assert plain.write(add_shelf(plain, "b"), soon()) == 1
    plain.close()


@SERVERS
@pytest.mark.usefixtures("library")
def test_a_privilege_that_is_missing_is_unavailable_to_callers_and_named_to_whoever_configures(database: Database) -> None:
    database.execute("CREATE USER IF NOT EXISTS reader@'127.0.0.1' IDENTIFIED BY 'word'")
    database.execute(f"GRANT SELECT ON {database.name}.* TO reader@'127.0.0.1'")
    reader = Engine(database.url.replace("root@", "reader:word@"), threads=1)
    with pytest.raises(Unusable, match=r"lacks a privilege: .*INSERT command denied") as refused:
        reader.write(add_shelf(reader, "b"), soon())
    assert (refused.value.reason, refused.value.text) == ("DATABASE_UNAVAILABLE", "The storage cannot be reached at the moment.")
    assert read(reader, "SELECT shelf FROM shelf") == [("a",)]
    assert [finding for finding in reader.findings() if finding.fatal] == []
    reader.close()


@SERVERS
def test_an_account_that_may_only_use_tables_serves_and_does_not_migrate(database: Database, store: Engine) -> None:
    apply(store, plan(store, (SHELF, BOOK)))
    plain_user(database)
    plain = Engine(database.url.replace("root@", "plain:word@"), threads=1)
    assert plan(plain, (SHELF, BOOK)) == Plan((), ())
    apply(plain, plan(plain, (SHELF, BOOK)))
    with pytest.raises(StepFailed, match="CREATE command denied"):
        apply(plain, plan(plain, (SHELF, BOOK, replace(SHELF, name="more"))))
    assert read(store, "SELECT table_name, state FROM protoplane_step ORDER BY number DESC LIMIT 1") == [("more", "failed")]
    database.execute(f"DROP TABLE {STEP_TABLE.name}")
    apply(plain, plan(plain, (SHELF, BOOK)))
    with pytest.raises(StepFailed, match=r"CREATE command denied[^\n]*\n    in: CREATE TABLE IF NOT EXISTS `protoplane_step`"):
        apply(plain, plan(plain, (SHELF, BOOK, replace(SHELF, name="more"))))
    plain.close()


@SERVERS
def test_a_wrong_password_is_named_and_not_repeated(database: Database) -> None:
    plain_user(database)
    with pytest.raises(CannotConnect, match="Access denied") as refused:
        Engine(database.url.replace("root@", "plain:s3cret@"), threads=1)
    assert "s3cret" not in str(refused.value) + str(refused.value.__cause__)


@SERVERS
def test_too_many_connections_are_unavailable_at_once(database: Database, library: Engine) -> None:
    plain_user(database)
    others = Engine(database.url.replace("root@", "plain:word@"), threads=1)
    # Of this user alone: the server is shared with other tests.
    database.execute("ALTER USER plain@'127.0.0.1' WITH MAX_USER_CONNECTIONS 10")
    ready, release = threading.Barrier(31), threading.Event()
    refused: list[str] = []

    def worker() -> None:
        try:
            others.read(lambda session: session.rows("SELECT 1"), soon())
        except Fault as fault:
            refused.append(fault.reason)
        ready.wait(20)
        release.wait(20)

    threads = [threading.Thread(target=worker) for _ in range(30)]
    try:
        for thread in threads:
            thread.start()
        ready.wait(20)
    finally:
        release.set()
        for thread in threads:
            thread.join()
        others.close()
        database.execute("ALTER USER plain@'127.0.0.1' WITH MAX_USER_CONNECTIONS 0")
    assert set(refused) == {"DATABASE_UNAVAILABLE"}


def plain_user(database: Database) -> None:
    """A user without the connection that administrators have in reserve."""
    database.execute("CREATE USER IF NOT EXISTS plain@'127.0.0.1' IDENTIFIED BY 'word'")
    database.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {database.name}.* TO plain@'127.0.0.1'")


@SERVERS
def test_a_packet_too_large_is_refused_and_costs_only_its_connection(database: Database, library: Engine) -> None:
    limit = database.execute("SELECT @@global.max_allowed_packet")[0][0]
    assert isinstance(limit, int)
    with pytest.raises(Fault) as refused:
        write(library, "INSERT INTO book (shelf, book, title, pages, lent) VALUES (?, ?, ?, ?, ?)", "a", "b", "x" * (limit + 1), 1, 0)
    assert refused.value.reason in {"VALUE_TOO_LARGE", "DATABASE_UNAVAILABLE"}
    assert read(library, "SELECT COUNT(*) FROM book") == [(0,)]


@SERVERS
def test_values_too_long_or_out_of_range_are_refused_not_bent(library: Engine) -> None:
    insert = "INSERT INTO book (shelf, book, title, isbn, pages, lent) VALUES (?, ?, ?, ?, ?, ?)"
    for values in (("a", "b", "", "x" * 21, 1, 0), ("a", "b", "", "x", 2**63, 0)):
        with pytest.raises(Fault) as refused:
            write(library, insert, *values)
        assert refused.value.reason == "VALUE_TOO_LARGE"
    assert read(library, "SELECT COUNT(*) FROM book") == [(0,)]


@SQLITE
def test_a_full_file_is_full_until_there_is_room(library: Engine) -> None:
    fill(library)
    pages = int(str(read(library, "PRAGMA page_count")[0][0]))
    read(library, f"PRAGMA max_page_count = {pages}")
    insert = "INSERT INTO book (shelf, book, title, pages, lent) VALUES (?, ?, ?, ?, ?)"
    with pytest.raises(Fault) as refused:
        write(library, insert, "a", "b", "x" * 1_000_000, 1, 0)
    assert refused.value.reason == "STORAGE_FULL"
    assert len(read(library, "SELECT shelf FROM shelf")) == 401
    read(library, "PRAGMA max_page_count = 1000000")
    assert write(library, insert, "a", "b", "x" * 1_000_000, 1, 0) == 1


@SQLITE
def test_a_writer_in_another_process_is_waited_for(database: Database, library: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE');"
        "print('held', flush=True); sys.stdin.readline(); c.execute('COMMIT'); print('done', flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", program, database.name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert read(library, "SELECT shelf FROM shelf") == [("a",)]  # Readers are not held up.
        monkeypatch.setattr("protoplane.base.limits.TRANSACTION_ATTEMPTS_MAX", 1)
        monkeypatch.setattr("protoplane.store.sqlite.LOCK_WAIT_SECONDS", 0.3)
        with pytest.raises(Fault) as refused:
            library.write(add_shelf(library, "b"), soon())
        assert refused.value.reason == "CONCURRENT_WRITE"
        monkeypatch.undo()
        threading.Timer(0.3, lambda: print(file=other.stdin)).start()
        assert library.write(add_shelf(library, "b"), soon()) == 1
        other.stdout.readline()
        print(file=other.stdin)


def test_many_writers_of_one_row_lose_no_update(library: Engine) -> None:
    def work(session: Session) -> None:
        row = session.row(library.dialect.for_update("SELECT room FROM shelf WHERE shelf = 'a'"))
        assert row is not None
        session.execute(sql(library, "UPDATE shelf SET room = ? WHERE shelf = 'a'"), (row[0] + 1,))

    failures: list[BaseException] = []

    def worker() -> None:
        try:
            for _ in range(25):
                library.write(work, soon(30))
        except BaseException as failure:  # noqa: BLE001 - the test looks at what was raised.
            failures.append(failure)

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert read(library, "SELECT room FROM shelf") == [(201,)]


def test_a_duplicate_key_shows_the_row_that_is_there(library: Engine) -> None:
    """READ COMMITTED: after the refusal, a plain SELECT sees what another transaction committed since this one began."""

    def work(session: Session) -> object:
        session.rows("SELECT COUNT(*) FROM shelf")
        if not isinstance(library.dialect, MySQLFamily):
            return session.row("SELECT room FROM shelf WHERE shelf = 'a'")
        with meanwhile(lambda: write(library, "INSERT INTO shelf (shelf, room) VALUES (?, ?)", "b", 7)) as raised:
            pass
        assert not raised
        return session.row("SELECT room FROM shelf WHERE shelf = 'b'")

    assert library.write(work, soon()) in {(7,), (1,)}


@SERVERS
@pytest.mark.parametrize("number", sorted(MYSQL_ERRORS))
def test_peewee_and_the_driver_are_understood_alike(store: Engine, number: int) -> None:
    import MySQLdb

    error = MySQLdb.OperationalError(number, "x")
    assert store.dialect.classify(error) is store.dialect.classify(peewee.OperationalError(error, number, "x")) is MYSQL_ERRORS[number]
    assert store.dialect.classify(MySQLdb.InterfaceError(0, "")) is Trouble.GONE_BEFORE
    assert store.dialect.classify(MySQLdb.ProgrammingError("not all arguments converted")) is Trouble.BUG
