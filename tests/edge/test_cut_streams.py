"""Streams of requests that are cut off: half of what was meant is never taken for all of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import grpc
import pytest

from protoplane.base.settings import Settings
from protoplane.edge.rpc import Call, Handler
from protoplane.edge.server import listen

TIMES = 100
"""Of the cut streams, one in six or more was taken for complete."""


def close(_call: Any, channel: grpc.Channel) -> None:
    channel.close()


def cancel(call: Any, _channel: grpc.Channel) -> None:
    call.cancel()


@pytest.mark.parametrize("cut", [cancel, close])
def test_a_method_never_sees_a_cut_stream_end(settings: Settings, cut: Callable[[Any, grpc.Channel], None]) -> None:
    read, ended, said_complete = SimpleQueue[bytes](), SimpleQueue[None](), list[bool]()

    def keep(messages: Iterator[bytes], _call: Call) -> bytes:
        try:
            for message in messages:
                read.put(message)
            said_complete.append(True)
        finally:
            ended.put(None)
        return b""

    handlers = {"/t/Keep": Handler(keep, request_streaming=True)}
    listening = listen(handlers, settings.server, share_port=False, identify=lambda _: None, observe=lambda _: None)
    try:
        for _ in range(TIMES):
            rest = threading.Event()

            def requests(rest: threading.Event = rest) -> Iterator[bytes]:
                yield b"half"
                rest.wait(10)

            with grpc.insecure_channel(f"127.0.0.1:{listening.port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
                method: Any = channel.stream_unary("/t/Keep")
                call = method.future(requests(), timeout=10)
                assert read.get(timeout=10) == b"half"
                cut(call, channel)
                ended.get(timeout=10)
                rest.set()
    finally:
        listening.stop(5)
    assert said_complete == []
