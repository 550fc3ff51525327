"""Whether a subject has a relation on objects; which objects, which subjects.

A linear relation (see `access.graph`) is one statement, for one object or many. Of the others, what relationships depend on is read first
(`access.explore`); then one statement decides their linear parts, and `access.solve` the rest. What takes more than one statement reads
one moment, in sessions that read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from protoplane.access.bounds import OBJECTS_MAX, BoundExceeded
from protoplane.access.explore import Explored, Explorer
from protoplane.access.given import NOTHING, Call, Given, listed
from protoplane.access.graph import Graph, Named, Part, Reading, hops, named, parts
from protoplane.access.model import WILDCARD, Model, TypeRelation
from protoplane.access.solve import Facts, Goal, Solution, Thing, solve
from protoplane.access.tuples import NotAdmitted, Object, RelationTuple, Subject, admits
from protoplane.store.closure import Asker, Closures
from protoplane.store.direct import direct
from protoplane.store.engine import Engine
from protoplane.store.listing import keep
from protoplane.store.session import Session
from protoplane.store.sources import GIVEN
from protoplane.store.statements import Statement
from protoplane.store.tuples import Derived, Node

LISTED_MAX = 1_000
"""Objects that one statement is asked about."""


NONE = Solution(set(), set())


class UnknownRelation(Exception):
    """The model has no such relation."""

    def __init__(self, type_name: str, relation: str) -> None:
        super().__init__(f"the model has no relation '{type_name}#{relation}'")
        self.type, self.relation = type_name, relation


@dataclass(frozen=True, slots=True)
class _One:
    """How one question of a shape is asked: by the first statement that says yes, or none."""

    node: int
    statements: tuple[Statement, ...]


class Checks:
    """Questions about one model, with the statements for each shape of them made once.

    Answers raise BoundExceeded, UnknownRelation; NotAdmitted for tuples given with them; Unanswered where it depends on a condition that has no
    answer whether it is yes or no.
    """

    def __init__(self, model: Model, engine: Engine, derived: Mapping[TypeRelation, Derived] | None = None) -> None:
        self.graph = Graph(model)
        self.closures = Closures(engine, derived or {})
        self._derived = self.closures.sources.derived
        for key, said in self._derived.items():
            _agree(model, key, said)
        self._named = any(said.levels for said in self._derived.values())
        self._explorer = Explorer(self.graph, self.closures)
        self._statements: dict[object, Statement] = {}
        """Callers choose which relations are asked together, so they are bounded."""
        self._one: dict[tuple[TypeRelation, Asker, bool], _One] = {}

    def check(self, session: Session, subject: Subject, relation: str, object_: Object, given: Given = NOTHING) -> bool:
        """Whether the subject has the relation on the object."""
        key = self._key(object_.type, relation)
        if key in self.graph.branching:
            return self.check_many(session, subject, [(relation, object_)], given)[0]
        plain = self.call(given).plain if given.tuples else ()
        shape = key, Asker(subject.type, subject.relation), bool(plain)
        found = self._one.get(shape)
        if found is None:
            found = self._one[shape] = self._made(*shape)
        values = {"subject": bound(subject), "node": found.node, "object": object_.id, **_told(plain)}
        # Two moments are as good as one: a yes of either is one, and a no is the second's alone.
        return any(session.row(statement.sql, statement.bound(values)) is not None for statement in found.statements)

    def check_many(self, session: Session, subject: Subject, asked: Sequence[tuple[str, Object]], given: Given = NOTHING) -> list[bool]:
        """The same of many relations and objects at once, in their order."""
        return self._check_many(session, subject, asked, self.call(given))

    def list_objects(self, session: Session, subject: Subject, relation: str, type_name: str, given: Given = NOTHING) -> list[str]:
        """The ids of all objects of a type on which the subject has the relation, sorted: of rows, and of what tuples name."""
        key, call = self._key(type_name, relation), self.call(given)
        if key not in self.graph.branching:
            return sorted(one for _, one in self._places(session, subject, [self.graph.node(key)], call.plain))
        term = self.graph.terms[key]
        if self._named or any(True for _ in hops(term)) or any(True for _ in named(term)):
            session.snapshot()
            found = [one for _, one in self._places(session, subject, [self.graph.candidates(key)], call.tuples)]
            return sorted(self.allowed(session, subject, key, found, call))
        # It depends on nothing but parts of the same object: all of them at once, and the rest is arithmetic of sets.
        held = self._places(session, subject, [self.graph.nodes[part.node] for part in dict.fromkeys(parts(term))], call.plain)
        own = [goal for goal in own_goals(subject) if goal[0] == key and not goal[1][1]]
        ends = {(Part(node), (one, False)) for node, one in held}
        goals = {(key, thing): None for _, thing in ends} | dict.fromkeys(own)
        return sorted(one for _, (one, _) in solve(Facts(self.graph.terms, ends, {}, own), goals).certain)

    def list_subjects(self, session: Session, object_: Object, relation: str, kind: Asker, given: Given = NOTHING) -> list[Subject]:
        """All subjects of a kind that have the relation on an object and are named on the way to it, sorted.

        Whoever is not named there has the relation if and only if everybody has, which is `type:*`.
        """
        key, call = self._key(object_.type, relation), self.call(given)
        root = self.graph.candidates(key, Reading.EVERYTHING)
        exact = key not in self.graph.branching
        if not exact:
            session.snapshot()
        tuples = call.plain if exact else call.tuples
        shape = ("subjects", root.number, kind, bool(tuples))
        statement = self._statements.get(shape)
        if statement is None:
            made = self.closures.list_subjects(self.graph.nodes, root, kind, contextual=bool(tuples))
            statement = keep(self._statements, shape, made)
        rows = session.rows(statement.sql, statement.bound({"object": object_.id, "limit": OBJECTS_MAX + 1, **_told(tuples)}))
        if len(rows) > OBJECTS_MAX:
            raise BoundExceeded(f"more than OBJECTS_MAX ({OBJECTS_MAX}) subjects")
        found = [Subject(kind.type, str(row[0]), kind.relation) for row in rows]
        if not exact:
            found = [subject for subject in found if self._check_many(session, subject, [(relation, object_)], call)[0]]
        return sorted(found)

    def allowed(self, session: Session, subject: Subject, key: TypeRelation, ids: Sequence[str], call: Call) -> list[str]:
        """Of any objects those on which the subject has the relation, in their order."""
        kept: list[str] = []
        for start in range(0, len(ids), LISTED_MAX):
            chunk = ids[start : start + LISTED_MAX]
            if key not in self.graph.branching:
                asked = [(self.graph.node(key).number, (one, self._named)) for one in chunk]
                held = self._decide(session, subject, asked, call)
                kept += [one for one, question in zip(chunk, asked, strict=True) if question in held]
                continue
            answers = self._check_many(session, subject, [(key[1], Object(key[0], one)) for one in chunk], call)
            kept += [one for one, answer in zip(chunk, answers, strict=True) if answer]
        return kept

    def call(self, given: Given) -> Call:
        """A question that comes with something. Raises NotAdmitted, BoundExceeded."""
        for held in given.tuples:
            if not admits(self.graph.model, held) or (held.object.type, held.relation) in self._derived:
                raise NotAdmitted(str(held))
        return Call(given)

    def _made(self, key: TypeRelation, asker: Asker, contextual: bool) -> _One:  # noqa: FBT001 - the parts of a shape.
        node = self.graph.node(key)
        walk = self.closures.check(self.graph.nodes, [node], asker, listed=False, contextual=contextual)
        first = direct(self.closures, node, asker)
        return _One(node.number, (walk,) if first is None else (first, walk))

    def _check_many(self, session: Session, subject: Subject, asked: Sequence[tuple[str, Object]], call: Call) -> list[bool]:
        keys: list[Goal] = [(self._key(object_.type, relation), (object_.id, self._named)) for relation, object_ in asked]
        branching = dict.fromkeys(goal for goal in keys if goal[0] in self.graph.branching)
        explored = self._explorer.explore(session, subject, branching, call) if branching else Explored([])
        wanted = {(self.graph.node(key).number, thing): None for key, thing in keys if key not in self.graph.branching}
        wanted |= {(part.node, thing): None for key, thing in explored.goals for part in parts(self.graph.terms[key])}
        held = self._decide(session, subject, list(wanted), call)
        ends: set[tuple[Part | Named, Thing]] = {(Part(node), thing) for node, thing in held} if explored.goals else set()
        ends |= explored.named
        facts = Facts(self.graph.terms, ends, explored.links, own_goals(subject), explored.open_named, explored.open_links)
        solved = solve(facts, explored.goals[::-1]) if explored.goals else NONE
        if (
            call.strict
            and call.unanswered is not None
            and any(goal in solved.possible and goal not in solved.certain for goal in branching)
        ):
            raise call.unanswered  # Neither yes nor no.
        return [
            (key, thing) in solved.certain if key in self.graph.branching else (self.graph.node(key).number, thing) in held
            for key, thing in keys
        ]

    def _places(self, session: Session, subject: Subject, nodes: Sequence[Node], tuples: Sequence[RelationTuple]) -> set[tuple[int, str]]:
        """Of all objects those where the subject is at one of the nodes."""
        asker = Asker(subject.type, subject.relation)
        shape = ("places", tuple(node.number for node in nodes), asker, bool(tuples))
        statement = self._statements.get(shape)
        if statement is None:
            statement = keep(self._statements, shape, self.closures.list_objects(self.graph.nodes, nodes, asker, contextual=bool(tuples)))
        values = {"subject": bound(subject), "limit": OBJECTS_MAX + 1, **_told(tuples)}
        rows = session.rows(statement.sql, statement.bound(values))
        if len(rows) > OBJECTS_MAX:
            raise BoundExceeded(f"more than OBJECTS_MAX ({OBJECTS_MAX}) objects")
        return {(int(node), str(one)) for node, one in rows}

    def _key(self, type_name: str, relation: str) -> TypeRelation:
        if self.graph.model.relation(type_name, relation) is None:
            raise UnknownRelation(type_name, relation)
        return type_name, relation

    def _decide(self, session: Session, subject: Subject, wanted: Sequence[tuple[int, Thing]], call: Call) -> set[tuple[int, Thing]]:
        """Of nodes of objects those that the subject is in."""
        if not wanted:
            return set()
        asker, contextual = Asker(subject.type, subject.relation), bool(call.plain)
        roots = frozenset(number for number, _ in wanted)
        statement = self._statements.get((roots, asker, contextual))
        if statement is None:
            nodes = [self.graph.nodes[number] for number in sorted(roots)]
            made = self.closures.check(self.graph.nodes, nodes, asker, listed=True, contextual=contextual)
            statement = keep(self._statements, (roots, asker, contextual), made)
        questions = json.dumps([[number, node, thing[0], int(thing[1])] for number, (node, thing) in enumerate(wanted)])
        values = {"subject": bound(subject), "listed": questions, **_told(call.plain)}
        return {wanted[number] for (number,) in session.rows(statement.sql, statement.bound(values))}


def _agree(model: Model, key: TypeRelation, said: Derived) -> None:
    """A derived relation is brackets of the one kind of subject that its columns hold."""
    relation = model.relation(*key)
    restrictions = relation.restrictions if relation is not None else ()
    if [(r.type, r.relation, r.wildcard, r.condition) for r in restrictions] != [(said.subject_type, said.subject_relation, False, "")]:
        raise ValueError(f"'{key[0]}#{key[1]}' is not what columns of {said.table} say")


def _told(tuples: Iterable[RelationTuple]) -> dict[str, object]:
    """The values of a statement that is told of tuples."""
    given = list(tuples)
    return {GIVEN: listed(given)} if given else {}


def own_goals(subject: Subject) -> list[Goal]:
    """What a userset has by being it."""
    return [((subject.type, subject.relation), (subject.id, free)) for free in (False, True)] if subject.relation else []


def bound(subject: Subject) -> str:
    """The id as statements compare it: that of everybody is in tuples for everybody alone, so nothing names it as an object."""
    return "" if subject.id == WILDCARD else subject.id
