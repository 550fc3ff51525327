"""The life of a call, seen by a client: codes, details, deadlines, ids, and what must not be seen."""

from __future__ import annotations

import dataclasses
import gc
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from protoplane.base.errors import REASONS, Code, Fault, Reason, Refusal, Violation, invalid_fields
from protoplane.base.observe import CallDone
from protoplane.base.settings import DeadlineSettings
from protoplane.edge.refusal import DETAILS_BYTES_MAX
from protoplane.edge.rpc import Call
from tests.edge.conftest import GET, LIST, Asked, Notes, Pause, Running, Starter

CANARY = "SELECT hunter2 FROM secrets"


def refused(running: Running, path: str = GET, data: bytes = b"", **keywords: Any) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        running.call(path, data, **keywords)
    return caught.value


def status_of(error: Any) -> status_pb2.Status:
    data = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(data)
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    return status


def detail(status: status_pb2.Status, kind: type[Message]) -> Any:
    found = [any_ for any_ in status.details if any_.Is(kind.DESCRIPTOR)]
    assert len(found) == 1, f"{kind} is there {len(found)} times"
    message = kind()
    found[0].Unpack(message)
    return message


def raises(error: BaseException) -> Callable[[Asked], bytes]:
    def answer(_asked: Asked) -> NoReturn:
        raise error

    return answer


def test_the_bytes_of_a_call_reach_its_method_as_they_are_and_its_answer_the_caller(start: Starter) -> None:
    running = start({GET: lambda asked: b"\x00\xff" + asked.data})
    assert running.call(GET, b"\x01\x02", token=running.token()) == b"\x00\xff\x01\x02"


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_arrives_with_its_code_its_text_and_its_metadata(start: Starter, reason: Reason) -> None:
    code, text = REASONS[reason]
    metadata: Any = {key: f"a {key}" for key in re.findall(r"{(\w+)}", text)}
    error = refused(start({GET: raises(Fault(reason, **metadata))}))
    status = status_of(error)
    info = detail(status, error_details_pb2.ErrorInfo)
    assert error.code().name == code.name
    assert (info.reason, info.domain, dict(info.metadata)) == (reason.value, "protoplane.v1", metadata)
    assert all(value in status.message for value in metadata.values())


def test_field_violations_and_retry_delays_are_details_of_their_own(start: Starter) -> None:
    fault = Fault(
        Reason.INVALID_FIELDS, fields="book.title", violations=[Violation("book.title", "is empty", "REQUIRED")], retry_delay_seconds=1.5
    )
    status = status_of(refused(start({GET: raises(fault)})))
    bad = detail(status, error_details_pb2.BadRequest)
    assert [(v.field, v.description, v.reason) for v in bad.field_violations] == [("book.title", "is empty", "REQUIRED")]
    assert detail(status, error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() == 1_500


def test_a_servicers_own_refusal_keeps_its_reason_and_domain(start: Starter) -> None:
    refusal = Refusal(Code.FAILED_PRECONDITION, "SHELF_FULL", domain="library.v1", text="Shelf {shelf} is full.", shelf="7")
    error = refused(start({GET: raises(refusal)}))
    info = detail(status_of(error), error_details_pb2.ErrorInfo)
    assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "Shelf 7 is full.")
    assert (info.reason, info.domain, info.metadata["shelf"]) == ("SHELF_FULL", "library.v1", "7")


@pytest.mark.parametrize(
    "bug",
    [RuntimeError(CANARY), KeyError(CANARY), SystemExit(CANARY), KeyboardInterrupt(CANARY), RecursionError(CANARY), MemoryError(CANARY)],
)
def test_a_bug_says_nothing_outside_and_everything_in_the_log(start: Starter, bug: BaseException) -> None:
    running = start({GET: raises(bug)})
    error = refused(running, x_request_id="my-call-1")
    status = status_of(error)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert detail(status, error_details_pb2.ErrorInfo).reason == "INTERNAL_FAULT"
    assert "my-call-1" in status.message
    assert "hunter2" not in f"{error.details()}{error.trailing_metadata()}{error.initial_metadata()}{error}"
    seen = running.observed(GET)
    assert isinstance(seen, CallDone)
    assert (seen.bug, seen.request_id, seen.code) == (bug, "my-call-1", "INTERNAL")


def test_a_refusal_that_cannot_be_sent_is_a_bug(start: Starter) -> None:
    refusal = Refusal(Code.NOT_FOUND, "GONE", domain="library.v1", text="{name} hunter2", name="\ud800")
    running = start({GET: raises(refusal)})
    error = refused(running)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "hunter2" not in str(error)
    seen = running.observed(GET)
    assert isinstance(seen, CallDone)
    assert isinstance(seen.bug, UnicodeEncodeError)


def test_the_server_goes_on_after_bugs_on_every_thread(start: Starter) -> None:
    running = start({GET: raises(SystemExit())}, threads=2)
    for _ in range(5):
        assert refused(running).code() is grpc.StatusCode.INTERNAL
    assert running.call(LIST, b"x") == b"x"


@pytest.mark.parametrize(
    ("sent", "verdict"),
    [("abc-1.2:3_X", "kept"), ("x" * 64, "kept"), ("x" * 65, "not"), ("a b", "not"), ("{canary}", "not"), ("", "not")],
)
def test_a_callers_request_id_is_kept_if_it_is_a_plain_one(start: Starter, sent: str, verdict: str) -> None:
    running = start({GET: raises(Fault(Reason.RESOURCE_NOT_FOUND, name="x"))})
    given = detail(status_of(refused(running, x_request_id=sent)), error_details_pb2.RequestInfo).request_id
    assert (given == sent) is (verdict == "kept")
    assert re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", given)


def test_calls_without_an_id_get_different_ones(start: Starter) -> None:
    asked = Notes()
    running = start({GET: asked})
    for _ in range(3):
        running.call(GET)
    assert len({a.request_id for a in asked}) == 3


def test_a_call_without_credentials_is_anonymous_and_one_with_a_token_has_its_subjects_rights(start: Starter) -> None:
    asked = Notes()
    running = start({GET: asked})
    running.call(GET)
    running.call(GET, token=running.token("developer"))
    running.call(GET, token=running.token("alice"))
    assert [(a.principal.subject, set(a.principal.permissions)) for a in asked] == [
        ("", set()),
        ("developer", {"books.get"}),
        ("alice", set()),
    ]


@pytest.mark.parametrize("metadata", [[("authorization", "")], [("authorization", "Bearer x.y.z")], [("authorization", "Basic YTpi")]])
def test_bad_credentials_are_refused_on_every_method_and_the_method_does_not_run(start: Starter, metadata: list[tuple[str, str]]) -> None:
    ran = Notes()
    running = start({LIST: ran})
    with pytest.raises(grpc.RpcError) as caught:
        running.channel.unary_unary(LIST)(b"", metadata=metadata, timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert detail(status_of(caught.value), error_details_pb2.ErrorInfo).reason == "CREDENTIALS_INVALID"
    assert not ran


def test_two_authorizations_are_refused_even_if_both_are_right(running: Running) -> None:
    value = ("authorization", f"Bearer {running.token()}")
    with pytest.raises(grpc.RpcError) as caught:
        running.channel.unary_unary(LIST)(b"", metadata=[value, value], timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_no_token_is_ever_observed(running: Running) -> None:
    token = running.token()
    running.call(GET, token=token)
    refused(running, token=token + "x")
    running.observed(GET)
    assert token not in repr(running.seen)


@pytest.mark.parametrize(("asked", "low", "high"), [(None, 29, 30.1), (5.0, 3, 5.1), (10_000.0, 299, 300.1)])
def test_a_method_is_told_the_callers_deadline_within_bounds(start: Starter, asked: float | None, low: float, high: float) -> None:
    left: list[float] = []

    def answer(call: Asked) -> bytes:
        left.append(call.deadline.remaining_seconds())
        return b""

    running = start({GET: answer})
    running.call(GET, timeout=asked)
    assert low < left[0] <= high


@pytest.mark.parametrize(("asked", "low", "high"), [(None, 1, 2.1), (2.5, 1, 2.6), (60.0, 2, 3.1)])
def test_the_deadline_of_a_call_without_one_and_the_longest_are_settings(
    start: Starter, asked: float | None, low: float, high: float
) -> None:
    left: list[float] = []

    def answer(call: Asked) -> bytes:
        left.append(call.deadline.remaining_seconds())
        return b""

    start.settings = dataclasses.replace(start.settings, deadlines=DeadlineSettings(default_seconds=2.0, max_seconds=3.0))
    start({GET: answer}).call(GET, timeout=asked)
    assert low < left[0] <= high


def test_a_method_sees_that_its_caller_has_gone(start: Starter) -> None:
    entered, gone = threading.Event(), threading.Event()

    def answer(asked: Asked) -> bytes:
        entered.set()
        while not (asked.cancelled() and asked.deadline.cancelled):
            time.sleep(0.005)
        gone.set()
        return b""

    running = start({GET: answer})
    future = running.channel.unary_unary(GET).future(b"", timeout=60)
    assert entered.wait(10)
    assert not gone.is_set()
    future.cancel()
    assert gone.wait(10)


def test_a_call_that_waited_past_its_deadline_does_not_run(start: Starter) -> None:
    pause, ran = Pause(), Notes()
    running = start({GET: pause, LIST: ran}, threads=1)
    blocking = running.channel.unary_unary(GET).future(b"", timeout=60)
    assert pause.entered.wait(10)
    assert refused(running, LIST, timeout=0.2).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    pause.release.set()
    blocking.result()
    running.call(LIST)  # Behind the one that was given up, on the only thread.
    assert len(ran) == 1


@pytest.mark.parametrize("path", ["/library.v1.Library/Nothing", "/nothing.v1.Nothing/Get", "/", "/x" * 200, "/library.v1.Library/getBook"])
def test_an_unknown_method_is_unimplemented_with_a_reason(running: Running, path: str) -> None:
    error = refused(running, path)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    info = detail(status_of(error), error_details_pb2.ErrorInfo)
    assert (info.reason, info.metadata["method"]) == ("METHOD_UNKNOWN", path if len(path) <= 256 else path[:255] + "…")


def test_an_unknown_method_is_answered_before_its_message_comes(start: Starter) -> None:
    running = start(threads=1)
    never = threading.Event()

    def nothing() -> Iterator[bytes]:
        never.wait(60)
        yield b""

    streams = [running.channel.stream_stream("/a.B/C")(nothing(), timeout=30) for _ in range(3)]
    assert [stream.code() for stream in streams] == [grpc.StatusCode.UNIMPLEMENTED] * 3
    assert running.call(LIST) == b""
    never.set()


@pytest.mark.parametrize(
    "fault",
    [
        invalid_fields([Violation(f"requests[{n}].book.title", "must not be empty " * 5, "REQUIRED") for n in range(1_000)]),
        Fault(Reason.INVALID_FILTER, problem="x", violations=[Violation("filter", "y" * 100_000, "BAD")]),
        Fault(Reason.INVALID_NAME, name="😀" * 300, field="😀" * 300, patterns="😀" * 300),
    ],
    ids=["many violations", "long description", "four-byte characters"],
)
def test_a_refusal_is_never_too_large_for_its_caller(start: Starter, fault: Fault) -> None:
    error = refused(start({GET: raises(fault)}))
    status = status_of(error)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert status.ByteSize() <= DETAILS_BYTES_MAX
    info = detail(status, error_details_pb2.ErrorInfo)
    assert set(info.metadata) >= set(fault.metadata)
    if fault.violations:
        shown = len(detail(status, error_details_pb2.BadRequest).field_violations)
        assert shown >= 1
        assert int(info.metadata.get("violationsOmitted", "0")) == len(fault.violations) - shown


def test_a_message_above_the_limit_is_refused_before_the_method_sees_it(running: Running) -> None:
    channel: Any = grpc.insecure_channel(running.target, options=[("grpc.max_send_message_length", -1)])
    with channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(LIST)(b"x" * (4 * 1024 * 1024 + 1), timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_each_call_is_observed_once_with_its_stages(running: Running) -> None:
    running.call(GET, token=running.token("alice"), x_request_id="r-1")
    seen = running.observed(GET)
    assert isinstance(seen, CallDone)
    assert (seen.method, seen.request_id, seen.subject, seen.code, seen.reason, seen.bug) == (GET, "r-1", "alice", "OK", "", None)
    assert list(seen.stages.millis()) == ["queue", "authenticate", "handle", "total"]
    assert [o for o in running.seen if isinstance(o, CallDone)] == [seen]


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        ([f"00-{TRACE}-00f067aa0ba902b7-01"], TRACE),
        ([f"cc-{TRACE}-00f067aa0ba902b7-01-more"], TRACE),
        ([f"00-{TRACE.upper()}-00f067aa0ba902b7-01"], ""),
        (["nonsense"], ""),
        ([], ""),
    ],
)
def test_the_callers_trace_is_observed_with_the_call(running: Running, sent: list[str], logged: str) -> None:
    running.channel.unary_unary(GET)(b"", timeout=5, metadata=[("traceparent", value) for value in sent])
    seen = running.observed(GET)
    assert isinstance(seen, CallDone)
    assert (seen.code, seen.trace_id) == ("OK", logged)


def trailing(call: Any) -> dict[str, Any]:
    return dict(call.trailing_metadata())


def timings(running: Running, *, token: str | None = None, asked: str = "on") -> list[str]:
    """The stages that a call is told of, one that works and one that is refused."""
    metadata = [("server-timing", asked)] + ([("authorization", f"Bearer {token}")] if token else [])
    _, call = running.channel.unary_unary(GET).with_call(b"", timeout=5, metadata=metadata)
    told = trailing(call)
    with pytest.raises(grpc.RpcError) as caught:
        running.channel.unary_unary(LIST)(b"", timeout=5, metadata=metadata)
    assert ("server-timing" in told) == ("server-timing" in trailing(caught.value))
    return [stage.split(";dur=")[0] for stage in str(told["server-timing"]).split(", ")] if "server-timing" in told else []


@pytest.mark.parametrize(
    ("setting", "known", "told"),
    [("on", False, True), ("authenticated", False, False), ("authenticated", True, True), ("off", True, False)],
)
def test_the_times_of_the_stages_are_told_to_whom_they_may_be(start: Starter, setting: str, known: bool, told: bool) -> None:
    running = start({LIST: raises(Fault(Reason.RESOURCE_NOT_FOUND, name="shelves/1"))}, timings=setting)
    found = timings(running, token=running.token("alice") if known else None)
    assert found == (["queue", "authenticate", "handle", "total"] if told else [])
    assert timings(running, token=running.token("alice"), asked="please") == []


def test_nothing_of_a_refused_call_waits_for_a_garbage_collection(start: Starter) -> None:
    """A cycle through a traceback keeps the request; a thousand large ones before the next collection fill the memory."""

    def refuse(_asked: Asked) -> NoReturn:
        raise Fault(Reason.RESOURCE_NOT_FOUND, name="shelves/1")

    def fail(_asked: Asked) -> NoReturn:
        raise RuntimeError("no")

    running = start({GET: refuse, LIST: fail})
    metadata = [None, [("authorization", "Bearer x")], [("authorization", "a"), ("authorization", "b")]]

    def calls() -> int:
        return sum(isinstance(thing, Call) for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = calls()
        for number in range(60):
            with pytest.raises(grpc.RpcError):
                running.channel.unary_unary((GET, LIST)[number % 2])(b"", timeout=5, metadata=metadata[number % 3])
        running.seen.clear()  # It has the bugs.
        until = time.monotonic() + 5
        while calls() > before + 2 and time.monotonic() < until:  # The last one is let go of when its thread next waits.
            time.sleep(0.02)
        assert calls() <= before + 2
    finally:
        gc.enable()
