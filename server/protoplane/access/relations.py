"""Relation tuples written, in the transaction of whatever they are about."""

from __future__ import annotations

from collections.abc import Iterable

from protoplane.access.model import Model
from protoplane.access.tuples import RelationTuple, admits
from protoplane.store import statements
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from protoplane.store.tuples import KEY, TUPLE_TABLE


class NotAdmitted(Exception):
    """The model has no place for a tuple."""


class Relations:
    """Writes of tuples that one model admits."""

    def __init__(self, model: Model, engine: Engine) -> None:
        self._model = model
        self._insert = statements.insert(TUPLE_TABLE, KEY, engine.database)
        self._delete = statements.delete_below(TUPLE_TABLE, len(KEY), engine.database)

    def write(self, session: Session, tuples: Iterable[RelationTuple]) -> None:
        """Add tuples. Raises NotAdmitted before anything is written, and Duplicate."""
        rows = []
        for held in tuples:
            if not admits(self._model, held):
                raise NotAdmitted(str(held))
            rows.append(row_of(held))
        if rows:
            session.execute_many(self._insert, rows)

    def delete(self, session: Session, held: RelationTuple) -> bool:
        """Take one away; whether it was there."""
        return session.execute(self._delete, row_of(held)) > 0


def row_of(held: RelationTuple) -> tuple[str, ...]:
    """In the order of the key."""
    subject = held.subject
    return held.object.type, held.object.id, held.relation, subject.type, subject.relation, subject.id
