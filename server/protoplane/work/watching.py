"""All who read observations of one process: its log, its metrics, and what explains slow calls."""

from __future__ import annotations

from dataclasses import dataclass

from protoplane.base.memory import resident_bytes
from protoplane.base.metrics import Metrics
from protoplane.base.observe import Observe, told_to
from protoplane.store.engine import Engine
from protoplane.work.slow import SlowCalls


@dataclass(frozen=True, slots=True)
class Watching:
    """Readers at work."""

    observe: Observe
    """Tells all of them; 0.7 µs a call."""
    metrics: Metrics
    slow: SlowCalls

    def stop(self) -> None:
        """End what runs on threads of its own; the log is whoever made it's."""
        self.slow.stop()


def watch(engine: Engine, log: Observe, *, slow_seconds: float) -> Watching:
    """Start to count and to explain, beside the log."""
    metrics = Metrics()
    metrics.gauge("protoplane_processes", "Processes that these figures are the sum of.", lambda: 1)
    metrics.gauge("protoplane_resident_bytes", "Memory in RAM.", resident_bytes)
    metrics.gauge("protoplane_connections_in_use", "Database connections that run a session now.", lambda: engine.connections()[0])
    metrics.gauge("protoplane_connections_idle", "Database connections that wait for the next session.", lambda: engine.connections()[1])
    slow = SlowCalls(engine, told_to(log, metrics.observe), seconds=slow_seconds)
    return Watching(told_to(log, metrics.observe, slow.observe), metrics, slow)
