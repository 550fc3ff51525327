"""Singletons (AIP-156): one below each parent, there as long as the parent is.

A row is written by the first update that changes anything. Until then the resource is its defaults, with the etag of version 0, which
no row has: so parents are created as they were, and a singleton may be added to a contract whose parents are there already.
"""

from __future__ import annotations

import secrets

from google.protobuf.message import Message

from protoplane.base.errors import invalid_fields
from protoplane.changes.log import ChangeKind
from protoplane.method.rows import VERSION_BITS, Change, Ids, Item, Rows, Written
from protoplane.store.codec import Row, etag_of
from protoplane.store.session import Session
from protoplane.store.trouble import Duplicate, ParentMissing

UNWRITTEN = 0
"""Row version of what has no row yet: those of rows begin at random, and count up."""


class SingletonRows(Rows):
    """The rows of a singleton; what has none is there all the same, if its parent is."""

    def one(self, session: Session, ids: Ids) -> Message | None:
        """See Rows."""
        found = super().one(session, ids)
        return self.unwritten(ids) if found is None and self.parent_exists(session, ids) else found

    def exists(self, session: Session, ids: Ids) -> bool:
        """See Rows."""
        return super().exists(session, ids) or self.parent_exists(session, ids)

    def default(self, session: Session, ids: Ids) -> Row | None:
        """See Rows."""
        return self.unwritten_row(ids) if self.parent_exists(session, ids) else None

    def unwritten_row(self, ids: Ids) -> Row:
        """The row that would hold it before anything was written."""
        return self.codec.row(self.unwritten(ids), ids, UNWRITTEN)

    def unwritten(self, ids: Ids) -> Message:
        """The resource before anything was written."""
        message = self._new()
        setattr(message, self.resource.name_field.name, self.pattern.format(ids))
        if self._etag is not None:
            setattr(message, self._etag.name, etag_of(UNWRITTEN))
        return message

    def change(self, session: Session, ids: Ids, change: Change, now_micros: int) -> Message:
        """See Rows. Of a parent that is deleted and kept nothing is changed: RESOURCE_NOT_FOUND."""
        self.require_parents(session, [ids])
        if not super().exists(session, ids):
            try:
                return self._write_first(session, ids, change, now_micros)
            except Duplicate as duplicate:
                if not super().exists(session, ids):
                    raise self.taken(session, [Item(ids, change.given, change.path)], duplicate) from None
                # Somebody else was quicker: then it is an update.
        return super().change(session, ids, change, now_micros)

    def _write_first(self, session: Session, ids: Ids, change: Change, now_micros: int) -> Message:
        """Merge a change into the defaults and store that. Raises as `change` does, and Duplicate."""
        if not self.parent_exists(session, ids):
            raise self.not_found(ids)
        self.check_etag(change.given, UNWRITTEN, ids)
        stored = self.unwritten(ids)
        change.mask.apply(stored, change.given, prefix=f"{change.path}." if change.path else "", writer=change.writer)
        violations = self.checks.on_update(stored, change.mask, change.path)
        if violations:
            raise invalid_fields(violations)
        if self.codec.row(stored, ids, UNWRITTEN) == self.codec.row(self.unwritten(ids), ids, UNWRITTEN):
            return self.unwritten(ids)
        self._complete([Item(ids, stored, change.path)], now_micros)
        row = self.codec.row(stored, ids, secrets.randbits(VERSION_BITS))
        with self.judging(session, [Written(ids, self.unwritten_row(ids), row)], change.by):
            try:
                session.execute(self.sql.insert, self.codec.bind(row))
            except ParentMissing:  # It went meanwhile.
                raise self.not_found(ids) from None
        self.log_rows(session, ChangeKind.CREATED, [(None, row)])
        return self.message(row)
