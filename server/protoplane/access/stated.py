"""What is said of one relation of one object, by tuples, a column or a name: for whoever wants to see it, and not only what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from protoplane.access.check import Checks
from protoplane.access.given import Call
from protoplane.access.tuples import Object, RelationTuple, Subject, admits
from protoplane.store import stated
from protoplane.store.engine import Engine
from protoplane.store.session import Session

Goal: TypeAlias = tuple[Object, str, bool]
"""A relation on an object; whether what the object's name says counts for itself, or where there is a row (`store.named`)."""

NAME = "name"


@dataclass(frozen=True, slots=True)
class Stated:
    """A relationship that somebody wrote down."""

    held: RelationTuple
    field: str = ""
    """The columns of the resource that say so, or NAME; empty for a tuple."""

    def __str__(self) -> str:
        return str(self.held)


class Reader:
    """Whatever is said where one model's questions are answered."""

    def __init__(self, checks: Checks, engine: Engine) -> None:
        self.checks = checks
        self._statements = stated.Stated(engine, checks.closures)
        self.named = any(one.levels for one in checks.closures.sources.derived.values())
        """Whether any name says anything."""

    def read(self, session: Session, call: Call, place: Goal, subject: Subject, *, limit: int) -> Sequence[Stated]:
        """An object's subjects of a kind, whose id is empty, or one subject: at most `limit`, of what the model admits."""
        object_, relation, free = place
        derived = self.checks.closures.sources.derived.get((object_.type, relation))
        if derived is not None and (derived.subject_type, derived.subject_relation) != (subject.type, subject.relation):
            return []
        if derived is not None and derived.levels and free:
            parts = object_.id.split("/")
            above = "/".join(parts[: derived.levels]) if len(parts) == len(derived.key) and parts[0] else ""
            rows: Sequence[Sequence[object]] = [(above,)] if above and subject.id in {"", above} else []
        else:
            known = subject.type, subject.relation, subject.id
            rows = self._statements.read(session, (object_.type, relation), object_.id, known, limit)
        field = "" if derived is None else NAME if derived.levels else ", ".join(column.name for column in derived.subject)
        found = {
            Stated(RelationTuple(object_, relation, Subject(subject.type, str(one), subject.relation), *map(str, under)), field): None
            for one, *under in rows
        }
        found |= {Stated(held): None for held in call.tuples if _is(held, object_, relation, subject)}
        return [one for one in found if one.field or admits(self.checks.graph.model, one.held)][:limit]


def _is(held: RelationTuple, object_: Object, relation: str, subject: Subject) -> bool:
    """Whether a tuple is of an object's relation, and its subject is of a kind or, with an id, that one."""
    wanted = Subject(subject.type, subject.id or held.subject.id, subject.relation)
    return (held.object, held.relation, held.subject) == (object_, relation, wanted)
