"""Statements of lists that permissions filter: what a subject may see, in steps that can be bounded, and which of listed rows it is.

Rows are listed, and looked up as a set: as a condition on the rows of a table the servers walk the tuples again for each row, or turn the
question round and sort all rows for a page.
"""

# ruff: noqa: S608 - as in `store.closure`.

from __future__ import annotations

import re
from collections.abc import Sequence

from peewee import SQL, AsIs, Node, NodeList

from protoplane.query.slot import Slot
from protoplane.store.closure import NOTHING, SEED, Asker, Closures, links, rows, seeds
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
        """A condition on rows: the row is one of a list. Slot: `visible` (PLACES)."""
        text = f"@key@ IN (SELECT k1 FROM {self._listed()})"
        pieces = _SLOT.split(text)
        return NodeList(tuple(key if p == "key" else AsIs(Slot(p)) if i % 2 else SQL(p) for i, p in enumerate(pieces)), glue="")

    def within(self, graph: tuple[GraphNode, ...], root: GraphNode, asker: Asker, *, walked: bool) -> Statement:
        """Which of listed rows have a tuple that names the subject, or leads to where it is.

        Where that is, the statement is told, or finds out itself (`walked`). Slots: `subject`, `listed` and `visible` (PLACES); answers with ids.
        """
        join = self._closures.join
        tables = [f"objects AS (SELECT k0 AS node, k1 AS id FROM {self._closures.list(PLACES)})"]
        meets = []
        if given := [] if asker.relation else seeds([root], asker):
            found = f"objects AS o {join} ({rows(SEED, given)}) AS s {join} {self._closures.seeded(asker, object_id='o.id')}"
            meets.append(f"SELECT o.id FROM {found}")
        if places := self._walked(graph, root, asker) if walked else self._told(root):
            tables += [*places, links("across", [(root, link) for link in root.links])]
            found = f"objects AS o {join} across AS e {join} {self._closures.downward('e', 'o.id')}"
            meets.append(f"SELECT o.id FROM {found} {join} reached AS p ON p.node = e.target AND p.id = t.subject_id")
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
        return self._closures.list(PLACES).replace("@listed@", "@visible@")
