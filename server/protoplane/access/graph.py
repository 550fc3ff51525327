"""A model as a graph that statements walk: which relations are sums of tuples and links alone, and expressions for the rest.

A relation is *linear* when nothing but `or` is met on any way from it, and no condition: it is a node of the graph (`store.tuples.Node`),
and one statement decides it for any number of objects. The others are expressions over parts: parts that are nodes, tuples under conditions,
and links to other such relations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from protoplane.access.model import (
    Computed,
    Exclusion,
    Intersection,
    Leaf,
    Model,
    Relation,
    Rewrite,
    This,
    Through,
    TypeRelation,
    Union,
    leaves,
)
from protoplane.store.tuples import Direct, Link, Node


@dataclass(frozen=True, slots=True)
class Part:
    """Whoever a node gives; `node` is its number."""

    node: int


@dataclass(frozen=True, slots=True)
class Same:
    """Whoever has another relation, which is not linear, on the same object."""

    relation: str


@dataclass(frozen=True, slots=True)
class Named:
    """Whoever a tuple under a condition names, or everybody if it does that."""

    object_type: str
    relation: str
    subject_type: str
    wildcard: bool
    condition: str


@dataclass(frozen=True, slots=True)
class Hop:
    """Whoever has a relation on an object that a tuple names; `subject_relation` is empty for tuplesets.

    The relation is not linear, or the tuple stands under a condition.
    """

    object_type: str
    relation: str
    subject_type: str
    subject_relation: str
    target: TypeRelation
    condition: str = ""

    def probe(self, object_id: str) -> tuple[str, str, str, str, str]:
        """What the tuples of an object begin with that are such links, in the order of their key."""
        return self.object_type, object_id, self.relation, self.subject_type, self.subject_relation


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Whoever any of these has; nobody, of none."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Whoever all of these have."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Without:
    """Whoever `base` has and `subtract` has not."""

    base: Term
    subtract: Term


Term: TypeAlias = Part | Named | Same | Hop | AnyOf | AllOf | Without


class Reading(Enum):
    """How a node is made of what is not linear."""

    NOTHING = 0
    """It is left out: what is left is exact."""
    FIRST = 1
    """`base but not x` is `base`, `a and b` is `a`: the node has at least the relation's subjects."""
    EVERYTHING = 2
    """All of it is added up: the node has every subject that has any part in the answer."""


class Graph:
    """The nodes and expressions of one model, all made at once."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.branching = _branching(model)
        """The relations that are not linear."""
        self._nodes: list[Node | None] = []
        self._numbers: dict[TypeRelation, int] = {}
        self._loose: dict[tuple[TypeRelation, Reading], int] = {}
        self.terms: dict[TypeRelation, Term] = {}
        """The expression of each relation that is not linear, and of those that tuples under a condition lead to."""
        for type_name, relation in model.relations():
            key = (type_name, relation.name)
            if key in self.branching:
                self.terms[key] = self._term(type_name, relation, relation.rewrite)
            else:
                self._number(key)
        for term in list(self.terms.values()):
            for hop in hops(term):
                if isinstance(hop, Hop) and hop.target not in self.branching:
                    self.terms[hop.target] = Part(self._number(hop.target))
        for key in sorted(self.branching):
            self._loosen(key, Reading.FIRST)
            self._loosen(key, Reading.EVERYTHING)
        assert all(self._nodes)
        self.nodes: tuple[Node, ...] = tuple(node for node in self._nodes if node is not None)

    def node(self, key: TypeRelation) -> Node:
        """The node of a linear relation."""
        return self.nodes[self._numbers[key]]

    def candidates(self, key: TypeRelation, reading: Reading = Reading.FIRST) -> Node:
        """The node of a linear relation; of another, one that has more."""
        return self.nodes[self._loose[key, reading] if key in self.branching else self._numbers[key]]

    def _number(self, key: TypeRelation) -> int:
        """The number of a linear relation's node, which is made when it is first asked for."""
        if key not in self._numbers:
            relation = self.model.types[key[0]][key[1]]
            number = self._numbers[key] = self._reserve()
            self._nodes[number] = self._flat(number, key[0], [(relation, relation.rewrite)], {key[1]}, Reading.NOTHING)
        return self._numbers[key]

    def _loosen(self, key: TypeRelation, reading: Reading) -> int:
        """The same of a relation that is not linear."""
        if (key, reading) not in self._loose:
            relation = self.model.types[key[0]][key[1]]
            number = self._loose[key, reading] = self._reserve()
            self._nodes[number] = self._flat(number, key[0], [(relation, relation.rewrite)], {key[1]}, reading)
        return self._loose[key, reading]

    def _target(self, key: TypeRelation, reading: Reading) -> int:
        return self._loosen(key, reading) if key in self.branching else self._number(key)

    def _reserve(self) -> int:
        self._nodes.append(None)
        return len(self._nodes) - 1

    def _part(self, type_name: str, relation: Relation, rewrites: Iterable[Rewrite]) -> Part:
        """A node for parts of an expression: what of them is linear."""
        number = self._reserve()
        self._nodes[number] = self._flat(number, type_name, [(relation, rewrite) for rewrite in rewrites], set(), Reading.NOTHING)
        return Part(number)

    def _flat(self, number: int, type_name: str, start: Iterable[tuple[Relation, Rewrite]], includes: set[str], reading: Reading) -> Node:
        """Everything that the expressions give by tuples and links, those of relations on the same object included.

        `includes` are the relations whose subjects they all are.
        """
        loose = reading is not Reading.NOTHING
        directs: dict[Direct, None] = {}
        links: dict[Link, None] = {}
        ahead = list(start)
        while ahead:
            own, rewrite = ahead.pop(0)
            match rewrite:
                case This():
                    named = [r for r in own.restrictions if not r.relation and (loose or not r.condition)]
                    directs |= dict.fromkeys(Direct(own.name, r.type, r.wildcard, conditional=bool(r.condition)) for r in named)
                case Computed(name) if name not in includes and (loose or (type_name, name) not in self.branching):
                    includes.add(name)
                    computed = self.model.types[type_name][name]
                    ahead.append((computed, computed.rewrite))
                case Union(operands):
                    ahead += [(own, operand) for operand in operands]
                case Intersection(operands):
                    ahead += [(own, operand) for operand in (operands if reading is Reading.EVERYTHING else operands[:1])]
                case Exclusion(base, subtract):
                    ahead += [(own, operand) for operand in ((base, subtract) if reading is Reading.EVERYTHING else (base,))]
                case _:
                    pass
            found = [hop for hop in _hops(self.model, type_name, own, rewrite) if loose or not self._branches(hop)]
            links |= {self._link(hop, reading): None for hop in found}
        return Node(number, type_name, frozenset(includes), tuple(directs), tuple(links))

    def _link(self, hop: Hop, reading: Reading) -> Link:
        target = self._target(hop.target, reading)
        return Link(hop.relation, hop.subject_type, hop.subject_relation, target, conditional=bool(hop.condition))

    def _branches(self, hop: Hop) -> bool:
        return bool(hop.condition) or hop.target in self.branching

    def _term(self, type_name: str, relation: Relation, rewrite: Rewrite) -> Term:
        match rewrite:
            case Union(operands):
                # What is linear of all operands is one part, and so one branch of the statement.
                inner = [operand for operand in operands if not isinstance(operand, This | Computed | Through)]
                outer = [operand for operand in operands if isinstance(operand, This | Computed | Through)]
                terms = [self._term(type_name, relation, operand) for operand in inner]
                return AnyOf((*self._leaves(type_name, relation, outer), *terms))
            case Intersection(operands):
                return AllOf(tuple(self._term(type_name, relation, operand) for operand in operands))
            case Exclusion(base, subtract):
                return Without(self._term(type_name, relation, base), self._term(type_name, relation, subtract))
            case _:
                return AnyOf(self._leaves(type_name, relation, [rewrite]))

    def _leaves(self, type_name: str, relation: Relation, rewrites: list[Leaf]) -> tuple[Term, ...]:
        part = self._part(type_name, relation, rewrites)
        node = self._nodes[part.node]
        assert node is not None
        terms: dict[Term, None] = {part: None} if node.directs or node.links or node.includes else {}
        for rewrite in rewrites:
            if isinstance(rewrite, Computed) and (type_name, rewrite.relation) in self.branching:
                terms[Same(rewrite.relation)] = None
            if isinstance(rewrite, This):
                under = [r for r in relation.restrictions if r.condition and not r.relation]
                terms |= {Named(type_name, relation.name, r.type, r.wildcard, r.condition): None for r in under}
            terms |= {hop: None for hop in _hops(self.model, type_name, relation, rewrite) if self._branches(hop)}
        return tuple(terms)


def _hops(model: Model, type_name: str, relation: Relation, rewrite: Rewrite) -> Iterator[Hop]:
    """Where the tuples lead that brackets or a tupleset name."""
    match rewrite:
        case This():
            for given in relation.restrictions:
                if given.relation:
                    yield Hop(type_name, relation.name, given.type, given.relation, (given.type, given.relation), given.condition)
        case Through(name, tupleset):
            for given in model.types[type_name][tupleset].restrictions:
                if model.relation(given.type, name) is not None:
                    yield Hop(type_name, tupleset, given.type, "", (given.type, name), given.condition)
        case _:
            pass


def _branching(model: Model) -> frozenset[TypeRelation]:
    """The relations from which something else than `or`, or a condition, can be met."""
    found = {(t, r.name) for t, r in model.relations() if _has_set_operator(r.rewrite) or _has_condition(model, t, r)}
    while True:
        more = {(t, r.name) for t, r in model.relations() if (t, r.name) not in found and any(key in found for key in _met(model, t, r))}
        if not more:
            return frozenset(found)
        found |= more


def _has_set_operator(rewrite: Rewrite) -> bool:
    match rewrite:
        case Union(operands):
            return any(map(_has_set_operator, operands))
        case Intersection() | Exclusion():
            return True
        case _:
            return False


def _has_condition(model: Model, type_name: str, relation: Relation) -> bool:
    given = list(leaves(relation.rewrite))
    own = any(isinstance(leaf, This) for leaf in given) and any(r.condition for r in relation.restrictions)
    return own or any(hop.condition for leaf in given for hop in _hops(model, type_name, relation, leaf))


def _met(model: Model, type_name: str, relation: Relation) -> Iterable[TypeRelation]:
    for leaf in leaves(relation.rewrite):
        if isinstance(leaf, Computed):
            yield type_name, leaf.relation
        yield from (hop.target for hop in _hops(model, type_name, relation, leaf))


def hops(term: Term) -> Iterable[Hop | Same]:
    """The links of an expression to other relations."""
    return (one for one in _ends(term) if isinstance(one, Hop | Same))


def parts(term: Term) -> Iterable[Part]:
    """The nodes that an expression needs."""
    return (one for one in _ends(term) if isinstance(one, Part))


def named(term: Term) -> Iterable[Named]:
    """The tuples under conditions that an expression needs, but for its links."""
    return (one for one in _ends(term) if isinstance(one, Named))


def _ends(term: Term) -> Iterator[Part | Named | Hop | Same]:
    match term:
        case AnyOf(terms) | AllOf(terms):
            for one in terms:
                yield from _ends(one)
        case Without(base, subtract):
            yield from _ends(base)
            yield from _ends(subtract)
        case _:
            yield term
