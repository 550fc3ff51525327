"""Metrics: counts of each thread summed, bounded in labels, never lost and never going down."""

from __future__ import annotations

import gc
import json
import random
import threading
from collections.abc import Callable

import pytest

from protoplane.base import metrics as module
from protoplane.base.metrics import OTHER, UNKNOWN, Metrics
from protoplane.base.observe import CallDone, Event, Level, Stages
from protoplane.base.snapshot import BUCKETS_SECONDS, Snapshot, ended, merged

GET, LIST = "/library.v1.Library/GetBook", "/library.v1.Library/ListBooks"


def stages(seconds: float) -> Stages:
    took = Stages()
    took.marks.append(("answer", took.started_seconds + seconds))
    return took


def call(method: str = GET, code: str = "OK", reason: str = "", seconds: float = 0.002) -> CallDone:
    return CallDone(method, "r-1", "alice", code, reason, stages(seconds))


def metrics() -> Metrics:
    made = Metrics()
    made.serve({GET: "unary", LIST: "server_stream"})
    return made


def on_threads(count: int, work: Callable[[], None]) -> None:
    """Run it on so many threads, which are gone afterwards."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    threads.clear()
    gc.collect()


def test_calls_are_counted_by_method_code_and_duration() -> None:
    counting = metrics()
    for seconds in (0.0005, 0.002, 0.002, 60.0):
        counting.observe(call(seconds=seconds))
    counting.observe(call(LIST, "NOT_FOUND", "RESOURCE_NOT_FOUND"))
    found = counting.snapshot()["methods"]
    assert found[GET]["codes"] == {"OK": 4}
    assert found[GET]["type"] == "unary"
    assert found[GET]["buckets"] == [1, 2, *[0] * (len(BUCKETS_SECONDS) - 2), 1]
    assert found[GET]["seconds"] == pytest.approx(60.0045)
    assert found[LIST]["codes"] == {"NOT_FOUND": 1}
    assert found[LIST]["reasons"] == {"RESOURCE_NOT_FOUND": 1}


def test_a_duration_on_the_bound_of_a_bucket_is_inside_of_it() -> None:
    """As Prometheus means `le`."""
    counting = metrics()
    done = call()
    done.stages.started_seconds = 0.0
    done.stages.marks[:] = [("answer", 0.001)]
    counting.observe(done)
    assert counting.snapshot()["methods"][GET]["buckets"][0] == 1


def test_paths_from_the_wire_make_no_series() -> None:
    counting = metrics()
    for number in range(50):
        counting.observe(call(f"/made.Up/{number}", "UNIMPLEMENTED", "METHOD_UNKNOWN"))
    found = counting.snapshot()["methods"]
    assert set(found) == {GET, LIST, UNKNOWN}
    assert found[UNKNOWN]["codes"] == {"UNIMPLEMENTED": 50}
    assert found[UNKNOWN]["codes"] == {"UNIMPLEMENTED": 50}
    assert found[UNKNOWN]["reasons"] == {"METHOD_UNKNOWN": 50}


def test_reasons_codes_and_events_without_end_are_counted_under_a_bounded_number_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REASONS_MAX", 3)
    monkeypatch.setattr(module, "EVENTS_MAX", 2)
    counting = metrics()
    for number in range(10):
        counting.observe(call(code=f"CODE_{number}", reason=f"REASON_{number}"))
        counting.observe(Event(f"event.{number}", Level.WARNING))
    found = counting.snapshot()
    assert found["methods"][GET]["reasons"] == {"REASON_0": 1, "REASON_1": 1, "REASON_2": 1, OTHER: 7}
    assert found["methods"][GET]["codes"] == {"UNKNOWN": 10}
    assert found["events"] == {"warning": {"event.0": 1, "event.1": 1, OTHER: 8}}


def test_methods_are_there_before_their_first_call() -> None:
    found = metrics().snapshot()["methods"]
    assert found[GET]["codes"] == {}
    assert found[GET]["codes"] == {}


def test_what_threads_counted_is_kept_when_they_have_ended_and_their_memory_is_not() -> None:
    counting = metrics()

    def work() -> None:
        for _ in range(100):
            counting.observe(call())
        counting.observe(call(code="ABORTED", reason="CONCURRENT_WRITE"))
        counting.observe(Event("thing.happened"))

    for _ in range(5):
        on_threads(8, work)
        counting.snapshot()
    assert not counting._threads
    found = counting.snapshot()
    assert found["methods"][GET]["codes"] == {"OK": 4_000, "ABORTED": 40}
    assert found["methods"][GET]["reasons"] == {"CONCURRENT_WRITE": 40}
    assert sum(found["methods"][GET]["buckets"]) == 4_040
    assert found["events"] == {"info": {"thing.happened": 40}}


def test_counts_never_go_down_while_threads_come_go_and_count() -> None:
    counting = metrics()
    seen = list[int]()

    def work() -> None:
        for _ in range(2_000):
            counting.observe(call())

    running = [threading.Thread(target=lambda: on_threads(4, work)) for _ in range(3)]
    for thread in running:
        thread.start()
    while any(thread.is_alive() for thread in running):
        seen.append(counting.snapshot()["methods"][GET]["codes"].get("OK", 0))
    assert seen == sorted(seen)
    assert counting.snapshot()["methods"][GET]["codes"] == {"OK": 3 * 4 * 2_000}


def test_gauges_are_read_when_asked_and_one_that_fails_takes_nothing_with_it() -> None:
    counting = metrics()
    level = [1.0]
    counting.gauge("protoplane_level", "How high.", lambda: level[0])
    counting.gauge("protoplane_broken", "Never known.", lambda: 1 / 0)
    counting.gauge("protoplane_endless", "No number.", lambda: float("inf"))
    level[0] = 7.5
    assert counting.snapshot()["gauges"] == {"protoplane_level": {"help": "How high.", "value": 7.5}}


def test_a_snapshot_survives_json() -> None:
    counting = metrics()
    counting.observe(call(code="ABORTED", reason="CONCURRENT_WRITE"))
    counting.observe(Event("thing.happened"))
    counting.gauge("protoplane_level", "How high.", lambda: 1.0)
    assert json.loads(json.dumps(counting.snapshot())) == counting.snapshot()


def random_snapshot(chance: random.Random) -> Snapshot:
    counting = metrics()
    for _ in range(chance.randrange(20)):
        code, reason = chance.choice([("OK", ""), ("NOT_FOUND", "RESOURCE_NOT_FOUND"), ("INTERNAL", "INTERNAL_FAULT")])
        counting.observe(call(chance.choice([GET, LIST, "/nobody"]), code, reason, chance.choice([0.25, 0.5, 4.0])))
        counting.observe(Event(chance.choice("ab"), chance.choice(list(Level))))
    level = float(chance.randrange(9))
    counting.gauge("protoplane_level", "How high.", lambda: level)
    return counting.snapshot()


@pytest.mark.parametrize("seed", range(20))
def test_merging_sums_and_its_order_does_not_matter(seed: int) -> None:
    chance = random.Random(seed)
    parts = [random_snapshot(chance) for _ in range(3)]
    kept = json.dumps(parts)
    whole = merged(parts)
    assert merged(reversed(parts)) == whole == merged([merged(parts[:1]), merged(parts[1:])])
    assert json.dumps(parts) == kept
    for path, counted in whole["methods"].items():
        assert sum(counted["buckets"]) == sum(counted["codes"].values())
        assert sum(counted["codes"].values()) == sum(sum(part["methods"][path]["codes"].values()) for part in parts)
    assert whole["gauges"]["protoplane_level"]["value"] == sum(part["gauges"]["protoplane_level"]["value"] for part in parts)


def test_a_process_that_ends_takes_its_gauges_with_it_and_leaves_its_counts() -> None:
    chance = random.Random(0)
    first, second = random_snapshot(chance), random_snapshot(chance)
    both, left = merged([first, second]), merged([ended(first), second])
    assert left["methods"] == both["methods"]
    assert left["events"] == both["events"]
    assert left["gauges"] == second["gauges"]


def test_nothing_merged_is_empty() -> None:
    assert merged([]) == {"methods": {}, "events": {}, "gauges": {}}
