"""Calls of all four cardinalities on the server itself, and callers that do not do their part."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc
import pytest

from protoplane.base.observe import Observation
from protoplane.base.settings import Settings
from protoplane.edge import held, rpc, wire
from protoplane.edge.refusal import Refused
from protoplane.edge.rpc import Call, Handler
from protoplane.edge.server import Listening, listen

Serve = Callable[[Mapping[str, Handler]], "Peer"]


class Peer:
    """A server of these handlers, and a channel to it."""

    def __init__(self, listening: Listening, seen: list[Observation]) -> None:
        self.listening, self.seen = listening, seen
        self.channel: Any = grpc.insecure_channel(f"127.0.0.1:{listening.port}", options=[("grpc.use_local_subchannel_pool", 1)])


@pytest.fixture
def serve(settings: Settings) -> Iterator[Serve]:
    peers: list[Peer] = []

    def start(handlers: Mapping[str, Handler]) -> Peer:
        seen: list[Observation] = []
        server = dataclasses.replace(settings.server, threads=2, streams=3)
        peers.append(Peer(listen(handlers, server, share_port=False, identify=lambda _: None, observe=seen.append), seen))
        return peers[-1]

    yield start
    for peer in peers:
        peer.channel.close()
        peer.listening.stop(5)


def upper(message: bytes, _call: Call) -> bytes:
    return message.upper()


def spell(message: bytes, _call: Call) -> Iterator[bytes]:
    for byte in message:
        yield bytes([byte])


def join(messages: Iterator[bytes], _call: Call) -> bytes:
    return b"".join(messages)


def shout(messages: Iterator[bytes], _call: Call) -> Iterator[bytes]:
    for message in messages:
        yield message.upper()


HANDLERS = {
    "/t/UU": Handler(upper),
    "/t/US": Handler(spell, response_streaming=True),
    "/t/SU": Handler(join, request_streaming=True),
    "/t/SS": Handler(shout, request_streaming=True, response_streaming=True),
}


@pytest.fixture
def peer(serve: Serve) -> Peer:
    return serve(HANDLERS)


def code(error: grpc.RpcError) -> grpc.StatusCode:
    found: grpc.StatusCode = error.code()
    return found


def test_each_cardinality_answers_as_it_should(peer: Peer) -> None:
    channel = peer.channel
    for _ in range(20):
        assert channel.unary_unary("/t/UU")(b"abc", timeout=5) == b"ABC"
        assert list(channel.unary_stream("/t/US")(b"abc", timeout=5)) == [b"a", b"b", b"c"]
        assert channel.stream_unary("/t/SU")(iter([b"a", b"", b"c"]), timeout=5) == b"ac"
        assert list(channel.stream_stream("/t/SS")(iter([b"a", b"b"]), timeout=5)) == [b"A", b"B"]


def test_streams_may_be_empty_in_both_directions(peer: Peer) -> None:
    assert list(peer.channel.unary_stream("/t/US")(b"", timeout=5)) == []
    assert peer.channel.stream_unary("/t/SU")(iter(()), timeout=5) == b""
    assert list(peer.channel.stream_stream("/t/SS")(iter(()), timeout=5)) == []


def test_both_sides_of_a_stream_may_talk_in_turn(peer: Peer) -> None:
    ready: list[bytes] = [b"one"]
    said = threading.Semaphore(1)

    def talk() -> Iterator[bytes]:
        for _ in range(3):
            assert said.acquire(timeout=5)
            yield ready[-1]

    answers = peer.channel.stream_stream("/t/SS")(talk(), timeout=10)
    for word in (b"two", b"three", b""):
        heard = next(answers)
        assert heard == ready[-1].upper()
        ready.append(word)
        said.release()
    assert list(answers) == []


@pytest.mark.parametrize("path", HANDLERS)
def test_calls_without_a_message_hold_up_no_cardinality(peer: Peer, path: str) -> None:
    done = threading.Event()

    def never() -> Iterator[bytes]:
        done.wait(30)
        yield from ()

    with grpc.insecure_channel(f"127.0.0.1:{peer.listening.port}", options=[("grpc.use_local_subchannel_pool", 1)]) as other:
        method: Any = other.stream_stream(path)
        calls = [method(never(), timeout=25) for _ in range(90)]
        time.sleep(0.3)  # They are on their way; there is nothing of theirs that could be waited for.
        test_each_cardinality_answers_as_it_should(peer)
        begun = time.monotonic()
        assert {call.code() for call in calls} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        assert time.monotonic() - begun < 10
        done.set()


def test_streams_beyond_the_places_are_refused_and_take_nothing_from_unary_calls(peer: Peer) -> None:
    done = threading.Event()

    def one_then_wait() -> Iterator[bytes]:
        yield b"x"
        done.wait(30)

    held_open = [peer.channel.stream_stream("/t/SS")(one_then_wait(), timeout=25) for _ in range(3)]
    assert [next(stream) for stream in held_open] == [b"X"] * 3
    with pytest.raises(grpc.RpcError) as caught:
        list(peer.channel.unary_stream("/t/US")(b"abc", timeout=5))
    assert code(caught.value) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert [peer.channel.unary_unary("/t/UU")(b"x", timeout=5) for _ in range(10)] == [b"X"] * 10
    done.set()
    assert [list(stream) for stream in held_open] == [[]] * 3
    until = time.monotonic() + 5
    while peer.listening.wire.streaming and time.monotonic() < until:
        time.sleep(0.01)
    assert list(peer.channel.unary_stream("/t/US")(b"ab", timeout=5)) == [b"a", b"b"]


def test_a_stream_that_pauses_too_long_is_ended(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "PAUSE_SECONDS_MAX", 0.3)
    peer, done = serve(HANDLERS), threading.Event()

    def one_then_wait() -> Iterator[bytes]:
        yield b"x"
        done.wait(30)

    with pytest.raises(grpc.RpcError) as caught:
        peer.channel.stream_unary("/t/SU")(one_then_wait(), timeout=20)
    done.set()
    assert code(caught.value) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "did not come in time" in str(caught.value.details())


def test_a_stream_that_is_not_read_is_cut_off_and_its_thread_freed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "SEND_SECONDS_MAX", 0.5)
    closed = threading.Event()

    def pour(_message: bytes, _call: Call) -> Iterator[bytes]:
        try:
            while True:
                yield bytes(1_000_000)
        finally:
            closed.set()

    peer = serve({"/t/Pour": Handler(pour, response_streaming=True)})
    stream = peer.channel.unary_stream("/t/Pour")(b"", timeout=25)
    assert len(next(stream)) == 1_000_000
    assert closed.wait(15)
    with pytest.raises(grpc.RpcError):
        list(stream)


@pytest.mark.parametrize("path", ["/t/US", "/t/SU", "/t/SS"])
def test_a_stream_that_goes_on_and_on_ends_at_the_methods_limit(serve: Serve, path: str) -> None:
    def forever(_message: bytes, _call: Call) -> Iterator[bytes]:
        while True:
            yield b"x"

    handlers = {**HANDLERS, "/t/US": Handler(forever, response_streaming=True)}
    peer = serve({path: dataclasses.replace(handlers[path], stream_seconds_max=0.5)})
    done = threading.Event()

    def talk() -> Iterator[bytes]:
        yield b"x"
        while path != "/t/US" and not done.wait(0.02):
            yield b"x"

    begun = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        list(peer.channel.stream_stream(path)(talk(), timeout=10))
    done.set()
    assert code(caught.value) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - begun < 8, "the server ended it, not its caller"


def test_a_caller_that_goes_ends_its_stream(serve: Serve) -> None:
    closed, more = threading.Event(), threading.Semaphore(1)

    def tick(_message: bytes, _call: Call) -> Iterator[bytes]:
        try:
            while more.acquire(timeout=10):
                yield b"tick"
        finally:
            closed.set()

    peer = serve({"/t/Tick": Handler(tick, response_streaming=True)})
    stream = peer.channel.unary_stream("/t/Tick")(b"", timeout=20)
    next(stream)
    stream.cancel()
    for _ in range(100):  # Some may be sent before the server hears of it.
        more.release()
        if closed.wait(0.05):
            return
    raise AssertionError("the stream goes on")


def test_a_connection_that_reads_no_answers_gets_no_more_of_them_and_others_do(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = serve({"/t/Large": Handler(lambda _message, _call: bytes(3_000_000)), **HANDLERS})
    unsent = peer.listening.wire.unsent
    monkeypatch.setattr(unsent, "_connection_bytes_max", 10_000_000)
    # A client whose windows are small and who reads nothing of its answers.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.lookahead_bytes", 65_535), ("grpc.http2.bdp_probe", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{peer.listening.port}", options=options) as slow:
        method: Any = slow.unary_stream("/t/Large")
        ended = threading.Semaphore(0)
        calls = [method(b"", timeout=30) for _ in range(20)]
        for call in calls:
            if not call.add_callback(ended.release):  # It has ended before.
                ended.release()
        assert all(ended.acquire(timeout=10) for _ in range(17))
        codes = [call.code() for call in calls if call.done()]
        assert codes == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 17
        assert unsent.total == 9_000_000
        large: Any = peer.channel.unary_stream("/t/Large")
        assert [len(message) for message in large(b"", timeout=5)] == [3_000_000]
        for call in calls:
            call.cancel()
    until = time.monotonic() + 10
    while unsent.total and time.monotonic() < until:
        time.sleep(0.05)
    assert unsent.total == 0


def test_awaited_calls_go_by_age_and_by_number() -> None:
    evicted: list[str] = []
    holding: held.Awaited[str] = held.Awaited(0.2, 2, evicted.append)
    for call in "abc":
        holding.add(call)
    assert (evicted, len(holding)) == (["a"], 2)
    assert holding.discard("b")
    assert not holding.discard("a")
    holding.sweep()
    assert evicted == ["a"]
    time.sleep(0.25)
    holding.sweep()
    assert (evicted, len(holding)) == (["a", "c"], 0)


def test_unsent_answers_are_bounded_by_connection_and_in_all_but_for_the_first_of_each() -> None:
    evicted: list[str] = []
    holding: held.Unsent[str] = held.Unsent(0.2, connection_bytes_max=10, bytes_max=15, evict=evicted.append)
    assert holding.add("a1", b"a", 12)
    assert not holding.add("a2", b"a", 1)
    assert holding.add("b1", b"b", 8)
    assert holding.add("c1", b"c", 8)
    assert not holding.add("c2", b"c", 1)
    assert holding.total == 28
    holding.discard("a1")
    holding.discard("a1")
    holding.discard("c1")
    assert holding.add("b2", b"b", 2)
    assert not holding.add("b3", b"b", 1)
    time.sleep(0.25)
    holding.sweep()
    assert evicted == ["b1", "b2"]
    assert holding.total == 10, "it counts until the core lets go of it"


def values(metadata: Any) -> dict[str, str | bytes]:
    return {key: value for key, value in metadata}  # noqa: C416 - named tuples, which `dict` has no type for.


def test_metadata_goes_both_ways_and_refusals_carry_theirs(serve: Serve) -> None:
    def tell(_message: bytes, call: Call) -> bytes:
        call.send_initial_metadata([("x-head", "1"), ("x-head-bin", b"\x00\xff")])
        call.trailing_metadata = [("x-tail", values(call.metadata)["x-asked"])]
        assert call.path == "/t/Tell"
        assert call.peer().startswith("ipv4:127.0.0.1:")
        assert call.auth_context() == {"security_level": [b"TSI_SECURITY_NONE"], "transport_security_type": [b"insecure"]}
        assert 4 < call.remaining_seconds() < 5.1
        return b"told"

    def refuse(_message: bytes, _call: Call) -> Iterator[bytes]:
        yield b"first"
        raise Refused(9, "so far, and no further: ä", [("x-why-bin", b"\x01")])

    peer = serve({"/t/Tell": Handler(tell), "/t/Refuse": Handler(refuse, response_streaming=True)})
    answer, call = peer.channel.unary_unary("/t/Tell").with_call(b"", timeout=5, metadata=[("x-asked", "why")])
    assert (answer, values(call.initial_metadata()), values(call.trailing_metadata())) == (
        b"told",
        {"x-head": "1", "x-head-bin": b"\x00\xff"},
        {"x-tail": "why"},
    )
    stream = peer.channel.unary_stream("/t/Refuse")(b"", timeout=5)
    assert next(stream) == b"first"
    with pytest.raises(grpc.RpcError) as caught:
        next(stream)
    assert (code(caught.value), caught.value.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "so far, and no further: ä")
    assert values(caught.value.trailing_metadata())["x-why-bin"] == b"\x01"


@pytest.mark.parametrize("path", HANDLERS)
def test_a_method_that_breaks_says_nothing_of_why(serve: Serve, path: str) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("hunter2")

    handler = HANDLERS[path]
    peer = serve({path: dataclasses.replace(handler, serve=broken)})
    with pytest.raises(grpc.RpcError) as caught:
        list(peer.channel.stream_stream(path)(iter([b"x"]), timeout=5))
    assert code(caught.value) is grpc.StatusCode.INTERNAL
    assert "hunter2" not in repr(caught.value)
    assert "hunter2" in repr(getattr(peer.seen[-1], "bug", None))


def test_messages_above_a_methods_limit_are_refused_before_it_sees_them(serve: Serve) -> None:
    peer = serve({path: dataclasses.replace(handler, message_bytes_max=10) for path, handler in HANDLERS.items()})
    for path in HANDLERS:
        messages = [b"x" * 11] if path != "/t/SS" else [b"x", b"x" * 11]
        with pytest.raises(grpc.RpcError) as caught:
            list(peer.channel.stream_stream(path)(iter(messages), timeout=5))
        assert code(caught.value) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "10 bytes" in str(caught.value.details())


def test_calls_without_a_message_do_not_keep_a_server_from_ending(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MESSAGE_SECONDS_MAX", 1.0)
    peer, done = serve(HANDLERS), threading.Event()

    def never() -> Iterator[bytes]:
        done.wait(30)
        yield from ()

    call = peer.channel.stream_unary("/t/UU").future(never(), timeout=25)
    until = time.monotonic() + 5
    while not len(peer.listening.wire.awaited) and time.monotonic() < until:
        time.sleep(0.01)
    begun = time.monotonic()
    peer.listening.stop(20)
    assert time.monotonic() - begun < 8
    done.set()
    assert call.exception(timeout=5).code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_server_ends_while_a_method_still_runs_and_outlives_its_late_answer(serve: Serve) -> None:
    entered, release, answered = threading.Event(), threading.Event(), threading.Event()

    def stubborn(_message: bytes, call: Call) -> bytes:
        entered.set()
        release.wait(30)
        call.when_over(lambda: None)
        answered.set()
        return b"too late"

    peer = serve({"/t/Stubborn": Handler(stubborn)})
    call = peer.channel.unary_unary("/t/Stubborn").future(b"", timeout=30)
    assert entered.wait(5)
    peer.listening.stop(0.2)
    assert call.exception(timeout=5).code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
    release.set()
    assert answered.wait(5)
