"""`python -m tests.bench`: Protoplane and three servers written by hand, on one private MariaDB and one table.

The same requests go to each in turn, three times, and the median of the three ratios is printed. Absolute figures are the
machine's business (`--absolute` shows them). The answers of all are compared first. `table` asks for deep pages, through references, many rows and
groups of the whole table, `access` asks who may do what beside OpenFGA, `documents` lists a million of them as rules allow, `overload`
offers more than can be carried, `files` moves the whole table, `changes` tells what the change log adds to a write.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import grpc

from tests.bench import access, compare, documents, files, overload, rows, table, unlogged, with_protoplane
from tests.bench.cases import CASES, Round, empty_days
from tests.bench.serving import NotServing, Serving, by_hand, take_cores
from tests.engines import Unavailable
from tests.engines.server import driver
from tests.engines.session import start

ROWS = 20_000
ROUNDS = 3
CONNECTIONS = 8

SERVERS = {
    "ours": with_protoplane.serve,
    "mysqlclient": by_hand("mysqlclient", "tests.bench.with_mysqlclient"),
    "peewee": by_hand("peewee", "tests.bench.with_peewee"),
    "fastapi": by_hand("fastapi", "tests.bench.with_fastapi", rest=True),
}
"""The first is compared with each of the others."""


def filled_database(stack: ExitStack, count: int) -> str:
    """The URL of a database with the flights in it, which ends with the stack."""
    engine = start("mariadb")
    stack.callback(engine.close)
    database = engine.create_database()
    with_protoplane.migrated(database.url)
    with connection_to(database.url) as connection:
        rows.fill(connection, count)
    return database.url


def connection_to(url: str) -> Any:
    """A connection past all servers."""
    parts = urlsplit(url)
    return driver().connect(host=parts.hostname, port=parts.port, user=parts.username, database=parts.path[1:])


def compare_all(servings: Sequence[Serving], turns: Iterator[Round], chosen: argparse.Namespace) -> None:
    """The table."""
    names, measured = list(SERVERS), list[compare.Measured]()
    print(compare.head(names), flush=True)
    for case in CASES:
        if chosen.case and case.name not in chosen.case:
            continue
        compare.check(case, servings, turns)
        rounds = [
            {serving.name: compare.measure(case, serving, next(turns), chosen.connections) for serving in servings}
            for _ in range(chosen.rounds)
        ]
        print(compare.line(case, rounds, names), flush=True)
        if chosen.absolute:
            print(*compare.figures(rounds, names), sep="\n", flush=True)
        measured += [one for turn in rounds for one in turn.values()]
    print(compare.busyness(measured))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "what", nargs="?", choices=("compare", "table", "overload", "files", "changes", "access", "documents"), default="compare"
    )
    parser.add_argument("--absolute", action="store_true", help="show microseconds, milliseconds and calls per second too")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES], help="compare this case only; may be repeated")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each case (default {ROUNDS})")
    parser.add_argument(
        "--connections", type=int, default=CONNECTIONS, help=f"of the client, a call at a time each (default {CONNECTIONS})"
    )
    parser.add_argument(
        "--rows", type=int, default=0, help=f"of `table` and `files` (default {files.ROWS:,}), of `documents` ({documents.DOCUMENTS:,})"
    )
    parser.add_argument("--seconds", type=float, default=overload.POINT_SECONDS, help="of each point of the overload curve")
    chosen = parser.parse_args()
    flights = chosen.rows or files.ROWS
    if chosen.what == "files":  # Each of three programs at once has what it needs.
        with ExitStack() as stack:
            url = filled_database(stack, flights)
            serving = stack.enter_context(SERVERS["ours"](url))
            files.compare(serving, lambda: connection_to(url), chosen.rounds, count=flights, absolute=chosen.absolute)
        return
    take_cores()
    if chosen.what == "access":
        access.print_table(rounds=chosen.rounds, connections=chosen.connections, absolute=chosen.absolute)
        return
    if chosen.what == "documents":
        documents.print_table(documents=chosen.rows or documents.DOCUMENTS, rounds=chosen.rounds, absolute=chosen.absolute)
        return
    with ExitStack() as stack:
        count = flights if chosen.what == "table" else ROWS
        url = filled_database(stack, count)
        ids = list(rows.flight_ids(count))
        turns = (Round(ids, day) for day in empty_days())
        if chosen.what == "overload":
            overload.curves(stack.enter_context(SERVERS["ours"](url)), turns, seconds=chosen.seconds, absolute=chosen.absolute)
        elif chosen.what == "table":
            table.print_table(url, SERVERS["mysqlclient"], next(turns), turns, rounds=chosen.rounds, absolute=chosen.absolute)
        elif chosen.what == "changes":
            unlogged.added(url, turns, rounds=chosen.rounds, connections=chosen.connections, absolute=chosen.absolute)
        else:
            compare_all([stack.enter_context(serve(url)) for serve in SERVERS.values()], turns, chosen)


if __name__ == "__main__":
    try:
        main()
    except (NotServing, Unavailable, ConnectionError, grpc.RpcError) as problem:
        sys.exit(str(problem))
