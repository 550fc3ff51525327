"""Answers that cannot be sent."""

from __future__ import annotations

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


@pytest.mark.parametrize("serve", [answer_with_text, refuse_in_half_a_character, end_with_two_lines])
@pytest.mark.parametrize("request_streaming", [False, True])
def test_a_call_whose_answer_cannot_be_sent_is_ended_all_the_same(
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
