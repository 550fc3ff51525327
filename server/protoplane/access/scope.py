"""Lists of what a subject may see: exact, in the resource's own order, page by page, whatever part of all rows that is.

No one statement serves who may see ten rows, one per cent and nearly all. What a subject may see is therefore looked at first, in steps
that stop at a bound (`Shape`), and the page is read accordingly; the rows are the same either way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from peewee import Node

from protoplane.access.check import Checks, bound
from protoplane.access.given import NOTHING, Call, Given
from protoplane.access.model import TypeRelation
from protoplane.access.tuples import Subject
from protoplane.contract.names import integer
from protoplane.query.paging import Position
from protoplane.store.closure import Asker
from protoplane.store.listing import keep
from protoplane.store.schema import ColumnShape, Storage
from protoplane.store.session import Session
from protoplane.store.statements import Statement
from protoplane.store.tuples import Node as GraphNode
from protoplane.store.tuples import closure
from protoplane.store.visible import ALL, Visible

Place: TypeAlias = tuple[int, str]
"""A node, and an object of it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far it is looked at what a subject may see, before a page is read."""

    places: int
    """Groups, folders and the like: they are listed in statements."""
    objects: int
    """Rows of the resource: they are looked up by id, and sorted."""


FEW = Bounds(places=50, objects=100)
"""Who sees so few, of both together, is told with no look at the order: a page costs 1 ms."""

SOME = Bounds(places=2_000, objects=10_000)
"""Of a million rows, who sees more finds a page of 50 among the first 5,000 in order."""

EXAMINED = 4
"""Rows that a server may look at for each place that it may find."""

SPARE = 8
"""The first window has an eighth more rows than the page: who sees nearly all sees enough of them."""

WINDOW_ROWS = (200, 400, 800)
"""Rows of the windows after it that are read in order and checked as a set, one after the other, and the last again."""

WALK_ROWS = 2_000
"""Rows of the windows for which what is visible is found out each time."""

DENSE = 20
"""One in so many of the first window is visible, and a page of 50 is among some 1,000 rows: nobody needs to count what is visible."""


class Shape(Enum):
    """How a page is read."""

    SEEK = "the few visible rows are looked up by id"
    SCAN = "rows in order, a window of them looked up at once in the list of visible containers"
    WINDOW = "rows in order, a window of them checked at once, from each row up"
    WALK = "rows in order, a large window of them looked up at once in the containers that the statement finds itself"


@dataclass(frozen=True, slots=True)
class Found:
    """A row: where it stands in the order of the list, and its id."""

    position: Position
    id: str


class Rows(Protocol):
    """The rows of a list, as one page of it reads them."""

    def read(
        self, session: Session, condition: Node | None, values: Mapping[str, object], after: Position | None, limit: int
    ) -> Sequence[Found]:
        """Rows that fulfil a condition, in order, from behind a position on, or from where the page starts; the caller's filter is theirs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A shape, its condition, and what is bound in it."""

    shape: Shape
    condition: Node | None
    values: Mapping[str, object]


class Scope:
    """The rows of one resource that have a relation to a subject."""

    def __init__(self, checks: Checks, key: TypeRelation, keys: Sequence[tuple[Node, ColumnShape]]) -> None:
        """`keys` are the columns of a row's key, in order: its id is they, joined by `/`."""
        self._checks, self._key, self._keys = checks, key, keys
        self._visible = Visible(checks.closures)
        graph = checks.graph.nodes
        self._root = checks.graph.candidates(key)
        self._behind = closure([graph[number] for number in sorted({link.target for link in self._root.links})], graph, usersets=True)
        self._exact = key not in checks.graph.branching
        self._among = self._visible.among(keys)
        self._within: dict[tuple[Asker, bool], Statement] = {}
        self._inside: dict[Asker, Node] = {}
        self._places: dict[tuple[tuple[GraphNode, ...], Asker], Statement | None] = {}
        self._seeds: dict[Asker, Statement | None] = {}
        self._step = self._visible.step(self._root)
        self._many: dict[Subject, None] = {}
        """Who saw more than a few when it was last looked at: no answer is remembered, only that there is no need to look again before the first window."""

    def page(
        self,
        session: Session,
        subject: Subject,
        rows: Rows,
        size: int,
        shape: Shape | None = None,
        given: Given = NOTHING,
    ) -> list[Found]:
        """The first rows of a page that the subject may see, `size` of them unless there are no more. A shape is for tests alone.

        Nothing is taken for written that is not: `given` says how conditions are evaluated.
        """
        if given.tuples:
            raise ValueError("a page is of what is written")
        call = Call(given)
        session.snapshot()
        looked = shape is not None or subject not in self._many
        first = plan = (self.plan(session, subject, FEW, shape) if looked else None) or self._planned(Shape.WINDOW, subject)
        if looked and shape is None and first.shape is Shape.WINDOW:
            keep(self._many, subject, None)
        kept: list[Found] = []
        after: Position | None = None
        windows = iter((min(size + size // SPARE + 1, WINDOW_ROWS[-1]), *WINDOW_ROWS))
        while True:
            filtered = plan.shape is not Shape.SEEK or not self._exact
            limit = WALK_ROWS if plan.shape is Shape.WALK else next(windows, WINDOW_ROWS[-1]) if filtered else size - len(kept)
            found = rows.read(session, plan.condition, plan.values, after, limit)
            kept += self._filter(session, subject, plan, found, call)
            if len(kept) >= size or len(found) < limit:
                return kept[:size]
            after = found[-1].position
            if shape is None and plan is first and plan.shape is Shape.WINDOW:  # Too few of the first rows are visible.
                dense = len(kept) * DENSE >= limit
                otherwise = Shape.WINDOW if dense else Shape.WALK
                plan = self.plan(session, subject, SOME, Shape.SCAN if dense else None) or self._planned(otherwise, subject)
                if plan.shape is Shape.SEEK:
                    self._many.pop(subject, None)

    def condition(self, session: Session, subject: Subject, given: Given = NOTHING) -> tuple[str, Node, Mapping[str, object]]:
        """What is true of the rows that the subject may see: a shape, equal where the SQL is, the condition, and what is bound in it.

        For statements that read all of them. Of a relation that is not linear they are listed. Raises BoundExceeded.
        """
        asker = Asker(subject.type, subject.relation)
        if self._exact:
            condition = self._inside.get(asker)
            if condition is None:
                condition = self._inside[asker] = self._visible.inside(self._keys, self._checks.graph.nodes, self._root, asker)
            return f"inside {asker}", condition, {"subject": bound(subject)}
        ids = self._checks.list_objects(session, subject, self._key[1], self._key[0], given)
        return "among", self._among, {"visible": json.dumps([key for one in ids if (key := self._split(one)) is not None])}

    def plan(self, session: Session, subject: Subject, bounds: Bounds, shape: Shape | None = None) -> Plan | None:
        """How to read what the subject may see, of which there is no more than the bounds; None when there is."""
        if shape in {Shape.WINDOW, Shape.WALK}:
            return self._planned(shape, subject)
        if bounds is FEW and shape is not Shape.SCAN:
            held = self._reached(session, subject, (self._root,), bounds.places + bounds.objects)
            objects = None if held is None else {place for place in held if place[0] == self._root.number}
            return None if objects is None else self._planned(Shape.SEEK, subject, objects)
        places = self._reached(session, subject, self._behind, bounds.places)
        if places is None:
            return None
        objects = None if shape is Shape.SCAN else self._objects(session, subject, places, bounds.objects)
        return self._planned(Shape.SCAN, subject, places) if objects is None else self._planned(Shape.SEEK, subject, objects)

    def _planned(self, shape: Shape, subject: Subject, places: set[Place] | None = None) -> Plan:
        if shape is Shape.SEEK:
            keys = [key for _, one in sorted(places or ()) if (key := self._split(one)) is not None]
            return Plan(shape, self._among, {"subject": bound(subject), "visible": json.dumps(keys)})
        return Plan(shape, None, {"subject": bound(subject), "visible": json.dumps(sorted(places or ()))})

    def _split(self, one: str) -> list[str | int] | None:
        """The columns of the row with an id; None when no row can have it."""
        columns = [column for _, column in self._keys]
        parts = one.split("/") if len(columns) > 1 else [one]
        if len(parts) != len(columns):
            return None
        key: list[str | int] = []
        for part, column in zip(parts, columns, strict=True):
            number = None if column.storage is Storage.TEXT else integer(part)
            if column.storage is not Storage.TEXT and number is None:
                return None
            key.append(part if number is None else number)
        return key

    def _filter(self, session: Session, subject: Subject, plan: Plan, found: Sequence[Found], call: Call) -> list[Found]:
        """Of the rows that were read those that the subject may see."""
        ids = [row.id for row in found]
        if plan.shape in {Shape.SCAN, Shape.WALK} and ids:
            kind = Asker(subject.type, subject.relation), plan.shape is Shape.WALK
            statement = self._within.get(kind)
            if statement is None:
                statement = self._visible.within(self._checks.graph.nodes, self._root, kind[0], walked=kind[1])
                self._within[kind] = statement
            values = {**plan.values, "listed": json.dumps([[self._root.number, one] for one in ids])}
            inside = {str(one) for (one,) in session.rows(statement.sql, statement.bound(values))}
            ids = [one for one in ids if one in inside]
        if plan.shape is Shape.WINDOW or not self._exact:
            ids = self._checks.allowed(session, subject, self._key, ids, call)
        kept = set(ids)
        return [row for row in found if row.id in kept]

    def _reached(self, session: Session, subject: Subject, nodes: tuple[GraphNode, ...], most: int) -> set[Place] | None:
        """Where the subject is at some nodes and at all that lead to them; None when these are more than `most`."""
        kind = nodes, Asker(subject.type, subject.relation)
        if kind not in self._places:
            self._places[kind] = self._visible.places(self._checks.graph.nodes, *kind)
        statement = self._places[kind]
        if statement is None:
            return set()
        values = {"subject": bound(subject), "limit": most + 1, "examined": most * EXAMINED}
        found = {(int(node), str(one)) for node, one in session.rows(statement.sql, statement.bound(values))}
        return found - {ALL} if ALL in found and len(found) <= most + 1 else None

    def _objects(self, session: Session, subject: Subject, places: set[Place], most: int) -> set[Place] | None:
        """Where the subject is at the root, as he is at these places behind it; None when there are more than `most`."""
        root, asker = self._root, Asker(subject.type, subject.relation)
        known = {(root.number, subject.id)} if root.type == asker.type and asker.relation in root.includes else set()
        if asker not in self._seeds:
            self._seeds[asker] = self._visible.seeds(root, asker)
        known |= self._read(session, self._seeds[asker], {"subject": bound(subject)}, most)
        if len(known) <= most and places:
            known |= self._read(session, self._step, {"listed": json.dumps(sorted(places))}, most)
        return known if len(known) <= most else None

    @staticmethod
    def _read(session: Session, statement: Statement | None, values: Mapping[str, object], most: int) -> set[Place]:
        """At most one more than `most`."""
        if statement is None:
            return set()
        return {(int(node), str(one)) for node, one in session.rows(statement.sql, statement.bound({**values, "limit": most + 1}))}
