"""Snapshots as Prometheus reads them: its text format, written by its own library."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from protoplane.base.metrics import UNKNOWN
from protoplane.base.snapshot import BUCKETS_SECONDS, Counted, Snapshot

if TYPE_CHECKING:
    from prometheus_client import Metric

METHOD = ("grpc_type", "grpc_service", "grpc_method")
"""Labels of a method, as every gRPC middleware calls them, so that ready-made dashboards fit."""


def exposition(snapshot: Snapshot) -> bytes:
    """The snapshot in the text format, version 0.0.4."""
    from prometheus_client import CollectorRegistry, generate_latest  # 40 ms, for those who have metrics at all.

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(snapshot))
    return generate_latest(registry)


class _Collector:
    """What the library asks for metrics."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        yield from _calls(self._snapshot)
        yield from _others(self._snapshot)


def _calls(snapshot: Snapshot) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    handled = CounterMetricFamily("grpc_server_handled", "Calls answered, by status code.", labels=(*METHOD, "grpc_code"))
    handling = HistogramMetricFamily("grpc_server_handling_seconds", "Time from the beginning of a call to its answer.", labels=METHOD)
    refused = CounterMetricFamily("protoplane_refused", "Calls refused, by reason.", labels=("grpc_service", "grpc_method", "reason"))
    for path, counted in sorted(snapshot["methods"].items()):
        if path == UNKNOWN and not counted["codes"]:
            continue
        labels = _labels(path, counted)
        for code, count in sorted({"OK": 0, **counted["codes"]}.items()):
            handled.add_metric([*labels, code], count)
        bounds = [*(str(bound) for bound in BUCKETS_SECONDS), "+Inf"]
        handling.add_metric(labels, [*zip(bounds, accumulate(counted["buckets"]), strict=True)], counted["seconds"])
        for reason, count in sorted(counted["reasons"].items()):
            refused.add_metric([*labels[1:], reason], count)
    yield from (handled, handling, refused)


def _others(snapshot: Snapshot) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    events = CounterMetricFamily("protoplane_events", "Events, as the log has them.", labels=("event", "level"))
    for level, names in sorted(snapshot["events"].items()):
        for name, count in sorted(names.items()):
            events.add_metric([name, level], count)
    yield events
    for name, gauge in sorted(snapshot["gauges"].items()):
        yield GaugeMetricFamily(name, gauge["help"], value=gauge["value"])


def _labels(path: str, counted: Counted) -> list[str]:
    """Type, service and method of `/service/method`."""
    service, _, method = path.removeprefix("/").rpartition("/")
    return [counted["type"] or UNKNOWN, service or UNKNOWN, method]
