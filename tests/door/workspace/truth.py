"""Who may do what in a workspace, by a slow interpreter: of the declared rules, the tuples that a test has written, and what fields and names say."""

from __future__ import annotations

from protoplane.access.declared import declare
from protoplane.access.tuples import Object, RelationTuple, Subject
from protoplane.contract.model import Access, Contract, Method
from tests.access.oracle import Meaning, Name

TYPES = {1: {"organisations": "organisation", "groups": "group"}, 2: {"folders": "folder"}, 3: {"documents": "document"}}
"""By the number of ids in a name and its last collection."""
NAMED = {("folder", "organisation"): Name(2, 1, "organisation", ""), ("document", "folder"): Name(3, 2, "folder", "")}
"""Relations that names say."""


def object_of(name: str) -> Object:
    """Of a resource's name."""
    words = name.split("/")
    ids = words[1::2]
    return Object(TYPES[len(ids)][words[-2]], "/".join(ids))


def subject_of(text: str) -> Subject:
    """Of a subject as callers write it."""
    name, _, relation = text.partition("#")
    collection, _, rest = name.partition("/")
    if collection in {"users", "services"}:
        return Subject(collection[:-1], rest)
    found = object_of(name)
    return Subject(found.type, found.id, relation)


class Truth:
    """What should be. Tuples are texts as `Office.give` takes them; what fields say is written as if it were tuples."""

    def __init__(self, contract: Contract, *tuples: str) -> None:
        self.model = declare(contract)[0].model
        self.tuples = set(tuples)
        self._meaning: Meaning | None = None

    def add(self, *tuples: str) -> None:
        """More of them."""
        self.tuples |= set(tuples)
        self._meaning = None

    def remove(self, *tuples: str) -> None:
        """Fewer."""
        self.tuples -= set(tuples)
        self._meaning = None

    def holds(self, subject: str, relation: str, name: str) -> bool:
        """Whether the subject has the relation on the resource."""
        if self._meaning is None:
            self._meaning = Meaning(self.model, map(_tuple, self.tuples), NAMED)
        return self._meaning.check(subject_of(subject), relation, object_of(name))

    def code(self, method: Method, subject: str, names: list[str]) -> str:
        """With which a call that asks about these resources is answered; of nobody the subject is empty."""
        if method.rule.access is Access.PUBLIC:
            return "OK"
        if not subject:
            return "UNAUTHENTICATED"
        if method.rule.access is not Access.CHECK:
            return "OK"
        return "OK" if all(self.holds(subject, method.rule.relation, name) for name in names) else "PERMISSION_DENIED"


def _tuple(text: str) -> RelationTuple:
    left, _, subject = text.partition("@")
    name, _, relation = left.rpartition("#")
    return RelationTuple(object_of(name), relation, subject_of(subject))
