"""A resource as its boilerplate names it, and the methods that it can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protoplane.contract.casing import snake, upper_camel

METHODS = ("Get", "BatchGet", "List", "Create", "BatchCreate", "Update", "BatchUpdate", "Delete", "BatchDelete")
"""Of every resource, unless asked for others."""

KEPT_METHODS = (*METHODS, "Undelete")
"""Those of a resource that is kept for a while when it is deleted."""
SINGLETON_METHODS = ("Get", "Update")

FURTHER = ("Aggregate",)
"""Only where they are asked for by name."""

OF_MANY = frozenset({"List", "BatchGet", "BatchCreate", "BatchUpdate", "BatchDelete", "Aggregate"})
"""Methods named after the plural."""


RELATIONS: Mapping[str, tuple[str, str]] = {
    "get": ("viewer", "check"),
    "list": ("viewer", "scope"),
    "create": ("editor", "check"),
    "update": ("editor", "check"),
    "delete": ("editor", "check"),
    "undelete": ("editor", "check"),
}
"""What is asked for, and how, by what methods do; of a create on the parent."""


@dataclass(frozen=True, slots=True)
class Noun:
    """A resource as its boilerplate names it."""

    message: str
    """`Book`"""
    singular: str
    """lowerCamel, such as `book`: what methods and fields are named after."""
    plural: str
    """lowerCamel, such as `books`."""
    type: str
    """`library.example.com/Book`"""
    pattern: str
    """`publishers/{publisher}/books/{book}`"""
    version: str
    """Of the package, such as `v1`: the first part of HTTP paths."""
    id_source: str = "EITHER"
    """EITHER, CLIENT or SERVER: who makes the last id."""
    kept: bool = False
    """Whether it has a `delete_time`, and so is deleted softly."""
    has_children: bool = False
    """Whether the file has resources below it."""
    others: tuple[str, ...] = ()
    """Its patterns after the first."""
    relations: frozenset[str] = frozenset()
    """Names of the relations that it declares."""
    relations_above: frozenset[str] = frozenset()
    """Of its parent, where it declares some itself."""

    def rule(self, verb: str) -> str:
        """The rule of the methods that do this: a relation that is called as is the custom, else a permission."""
        relation, kind = RELATIONS.get(verb, ("", ""))
        if relation in (self.relations_above if verb == "create" else self.relations):
            return f'{kind} = "{relation}"'
        return f'permission = "{self.collection}.{verb}"'

    @property
    def patterns(self) -> tuple[str, ...]:
        """All its patterns."""
        return (self.pattern, *self.others)

    @property
    def format(self) -> str:
        """Its patterns in a comment."""
        return f"Format: {' or '.join(self.patterns)}"

    @property
    def singleton(self) -> bool:
        """Whether its pattern ends with a word of its own: `users/{user}/settings`."""
        return not self.pattern.endswith("}")

    @property
    def methods(self) -> tuple[str, ...]:
        """The standard methods that it can have."""
        return SINGLETON_METHODS if self.singleton else KEPT_METHODS if self.kept else METHODS

    @property
    def collection(self) -> str:
        """The last collection of the pattern: `books`."""
        return self.pattern.split("/")[-1 if self.singleton else -2]

    @property
    def parent(self) -> str:
        """The patterns of the parents in a comment; empty for a resource that is at the top only."""
        parents = ["/".join(pattern.split("/")[: -1 if self.singleton else -2]) for pattern in self.patterns]
        return " or ".join(parent or "empty" for parent in parents) if any(parents) else ""

    @property
    def name(self) -> str:
        """The singular in method names: `Book`."""
        return upper_camel(self.singular)

    @property
    def field(self) -> str:
        """The resource's field in requests: `book`."""
        return snake(self.singular)

    @property
    def plural_field(self) -> str:
        """The resources' field in responses: `books`."""
        return snake(self.plural)

    @property
    def plural_name(self) -> str:
        """The plural in method names: `Books`."""
        return upper_camel(self.plural)
