"""Server CPU per call and throughput of every server in turn, as ratios of Protoplane to each of the others."""

import base64
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.cases import Case, Round
from tests.bench.contract import ROOT
from tests.bench.load import Orders, Took
from tests.bench.serving import NotServing, Serving, core_seconds


@dataclass(frozen=True, slots=True)
class Measured:
    """What one round of one case took of one server."""

    processor_micros_per_call: float
    calls_per_second: float
    server_busy: float
    """Share of its core that the server used."""
    core_busy: float
    """Share of that core that was used by anything, the kernel's part of the traffic too."""
    others_busy: float
    """Cores that were used besides: by the client, the database and whatever else runs there."""
    client_busy: float
    """Share of a core that the client used: it must have time to spare, or it is what is measured."""


def measure(case: Case, serving: Serving, turn: Round, connections: int) -> Measured:
    """Run one round: warm up, then count."""
    requests = [serving.encode(case.request(turn, number)) for number in range(case.warm + case.calls)]
    orders = serving.orders(case.method, connections, case.warm)
    took, (used, core, others) = driven(
        orders, requests, lambda: (serving.processor_seconds(), *core_seconds()), f"{case.name} of {serving.name}"
    )
    return Measured(
        processor_micros_per_call=used / case.calls * 1e6,
        calls_per_second=case.calls / took.seconds,
        server_busy=used / took.seconds,
        core_busy=core / took.seconds,
        others_busy=others / took.seconds,
        client_busy=took.processor_seconds / took.seconds,
    )


def driven(orders: Orders, requests: Sequence[bytes], spent: Callable[[], Sequence[float]], what: str) -> tuple[Took, list[float]]:
    """Have a client process make the calls; what those that are measured took, by the client and by each counter."""
    lines = [base64.b64encode(request).decode() for request in requests]
    command = [sys.executable, "-m", "tests.bench.load"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        try:
            tell(client, json.dumps(asdict(orders)), *lines, "")
            hear(client, what)
            before = spent()
            tell(client, "go")
            took = Took(**json.loads(hear(client, what)))
            after = spent()
        finally:
            client.kill()
    return took, [last - first for first, last in zip(before, after, strict=True)]


def tell(process: subprocess.Popen[str], *lines: str) -> None:
    """Send lines to a client."""
    assert process.stdin is not None
    process.stdin.write("\n".join(lines) + "\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str], what: str) -> str:
    """The next line of a client."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise NotServing(f"{what}: the calls failed, see above")
    return line


def check(case: Case, servings: Sequence[Serving], turns: Iterator[Round]) -> None:
    """Say so when the servers do not give the same answer: then the ratio means nothing."""
    answers = {serving.name: serving.ask(case.method, case.response, case.request(next(turns), 0)) for serving in servings}
    for answer in answers.values():
        clear(answer, case.volatile)
    ours = answers.pop(servings[0].name)
    for name, answer in answers.items():
        if answer != ours:
            raise NotServing(f"{case.name}: the answers differ\nours:\n{ours}\n{name}:\n{answer}"[:4_000])


def clear(message: Any, fields: Sequence[str]) -> None:
    """Clear fields of the answer, and of the flights in it."""
    for field in fields:
        if field in message.DESCRIPTOR.fields_by_name:
            message.ClearField(field)
    for flight in getattr(message, "flights", ()):
        clear(flight, fields)


def ratios(rounds: Sequence[dict[str, Measured]], names: Sequence[str]) -> tuple[list[float], list[float]]:
    """Of processor time and of throughput: the first server to each of the others, the median of the rounds."""
    ours, *others = names
    processor = [
        statistics.median(r[ours].processor_micros_per_call / r[name].processor_micros_per_call for r in rounds) for name in others
    ]
    throughput = [statistics.median(r[ours].calls_per_second / r[name].calls_per_second for r in rounds) for name in others]
    return processor, throughput


def head(names: Sequence[str]) -> str:
    """The head of the table."""
    width, others = COLUMN_CHARACTERS * (len(names) - 1), names[1:]
    columns = "".join(f"{'/' + name:>{COLUMN_CHARACTERS}}" for name in others)
    return f"{'':<12}{'server CPU per call, ours':>{width}} {'calls per second, ours':>{width}}\n{'':<12}{columns} {columns}"


def line(case: Case, rounds: Sequence[dict[str, Measured]], names: Sequence[str]) -> str:
    """A line of the table."""
    processor, throughput = ratios(rounds, names)
    return f"{case.name:<12}{cells(processor)} {cells(throughput)}"


COLUMN_CHARACTERS = 14


def cells(values: Sequence[float]) -> str:
    """Ratios in their columns."""
    return "".join(f"{value:>{COLUMN_CHARACTERS}.2f}" for value in values)


def figures(rounds: Sequence[dict[str, Measured]], names: Sequence[str]) -> Iterator[str]:
    """What the ratios are made from: the machine's business."""
    for name in names:
        micros = statistics.median(r[name].processor_micros_per_call for r in rounds)
        rate = statistics.median(r[name].calls_per_second for r in rounds)
        busy = [statistics.median(getattr(r[name], share) for r in rounds) for share in SHARES]
        yield f"  {name:<12}{micros:>9,.0f} µs{rate:>9,.0f} /s   busy: " + ", ".join(
            f"{what} {share:.0%}" for what, share in zip(SHARES.values(), busy, strict=True)
        )


SHARES = {"server_busy": "server", "core_busy": "its core", "others_busy": "other cores", "client_busy": "client"}


def busyness(measured: Sequence[Measured]) -> str:
    """Whether it was the servers that were measured."""
    medians = [f"{what} {statistics.median(getattr(one, share) for one in measured):.0%}" for share, what in SHARES.items()]
    most = max(one.client_busy for one in measured)
    return f"busy, of one core, in the median: {', '.join(medians)}; the client {most:.0%} at most"
