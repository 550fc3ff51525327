"""The entries of one resource's rows, each written in the transaction of the write it tells of.

An entry says who, when, by which method and call, which resource, and holds it before and after as serialised messages of its type.
`method.rows` writes them, so whatever changes rows through it is in the log; queries of a team's own on Peewee models are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeAlias

from google.protobuf.message import Message

from protoplane.changes.redaction import NOTHING, Hidden, Redact, changed_paths, compile_redaction
from protoplane.contract.model import Resource
from protoplane.store.engine import Engine
from protoplane.store.origin import Origin
from protoplane.store.schema import Storage
from protoplane.store.session import Session
from protoplane.store.statements import insert, update_by_key
from protoplane.store.system import CHANGE_TABLE

TOGETHER_BYTES_MAX = 1024 * 1024
"""Of `before` and `after` in one statement; beyond it `before` has one of its own: each then fits into a packet as the row itself does."""


class ChangeKind(StrEnum):
    """What happened to a resource."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    DELETED = "DELETED"
    """Gone; or, with an `after`, marked as deleted."""
    UNDELETED = "UNDELETED"


Sealed: TypeAlias = tuple[bytes, Hidden]
"""A resource as its entry holds it, and what was kept out of that."""

Entry: TypeAlias = tuple[str, Sealed | None, Sealed | None]
"""Name of a resource, before, after; None where there was or is none."""


class Unlogged:
    """In place of a log where the contract wants none: does nothing."""

    kept = False
    statements: tuple[str, ...] = ()

    def seal(self, message: Message) -> Sealed:
        """What the log keeps of a resource as it stands in the message, which must be as stored, secrets and all."""
        del message
        return b"", NOTHING

    def record(self, session: Session, kind: ChangeKind, changes: Sequence[Entry]) -> None:
        """Write an entry for each change, in order."""


class Log(Unlogged):
    """The log of one type of things."""

    kept = True

    def __init__(self, type_name: str, redact: Redact | None, engine: Engine) -> None:
        self._type = type_name
        self._time = engine.dialect.binder(Storage.TIME)
        self._redact = redact
        self._insert = insert(CHANGE_TABLE, [column.name for column in CHANGE_TABLE.columns], engine.database)
        self._set_before = update_by_key(CHANGE_TABLE, ("before",), engine.database)
        self.statements = (self._insert,)

    def seal(self, message: Message) -> Sealed:
        """See Unlogged."""
        if self._redact is None:
            return message.SerializeToString(deterministic=True), NOTHING
        public, hidden = self._redact(message)
        return public.SerializeToString(deterministic=True), hidden

    def record(self, session: Session, kind: ChangeKind, changes: Sequence[Entry]) -> None:
        """See Unlogged. Raises RuntimeError in a session that nobody gave an origin: every write is somebody's."""
        origin = session.origin
        if origin is None:
            raise RuntimeError("rows are written in a session without an origin")
        try:
            self._write(session, origin, kind, changes)
        except Exception as error:
            session.spoil(error)
            raise

    def _write(self, session: Session, origin: Origin, kind: ChangeKind, changes: Sequence[Entry]) -> None:
        shared = (
            self._time(origin.now_micros),
            origin.actor,
            origin.issuer,
            origin.method,
            origin.call_id,
            origin.request_id,
            self._type,
        )
        rows, later = [], []
        for ordinal, (name, before, after) in enumerate(changes, origin.entries):
            apart = before is not None and after is not None and len(before[0]) + len(after[0]) > TOGETHER_BYTES_MAX
            rows.append(
                (
                    origin.transaction,
                    ordinal,
                    *shared,
                    name,
                    kind.value,
                    None if before is None or apart else before[0],
                    None if after is None else after[0],
                    _redacted(before, after),
                )
            )
            if apart and before is not None:
                later.append((before[0], origin.transaction, ordinal))
        origin.entries += len(rows)
        if len(rows) == 1:
            session.execute(self._insert, rows[0])
        else:
            session.execute_many(self._insert, rows)
        for values in later:
            session.execute(self._set_before, values)


def _redacted(before: Sealed | None, after: Sealed | None) -> str:
    """The paths of what was kept out of an entry and is not the same before and after."""
    was, has = NOTHING if before is None else before[1], NOTHING if after is None else after[1]
    return "" if was is NOTHING and has is NOTHING else changed_paths(was, has)


def log_of(resource: Resource, engine: Engine) -> Unlogged:
    """The log of a resource, or what stands in its place where the contract says `unlogged`."""
    return Unlogged() if resource.unlogged else Log(resource.type, compile_redaction(resource), engine)
