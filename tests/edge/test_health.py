"""Health: the truth about the database, for calls, lists and watchers, also while the server stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from protoplane.base.observe import Event
from protoplane.edge import health as health_module
from protoplane.edge.health import Health, Prober
from tests.edge.conftest import GET, LIST, Asked, Database, Pause, Running, Starter

SERVICE = "/grpc.health.v1.Health/"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the database every 10 ms, and wait 100 ms for an answer."""
    defaults = Prober.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "every_seconds", 0.01)
    monkeypatch.setitem(defaults, "limit_seconds", 0.1)


def check(running: Running, service: str = "") -> str:
    data = running.call(SERVICE + "Check", health_pb2.HealthCheckRequest(service=service).SerializeToString())
    status = health_pb2.HealthCheckResponse.FromString(data).status
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(status))


def watch(running: Running, service: str = "") -> Any:
    call = running.channel.unary_stream(SERVICE + "Watch", response_deserializer=health_pb2.HealthCheckResponse.FromString)
    return call(health_pb2.HealthCheckRequest(service=service).SerializeToString(), timeout=30)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it did not happen within 10 s"
        time.sleep(0.005)


def names(statuses: list[int]) -> list[str]:
    return [health_pb2.HealthCheckResponse.ServingStatus.Name(status) for status in statuses]


@pytest.mark.parametrize("service", ["", "library.v1.Library"])
def test_a_service_serves_while_the_database_answers(start: Starter, service: str) -> None:
    answers = [True]
    running = start(database=Database(lambda: answers[0]))
    until(lambda: check(running, service) == "SERVING")
    answers[0] = False
    until(lambda: check(running, service) == "NOT_SERVING")
    answers[0] = True
    until(lambda: check(running, service) == "SERVING")


def test_a_database_that_hangs_is_noticed_and_its_return_too(start: Starter) -> None:
    answered, pings = threading.Event(), list[int]()

    def ping() -> bool:
        pings.append(1)
        return answered.wait(60)

    running = start(database=Database(ping))
    time.sleep(0.3)
    assert (check(running), len(pings)) == ("NOT_SERVING", 1)  # One question hangs; no others pile up behind it.
    answered.set()
    until(lambda: check(running) == "SERVING")


def test_a_ping_that_raises_is_a_no(start: Starter) -> None:
    def ping() -> bool:
        raise RuntimeError("gone")

    running = start(database=Database(ping))
    time.sleep(0.05)
    assert check(running) == "NOT_SERVING"


def test_each_change_is_observed_once(start: Starter) -> None:
    answers = [True]
    running = start(database=Database(lambda: answers[0]))
    running.observed("database.answers")
    answers[0] = False
    running.observed("database.silent")
    time.sleep(0.1)
    assert [o.name for o in running.seen if isinstance(o, Event)] == ["database.answers", "database.silent"]


def test_an_unknown_service_is_not_found_by_check_and_unknown_to_watch(running: Running) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        check(running, "nothing.v1.Nothing")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    stream = watch(running, "nothing.v1.Nothing")
    assert names([next(stream).status]) == ["SERVICE_UNKNOWN"]
    stream.cancel()


def test_list_names_every_service(running: Running) -> None:
    until(lambda: check(running) == "SERVING")
    messages: Any = health_pb2
    found = messages.HealthListResponse.FromString(running.call(SERVICE + "List"))
    assert {name: status.status for name, status in found.statuses.items()} == {"": 1, "library.v1.Library": 1}


def test_a_watcher_is_told_of_every_change_and_nothing_twice(start: Starter) -> None:
    answers = [True]
    running = start(database=Database(lambda: answers[0]))
    until(lambda: check(running) == "SERVING")
    stream = watch(running)
    seen = [next(stream).status]
    for answer in (False, True, False):
        answers[0] = answer
        seen.append(next(stream).status)
    assert names(seen) == ["SERVING", "NOT_SERVING", "SERVING", "NOT_SERVING"]
    stream.cancel()


def test_watchers_hold_no_threads(start: Starter) -> None:
    running = start(threads=1)
    until(lambda: check(running) == "SERVING")
    streams = [watch(running) for _ in range(40)]
    assert names([next(stream).status for stream in streams]) == ["SERVING"] * 40
    assert check(running) == "SERVING"
    assert running.call(LIST, b"x") == b"x"
    for stream in streams:
        stream.cancel()


def test_too_many_watchers_are_refused_and_those_that_go_make_room(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "WATCHERS_MAX", 1)
    running = start()
    first = watch(running)
    next(first)
    with pytest.raises(grpc.RpcError) as caught:
        next(watch(running))
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert int(dict(error.trailing_metadata())["grpc-retry-pushback-ms"]) >= 100
    first.cancel()

    def there_is_room() -> bool:
        try:
            next(watch(running))
        except grpc.RpcError:
            return False
        return True

    until(there_is_room)


def test_health_answers_while_every_thread_is_busy(start: Starter) -> None:
    pause = Pause()
    running = start({GET: pause}, threads=2)
    busy = [running.channel.unary_unary(GET).future(b"", timeout=30) for _ in range(6)]
    until(lambda: check(running) == "SERVING")
    pause.release.set()
    for call in busy:
        call.result()


def test_a_stopping_server_says_so_first_and_lets_running_calls_end(start: Starter) -> None:
    pause = Pause(b"done")
    running = start({GET: pause}, drain_seconds=0.3)
    until(lambda: check(running) == "SERVING")
    stream = watch(running)
    next(stream)
    call = running.channel.unary_unary(GET).future(b"", timeout=30)
    assert pause.entered.wait(10)
    stopping = threading.Thread(target=running.app.stop)
    stopping.start()
    assert names([response.status for response in stream]) == ["NOT_SERVING"]  # And the stream ends by itself.
    assert check(running) == "NOT_SERVING"  # Still answering: balancers get the time to look.
    pause.release.set()
    assert call.result() == b"done"
    stopping.join(20)
    assert not stopping.is_alive()
    assert running.database.closed


def test_a_call_longer_than_the_grace_is_cancelled(start: Starter) -> None:
    entered = threading.Event()

    def answer(asked: Asked) -> bytes:
        entered.set()
        while not asked.cancelled():
            time.sleep(0.01)
        return b""

    running = start({GET: answer}, grace_seconds=0.2)
    call = running.channel.unary_unary(GET).future(b"", timeout=30)
    assert entered.wait(10)
    running.app.stop()
    assert call.exception().code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}


def test_draining_is_for_good() -> None:
    health = Health(["a.B"], lambda _seen: None)
    health.database_answers(answers=True)
    health.drain()
    health.database_answers(answers=False)
    health.database_answers(answers=True)
    assert not health.serving


def test_bytes_that_are_no_request_are_an_invalid_argument(running: Running) -> None:
    for method in ("Check", "Watch"):
        with pytest.raises(grpc.RpcError) as caught:
            list(running.channel.unary_stream(SERVICE + method)(b"\xff", timeout=10))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
