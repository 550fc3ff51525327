"""How it ends: gracefully and with code 0 when told to, in time whatever calls do, and never leaving a process behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from tests.door.running import HealthWatch
from tests.engines import Database
from tests.processes.client import Client
from tests.processes.kit import Project, children, runs, signal_all, until

CLIENTS = 6
CALL_SECONDS = 0.1


def test_f02_every_call_that_was_begun_is_answered(project: Project, client: Client) -> None:
    answered, refused = list[str](), list[grpc.StatusCode]()

    def call(number: int) -> None:
        with client.once(process.target) as stub:
            for turn in range(1_000):
                own = f"{number}-{turn}"
                try:
                    stub.Ask(client.pb.AskRequest(id=own, seconds=CALL_SECONDS), **client.own)
                except grpc.RpcError as error:
                    refused.append(error.code())
                    return
                answered.append(own)

    with project.serving("--processes", "2") as process, ThreadPoolExecutor(CLIENTS) as pool:
        process.started(times=2)
        for number in range(CLIENTS):
            pool.submit(call, number)
        until(lambda: len(answered) > 2 * CLIENTS)
        assert process.stop() == 0
    begun = (project.folder / "begun").read_text().split()
    assert set(begun) == set(answered)
    assert len(refused) == CLIENTS
    assert set(refused) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert len(process.seen('"server.stopped"')) == 2


def test_a_signal_to_all_processes_at_once_ends_no_call(project: Project, client: Client) -> None:
    """As service managers send it: the workers have it twice."""
    with project.serving() as process, client.once(process.target) as stub, ThreadPoolExecutor(1) as pool:
        call = pool.submit(stub.Ask, client.pb.AskRequest(id="long", seconds=1.0), **client.own)
        until(lambda: project.begun("long"))
        signal_all({process.pid, *children(process.pid)}, signal.SIGTERM)
        assert call.result().pid
        assert process.ended() == 0


@pytest.mark.engines("mariadb")
def test_f03_a_call_longer_than_the_grace_is_cancelled_and_rolled_back(durable: Project, database: Database, client: Client) -> None:
    with durable.serving(PROTOPLANE_SERVER_GRACE_SECONDS="1") as process, client.once(process.target) as stub:
        pb = client.pb
        note = stub.CreateNote(pb.CreateNoteRequest(note_id="kept", note=pb.Note(text="before")), **client.own)
        call = stub.Hold.future(pb.HoldRequest(name=note.name, text="after", seconds=60), **client.own)
        until(lambda: durable.begun("after"))
        began = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - began < 5
        assert call.code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
    until(lambda: database.execute("SELECT text FROM notes FOR UPDATE") == [("before",)])  # Once the server has rolled it back.


def test_a_second_signal_waits_for_no_call(project: Project, client: Client) -> None:
    with project.serving(PROTOPLANE_SERVER_GRACE_SECONDS="60") as process, client.once(process.target) as stub:
        call = stub.Ask.future(client.pb.AskRequest(id="long", seconds=60), **client.own)
        until(lambda: project.begun("long"))
        os.kill(process.pid, signal.SIGTERM)
        process.seen('"server.stopping"')
        os.kill(process.pid, signal.SIGTERM)
        assert process.ended() == 1
        assert call.code() is grpc.StatusCode.UNAVAILABLE


def test_a_worker_that_does_not_end_is_killed_and_that_is_told(project: Project) -> None:
    with project.serving(PROTOPLANE_SERVER_DRAIN_SECONDS="0", PROTOPLANE_SERVER_GRACE_SECONDS="0") as process:
        (worker,) = children(process.pid)
        os.kill(worker, signal.SIGSTOP)
        assert process.stop() == 0
        assert f'"pid": {worker}' in process.seen('"worker.killed"')[0]
        assert not runs(worker)


def test_workers_end_when_the_process_above_them_is_killed_and_calls_are_answered(project: Project, client: Client) -> None:
    with project.serving("--processes", "2") as process, client.once(process.target) as stub, ThreadPoolExecutor(1) as pool:
        process.started(times=2)
        workers = children(process.pid)
        assert len(workers) == 2
        call = pool.submit(stub.Ask, client.pb.AskRequest(id="long", seconds=1.0), **client.own)
        until(lambda: project.begun("long"))
        os.kill(process.pid, signal.SIGKILL)
        assert call.result().pid in workers
        until(lambda: not any(map(runs, workers)))


def test_health_says_that_it_ends_before_calls_are_refused(project: Project, client: Client) -> None:
    with project.serving(PROTOPLANE_SERVER_DRAIN_SECONDS="1") as process, client.once(process.target) as stub:
        health = HealthWatch(process.target)
        health.until("SERVING", 5)
        stopping = threading.Thread(target=process.stop)
        stopping.start()
        health.until("NOT_SERVING", 5)
        assert stub.Ask(client.pb.AskRequest(), **client.own).pid
        stopping.join()
        health.close()
