"""Calls that send headers and no message hold no thread: nobody can stop the server before authentication."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from protoplane.edge import core
from tests.edge.conftest import GET, LIST, Asked, Running, Starter

HELD = 90
"""Calls without a message: many times the threads, and below the streams that one connection may have."""


def test_this_grpcio_is_one_that_was_read() -> None:
    assert core.problem() == ""


@pytest.mark.parametrize("version", ["1.83.1", "1.86.0", "1.86.0rc1", "2.0.0", "1", "none"])
def test_others_are_not(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(grpc, "__version__", version)
    assert f"grpcio is {version};" in core.problem()


@pytest.fixture
def held(running: Running) -> Iterator[list[Any]]:
    """A connection full of calls that never send their message."""
    done = threading.Event()

    def never() -> Iterator[bytes]:
        done.wait(30)
        yield from ()

    with grpc.insecure_channel(running.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        paths = (GET, LIST, "/grpc.health.v1.Health/Check")
        methods: list[Any] = [channel.stream_unary(path) for path in paths]
        calls = [methods[i % 3].future(never(), timeout=25) for i in range(HELD)]
        time.sleep(0.3)  # They are on their way; there is nothing of theirs that could be waited for.
        yield calls
        done.set()
        for call in calls:
            call.cancel()


def test_calls_without_a_message_hold_up_nobody(running: Running, held: list[Any]) -> None:
    del held
    for _ in range(20):
        assert running.call(GET, b"x", token=running.token("alice"), timeout=2) == b"x"
    check = running.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert health_pb2.HealthCheckResponse.FromString(check(b"", timeout=2)).status == health_pb2.HealthCheckResponse.SERVING


def test_a_call_whose_message_does_not_come_is_ended(held: list[Any]) -> None:
    codes = {call.exception(timeout=15).code() for call in held}
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert "did not come in time" in held[0].exception().details()


def test_a_call_that_closes_without_a_message_is_told(running: Running) -> None:
    call = running.channel.stream_unary(GET)
    with pytest.raises(grpc.RpcError) as caught:
        call(iter(()), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_callers_that_go_away_before_their_message_leave_nothing_behind(running: Running) -> None:
    for _ in range(30):
        hold = threading.Event()
        call = running.channel.stream_unary(GET).future(iter(lambda hold=hold: hold.wait(5) or b"", None), timeout=5)  # type: ignore[misc]
        call.cancel()
        hold.set()
    assert running.call(GET, b"x", timeout=5) == b"x"


def test_an_empty_message_is_a_message(start: Starter) -> None:
    def answer(asked: Asked) -> bytes:
        return b"got %d bytes" % len(asked.data)

    assert start({GET: answer}).call(GET, b"") == b"got 0 bytes"
