"""Kept answers go when their time is over, in bounded steps, and a task that fails ends no other."""

from __future__ import annotations

import threading

from protoplane.base import clock, limits
from protoplane.base.deadline import Deadline
from protoplane.base.observe import Event, Observation
from protoplane.changes import retention
from protoplane.method import replay
from protoplane.store import migrate
from protoplane.store.engine import Engine
from protoplane.store.origin import time_prefix
from protoplane.store.schema import Storage
from protoplane.store.statements import insert
from protoplane.store.system import CHANGE_TABLE, REQUEST_TABLE, SYSTEM_TABLES
from protoplane.work.housekeeping import Housekeeping
from tests.engines import Database

HOUR_MICROS = 3_600_000_000


def test_only_answers_past_their_time_are_forgotten(database: Database) -> None:
    engine = Engine(database.url, threads=2)
    migrate.apply(engine, migrate.plan(engine, SYSTEM_TABLES))
    statement = insert(REQUEST_TABLE, ("principal", "method", "request_id", "digest", "created"), engine.database)
    bind, now = engine.dialect.binder(Storage.TIME), clock.now_micros()
    old = now - (limits.REQUEST_ID_HOURS + 1) * HOUR_MICROS
    ages = [old + i for i in range(2_500)] + [now - HOUR_MICROS, now]
    rows = [("p", "m", str(i), b"d", bind(age)) for i, age in enumerate(ages)]
    engine.write(lambda session: session.execute_many(statement, rows), Deadline.after(20))
    assert replay.forget_old(engine, seconds_max=20) == 2_500
    assert replay.forget_old(engine, seconds_max=20) == 0
    assert database.execute("SELECT COUNT(*) FROM protoplane_request") in ([(2,)], [[2]])
    engine.close()


def test_only_entries_past_their_days_are_trimmed(database: Database) -> None:
    engine = Engine(database.url, threads=2)
    migrate.apply(engine, migrate.plan(engine, SYSTEM_TABLES))
    statement = insert(CHANGE_TABLE, ("transaction_id", "ordinal", "time", "issuer", "redacted"), engine.database)
    bind, now = engine.dialect.binder(Storage.TIME), clock.now_micros()
    ages = [now - 31 * 24 * HOUR_MICROS + i for i in range(1_500)] + [now - 29 * 24 * HOUR_MICROS, now]
    rows = [(time_prefix(age) + bytes([255] * 8), number, bind(age), "", "") for age in ages for number in range(2)]
    engine.write(lambda session: session.execute_many(statement, rows), Deadline.after(20))
    assert retention.trim(engine, keep_days=30, seconds_max=20) == 3_000
    assert retention.trim(engine, keep_days=30, seconds_max=20) == 0
    assert database.execute("SELECT COUNT(*) FROM protoplane_change")[0][0] == 4
    engine.close()


def test_a_task_that_fails_is_reported_and_the_others_go_on() -> None:
    seen: list[Observation] = []
    rounds = threading.Semaphore(0)

    def fails() -> int:
        raise ValueError("no")

    def works() -> int:
        rounds.release()
        return 3

    keeping = Housekeeping({"bad": fails, "good": works}, seen.append, pause_seconds=0.001)
    assert rounds.acquire(timeout=10)
    assert rounds.acquire(timeout=10)
    keeping.stop()
    names = [one.name for one in seen if isinstance(one, Event)]
    assert {"housekeeping.bad.failed", "housekeeping.good"} <= set(names)
