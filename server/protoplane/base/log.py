"""The log: observations as lines on stderr, for people or for machines, written from a thread of its own."""

from __future__ import annotations

import json
import os
import queue
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from protoplane.base import clock
from protoplane.base.errors import Code
from protoplane.base.observe import CallDone, Event, Fact, Level, Observation

LINES_WAITING_MAX = 10_000
"""Lines kept while stderr takes none (a full pipe); more are counted and dropped, because serving goes on."""

CALLS_PER_SECOND_MAX = 200
"""Lines of calls, bugs apart; more are counted and dropped. Refused calls cost their callers nothing: they must not fill our disk, and
a line costs as much as a third of such a call."""

TEXT_CHARACTERS_MAX = 1_024
"""Longest text from outside in a line."""

BESIDE_MAX = 200
"""Characters of a text that stands beside others on a line for people; a longer one has a line below."""

CLOSE_SECONDS = 2.0


_UNWRITTEN = {"all": frozenset[str](), "failed": frozenset({"OK"}), "none": frozenset({"OK", *Code.__members__})}


class Log:
    """Writes observations as lines, from a thread of its own: no call waits for a log.

    `calls`: `all`, `failed` or `none` get a line; bugs always do. `pretty`: for people, else one JSON object a line.
    """

    def __init__(self, *, calls: str, pretty: bool, colour: bool = False, write: Callable[[str], None] | None = None) -> None:
        self._unwritten: frozenset[str] = _UNWRITTEN[calls]
        self._format: Callable[[int, Observation], str] = (lambda at, seen: _pretty(at, seen, colour=colour)) if pretty else _json
        self._write = write or _write_stderr
        self._waiting: queue.SimpleQueue[tuple[int, Observation] | None] = queue.SimpleQueue()
        self._dropped = self._second = self._lines = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def observe(self, observation: Observation) -> None:
        """Take note; never waits and never fails."""
        room = True
        if isinstance(observation, CallDone) and observation.bug is None:
            if observation.code in self._unwritten:
                return
            room = self._has_room(clock.now_micros() // clock.MICROSECONDS)
        if room and self._waiting.qsize() < LINES_WAITING_MAX:
            self._waiting.put((clock.now_micros(), observation))
        else:
            self._dropped += 1

    def _has_room(self, second: int) -> bool:
        """Whether the second may have one more line of a call."""
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        return self._lines <= CALLS_PER_SECOND_MAX

    def close(self) -> None:
        """Write what waits, for at most CLOSE_SECONDS."""
        self._waiting.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            if self._dropped:
                lost, self._dropped = self._dropped, 0
                self._line(clock.now_micros(), Event("log.dropped", Level.WARNING, {"lines": lost}))
            self._line(*item)

    def _line(self, at_micros: int, observation: Observation) -> None:
        try:
            self._write(self._format(at_micros, observation) + "\n")
        except Exception:  # noqa: BLE001 - a log that cannot be written must not end the log.
            self._dropped += 1


def escaped(text: str) -> str:
    """The text on one line, bounded: control characters and line separators as escapes, so that nobody can forge a line."""
    if len(text) > TEXT_CHARACTERS_MAX:
        text = text[: TEXT_CHARACTERS_MAX - 1] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _facts(observation: Observation) -> tuple[str, Level, dict[str, Fact]]:
    if isinstance(observation, Event):
        return observation.name, observation.level, dict(observation.facts)
    level = Level.ERROR if observation.bug is not None else Level.INFO if observation.cause is None else Level.WARNING
    facts: dict[str, Fact] = {
        "method": observation.method,
        "code": observation.code,
        "reason": observation.reason,
        "subject": observation.subject,
        "request_id": observation.request_id,
        "trace_id": observation.trace_id,
        "millis": observation.stages.millis(),
        "cause": "" if observation.cause is None else _told(observation.cause).strip(),
    }
    if observation.sent is not None:
        facts |= {"messages": observation.sent.messages, "bytes": observation.sent.bytes}
    return "call", level, facts


def _json(at_micros: int, observation: Observation) -> str:
    name, level, facts = _facts(observation)
    line: dict[str, object] = {"time": f"{_moment(at_micros):%Y-%m-%dT%H:%M:%S.%fZ}", "level": level.value, "event": name}
    line |= {key: _bounded(value) for key, value in facts.items() if value != ""}
    if observation.bug is not None:
        line["trace"] = _trace(observation.bug)
    return json.dumps(line)  # ASCII: JSON's own escapes cover every control character.


def _pretty(at_micros: int, observation: Observation, *, colour: bool) -> str:
    name, level, facts = _facts(observation)
    if isinstance(observation, CallDone):
        millis = observation.stages.millis()["total"]
        name = f"{observation.code:<19} {millis:8.2f} ms  {observation.method}"
        facts = {
            key: facts[key]
            for key in ("reason", "cause", "subject", "request_id", "trace_id", "messages", "bytes")
            if key in facts and (observation.code != "OK" or key not in {"request_id", "trace_id"})
        }
    long = {key: value for key, value in facts.items() if isinstance(value, tuple) or (isinstance(value, str) and len(value) > BESIDE_MAX)}
    told = " ".join(f"{key}={_told_fact(value)}" for key, value in facts.items() if value != "" and key not in long)
    line = f"{_moment(at_micros):%H:%M:%S.%f}"[:-3] + "  " + escaped(f"{name}  {told}".rstrip())
    if colour and (shade := _SHADES.get(level)):
        line = f"\x1b[{shade}m{line}\x1b[0m"
    for key, value in long.items():
        line += "".join(f"\n    {escaped(f'{key}: {part}')}" for part in (value if isinstance(value, tuple) else (value,)))
    if observation.bug is not None:
        line += "".join("\n    " + escaped(part) for part in _trace(observation.bug).splitlines())
    return line


def _bounded(value: Fact) -> Fact:
    match value:
        case str():
            return value[:TEXT_CHARACTERS_MAX]
        case tuple():
            return tuple(part[:TEXT_CHARACTERS_MAX] for part in value)
        case _:
            return value


def _told_fact(value: Fact) -> str:
    return ",".join(f"{key}:{number}" for key, number in value.items()) if isinstance(value, Mapping) else str(value)


_SHADES = {Level.WARNING: 33, Level.ERROR: 31}


WITHHELD = frozenset({"MySQLdb", "peewee", "sqlite3"})
"""Packages whose errors quote the values of rows: of theirs the log has the type and the number, not the text."""

CAUSES_MAX = 10
"""Errors of one chain in a trace."""


def _trace(bug: BaseException) -> str:
    """The bug and what it came from, the first cause first."""
    chain: list[BaseException] = []
    error: BaseException | None = bug
    while error is not None and error not in chain and len(chain) < CAUSES_MAX:
        chain.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhich led to:\n\n".join("".join(traceback.format_tb(one.__traceback__)) + _told(one) for one in reversed(chain))


def _told(error: BaseException) -> str:
    kind = type(error)
    if kind.__module__.partition(".")[0] not in WITHHELD:
        return "".join(traceback.format_exception_only(error))
    number = next((str(part) for part in error.args if isinstance(part, int)), "")
    return f"{kind.__module__}.{kind.__qualname__} {number} (its text is withheld: it may quote values)\n"


def _moment(at_micros: int) -> datetime:
    return datetime.fromtimestamp(at_micros / 1_000_000, UTC)


def _write_stderr(line: str) -> None:
    # Past Python's buffer: its lock, held by a thread that waits for a full pipe, would end the interpreter with an error.
    data = line.encode("utf-8", "backslashreplace")
    while data:
        data = data[os.write(2, data) :]
