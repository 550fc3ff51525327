"""What a server does with more than it can carry: what it still answers, whom it refuses and how quickly."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from tests.bench.cases import CASES, Case, Round
from tests.bench.compare import measure
from tests.bench.contract import ROOT, message_class
from tests.bench.flood import Outcome, Schedule
from tests.bench.load import Orders
from tests.bench.serving import NotServing, Serving

POINT_SECONDS = 8.0
POINTS = (0.5, 0.8, 1.0, 1.5, 2.0, 3.0)
"""Calls offered, as multiples of the peak."""

CONNECTIONS = 32
STEP = 1.15
STEPS_MAX = 12
STEP_SECONDS = 3.0
KEPT_UP = 0.95
"""The peak is looked for in such steps, as long as so much of what is offered is answered meanwhile."""

TIMEOUT_SECONDS = 2
"""Of each call; what is answered later is of no use to anyone."""

REQUESTS = 1_000


def scan(_turn: Round, number: int) -> Any:
    """Flights that there are not, in a day and a half: the database looks at 1,500 rows, which takes it 1 to 2 ms, and answers nothing."""
    day = number % 10 + 2
    begin, end = f"2013-01-{day:02d}T00:00:00Z", f"2013-01-{day + 1:02d}T13:20:00Z"
    condition = f'scheduled_departure_time >= "{begin}" AND scheduled_departure_time < "{end}" AND distance_miles = 12999'
    return message_class("ListFlightsRequest")(page_size=10, filter=condition, order_by="scheduled_departure_time")


OVERLOADED = (CASES[0], Case("scan", "ListFlights", "ListFlightsResponse", 1_500, scan))
"""A cheap Get, and a method that spends its time in the database."""


def curves(serving: Serving, turns: Iterator[Round], *, seconds: float, absolute: bool) -> None:
    """Print both curves."""
    for case in OVERLOADED:
        turn = next(turns)
        peak = peak_of(case, serving, turn)
        print(f"{case.name}{f', peak {peak:,.0f} calls per second' if absolute else ''}", flush=True)
        print(f"{'offered':>9}{'goodput':>9}{'refused':>9}{'expired':>9}{'failed':>9}{'p99':>9}{'p99 of refused':>16}{'client late':>13}")
        unit_seconds = 0.0
        for point in POINTS:
            outcome = flood(case, serving, turn, Schedule({}, peak * point, seconds))
            unit_seconds = unit_seconds or outcome.accepted_p99_seconds
            print(line(point, outcome, peak * seconds, unit_seconds, absolute=absolute), flush=True)
    print(f"goodput: of the peak; p99: of that at {POINTS[0]} of the peak; the others: of the calls that were due")


def peak_of(case: Case, serving: Serving, turn: Round) -> float:
    """The most calls per second that are answered as they come, from what a closed loop of calls takes on."""
    peak = measure(case, serving, turn, CONNECTIONS).calls_per_second
    for _ in range(STEPS_MAX):
        offered = peak * STEP
        good = flood(case, serving, turn, Schedule({}, offered, STEP_SECONDS)).good / STEP_SECONDS
        if good < offered * KEPT_UP:
            return max(peak, good)
        peak = offered
    return peak


def flood(case: Case, serving: Serving, turn: Round, schedule: Schedule) -> Outcome:
    """Run one point. Raises NotServing when the client fails."""
    orders = serving.orders(case.method, CONNECTIONS, 0)
    orders = replace(orders, metadata={**orders.metadata, "grpc-timeout": f"{TIMEOUT_SECONDS}S"})
    requests = [base64.b64encode(serving.encode(case.request(turn, number))).decode() for number in range(REQUESTS)]
    said = [json.dumps(asdict(replace(schedule, orders=told(orders)))), *requests, "", ""]
    command = [sys.executable, "-m", "tests.bench.flood"]
    ran = subprocess.run(command, cwd=ROOT, input="\n".join(said), stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode:
        raise NotServing(f"{case.name}: the client of the overload curve failed, see above")
    return Outcome(**json.loads(ran.stdout))


def told(orders: Orders) -> dict[str, object]:
    """As JSON has it."""
    return asdict(orders)


REFUSALS = ("RESOURCE_EXHAUSTED", "UNAVAILABLE")


def line(point: float, outcome: Outcome, at_peak: float, unit_seconds: float, *, absolute: bool) -> str:
    """A line of the table; `at_peak`: calls that the peak would have answered in that time."""
    due, statuses = sum(outcome.statuses.values()), outcome.statuses
    good, expired = statuses.get("OK", 0), statuses.get("DEADLINE_EXCEEDED", 0)
    refused = sum(statuses.get(status, 0) for status in REFUSALS)
    failed = due - good - expired - refused
    times = [outcome.accepted_p99_seconds / unit_seconds, outcome.refused_p99_seconds / unit_seconds] if unit_seconds else [0.0, 0.0]
    text = f"{point:>9.1f}{outcome.good / at_peak:>9.2f}{refused / due:>9.1%}{expired / due:>9.1%}{failed / due:>9.1%}{times[0]:>9.1f}{times[1]:>16.1f}"
    text += f"{'yes' if outcome.late_p99_seconds > LATE_SECONDS else 'no':>13}"
    if not absolute:
        return text
    millis = [outcome.accepted_p50_seconds, outcome.accepted_p99_seconds, outcome.refused_p99_seconds, outcome.late_p99_seconds]
    return f"{text}\n          p50, p99, p99 of refused, late: {', '.join(f'{one * 1e3:,.1f} ms' for one in millis)}; {statuses}"


LATE_SECONDS = 0.05
"""A client that begins its calls later than this has not offered what it should: the machine is too small for the point."""
