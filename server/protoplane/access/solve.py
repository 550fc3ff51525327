"""Relationships that depend on one another, decided all at once: the well-founded model of their expressions.

`but not` subtracts only what is certainly not held. What is certain and what is possible are computed in turn until neither changes;
what depends on its own negation stays possible, and is denied.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from protoplane.access.graph import AllOf, AnyOf, Hop, Part, Same, Term, Without
from protoplane.access.model import TypeRelation

Goal: TypeAlias = tuple[TypeRelation, str]
"""A relation, and the id of the object that it is asked of."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the tuples say, as far as the goals ask."""

    terms: Mapping[TypeRelation, Term]
    parts: AbstractSet[tuple[int, str]]
    """The nodes of objects that the subject is in, among those that the goals need."""
    links: Mapping[tuple[Hop, str], Collection[str]]
    """Where the links of an object lead: ids."""
    own: Goal | None
    """The goal whose userset is the subject itself."""


def solve(facts: Facts, goals: Collection[Goal]) -> set[Goal]:
    """The goals that certainly hold. They are closed: whatever one of them depends on is among them. Best given from the last found to the first."""
    certain: set[Goal] = set()
    possible = set(goals)
    while True:
        known = len(certain), len(possible)
        certain, possible = _least(facts, goals, possible, certain), _least(facts, goals, certain, possible)
        if (len(certain), len(possible)) == known:
            return certain


def _least(facts: Facts, goals: Collection[Goal], subtracted: set[Goal], inside: set[Goal]) -> set[Goal]:
    """The least set closed under the expressions; what is subtracted is looked up in one set, and what is subtracted of that in the other."""
    held: set[Goal] = {facts.own} if facts.own in goals and facts.own is not None else set()
    ahead = [goal for goal in goals if goal not in held]
    while True:
        left = []
        for goal in ahead:
            if _holds(facts, facts.terms[goal[0]], goal, (held, subtracted, inside)):
                held.add(goal)
            else:
                left.append(goal)
        if len(left) == len(ahead):
            return held
        ahead = left


def _holds(facts: Facts, term: Term, goal: Goal, sets: tuple[set[Goal], set[Goal], set[Goal]]) -> bool:
    (kind, _), object_id = goal
    match term:
        case Part(node):
            return (node, object_id) in facts.parts
        case Same(relation):
            return ((kind, relation), object_id) in sets[0]
        case Hop():
            return any((term.target, linked) in sets[0] for linked in facts.links.get((term, object_id), ()))
        case AnyOf(terms):
            return any(_holds(facts, one, goal, sets) for one in terms)
        case AllOf(terms):
            return all(_holds(facts, one, goal, sets) for one in terms)
        case Without(base, subtract):
            _, subtracted, inside = sets
            return _holds(facts, base, goal, sets) and not _holds(facts, subtract, goal, (subtracted, inside, subtracted))
        case _:
            assert_never(term)
