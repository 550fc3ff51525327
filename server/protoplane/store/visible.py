"""Statements of lists that permissions filter: what a subject may see, as a condition on the rows of a resource, or of a list of rows.

Each is made once for a node of the graph, and exact for it; `key` is the expression of a row's id.
"""

# ruff: noqa: S608 - as in `store.closure`.

from __future__ import annotations

import re
from collections.abc import Sequence

from peewee import SQL, AsIs, Node, NodeList

from protoplane.query.slot import Slot
from protoplane.store.closure import NOTHING, SEED, Asker, Closures, links, quoted, rows, seeds
from protoplane.store.schema import ColumnShape, Storage
from protoplane.store.statements import Statement
from protoplane.store.tuples import ID_CHARACTERS, Link, closure
from protoplane.store.tuples import Node as GraphNode

PLACES = (ColumnShape("node", Storage.INT64, nullable=False), ColumnShape("id", Storage.TEXT, nullable=False, length=ID_CHARACTERS))
"""What a list of places says of each: a node, and an object."""

_SLOT = re.compile(r"@(\w+)@")


class Visible:
    """What `Closures` walks in one statement, in steps that can be bounded; and conditions on rows."""

    def __init__(self, closures: Closures) -> None:
        self._closures = closures

    def seeds(self, nodes: Sequence[GraphNode], asker: Asker) -> Statement | None:
        """Where tuples name the subject, or everybody: node and object, at most `limit`. Slots: `subject`, `limit`. None: nowhere."""
        given = [] if asker.relation else seeds(nodes, asker)
        if not given:
            return None
        join = f"({rows(SEED, given)}) AS s {self._closures.join} {self._closures.seeded(asker)}"
        return self._closures.statement(f"SELECT s.node, t.object_id FROM {join} LIMIT @limit@")

    def step(self, graph: tuple[GraphNode, ...], nodes: Sequence[GraphNode]) -> Statement | None:
        """Where links lead up from listed places (PLACES) to some nodes: node and object, at most `limit`. Slots: `listed`, `limit`."""
        del graph
        up = [(node, link) for node in nodes for link in node.links]
        if not up:
            return None
        found = f"{self._closures.list(PLACES)} {self._closures.join} up AS e ON e.target = listed.k0"
        walked = f"{found} {self._closures.join} {self._closures.upward('e', 'listed.k1')}"
        return self._closures.statement(f"WITH {links('up', up)} SELECT DISTINCT e.node, t.object_id FROM {walked} LIMIT @limit@")

    def among(self, key: Node) -> Node:
        """The row is one of a list. Slot: `visible` (PLACES)."""
        return condition(f"@key@ IN (SELECT k1 FROM {self._listed()})", key)

    def within(self, root: GraphNode, asker: Asker) -> Statement:
        """Which of listed rows have a tuple that names the subject, or leads to a listed place.

        Slots: `subject`, `listed` and `visible` (PLACES); answers with ids.
        """
        join = self._closures.join
        tables = [f"objects AS (SELECT k0 AS node, k1 AS id FROM {self._closures.list(PLACES)})"]
        meets = []
        if given := [] if asker.relation else seeds([root], asker):
            found = f"objects AS o {join} ({rows(SEED, given)}) AS s {join} {self._closures.seeded(asker, object_id='o.id')}"
            meets.append(f"SELECT o.id FROM {found}")
        if root.links:
            tables.append(f"places AS (SELECT DISTINCT k0 AS node, k1 AS id FROM {self._listed()})")
            tables.append(links("up", [(root, link) for link in root.links]))
            found = f"objects AS o {join} up AS e {join} {self._closures.downward('e', 'o.id')}"
            meets.append(f"SELECT o.id FROM {found} {join} places AS p ON p.node = e.target AND p.id = t.subject_id")
        if root.type == asker.type and asker.relation in root.includes:
            meets.append("SELECT id FROM objects WHERE id = @subject@")
        return self._closures.statement(f"WITH {', '.join(tables)} {' UNION ALL '.join(meets) or f'SELECT 0 FROM {NOTHING}'}")

    def reached(self, graph: tuple[GraphNode, ...], root: GraphNode, asker: Asker, key: Node) -> Node:
        """A tuple of the row names the subject, or leads to where it is, which the statement finds itself. Slot: `subject`."""
        behind = [graph[number] for number in sorted({link.target for link in root.links})]
        tables = self._closures.reached(closure(behind, graph, usersets=True), asker) if behind else []
        walk = (
            f"WITH RECURSIVE {', '.join(tables)} SELECT id FROM reached WHERE node = {{target}}" if tables else f"SELECT '' FROM {NOTHING}"
        )
        return self._condition(root, asker, key, walk)

    def _condition(self, root: GraphNode, asker: Asker, key: Node, places: str) -> Node:
        own = f"t.object_type = {quoted(root.type)} AND t.object_id = @key@"
        ways = []
        for wildcard, subject in ((False, "@subject@"), (True, "'*'")):
            given = [] if asker.relation else [d.relation for d in root.directs if (d.subject_type, d.wildcard) == (asker.type, wildcard)]
            who = f"t.subject_type = {quoted(asker.type)} AND t.subject_relation = '' AND t.subject_id = {subject}"
            ways += [f"{own} AND {one_of(given)} AND {who}"] if given else []
        for (kind, userset, target), relations in _by_target(root.links).items():
            who = f"t.subject_type = {quoted(kind)} AND t.subject_relation = {quoted(userset)}"
            inside = places.format(target=target)
            ways.append(f"{own} AND {one_of(relations)} AND {who} AND t.subject_id IN ({inside})")
        # Not EXISTS, which the servers turn round: they would look up every tuple's row, and sort them all for one page.
        tests = [f"(SELECT 1 FROM {self._closures.forward} WHERE {way} LIMIT 1) = 1" for way in ways]
        if root.type == asker.type and asker.relation in root.includes:
            tests.append("@key@ = @subject@")
        return condition(f"({' OR '.join(tests) or '1 = 0'})", key)

    def _listed(self) -> str:
        return self._closures.list(PLACES).replace("@listed@", "@visible@")


def condition(text: str, key: Node) -> Node:
    """The text with its slots, and the row's id where it says `@key@`."""
    pieces = _SLOT.split(text)
    nodes = [key if piece == "key" else AsIs(Slot(piece)) if i % 2 else SQL(piece) for i, piece in enumerate(pieces)]
    return NodeList(tuple(nodes), glue="")


def one_of(relations: Sequence[str]) -> str:
    """Tuples of these relations."""
    return f"t.relation IN ({', '.join(map(quoted, relations))})"


def _by_target(found: Sequence[Link]) -> dict[tuple[str, str, int], list[str]]:
    grouped: dict[tuple[str, str, int], list[str]] = {}
    for link in found:
        grouped.setdefault((link.subject_type, link.subject_relation, link.target), []).append(link.relation)
    return grouped
