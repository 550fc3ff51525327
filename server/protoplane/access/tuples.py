"""Objects, subjects, and the tuples between them, as values; what a model admits as a tuple."""

from __future__ import annotations

from dataclasses import dataclass

from protoplane.access.model import WILDCARD, Model


@dataclass(frozen=True, slots=True, order=True)
class Object:
    """One thing of a type. `id` is exact: case, accents and trailing spaces tell it from others."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}:{self.id}"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """Who has a relation: an object, every object of a type (`user:*`), or whoever has `relation` on an object (`group:a#member`)."""

    type: str
    id: str
    relation: str = ""

    @property
    def object(self) -> Object:
        """The object, or the one whose relation it is."""
        return Object(self.type, self.id)

    @property
    def wildcard(self) -> bool:
        """Whether it stands for every object of its type."""
        return self.id == WILDCARD

    def __str__(self) -> str:
        return f"{self.type}:{self.id}#{self.relation}" if self.relation else f"{self.type}:{self.id}"


@dataclass(frozen=True, slots=True, order=True)
class RelationTuple:
    """The subject has the relation on the object."""

    object: Object
    relation: str
    subject: Subject
    condition: str = ""
    """The name of the condition that it stands under; empty for none."""
    context: str = ""
    """What it says of the condition's parameters: an object of JSON, in our own canonical form; empty for nothing."""

    def __str__(self) -> str:
        text = f"{self.object}#{self.relation}@{self.subject}"
        return f"{text} with {self.condition} {self.context}".rstrip() if self.condition else text


class NotAdmitted(Exception):
    """The model has no place for a tuple."""


def subject_of(text: str) -> Subject:
    """As `Subject` writes itself. An id may hold colons, and a `#` only where a relation follows."""
    kind, _, rest = text.partition(":")
    name, _, relation = rest.rpartition("#") if "#" in rest else (rest, "", "")
    return Subject(kind, name, relation)


def object_of(text: str) -> Object:
    """As `Object` writes itself."""
    kind, _, name = text.partition(":")
    return Object(kind, name)


def tuple_of(text: str) -> RelationTuple:
    """As `RelationTuple` writes itself; the object's id holds neither `#` nor `@` here."""
    left, _, subject = text.partition("@")
    name, _, relation = left.rpartition("#")
    return RelationTuple(object_of(name), relation, subject_of(subject))


def admits(model: Model, held: RelationTuple) -> bool:
    """Whether the brackets of the tuple's relation allow its subject, under its condition. What they do not allow means nothing, even when it is stored.

    That whoever has a relation has that relation is true anyway, and refused as OpenFGA refuses it.
    """
    relation = model.relation(held.object.type, held.relation)
    subject = held.subject
    wanted = (subject.type, subject.relation, subject.wildcard, held.condition)
    if relation is None or (held.object, held.relation) == (subject.object, subject.relation):
        return False
    return any((r.type, r.relation, r.wildcard, r.condition) == wanted for r in relation.restrictions)
