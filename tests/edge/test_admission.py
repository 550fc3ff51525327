"""Calls that wait take turns by principal, and the longest queue gives way when all places are taken."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from protoplane.edge.admission import PLACE_BYTES, Waiting
from protoplane.edge.rpc import Call
from protoplane.edge.wire import Wire
from tests.edge.conftest import GET, LIST, Asked, Pause, Running, Starter


def owned(places: int) -> Waiting[str]:
    """Calls are texts such as `a1`, and their first letter is whose they are."""
    return Waiting(places)


def put(waiting: Waiting[str], call: str) -> str | None:
    away = waiting.put(call, call[0], 0)
    assert len(away) <= 1
    return next(iter(away), None)


def drained(waiting: Waiting[str]) -> list[str]:
    return list(iter(waiting.take, None))


def test_each_principal_is_served_in_turn_and_in_its_own_order() -> None:
    waiting = owned(10)
    assert [put(waiting, call) for call in ("a1", "a2", "a3", "a4", "b1", "c1", "b2")] == [None] * 7
    assert drained(waiting) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]
    assert (len(waiting), bool(waiting), waiting.take()) == (0, False, None)


def test_when_it_is_full_the_newest_of_the_longest_queue_gives_way_to_others_and_to_nobody_of_its_own() -> None:
    waiting = owned(4)
    for call in ("a1", "a2", "a3", "a4"):
        put(waiting, call)
    assert waiting.full
    assert put(waiting, "a5") == "a5"
    assert put(waiting, "b1") == "a4"
    assert put(waiting, "b2") == "a3"
    assert put(waiting, "b3") == "b3"
    assert not waiting.admits("b")
    assert waiting.admits("c")
    assert drained(waiting) == ["a1", "b1", "a2", "b2"]


def test_large_requests_take_more_places_so_that_places_bound_the_memory() -> None:
    waiting = owned(10)

    def put_large(call: str, places: int) -> list[str]:
        return list(waiting.put(call, call[0], (places - 1) * PLACE_BYTES))

    assert put_large("a1", 20) == []  # Alone it waits, whatever its size: a small server takes large requests too.
    assert put_large("b1", 1) == ["a1"]
    assert [put_large(call, 4) for call in ("a2", "a3")] == [[], []]
    assert put_large("a4", 2) == ["a4"]
    assert put_large("c1", 6) == ["c1"]  # It would be the longest even if a3 made way.
    assert put_large("c1", 5) == ["a3"]
    assert put_large("d1", 1) == ["c1"]
    assert put_large("e1", 10) == ["e1"]
    assert drained(waiting) == ["b1", "a2", "d1"]
    assert not waiting.full


@given(st.integers(1, 8), st.lists(st.one_of(st.sampled_from("abcd"), st.none()), max_size=60))
def test_shares_are_fair_and_nothing_is_lost_or_invented(places: int, steps: list[str | None]) -> None:
    """Against plain lists: a letter is a call of that principal, None takes one."""
    waiting, there, number = owned(places), list[str](), 0
    for step in steps:
        if step is None:
            taken = waiting.take()
            assert (taken is None) == (not there)
            if taken is not None:
                assert taken == next(call for call in there if call[0] == taken[0])
                there.remove(taken)
            continue
        number += 1
        call = f"{step}{number}"
        counts = Counter(one[0] for one in there)
        admitted = len(there) < places or counts[step] + 1 < max(counts.values())
        assert waiting.admits(step) == admitted
        away = put(waiting, call)
        there.append(call)
        assert (away is None) == (len(there) <= places)
        if away is not None:
            assert (away != call) == admitted
            assert away[0] == step or counts[away[0]] == max(counts.values())
            assert away == [one for one in there if one[0] == away[0]][-1]
            there.remove(away)
        assert len(waiting) == len(there) <= places
    assert sorted(drained(waiting)) == sorted(there)


def refusals(calls: list[Any]) -> list[Any]:
    return [call.exception(timeout=20) for call in calls if call.exception(timeout=20) is not None]


def settled(wire: Wire, running: int, waiting: int) -> None:
    """Wait until so many calls run and wait."""
    until = time.monotonic() + 10
    while (wire.running, wire.waiting) != (running, waiting) and time.monotonic() < until:
        time.sleep(0.01)
    assert (wire.running, wire.waiting) == (running, waiting)


@pytest.fixture
def flooded(start: Starter) -> Any:
    """Two threads held, four places taken, by one principal that is known to the server."""
    pause = Pause()
    running = start({LIST: pause}, threads=2, waiting_calls_max=4)
    metadata = [("authorization", f"Bearer {running.token('greedy')}")]
    running.channel.unary_unary(GET)(b"", metadata=metadata, timeout=5)
    calls = [running.channel.unary_unary(LIST).future(b"", metadata=metadata, timeout=30) for _ in range(6)]
    wire = running.app.listening.wire
    settled(wire, 2, 4)
    yield running, calls, metadata, pause
    pause.release.set()


def test_calls_beyond_the_places_are_refused_quickly_with_a_push_back_and_a_line_in_the_log(flooded: Any) -> None:
    running, calls, metadata, pause = flooded
    begun = time.monotonic()
    more = [running.channel.unary_unary(LIST).future(b"", metadata=metadata, timeout=30) for _ in range(20)]
    errors = refusals(more)
    assert time.monotonic() - begun < 2
    assert {error.code() for error in errors} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert len(errors) == 20
    trailing = dict(errors[0].trailing_metadata())
    assert 100 <= int(trailing["grpc-retry-pushback-ms"]) <= 500
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    retry = error_details_pb2.RetryInfo()
    assert [detail for detail in status.details if detail.Unpack(retry)]
    assert 0.1 <= retry.retry_delay.ToTimedelta().total_seconds() <= 0.5
    assert sum(getattr(seen, "reason", "") == "OVERLOADED" for seen in running.seen) == 20
    pause.release.set()
    assert [call.result(timeout=20) for call in calls] == [b""] * 6


def test_a_principal_that_floods_leaves_room_for_another(flooded: Any) -> None:
    running, calls, _, pause = flooded
    ended = threading.Semaphore(0)
    for call in calls:
        call.add_done_callback(lambda _: ended.release())
    other = running.channel.unary_unary(LIST).future(b"", metadata=[("authorization", f"Bearer {running.token('modest')}")], timeout=20)
    assert ended.acquire(timeout=10)  # One of the flood gave way to it,
    pause.release.set()
    assert other.result(timeout=10) == b""
    assert [error.code() for error in refusals(calls)] == [grpc.StatusCode.RESOURCE_EXHAUSTED]  # and only one.


def test_a_full_server_still_answers_health_checks_and_streams(flooded: Any) -> None:
    running, *_ = flooded
    assert running.channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=2)
    reflected = running.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    assert next(iter(reflected(iter([b"\x3a\x00"]), timeout=5)))


def test_it_serves_as_before_once_the_flood_is_over(flooded: Any) -> None:
    running, calls, metadata, pause = flooded
    more = [running.channel.unary_unary(LIST).future(b"", metadata=metadata, timeout=30) for _ in range(50)]
    assert len(refusals(more)) == 50
    pause.release.set()
    assert [call.result(timeout=20) for call in calls] == [b""] * 6
    for _ in range(20):
        assert running.channel.unary_unary(LIST)(b"", metadata=metadata, timeout=5) == b""


def test_a_principal_with_slow_calls_on_all_threads_but_the_last_leaves_that_one_to_others(start: Starter) -> None:
    pause = Pause()
    running: Running = start({LIST: pause}, threads=4)
    greedy, modest = ([("authorization", f"Bearer {running.token(name)}")] for name in ("greedy", "modest"))
    for metadata in (greedy, modest):
        running.channel.unary_unary(GET)(b"", metadata=metadata, timeout=5)
    calls = [running.channel.unary_unary(LIST).future(b"", metadata=greedy, timeout=30) for _ in range(20)]
    wire = running.app.listening.wire
    settled(wire, 3, 17)
    for _ in range(50):
        assert running.channel.unary_unary(GET)(b"x", metadata=modest, timeout=5) == b"x"
    settled(wire, 3, 17)
    pause.release.set()
    assert [call.result(timeout=20) for call in calls] == [b""] * 20
    settled(wire, 0, 0)


def test_however_calls_come_and_end_none_is_forgotten(start: Starter) -> None:
    """Many callers, few threads, calls of all lengths: a call that waits while a thread is free would wait for ever."""

    def answer(asked: Asked) -> bytes:
        time.sleep(len(asked.data) % 4 / 1_000)
        return asked.data

    running: Running = start({GET: answer}, threads=4, waiting_calls_max=10_000)
    tokens = [[("authorization", f"Bearer {running.token(f'someone-{number}')}")] for number in range(3)]
    get = running.channel.unary_unary(GET)
    for wave in range(30):
        sent = [get.future(b"x" * (number % 7), metadata=tokens[number * number % 3], timeout=20) for number in range(3 + wave % 60)]
        assert [len(call.result(timeout=20)) for call in sent] == [number % 7 for number in range(len(sent))]
    settled(running.app.listening.wire, 0, 0)


def test_calls_whose_callers_have_gone_keep_nobody_out(start: Starter) -> None:
    pause = Pause()
    running: Running = start({LIST: pause}, threads=1, waiting_calls_max=2)
    held = running.channel.unary_unary(LIST).future(b"", timeout=20)
    assert pause.entered.wait(10)
    gone = [running.channel.unary_unary(GET).future(b"", timeout=20) for _ in range(2)]
    wire = running.app.listening.wire
    settled(wire, 1, 2)
    for call in gone:
        call.cancel()
    settled(wire, 1, 0)
    living = [running.channel.unary_unary(GET).future(b"x", timeout=20) for _ in range(2)]
    settled(wire, 1, 2)
    pause.release.set()
    assert held.result(timeout=10) == b""
    assert [call.result(timeout=10) for call in living] == [b"x"] * 2


def test_forgetting_leaves_the_others_in_their_order_and_their_places_right() -> None:
    waiting = owned(6)
    for call in ("a1", "b1", "a2", "a3", "b2", "c1"):
        put(waiting, call)
    waiting.forget(lambda call: call in {"a2", "b1", "c1"})
    assert len(waiting) == 3
    assert [put(waiting, f"d{number}") for number in range(4)] == [None, None, None, "d3"]
    assert drained(waiting) == ["a1", "b2", "d0", "a3", "d1", "d2"]


def test_calls_whose_callers_give_up_while_they_wait_are_never_run(start: Starter) -> None:
    pause, ran = Pause(), list[bytes]()

    def note(asked: Asked) -> bytes:
        ran.append(asked.data)
        return b""

    running: Running = start({LIST: pause, GET: note}, threads=1)
    held = running.channel.unary_unary(LIST).future(b"", timeout=20)
    assert pause.entered.wait(10)
    waiting = [running.channel.unary_unary(GET).future(b"%d" % number, timeout=20) for number in range(5)]
    wire = running.app.listening.wire
    until = time.monotonic() + 10
    while wire.waiting < 5 and time.monotonic() < until:
        time.sleep(0.01)
    for call in waiting[:4]:
        call.cancel()
    assert running.channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=5)  # Behind the cancellations, on the same connection.
    pause.release.set()
    assert held.result(timeout=10) == waiting[4].result(timeout=10) == b""
    assert ran == [b"4"]


def test_a_thread_that_goes_on_with_waiting_calls_keeps_nothing_of_the_ones_before(start: Starter) -> None:
    first, second = Pause(), Pause()
    running: Running = start({LIST: first, GET: second}, threads=1)
    calls = [running.channel.unary_unary(LIST).future(b"", timeout=20)]
    assert first.entered.wait(10)
    calls.append(running.channel.unary_unary(GET).future(b"", timeout=20))
    wire = running.app.listening.wire
    until = time.monotonic() + 10
    while not wire.waiting and time.monotonic() < until:
        time.sleep(0.01)
    first.release.set()
    assert second.entered.wait(10)
    assert calls[0].result(timeout=10) == b""
    while LIST in paths_in_memory() and time.monotonic() < until:  # Until the other thread has heard that it is over.
        time.sleep(0.01)
    assert GET in (alive := paths_in_memory())
    assert LIST not in alive
    second.release.set()
    assert calls[1].result(timeout=10) == b""


def paths_in_memory() -> list[str]:
    return [found.path for found in gc.get_objects() if isinstance(found, Call)]
