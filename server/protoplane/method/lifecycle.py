"""How resources come to an end: kept for a while or gone at once, alone or with all that stands below them (AIP-135, AIP-164).

Rows of resources without children that are deleted for good need none of this: `Rows.remove_row` does it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from google.protobuf.message import Message

from protoplane.base.errors import Fault, Reason
from protoplane.changes.log import ChangeKind
from protoplane.contract.model import Resource
from protoplane.method.below import Below, Marked, Marks, SoftBelow
from protoplane.method.rows import Ids, Rows, same_etag
from protoplane.store.codec import Row
from protoplane.store.engine import Engine
from protoplane.store.prefixed import MarkedRows, PrefixedRows
from protoplane.store.schema import Storage
from protoplane.store.session import Session
from protoplane.store.statements import select_one
from protoplane.store.tables import Table
from protoplane.store.trouble import HasChildren


class HardLifecycle:
    """Of a resource that is deleted for good, and may have children."""

    def __init__(self, rows: Rows, below: Sequence[Rows], engine: Engine) -> None:
        """`below` holds everything that can stand below the resource, children before their parents."""
        self.rows = rows
        self._below = [Below(other, len(rows.table.keys), engine) for other in below]
        self._own = [one for one in self._below if _is_own(one.rows, rows)]
        """What goes with the row itself: its singletons."""

    def remove(self, session: Session, ids: Ids, etag: str, now_micros: int, *, force: bool) -> Message | None:
        """See `Rows.remove`."""
        del now_micros
        if not (force or self._own):
            self.rows.remove_row(session, ids, etag)
            return None
        with session.savepoint():  # Several statements: code that goes on after a refusal must not keep the first of them.
            row = session.row(self.rows.sql.select_any_for_update, ids)
            if row is None:
                raise self.rows.not_found(ids)
            require_etag(self.rows, etag, row, ids)
            if force:
                self.erase(session, ids, row)
            else:
                for own in self._own:
                    own.erase(session, ids)
                self.rows.remove_row(session, ids, "")
        return None

    def clear(self, session: Session, forced: Sequence[Ids], others: Sequence[Ids]) -> None:
        """Delete for good what goes along with many rows: everything below those that are `forced`, of others their singletons.

        Raises HasChildren, Fault CONCURRENT_WRITE.
        """
        for below in self._below if forced else ():
            below.erase_of_all(session, forced)
        for own in self._own if others else ():
            own.erase_of_all(session, others)

    def erase(self, session: Session, ids: Ids, row: Row) -> None:
        """Delete a row that this transaction has locked, and all below it, for good. Raises Fault CONCURRENT_WRITE."""
        try:
            for below in self._below:
                below.erase(session, ids)
            session.execute(self.rows.sql.delete, ids)
        except HasChildren:  # Somebody made one below a child meanwhile.
            raise Fault(Reason.CONCURRENT_WRITE) from None
        self.rows.forget(session, [ids])
        self.rows.log_rows(session, ChangeKind.DELETED, [(row, None)])


class SoftLifecycle:
    """Of a resource that is kept for a while when it is deleted."""

    def __init__(self, rows: Rows, below: Sequence[Rows], engine: Engine) -> None:
        """`below` as in HardLifecycle."""
        ids = len(rows.table.keys)
        self.rows = rows
        self.hard = HardLifecycle(rows, below, engine)
        """Its end, when it has been kept for long enough."""
        self._marks, self._marked = Marks.of(rows.table), Marked(rows.table)
        self._below = [SoftBelow(other, ids, engine) for other in below if other.table.deleted]
        children = [other.table for other in below if other.resource.parent == rows.resource.key and not _is_own(other, rows)]
        self._find = [_find_child(child, ids, engine) for child in children]
        self._children = [PrefixedRows(child, ids, engine.database, alive=True) for child in children]
        self._bind = engine.dialect.binder(Storage.TIME)
        self.mark_many = MarkedRows(rows.table, ids, sorted(self._marks.set(0)), engine.database)

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
            for below in self._below if force else ():
                below.mark(session, ids, now_micros)
            return self._write(session, ids, row, self._marks.set(now_micros), ChangeKind.DELETED)

    def remove_many(self, session: Session, found: Mapping[Ids, Row], forced: Collection[Ids], now_micros: int) -> dict[Ids, Message]:
        """Delete many that this transaction has locked and that are not deleted, in few statements; gives them as stored.

        Raises as `remove` does, for the first of them.
        """
        self._require_childless(session, [ids for ids in found if ids not in forced])
        times = self._marks.set(now_micros)
        changed = {ids: self._marked.row(row, times) for ids, row in found.items()}
        with session.savepoint():  # As above.
            for below in self._below if forced else ():
                below.mark_of_all(session, sorted(forced), now_micros)
            if self.mark_many.mark(session, found, [self._bind(times[name]) for name in sorted(times)]) != len(found):
                raise Fault(Reason.CONCURRENT_WRITE)  # Not while rows are locked, or the database is this transaction's alone.
            self.rows.log_rows(session, ChangeKind.DELETED, [(tuple(row), changed[ids]) for ids, row in found.items()])
        return {ids: self.rows.message(row) for ids, row in changed.items()}

    def _require_childless(self, session: Session, several: Sequence[Ids]) -> None:
        having = {ids for children in self._children for ids in children.having(session, several)}
        first = next((ids for ids in several if ids in having), None)
        if first is not None:
            raise Fault(Reason.RESOURCE_HAS_CHILDREN, name=self.rows.pattern.format(first))

    def undelete(self, session: Session, ids: Ids, etag: str, now_micros: int) -> Message:
        """Have a deleted resource back, by itself. Raises Fault RESOURCE_NOT_FOUND (also the parent), RESOURCE_NOT_DELETED, ETAG_MISMATCH."""
        rows = self.rows
        row = session.row(rows.sql.select_any_for_update, ids)
        if row is None:
            raise rows.not_found(ids)
        if self._marked.time(row, self._marks.deleted) is None:
            raise Fault(Reason.RESOURCE_NOT_DELETED, name=rows.pattern.format(ids))
        require_etag(rows, etag, row, ids)
        rows.require_parents(session, [ids])
        return self._write(session, ids, row, self._marks.unset(now_micros), ChangeKind.UNDELETED)

    def _write(self, session: Session, ids: Ids, row: Row, times: dict[str, int | None], kind: ChangeKind) -> Message:
        """Write times into a locked row, by column, and count its version up; the resource as stored."""
        rows, changed = self.rows, self._marked.row(row, times)
        update = rows.sql.update(self._marked.places(times))
        if session.execute(update.sql, update.bound(rows.codec.bind(changed), ids, row[rows.version_at])) == 0:
            raise Fault(Reason.CONCURRENT_WRITE)  # Only where the engine does not lock rows: somebody else wrote first.
        rows.log_rows(session, kind, [(tuple(row), changed)])
        return rows.message(changed)


def join_lifecycles(every: Mapping[str, Rows], engine: Engine) -> dict[str, SoftLifecycle]:
    """Give the rows of each resource that needs one its lifecycle; those of the softly deleted ones, by key."""
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


def require_etag(rows: Rows, etag: str, row: Row, ids: Ids) -> None:
    """Fault ETAG_MISMATCH when an etag is given and is not the row's."""
    if etag and not same_etag(etag, row[rows.version_at]):
        raise Fault(Reason.ETAG_MISMATCH, name=rows.pattern.format(ids))


def _is_own(other: Rows, rows: Rows) -> bool:
    """Whether it is a singleton of a resource, which its parent may have and still be without children."""
    return other.resource.pattern.singleton and other.resource.parent == rows.resource.key


def _find_child(table: Table, ids: int, engine: Engine) -> str:
    """Whether a table has a row whose key begins with so many ids, and that is not deleted."""
    shape = table.shape
    return select_one(shape.name, shape.primary_key[:ids], engine.database, unset=table.deleted.name if table.deleted else "")


def _is_below(resource: Resource, kind: str, every: Mapping[str, Rows]) -> bool:
    """Whether a resource stands below those of a key, at any depth."""
    while resource.parent:
        if resource.parent == kind:
            return True
        resource = every[resource.parent].resource
    return False
