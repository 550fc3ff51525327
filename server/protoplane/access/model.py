"""A relation model (OpenFGA schema 1.1) as frozen values, and back as the text of a `.fga` file.

`Model.fga` is canonical: what it gives parses to an equal model (`access.syntax`), and again to the same text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

SCHEMA = "1.1"
"""The one version of the language."""

WILDCARD = "*"
"""The id that stands for every object of a type; no object is called so."""

TypeRelation: TypeAlias = tuple[str, str]
"""A type and one of its relations."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """What a tuple's subject may be: `user`, `user:*` or `group#member`, and under which condition. `offset` is its place in the text."""

    type: str
    relation: str = ""
    wildcard: bool = False
    condition: str = ""
    offset: int = field(default=0, compare=False)

    def __str__(self) -> str:
        subject = f"{self.type}#{self.relation}" if self.relation else f"{self.type}:{WILDCARD}" if self.wildcard else self.type
        return f"{subject} with {self.condition}" if self.condition else subject


@dataclass(frozen=True, slots=True)
class This:
    """Whoever a tuple of the relation itself names: the restrictions in brackets."""

    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Computed:
    """Whoever has another relation on the same object."""

    relation: str
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Through:
    """`relation from tupleset`: whoever has a relation on the objects that the tupleset names."""

    relation: str
    tupleset: str
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Union:
    """Whoever any of two or more has."""

    operands: tuple[Rewrite, ...]


@dataclass(frozen=True, slots=True)
class Intersection:
    """Whoever all of two or more have."""

    operands: tuple[Rewrite, ...]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Whoever `base` has but not `subtract`."""

    base: Rewrite
    subtract: Rewrite


Rewrite: TypeAlias = This | Computed | Through | Union | Intersection | Exclusion
Leaf: TypeAlias = This | Computed | Through


@dataclass(frozen=True, slots=True)
class Relation:
    """One `define`. Without brackets there are no restrictions."""

    name: str
    rewrite: Rewrite
    restrictions: tuple[Restriction, ...] = ()
    offset: int = field(default=0, compare=False)

    @property
    def direct(self) -> bool:
        """Whether it is brackets and nothing else, as a tupleset must be."""
        return isinstance(self.rewrite, This)

    @property
    def expression(self) -> str:
        """Who has it, as `define` says it."""
        return _expression(self, self.rewrite)


@dataclass(frozen=True, slots=True)
class Condition:
    """A named expression of CEL over typed parameters; the expression is kept as written."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    """Name and type, as in `("ips", "list<ipaddress>")`."""
    expression: str
    offset: int = field(default=0, compare=False)
    expression_offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Model:
    """Types with their relations, and conditions, each by name and in the order of the text."""

    types: Mapping[str, Mapping[str, Relation]]
    conditions: Mapping[str, Condition] = field(default_factory=dict)

    def relation(self, type_name: str, name: str) -> Relation | None:
        """A relation, if there is one."""
        return self.types.get(type_name, {}).get(name)

    def relations(self) -> Iterator[tuple[str, Relation]]:
        """Every relation with its type."""
        for type_name, relations in self.types.items():
            for relation in relations.values():
                yield type_name, relation

    def through(self, type_name: str, leaf: Through) -> Iterator[TypeRelation]:
        """Where `relation from tupleset` leads: those of the tupleset's types that have the relation."""
        tupleset = self.relation(type_name, leaf.tupleset)
        for restriction in tupleset.restrictions if tupleset else ():
            if self.relation(restriction.type, leaf.relation) is not None:
                yield restriction.type, leaf.relation

    @property
    def fga(self) -> str:
        """The text of a `.fga` file."""
        lines = ["model", f"  schema {SCHEMA}"]
        for type_name, relations in self.types.items():
            lines += ["", f"type {type_name}"]
            lines += ["  relations"] if relations else []
            lines += [f"    define {relation.name}: {relation.expression}" for relation in relations.values()]
        for condition in self.conditions.values():
            parameters = ", ".join(f"{name}: {kind}" for name, kind in condition.parameters)
            lines += ["", f"condition {condition.name}({parameters}) {{", f"  {condition.expression}", "}"]
        return "\n".join(lines) + "\n"


def _expression(relation: Relation, rewrite: Rewrite, *, inner: bool = False) -> str:
    match rewrite:
        case This():
            return f"[{', '.join(map(str, relation.restrictions))}]"
        case Computed(name):
            return name
        case Through(name, tupleset):
            return f"{name} from {tupleset}"
        case Union(operands):
            text = " or ".join(_expression(relation, operand, inner=True) for operand in operands)
        case Intersection(operands):
            text = " and ".join(_expression(relation, operand, inner=True) for operand in operands)
        case Exclusion(base, subtract):
            text = f"{_expression(relation, base, inner=True)} but not {_expression(relation, subtract, inner=True)}"
        case _:
            assert_never(rewrite)
    return f"({text})" if inner else text


def leaves(rewrite: Rewrite) -> Iterator[Leaf]:
    """What an expression is made of, from left to right."""
    match rewrite:
        case Union(operands) | Intersection(operands):
            for operand in operands:
                yield from leaves(operand)
        case Exclusion(base, subtract):
            yield from leaves(base)
            yield from leaves(subtract)
        case _:
            yield rewrite
