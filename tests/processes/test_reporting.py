"""What workers report reaches the process above them, and counts of those that ended are not lost."""

from __future__ import annotations

import os
import threading
from typing import Any

from protoplane.base import clock
from protoplane.base.snapshot import Gauge, Snapshot, nothing
from protoplane.cli.reporting import BELIEVED_SECONDS, Inbox, Report, Reporter, Reports
from tests.processes.kit import until


def test_a_worker_reports_that_it_is_ready_then_its_figures_and_at_the_end_the_last_ones() -> None:
    read_end, write_end = os.pipe()
    inbox, told = Inbox(read_end), list[Any]()
    calls = iter(range(100))
    asked = threading.Event()

    def snapshot() -> Snapshot:
        asked.set()
        return counted(next(calls))

    reporter = Reporter(write_end, 50_051, serving=lambda: True, snapshot=snapshot)
    assert asked.wait(5)
    reporter.close()
    os.close(write_end)

    def heard() -> bool:
        told.extend(inbox.messages())
        return not inbox.open

    until(heard)
    assert told[0] == {"ready": 50_051}
    assert told[1:] == [{"metrics": counted(number), "serving": True} for number in range(len(told) - 1)]
    assert told[-1]["metrics"] == counted(next(calls) - 1)


def test_messages_in_pieces_and_nonsense_are_taken_for_what_they_are() -> None:
    read_end, write_end = os.pipe()
    inbox = Inbox(read_end)
    heard = []
    for piece in (b'{"ready"', b': 1}\n{"serving": tr', b"ue}\n", b"\xff{\n3\n", b'{"serving": false}\n'):
        os.write(write_end, piece)
        heard += list(inbox.messages())
    os.close(write_end)
    assert list(inbox.messages()) == []
    assert not inbox.open
    assert heard == [{"ready": 1}, {"serving": True}, {"serving": False}]


def counted(calls: int, waiting: float = 0.0) -> Snapshot:
    """What a process tells that answered so many calls."""
    gauges = {"waiting": Gauge(help="Calls that wait.", value=waiting)}
    return Snapshot(methods={"/a.B/C": {**nothing("unary"), "codes": {"OK": calls}}}, events={}, gauges=gauges)


def test_the_counts_of_workers_that_ended_stay_in_the_sum_and_their_gauges_do_not() -> None:
    reports = Reports()
    for pid in range(20):
        reports.update(pid, Report(counted(1), serving=True))
        reports.update(pid, Report(counted(2, waiting=7), serving=True))
        reports.end(pid)
    reports.update(-1, Report(counted(5, waiting=3), serving=True))
    reports.update(-2, Report(None))
    reports.end(-2)
    found = reports.metrics()
    assert found["methods"]["/a.B/C"]["codes"] == {"OK": 2 * 20 + 5}
    assert found["gauges"]["waiting"]["value"] == 3


def test_it_is_ready_while_a_worker_says_so_and_is_heard_of() -> None:
    reports = Reports()
    assert not reports.serving()
    reports.update(1, Report(serving=False))
    assert not reports.serving()
    reports.update(2, Report(serving=True))
    assert reports.serving()
    reports.update(2, Report(serving=True, at_seconds=clock.monotonic_seconds() - BELIEVED_SECONDS - 1))
    assert not reports.serving(), "it hangs"
