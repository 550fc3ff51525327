"""Every way in which a subject may have a relation on an object, found out tuple by tuple, and which of them lead there.

The ways are looked at level by level, from the question away, until what has been seen decides it: what is unknown counts for nothing where
something must be held, and for everything where something must not. Past a bound the engine is asked instead of the tuples. What is held is the
same well-founded model that `access.solve` computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from protoplane.access.bounds import LEVELS_MAX
from protoplane.access.check import LISTED_MAX, Checks
from protoplane.access.given import Call, Given
from protoplane.access.model import WILDCARD, Computed, Exclusion, Intersection, Relation, Rewrite, This, Through, Union
from protoplane.access.stated import NAME, Goal, Reader, Stated
from protoplane.access.tuples import Subject
from protoplane.store.session import Session

EXPLORED_MAX = 1_000
"""Goals whose tuples are read."""

LINKS_MAX = 1_000
"""Tuples of one kind that are read of one goal."""


@dataclass(frozen=True, slots=True)
class Says:
    """Something stated that counts: it names the subject itself, or leads to whoever has `target`."""

    stated: Stated
    target: Goal | None
    answer: bool | None
    """Of its condition; None where that cannot be evaluated."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Itself:
    """The subject is whoever has this relation on this object."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Any of what is stated; `rewrite` says whether in brackets or after `from`."""

    rewrite: This | Through
    says: tuple[Says, ...]
    cut: bool
    """Whether there is more that was not read."""


@dataclass(frozen=True, slots=True)
class Same:
    """Another relation on the same object."""

    goal: Goal


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of these ways."""

    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of these ways."""

    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Without:
    """The first way, and not the second."""

    base: Way
    subtract: Way


Way: TypeAlias = Itself | Lookup | Same | AnyOf | AllOf | Without


@dataclass(slots=True)
class Ways:
    """What is known of one question. Raises `BoundExceeded` where the engine does."""

    checks: Checks
    reader: Reader
    session: Session
    subject: Subject
    given: Given
    call: Call
    known: dict[Goal, Way] = field(default_factory=dict)
    told: dict[Goal, bool] = field(default_factory=dict)
    """What the engine said of goals that were not looked into, or not wholly."""
    certain: dict[Goal, int] = field(default_factory=dict)
    """What is held, and how many steps that takes."""
    possible: set[Goal] = field(default_factory=set)
    """What is held, or not known, or depends on its own negation."""

    def find(self, root: Goal) -> None:
        """Look until the question is decided."""
        self.session.snapshot()
        ahead, decided_at = [root], 0
        for _ in range(LEVELS_MAX):
            for goal in ahead[: EXPLORED_MAX - len(self.known)]:
                self.known[goal] = self._look(goal)
            missing = self._missing()
            if not missing or len(self.known) >= EXPLORED_MAX:
                break
            if len(self.known) >= 2 * decided_at:
                decided_at = len(self.known)
                self._decide([*missing, *self._cut()])
                if root in self.certain or root not in self.possible:
                    return
            ahead = missing
        asked = [*self._missing(), *self._cut()]
        for start in range(0, len(asked), LISTED_MAX):
            chunk = asked[start : start + LISTED_MAX]
            answers = self.checks.check_many(
                self.session, self.subject, [(relation, object_) for object_, relation, _ in chunk], self.given
            )
            self.told |= dict(zip(chunk, answers, strict=True))
        self._decide([])

    def cost(self, way: Way) -> int | None:
        """Steps of the shortest proof that the way leads there; None where it does not certainly."""
        match way:
            case Itself():
                return 0
            case Lookup(_, says):
                costs = [0 if one.target is None else self.certain.get(one.target) for one in says if one.answer]
            case Same(goal):
                return self.certain.get(goal)
            case AnyOf(ways):
                costs = [self.cost(one) for one in ways]
            case AllOf(ways):
                each = [self.cost(one) for one in ways]
                return None if None in each else max(cost for cost in each if cost is not None)
            case Without(base, subtract):
                return None if self.may(subtract) else self.cost(base)
            case _:
                assert_never(way)
        return min((cost for cost in costs if cost is not None), default=None)

    def may(self, way: Way) -> bool:
        """Whether the way leads there, as far as is known."""
        match way:
            case Itself():
                return True
            case Lookup(_, says):
                return any(one.answer is not False and (one.target is None or one.target in self.possible) for one in says)
            case Same(goal):
                return goal in self.possible
            case AnyOf(ways):
                return any(map(self.may, ways))
            case AllOf(ways):
                return all(map(self.may, ways))
            case Without(base, subtract):
                return self.may(base) and self.cost(subtract) is None
            case _:
                assert_never(way)

    def _decide(self, unknown: list[Goal]) -> None:
        """Compute what is certain and what is possible in turn until neither changes."""
        said = {goal for goal, held in self.told.items() if held}
        self.certain, self.possible = {}, {*self.known, *unknown, *said}
        while True:
            before = len(self.certain), len(self.possible)
            certain = self._certain(said)
            possible = self._possible({*said, *unknown})
            self.certain, self.possible = certain, possible
            if (len(certain), len(possible)) == before:
                return

    def _certain(self, said: set[Goal]) -> dict[Goal, int]:
        """In rounds, so that each has the number of steps of its shortest proof."""
        kept, self.certain = self.certain, dict.fromkeys(said, 0)
        ahead = [goal for goal in self.known if goal not in self.told]
        while True:
            found = {goal: cost + 1 for goal in ahead if (cost := self.cost(self.known[goal])) is not None}
            if not found:
                break
            self.certain |= found
            ahead = [goal for goal in ahead if goal not in found]
        found, self.certain = self.certain, kept
        return found

    def _possible(self, said: set[Goal]) -> set[Goal]:
        kept, self.possible = self.possible, set(said)
        ahead = [goal for goal in self.known if goal not in self.told]
        while True:
            left = []
            for goal in ahead:
                if self.may(self.known[goal]):
                    self.possible.add(goal)
                else:
                    left.append(goal)
            if len(left) == len(ahead):
                break
            ahead = left
        found, self.possible = self.possible, kept
        return found

    def _missing(self) -> list[Goal]:
        """What ways lead to that was not looked at, in the order in which it was met."""
        return list(dict.fromkeys(goal for way in self.known.values() for goal in targets(way) if goal not in self.known))

    def _cut(self) -> list[Goal]:
        """What was not looked into wholly."""
        return [goal for goal, way in self.known.items() if any(part.cut for part in _lookups(way))]

    def _look(self, goal: Goal) -> Way:
        object_, name, _ = goal
        if (object_, name) == (self.subject.object, self.subject.relation):
            return Itself()
        relation = self.checks.graph.model.types[object_.type][name]
        return self._way(goal, relation, relation.rewrite)

    def _way(self, goal: Goal, relation: Relation, rewrite: Rewrite) -> Way:
        match rewrite:
            case This():
                return self._direct(goal, relation, rewrite)
            case Through():
                return self._through(goal, rewrite)
            case Computed(name):
                return Same((goal[0], name, goal[2]))
            case Union(operands):
                return AnyOf(tuple(self._way(goal, relation, operand) for operand in operands))
            case Intersection(operands):
                return AllOf(tuple(self._way(goal, relation, operand) for operand in operands))
            case Exclusion(base, subtract):
                return Without(self._way(goal, relation, base), self._way(goal, relation, subtract))
            case _:
                assert_never(rewrite)

    def _direct(self, goal: Goal, relation: Relation, rewrite: This) -> Lookup:
        """What names the subject itself or everybody, then usersets."""
        own = [self.subject, *([] if self.subject.relation else [Subject(self.subject.type, WILDCARD)])]
        found = [one for subject in dict.fromkeys(own) for one in self._read(goal, relation.name, subject)]
        says = [self._says(one, None) for one in found]
        for kind in dict.fromkeys(Subject(r.type, "", r.relation) for r in relation.restrictions if r.relation):
            stated = [one for one in self._read(goal, relation.name, kind) if one not in found]
            says += [self._says(one, self._target(goal, one, kind.relation)) for one in stated]
        return Lookup(rewrite, tuple(says[:LINKS_MAX]), len(says) > LINKS_MAX)

    def _through(self, goal: Goal, rewrite: Through) -> Lookup:
        kinds = dict.fromkeys(kind for kind, _ in self.checks.graph.model.through(goal[0].type, rewrite))
        stated = [one for kind in kinds for one in self._read(goal, rewrite.tupleset, Subject(kind, ""))]
        says = [self._says(one, self._target(goal, one, rewrite.relation)) for one in stated[:LINKS_MAX]]
        return Lookup(rewrite, tuple(says), len(stated) > LINKS_MAX)

    def _target(self, goal: Goal, stated: Stated, relation: str) -> Goal:
        """Where something stated leads; by a name alone to a name."""
        return stated.held.subject.object, relation, goal[2] and stated.field == NAME

    def _read(self, goal: Goal, relation: str, subject: Subject) -> Sequence[Stated]:
        return self.reader.read(self.session, self.call, (goal[0], relation, goal[2]), subject, limit=LINKS_MAX + 1)

    def _says(self, stated: Stated, target: Goal | None) -> Says:
        condition, context = stated.held.condition, stated.held.context
        answer = True if not condition else self.call.holds(condition, context)
        return Says(stated, target, answer, self.call.problem(condition, context))


def targets(way: Way) -> Iterator[Goal]:
    """The goals that a way leads to."""
    match way:
        case Lookup(_, says):
            yield from (one.target for one in says if one.target is not None and one.answer is not False)
        case Same(goal):
            yield goal
        case AnyOf(ways) | AllOf(ways):
            for one in ways:
                yield from targets(one)
        case Without(base, subtract):
            yield from targets(base)
            yield from targets(subtract)
        case _:
            pass


def _lookups(way: Way) -> Iterator[Lookup]:
    match way:
        case Lookup():
            yield way
        case AnyOf(ways) | AllOf(ways):
            for one in ways:
                yield from _lookups(one)
        case Without(base, subtract):
            yield from _lookups(base)
            yield from _lookups(subtract)
        case _:
            pass
