"""Metrics and readiness are those of all processes together, and outlive each of them."""

from __future__ import annotations

import json
import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from protoplane.identity.tokens import Signer
from tests.door.process import free_port
from tests.door.running import Running, run, running
from tests.processes.callers import everybody
from tests.processes.client import SECONDS_MAX, Client
from tests.processes.kit import Project, children, until

SECRET = Signer.new().mint(subject="hunter2", issuer="nobody", audience="nothing", seconds=60)


def fetched(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=SECONDS_MAX) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def sample(port: int, name: str, **labels: str) -> float:
    """The sum of the samples of that name with these labels."""
    text = fetched(port, "/metrics")[1]
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())


def port_of(process: Running) -> int:
    line: Mapping[str, int] = json.loads(process.seen('"metrics.served"')[-1])
    return line["port"]


def test_calls_are_counted_over_all_processes_and_stay_counted_when_one_dies(project: Project, client: Client) -> None:
    with project.serving("--processes", "2", PROTOPLANE_METRICS_ADDRESS="127.0.0.1:0") as process:
        process.started(times=2)
        port = port_of(process)
        until(lambda: sample(port, "protoplane_processes") == 2)
        assert fetched(port, "/readyz")[0] == fetched(port, "/livez")[0] == 200
        workers = everybody(client, process.target)
        assert len(workers) == 2
        with client.once(process.target) as stub:
            for _ in range(10):
                stub.ListNotes(client.pb.ListNotesRequest(), **client.own)
        labels = {"grpc_type": "unary", "grpc_service": "desk.v1.Desk", "grpc_method": "ListNotes", "grpc_code": "OK"}
        until(lambda: sample(port, "grpc_server_handled_total", **labels) >= 10)
        before = sample(port, "grpc_server_handled_total", **labels)
        assert sample(port, "grpc_server_handling_seconds_count", grpc_method="ListNotes") == before
        for worker in children(process.pid):
            os.kill(worker, signal.SIGKILL)
        process.started(times=4)
        until(lambda: sample(port, "protoplane_processes") == 2)
        assert sample(port, "grpc_server_handled_total", **labels) == before


def test_readiness_ends_before_calls_do_and_being_alive_does_not(project: Project, client: Client) -> None:
    variables = {"PROTOPLANE_METRICS_ADDRESS": "127.0.0.1:0", "PROTOPLANE_SERVER_DRAIN_SECONDS": "4"}
    with project.serving(**variables) as process, client.once(process.target) as stub:
        port = port_of(process)
        until(lambda: fetched(port, "/readyz")[0] == 200)
        stopping = threading.Thread(target=process.stop)
        stopping.start()
        until(lambda: fetched(port, "/readyz")[0] == 503)
        assert fetched(port, "/livez")[0] == 200
        assert stub.Ask(client.pb.AskRequest(), **client.own).pid
        stopping.join()


def test_callers_cannot_make_series_and_their_secrets_are_in_none(project: Project) -> None:
    with project.serving(PROTOPLANE_METRICS_ADDRESS="127.0.0.1:0") as process:
        port = port_of(process)
        with grpc.insecure_channel(process.target) as insecure:
            channel: Any = insecure
            for number in range(30):
                call = channel.unary_unary(f"/desk.v1.Desk/hunter2{number}")
                assert call.future(b"", timeout=10).code() is grpc.StatusCode.UNIMPLEMENTED
            listing = channel.unary_unary("/desk.v1.Desk/ListNotes")
            assert (
                listing.future(b"", timeout=10, metadata=[("authorization", f"Bearer {SECRET}")]).code() is grpc.StatusCode.UNAUTHENTICATED
            )
        until(lambda: sample(port, "grpc_server_handled_total", grpc_code="UNIMPLEMENTED") == 30)
        until(lambda: sample(port, "protoplane_refused_total", reason="CREDENTIALS_INVALID") == 1)
        text = fetched(port, "/metrics")[1]
        assert "hunter2" not in text
        assert SECRET not in text


def test_metrics_whose_address_is_taken_are_served_once_it_is_free(project: Project) -> None:
    address = f"127.0.0.1:{free_port()}"
    with project.serving(PROTOPLANE_METRICS_ADDRESS=address) as first:
        first.seen('"metrics.served"')
        with running(project.folder, "serve", **{**project.variables, "PROTOPLANE_METRICS_ADDRESS": address}) as second:
            second.started()
            second.seen('"metrics.address_taken"')
            assert first.stop() == 0
            second.seen('"metrics.served"')
            until(lambda: fetched(int(address.rpartition(":")[2]), "/readyz")[0] == 200)


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", "192.0.2.1:9464"])
def test_an_address_that_metrics_can_never_be_served_at_is_told_at_once(project: Project, address: str) -> None:
    ended = run("serve", folder=project.folder, **{**project.variables, "PROTOPLANE_METRICS_ADDRESS": address})
    assert ended.returncode == 1
    assert f"cannot serve metrics on {address}" in ended.stderr
