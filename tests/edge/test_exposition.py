"""Prometheus' text format: read back by its own parser, with the names that dashboards know."""

from __future__ import annotations

import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

from protoplane.base.metrics import Metrics
from protoplane.base.observe import CallDone, Event, Level, Stages
from protoplane.base.snapshot import BUCKETS_SECONDS, Snapshot, merged
from protoplane.edge.exposition import exposition

GET, LIST = "/library.v1.Library/GetBook", "/library.v1.Library/ListBooks"


def counted() -> Metrics:
    metrics = Metrics()
    metrics.serve({GET: "unary", LIST: "server_stream"})
    return metrics


def call(path: str, code: str = "OK", reason: str = "", seconds: float = 0.002) -> CallDone:
    stages = Stages()
    stages.marks.append(("answer", stages.started_seconds + seconds))
    return CallDone(path, "r-1", "alice", code, reason, stages)


def samples(snapshot: Snapshot) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels, as Prometheus would take it."""
    families = text_string_to_metric_families(exposition(snapshot).decode())
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def labels(method: str, kind: str = "unary", **more: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"grpc_type": kind, "grpc_service": "library.v1.Library", "grpc_method": method, **more}.items()))


def test_calls_have_the_names_and_labels_of_the_grpc_middlewares() -> None:
    metrics = counted()
    metrics.observe(call(GET, seconds=0.002))
    metrics.observe(call(GET, "NOT_FOUND", "RESOURCE_NOT_FOUND", seconds=0.03))
    found = samples(metrics.snapshot())
    assert found["grpc_server_handled_total", labels("GetBook", grpc_code="OK")] == 1
    assert found["grpc_server_handled_total", labels("GetBook", grpc_code="NOT_FOUND")] == 1
    assert found["grpc_server_handling_seconds_count", labels("GetBook")] == 2
    assert abs(found["grpc_server_handling_seconds_sum", labels("GetBook")] - 0.032) < 1e-6
    buckets = [found["grpc_server_handling_seconds_bucket", labels("GetBook", le=str(bound))] for bound in BUCKETS_SECONDS]
    assert buckets == [0, 1, 1, 1, 1, *[2] * 8]
    assert found["grpc_server_handling_seconds_bucket", labels("GetBook", le="+Inf")] == 2
    refused = (("grpc_method", "GetBook"), ("grpc_service", "library.v1.Library"), ("reason", "RESOURCE_NOT_FOUND"))
    assert found["protoplane_refused_total", refused] == 1


def test_methods_have_their_series_from_the_start() -> None:
    found = samples(counted().snapshot())
    assert found["grpc_server_handled_total", labels("ListBooks", "server_stream", grpc_code="OK")] == 0


def test_what_nobody_serves_is_one_method_and_its_text_is_nowhere() -> None:
    metrics = counted()
    metrics.observe(call('/evil"} 1\n.Service/Method', "UNIMPLEMENTED", "METHOD_UNKNOWN"))
    found = samples(metrics.snapshot())
    unknown = (("grpc_code", "UNIMPLEMENTED"), ("grpc_method", "unknown"), ("grpc_service", "unknown"), ("grpc_type", "unknown"))
    assert found["grpc_server_handled_total", unknown] == 1
    assert b"evil" not in exposition(metrics.snapshot())


def test_names_of_custom_code_cannot_forge_a_line() -> None:
    metrics = counted()
    metrics.observe(call(GET, "ABORTED", 'A"} 1\nforged 1'))
    metrics.observe(Event('e"} 1\nforged 1', Level.WARNING))
    assert not [name for name, _ in samples(metrics.snapshot()) if name.startswith("forged")]


def test_events_and_gauges_are_there_and_gauges_of_processes_are_summed() -> None:
    metrics = counted()
    metrics.observe(Event("database.silent", Level.ERROR))
    metrics.gauge("protoplane_calls_running", "Calls worked on now.", lambda: 3)
    found = samples(merged([metrics.snapshot(), metrics.snapshot()]))
    assert found["protoplane_events_total", (("event", "database.silent"), ("level", "error"))] == 2
    assert found["protoplane_calls_running", ()] == 6


def test_whoever_scrapes_needs_nothing_of_grpc() -> None:
    """The process that supervises others must not load it: it starts them, and gRPC does not survive a fork."""
    code = (
        "import sys, protoplane.edge.scrape\n"
        "from protoplane.base.metrics import Metrics\n"
        "from protoplane.edge.exposition import exposition\n"
        "exposition(Metrics().snapshot())\n"
        "assert not {name for name in sys.modules if name.split('.')[0] in ('grpc', 'grpc_health')}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
