"""Questions of access beside OpenFGA, its caches off and on: the same relationships in the same MySQL, the same questions in turn.

What a question costs is the processor time of the server and of the database together. Answers are compared with what follows from the
tuples before anything is measured. No question is asked twice: a cache answers what it was asked before, and that is not what is compared.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.access.openfga import program
from tests.bench import answering
from tests.bench.answering import Answering
from tests.bench.compare import driven
from tests.bench.serving import NotServing
from tests.bench.shelves import Ask, Shelves
from tests.bench.stacks_tables import BY_TUPLES, changed, fill_tuples
from tests.bench.with_protoplane import migrated, serve
from tests.engines import Unavailable
from tests.engines.session import start

COMPARED = 8
"""Questions of each kind whose answers are compared."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one round of questions took."""

    calls_per_second: float
    server_micros_per_call: float
    database_micros_per_call: float

    @property
    def micros_per_call(self) -> float:
        """Of both."""
        return self.server_micros_per_call + self.database_micros_per_call


def print_table(*, rounds: int, connections: int, absolute: bool) -> None:
    """Serve, compare, measure, print. Says so on stderr, and does nothing else, where OpenFGA is not there."""
    try:
        program()
    except Unavailable as reason:
        print(f"*** SKIPPED: questions of access beside OpenFGA: {reason}", file=sys.stderr)
        return
    shelves = Shelves()
    with ExitStack() as stack:
        servers = list(served(stack, shelves))
        ours, *others = (server.name for server in servers)
        heads = (f"calls per second, {ours}", "CPU per call, of theirs")
        print(f"{'':<18}" + "".join(f"{head:>{WIDTH * len(others)}}" for head in heads))
        print(f"{'':<18}" + "".join(f"{'/ ' + name:>{WIDTH}}" for name in others) * 2, flush=True)
        for ask in shelves.asks():
            numbers = iter(range(sys.maxsize))
            compare(ask, servers, numbers)
            found = [{server.name: measure(ask, server, numbers, connections) for server in servers} for _ in range(rounds)]
            print(line(ask, found, ours, others), flush=True)
            if absolute:
                print(*figures(found), sep="\n", flush=True)


WIDTH = 14


def served(stack: ExitStack, shelves: Shelves) -> Iterator[Answering]:
    """Ours and theirs, on databases of one MySQL."""
    engine = start("mysql")
    stack.callback(engine.close)
    tuples = list(shelves.tuples())
    database = engine.create_database()
    project = changed(Path(stack.enter_context(TemporaryDirectory(prefix="protoplane-bench-"))) / "project", BY_TUPLES)
    migrated(database.url, project)
    fill_tuples(database.url, tuples)
    yield answering.ours(stack.enter_context(serve(database.url, project=project)), database)
    yield from stack.enter_context(answering.openfga(engine.create_database(), tuples))


def compare(ask: Ask, servers: Sequence[Answering], numbers: Iterator[int]) -> None:
    """Every server gives the answers that follow from the tuples. Raises NotServing."""
    for number, _ in zip(numbers, range(COMPARED), strict=False):
        question = ask.question(number)
        meant = ask.answer(question)
        for server in servers:
            if (found := server.ask(question)) != meant:
                raise NotServing(f"{ask.name}: {server.name} answers {question} with\n{found}\nand not\n{meant}"[:4_000])


def measure(ask: Ask, server: Answering, numbers: Iterator[int], connections: int) -> Cost:
    """One round, of questions that nobody was asked before."""
    questions = [ask.question(next(numbers)) for _ in range(ask.warm + ask.calls)]
    orders = server.orders(questions[0], connections, ask.warm)
    took, (used, database) = driven(orders, [*map(server.encode, questions)], server.spent_seconds, f"{ask.name} of {server.name}")
    return Cost(ask.calls / took.seconds, used / ask.calls * 1e6, database / ask.calls * 1e6)


def line(ask: Ask, rounds: Sequence[dict[str, Cost]], ours: str, others: Sequence[str]) -> str:
    """The medians of the ratios of the rounds: of throughput ours to theirs, of processor time too."""
    rates = (statistics.median(one[ours].calls_per_second / one[name].calls_per_second for one in rounds) for name in others)
    costs = (statistics.median(one[ours].micros_per_call / one[name].micros_per_call for one in rounds) for name in others)
    return f"{ask.name:<18}" + "".join(f"{ratio:>{WIDTH}.2f}" for ratio in (*rates, *costs))


def figures(rounds: Sequence[dict[str, Cost]]) -> Iterator[str]:
    """What the ratios are made from: the machine's business."""
    for name in rounds[0]:
        rate, used, database = (
            statistics.median(getattr(one[name], what) for one in rounds)
            for what in ("calls_per_second", "server_micros_per_call", "database_micros_per_call")
        )
        yield f"  {name:<16}{rate:>10,.0f} /s{used:>10,.0f} µs of the server{database:>10,.0f} µs of the database"
