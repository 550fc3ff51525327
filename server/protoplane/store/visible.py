"""Statements of lists that permissions filter: what a subject may see, in steps that can be bounded, and which of listed rows it is.

Rows are listed, and looked up as a set: as a condition on the rows of a table the servers walk the tuples again for each row, or turn the
question round and sort all rows for a page.
"""

# ruff: noqa: S608 - as in `store.closure`.

from __future__ import annotations

import re
from collections.abc import Sequence

from peewee import SQL, AsIs, EnclosedNodeList, Node, NodeList

from protoplane.query.slot import Slot
from protoplane.store.closure import NOTHING, SEED, Asker, Closures, rows
from protoplane.store.schema import ColumnShape, Storage
from protoplane.store.statements import Statement
from protoplane.store.tuples import ID_CHARACTERS, closure
from protoplane.store.tuples import Node as GraphNode

PLACES = (ColumnShape("node", Storage.INT64, nullable=False), ColumnShape("id", Storage.TEXT, nullable=False, length=ID_CHARACTERS))
"""What a list of places says of each: a node, and an object."""

ALL = (-1, "")
"""The row that says that no other is missing."""

_SLOT = re.compile(r"@(\w+)@")


class Visible:
    """What `Closures` walks in one statement, in steps that can be bounded; and conditions on rows."""

    def __init__(self, closures: Closures) -> None:
        self._closures = closures

    def places(self, graph: tuple[GraphNode, ...], nodes: Sequence[GraphNode], asker: Asker) -> Statement | None:
        """Where the subject is at nodes that lead to each other: node and object, at most `limit`, then ALL, unless it was given up before.

        Slots: `subject`, `limit`, and `examined`, the rows that may be looked at where that is what can be bounded. None: nowhere.
        """
        tables = self._closures.reached(closure(nodes, graph, usersets=True), asker)
        if not tables:
            return None
        every = f"SELECT {ALL[0]}, '{ALL[1]}'"
        if self._closures.limits_recursion:
            *others, reached = tables
            tables = [*others, f"{reached.removesuffix(')')} LIMIT @limit@)"]
            return self._closures.statement(f"WITH RECURSIVE {', '.join(tables)} SELECT node, id FROM reached UNION ALL {every}")
        found = f"(SELECT node, id FROM reached LIMIT @limit@) UNION ALL {every} LIMIT ROWS EXAMINED @examined@"
        return self._closures.statement(f"WITH RECURSIVE {', '.join(tables)} {found}")

    def seeds(self, node: GraphNode, asker: Asker) -> Statement | None:
        """Where tuples name the subject, or everybody: a node and its objects, at most `limit`. Slots: `subject`, `limit`. None: nowhere."""
        members = [
            f"SELECT s.node, {source.object_id} FROM ({rows(SEED, given)}) AS s {self._closures.join} {self._closures.seeded(source, asker)}"
            for source, given in self._closures.seeds([node], asker)
        ]
        return self._closures.statement(f"{' UNION ALL '.join(members)} LIMIT @limit@") if members else None

    def step(self, node: GraphNode) -> Statement | None:
        """Where links lead up from listed places (PLACES) to a node: node and object, at most `limit`. Slots: `listed`, `limit`."""
        if not node.links:
            return None
        links = self._closures.links("up", [(node, link) for link in node.links], "listed.k0", back=True)
        walk = self._closures.walk(links, subject_id="listed.k1")
        walked = f"SELECT DISTINCT {links.end}, {walk.found} FROM {self._closures.list(PLACES)} {walk.joined}{walk.where} LIMIT @limit@"
        return self._closures.statement(f"WITH {', '.join(links.tables)} {walked}" if links.tables else walked)

    def among(self, keys: Sequence[tuple[Node, ColumnShape]]) -> Node:
        """A condition on rows: the row is one of a list, by the columns of its key. Slot: `visible`, a list of keys."""
        listed = self._closures.list([column for _, column in keys], "visible")
        columns = ", ".join(f"k{place}" for place in range(len(keys)))
        pieces = _SLOT.split(f" IN (SELECT {columns} FROM {listed})")
        nodes = [node for node, _ in keys]
        condition = [AsIs(Slot(piece)) if place % 2 else SQL(piece) for place, piece in enumerate(pieces)]
        return NodeList((nodes[0] if len(nodes) == 1 else EnclosedNodeList(nodes), *condition), glue="")

    def inside(self, keys: Sequence[tuple[Node, ColumnShape]], graph: tuple[GraphNode, ...], root: GraphNode, asker: Asker) -> Node:
        """A condition on rows: the subject is at a node of the object that a row is. Slot: `subject`."""
        reached = self._closures.reached(closure([root], graph, usersets=True), asker)
        if not reached:
            return SQL("1 = 0")
        parts = [self._closures.id_part("id", place, column, len(keys)) for place, (_, column) in enumerate(keys)]
        exact = self._closures.id_whole(parts, [column for _, column in keys])
        inner = f"WITH RECURSIVE {', '.join(reached)} SELECT {', '.join(parts)} FROM reached WHERE node = {root.number} AND {exact} = id"
        pieces = _SLOT.split(f" IN ({inner})")
        nodes = [node for node, _ in keys]
        condition = [AsIs(Slot(piece)) if place % 2 else SQL(piece) for place, piece in enumerate(pieces)]
        return NodeList((nodes[0] if len(nodes) == 1 else EnclosedNodeList(nodes), *condition), glue="")

    def within(self, graph: tuple[GraphNode, ...], root: GraphNode, asker: Asker, *, walked: bool) -> Statement:
        """Which of listed rows have a tuple that names the subject, or leads to where it is.

        Where that is, the statement is told, or finds out itself (`walked`). Slots: `subject`, `listed` and `visible` (PLACES); answers with ids.
        """
        join = self._closures.join
        tables = [f"objects AS (SELECT k0 AS node, k1 AS id FROM {self._closures.list(PLACES)})"]
        meets = []
        for source, given in self._closures.seeds([root], asker):
            seeded = self._closures.seeded(source, asker, object_id="o.id")
            meets.append(f"SELECT o.id FROM objects AS o {join} ({rows(SEED, given)}) AS s {join} {seeded}")
        if places := self._walked(graph, root, asker) if walked else self._told(root):
            links = self._closures.links("across", [(root, link) for link in root.links], "o.node")
            walk = self._closures.walk(links, object_id="o.id")
            tables += [*places, *links.tables]
            met = f"{join} reached AS p ON p.node = {links.end} AND p.id = {walk.found}{walk.where}"
            meets.append(f"SELECT o.id FROM objects AS o {walk.joined} {met}")
        if root.type == asker.type and asker.relation in root.includes:
            meets.append("SELECT id FROM objects WHERE id = @subject@")
        recursive = "RECURSIVE " if walked else ""
        return self._closures.statement(f"WITH {recursive}{', '.join(tables)} {' UNION ALL '.join(meets) or f'SELECT 0 FROM {NOTHING}'}")

    def _told(self, root: GraphNode) -> list[str]:
        return [f"reached AS (SELECT DISTINCT k0 AS node, k1 AS id FROM {self._listed()})"] if root.links else []

    def _walked(self, graph: tuple[GraphNode, ...], root: GraphNode, asker: Asker) -> list[str]:
        behind = [graph[number] for number in sorted({link.target for link in root.links})]
        return self._closures.reached(closure(behind, graph, usersets=True), asker) if behind else []

    def _listed(self) -> str:
        return self._closures.list(PLACES, "visible")
