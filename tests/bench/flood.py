"""One client process of the overload curve: calls begun on schedule, whether or not earlier ones are answered.

It reads a line of JSON (see `Schedule`), then the requests in base64, which it uses in turn; an empty line ends them. It prints what
became of the calls, as JSON (see `Outcome`). Times count from when a call was due: waiting for a slow client would hide the queue.
"""

import json
import selectors
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle

from tests.bench.load import Orders, given
from tests.bench.wire import OK, Connection

STREAMS_MAX = 100
"""Calls at once on a connection, as the server allows."""

ANSWER_SECONDS_MAX = 4.0
"""For the last answers, after the last call was due."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How many calls, and how quickly."""

    orders: dict[str, object]
    calls_per_second: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the calls that were due."""

    statuses: dict[str, int]
    good: int
    """Calls answered with OK while calls were still due: those of a queue that only grew are not."""
    accepted_p50_seconds: float
    accepted_p99_seconds: float
    refused_p99_seconds: float
    """Of calls with any other status than OK and DEADLINE_EXCEEDED."""
    late_p99_seconds: float
    """How much later than due the client began its calls: of it the server is innocent."""


@dataclass
class Flood:
    """The calls under way and those that ended."""

    orders: Orders
    selector: selectors.BaseSelector
    flying: dict[Connection, dict[int, float]] = field(default_factory=dict)
    """Connection → call → when it was due."""
    statuses: Counter[str] = field(default_factory=Counter)
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    good: int = 0
    last: float = 0.0
    """When the last call is due."""

    def connect(self) -> None:
        """Open a connection."""
        made = self.orders.connect()
        self.selector.register(made.socket, selectors.EVENT_READ, made)
        self.flying[made] = {}

    def run(self, requests: Sequence[bytes], calls_per_second: float, seconds: float) -> None:
        """Begin every call when it is due; wait for the answers."""
        begun, interval = time.perf_counter(), 1 / calls_per_second
        due, source = begun, cycle(requests)
        last = self.last = begun + seconds
        turn = cycle(range(self.orders.connections))
        while due < last:
            now = time.perf_counter()
            while due <= min(now, last):
                self._begin(next(source), due, next(turn))
                due += interval
            self._hear(max(0.0, due - time.perf_counter()))
        give_up = time.perf_counter() + ANSWER_SECONDS_MAX
        while any(self.flying.values()) and time.perf_counter() < give_up:
            self._hear(0.1)
        self.statuses["unanswered"] += sum(map(len, self.flying.values()))

    def _begin(self, request: bytes, due: float, turn: int) -> None:
        connection = list(self.flying)[turn]
        if len(self.flying[connection]) >= STREAMS_MAX:
            connection = min(self.flying, key=lambda one: len(self.flying[one]))
            if len(self.flying[connection]) >= STREAMS_MAX:
                self.statuses["not begun"] += 1
                return
        self.late.append(time.perf_counter() - due)
        try:
            self.flying[connection][connection.send(request)] = due
        except ConnectionError:
            self._lose(connection)

    def _hear(self, seconds: float) -> None:
        for key, _ in self.selector.select(seconds):
            connection = key.data
            try:
                for answered in connection.receive():
                    self._end(self.flying[connection].pop(answered.call), answered.status)
            except ConnectionError:
                self._lose(connection)

    def _end(self, due: float, status: str) -> None:
        self.statuses[status] += 1
        now = time.perf_counter()
        if status == OK:
            self.accepted.append(now - due)
            self.good += now <= self.last
        elif status != "DEADLINE_EXCEEDED":
            self.refused.append(now - due)

    def _lose(self, connection: Connection) -> None:
        """The connection is gone, and the calls on it; another takes its place."""
        self.statuses["lost"] += len(self.flying.pop(connection))
        self.selector.unregister(connection.socket)
        connection.socket.close()
        self.connect()


def quantile(values: Sequence[float], share: float) -> float:
    """0 where there are none."""
    return sorted(values)[int(len(values) * share)] if values else 0.0


def main() -> None:
    """See the module."""
    said, requests = given()
    schedule = Schedule(**said)  # type: ignore[arg-type]  # Written by whoever started this, from the same class.
    orders = Orders(**schedule.orders)  # type: ignore[arg-type]  # As above.
    with selectors.DefaultSelector() as selector:
        flood = Flood(orders, selector)
        for _ in range(orders.connections):
            flood.connect()
        flood.run(requests, schedule.calls_per_second, schedule.seconds)
    outcome = Outcome(
        statuses=dict(flood.statuses),
        good=flood.good,
        accepted_p50_seconds=quantile(flood.accepted, 0.5),
        accepted_p99_seconds=quantile(flood.accepted, 0.99),
        refused_p99_seconds=quantile(flood.refused, 0.99),
        late_p99_seconds=quantile(flood.late, 0.99),
    )
    json.dump(asdict(outcome), sys.stdout)


if __name__ == "__main__":
    main()
