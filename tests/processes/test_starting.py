"""How it starts: all processes on one port that is nobody else's, problems told once, and again after a death, each time later."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from protoplane.cli.reservation import Reservation, ReservationError
from tests.door.running import run, running
from tests.processes.kit import Project, children, runs, until, write_project


def test_a_free_port_is_one_for_all_processes_and_the_option_wins(project: Project) -> None:
    variables = {**project.variables, "PROTOPLANE_SERVER_ADDRESS": "127.0.0.1:0", "PROTOPLANE_SERVER_PROCESSES": "1"}
    with running(project.folder, "serve", "--processes", "3", **variables) as process:
        started = [json.loads(line) for line in process.seen('"server.started"', times=3)]
        assert len({line["port"] for line in started}) == 1
        assert len(children(process.pid)) == 3
        assert process.stop() == 0


def test_the_setting_says_how_many_processes_there_are(project: Project) -> None:
    with project.serving(PROTOPLANE_SERVER_PROCESSES="2") as process:
        process.started(times=2)
        assert len(children(process.pid)) == 2


def test_problems_are_told_once_and_end_it_with_the_code_of_the_first_process(project: Project) -> None:
    with project.broken():
        ended = run("serve", "--processes", "3", folder=project.folder, **project.variables)
    assert ended.returncode == 1
    assert ended.stderr.count('"strong" is not defined') == 1
    assert ended.stderr.count('"worker.ended"') == 1


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_port_that_somebody_else_has_is_told(project: Project, processes: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        variables = {**project.variables, "PROTOPLANE_SERVER_ADDRESS": address}
        ended = run("serve", "--processes", processes, folder=project.folder, **variables)
    assert ended.returncode == 1
    assert f"cannot listen on {address}: another process does" in ended.stderr


def test_the_supervisor_never_imports_grpc(project: Project) -> None:
    with project.serving() as process:
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        (worker,) = children(process.pid)
        assert "cygrpc" not in maps
        assert "cygrpc" in Path(f"/proc/{worker}/maps").read_text()


def test_a_worker_that_dies_again_is_started_again_later_each_time(project: Project) -> None:
    with project.serving() as process:
        for times in range(1, 4):
            (worker,) = children(process.pid)
            os.kill(worker, signal.SIGKILL)
            process.started(times=times + 1)
        ended = [json.loads(line) for line in process.seen('"worker.ended"', times=3)]
        assert [line["again_seconds"] for line in ended] == [0.1, 0.2, 0.4]
        assert process.stop() == 0


def test_a_unix_socket_has_one_process(project: Project) -> None:
    variables = {**project.variables, "PROTOPLANE_SERVER_ADDRESS": f"unix:{project.folder}/desk.sock"}
    ended = run("serve", "--processes", "2", folder=project.folder, **variables)
    assert ended.returncode == 1
    assert "cannot listen on one unix: address" in ended.stderr


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", "0.0.0.0:0"])
def test_a_reserved_port_can_be_shared_by_those_who_ask_and_by_nobody_else(address: str) -> None:
    place = Reservation(address)
    host, _, port = place.address.rpartition(":")
    assert (address.rpartition(":")[0], port != "0") == (host, True)
    with socket.socket() as worker:
        worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        worker.bind(("127.0.0.1", int(port)))
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", int(port)))
    place.close()
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(port)))


@pytest.mark.parametrize(
    ("address", "problem"),
    [("192.0.2.1:50051", "not an address of this machine"), ("127.0.0.1", "not host:port"), ("127.0.0.1:http", "not host:port")],
)
def test_an_address_that_cannot_be_had_is_told(address: str, problem: str) -> None:
    with pytest.raises(ReservationError, match=problem):
        Reservation(address)


@pytest.mark.parametrize("arguments", [("dev",), ("dev", "--once")])
def test_a_second_dev_on_a_project_is_refused_by_the_name_of_the_first(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    write_project(tmp_path)
    with running(tmp_path, "dev", "--once") as first:
        first.started()
        refused = run(*arguments, folder=tmp_path)
        assert refused.returncode == 1
        assert f"as process {first.pid}" in refused.stderr
        assert first.stop() == 0
    with running(tmp_path, *arguments) as second:
        second.started()


def test_the_project_is_free_once_the_serving_process_of_a_killed_dev_has_ended(tmp_path: Path) -> None:
    write_project(tmp_path)
    with running(tmp_path, "dev") as first:
        first.started()
        (serving,) = children(first.pid)
        os.kill(serving, signal.SIGSTOP)
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: not runs(first.pid))
        assert run("dev", "--once", folder=tmp_path).returncode == 1, "its serving process still has the database"
        os.kill(serving, signal.SIGCONT)
        until(lambda: not runs(serving))
    with running(tmp_path, "dev") as second:
        second.started()
