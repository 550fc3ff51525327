"""What relationships that are not linear depend on, read level by level: one statement a level, two where tuples stand under conditions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from protoplane.access.bounds import GOALS_MAX, LEVELS_MAX, BoundExceeded
from protoplane.access.given import Call
from protoplane.access.graph import Graph, Hop, Named, Same, hops, named
from protoplane.access.model import WILDCARD
from protoplane.access.solve import Goal, Thing
from protoplane.access.tuples import Subject
from protoplane.store.closure import Closures
from protoplane.store.session import Session

Asked: TypeAlias = tuple[Hop, Thing]


@dataclass(slots=True)
class Explored:
    """Goals in the order in which they were met, where their links lead, and which tuples under conditions name the subject and hold.

    What is open depends on conditions that have no answer.
    """

    goals: list[Goal]
    links: dict[Asked, list[Thing]] = field(default_factory=dict)
    named: set[tuple[Named, Thing]] = field(default_factory=set)
    open_links: dict[Asked, list[Thing]] = field(default_factory=dict)
    open_named: set[tuple[Named, Thing]] = field(default_factory=set)

    def link(self, asked: Asked, linked: Thing, *, held: bool | None) -> None:
        """Note where a link leads, if it does."""
        if held is not False:
            (self.open_links if held is None else self.links).setdefault(asked, []).append(linked)

    def name(self, one: Named, thing: Thing, *, held: bool | None) -> None:
        """Note that a tuple names the subject, if it does."""
        if held is not False:
            (self.open_named if held is None else self.named).add((one, thing))


class Explorer:
    """Reads what goals depend on."""

    def __init__(self, graph: Graph, closures: Closures) -> None:
        self._terms, self._sources = graph.terms, closures.sources
        every = [hop for term in graph.terms.values() for hop in hops(term) if isinstance(hop, Hop)]
        self._probe = closures.probe(dict.fromkeys((hop.object_type, hop.relation) for hop in every if not hop.condition))
        self._probe_conditional = closures.probe_conditional()
        self._conditional = closures.conditional()

    def explore(self, session: Session, subject: Subject, goals: Iterable[Goal], call: Call) -> Explored:
        """The goals and all that they depend on through relations that are not linear. Raises BoundExceeded."""
        met = dict.fromkeys(goals)
        found = Explored([])
        ahead = list(met)
        for _ in range(LEVELS_MAX):
            same, asked = self._next(ahead)
            new = [one for one in dict.fromkeys(asked) if one not in found.links]
            led = [*same, *self._follow(session, new, found, GOALS_MAX - len(met), call)]
            ahead = [goal for goal in dict.fromkeys(led) if goal not in met]
            if not ahead:
                found.goals = list(met)
                self._name(session, subject, found, call)
                return found
            met |= dict.fromkeys(ahead)
            if len(met) > GOALS_MAX:
                raise BoundExceeded(f"more than GOALS_MAX ({GOALS_MAX}) relationships")
        raise BoundExceeded(f"more than LEVELS_MAX ({LEVELS_MAX}) links one behind the other")

    def _next(self, goals: Iterable[Goal]) -> tuple[list[Goal], list[Asked]]:
        """What goals depend on: goals of the same objects, and links to be read."""
        same: list[Goal] = []
        asked: list[Asked] = []
        for key, thing in goals:
            for hop in hops(self._terms[key]):
                if isinstance(hop, Same):
                    same.append(((key[0], hop.relation), thing))
                else:
                    asked.append((hop, thing))
        return same, asked

    def _follow(self, session: Session, asked: Sequence[Asked], found: Explored, room: int, call: Call) -> list[Goal]:
        """Read the links and note them; the goals that they lead to."""
        by_name = {one: said for one in asked if (said := self._said(one)) is not None}
        for one in asked:
            found.links[one] = list(by_name.get(one, ()))
            hop, (object_id, _) = one
            for subject_id, held in () if one in by_name else call.subjects(*hop.probe(object_id), hop.condition):
                found.link(one, (subject_id, False), held=held)
        self._read(session, [one for one in asked if not one[0].condition and one not in by_name], found, room)
        self._read_conditional(session, [one for one in asked if one[0].condition], found, room, call)
        return [(one[0].target, linked) for one in asked for linked in (*found.links[one], *found.open_links.get(one, ()))]

    def _said(self, asked: Asked) -> list[Thing] | None:
        """Where the name of an object leads by itself; None where it is not asked."""
        hop, (object_id, free) = asked
        derived = self._sources.named(hop.object_type, hop.relation) if free else None
        if derived is None:
            return None
        parts = object_id.split("/")
        fits = len(parts) == len(derived.key) and bool(parts[0])
        return [("/".join(parts[: derived.levels]), True)] if fits else []

    def _read(self, session: Session, asked: Sequence[Asked], found: Explored, room: int) -> None:
        if not asked:
            return
        session.snapshot()
        listed = json.dumps([[*hop.probe(thing[0]), number, self._source(hop)] for number, (hop, thing) in enumerate(asked)])
        rows = session.rows(self._probe.sql, self._probe.bound({"listed": listed, "limit": room + 1}))
        _bound(len(rows), room)
        for number, subject_id in rows:
            found.links[asked[number]].append((subject_id, False))

    def _read_conditional(self, session: Session, asked: Sequence[Asked], found: Explored, room: int, call: Call) -> None:
        if not asked:
            return
        session.snapshot()
        listed = json.dumps([[*hop.probe(thing[0]), number] for number, (hop, thing) in enumerate(asked)])
        statement = self._probe_conditional
        rows = session.rows(statement.sql, statement.bound({"listed": listed, "limit": room + 1}))
        _bound(len(rows), room)
        for number, subject_id, condition, context in rows:
            if condition == asked[number][0].condition:
                found.link(asked[number], (subject_id, False), held=call.holds(condition, context))

    def _name(self, session: Session, subject: Subject, found: Explored, call: Call) -> None:
        """Read the tuples under conditions that name the subject, or everybody."""
        if subject.relation:
            return
        wanted = [
            (one, thing, WILDCARD if one.wildcard else subject.id)
            for key, thing in found.goals
            for one in named(self._terms[key])
            if one.subject_type == subject.type and (one.wildcard or not subject.wildcard)
        ]
        if not wanted:
            return
        session.snapshot()
        rows = [[one.object_type, thing[0], one.relation, one.subject_type, who, number] for number, (one, thing, who) in enumerate(wanted)]
        for number, condition, context in session.rows(self._conditional.sql, self._conditional.bound({"listed": json.dumps(rows)})):
            one, thing, _ = wanted[number]
            if condition == one.condition:
                found.name(one, thing, held=call.holds(condition, context))
        for one, thing, who in wanted:
            for subject_id, held in call.subjects(one.object_type, thing[0], one.relation, one.subject_type, "", one.condition):
                if subject_id == who:
                    found.name(one, thing, held=held)

    def _source(self, hop: Hop) -> int:
        return self._sources.of(hop.object_type, hop.relation, conditional=False, contextual=False)[0].number


def _bound(count: int, room: int) -> None:
    if count > room:
        raise BoundExceeded(f"more than GOALS_MAX ({GOALS_MAX}) links")
