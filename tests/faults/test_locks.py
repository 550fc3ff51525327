"""F07, F08: locks that are not given and deadlocks end in time, leave nothing by half, and are run again unnoticed where that helps."""

import threading
from collections.abc import Callable

import peewee
import pytest

from protoplane.base.errors import Fault
from protoplane.store.engine import Engine, LockTimeout
from protoplane.store.session import Session
from tests.faults.others import SERVERS, held, meanwhile
from tests.store.conftest import read, soon, sql, write
from tests.store.test_engine import add_shelf, shelf_model


@SERVERS
def test_f08_both_sides_of_a_deadlock_succeed(library: Engine) -> None:
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
def test_f08_a_deadlock_that_custom_code_swallows_commits_no_half(library: Engine) -> None:
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
def test_f07_a_lock_that_is_never_given_is_aborted_with_nothing_written(library: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_f07_work_may_name_a_lock_timeout_itself(library: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
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
