"""`python -m tests.bench`: server CPU per call and throughput, as ratios of Protoplane to a servicer written by hand.

Both servers run on one private MariaDB and one table; the same requests go to each in turn, three times, and the median of
the three ratios is printed. Absolute figures are the machine's business (`--absolute` shows them). The answers of both are compared first.
"""

import argparse
import base64
import json
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from typing import Any

import grpc

from tests.bench import rows, servers
from tests.bench.contract import ROOT, SERVICE, message_class
from tests.bench.servers import NotServing, Serving
from tests.engines import Unavailable
from tests.engines.server import driver
from tests.engines.session import start

ROWS = 20_000
ROUNDS = 3
CLIENT_THREADS = 8
WARM_CALLS = 200


@dataclass(frozen=True, slots=True)
class Round:
    """What the requests of one round are made from."""

    ids: Sequence[str]
    """The ids of the flights that are there."""
    day: str
    """A day on which there are no flights yet: those created have it in their ids."""


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of call: `request(round, number)` makes each request."""

    name: str
    method: str
    response: str
    calls: int
    request: Callable[[Round, int], Any]
    volatile: tuple[str, ...] = ("etag",)
    """Fields of the answer that may differ between the servers."""


def get(turn: Round, number: int) -> Any:
    """One flight, another one each time."""
    return message_class("GetFlightRequest")(name=f"flights/{turn.ids[number * 7919 % len(turn.ids)]}")


def list_page(size: int) -> Callable[[Round, int], Any]:
    """The first page, as most callers ask."""
    return lambda _turn, _number: message_class("ListFlightsRequest")(page_size=size)


def create(turn: Round, number: int) -> Any:
    """A flight that is not there yet."""
    request: Any = message_class("CreateFlightRequest")(flight_id=f"{turn.day}-zz-{number % 9_000 + 1}-{number // 9_000 + 100:03d}")
    request.flight.airline, request.flight.flight_number = "airlines/zz", number % 9_000 + 1
    request.flight.origin, request.flight.destination = "airports/jfk", "airports/lax"
    request.flight.plane, request.flight.tail_number = "planes/n12345", "N12345"
    for field, minutes in (("scheduled_departure_time", 0), ("scheduled_arrival_time", 330), ("departure_time", 5), ("arrival_time", 340)):
        getattr(request.flight, field).FromSeconds(1_400_000_000 + number * 60 + minutes * 60)
    for field, seconds in (("departure_delay", 300), ("arrival_delay", 600), ("air_time", 19_000)):
        getattr(request.flight, field).FromSeconds(seconds)
    request.flight.distance_miles, request.flight.outcome = 2_475, 1
    return request


def update(turn: Round, number: int) -> Any:
    """One field of one flight, to a value it does not have."""
    request: Any = message_class("UpdateFlightRequest")()
    request.flight.name = f"flights/{turn.ids[number * 7919 % len(turn.ids)]}"
    request.flight.distance_miles = 100 + uuid.uuid4().int % 5_000
    request.update_mask.paths.append("distance_miles")
    return request


CASES = (
    Case("get", "GetFlight", "Flight", 6_000, get),
    Case("list 100", "ListFlights", "ListFlightsResponse", 1_500, list_page(100), ("next_page_token", "etag")),
)
MORE_CASES = (
    Case("list 1000", "ListFlights", "ListFlightsResponse", 200, list_page(1_000), ("next_page_token", "etag")),
    Case("create", "CreateFlight", "Flight", 4_000, create, ("name", "etag", "create_time", "update_time")),
    Case("update", "UpdateFlight", "Flight", 4_000, update, ("etag", "update_time", "distance_miles")),
)
"""Run with `--all`."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one round of one case took of one server."""

    processor_micros_per_call: float
    calls_per_second: float


def measure(case: Case, serving: Serving, turn: Round, clients: int) -> Measured:
    """Run one round: warm up, then count."""
    requests = [case.request(turn, number).SerializeToString() for number in range(WARM_CALLS + case.calls)]
    command = [
        sys.executable,
        "-m",
        "tests.bench.load",
        serving.target,
        f"/{SERVICE}/{case.method}",
        str(CLIENT_THREADS),
        str(WARM_CALLS // clients),
    ]
    with ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, text=True)) for _ in range(clients)]
        for process in processes:
            stack.callback(process.kill)
        for number, process in enumerate(processes):
            tell(
                process,
                json.dumps(dict(serving.metadata)),
                *(base64.b64encode(request).decode() for request in requests[number::clients]),
                "",
            )
        for process in processes:
            hear(process, case, serving)
        before = serving.processor_seconds()
        begun = time.perf_counter()
        for process in processes:
            tell(process, "go")
        for process in processes:
            hear(process, case, serving)
        seconds, used = time.perf_counter() - begun, serving.processor_seconds() - before
    return Measured(used / case.calls * 1e6, case.calls / seconds)


def tell(process: subprocess.Popen[str], *lines: str) -> None:
    """Send lines to a client."""
    assert process.stdin is not None
    process.stdin.write("\n".join(lines) + "\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str], case: Case, serving: Serving) -> str:
    """The next line of a client."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise NotServing(f"{case.name}: the calls to the {serving.name} server failed, see above")
    return line


def compare(case: Case, answers: dict[str, Any]) -> None:
    """Say so when the two servers do not give the same answer: then the ratio means nothing."""
    for answer in answers.values():
        clear(answer, case.volatile)
    if answers["ours"] != answers["reference"]:
        raise NotServing(f"{case.name}: the answers differ\nours:\n{answers['ours']}\nreference:\n{answers['reference']}"[:4_000])


def clear(message: Any, fields: Sequence[str]) -> None:
    """Clear fields of the answer, and of the flights in it."""
    for field in fields:
        if field in message.DESCRIPTOR.fields_by_name:
            message.ClearField(field)
    for flight in getattr(message, "flights", ()):
        clear(flight, fields)


def ask(case: Case, serving: Serving, turn: Round) -> Any:
    """One answer."""
    response: Any = message_class(case.response)
    with grpc.insecure_channel(serving.target) as channel:
        call: Callable[..., Any] = channel.unary_unary(f"/{SERVICE}/{case.method}", response_deserializer=response.FromString)
        return call(case.request(turn, 0).SerializeToString(), metadata=tuple(serving.metadata.items()), timeout=30)


def show(case: Case, rounds: Sequence[dict[str, Measured]], *, absolute: bool) -> None:
    """A line of the table."""
    processor = statistics.median(r["ours"].processor_micros_per_call / r["reference"].processor_micros_per_call for r in rounds)
    throughput = statistics.median(r["ours"].calls_per_second / r["reference"].calls_per_second for r in rounds)
    print(f"{case.name:<12}{processor:>22.2f}{throughput:>22.2f}", flush=True)
    if absolute:
        for name in ("ours", "reference"):
            micros = statistics.median(r[name].processor_micros_per_call for r in rounds)
            rate = statistics.median(r[name].calls_per_second for r in rounds)
            print(f"  {name:<10}{micros:>19,.0f} µs{rate:>20,.0f} /s", flush=True)


def empty_days() -> Iterator[str]:
    """Days long after those of the rows."""
    first = date(2030, 1, 1)
    return (str(first + timedelta(days=number)) for number in count())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--all", action="store_true", help="also: " + ", ".join(case.name for case in MORE_CASES))
    parser.add_argument("--absolute", action="store_true", help="show microseconds and calls per second too")
    parser.add_argument("--clients", type=int, default=1, help="client processes (default 1; each has 8 threads)")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        engine = start("mariadb")
        stack.callback(engine.close)
        database = engine.create_database()
        servers.migrated(database.url)
        host, port = "127.0.0.1", int(database.url.rpartition(":")[2].partition("/")[0])
        with driver().connect(host=host, port=port, user="root", database=database.name) as connection:
            rows.fill(connection, ROWS)
        ids, days = list(rows.flight_ids(ROWS)), empty_days()
        both = [stack.enter_context(serve(database.url)) for serve in (servers.ours, servers.reference)]
        print(f"{'':<12}{'server CPU per call':>22}{'calls per second':>22}   (ours / reference)", flush=True)
        for case in (*CASES, *(MORE_CASES if chosen.all else ())):
            compare(case, {serving.name: ask(case, serving, Round(ids, next(days))) for serving in both})
            rounds = [
                {serving.name: measure(case, serving, Round(ids, next(days)), chosen.clients) for serving in both} for _ in range(ROUNDS)
            ]
            show(case, rounds, absolute=chosen.absolute)


if __name__ == "__main__":
    try:
        main()
    except (NotServing, Unavailable, grpc.RpcError) as problem:
        sys.exit(str(problem))
