"""What a process has counted, as a value that can be sent to another process as JSON; and how several become one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of durations; one more bucket holds what took longer."""


class Counted(TypedDict):
    """What happened to the calls of one method."""

    type: str
    """`unary`, `client_stream`, `server_stream`, `bidi_stream`; empty where nobody knows."""
    codes: dict[str, int]
    """Calls answered, by the name of their status code."""
    reasons: dict[str, int]
    """Calls refused, by reason."""
    buckets: list[int]
    """Calls by duration: one number for each of BUCKETS_SECONDS, and one for what took longer; not cumulated."""
    seconds: float
    """Of all calls together."""


class Gauge(TypedDict):
    """Something that goes up and down, as it is now."""

    help: str
    value: float


class Snapshot(TypedDict):
    """Everything counted so far, and every gauge."""

    methods: dict[str, Counted]
    """By path."""
    events: dict[str, dict[str, int]]
    """By level, then by name."""
    gauges: dict[str, Gauge]


def nothing(kind: str) -> Counted:
    """A method of this type that was not called."""
    return Counted(type=kind, codes={}, reasons={}, buckets=[0] * (len(BUCKETS_SECONDS) + 1), seconds=0.0)


def merged(snapshots: Iterable[Snapshot]) -> Snapshot:
    """One snapshot of several processes: every count and every gauge is their sum. None of them is changed."""
    whole = Snapshot(methods={}, events={}, gauges={})
    for snapshot in snapshots:
        for path, counted in snapshot["methods"].items():
            _count(whole["methods"].setdefault(path, nothing(counted["type"])), counted)
        for level, names in snapshot["events"].items():
            _add(whole["events"].setdefault(level, {}), names)
        for name, gauge in snapshot["gauges"].items():
            found = whole["gauges"].setdefault(name, Gauge(help=gauge["help"], value=0.0))
            found["value"] += gauge["value"]
    return whole


def ended(snapshot: Snapshot) -> Snapshot:
    """What stays of a process that has ended: what it counted, so that no sum goes down; its gauges have gone with it."""
    return {**snapshot, "gauges": {}}


def _add(total: dict[str, int], counts: Mapping[str, int]) -> None:
    """Add to counts by name."""
    for name, count in counts.items():
        total[name] = total.get(name, 0) + count


def _count(total: Counted, counted: Counted) -> None:
    _add(total["codes"], counted["codes"])
    _add(total["reasons"], counted["reasons"])
    total["buckets"] = [mine + yours for mine, yours in zip(total["buckets"], counted["buckets"], strict=True)]
    total["seconds"] += counted["seconds"]
