"""Relation tuples written, taken away and read, in the transaction of whatever they are about.

A tuple stands in one of two tables, by whether it has a condition. Who writes to one looks, with a lock, for the same key in the other:
of two that write both at once one sees the other. Everything is written in the order of the key, so that writers wait for each other in turn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from protoplane.access.model import Model
from protoplane.access.tuples import NotAdmitted, Object, RelationTuple, Subject, admits
from protoplane.store.engine import Duplicate, Engine
from protoplane.store.schema import ColumnShape
from protoplane.store.session import Session
from protoplane.store.tuples import COLUMNS
from protoplane.store.written import Filter, Written

__all__ = ["NotAdmitted", "Relations", "TupleFilter"]

TURN = ("", "", "", "", "", "")
"""The key of no tuple: no type is called so."""

UNSAID = "{}"
"""The context of a condition of which the tuple says nothing."""


@dataclass(frozen=True, slots=True)
class TupleFilter:
    """Which tuples are meant: all that have what is told. An object is told with its type."""

    object_type: str = ""
    object_id: str = ""
    relation: str = ""
    subject: Subject | None = None


class Relations:
    """Tuples that one model admits."""

    def __init__(self, model: Model, engine: Engine) -> None:
        self._model = model
        self._conditional = any(r.condition for _, relation in model.relations() for r in relation.restrictions)
        self._written = Written(engine)

    def write(self, session: Session, tuples: Iterable[RelationTuple], *, ignore: bool = False) -> int:
        """Add tuples; the number added. Raises NotAdmitted before anything is written, and Duplicate.

        With `ignore` one that is there already, with the same condition and context, is left as it is.
        """
        held = sorted(map(_said, dict.fromkeys(tuples) if ignore else tuples))
        for one in held:
            self._admit(one)
        plain = [row_of(one) for one in held if not one.condition]
        conditional = [(*row_of(one), one.condition, one.context) for one in held if one.condition]
        added = self._written.insert(session, plain, conditional, ignore=ignore)
        if self._conditional and plain:
            self._refuse(self._written.under(session, plain))
        if conditional:
            self._refuse(self._written.there(session, [row[: len(COLUMNS)] for row in conditional]))
        if ignore and added < len(held) and conditional:
            wanted = {row[: len(COLUMNS)]: row for row in conditional}
            self._refuse([row for row in self._written.under(session, list(wanted)) if wanted[row[: len(COLUMNS)]] != row])
        return added

    def delete(self, session: Session, held: RelationTuple) -> bool:
        """Take one away, whatever its condition; whether it was there."""
        return self.delete_all(session, [held]) > 0

    def delete_all(self, session: Session, tuples: Iterable[RelationTuple]) -> int:
        """Take tuples away, whatever their conditions; how many were there."""
        keys = sorted({row_of(held) for held in tuples})
        return self._written.delete(session, keys) if keys else 0

    def find(self, session: Session, tuples: Iterable[RelationTuple]) -> dict[RelationTuple, RelationTuple]:
        """Of tuples those that are there, each with its condition, by itself without one; locked until the transaction ends."""
        keys = sorted({row_of(held) for held in tuples})
        rows = [*self._written.there(session, keys), *(self._written.under(session, keys) if self._conditional else ())] if keys else []
        return {tuple_of_row(row[: len(COLUMNS)]): tuple_of_row(row) for row in rows}

    def take_turns(self, session: Session) -> None:
        """From now on, until the transaction ends, nobody else who has called this goes on: for what is asked before it is written.

        A row that is gone again when the transaction ends; whoever makes the same one waits.
        """
        self._written.insert(session, [TURN], [], ignore=False)
        self._written.delete(session, [TURN])

    def forget(self, session: Session, objects: Iterable[Object]) -> int:
        """Take away every tuple whose object or subject is one of these, usersets of them too; how many there were."""
        keys = sorted({(one.type, one.id) for one in objects})
        return self._written.forget(session, keys) if keys else 0

    def forget_below(self, session: Session, type_name: str, prefix: str) -> int:
        """The same of all objects of a type whose ids begin with a prefix and `/`."""
        return self._written.forget_below(session, type_name, prefix)

    def read(self, session: Session, which: TupleFilter, *, limit: int, after: RelationTuple | None = None) -> list[RelationTuple]:
        """The first tuples, after one, that are meant.

        They come in the order of the key; those of one subject, and no one object, in the order of `store.tuples.REVERSE`.
        """
        told = {"object_type": which.object_type, "object_id": which.object_id, "relation": which.relation}
        values = {name: value for name, value in told.items() if value}
        if which.subject is not None:
            subject = which.subject
            values |= {"subject_type": subject.type, "subject_relation": subject.relation, "subject_id": subject.id}
        rows = self._written.read(session, Filter(frozenset(values)), values, None if after is None else row_of(after), limit)
        return [tuple_of_row(row) for row in rows]

    def _admit(self, held: RelationTuple) -> None:
        if not admits(self._model, held):
            raise NotAdmitted(str(held))
        column = too_long(held)
        if column is not None:
            raise NotAdmitted(f"{held}: {column.name} has more than {column.length} characters")

    @staticmethod
    def _refuse(there: Collection[object]) -> None:
        if there:
            raise Duplicate(None)


def _said(held: RelationTuple) -> RelationTuple:
    return replace(held, context=(held.context or UNSAID) if held.condition else "")


def too_long(held: RelationTuple) -> ColumnShape | None:
    """The first column that does not hold what the tuple has for it; None where all of them do."""
    return next((column for column, value in zip(COLUMNS, row_of(held), strict=True) if len(value) > column.length), None)


def row_of(held: RelationTuple) -> tuple[str, ...]:
    """In the order of the key."""
    subject = held.subject
    return held.object.type, held.object.id, held.relation, subject.type, subject.relation, subject.id


def tuple_of_row(row: Sequence[str]) -> RelationTuple:
    """Of a row in the order of the key, with or without a condition and its context."""
    object_type, object_id, relation, subject_type, subject_relation, subject_id, *under = row
    return RelationTuple(Object(object_type, object_id), relation, Subject(subject_type, subject_id, subject_relation), *under)
