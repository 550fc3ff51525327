"""F23, F24: a call whose deadline passes, or whose caller has gone, stops in the database too and leaves nothing."""

import time
from collections.abc import Callable

import pytest

from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault
from protoplane.store.engine import Engine
from tests.engines import Database
from tests.faults.others import LONG_SCAN, SERVERS, fill, held, meanwhile


def test_f24_a_deadline_ends_the_wait_for_a_lock(library: Engine) -> None:
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


def test_f24_a_deadline_ends_a_long_query(library: Engine) -> None:
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
def test_f24_a_query_past_its_deadline_stops_on_the_server_too(database: Database, library: Engine) -> None:
    fill(library)
    with pytest.raises(Fault):
        library.read(lambda session: session.rows(LONG_SCAN), Deadline.after(0.3))
    give_up = time.monotonic() + 10
    while any("COUNT(*)" in str(row[7]) for row in database.execute("SHOW FULL PROCESSLIST")):
        assert time.monotonic() < give_up
        time.sleep(0.02)


def gone_after(seconds: float) -> Callable[[], bool]:
    """A caller that waits no longer than this."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def test_f23_a_caller_that_goes_away_ends_its_query(library: Engine) -> None:
    fill(library)
    for run in (library.read, library.write):
        began = time.monotonic()
        with pytest.raises(Fault) as refused:
            run(lambda session: session.rows(LONG_SCAN), Deadline.after(20, gone_after(0.3)))
        assert refused.value.reason == "CALL_CANCELLED"
        assert time.monotonic() - began < 1.5
        assert library.ping()


@SERVERS
def test_f23_a_caller_that_goes_away_ends_its_wait_for_a_lock(library: Engine) -> None:
    def run() -> None:
        began = time.monotonic()
        deadline = Deadline.after(20, gone_after(0.3))
        with pytest.raises(Fault) as refused:
            library.write(lambda session: session.execute("UPDATE shelf SET room = 5 WHERE shelf = 'a'"), deadline)
        assert refused.value.reason == "CALL_CANCELLED"
        assert time.monotonic() - began < 1.5

    with held(library, "UPDATE shelf SET room = 2 WHERE shelf = 'a'"), meanwhile(run) as raised:
        pass
    assert not raised
