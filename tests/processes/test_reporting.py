"""What workers report reaches the process above them, and counts of those that ended are not lost."""

from __future__ import annotations

import os
import threading
from typing import Any

from protoplane.cli.reporting import ENDED_MAX, Inbox, Report, Reporter, Reports
from tests.processes.kit import until


def test_a_worker_reports_that_it_is_ready_then_its_figures_and_at_the_end_the_last_ones() -> None:
    read_end, write_end = os.pipe()
    inbox, told = Inbox(read_end), list[Any]()
    calls = iter(range(100))
    asked = threading.Event()

    def snapshot() -> object:
        asked.set()
        return {"calls": next(calls)}

    reporter = Reporter(write_end, 50_051, serving=lambda: True, snapshot=snapshot)
    assert asked.wait(5)
    reporter.close()
    os.close(write_end)

    def heard() -> bool:
        told.extend(inbox.messages())
        return not inbox.open

    until(heard)
    assert told[0] == {"ready": 50_051}
    assert told[1:] == [{"metrics": {"calls": number}, "serving": True} for number in range(len(told) - 1)]
    assert told[-1]["metrics"]["calls"] == next(calls) - 1 >= 1


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


def test_the_counts_of_workers_that_ended_stay_in_the_sum() -> None:
    reports = Reports(sum)
    for pid in range(3 * ENDED_MAX):
        reports.update(pid, Report(1, serving=True))
        reports.update(pid, Report(2, serving=True))
        reports.end(pid)
    reports.update(-1, Report(5, serving=True))
    reports.update(-2, Report(None))
    reports.end(-2)
    assert sum(map(int, map(str, reports.metrics()))) == 2 * 3 * ENDED_MAX + 5
    assert len(reports.metrics()) <= ENDED_MAX + 1
    assert reports.living() == {-1: Report(5, serving=True)}
