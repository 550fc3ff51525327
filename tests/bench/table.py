"""What is asked of the whole table: deep pages, lists through references, batches, aggregates, and what the change log adds to a write.

Calls are made one at a time, because it is the time of one that is compared.
"""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench import compare
from tests.bench.cases import CASES, Case, Round
from tests.bench.compare import Measured
from tests.bench.contract import message_class
from tests.bench.questions import AGGREGATES, GROUP_BY, GROUPS_MAX, PAGE_ROWS, THROUGH_REFERENCES, Question
from tests.bench.serving import Serve, Serving
from tests.bench.unlogged import WRITES, project_without_log
from tests.bench.with_protoplane import serve as serve_ours

DEEP_PAGE = 10_000
DEEP_ROWS = 30
"""Of a page."""
STRIDE_ROWS = 1_000
"""Of the pages on the way there: the size may change from page to page."""
ORDERS = {"by name": "", "by time": "scheduled_departure_time", "by time, last first": "scheduled_departure_time desc"}
BATCH_ITEMS = 100
ANSWER = ("next_page_token", "etag")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: what is measured, and what it is compared with."""

    name: str
    ours: tuple[Case, Serving]
    other: tuple[Case, Serving]
    against: str


def lines(ours: Serving, by_hand: Serving, unlogged: Serving, turn: Round) -> Iterator[Line]:
    """All of them; the answers of two servers have been compared."""
    yield from deep_pages(ours, len(turn.ids))
    for case in (*map(through_references, THROUGH_REFERENCES), BATCH_GET, AGGREGATE):
        compare.check(case, [ours, by_hand], iter([turn, turn]))
        yield Line(case.name, (case, ours), (case, by_hand), "by hand")
    for case in (case for case in CASES if case.name in WRITES):
        yield Line(case.name, (case, ours), (case, unlogged), "not logged")


def deep_pages(serving: Serving, rows: int) -> Iterator[Line]:
    """The page `DEEP_PAGE`, or the last one that is full, against the first."""
    page = min(DEEP_PAGE, rows // DEEP_ROWS)
    for name, order in ORDERS.items():
        token = token_behind(serving, order, (page - 1) * DEEP_ROWS)
        first, deep = (page_case(order, start) for start in ("", token))
        yield Line(f"page {page:,} {name}", (deep, serving), (first, serving), "page 1")


def token_behind(serving: Serving, order: str, rows: int) -> str:
    """The token of the page that begins behind so many rows."""
    token, left = "", rows
    while left:
        size = min(left, STRIDE_ROWS)
        page = serving.ask("ListFlights", "ListFlightsResponse", list_request(page_size=size, page_token=token, order_by=order))
        token, left = page.next_page_token, left - len(page.flights)
    return token


def list_request(**arguments: Any) -> Any:
    """A page of flights."""
    return message_class("ListFlightsRequest")(**arguments)


def page_case(order: str, token: str) -> Case:
    """One page, the same one each time."""
    request = list_request(page_size=DEEP_ROWS, page_token=token, order_by=order)
    return Case("page", "ListFlights", "ListFlightsResponse", 600, lambda _turn, _number: request)


def through_references(question: Question) -> Case:
    """The first page that answers a question."""
    request = list_request(page_size=PAGE_ROWS, filter=question.filter, order_by=question.order_by)
    return Case(question.name, "ListFlights", "ListFlightsResponse", 60, lambda _turn, _number: request, ANSWER, warm=5)


def batch_get(turn: Round, number: int) -> Any:
    """Other flights each time, from all over the table."""
    ids = (turn.ids[(number * BATCH_ITEMS + item) * 7919 % len(turn.ids)] for item in range(BATCH_ITEMS))
    return message_class("BatchGetFlightsRequest")(names=[f"flights/{id_}" for id_ in ids])


def aggregate(_turn: Round, _number: int) -> Any:
    """Over all flights."""
    return message_class("AggregateFlightsRequest")(group_by=GROUP_BY, aggregates=AGGREGATES, page_size=GROUPS_MAX)


BATCH_GET = Case(f"batch-get {BATCH_ITEMS}", "BatchGetFlights", "BatchGetFlightsResponse", 600, batch_get)
AGGREGATE = Case("aggregate", "AggregateFlights", "AggregateFlightsResponse", 6, aggregate, warm=1)


def measured(line: Line, turns: Iterator[Round]) -> tuple[Measured, Measured]:
    """One round: ours, then what it is compared with."""
    ours, other = (compare.measure(case, serving, next(turns), 1) for case, serving in (line.ours, line.other))
    return ours, other


def ratios(rounds: Sequence[tuple[Measured, Measured]]) -> tuple[float, float]:
    """Of the time of a call, and of the server's processor time in it: the medians of the rounds."""
    times = statistics.median(other.calls_per_second / ours.calls_per_second for ours, other in rounds)
    return times, statistics.median(
        ours.processor_micros_per_call / max(other.processor_micros_per_call, TICK_MICROS) for ours, other in rounds
    )


TICK_MICROS = 1.0
"""What is less cannot be told from nothing: processor time is counted in hundredths of a second, of all calls together."""


def print_table(url: str, by_hand: Serve, turn: Round, turns: Iterator[Round], *, rounds: int, absolute: bool) -> None:
    """Serve the table in all three ways, measure and print."""
    with TemporaryDirectory(prefix="protoplane-bench-") as folder, ExitStack() as stack:
        ours, hand = stack.enter_context(serve_ours(url)), stack.enter_context(by_hand(url))
        unlogged = stack.enter_context(serve_ours(url, project=project_without_log(Path(folder)), name="unlogged"))
        print(f"{'':<34}{'against':<14}{'time of a call':>16}{'server CPU':>14}", flush=True)
        for line in lines(ours, hand, unlogged, turn):
            found = [measured(line, turns) for _ in range(rounds)]
            time, processor = ratios(found)
            print(f"{line.name:<34}{line.against:<14}{time:>16.2f}{processor:>14.2f}", flush=True)
            if absolute:
                for who, index in (("ours", 0), (line.against, 1)):
                    rate, micros = (statistics.median(getattr(one[index], what) for one in found) for what in FIGURES)
                    print(f"  {who:<32}{1e3 / rate:>10,.2f} ms{micros:>14,.0f} µs of server CPU", flush=True)


FIGURES = ("calls_per_second", "processor_micros_per_call")
