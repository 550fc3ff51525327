"""Slow calls: told with their stages and a plan, asked for behind the caller's back; bounded, and silent about values."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from protoplane.base.deadline import Deadline
from protoplane.base.log import Log
from protoplane.base.observe import CallDone, Event, Observation, Sent, Stages
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from protoplane.work import slow as module
from protoplane.work.slow import CALLS_WAITING_MAX, SlowCalls, shortened

CANARY = "canary-7531-zebra"


def call(seconds: float, request_id: str = "r-1") -> CallDone:
    stages = Stages()
    stages.marks.append(("answer", stages.started_seconds + seconds))
    return CallDone("/a.v1.A/Get", request_id, "alice", "OK", "", stages, trace_id="4bf92f3577b34da6a3ce929d0e0e4736")


@dataclass
class Told:
    """What was observed, and when."""

    seen: list[Observation] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    threads: set[str] = field(default_factory=set)

    def observe(self, observation: Observation) -> None:
        """Keep it."""
        with self.changed:
            self.seen.append(observation)
            self.threads.add(threading.current_thread().name)
            self.changed.notify_all()

    def event(self, name: str = "call.slow", number: int = 1) -> Event:
        """The event of that name and number, waited for."""

        def found() -> list[Event]:
            return [seen for seen in self.seen if isinstance(seen, Event) and seen.name == name]

        with self.changed:
            assert self.changed.wait_for(lambda: len(found()) >= number, timeout=20), self.seen
            return found()[number - 1]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def store() -> Iterator[Engine]:
    opened = Engine("sqlite://", threads=2)
    opened.define("CREATE TABLE book (book TEXT PRIMARY KEY, title TEXT) STRICT", Deadline.after(10))
    yield opened
    opened.close()


@pytest.fixture
def slow(store: Engine, told: Told) -> Iterator[SlowCalls]:
    made = SlowCalls(store, told.observe, seconds=1.0)
    yield made
    made.stop()


def ask(store: Engine, sql: str = "SELECT title FROM book WHERE title = ?") -> None:
    store.read(lambda session: session.rows(sql, (CANARY,)), Deadline.after(10))


def test_a_slow_call_has_its_stages_and_the_plan_of_its_slowest_statement(store: Engine, told: Told, slow: SlowCalls) -> None:
    ask(store)
    slow.observe(call(1.5))
    event = told.event()
    assert event.level == "warning"
    assert {key: event.facts[key] for key in ("method", "code", "request_id", "trace_id", "millis", "statement", "plan")} == {
        "method": "/a.v1.A/Get",
        "code": "OK",
        "request_id": "r-1",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "millis": {"answer": 1_500.0, "total": 1_500.0},
        "statement": "SELECT title FROM book WHERE title = ?",
        "plan": (event.facts["plan"][0],) if isinstance(event.facts["plan"], tuple) else (),
    }
    assert "step=SCAN book" in str(event.facts["plan"])
    assert told.threads == {"slow-calls"}
    written: list[str] = []
    for pretty in (True, False):
        log = Log(calls="all", pretty=pretty, write=written.append)
        log.observe(event)
        log.close()
    assert all("SCAN book" in line and CANARY not in line for line in written)
    assert json.loads(written[1])["millis"]["total"] == 1_500.0


def test_a_quick_call_has_no_line_and_its_statements_are_forgotten(store: Engine, told: Told, slow: SlowCalls) -> None:
    ask(store)
    slow.observe(call(1.0))
    slow.observe(call(2.0, "without"))
    event = told.event()
    assert event.facts["request_id"] == "without"
    assert "statement" not in event.facts
    assert len(told.seen) == 1


def test_a_stream_is_not_slow_for_what_its_caller_took_to_read_it(told: Told, slow: SlowCalls) -> None:
    def stream(send_seconds: float, handle_seconds: float, request_id: str) -> CallDone:
        seen = call(0.0, request_id)._replace(sent=Sent(1, 1))
        seen.stages.spent("send", send_seconds)
        seen.stages.spent("handle", handle_seconds)
        return seen

    slow.observe(stream(10.0, 0.5, "read slowly"))
    slow.observe(stream(0.5, 1.5, "made slowly"))
    assert told.event().facts["request_id"] == "made slowly"


def test_with_no_limit_nothing_is_slow(store: Engine, told: Told) -> None:
    never = SlowCalls(store, told.observe, seconds=0)
    ask(store)
    never.observe(call(1e6))
    never.stop()
    assert not told.seen
    assert store.slowest().taken() is None


def test_statements_of_other_threads_are_not_those_of_this_call(store: Engine, told: Told, slow: SlowCalls) -> None:
    other = threading.Thread(target=ask, args=(store,))
    other.start()
    other.join(10)
    slow.observe(call(2.0))
    assert "statement" not in told.event().facts


def test_literals_of_custom_code_are_not_told_and_what_has_no_plan_has_none(store: Engine, told: Told, slow: SlowCalls) -> None:
    insert = f"INSERT INTO book (book, title) VALUES ('{CANARY}', ?)"
    store.write(lambda session: session.execute(insert, (CANARY,)), Deadline.after(10))
    slow.observe(call(2.0))
    facts = told.event().facts
    assert facts["statement"] == "INSERT INTO book (book, title) VALUES (?, ?)"
    assert facts["plan"] == ()
    assert CANARY not in repr(told.seen)


def test_a_plan_that_cannot_be_had_leaves_a_line_without_it(store: Engine, told: Told, slow: SlowCalls) -> None:
    with pytest.raises(store.database.connection().errors):
        ask(store, f"SELECT ? + FROM '{CANARY}")
    slow.observe(call(2.0))
    assert told.event().facts["plan_missing"] == "OperationalError"
    ask(store)
    store.close()
    slow.observe(call(2.0))
    assert told.event(number=2).facts["plan_missing"] == "DATABASE_UNAVAILABLE"
    assert CANARY not in repr(told.seen)


def test_a_database_that_hangs_holds_no_call_up_and_what_is_too_much_is_counted(
    store: Engine, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    asked, answer, rows = threading.Event(), threading.Event(), Session.rows

    def hanging(self: Session, sql: str, params: object = ()) -> object:
        if sql.startswith("EXPLAIN"):
            asked.set()
            assert answer.wait(20)
        return rows(self, sql, params)  # type: ignore[arg-type]  # As it was given.

    monkeypatch.setattr(Session, "rows", hanging)
    slow = SlowCalls(store, told.observe, seconds=1.0)
    ask(store)
    slow.observe(call(2.0))
    assert asked.wait(10)
    for number in range(CALLS_WAITING_MAX + 24):
        ask(store)
        slow.observe(call(2.0, f"r-{number}"))
    assert not told.seen
    answer.set()
    assert told.event("call.slow.dropped").facts == {"calls": 24}
    told.event(number=1 + CALLS_WAITING_MAX)
    slow.stop()


def test_it_ends_though_calls_wait(store: Engine, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 60.0)
    slow = SlowCalls(store, told.observe, seconds=1.0)
    slow.observe(call(2.0))
    told.event()
    slow.observe(call(2.0))
    slow.stop()
    assert not slow._thread.is_alive()
    assert len(told.seen) == 1


def test_of_a_long_statement_the_end_is_told() -> None:
    text = shortened("SELECT " + "a, " * 2_000 + "FROM book WHERE title = ?")
    assert text.startswith("SELECT a, ")
    assert text.endswith("FROM book WHERE title = ?")
    assert len(text) == module.STATEMENT_CHARACTERS_MAX
    assert shortened("SELECT 1") == "SELECT 1"
