"""A page of a million documents for callers who may see ten, one per cent, nearly all, none, against the same page of the same contract without rules.

Both servers answer in turn, one call at a time, through their ports. The names on each page are compared with what follows from the rows.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass

from protoplane.identity.tokens import Signer
from tests.bench.access import Cost
from tests.bench.answering import pid_of
from tests.bench.compare import driven
from tests.bench.contract import pool
from tests.bench.load import Orders
from tests.bench.serving import NotServing, Serving, processor_seconds
from tests.bench.stacks import CALLERS, FILTER, ORDER, Stacks
from tests.bench.stacks_tables import PROJECT, WITHOUT_RULES, changed
from tests.bench.with_protoplane import credentials, migrated, serve
from tests.engines.session import start

DOCUMENTS = 1_000_000
PAGE_ROWS = 50
METHOD = "/stacks.v1.Stacks/ListDocuments"
EVERYBODY = "everybody"
"""Whoever asks the server without rules."""
CALLS: Mapping[str, int] = {"one-per-cent": 20}
CALLS_DEFAULT = 150
WARM = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks which server."""

    caller: str
    serving: Serving
    metadata: Mapping[str, str]
    database_pid: int

    def cost(self, calls: int) -> Cost:
        """What a page takes."""
        orders = Orders("grpc", self.serving.port, METHOD, self.metadata, connections=1, warm=WARM)
        took, (used, database) = driven(orders, [page()] * (WARM + calls), self.spent_seconds, self.caller)
        return Cost(calls / took.seconds, used / calls * 1e6, database / calls * 1e6)

    def spent_seconds(self) -> tuple[float, float]:
        """Processor time of the server, and of the database."""
        return processor_seconds(self.serving.pid), processor_seconds(self.database_pid)


def message(name: str) -> Any:
    """A class of `stacks.v1`."""
    return GetMessageClass(pool(PROJECT / "protos", "stacks/v1/stacks.proto").FindMessageTypeByName(f"stacks.v1.{name}"))


def page(token: str = "") -> bytes:
    """The request."""
    request = message("ListDocumentsRequest")(page_size=PAGE_ROWS, filter=FILTER, order_by=ORDER, page_token=token)
    encoded: bytes = request.SerializeToString()
    return encoded


def read(port: int, metadata: Mapping[str, str], token: str = "") -> tuple[list[str], str]:
    """The names on a page, by an ordinary client, and the token of the next."""
    response: Any = message("ListDocumentsResponse")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Callable[..., Any] = channel.unary_unary(METHOD, response_deserializer=response.FromString)
        answer = call(page(token), metadata=tuple(metadata.items()), timeout=30)
    return [one.name for one in answer.documents], answer.next_page_token


def print_table(*, documents: int, rounds: int, absolute: bool) -> None:
    """Fill, serve, compare, measure, print."""
    stacks = Stacks(documents=documents, folders=max(100, 10 ** (len(str(documents)) - 3)))
    with ExitStack() as stack:
        without, *asked = served(stack, stacks)
        print(f"{f'of {documents:,} documents':<22}{'time of a call':>16}{'CPU per call':>14}   to the same page without rules", flush=True)
        for one in (without, *asked):
            if (found := read(one.serving.port, one.metadata)[0]) != (meant := stacks.page(one.caller, PAGE_ROWS)):
                raise NotServing(f"{one.caller} is shown\n{found}\nand not\n{meant}"[:4_000])
        for one in asked:
            calls = CALLS.get(one.caller, CALLS_DEFAULT)
            pairs = [(one.cost(calls), without.cost(calls)) for _ in range(rounds)]
            print(line(one.caller, pairs), flush=True)
            if absolute:
                print(*figures(pairs), sep="\n", flush=True)


def served(stack: ExitStack, stacks: Stacks) -> Iterator[Asked]:
    """Everybody of the server without rules first, then the callers of the one with them; one database."""
    engine = start("mariadb")
    stack.callback(engine.close)
    database = engine.create_database()
    migrated(database.url, PROJECT)
    stacks.fill(database.url)
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="protoplane-bench-")))
    signer = Signer.new()
    without = stack.enter_context(
        serve(database.url, project=changed(folder / "project", WITHOUT_RULES), name="without rules", signer=signer)
    )
    ruled = stack.enter_context(serve(database.url, project=PROJECT, signer=signer))
    yield Asked(EVERYBODY, without, credentials(signer, EVERYBODY), pid_of(database))
    for caller in CALLERS:
        yield Asked(caller, ruled, credentials(signer, caller), pid_of(database))


def line(caller: str, pairs: Sequence[tuple[Cost, Cost]]) -> str:
    """The medians of the ratios of the rounds."""
    time = statistics.median(without.calls_per_second / ruled.calls_per_second for ruled, without in pairs)
    cost = statistics.median(ruled.micros_per_call / without.micros_per_call for ruled, without in pairs)
    return f"{caller:<22}{time:>16.2f}{cost:>14.2f}"


def figures(pairs: Sequence[tuple[Cost, Cost]]) -> Iterator[str]:
    """What the ratios are made from: the machine's business."""
    for who, several in (("with rules", [one for one, _ in pairs]), ("without", [one for _, one in pairs])):
        rate, used, database = (
            statistics.median(getattr(one, what) for one in several)
            for what in ("calls_per_second", "server_micros_per_call", "database_micros_per_call")
        )
        yield f"  {who:<20}{1e3 / rate:>13,.2f} ms{used:>10,.0f} µs of the server{database:>10,.0f} µs of the database"
