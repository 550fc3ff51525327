"""Two slow, obvious interpreters of a model over tuples: what it means, and how OpenFGA 1.22.1 walks it.

`Meaning` is the one that the product must equal. It is the well-founded model: the least set of relationships that the rules give, where
`but not` counts only what is certainly not held; what depends on its own negation is neither held nor certainly not held, and so denied.

`Walk` follows `internal/graph/check.go` as it is with its default resolvers: depth first, a question that is asked again on its own path is
a cycle, and a cycle below `but not` or `and` is a no. What it allows, `Meaning` allows (tests hold that); it denies more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from protoplane.access.model import (
    WILDCARD,
    Computed,
    Exclusion,
    Intersection,
    Model,
    Relation,
    Rewrite,
    This,
    Through,
    Union,
)
from protoplane.access.tuples import Object, RelationTuple, Subject, admits

Held = frozenset[tuple[Object, str]]


ASKED = "\0"
"""Ends the id of what is asked about, while its name counts: elsewhere the same object is below nothing unless it has a row."""


@dataclass(frozen=True, slots=True)
class Name:
    """A relation that names of so many parts say: the subject is the first `levels` of them."""

    places: int
    levels: int
    subject_type: str
    subject_relation: str


Names = Mapping[tuple[str, str], Name]


def asked(tuples: Iterable[RelationTuple], names: Names, object_: Object) -> list[RelationTuple]:
    """What the tuples say of an object that is asked about, and of what it is below by its name, row or none; ids end with ASKED."""
    held = list(tuples)
    parts = object_.id.split("/")
    found = [
        replace(one, object=Object(object_.type, object_.id + ASKED))
        for one in held
        if one.object == object_ and (object_.type, one.relation) not in names
    ]
    for (type_name, relation), name in names.items():
        if type_name == object_.type and len(parts) == name.places and parts[0]:
            above = "/".join(parts[: name.levels])
            subject = Subject(name.subject_type, above + ASKED, name.subject_relation)
            found += [RelationTuple(Object(object_.type, object_.id + ASKED), relation, subject)]
            found += asked(held, names, Object(name.subject_type, above))
    return found


class Facts:
    """The tuples that the model admits, by object and relation."""

    def __init__(self, model: Model, tuples: Iterable[RelationTuple]) -> None:
        self.model = model
        self.tuples = sorted({held for held in tuples if admits(model, held)})
        self.subjects: dict[tuple[Object, str], list[Subject]] = {}
        for held in self.tuples:
            self.subjects.setdefault((held.object, held.relation), []).append(held.subject)

    def of(self, object_: Object, relation: str) -> list[Subject]:
        """Who the tuples of one object and relation name."""
        return self.subjects.get((object_, relation), [])

    def objects(self) -> set[Object]:
        """Everything that any tuple names."""
        return {held.object for held in self.tuples} | {held.subject.object for held in self.tuples if not held.subject.wildcard}


class Meaning:
    """What the tuples mean, by computing every relationship of a subject at once."""

    def __init__(self, model: Model, tuples: Iterable[RelationTuple], names: Names | None = None) -> None:
        self.model, self.names = model, names or {}
        self.facts = Facts(model, tuples)
        self.known: dict[tuple[Subject, frozenset[Object]], Held] = {}
        self.about: dict[Object, Meaning] = {}

    def check(self, subject: Subject, relation: str, object_: Object) -> bool:
        """Whether the subject has the relation on the object."""
        if self.names:
            if object_ not in self.about:
                tuples = [*self.facts.tuples, *asked(self.facts.tuples, self.names, object_)]
                self.about[object_] = Meaning(self.model, tuples)
            return self.about[object_].check(subject, relation, Object(object_.type, object_.id + ASKED))
        return (object_, relation) in self.held(subject, {object_})

    def list_objects(self, subject: Subject, relation: str, type_name: str) -> set[Object]:
        """Every object of a type on which the subject has the relation, among those that tuples name, and the subject's own."""
        possible = {found for found in {*self.facts.objects(), subject.object} if found.type == type_name}
        return {found for found in possible if self.check(subject, relation, found)}

    def list_subjects(self, object_: Object, relation: str, type_name: str, subject_relation: str = "") -> set[Subject]:
        """Every subject of a kind that has the relation, among those that tuples name; `type:*` where everybody has it."""
        above = {one.subject.object for one in asked(self.facts.tuples, self.names, object_)}
        above = {Object(one.type, one.id.removesuffix(ASKED)) for one in above}
        named = {found.id for found in self.facts.objects() | {object_} | above if found.type == type_name}
        named |= set() if subject_relation else {WILDCARD}
        subjects = {Subject(type_name, name, subject_relation) for name in named}
        return {subject for subject in subjects if self.check(subject, relation, object_)}

    def held(self, subject: Subject, more: set[Object]) -> Held:
        """Every certain relationship of the subject: what is certain and what is possible are computed in turn until neither changes."""
        more -= self.facts.objects()
        if (subject, frozenset(more)) not in self.known:
            self.known[subject, frozenset(more)] = self._compute(subject, self.facts.objects() | more)
        return self.known[subject, frozenset(more)]

    def _compute(self, subject: Subject, objects: set[Object]) -> Held:
        certain: Held = frozenset()
        possible: Held = frozenset((o, name) for o in objects for name in self.model.types.get(o.type, {}))
        while True:
            known = (certain, possible)
            certain, possible = self._least(subject, objects, possible, certain), self._least(subject, objects, certain, possible)
            if (certain, possible) == known:
                return certain

    def _least(self, subject: Subject, objects: set[Object], subtracted: Held, inside: Held) -> Held:
        """The least set closed under the rules; what `but not` subtracts is looked up in `subtracted`, and a `but not` in there in `inside`."""
        held: Held = frozenset()
        while True:
            grown = frozenset(
                (object_, relation.name)
                for object_ in objects
                for relation in self.model.types.get(object_.type, {}).values()
                if (plain(object_), relation.name) == (subject.object, subject.relation)
                or self._holds(subject, object_, relation, relation.rewrite, (held, subtracted, inside))
            )
            if grown == held:
                return held
            held = grown

    def _holds(self, subject: Subject, object_: Object, relation: Relation, rewrite: Rewrite, sets: tuple[Held, Held, Held]) -> bool:
        held, subtracted, inside = sets
        match rewrite:
            case This():
                given = self.facts.of(object_, relation.name)
                return any(names(one, subject) or (one.object, one.relation) in held for one in given)
            case Computed(name):
                return (object_, name) in held
            case Through(name, tupleset):
                return any((one.object, name) in held for one in self.facts.of(object_, tupleset))
            case Union(operands):
                return any(self._holds(subject, object_, relation, operand, sets) for operand in operands)
            case Intersection(operands):
                return all(self._holds(subject, object_, relation, operand, sets) for operand in operands)
            case Exclusion(base, subtract):
                return self._holds(subject, object_, relation, base, sets) and not self._holds(
                    subject, object_, relation, subtract, (subtracted, inside, subtracted)
                )


class Walk:
    """How OpenFGA's default resolvers walk: whether it allows, and whether a cycle had a part in a no."""

    def __init__(self, model: Model, tuples: Iterable[RelationTuple]) -> None:
        self.model = model
        self.facts = Facts(model, tuples)

    def check(self, subject: Subject, relation: str, object_: Object) -> bool:
        """Whether OpenFGA allows it."""
        return self._ask(subject, relation, object_, frozenset())[0]

    def _ask(self, subject: Subject, name: str, object_: Object, path: Held) -> tuple[bool, bool]:
        if (object_, name) in path:
            return False, True
        if (object_, name) == (subject.object, subject.relation):
            return True, False
        relation = self.model.relation(object_.type, name)
        if relation is None:
            return False, False
        return self._rewrite(subject, object_, relation, relation.rewrite, path | {(object_, name)})

    def _rewrite(self, subject: Subject, object_: Object, relation: Relation, rewrite: Rewrite, path: Held) -> tuple[bool, bool]:
        match rewrite:
            case This():
                given = self.facts.of(object_, relation.name)
                direct = any(names(one, subject) for one in given)
                return (True, False) if direct else any_of(self._ask(subject, o.relation, o.object, path) for o in given if o.relation)
            case Computed(name):
                return self._ask(subject, name, object_, path)
            case Through(name, tupleset):
                return any_of(self._ask(subject, name, one.object, path) for one in self.facts.of(object_, tupleset))
            case Union(operands):
                return any_of(self._rewrite(subject, object_, relation, operand, path) for operand in operands)
            case Intersection(operands):
                return all_of(self._rewrite(subject, object_, relation, operand, path) for operand in operands)
            case Exclusion(base, subtract):
                allowed, cycle = self._rewrite(subject, object_, relation, base, path)
                subtracted, met = self._rewrite(subject, object_, relation, subtract, path) if allowed else (False, cycle)
                return allowed and not (subtracted or met), met


def any_of(answers: Iterable[tuple[bool, bool]]) -> tuple[bool, bool]:
    """Of a union: a yes is a yes; a no remembers that a cycle was met."""
    met = False
    for allowed, cycle in answers:
        if allowed:
            return True, False
        met = met or cycle
    return False, met


def all_of(answers: Iterable[tuple[bool, bool]]) -> tuple[bool, bool]:
    """Of an intersection: the first no, or the first cycle, is the answer."""
    return next(((False, cycle) for allowed, cycle in answers if cycle or not allowed), (True, False))


def plain(object_: Object) -> Object:
    """The object, asked about or not."""
    return Object(object_.type, object_.id.removesuffix(ASKED))


def names(given: Subject, subject: Subject) -> bool:
    """Whether a tuple with the subject `given` is about `subject` itself."""
    given = replace(given, id=given.id.removesuffix(ASKED))
    return given == subject or (given.wildcard and not subject.relation and given.type == subject.type)
