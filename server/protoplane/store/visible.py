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

_SLOT = re.compile(r"@(\w+)@")


class Visible:
    """What `Closures` walks in one statement, in steps that can be bounded; and conditions on rows."""

    def __init__(self, closures: Closures) -> None:
        self._closures = closures

    def seeds(self, nodes: Sequence[GraphNode], asker: Asker) -> Statement | None:
        """Where tuples name the subject, or everybody: node and object, at most `limit`. Slots: `subject`, `limit`. None: nowhere."""
        members = [
            f"SELECT s.node, {source.object_id} FROM ({rows(SEED, given)}) AS s {self._closures.join} {self._closures.seeded(source, asker)}"
            for source, given in self._closures.seeds(nodes, asker)
        ]
        return self._closures.statement(f"{' UNION ALL '.join(members)} LIMIT @limit@") if members else None

    def step(self, graph: tuple[GraphNode, ...], nodes: Sequence[GraphNode]) -> Statement | None:
        """Where links lead up from listed places (PLACES) to some nodes: node and object, at most `limit`. Slots: `listed`, `limit`."""
        del graph
        up = [(node, link) for node in nodes for link in node.links]
        if not up:
            return None
        table, sources = self._closures.links("up", up)
        walk = self._closures.walk(sources, "e", subject_id="listed.k1")
        walked = f"{self._closures.list(PLACES)} {self._closures.join} up AS e ON e.target = listed.k0 {walk.joined}{walk.where}"
        return self._closures.statement(f"WITH {table} SELECT DISTINCT e.node, {walk.found} FROM {walked} LIMIT @limit@")

    def among(self, keys: Sequence[tuple[Node, ColumnShape]]) -> Node:
        """A condition on rows: the row is one of a list, by the columns of its key. Slot: `visible`, a list of keys."""
        listed = self._closures.list([column for _, column in keys], "visible")
        columns = ", ".join(f"k{place}" for place in range(len(keys)))
        pieces = _SLOT.split(f" IN (SELECT {columns} FROM {listed})")
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
            table, sources = self._closures.links("across", [(root, link) for link in root.links])
            walk = self._closures.walk(sources, "e", object_id="o.id")
            tables += [*places, table]
            found = f"objects AS o {join} across AS e {walk.joined}"
            meets.append(f"SELECT o.id FROM {found} {join} reached AS p ON p.node = e.target AND p.id = {walk.found}{walk.where}")
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
