"""Whose relation it is on an object, one level deep: its expression, with what tuples and fields name in place of brackets and tuplesets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from protoplane.access.bounds import OBJECTS_MAX, BoundExceeded
from protoplane.access.check import UnknownRelation
from protoplane.access.given import NOTHING, Call, Given
from protoplane.access.model import Computed, Exclusion, Intersection, Model, Relation, Rewrite, This, Through, Union
from protoplane.access.stated import Reader
from protoplane.access.tuples import Object, Subject
from protoplane.store.session import Session


class Kind(Enum):
    """What an expression is."""

    DIRECT = "those that tuples, or a field, name"
    COMPUTED = "whoever has another relation"
    ANY_OF = "whoever any of the branches has"
    ALL_OF = "whoever all of the branches have"
    WITHOUT = "whoever the first branch has, and not the second"


@dataclass(frozen=True, slots=True)
class Expansion:
    """An expression of a relation, as it stands for one object."""

    userset: Subject
    """The relation on the object."""
    kind: Kind
    subjects: tuple[Subject, ...] = ()
    """Sorted; usersets where another relation is meant. Conditions are not looked at."""
    branches: tuple[Expansion, ...] = ()


def expand(session: Session, reader: Reader, relation: str, object_: Object, given: Given = NOTHING) -> Expansion:
    """One level. Raises UnknownRelation, BoundExceeded, NotAdmitted."""
    model = reader.checks.graph.model
    defined = model.relation(object_.type, relation)
    if defined is None:
        raise UnknownRelation(object_.type, relation)
    session.snapshot()
    return _Level(session, model, reader, reader.checks.call(given), object_, defined).expanded(defined.rewrite)


@dataclass(frozen=True, slots=True)
class _Level:
    session: Session
    model: Model
    reader: Reader
    call: Call
    object: Object
    relation: Relation

    def expanded(self, rewrite: Rewrite) -> Expansion:
        match rewrite:
            case This():
                return self._named(Kind.DIRECT, self._stated(self.relation))
            case Computed(name):
                return self._named(Kind.COMPUTED, {Subject(self.object.type, self.object.id, name)})
            case Through(name, tupleset):
                parents = self._stated(self.model.types[self.object.type][tupleset])
                leading = {kind for kind, _ in self.model.through(self.object.type, rewrite)}
                return self._named(Kind.COMPUTED, {Subject(one.type, one.id, name) for one in parents if one.type in leading})
            case Union(operands):
                return self._branched(Kind.ANY_OF, operands)
            case Intersection(operands):
                return self._branched(Kind.ALL_OF, operands)
            case Exclusion(base, subtract):
                return self._branched(Kind.WITHOUT, (base, subtract))
            case _:
                assert_never(rewrite)

    def _stated(self, relation: Relation) -> set[Subject]:
        kinds = dict.fromkeys(Subject(r.type, "", r.relation) for r in relation.restrictions)
        limit = OBJECTS_MAX + 1
        found = {
            one.held.subject
            for kind in kinds
            for one in self.reader.read(self.session, self.call, (self.object, relation.name, True), kind, limit=limit)
        }
        if len(found) > OBJECTS_MAX:
            raise BoundExceeded(f"more than OBJECTS_MAX ({OBJECTS_MAX}) subjects")
        return found

    def _named(self, kind: Kind, subjects: set[Subject]) -> Expansion:
        return Expansion(self._userset, kind, subjects=tuple(sorted(subjects)))

    def _branched(self, kind: Kind, operands: tuple[Rewrite, ...]) -> Expansion:
        return Expansion(self._userset, kind, branches=tuple(map(self.expanded, operands)))

    @property
    def _userset(self) -> Subject:
        return Subject(self.object.type, self.object.id, self.relation.name)
