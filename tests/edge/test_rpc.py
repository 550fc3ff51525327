"""Answers that cannot be sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from protoplane.base.settings import Settings
from protoplane.edge.refusal import Refused
from protoplane.edge.rpc import Call, Handler
from protoplane.edge.server import listen


def answer_with_text(_data: bytes, _call: Call) -> Any:
    return "text"


def refuse_in_half_a_character(_data: bytes, _call: Call) -> bytes:
    raise Refused(grpc.StatusCode.INTERNAL.value[0], "\ud800")


def end_with_two_lines(_data: bytes, call: Call) -> bytes:
    call.trailing_metadata = (("key", "two\nlines"),)
    return b""


def end_with_text_for_bytes(_data: bytes, call: Call) -> bytes:
    call.trailing_metadata = (("key-bin", "text"),)
    return b""


def end_a_large_answer_with_text_for_bytes(data: bytes, call: Call) -> bytes:
    return end_with_text_for_bytes(data, call) + bytes(100_000)


def refuse_with_text_for_bytes(_data: bytes, _call: Call) -> bytes:
    raise Refused(grpc.StatusCode.ABORTED.value[0], "no", [("key-bin", "text")])


def begin_with_text_for_bytes(_data: bytes, call: Call) -> bytes:
    call.send_initial_metadata((("key-bin", "text"),))
    return b""


def begin_twice(_data: bytes, call: Call) -> bytes:
    call.send_initial_metadata(())
    call.send_initial_metadata(())
    return b""


BROKEN = [
    answer_with_text,
    refuse_in_half_a_character,
    end_with_two_lines,
    end_with_text_for_bytes,
    end_a_large_answer_with_text_for_bytes,
    refuse_with_text_for_bytes,
    begin_with_text_for_bytes,
    begin_twice,
]


@pytest.mark.parametrize("serve", BROKEN)
@pytest.mark.parametrize("request_streaming", [False, True])
def test_a_call_whose_answer_cannot_be_sent_is_ended_all_the_same_and_gives_back_what_it_held(
    settings: Settings, serve: Callable[..., Any], request_streaming: bool
) -> None:
    handlers = {"/t/Method": Handler(serve, request_streaming=request_streaming)}
    listening = listen(handlers, settings.server, share_port=False, identify=lambda _: None, observe=lambda _: None)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{listening.port}") as channel:
            method: Any = channel.unary_unary("/t/Method")
            with pytest.raises(grpc.RpcError) as caught:
                method(b"", timeout=10)
    finally:
        listening.stop(5)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    wire = listening.wire
    until = time.monotonic() + 5
    while (wire.running, wire.streaming) != (0, 0) and time.monotonic() < until:
        time.sleep(0.01)
    assert (wire.running, wire.streaming, wire.unsent.total) == (0, 0, 0)
