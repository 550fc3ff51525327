"""Resources and subjects by their names: `folders/a/documents/b`, `users/alice`, `groups/eng#member`, `users/*`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from protoplane.access.declared import CALLERS, Declared
from protoplane.access.model import WILDCARD
from protoplane.access.tuples import Object, RelationTuple, Subject
from protoplane.contract.model import Contract
from protoplane.contract.names import ANY, Id, NamePattern, compile_patterns

END = "\0"
"""In no id: SQLite ends a text of JSON there, and would take one subject for another."""


class NameUnknown(Exception):
    """A text that is not the name of anything the model knows."""


class Names:
    """The names of one contract, to what the model calls them and back.

    An object's id is the ids of its name with `/` between them; none of them holds one.
    """

    def __init__(self, contract: Contract, declared: Declared) -> None:
        self._model = declared.model
        patterns = compile_patterns(contract)
        self._patterns: dict[str, NamePattern] = {
            declared.types[key]: patterns[key] for key, resource in contract.resources.items() if not resource.several
        }
        self._by_collections = {
            resource.pattern.collections: declared.types[key] for key, resource in contract.resources.items() if not resource.several
        }
        self.types = frozenset(self._patterns)
        """Of the resources that have names here."""
        self._callers = {f"{kind}s": kind for kind in CALLERS if kind not in declared.types.values()}
        """By collection: types of callers that are no resources."""

    def object(self, name: str) -> Object:
        """Of the name of one resource. Raises NameUnknown."""
        kind = self._by_collections.get(_collections(name))
        ids = self._patterns[kind].parse(name) if kind else None
        if kind is None or ids is None or ANY in ids:
            raise NameUnknown(name)
        return Object(kind, object_id(ids))

    def subject(self, text: str) -> Subject:
        """Of a subject as callers write it. Raises NameUnknown."""
        collection, _, rest = text.partition("/")
        if collection in self._callers:  # Whatever follows is the id: a token's `sub` may hold any character but the one that ends texts.
            if not rest or END in rest:
                raise NameUnknown(text)
            return Subject(self._callers[collection], rest)
        if text.endswith(f"/{WILDCARD}"):
            words = _collections(text)
            kind = self._by_collections.get(words)
            if kind is None or text != "/".join(f"{word}/{WILDCARD}" for word in words):
                raise NameUnknown(text)
            return Subject(kind, WILDCARD)
        name, userset, relation = text.rpartition("#") if "#" in text else (text, "", "")
        found = self.object(name)
        if userset and self._model.relation(found.type, relation) is None:
            raise NameUnknown(text)
        return Subject(found.type, found.id, relation)

    def everything(self, name: str) -> str | None:
        """The type of which `folders/-` means every resource; None for the name of anything else."""
        words = _collections(name)
        kind = self._by_collections.get(words)
        return kind if kind is not None and name == "/".join(f"{word}/{ANY}" for word in words) else None

    def name(self, found: Object) -> str:
        """Of an object."""
        pattern = self._patterns.get(found.type)
        if pattern is None:
            return f"{found.type}s/{found.id}"
        if found.id == WILDCARD:
            return pattern.format([WILDCARD] * len(pattern.pattern.variables))
        return pattern.format(found.id.split("/"))

    def several(self, kind: str, ids: Iterable[str]) -> list[str]:
        """Of many resources of a type."""
        form = self._patterns[kind].format
        return [form(one.split("/")) if one != WILDCARD else self.name(Object(kind, one)) for one in ids]

    def text(self, subject: Subject) -> str:
        """Of a subject."""
        name = self.name(subject.object)
        return f"{name}#{subject.relation}" if subject.relation else name

    def tuple(self, held: RelationTuple) -> str:
        """Of a tuple, for people: `folders/a#viewer@users/alice`."""
        return f"{self.name(held.object)}#{held.relation}@{self.text(held.subject)}"


def object_id(ids: Sequence[Id]) -> str:
    """The id of the object that a resource of these ids is."""
    return str(ids[0]) if len(ids) == 1 else "/".join(map(str, ids))


def _collections(name: str) -> tuple[str, ...]:
    return tuple(name.split("/")[::2])
