"""The rows of one resource, many at once: what batches and commits share, over `rows`, which says what one row means.

Rows are locked in the order of their keys before anything is written, so that no two batches wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from protoplane.base import limits
from protoplane.base.errors import Fault, Reason, Violation, invalid_fields
from protoplane.changes.log import ChangeKind, Entry, Sealed
from protoplane.method.gather import gather, missing, too_large
from protoplane.method.lifecycle import HardLifecycle, SoftLifecycle, require_etag
from protoplane.method.rows import Change, Ids, Item, Rows, Written, same_etag
from protoplane.store.codec import Row
from protoplane.store.keyed import KeyedRows, RowChange
from protoplane.store.session import Session
from protoplane.store.trouble import Duplicate, HasChildren

if TYPE_CHECKING:
    from protoplane.method.call import Call


@dataclass(frozen=True, slots=True)
class Removal:
    """A resource to be deleted."""

    ids: Ids
    etag: str
    lenient: bool
    """Whether it is no error if it is not there."""
    force: bool = False
    """Whether it goes with all that stands below it."""


class ManyRows:
    """Reads and writes of many rows of one resource, each inside the transaction of the session given. All or nothing."""

    def __init__(self, rows: Rows, keyed: KeyedRows) -> None:
        self.rows, self.keyed = rows, keyed

    def find(self, session: Session, wanted: Sequence[Ids]) -> list[Message]:
        """The resources, in the order wanted. Raises Fault RESOURCE_NOT_FOUND for the first that is not there, ANSWER_TOO_LARGE."""
        found, left = gather(session, self.keyed.everything, wanted, lambda _, row: self.rows.message(row))
        if left:
            raise too_large()
        self._require(wanted, found)
        return [found[ids] for ids in wanted]

    def lock(self, session: Session, wanted: Sequence[Ids]) -> dict[Ids, Row]:
        """The rows that are there, locked, to be given to `change`. Raises Fault ANSWER_TOO_LARGE."""
        locked: dict[Ids, Row] = {}
        room, shown = limits.PAGE_BYTES_MAX, self.keyed.everything
        for found, left in shown.in_pieces(session, wanted, locked=True):
            locked |= found
            if left:
                room -= shown.pieces.bytes_of(found.values())
                if room < 0:
                    raise too_large()
        return locked

    def change(self, session: Session, found: Mapping[Ids, Row], changes: Sequence[tuple[Ids, Change]], now_micros: int) -> list[Message]:
        """Write changes of different resources whose rows were locked; gives these as stored, in the order of the changes.

        Raises what `Rows.change` does: RESOURCE_NOT_FOUND and ETAG_MISMATCH for the first, INVALID_FIELDS for all of them together.
        """
        self._require([ids for ids, _ in changes], found)
        for ids, _ in changes:
            if self.rows.is_deleted(found[ids]):
                raise self.rows.not_found(ids)
        merged: list[tuple[Row, Sealed]] = []
        violations: list[Violation] = []
        for ids, change in changes:
            try:
                merged.append(self.rows.merged(found[ids], ids, change, now_micros))
            except Fault as fault:
                if fault.reason != Reason.INVALID_FIELDS:
                    raise
                violations += fault.violations
        if violations:
            raise invalid_fields(violations)
        changed = [
            RowChange(tuple(found[ids]), after) for (ids, _), (after, _) in zip(changes, merged, strict=True) if after is not found[ids]
        ]
        try:
            self._write(session, changed, changes[0][1].by if changes else None)
        except Duplicate as duplicate:
            items = [Item(ids, change.given, change.path) for ids, change in changes]
            raise self.rows.taken(session, items, duplicate) from None
        stored = [self.rows.as_stored(after) for after, _ in merged]
        entries: list[Entry] = [
            (self.rows.pattern.format(ids), before, self.rows.log.seal(message))
            for message, (ids, _), (after, before) in zip(stored, changes, merged, strict=True)
            if after is not found[ids]
        ]
        if entries:
            self.rows.log.record(session, ChangeKind.UPDATED, entries)
        for message in stored:
            self.rows.checks.clear_input_only(message)
        return stored

    def _write(self, session: Session, changed: Sequence[RowChange], by: Call | None) -> None:
        if not changed:
            return
        keys = len(self.rows.table.keys)
        written = [Written(tuple(one.after[:keys]), one.before, one.after) for one in changed]
        with (
            self.rows.judging(session, written, by),
            session.savepoint(),
        ):  # Several statements: code that goes on after a refusal must not keep the first of them.
            if self.keyed.update(session, changed, self.rows.codec.bind) != len(changed):
                raise Fault(Reason.CONCURRENT_WRITE)  # Not while rows are locked, or the database is this transaction's alone.

    def remove(self, session: Session, removals: Sequence[Removal], now_micros: int) -> list[Message]:
        """Delete different resources; gives those that are kept, in the order of the removals.

        Raises what `Rows.remove` does, for the first that it is true of.
        """
        if isinstance(self.rows.lifecycle, SoftLifecycle):
            return self._mark(session, self.rows.lifecycle, removals, now_micros)
        versions = self.keyed.versions(session, [removal.ids for removal in removals])
        for removal in removals:
            version = versions.get(removal.ids)
            if version is None and not removal.lenient:
                raise self.rows.not_found(removal.ids)
            if version is not None and removal.etag and not same_etag(removal.etag, version):
                raise Fault(Reason.ETAG_MISMATCH, name=self.rows.pattern.format(removal.ids))
        there = [removal for removal in removals if removal.ids in versions]
        others = [removal.ids for removal in there if not removal.force]
        try:
            with session.savepoint():
                if isinstance(self.rows.lifecycle, HardLifecycle):
                    self.rows.lifecycle.clear(session, [removal.ids for removal in there if removal.force], others)
                ids = [removal.ids for removal in there]
                self._log_removal(session, ids)
                self.keyed.remove(session, ids)
                self.rows.forget(session, ids)
        except HasChildren:
            self._name_parent(session, others, now_micros)
        return []

    def _mark(self, session: Session, soft: SoftLifecycle, removals: Sequence[Removal], now_micros: int) -> list[Message]:
        """The same, of what is kept. What is deleted already, where that is no error, is given as it is."""
        rows = self.rows
        found = self.lock(session, [removal.ids for removal in removals])
        alive: dict[Ids, Row] = {}
        for removal in removals:
            row = found.get(removal.ids)
            if row is not None and not rows.is_deleted(row):
                require_etag(rows, removal.etag, row, removal.ids)
                alive[removal.ids] = row
            elif not removal.lenient:
                raise rows.not_found(removal.ids)
        forced = {removal.ids for removal in removals if removal.force and removal.ids in alive}
        marked = soft.remove_many(session, alive, forced, now_micros) if alive else {}
        there = [removal.ids for removal in removals if removal.ids in found]
        return [marked[ids] if ids in marked else rows.message(found[ids]) for ids in there]

    def _log_removal(self, session: Session, there: Sequence[Ids]) -> None:
        """Read what is about to go, a part at a time, and write it down."""
        if not self.rows.log.kept:
            return
        for found, _ in self.keyed.everything.in_pieces(session, there):
            self.rows.log_rows(session, ChangeKind.DELETED, [(row, None) for row in found.values()])

    def _name_parent(self, session: Session, others: Sequence[Ids], now_micros: int) -> None:
        """Raise RESOURCE_HAS_CHILDREN for the first, of those not deleted by force, that has any: the engine does not say which it was."""
        with session.savepoint():
            for ids in others:
                self.rows.remove(session, ids, "", now_micros)
        raise Fault(Reason.CONCURRENT_WRITE)  # The children were deleted in between, or made below one that is deleted by force.

    def _require(self, wanted: Sequence[Ids], found: Mapping[Ids, object]) -> None:
        ids = missing(wanted, found)
        if ids is not None:
            raise self.rows.not_found(ids)
