"""The end of what was deleted softly: rows that have been kept for long enough go for good, with all that stands below them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from protoplane.base.deadline import Deadline
from protoplane.method.lifecycle import SoftLifecycle
from protoplane.method.rows import Ids
from protoplane.store.engine import Engine
from protoplane.store.origin import service
from protoplane.store.schema import Storage
from protoplane.store.session import Session
from protoplane.store.statements import Statement, due, due_for_update
from protoplane.store.trimming import server_micros

PURGED_AT_ONCE = 100
"""Resources purged in one transaction, each with what is below it: on SQLite nobody else writes meanwhile."""


class Purge:
    """Deletes what is due, a bounded number at a time. Safe beside other processes that do the same, and beside undeletes."""

    def __init__(self, lifecycles: Iterable[SoftLifecycle], engine: Engine) -> None:
        self._engine = engine
        self._kinds = [_Kind.of(lifecycle, engine) for lifecycle in lifecycles]

    def run(self, *, seconds_max: float) -> int:
        """Purge what is due now; gives how many resources went, what was below them not counted."""
        if not self._kinds:
            return 0
        deadline = Deadline.after(seconds_max)
        now_micros = server_micros(self._engine, deadline)
        return sum(self._purge(kind, now_micros, deadline) for kind in self._kinds)

    def _purge(self, kind: _Kind, now_micros: int, deadline: Deadline) -> int:
        bind = self._engine.dialect.binder(Storage.TIME)
        until, gone = bind(now_micros - kind.late_micros), 0
        values = {"until": until, "limit": PURGED_AT_ONCE}
        while True:
            keys = self._engine.read(lambda session: session.rows(kind.due.sql, kind.due.bound(values)), deadline)
            gone += self._engine.write(lambda session, keys=keys: kind.erase(session, keys, until, now_micros), deadline)  # type: ignore[misc]
            if len(keys) < PURGED_AT_ONCE:
                return gone


@dataclass(frozen=True, slots=True)
class _Kind:
    """One table of rows that are deleted softly."""

    lifecycle: SoftLifecycle
    due: Statement
    still_due: str
    late_micros: int
    """From the time in the column to when the row is due: where the contract has no field for the latter, it is the time of deletion."""

    @classmethod
    def of(cls, lifecycle: SoftLifecycle, engine: Engine) -> _Kind:
        table = lifecycle.rows.table
        column = table.purged or table.deleted
        assert column is not None
        late_micros = 0 if table.purged else table.resource.purge_after_micros
        return cls(lifecycle, due(table, column.name, engine), due_for_update(table, column.name, engine), late_micros)

    def erase(self, session: Session, keys: Sequence[Ids], until: object, now_micros: int) -> int:
        """Delete those that are due still."""
        session.origin = service("housekeeping.purge", now_micros)
        gone, read = 0, self.lifecycle.rows.sql.select_any_for_update
        for key in keys:
            row = session.row(read, key) if session.row(self.still_due, (*key, until)) is not None else None
            if row is not None:
                self.lifecycle.hard.erase(session, key, row)
                gone += 1
        return gone
