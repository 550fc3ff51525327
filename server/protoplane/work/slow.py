"""Slow calls: a line for each, with its stages and the plan of its slowest statement.

A reader of observations, on the thread where the call was answered: it looks at the clock and at that thread's note, and hands over.
The database is asked on a thread of our own, one question at a time, so that slowness does not feed on being looked at.
"""

from __future__ import annotations

import queue
import threading
from typing import final

from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault
from protoplane.base.observe import CallDone, Event, Fact, Level, Observation, Observe
from protoplane.store.engine import Engine
from protoplane.store.slowest import Statement

CALLS_WAITING_MAX = 16
"""Slow calls waiting for their line; more are counted and dropped."""

EXPLAIN_SECONDS_MAX = 2.0
"""For one plan."""

STATEMENT_CHARACTERS_MAX = 1_000
"""Of its text; of a longer one the middle is left out, which is columns: what it is about stands at the end."""

PAUSE_SECONDS = 0.1
"""Between two questions: where everything is slow, ten plans a second say why."""

STOP_SECONDS_MAX = 5.0


@final
class SlowCalls:
    """Tells `observe` an Event `call.slow` for each call that takes longer than `seconds`; 0 for none."""

    def __init__(self, engine: Engine, observe: Observe, *, seconds: float) -> None:
        self._engine, self._tell = engine, observe
        self._slowest = engine.slowest
        self._seconds = seconds or float("inf")
        self._waiting: queue.SimpleQueue[tuple[CallDone, Statement | None] | None] = queue.SimpleQueue()
        self._dropped = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slow-calls", daemon=True)
        self._thread.start()

    def observe(self, seen: Observation) -> None:
        """Take note; never waits. A call that is not slow costs 0.3 µs."""
        if isinstance(seen, Event):
            return
        slowest = self._slowest()
        if seen.stages.seconds() <= self._seconds or (seen.sent is not None and _worked_seconds(seen) <= self._seconds):
            slowest.forget()
        elif self._waiting.qsize() >= CALLS_WAITING_MAX:
            slowest.forget()
            self._dropped += 1
        else:
            self._waiting.put((seen, slowest.taken()))

    def stop(self) -> None:
        """End after the plan under way; calls that wait for theirs are forgotten."""
        self._stopping.set()
        self._waiting.put(None)
        self._thread.join(STOP_SECONDS_MAX)

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None and not self._stopping.is_set():
            if self._dropped:
                lost, self._dropped = self._dropped, 0
                self._tell(Event("call.slow.dropped", Level.WARNING, {"calls": lost}))
            self._tell(self._slow(*item))
            del item  # An idle thread must not keep the values of a statement in memory.
            self._stopping.wait(PAUSE_SECONDS)

    def _slow(self, call: CallDone, statement: Statement | None) -> Event:
        facts: dict[str, Fact] = {
            "method": call.method,
            "code": call.code,
            "request_id": call.request_id,
            "trace_id": call.trace_id,
            "millis": call.stages.millis(),
        }
        if statement is not None:
            facts["statement_millis"] = round(statement.seconds * 1_000, 3)
            facts["statement"] = shortened(self._engine.dialect.plans.without_values(statement.sql))
            try:
                facts["plan"] = self._engine.explain(statement, Deadline.after(EXPLAIN_SECONDS_MAX))
            except Fault as fault:
                facts["plan_missing"] = fault.reason
            except Exception as bug:  # noqa: BLE001 - drivers' errors quote values: only what kind it is may be told.
                facts["plan_missing"] = type(bug).__name__
        return Event("call.slow", Level.WARNING, facts)


def _worked_seconds(seen: CallDone) -> float:
    """Of a stream, without what its caller took to read it."""
    return seen.stages.seconds() - seen.stages.millis().get("send", 0.0) / 1_000


def shortened(sql: str) -> str:
    """The beginning and the end of a statement."""
    if len(sql) <= STATEMENT_CHARACTERS_MAX:
        return sql
    head = STATEMENT_CHARACTERS_MAX // 10
    return f"{sql[:head]} … {sql[-(STATEMENT_CHARACTERS_MAX - head - 3) :]}"
