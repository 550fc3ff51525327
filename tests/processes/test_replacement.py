"""Several processes at one address that die and are replaced while clients, with what they are shipped with, notice nothing."""

from __future__ import annotations

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.processes.conftest import Service
from tests.processes.kit import children, everybody, load, until

pytestmark = pytest.mark.engines("mariadb")

REPLACEMENTS = 10
CALLS = 15
"""At once on one connection: what a process works on at once, all but one."""


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
            served = going.answered
            os.kill(victim, signal.SIGKILL)
            until(lambda before=before, victim=victim: len(children(process.pid) - {victim}) == len(before))  # type: ignore[misc]  # Bound now.
            until(lambda served=served: going.answered > served + 50)  # type: ignore[misc]
            until(lambda: len(everybody(service.client, process.target)) == 2)
    assert not going.failed
    assert len(process.seen('"worker.ended".*"code": -9')) >= 3


def test_a_connection_that_is_lost_with_many_calls_on_it_fails_none_of_them(service: Service) -> None:
    process, client = service.process, service.client
    with client.stub(process.target) as stub, ThreadPoolExecutor(CALLS) as pool:
        first = stub.Ask(client.pb.AskRequest(), **client.own).pid
        calls = [pool.submit(stub.Ask, client.pb.AskRequest(id=f"many-{number}", seconds=0.5), **client.own) for number in range(CALLS)]
        until(lambda: service.project.begun("many-0"))
        os.kill(first, signal.SIGKILL)
        pids = {call.result().pid for call in calls}
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
