"""Several processes at one address that die and are replaced while clients, with what they are shipped with, notice nothing."""

from __future__ import annotations

import os
import re
import signal

import pytest

from tests.processes.callers import CALLS, calling, everybody, load
from tests.processes.client import Client
from tests.processes.conftest import Service
from tests.processes.kit import children, until

pytestmark = pytest.mark.engines("mariadb")

REPLACEMENTS = 10


def test_calls_are_spread_over_all_processes(service: Service) -> None:
    pids = children(service.process.pid)
    assert len(pids) == 2
    assert everybody(service.client, service.process.target) == pids


def test_a_process_that_is_killed_is_replaced_and_no_call_fails(service: Service) -> None:
    process = service.process
    with load(service.client, process.target) as going:
        for _ in range(3):
            before = children(process.pid)
            victim = min(before)
            os.kill(victim, signal.SIGKILL)
            until(lambda before=before, victim=victim: len(children(process.pid) - {victim}) == len(before))  # type: ignore[misc]  # Bound now.
            going.wait(50)
            until(lambda: len(everybody(service.client, process.target)) == 2)
    assert not going.failed
    assert len(process.seen('"worker.ended".*"code": -9')) >= 3


def test_a_connection_that_is_lost_with_many_calls_on_it_fails_none_of_them(service: Service) -> None:
    process, client = service.process, service.client
    with calling("many", client, process.target) as callers:
        first = callers.until(lambda told: "first" in told)["first"]
        until(lambda: service.project.begun("many-0"))
        os.kill(first, signal.SIGKILL)
        pids = callers.until(lambda told: "pids" in told)["pids"]
    assert len(pids) == CALLS
    assert first not in pids
    until(lambda: len(everybody(client, process.target)) == 2)


def test_replacements_of_all_processes_fail_no_call(service: Service) -> None:
    process = service.process
    done = len([line for line in process.lines if '"workers.replaced"' in line])
    with load(service.client, process.target) as going:
        for number in range(1, REPLACEMENTS + 1):
            before, served = children(process.pid), going.answered
            os.kill(process.pid, signal.SIGHUP)
            process.seen('"workers.replaced"', times=done + number)
            until(lambda before=before: len(children(process.pid)) == 2 and not children(process.pid) & before)  # type: ignore[misc]
            assert going.answered > served
    assert not going.failed
    assert everybody(service.client, process.target) == children(process.pid)


def test_a_bad_contract_leaves_the_old_processes_serving(service: Service) -> None:
    process, project = service.process, service.project
    before = children(process.pid)
    with project.broken(), load(service.client, process.target) as going:
        os.kill(process.pid, signal.SIGHUP)
        (kept,) = process.seen('"workers.kept"')
        until(lambda: children(process.pid) == before)
    assert not going.failed
    assert '"level": "error"' in kept
    assert len([line for line in process.lines if re.search("strong", line)]) == 1, "told once, by the first new process"
    assert everybody(service.client, process.target) == before


def test_callers_that_abort_fail_the_test_alone_and_say_why(client: Client) -> None:
    """As the client library has done under load; the run of tests goes on."""
    with calling("load", client, "127.0.0.1:1") as callers:
        os.kill(callers.pid, signal.SIGABRT)
        with pytest.raises(AssertionError, match="ended by SIGABRT"):
            callers.until(lambda told: told.get("answered"))
