"""Why a subject has a relation on an object, or why not, as a tree: the shortest proof of a yes, every way that was tried of a no."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from protoplane.access.check import UnknownRelation
from protoplane.access.given import NOTHING, Given
from protoplane.access.model import Computed, Exclusion, Intersection, Rewrite, This, Through, Union
from protoplane.access.stated import Goal, Reader, Stated
from protoplane.access.tuples import Object, RelationTuple, Subject
from protoplane.access.ways import AllOf, AnyOf, Itself, Lookup, Same, Says, Way, Ways, Without
from protoplane.store.session import Session

NODES_MAX = 500
"""Of one tree; where it was cut, a note says so."""

DEPTH_MAX = 40
"""Relations, one behind the other."""

CUT = f"the explanation is cut here, at NODES_MAX ({NODES_MAX}) steps or DEPTH_MAX ({DEPTH_MAX}) of them one behind the other"


class Kind(StrEnum):
    """What a relation is had by, or would be."""

    ITSELF = "itself"
    TUPLE = "tuple"
    FIELD = "field"
    COMPUTED = "computed"
    FROM = "from"
    ANY_OF = "any of"
    ALL_OF = "all of"
    BUT_NOT = "but not"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One step: whether `subject` has `relation` on `object`, as far as this part of its expression goes.

    Children are what it rests on; one with another relation on the same object is computed from that. Of `but not`, the first is the base and the second, where there is one, what is subtracted.
    """

    subject: Subject
    relation: str
    object: Object
    held: bool
    kind: Kind
    stated: Stated | None = None
    """The tuple, or the value of a field, that leads to the only child, or that names the subject itself."""
    children: tuple[Explanation, ...] = ()
    note: str = ""


def explain(session: Session, reader: Reader, question: tuple[Subject, str, Object], given: Given = NOTHING) -> Explanation:
    """Why, or why not; it says what `Checks.check` says. Raises UnknownRelation, BoundExceeded, NotAdmitted.

    A condition that has no answer does not hold here, and is told with its reason; it is Check that raises.
    """
    subject, relation, object_ = question
    checks = reader.checks
    if checks.graph.model.relation(object_.type, relation) is None:
        raise UnknownRelation(object_.type, relation)
    ways = Ways(checks, reader, session, subject, given, checks.call(given))
    root = object_, relation, reader.named
    ways.find(root)
    return _Teller(ways).goal(root)


@dataclass(frozen=True, slots=True)
class Called:
    """How objects, subjects and tuples are called in a text: by default as the model calls them."""

    object: Callable[[Object], str] = str
    subject: Callable[[Subject], str] = str
    tuple: Callable[[RelationTuple], str] = str


PLAIN = Called()


def lines(explanation: Explanation, called: Called = PLAIN) -> Iterator[str]:
    """The tree as text, a line for each step, those that it rests on indented."""
    yield f"{'yes' if explanation.held else 'no'}: {_sentence(explanation, called)}"
    yield from _below(explanation, "  ", called)


def _below(explanation: Explanation, indent: str, called: Called) -> Iterator[str]:
    for child in explanation.children:
        yield f"{indent}{'+' if child.held else '-'} {_sentence(child, called)}"
        yield from _below(child, f"{indent}  ", called)


def _sentence(one: Explanation, called: Called) -> str:
    asked = f"{called.subject(one.subject)} {'is' if one.held else 'is not'} {one.relation} of {called.object(one.object)}"
    if one.stated is not None:
        asked += f", {one.kind.value} {called.tuple(one.stated.held)}"
    elif not one.note:
        asked += f", by {BY.get(one.kind, one.kind.value)}"
    return f"{asked}: {one.note}" if one.note else asked


BY = {Kind.ITSELF: "being it", Kind.TUPLE: "tuples", Kind.FROM: "tuples", Kind.COMPUTED: "another relation"}
"""How kinds are called where no one thing is what leads there."""


class _Teller:
    """One tree out of what is known. A yes is told of what is certain, a no of what is not even possible; the rest is neither."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._left = NODES_MAX
        self._path: list[Goal] = []
        self._denied: set[Goal] = set()

    def goal(self, goal: Goal) -> Explanation:
        object_, name, _ = goal
        ways = self._ways
        held = goal in ways.certain
        way = ways.known.get(goal)
        plain = self._made(goal, held=held, kind=_kind(ways.checks.graph.model.types[object_.type][name].rewrite))
        self._left -= 1
        if goal in self._path or goal in self._denied:
            return replace(plain, note="see above")
        if way is None or (goal in ways.told and held and ways.cost(way) != 0):
            return replace(plain, note="the tuples behind it were not read")
        if self._left <= 0 or len(self._path) >= DEPTH_MAX:
            return replace(plain, note=CUT)
        if not held:
            self._denied.add(goal)
        self._path.append(goal)
        told = self._told(goal, way, held=held)
        self._path.pop()
        if not held and goal in ways.possible and not told.note:
            return replace(told, note="denied, for it depends on its own negation, or on a condition that has no answer")
        return told

    def _told(self, goal: Goal, way: Way, *, held: bool) -> Explanation:
        """A part of the expression of a goal, which leads there or not."""
        match way:
            case Itself():
                return self._made(goal, held=True, kind=Kind.ITSELF)
            case Lookup():
                return self._looked_up(goal, way, held=held)
            case Same(target):
                return self._made(goal, held=held, kind=Kind.COMPUTED, children=[self.goal(target)])
            case AnyOf(ways) | AllOf(ways):
                any_of = isinstance(way, AnyOf)
                told: Iterable[Way] = ways
                if held and any_of:
                    told = [min((one for one in ways if self._ways.cost(one) is not None), key=lambda one: self._ways.cost(one) or 0)]
                elif not held and not any_of:
                    told = [one for one in ways if not self._ways.may(one)][:1] or [one for one in ways if self._ways.cost(one) is None]
                return self._made(
                    goal, held=held, kind=Kind.ANY_OF if any_of else Kind.ALL_OF, children=(self._part(goal, one) for one in told)
                )
            case Without(base, subtract):
                shown = [base, subtract] if held or self._ways.cost(base) is not None else [base]
                return self._made(goal, held=held, kind=Kind.BUT_NOT, children=(self._part(goal, one) for one in shown))
            case _:
                assert_never(way)

    def _part(self, goal: Goal, way: Way) -> Explanation:
        if isinstance(way, Same):
            return self.goal(way.goal)
        self._left -= 1
        return self._told(goal, way, held=self._ways.cost(way) is not None)

    def _looked_up(self, goal: Goal, way: Lookup, *, held: bool) -> Explanation:
        through = isinstance(way.rewrite, Through)
        kind = Kind.FROM if through else Kind.TUPLE
        if held:
            found = min((one for one in way.says if self._cost(one) is not None), key=lambda one: self._cost(one) or 0)
            return self._said(goal, found, through=through)
        note = "more tuples were not read" if way.cut else "" if way.says else _nothing(way.rewrite)
        if len(way.says) == 1 and not note:
            return self._said(goal, way.says[0], through=through)
        return self._made(goal, held=False, kind=kind, children=(self._said(goal, one, through=through) for one in way.says), note=note)

    def _cost(self, one: Says) -> int | None:
        return None if not one.answer else 0 if one.target is None else self._ways.certain.get(one.target)

    def _said(self, goal: Goal, one: Says, *, through: bool) -> Explanation:
        self._left -= 1
        kind = Kind.FROM if through else Kind.FIELD if one.stated.field else Kind.TUPLE
        held = self._cost(one) is not None
        note = "" if one.answer else one.problem or f"condition '{one.stated.held.condition}' does not hold"
        follows = one.target is not None and one.answer
        children = (self.goal(target) for target in [one.target] if target is not None and follows)
        return self._made(goal, held=held, kind=kind, children=children, stated=one.stated, note=note)

    def _made(
        self,
        goal: Goal,
        *,
        held: bool,
        kind: Kind,
        children: Iterable[Explanation] = (),
        stated: Stated | None = None,
        note: str = "",
    ) -> Explanation:
        object_, name, _ = goal
        found = []
        for child in children:
            found.append(child)
            if self._left <= 0:
                note = note or CUT
                break
        return Explanation(self._ways.subject, name, object_, held, kind, stated, tuple(found), note)


def _kind(rewrite: Rewrite) -> Kind:
    match rewrite:
        case This():
            return Kind.TUPLE
        case Computed():
            return Kind.COMPUTED
        case Through():
            return Kind.FROM
        case Union():
            return Kind.ANY_OF
        case Intersection():
            return Kind.ALL_OF
        case Exclusion():
            return Kind.BUT_NOT
        case _:
            assert_never(rewrite)


def _nothing(rewrite: This | Through) -> str:
    return f"there is no '{rewrite.tupleset}'" if isinstance(rewrite, Through) else "no tuple names it"
