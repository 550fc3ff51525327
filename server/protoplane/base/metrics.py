"""What a process counts about itself: calls by method and code, refusals by reason, events, and gauges that are read when asked.

It is told of every call, so each thread counts into lists of its own, without a lock; they are summed when somebody asks. Labels come
from what was registered at start, never from the wire: a caller cannot make the number of series grow.
"""

from __future__ import annotations

import math
import threading
import weakref
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import final

from protoplane.base.errors import Code
from protoplane.base.observe import Event, Observation
from protoplane.base.snapshot import BUCKETS_SECONDS, Counted, Gauge, Snapshot, merged, nothing

UNKNOWN = "unknown"
"""The one method under which all paths are counted that nobody serves."""

OTHER = "OTHER"
"""The one name under which reasons and events beyond the bound are counted."""

REASONS_MAX = 100
"""Reasons counted by name, for each method: ours are fewer, those of custom code should be."""

EVENTS_MAX = 200
"""Events counted by name."""

CODES = {name: place for place, name in enumerate(("OK", *Code.__members__))}
"""Code → place in a row. A row is the counts of one method on one thread: by code, by bucket, then the seconds."""

CODE_UNKNOWN = CODES["UNKNOWN"]
BUCKETS = len(CODES)
SECONDS = BUCKETS + len(BUCKETS_SECONDS) + 1


@final
class _Counts:
    """What one thread counts. Only that thread writes."""

    __slots__ = ("events", "reasons", "rows")

    def __init__(self) -> None:
        self.rows: dict[str, list[float]] = {}
        self.reasons: dict[str, dict[str, int]] = {}
        self.events: dict[str, dict[str, int]] = {}


@final
class _Owner:
    """Kept by a thread alone: gone when the thread is."""

    __slots__ = ("__weakref__",)


@final
class Metrics:
    """Counts what it observes. Everything is registered before the first call."""

    def __init__(self) -> None:
        self._types: dict[str, str] = {UNKNOWN: ""}
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._local = threading.local()
        self._lock = threading.Lock()  # Of what follows; taken once by each thread, and when somebody asks.
        self._threads: list[tuple[weakref.ref[_Owner], _Counts]] = []
        self._ended: Snapshot = Snapshot(methods={}, events={}, gauges={})
        """What threads counted that are gone."""

    def serve(self, types: Mapping[str, str]) -> None:
        """These methods are there: path → `unary`, `client_stream`, `server_stream` or `bidi_stream`."""
        self._types |= types

    def gauge(self, name: str, help: str, value: Callable[[], float]) -> None:  # noqa: A002 - Prometheus' word for it.
        """Something to be read whenever somebody asks; one that fails is left out then. Gauges of several processes are summed."""
        self._gauges[name] = (help, value)

    def observe(self, seen: Observation) -> None:
        """Count it; a call costs 0.3 µs, which is why this is one piece."""
        if isinstance(seen, Event):
            self._count_event(seen)
            return
        try:
            row = self._local.rows[seen.method]
        except (AttributeError, KeyError):
            row = self._row(seen.method)
        seconds = seen.stages.seconds()
        row[CODES.get(seen.code, CODE_UNKNOWN)] += 1
        row[BUCKETS + bisect_left(BUCKETS_SECONDS, seconds)] += 1
        row[SECONDS] += seconds
        if seen.reason:
            self._count_reason(seen.method, seen.reason)

    def snapshot(self) -> Snapshot:
        """Everything up to now."""
        with self._lock:
            gone = [counts for owner, counts in self._threads if owner() is None]
            self._threads = [(owner, counts) for owner, counts in self._threads if owner() is not None]
            self._ended = merged([self._ended, *map(self._counted, gone)])
            whole = merged([self._served(), self._ended, *(self._counted(counts) for _, counts in self._threads)])
        for name, (text, read) in self._gauges.items():
            try:
                value = float(read())
            except Exception:  # noqa: BLE001, S112 - what cannot be read now is not known now; the rest is.
                continue
            if math.isfinite(value):  # JSON has no word for the others.
                whole["gauges"][name] = Gauge(help=text, value=value)
        return whole

    def _mine(self) -> _Counts:
        """The counts of this thread."""
        try:
            counts: _Counts = self._local.counts
        except AttributeError:
            counts = self._local.counts = _Counts()
            self._local.rows = counts.rows
            owner = self._local.owner = _Owner()
            with self._lock:
                self._threads.append((weakref.ref(owner), counts))
        return counts

    def _row(self, path: str) -> list[float]:
        known = path if path in self._types else UNKNOWN
        return self._mine().rows.setdefault(known, [0] * (SECONDS + 1))

    def _count_reason(self, path: str, reason: str) -> None:
        known = path if path in self._types else UNKNOWN
        _count(self._mine().reasons.setdefault(known, {}), reason, REASONS_MAX)

    def _count_event(self, event: Event) -> None:
        _count(self._mine().events.setdefault(event.level.value, {}), event.name, EVENTS_MAX)

    def _counted(self, counts: _Counts) -> Snapshot:
        """What one thread has counted. Copies are made in one step each: the thread goes on meanwhile."""
        methods = {}
        for path, row in counts.rows.copy().items():
            methods[path] = self._method(path, row.copy(), counts.reasons.get(path, {}).copy())
        events = {level: names.copy() for level, names in counts.events.copy().items()}
        return Snapshot(methods=methods, events=events, gauges={})

    def _method(self, path: str, row: list[float], reasons: dict[str, int]) -> Counted:
        codes = {code: int(row[place]) for code, place in CODES.items() if row[place]}
        return Counted(
            type=self._types[path],
            codes=codes,
            reasons=reasons,
            buckets=[int(count) for count in row[BUCKETS:SECONDS]],
            seconds=row[SECONDS],
        )

    def _served(self) -> Snapshot:
        """Every method from the start, with nothing counted yet: a series that begins with its first failure hides it from `rate`."""
        return Snapshot(methods={path: nothing(kind) for path, kind in self._types.items()}, events={}, gauges={})


def _count(counts: dict[str, int], name: str, names_max: int) -> None:
    if name not in counts and len(counts) >= names_max:
        name = OTHER
    counts[name] = counts.get(name, 0) + 1
