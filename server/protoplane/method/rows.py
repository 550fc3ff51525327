"""The rows of one resource: what every way of reading and writing them shares.

Standard methods, batches, and a team's own code through `Call` all come through here, so that names, ids, checks, etags
and times mean the same everywhere. Nothing here asks who the caller is.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from google.protobuf.message import Message

from protoplane.base.errors import Fault, Reason, Violation, invalid_fields
from protoplane.changes.log import ChangeKind, Entry, Sealed, Unlogged
from protoplane.contract.model import IdSource, Resource, Role
from protoplane.contract.names import ANY, Id, NamePattern, new_id, new_number
from protoplane.method.checks import ResourceChecks
from protoplane.query.mask import Mask, Writer
from protoplane.store.codec import Codec, Row, etag_of
from protoplane.store.session import Session
from protoplane.store.statements import TableStatements
from protoplane.store.tables import Table
from protoplane.store.trouble import Duplicate, HasChildren, ParentMissing

if TYPE_CHECKING:
    from protoplane.method.call import Call
    from protoplane.method.row_guard import RowGuard

Ids = tuple[Id, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A row before and after a write; of one that was just made, before it the row that nobody wrote anything into."""

    ids: Ids
    before: Row
    after: Row


@dataclass(frozen=True, slots=True)
class Item:
    """One resource to be created: its ids, the message, and where it stands in the request (`book`, `requests[2].book`)."""

    ids: Ids
    message: Message
    path: str
    made: bool = False
    """Whether its last id was made here."""
    by: Call | None = None
    """The call that creates it; None for the service's own work."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an update writes."""

    given: Message
    mask: Mask
    path: str = ""
    """Where `given` stands in the request: `book`."""
    writer: Writer = Writer.CALLER
    by: Call | None = None
    """The call that writes it; None for the service's own work."""


class Lifecycle(Protocol):
    """What deleting a resource means to what stands below it, and whether it is kept; see `method.lifecycle`."""

    def remove(self, session: Session, ids: Ids, etag: str, now_micros: int, *, force: bool) -> Message | None:
        """See `Rows.remove`."""


class Rows:
    """Reads and writes of one resource's table, each inside the transaction of the session given."""

    def __init__(self, *, table: Table, codec: Codec, statements: TableStatements, checks: ResourceChecks, log: Unlogged) -> None:
        self.table, self.codec, self.sql, self.checks, self.log = table, codec, statements, checks, log
        self.resource: Resource = table.resource
        self.pattern = NamePattern(self.resource.pattern, self.resource.id)
        self.nested = len(self.resource.pattern.variables) > 1
        self._parent_text = self.resource.pattern.text.rpartition("/")[0].rpartition("/")[0]
        self._levels = len(self.resource.pattern.collections) - 1  # Ids in the name of the parent.
        self.lifecycle: Lifecycle | None = None
        """What deleting means where it is more than deleting one row: set by `method.lifecycle`."""
        self.guard: RowGuard | None = None
        """What relations mean to it, where there are any: set by `method.compile`."""
        self.ancestors: Mapping[int, Rows] = {}
        """Of what stands above it and is stored here, by the number of ids in its name; set when all rows are there."""
        self._new = self.resource.message_class
        self._deleted_at = table.columns.index(table.deleted) if table.deleted is not None else None
        self.version_at = len(table.keys)
        """Place of the row version in a row."""
        self._created = self.resource.with_role(Role.CREATE_TIME)
        self._updated = self.resource.with_role(Role.UPDATE_TIME)
        self._uid = self.resource.with_role(Role.UID)
        self._etag = self.resource.with_role(Role.ETAG)

    # Names

    def locate(self, name: str, field: str) -> Ids:
        """The ids in a resource name; Fault INVALID_NAME naming the request field it stood in."""
        ids = self.pattern.parse(name)
        if ids is None:
            raise invalid_name(name, field, self.resource.pattern.text)
        return ids

    def locate_parent(self, parent: str, field: str) -> Ids:
        """The ids in the name of the parent; empty for resources at the top, whose parent must be empty."""
        if not self.nested:
            if parent:
                raise invalid_name(parent, field, "an empty parent")
            return ()
        ids = self.pattern.parse_parent(parent)
        if ids is None:
            raise invalid_name(parent, field, self._parent_text)
        return ids

    def locate_parents(self, parent: str, field: str) -> Ids:
        """The ids in the name of a parent, or, where there is ANY among them, of all parents that it stands for."""
        ids = self.pattern.parse_parents(parent) if self.nested else None
        return self.locate_parent(parent, field) if ids is None else ids

    def take_id(self, given: str, field: str) -> Id:
        """The id of a new resource: the caller's, if its rule allows one and it fits, or a new one."""
        rule = self.resource.id
        if not given:
            if rule.source is IdSource.CLIENT:
                raise invalid_fields([Violation(field, "must be given: this resource's ids are chosen by its callers", "ID_REQUIRED")])
            return self.make_id()
        if rule.source is IdSource.SERVER:
            raise invalid_fields([Violation(field, "must be empty: this resource's ids are made by the service", "ID_NOT_ALLOWED")])
        if not self.pattern.is_new_id(given):
            raise invalid_fields([Violation(field, f"must match {rule.pattern}", "ID_MALFORMED")])
        return int(given) if rule.integer else given

    def make_id(self) -> Id:
        """An id of the server's own, sorted by time."""
        return new_number() if self.resource.id.integer else new_id()

    # Reads

    def one(self, session: Session, ids: Ids) -> Message | None:
        """The resource, or None."""
        row = session.row(self.sql.select, ids)
        return None if row is None else self.message(row)

    def find(self, session: Session, ids: Ids) -> Message:
        """The resource; Fault RESOURCE_NOT_FOUND."""
        found = self.one(session, ids)
        if found is None:
            raise self.not_found(ids)
        return found

    def default(self, session: Session, ids: Ids) -> Row | None:
        """What is there without a row: nothing, but for singletons."""
        del session, ids
        return None

    def exists(self, session: Session, ids: Ids) -> bool:
        """Whether the resource is there."""
        return session.row(self.sql.exists, ids) is not None

    def parent_exists(self, session: Session, ids: Ids) -> bool:
        """Whether the parent is there; true where parents are not stored here."""
        return self.sql.parent_exists is None or session.row(self.sql.parent_exists, ids) is not None

    def require_scope(self, session: Session, parent: Ids) -> None:
        """Fault RESOURCE_NOT_FOUND if the parent of a List is not there; of ANY parent, the one that it stands below."""
        known = parent.index(ANY) if ANY in parent else len(parent)
        if known == len(parent):
            if not self.parent_exists(session, parent):
                raise self.parent_not_found(parent)
        elif known in self.ancestors and not self.ancestors[known].exists(session, parent[:known]):
            raise self.ancestors[known].not_found(parent[:known])

    def message(self, row: Row) -> Message:
        """A row as callers see it."""
        message = self.as_stored(row)
        self.checks.clear_input_only(message)
        return message

    def as_stored(self, row: Row, new: Callable[[], Message] | None = None) -> Message:
        """A row with everything in it, also what is never shown: for the service's own eyes."""
        message = (new or self._new)()
        self.codec.fill(message, row)
        return message

    def not_found(self, ids: Ids) -> Fault:
        """The refusal for a resource that is not there."""
        return Fault(Reason.RESOURCE_NOT_FOUND, name=self.pattern.format(ids))

    def parent_not_found(self, parent: Ids) -> Fault:
        """The refusal for a parent that is not there."""
        return Fault(Reason.RESOURCE_NOT_FOUND, name=self.pattern.format_parent(parent))

    # Writes

    def insert(self, session: Session, items: Sequence[Item], now_micros: int, new: Callable[[], Message] | None = None) -> list[Message]:
        """Store new resources, in order, all or none; gives them as stored. `new` makes the messages, where they belong into an answer.

        Raises Fault INVALID_FIELDS, RESOURCE_EXISTS, RESOURCE_NOT_FOUND (the parent).
        """
        self._complete(items, now_micros)
        violations = [v for item in items for v in self.checks.on_create(item.message, item.path)]
        if violations:
            raise invalid_fields(violations)
        if self.sql.parent_alive is not None:
            self.require_parents(session, [item.ids for item in items])
        versions = first_versions(len(items))
        rows = [self.codec.row(item.message, item.ids, version) for item, version in zip(items, versions, strict=True)]
        try:
            if len(rows) == 1:
                session.execute(self.sql.insert, self.codec.bind(rows[0]))
            else:
                with session.savepoint():  # Several statements: code that goes on after a refusal must not keep the first of them.
                    session.execute_many(self.sql.insert, [self.codec.bind(row) for row in rows])
        except Duplicate as duplicate:
            if self.resource.id.integer and duplicate.index is None and all(item.made for item in items):
                return self.insert(session, [replace(item, ids=(*item.ids[:-1], self.make_id())) for item in items], now_micros, new)
            raise self.taken(session, items, duplicate) from None
        except ParentMissing:
            parents = dict.fromkeys(item.ids[: self._levels] for item in items)
            raise self.parent_not_found(
                next((ids for ids in parents if not self.parent_exists(session, ids)), items[0].ids[: self._levels])
            ) from None
        stored = [self.as_stored(row, new) for row in rows]
        if self.log.kept:
            created: list[Entry] = [
                (self.pattern.format(item.ids), None, self.log.seal(after)) for item, after in zip(items, stored, strict=True)
            ]
            self.log.record(session, ChangeKind.CREATED, created)
        if self.guard is not None:
            self.guard.created(session, [(item.ids, row) for item, row in zip(items, rows, strict=True)], items[0].by)
        for message in stored:
            self.checks.clear_input_only(message)
        return stored

    def change(self, session: Session, ids: Ids, change: Change, now_micros: int) -> Message:
        """Write the masked fields of a change into a resource; gives it as stored.

        A write that changes nothing leaves version and times as they are. Raises Fault RESOURCE_NOT_FOUND,
        ETAG_MISMATCH (when what is given carries one), INVALID_FIELDS, CONCURRENT_WRITE.
        """
        row = session.row(self.sql.select_for_update, ids)
        if row is None:
            raise self.not_found(ids)
        changed, before = self.merged(row, ids, change, now_micros)
        if changed is row:
            return self.message(row)
        positions = tuple(i for i, (old, new) in enumerate(zip(row, changed, strict=True)) if old != new)
        update = self.sql.update(positions)
        with self.judging(session, [Written(ids, row, changed)], change.by):
            try:
                count = session.execute(update.sql, update.bound(self.codec.bind(changed), ids, row[self.version_at]))
            except Duplicate as duplicate:
                raise self.taken(session, [Item(ids, change.given, change.path)], duplicate) from None
            if count == 0:  # Only where the engine does not lock rows: somebody else wrote first.
                raise Fault(Reason.CONCURRENT_WRITE)
        after = self.as_stored(changed)
        self.log.record(session, ChangeKind.UPDATED, [(self.pattern.format(ids), before, self.log.seal(after))])
        self.checks.clear_input_only(after)
        return after

    def merged(self, row: Row, ids: Ids, change: Change, now_micros: int) -> tuple[Row, Sealed]:
        """What a change makes of a row, the very same row when that is nothing, and what the log keeps of it as it was.

        Raises Fault ETAG_MISMATCH, INVALID_FIELDS.
        """
        version: int = row[self.version_at]
        self.check_etag(change.given, version, ids)
        stored = self.as_stored(row)
        before = self.log.seal(stored)
        change.mask.apply(stored, change.given, prefix=f"{change.path}." if change.path else "", writer=change.writer)
        violations = self.checks.on_update(stored, change.mask, change.path)
        if violations:
            raise invalid_fields(violations)
        if self.codec.row(stored, ids, version) == tuple(row):
            return row, before
        if self._updated is not None:
            set_time(stored, self._updated.name, moment_of(now_micros))
        return self.codec.row(stored, ids, version + 1), before

    def is_deleted(self, row: Row) -> bool:
        """Whether a row is of a resource that is deleted and kept."""
        return self._deleted_at is not None and row[self._deleted_at] is not None

    def require_parents(self, session: Session, several: Sequence[Ids]) -> None:
        """Fault RESOURCE_NOT_FOUND naming a parent that is not there, or deleted and kept; the others stay as they are for this transaction."""
        if self.sql.parent_alive is not None:
            for parent in sorted({ids[: self._levels] for ids in several}):  # In one order everywhere, so that no two wait for each other.
                if session.row(self.sql.parent_alive, parent) is None:
                    raise self.parent_not_found(parent)

    def remove(self, session: Session, ids: Ids, etag: str, now_micros: int, *, force: bool = False) -> Message | None:
        """Delete a resource, by `force` with all that stands below it; gives it where deleted ones are kept.

        Raises Fault RESOURCE_NOT_FOUND, ETAG_MISMATCH, RESOURCE_HAS_CHILDREN, CONCURRENT_WRITE.
        """
        if self.lifecycle is not None:
            return self.lifecycle.remove(session, ids, etag, now_micros, force=force)
        self.remove_row(session, ids, etag)
        return None

    def remove_row(self, session: Session, ids: Ids, etag: str) -> None:
        """Delete one row for good. Raises as `remove` does."""
        try:
            if not etag and not self.log.kept:
                if session.execute(self.sql.delete, ids) == 0:
                    raise self.not_found(ids)
                self.forget(session, [ids])
                return
            row = session.row(self.sql.select_for_update, ids)
            if row is None:
                raise self.not_found(ids)
            if etag and not same_etag(etag, row[self.version_at]):
                raise Fault(Reason.ETAG_MISMATCH, name=self.pattern.format(ids))
            if session.execute(self.sql.delete_version, (*ids, row[self.version_at])) == 0:
                raise Fault(Reason.CONCURRENT_WRITE)  # Only where the engine does not lock rows: somebody else wrote first.
        except HasChildren:
            raise Fault(Reason.RESOURCE_HAS_CHILDREN, name=self.pattern.format(ids)) from None
        self.forget(session, [ids])
        self.log_rows(session, ChangeKind.DELETED, [(row, None)])

    def show(self, call: Call, found: Sequence[tuple[Ids, Message]]) -> None:
        """Clear, in messages of these resources, what the caller may not see."""
        if self.guard is not None:
            self.guard.hide(call, found)

    def judging(self, session: Session, written: Sequence[Written], by: Call | None) -> AbstractContextManager[None]:
        """Around the statement that writes rows: whether who writes them may write these fields. Raises Fault FIELD_DENIED."""
        return nullcontext() if self.guard is None else self.guard.judging(session, written, by)

    def forget(self, session: Session, several: Sequence[Ids]) -> None:
        """Resources are gone for good: what was said of relations to them, or of theirs to others, goes with them."""
        if self.guard is not None:
            self.guard.forget(session, several)

    def forget_below(self, session: Session, several: Sequence[Ids]) -> None:
        """The same of all that stood below some."""
        if self.guard is not None:
            self.guard.forget_below(session, several)

    def log_rows(self, session: Session, kind: ChangeKind, pairs: Sequence[tuple[Row | None, Row | None]]) -> None:
        """Write down what statements of many rows have done to each: the row before, after (None where there was or is none), as read and written."""
        if self.log.kept and pairs:
            self.log.record(session, kind, [self._entry(before, after) for before, after in pairs])

    def _entry(self, before: Row | None, after: Row | None) -> Entry:
        seal, keys = self.log.seal, self.version_at
        row = before or after or ()
        sealed = None if before is None else seal(self.as_stored(before)), None if after is None else seal(self.as_stored(after))
        return self.pattern.format(tuple(row[:keys])), *sealed

    def check_etag(self, given: Message, version: int, ids: Ids) -> None:
        """Fault ETAG_MISMATCH when the message carries an etag other than the row's."""
        etag: str = getattr(given, self._etag.name) if self._etag is not None else ""
        if etag and not same_etag(etag, version):
            raise Fault(Reason.ETAG_MISMATCH, name=self.pattern.format(ids))

    def refuse_etag(self, given: Message, ids: Ids) -> None:
        """Fault ETAG_MISMATCH when a message carries an etag and there is no row that could have it."""
        if self._etag is not None and getattr(given, self._etag.name):
            raise Fault(Reason.ETAG_MISMATCH, name=self.pattern.format(ids))

    def _complete(self, items: Sequence[Item], now_micros: int) -> None:
        """Fill in what the service says, so that rules over the whole resources see them as they will be stored."""
        name = self.resource.name_field.name
        uid = None if self._uid is None else self._uid.name
        times = [field.name for field in (self._created, self._updated) if field is not None]
        moment = moment_of(now_micros)
        for item in items:
            setattr(item.message, name, self.pattern.format(item.ids))
            for time in times:
                set_time(item.message, time, moment)
            if uid is not None:
                setattr(item.message, uid, str(uuid.uuid4()))

    def taken(self, session: Session, items: Sequence[Item], duplicate: Duplicate) -> Fault:
        """The refusal for a name, or for values that must be unique, which another resource has."""
        indexes = zip(
            self.resource.indexes, self.table.shape.indexes, strict=False
        )  # After the contract's come our own, which are not unique.
        paths = next((rule.paths for rule, index in indexes if index.name == duplicate.index), ())
        if not paths:
            item = next((item for item in items if self.exists(session, item.ids)), items[0])
            return Fault(Reason.RESOURCE_EXISTS, name=self.pattern.format(item.ids))
        # The engine does not say which of several rows it was; with one there is no doubt.
        prefix = f"{items[0].path}." if len(items) == 1 and items[0].path else ""
        violations = [Violation(prefix + path, "holds a value that another resource has already", "NOT_UNIQUE") for path in paths]
        return Fault(Reason.RESOURCE_EXISTS, name=self.pattern.format(items[0].ids), violations=violations)


def lock_order(resource: Resource) -> tuple[int, str]:
    """By this everybody who locks rows of several tables sorts them, so that no two wait for each other: parents before their children."""
    return len(resource.pattern.collections), resource.key


VERSION_BITS, VERSION_BYTES = 62, 8
"""Random start of a row's version: a row made anew never has an old etag, and 2^62 updates fit above it."""


def first_versions(count: int) -> Iterator[int]:
    """Versions of new rows; the system is asked for chance once, however many there are."""
    chance = secrets.token_bytes(VERSION_BYTES * count)
    return (
        int.from_bytes(chance[at : at + VERSION_BYTES]) >> VERSION_BYTES * 8 - VERSION_BITS for at in range(0, len(chance), VERSION_BYTES)
    )


def invalid_name(name: str, field: str, patterns: str) -> Fault:
    """INVALID_ARGUMENT for a name that does not fit its pattern."""
    return Fault(
        Reason.INVALID_NAME,
        name=name,
        field=field,
        patterns=patterns,
        violations=[Violation(field, f"must fit {patterns}", "INVALID_NAME")],
    )


def same_etag(etag: str, version: int) -> bool:
    """Whether an etag, weak (`W/`) or strong, is that of a row version."""
    return etag.removeprefix("W/") == etag_of(version)


def moment_of(micros: int) -> tuple[int, int]:
    """The seconds and nanos of a Timestamp."""
    seconds, rest = divmod(micros, 1_000_000)
    return seconds, rest * 1_000


def set_time(message: Message, name: str, moment: tuple[int, int]) -> None:
    """Set a Timestamp field."""
    stamp = getattr(message, name)
    stamp.seconds, stamp.nanos = moment
