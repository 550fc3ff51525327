"""Whether a subject has a relation on objects; which objects, which subjects.

A linear relation (see `access.graph`) is one statement, for one object or many. Of the others, the links between relationships are read
level by level, one statement a level for all goals; then one statement decides their linear parts, and `access.solve` the rest. What takes
more than one statement reads one moment, in sessions that read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from protoplane.access.bounds import GOALS_MAX, LEVELS_MAX, OBJECTS_MAX, BoundExceeded
from protoplane.access.graph import Graph, Hop, Reading, Same, hops, parts
from protoplane.access.model import WILDCARD, Model, TypeRelation
from protoplane.access.solve import Facts, Goal, solve
from protoplane.access.tuples import Object, Subject
from protoplane.store.closure import Asker, Closures
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from protoplane.store.statements import Statement
from protoplane.store.tuples import Node

Links: TypeAlias = dict[tuple[Hop, str], list[str]]

LISTED_MAX = 1_000
"""Objects that one statement is asked about."""


class UnknownRelation(Exception):
    """The model has no such relation."""


class Checks:
    """Questions about one model, with the statements for each shape of them made once."""

    def __init__(self, model: Model, engine: Engine) -> None:
        self.graph = Graph(model)
        self._closures = Closures(engine)
        self._statements: dict[object, Statement] = {}
        self._probe = self._closures.probe()

    def check(self, session: Session, subject: Subject, relation: str, object_: Object) -> bool:
        """Whether the subject has the relation on the object. Raises BoundExceeded, UnknownRelation."""
        key = self._key(object_.type, relation)
        if key in self.graph.branching:
            return self.check_many(session, subject, [(relation, object_)])[0]
        asker = Asker(subject.type, subject.relation)
        statement = self._statements.get((key, asker))
        if statement is None:
            statement = self._closures.check(self.graph.nodes, [self.graph.node(key)], asker, listed=False)
            self._statements[key, asker] = statement
        values = {"subject": bound(subject), "node": self.graph.node(key).number, "object": object_.id}
        return session.row(statement.sql, statement.bound(values)) is not None

    def check_many(self, session: Session, subject: Subject, asked: Sequence[tuple[str, Object]]) -> list[bool]:
        """The same of many relations and objects at once, in their order."""
        keys = [(self._key(object_.type, relation), object_.id) for relation, object_ in asked]
        explored, links = self._explore(session, dict.fromkeys(goal for goal in keys if goal[0] in self.graph.branching))
        wanted = {(self.graph.node(key).number, object_id): None for key, object_id in keys if key not in self.graph.branching}
        wanted |= {(part.node, object_id): None for key, object_id in explored for part in parts(self.graph.terms[key])}
        held = self._decide(session, subject, list(wanted))
        solved = solve(Facts(self.graph.terms, held, links, own_goal(subject)), explored[::-1]) if explored else set()
        return [
            (key, object_id) in solved if key in self.graph.branching else (self.graph.node(key).number, object_id) in held
            for key, object_id in keys
        ]

    def list_objects(self, session: Session, subject: Subject, relation: str, type_name: str) -> list[str]:
        """The ids of all objects of a type on which the subject has the relation, sorted."""
        key = self._key(type_name, relation)
        if key not in self.graph.branching:
            return sorted(one for _, one in self._places(session, subject, [self.graph.node(key)]))
        term = self.graph.terms[key]
        if any(True for _ in hops(term)):
            session.snapshot()
            found = [one for _, one in self._places(session, subject, [self.graph.candidates(key)])]
            return sorted(self.allowed(session, subject, key, found))
        # It depends on nothing but parts of the same object: all of them at once, and the rest is arithmetic of sets.
        held = self._places(session, subject, [self.graph.nodes[part.node] for part in dict.fromkeys(parts(term))])
        own = own_goal(subject)
        goals = {(key, one): None for _, one in held} | ({own: None} if own is not None and own[0] == key else {})
        return sorted(one for _, one in solve(Facts(self.graph.terms, held, {}, own), goals))

    def list_subjects(self, session: Session, object_: Object, relation: str, kind: Asker) -> list[Subject]:
        """All subjects of a kind that have the relation on an object and are named on the way to it, sorted.

        Whoever is not named there has the relation if and only if everybody has, which is `type:*`.
        """
        key = self._key(object_.type, relation)
        root = self.graph.candidates(key, Reading.EVERYTHING)
        if key in self.graph.branching:
            session.snapshot()
        statement = self._closures.list_subjects(self.graph.nodes, root, kind)
        rows = session.rows(statement.sql, statement.bound({"object": object_.id, "limit": OBJECTS_MAX + 1}))
        if len(rows) > OBJECTS_MAX:
            raise BoundExceeded(f"more than OBJECTS_MAX ({OBJECTS_MAX}) subjects")
        found = [Subject(kind.type, str(row[0]), kind.relation) for row in rows]
        if key in self.graph.branching:
            found = [subject for subject in found if self.check(session, subject, relation, object_)]
        return sorted(found)

    def allowed(self, session: Session, subject: Subject, key: TypeRelation, ids: Sequence[str]) -> list[str]:
        """Of any objects those on which the subject has the relation, in their order."""
        kept: list[str] = []
        for start in range(0, len(ids), LISTED_MAX):
            chunk = ids[start : start + LISTED_MAX]
            answers = self.check_many(session, subject, [(key[1], Object(key[0], one)) for one in chunk])
            kept += [one for one, answer in zip(chunk, answers, strict=True) if answer]
        return kept

    def _places(self, session: Session, subject: Subject, nodes: Sequence[Node]) -> set[tuple[int, str]]:
        """Of all objects those where the subject is at one of the nodes."""
        asker = Asker(subject.type, subject.relation)
        shape = ("places", tuple(node.number for node in nodes), asker)
        statement = self._statements.get(shape)
        if statement is None:
            statement = self._statements[shape] = self._closures.list_objects(self.graph.nodes, nodes, asker)
        rows = session.rows(statement.sql, statement.bound({"subject": bound(subject), "limit": OBJECTS_MAX + 1}))
        if len(rows) > OBJECTS_MAX:
            raise BoundExceeded(f"more than OBJECTS_MAX ({OBJECTS_MAX}) objects")
        return {(int(node), str(one)) for node, one in rows}

    def _key(self, type_name: str, relation: str) -> TypeRelation:
        if self.graph.model.relation(type_name, relation) is None:
            raise UnknownRelation(f"the model has no relation '{type_name}#{relation}'")
        return type_name, relation

    def _explore(self, session: Session, goals: Iterable[Goal]) -> tuple[list[Goal], Links]:
        """The goals and all that they depend on through relations that are not linear, in the order in which they are met."""
        met = dict.fromkeys(goals)
        links: Links = {}
        ahead = list(met)
        for _ in range(LEVELS_MAX):
            same, asked = self._next(ahead)
            found = [*same, *self._follow(session, [hop for hop in dict.fromkeys(asked) if hop not in links], links, GOALS_MAX - len(met))]
            ahead = [goal for goal in dict.fromkeys(found) if goal not in met]
            if not ahead:
                return list(met), links
            met |= dict.fromkeys(ahead)
            if len(met) > GOALS_MAX:
                raise BoundExceeded(f"more than GOALS_MAX ({GOALS_MAX}) relationships")
        raise BoundExceeded(f"more than LEVELS_MAX ({LEVELS_MAX}) links one behind the other")

    def _next(self, goals: Iterable[Goal]) -> tuple[list[Goal], list[tuple[Hop, str]]]:
        """What goals depend on: goals of the same objects, and links to be read."""
        same: list[Goal] = []
        asked: list[tuple[Hop, str]] = []
        for key, object_id in goals:
            for hop in hops(self.graph.terms[key]):
                if isinstance(hop, Same):
                    same.append(((key[0], hop.relation), object_id))
                else:
                    asked.append((hop, object_id))
        return same, asked

    def _follow(self, session: Session, asked: Sequence[tuple[Hop, str]], links: Links, room: int) -> list[Goal]:
        """Read the links and note them; the goals that they lead to."""
        if not asked:
            return []
        session.snapshot()
        listed = json.dumps([[*hop.probe(object_id), number] for number, (hop, object_id) in enumerate(asked)])
        rows = session.rows(self._probe.sql, self._probe.bound({"listed": listed, "limit": room + 1}))
        if len(rows) > room:
            raise BoundExceeded(f"more than GOALS_MAX ({GOALS_MAX}) links")
        links |= {one: [] for one in asked}
        for number, subject_id in rows:
            links[asked[number]].append(subject_id)
        return [(hop.target, subject_id) for hop, object_id in asked for subject_id in links[hop, object_id]]

    def _decide(self, session: Session, subject: Subject, wanted: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
        """Of nodes of objects those that the subject is in."""
        if not wanted:
            return set()
        asker = Asker(subject.type, subject.relation)
        roots = frozenset(number for number, _ in wanted)
        statement = self._statements.get((roots, asker))
        if statement is None:
            nodes = [self.graph.nodes[number] for number in sorted(roots)]
            statement = self._statements[roots, asker] = self._closures.check(self.graph.nodes, nodes, asker, listed=True)
        listed = json.dumps([[number, node, object_id] for number, (node, object_id) in enumerate(wanted)])
        rows = session.rows(statement.sql, statement.bound({"subject": bound(subject), "listed": listed}))
        return {wanted[number] for (number,) in rows}


def own_goal(subject: Subject) -> Goal | None:
    """What a userset has by being it."""
    return ((subject.type, subject.relation), subject.id) if subject.relation else None


def bound(subject: Subject) -> str:
    """The id as statements compare it: that of everybody is in tuples for everybody alone, so nothing names it as an object."""
    return "" if subject.id == WILDCARD else subject.id
