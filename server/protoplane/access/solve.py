"""Relationships that depend on one another, decided all at once: the well-founded model of their expressions.

`but not` subtracts only what is certainly not held. What is certain and what is possible are computed in turn until neither changes.
What depends on its own negation stays possible, and so does what depends on a tuple of which nobody can say whether it counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, assert_never

from protoplane.access.graph import AllOf, AnyOf, Hop, Named, Part, Same, Term, Without
from protoplane.access.model import TypeRelation

Thing: TypeAlias = tuple[str, bool]
"""An object's id, and whether what its name says of it counts without a row (`store.named`)."""

Goal: TypeAlias = tuple[TypeRelation, Thing]
"""A relation, and the object that it is asked of."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the tuples say, as far as the goals ask."""

    terms: Mapping[TypeRelation, Term]
    ends: AbstractSet[tuple[Part | Named, Thing]]
    """The nodes of objects that the subject is in, and the tuples under conditions that hold and name it, among those that the goals need."""
    links: Mapping[tuple[Hop, Thing], Collection[Thing]]
    """Where the links of an object lead."""
    own: Collection[Goal]
    """The goals whose userset is the subject itself."""
    open_ends: AbstractSet[tuple[Part | Named, Thing]] = frozenset()
    """Ends that may be such: their conditions have no answer."""
    open_links: Mapping[tuple[Hop, Thing], Collection[Thing]] = field(default_factory=dict)
    """Links that may be such."""


class Solution(NamedTuple):
    """Goals that certainly hold, and all that may: neither yes nor no is between them."""

    certain: set[Goal]
    possible: set[Goal]


def solve(facts: Facts, goals: Collection[Goal]) -> Solution:
    """What holds of goals that are closed: whatever one of them depends on is among them. Best given from the last found to the first."""
    certain: set[Goal] = set()
    possible = set(goals)
    while True:
        known = len(certain), len(possible)
        least = _least(facts, goals, possible, certain, may=False)
        certain, possible = least, _least(facts, goals, certain, possible, may=True)
        if (len(certain), len(possible)) == known:
            return Solution(certain, possible)


def _least(facts: Facts, goals: Collection[Goal], subtracted: set[Goal], inside: set[Goal], *, may: bool) -> set[Goal]:
    """The least set closed under the expressions; what is subtracted is looked up in one set, and what is subtracted of that in the other.

    `may`: with what is open.
    """
    held: set[Goal] = {own for own in facts.own if own in goals}
    ahead = [goal for goal in goals if goal not in held]
    while True:
        left = []
        for goal in ahead:
            if _holds(facts, facts.terms[goal[0]], goal, (held, subtracted, inside), may=may):
                held.add(goal)
            else:
                left.append(goal)
        if len(left) == len(ahead):
            return held
        ahead = left


def _holds(facts: Facts, term: Term, goal: Goal, sets: tuple[set[Goal], set[Goal], set[Goal]], *, may: bool) -> bool:
    (kind, _), thing = goal
    match term:
        case Part() | Named():
            return (term, thing) in facts.ends or (may and (term, thing) in facts.open_ends)
        case Same(relation):
            return ((kind, relation), thing) in sets[0]
        case Hop():
            led = facts.links.get((term, thing), ())
            open_ = facts.open_links.get((term, thing), ()) if may else ()
            return any((term.target, linked) in sets[0] for linked in (*led, *open_))
        case AnyOf(terms):
            return any(_holds(facts, one, goal, sets, may=may) for one in terms)
        case AllOf(terms):
            return all(_holds(facts, one, goal, sets, may=may) for one in terms)
        case Without(base, subtract):
            _, subtracted, inside = sets
            inner = (subtracted, inside, subtracted)
            return _holds(facts, base, goal, sets, may=may) and not _holds(facts, subtract, goal, inner, may=not may)
        case _:
            assert_never(term)
