"""Log lines: one a happening, on one line, never in the way of a call."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest

from protoplane.base import clock
from protoplane.base import log as module
from protoplane.base.log import Log
from protoplane.base.observe import CallDone, Event, Level, Observation, Sent, Stages


def call(code: str = "OK", bug: BaseException | None = None, method: str = "/a.v1.A/Get") -> CallDone:
    stages = Stages()
    stages.mark("authenticate")
    stages.mark("answer")
    return CallDone(method, "r-1", "alice", code, "" if code == "OK" else "A_REASON", stages, bug)


def bug(text: str) -> BaseException:
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError(text)
    return caught.value


def lines(*seen: Observation, calls: str = "all", pretty: bool = False, colour: bool = False) -> list[str]:
    written: list[str] = []
    log = Log(calls=calls, pretty=pretty, colour=colour, write=written.append)
    for observation in seen:
        log.observe(observation)
    log.close()
    assert all(line.endswith("\n") for line in written)
    return [line[:-1] for line in written]


def test_a_call_is_one_json_object_with_its_stages() -> None:
    (line,) = lines(call("NOT_FOUND"))
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert list(found.pop("millis")) == ["authenticate", "answer", "total"]
    assert found == {
        "level": "info",
        "event": "call",
        "method": "/a.v1.A/Get",
        "code": "NOT_FOUND",
        "reason": "A_REASON",
        "subject": "alice",
        "request_id": "r-1",
    }


def test_a_stream_has_the_number_of_its_messages_and_bytes() -> None:
    seen = call()._replace(sent=Sent(3, 120))
    (line,) = lines(seen)
    found = json.loads(line)
    assert (found["messages"], found["bytes"]) == (3, 120)
    (line,) = lines(seen, pretty=True)
    assert line.endswith("subject=alice messages=3 bytes=120")


@pytest.mark.parametrize(
    ("calls", "codes"), [("all", ["OK", "NOT_FOUND", "INTERNAL"]), ("failed", ["NOT_FOUND", "INTERNAL"]), ("none", ["INTERNAL"])]
)
def test_which_calls_have_a_line_is_a_setting_but_bugs_always_have_one(calls: str, codes: list[str]) -> None:
    written = lines(call(), call("NOT_FOUND"), call("INTERNAL", bug("x")), calls=calls)
    assert [json.loads(line)["code"] for line in written] == codes


def test_calls_beyond_so_many_a_second_are_dropped_and_counted_and_bugs_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 5_000_000
    monkeypatch.setattr(clock, "now_micros", lambda: now)
    monkeypatch.setattr(module, "CALLS_PER_SECOND_MAX", 3)
    written: list[str] = []
    log = Log(calls="failed", pretty=False, write=written.append)
    for _ in range(5):
        log.observe(call("NOT_FOUND"))
        log.observe(call("OK"))
        log.observe(call("INTERNAL", bug("x")))
    now += 1_000_000
    log.observe(call("NOT_FOUND"))
    log.close()
    found = [json.loads(line) for line in written]
    assert [line["code"] for line in found if line["event"] == "call"].count("NOT_FOUND") == 4
    assert [line["code"] for line in found if line["event"] == "call"].count("INTERNAL") == 5
    assert sum(line["lines"] for line in found if line["event"] == "log.dropped") == 2


def test_a_bug_has_its_trace() -> None:
    (line,) = lines(call("INTERNAL", bug("hunter2")))
    found = json.loads(line)
    assert found["level"] == "error"
    assert "RuntimeError: hunter2" in found["trace"]
    assert "test_log.py" in found["trace"]


@pytest.mark.parametrize("pretty", [True, False], ids=["pretty", "json"])
@pytest.mark.parametrize("text", ["a\r\n2026 OK forged", "\x1b[2J", "\x00", "\u2028", "\x85", "\x9b31m", "\u202e"])
def test_no_text_from_outside_can_forge_a_line_or_move_a_cursor(text: str, pretty: bool) -> None:
    (line,) = lines(Event("x", facts={"text": text}), pretty=pretty)
    assert line.isprintable()
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("pretty", [True, False], ids=["pretty", "json"])
def test_a_line_is_bounded(pretty: bool) -> None:
    (line,) = lines(Event("x", facts={"text": "y" * 1_000_000}), pretty=pretty)
    assert len(line) < 2_000


def test_a_pretty_trace_is_indented_and_cannot_forge_lines_either() -> None:
    (line,) = lines(call("INTERNAL", bug("a\x1b[31m\rb")), pretty=True)
    first, *trace = line.split("\n")
    assert "INTERNAL" in first
    assert trace
    assert all(part.startswith("    ") and part.isprintable() for part in trace)


def test_colours_are_sent_only_when_asked_for() -> None:
    event = Event("database.silent", Level.ERROR)
    assert lines(event, pretty=True, colour=True)[0].startswith("\x1b[31m")
    assert "\x1b" not in lines(event, pretty=True)[0]


def test_a_blocked_log_holds_nobody_up_and_tells_what_it_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINES_WAITING_MAX", 5)
    monkeypatch.setattr(module, "CLOSE_SECONDS", 10.0)
    blocked, written = threading.Event(), list[str]()

    def write(line: str) -> None:
        assert blocked.wait(10)
        written.append(line)

    log = Log(calls="all", pretty=False, write=write)
    for _ in range(50):
        log.observe(call())
    blocked.set()
    log.close()
    found = [json.loads(line) for line in written]
    dropped = sum(line["lines"] for line in found if line["event"] == "log.dropped")
    assert dropped >= 44
    assert dropped + sum(line["event"] == "call" for line in found) == 50


def test_a_log_that_cannot_be_written_goes_on() -> None:
    tries: list[str] = []

    def write(line: str) -> None:
        tries.append(line)
        raise OSError("gone")

    log = Log(calls="all", pretty=False, write=write)
    log.observe(call())
    log.observe(call())
    log.close()
    assert len(tries) >= 2


def test_a_call_names_its_trace() -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    (line,) = lines(call("NOT_FOUND")._replace(trace_id=trace_id))
    assert json.loads(line)["trace_id"] == trace_id
    (pretty,) = lines(call("NOT_FOUND")._replace(trace_id=trace_id), pretty=True)
    assert f"trace_id={trace_id}" in pretty


def test_a_fact_of_several_texts_is_a_list_and_for_people_a_line_each() -> None:
    event = Event("call.slow", facts={"millis": {"answer": 2.5, "total": 3.0}, "plan": ("scan book", "sort\x1b[2J" + "y" * 5_000)})
    (line,) = lines(event)
    found = json.loads(line)
    assert found["millis"] == {"answer": 2.5, "total": 3.0}
    assert found["plan"][0] == "scan book"
    assert len(line) < 2_000
    (pretty,) = lines(event, pretty=True)
    first, *plan = pretty.split("\n")
    assert "millis=answer:2.5,total:3.0" in first
    assert plan[0] == "    plan: scan book"
    assert all(part.isprintable() and len(part) < 1_100 for part in plan)


def test_for_people_a_long_text_stands_below_its_line_in_full() -> None:
    (pretty,) = lines(Event("call.slow", facts={"statement": "x" * 900, "method": "/a.v1.A/Get"}), pretty=True)
    first, below = pretty.split("\n")
    assert first.endswith("method=/a.v1.A/Get")
    assert below == "    statement: " + "x" * 900


FULL_PIPE = """
from protoplane.base.log import Log
from protoplane.base.observe import Event
log = Log(calls="all", pretty=False)
for number in range(20_000):
    log.observe(Event("thing.happened", facts={"number": number}))
print("served", flush=True)
log.close()
"""


def test_f42_a_stderr_that_nobody_reads_holds_nobody_up_not_even_the_end() -> None:
    """The pipe takes 64 KiB; the lines are a megabyte."""
    process = subprocess.Popen([sys.executable, "-c", FULL_PIPE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "served\n"
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
