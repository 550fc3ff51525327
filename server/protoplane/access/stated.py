"""What tuples say of one relation of one object: for whoever wants to see them, and not only what follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from peewee import AsIs, Column, Select
from peewee import Table as SqlTable

from protoplane.access.model import WILDCARD, Relation
from protoplane.access.tuples import Object, RelationTuple, Subject
from protoplane.query.slot import Slot
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from protoplane.store.statements import Statement, render
from protoplane.store.tuples import KEY, TUPLE_TABLE


@dataclass(frozen=True, slots=True)
class Stated:
    """A relationship that somebody wrote down, and under which condition."""

    held: RelationTuple
    field: str = ""
    """The field of the resource that says so; empty for a tuple."""
    condition: str = ""
    context: Mapping[str, object] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.held} with {self.condition}" if self.condition else str(self.held)


class Reader(Protocol):
    """Whoever knows what is stated."""

    def read(self, session: Session, object_: Object, relation: str, subjects: Subject | None, limit: int) -> Sequence[Stated]:
        """Of an object's relation, at most `limit`, sorted: all; those of a kind, whose id is empty; or that of one subject."""


class Tuples:
    """What stands in the table of tuples."""

    def __init__(self, engine: Engine) -> None:
        self._statements = {length: _select(length, engine) for length in (3, 5, 6)}

    def read(self, session: Session, object_: Object, relation: str, subjects: Subject | None, limit: int) -> Sequence[Stated]:
        """See `Reader`."""
        known = [object_.type, object_.id, relation]
        if subjects is not None:
            known += [subjects.type, subjects.relation, *([subjects.id] if subjects.id else [])]
        statement = self._statements[len(known)]
        rows = session.rows(statement.sql, statement.bound({**dict(zip(KEY, known, strict=False)), "limit": limit}))
        return [Stated(RelationTuple(object_, relation, Subject(str(kind), str(one), str(name)))) for kind, name, one in rows]


def admitted(relation: Relation, stated: Stated) -> bool:
    """Whether the brackets of the relation allow it; what they do not allow means nothing."""
    subject = stated.held.subject
    wanted = (subject.type, subject.relation, subject.id == WILDCARD, stated.condition)
    own = (stated.held.object, stated.held.relation) == (subject.object, subject.relation)
    return not own and any((r.type, r.relation, r.wildcard, r.condition) == wanted for r in relation.restrictions)


def _select(length: int, engine: Engine) -> Statement:
    table = SqlTable(TUPLE_TABLE.name)
    subject = [Column(table, name) for name in KEY[3:]]
    found: Select = table.select(*subject)
    for name in KEY[:length]:
        found = found.where(Column(table, name) == AsIs(Slot(name)))
    return render(found.order_by(*subject).limit(AsIs(Slot("limit"))), engine.database)
