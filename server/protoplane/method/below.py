"""What stands below a resource in one table, or below many, found by its key, which begins with the ids of the resource.

All of it is deleted or marked by one statement, however much that is. Where the table's changes are logged the rows are read first, so
many at a time, and locked: what the log tells of them is what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from protoplane.base.errors import Fault, Reason
from protoplane.changes.log import ChangeKind
from protoplane.contract.model import Role
from protoplane.method.rows import Ids, Rows
from protoplane.query.order import OrderCompiler
from protoplane.store.codec import Row
from protoplane.store.engine import Engine
from protoplane.store.listing import Listing, parent_values
from protoplane.store.prefixed import MarkedRows, PrefixedRows
from protoplane.store.schema import Storage
from protoplane.store.session import Session
from protoplane.store.statements import delete_below, mark_below
from protoplane.store.tables import Table

LOGGED_AT_ONCE = 500
"""Rows read, and entries written, in one statement."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The columns that say of a row that it is deleted; empty names for those that its contract has no field for."""

    deleted: str
    purged: str
    updated: str
    keep_micros: int

    @classmethod
    def of(cls, table: Table) -> Marks:
        """Those of a table whose rows are deleted softly."""
        assert table.deleted is not None
        updated = table.column_with(Role.UPDATE_TIME)
        return cls(
            deleted=table.deleted.name,
            purged=table.purged.name if table.purged else "",
            updated=updated.name if updated else "",
            keep_micros=table.resource.purge_after_micros,
        )

    def set(self, now_micros: int) -> dict[str, int | None]:
        """What a delete writes: to delete is a change by a user, so the time of the last one changes too (AIP-148)."""
        times = {self.deleted: now_micros, self.purged: now_micros + self.keep_micros, self.updated: now_micros}
        return {name: time for name, time in times.items() if name}

    def unset(self, now_micros: int) -> dict[str, int | None]:
        """What an undelete writes."""
        times = {self.deleted: None, self.purged: None, self.updated: now_micros}
        return {name: time for name, time in times.items() if name}


class Marked:
    """Rows with their marks changed, and their version counted up."""

    def __init__(self, table: Table) -> None:
        self._version_at = len(table.keys)
        self._at = {column.name: i for i, column in enumerate(table.columns)}

    def row(self, row: Row, times: dict[str, int | None]) -> Row:
        """The row as it will be stored."""
        changed = list(row)
        changed[self._version_at] += 1
        for name, time in times.items():
            changed[self._at[name]] = time
        return tuple(changed)

    def places(self, times: dict[str, int | None]) -> tuple[int, ...]:
        """The places in a row that differ then."""
        return (self._version_at, *sorted(self._at[name] for name in times))

    def time(self, row: Row, name: str) -> int | None:
        """The time in a row, by column."""
        time: int | None = row[self._at[name]]
        return time


class Below:
    """What one table holds below the resources of another, whose names have so many ids."""

    def __init__(self, rows: Rows, ids: int, engine: Engine) -> None:
        self.rows = rows
        self._delete = delete_below(rows.table.shape, ids, engine.database)
        self._all = _Locked(rows, ids, engine, alive=False)

    def erase_of_all(self, session: Session, several: Sequence[Ids]) -> None:
        """The same below many resources. Raises as `erase` does."""
        told = self._all.tell_of_all(session, several, lambda _: None)
        require_told(told, self._all.many.remove(session, several))
        self.rows.forget_below(session, several)

    def erase(self, session: Session, ids: Ids) -> None:
        """Delete all of it for good. Raises HasChildren, Fault CONCURRENT_WRITE."""
        told = self._all.tell(session, ids, lambda _: None)
        require_told(told, session.execute(self._delete, ids))
        self.rows.forget_below(session, [ids])


class SoftBelow:
    """The same, of a table whose rows are deleted softly."""

    def __init__(self, rows: Rows, ids: int, engine: Engine) -> None:
        self._marks, self._marked = Marks.of(rows.table), Marked(rows.table)
        self._mark = mark_below(rows.table, sorted(self._marks.set(0)), ids, engine.database)
        self._alive = _Locked(rows, ids, engine, alive=True)
        self._mark_many = MarkedRows(rows.table, ids, sorted(self._marks.set(0)), engine.database)
        self._bind = engine.dialect.binder(Storage.TIME)

    def mark(self, session: Session, ids: Ids, now_micros: int) -> None:
        """Mark as deleted what is not yet. Raises Fault CONCURRENT_WRITE."""
        times = self._marks.set(now_micros)
        told = self._alive.tell(session, ids, lambda row: self._marked.row(row, times))
        require_told(told, session.execute(self._mark, (*(self._bind(times[name]) for name in sorted(times)), *ids)))

    def mark_of_all(self, session: Session, several: Sequence[Ids], now_micros: int) -> None:
        """The same below many resources. Raises as `mark` does."""
        times = self._marks.set(now_micros)
        told = self._alive.tell_of_all(session, several, lambda row: self._marked.row(row, times))
        require_told(told, self._mark_many.mark(session, several, [self._bind(times[name]) for name in sorted(times)]))


class _Locked:
    """The rows below a key, locked and told to the log."""

    def __init__(self, rows: Rows, ids: int, engine: Engine, *, alive: bool) -> None:
        self._rows = rows
        self._listing = Listing(rows.table, engine, parents=range(ids), alive=alive)
        self._order = OrderCompiler(rows.resource, rows.table, fixed_keys=ids).compile("")
        self.many = PrefixedRows(rows.table, ids, engine.database, alive=alive)

    def tell(self, session: Session, ids: Ids, become: Callable[[Row], Row | None]) -> int | None:
        """Log of each row that it is deleted, and what becomes of it; how many they are, None where nothing is logged."""
        if not self._rows.log.kept:
            return None
        count = 0
        for found in self._chunks(session, ids):
            self._rows.log_rows(session, ChangeKind.DELETED, [(tuple(row), become(row)) for row in found])
            count += len(found)
        return count

    def tell_of_all(self, session: Session, several: Sequence[Ids], become: Callable[[Row], Row | None]) -> int | None:
        """The same below many resources: those with little below them share a statement."""
        if not self._rows.log.kept:
            return None
        told = 0
        for some, count in _together(several, self.many.counts(session, several)):
            if count > LOGGED_AT_ONCE:  # Of one alone.
                told += self.tell(session, some[0], become) or 0
            else:
                found = self.many.read_for_update(session, some)
                self._rows.log_rows(session, ChangeKind.DELETED, [(tuple(row), become(row)) for row in found])
                told += len(found)
        return told

    def _chunks(self, session: Session, ids: Ids) -> Iterator[Sequence[Row]]:
        listing, order, after = self._listing, self._order, None
        while True:
            statement = listing.statement(None, order, after)
            values = {"limit": LOGGED_AT_ONCE, **parent_values(ids), **(after.values if after else {})}
            found = session.rows(listing.table.dialect.for_update(statement.sql), statement.bound(values))
            yield found
            if len(found) < LOGGED_AT_ONCE:
                return
            after = order.after(listing.position(order, found[-1]))


def _together(several: Sequence[Ids], counts: Mapping[Ids, int]) -> Iterator[tuple[list[Ids], int]]:
    """Resources in the order of their keys, as many together as have no more below them than is read at once; and how much that is."""
    some: list[Ids] = []
    total = 0
    for ids in sorted(several):
        count = counts.get(ids, 0)
        if some and total + count > LOGGED_AT_ONCE:
            yield some, total
            some, total = [], 0
        some.append(ids)
        total += count
    if some:
        yield some, total


def require_told(told: int | None, written: int) -> None:
    """Fault CONCURRENT_WRITE when more was written than the log was told of: somebody made one meanwhile."""
    if told is not None and told != written:
        raise Fault(Reason.CONCURRENT_WRITE)
