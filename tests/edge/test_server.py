"""The server's own parts: its threads, its address, its options."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import threading

import grpc
import pytest

from protoplane.app import NotStartedError
from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.edge import core
from protoplane.edge.server import OPTIONS
from protoplane.identity.tokens import Signer
from tests.attacks.wire import Wire, block, headers, message
from tests.edge.conftest import LIST, Pause, Running, Starter


def test_an_address_in_use_is_told_clearly(start: Starter, running: Running) -> None:
    with pytest.raises(NotStartedError, match=rf"cannot listen on 127\.0\.0\.1:{running.app.port}: another process does"):
        start(address=f"127.0.0.1:{running.app.port}")


def test_an_address_of_another_machine_is_told_clearly(start: Starter) -> None:
    with pytest.raises(NotStartedError, match="cannot listen on"):
        start(address="192.0.2.1:50051")


def test_a_stopped_server_frees_its_address(start: Starter) -> None:
    first = start()
    first.app.stop()
    again = start(address=f"127.0.0.1:{first.app.port}")
    assert again.call(LIST, b"x") == b"x"


def test_a_stopped_server_refuses_calls_with_unavailable(start: Starter) -> None:
    running = start()
    running.app.stop()
    with pytest.raises(grpc.RpcError) as caught:
        running.call(LIST)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_calls_run_on_as_many_threads_as_there_should_be(start: Starter) -> None:
    together = threading.Barrier(3)
    running = start({LIST: lambda _asked: b"" if together.wait(10) >= 0 else b"x"}, threads=3)
    calls = [running.channel.unary_unary(LIST).future(b"", timeout=20) for _ in range(3)]
    assert [call.result() for call in calls] == [b""] * 3


def test_every_option_is_one_that_grpc_knows() -> None:
    names = [name for name, _ in OPTIONS]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"grpc\.[a-z0-9_.]+", name) for name in names)


def test_metadata_above_the_limit_is_refused_and_below_it_always_taken(running: Running) -> None:
    for _ in range(4):
        assert running.call(LIST, b"x", x_padding="y" * 12_000) == b"x"
        with pytest.raises(grpc.RpcError) as caught:
            running.call(LIST, x_padding="y" * 17_000)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_grpc_is_silenced_unless_somebody_wants_to_hear_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    config.silence_grpc()
    assert os.environ["GRPC_VERBOSITY"] == "NONE"
    monkeypatch.setenv("GRPC_VERBOSITY", "DEBUG")
    config.silence_grpc()
    assert os.environ["GRPC_VERBOSITY"] == "DEBUG"


def test_a_connection_that_has_come_of_age_is_asked_to_end_and_its_calls_are_answered(start: Starter) -> None:
    pause = Pause(b"late")
    running = start({LIST: pause}, connection_age_seconds=1.0)
    fields = {":method": "POST", ":scheme": "http", ":path": LIST, ":authority": "x", "te": "trailers", "content-type": "application/grpc"}
    with Wire(f"127.0.0.1:{running.app.port}") as wire:
        (stream,) = wire.streams(1)
        wire.send(headers(stream, block(list(fields.items()))))
        wire.data(stream, message(b""), end_stream=True)
        assert pause.entered.wait(10)
        assert wire.wait(lambda: wire.goaway is not None)
        assert not wire.closed
        pause.release.set()
        answer = wire.answered(stream)
        assert (answer.status, answer.data) == (0, message(b"late"))
        assert wire.ended()
    assert wire.goaway is not None
    assert wire.goaway[0] == 0, "it is no error"


@pytest.mark.parametrize("what", ["version", "name"])
def test_a_grpcio_that_was_not_read_is_told_in_development_and_refused_in_production(
    start: Starter, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    if what == "version":
        monkeypatch.setattr(grpc, "__version__", "1.999.0")
    else:
        monkeypatch.setitem(core.NAMES, core.cygrpc.CompletionQueue, ("poll", "gone"))
    running = start()
    assert running.observed("grpcio.unknown")
    assert running.call(LIST, b"x") == b"x"
    start.settings = dataclasses.replace(start.settings, environment=Environment.SERVE, jwks=json.dumps(Signer.new().jwks()))
    with pytest.raises(NotStartedError, match="1.999.0; this server needs" if what == "version" else "gone"):
        start()


def test_what_grpc_knows_of_other_connections_is_shown_to_nobody(running: Running) -> None:
    assert ("grpc.enable_channelz", 0) in OPTIONS
    for version in ("v1", "v1alpha"):
        with pytest.raises(grpc.RpcError) as caught:
            running.call(f"/grpc.channelz.{version}.Channelz/GetServers", token=running.token())
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
