"""How resources come to an end: kept for a while or gone at once, alone or with all that stands below them (AIP-135, AIP-164).

Rows of resources without children that are deleted for good need none of this: `Rows.remove_row` is one statement.

What stands below a resource is found by its key, which begins with the ids of the resource: so one statement a table deletes all of
it, however much that is, children before their parents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from protoplane.base.errors import Fault, Reason
from protoplane.contract.model import Resource, Role
from protoplane.method.rows import Ids, Rows, same_etag
from protoplane.store.engine import Engine
from protoplane.store.schema import Storage
from protoplane.store.session import Session
from protoplane.store.statements import delete_below, mark_below, select_one
from protoplane.store.tables import Table
from protoplane.store.trouble import HasChildren


class HardLifecycle:
    """Of a resource that is deleted for good, and may have children."""

    def __init__(self, rows: Rows, below: Sequence[Rows], engine: Engine) -> None:
        """`below` holds everything that can stand below the resource, children before their parents."""
        ids, database = len(rows.table.keys), engine.database
        self.rows = rows
        self._delete_all = [delete_below(other.table.shape, ids, database) for other in below]
        self._delete_own = [delete_below(other.table.shape, ids, database) for other in below if _is_own(other, rows)]
        """What goes with the row itself: its singletons."""

    def remove(self, session: Session, ids: Ids, etag: str, now_micros: int, *, force: bool) -> Message | None:
        """See `Rows.remove`."""
        del now_micros
        if not (force or self._delete_own):
            self.rows.remove_row(session, ids, etag)
            return None
        with session.savepoint():  # Several statements: code that goes on after a refusal must not keep the first of them.
            row = session.row(self.rows.sql.select_any_for_update, ids)
            if row is None:
                raise self.rows.not_found(ids)
            require_etag(self.rows, etag, row, ids)
            if force:
                self.erase(session, ids)
            else:
                for delete in self._delete_own:
                    session.execute(delete, ids)
                self.rows.remove_row(session, ids, "")
        return None

    def erase(self, session: Session, ids: Ids) -> None:
        """Delete a row that this transaction has locked, and all below it, for good. Raises Fault CONCURRENT_WRITE."""
        try:
            for delete in self._delete_all:
                session.execute(delete, ids)
            session.execute(self.rows.sql.delete, ids)
        except HasChildren:  # Somebody made one below a child meanwhile.
            raise Fault(Reason.CONCURRENT_WRITE) from None


class SoftLifecycle:
    """Of a resource that is kept for a while when it is deleted."""

    def __init__(self, rows: Rows, below: Sequence[Rows], engine: Engine) -> None:
        """`below` as in HardLifecycle."""
        ids, table = len(rows.table.keys), rows.table
        self.rows = rows
        self.hard = HardLifecycle(rows, below, engine)
        """Its end, when it has been kept for long enough."""
        self._marks = Marks.of(table)
        self._below = [(Marks.of(other.table), _mark_below(other.table, ids, engine)) for other in below if other.table.deleted]
        self._find = [
            _find_child(child.table, ids, engine)
            for child in below
            if child.resource.parent == rows.resource.type and not _is_own(child, rows)
        ]
        self._at = {column.name: i for i, column in enumerate(table.columns)}
        self._bind = table.dialect.binder(Storage.TIME)

    def remove(self, session: Session, ids: Ids, etag: str, now_micros: int, *, force: bool) -> Message | None:
        """See `Rows.remove`. What stands below and is not deleted softly stays, until this is gone for good."""
        rows = self.rows
        row = session.row(rows.sql.select_for_update, ids)
        if row is None:
            raise rows.not_found(ids)
        require_etag(rows, etag, row, ids)
        if not force and any(session.row(find, ids) is not None for find in self._find):
            raise Fault(Reason.RESOURCE_HAS_CHILDREN, name=rows.pattern.format(ids))
        with session.savepoint():  # As above.
            for marks, statement in self._below if force else ():
                times = marks.set(now_micros)
                session.execute(statement, (*(self._bind(times[name]) for name in sorted(times)), *ids))
            return self._write(session, ids, row, self._marks.set(now_micros))

    def undelete(self, session: Session, ids: Ids, etag: str, now_micros: int) -> Message:
        """Have a deleted resource back, by itself. Raises Fault RESOURCE_NOT_FOUND (also the parent), RESOURCE_NOT_DELETED, ETAG_MISMATCH."""
        rows = self.rows
        row = session.row(rows.sql.select_any_for_update, ids)
        if row is None:
            raise rows.not_found(ids)
        if row[self._at[self._marks.deleted]] is None:
            raise Fault(Reason.RESOURCE_NOT_DELETED, name=rows.pattern.format(ids))
        require_etag(rows, etag, row, ids)
        rows.require_parents(session, [ids])
        return self._write(session, ids, row, self._marks.unset(now_micros))

    def _write(self, session: Session, ids: Ids, row: Sequence[Any], values: Mapping[str, int | None]) -> Message:
        """Write times into a locked row, by column, and count its version up; the resource as stored."""
        rows, changed = self.rows, list(row)
        version: int = row[rows.version_at]
        changed[rows.version_at] = version + 1
        for name, value in values.items():
            changed[self._at[name]] = value
        update = rows.sql.update((rows.version_at, *sorted(self._at[name] for name in values)))
        if session.execute(update.sql, update.bound(rows.codec.bind(tuple(changed)), ids, version)) == 0:
            raise Fault(Reason.CONCURRENT_WRITE)  # Only where the engine does not lock rows: somebody else wrote first.
        return rows.message(tuple(changed))


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

    def set(self, now_micros: int) -> dict[str, int]:
        """What a delete writes: to delete is a change by a user, so the time of the last one changes too (AIP-148)."""
        times = {self.deleted: now_micros, self.purged: now_micros + self.keep_micros, self.updated: now_micros}
        return {name: time for name, time in times.items() if name}

    def unset(self, now_micros: int) -> dict[str, int | None]:
        """What an undelete writes."""
        times = {self.deleted: None, self.purged: None, self.updated: now_micros}
        return {name: time for name, time in times.items() if name}


def join_lifecycles(every: Mapping[str, Rows], engine: Engine) -> dict[str, SoftLifecycle]:
    """Give the rows of each resource that needs one its lifecycle; those of the softly deleted ones, by type."""
    soft: dict[str, SoftLifecycle] = {}
    for kind, rows in every.items():
        below = sorted(
            (other for other in every.values() if _is_below(other.resource, kind, every)),
            key=lambda other: len(other.resource.pattern.collections),
            reverse=True,
        )
        if rows.resource.soft:
            rows.lifecycle = soft[kind] = SoftLifecycle(rows, below, engine)
        elif below:
            rows.lifecycle = HardLifecycle(rows, below, engine)
    return soft


def require_etag(rows: Rows, etag: str, row: Sequence[Any], ids: Ids) -> None:
    """Fault ETAG_MISMATCH when an etag is given and is not the row's."""
    if etag and not same_etag(etag, row[rows.version_at]):
        raise Fault(Reason.ETAG_MISMATCH, name=rows.pattern.format(ids))


def _mark_below(table: Table, ids: int, engine: Engine) -> str:
    return mark_below(table, sorted(Marks.of(table).set(0)), ids, engine.database)


def _is_own(other: Rows, rows: Rows) -> bool:
    """Whether it is a singleton of a resource, which its parent may have and still be without children."""
    return other.resource.pattern.singleton and other.resource.parent == rows.resource.type


def _find_child(table: Table, ids: int, engine: Engine) -> str:
    """Whether a table has a row whose key begins with so many ids, and that is not deleted."""
    shape = table.shape
    return select_one(shape.name, shape.primary_key[:ids], engine.database, unset=table.deleted.name if table.deleted else "")


def _is_below(resource: Resource, kind: str, every: Mapping[str, Rows]) -> bool:
    """Whether a resource stands below those of a type, at any depth."""
    while resource.parent:
        if resource.parent == kind:
            return True
        resource = every[resource.parent].resource
    return False
