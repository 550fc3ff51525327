"""Statements that walk the tuples: recursive common table expressions, made once for each shape of question.

A question has two sides. `objects` are what it is about, and all that their tuplesets lead to; `reached` are the nodes that the subject is
known to be in, from its own tuples up. Where tuples of an object name a userset, the sides meet.

What may be walked stands in small tables of constants, so that each recursive table has one recursive member whatever the model: MariaDB
takes twice as long to plan a statement for each further one (twelve: 90 ms). `UNION` ends cycles.
"""

# ruff: noqa: S608 - statements are made of names of the model, which the language keeps to letters, and of the shape of the table.

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from peewee import SQL

from protoplane.query.slot import Slot
from protoplane.store.engine import Engine
from protoplane.store.schema import ColumnShape, Storage
from protoplane.store.statements import Statement, render
from protoplane.store.tuples import ID_CHARACTERS, RELATION_CHARACTERS, TUPLE_TABLE, TYPE_CHARACTERS, Link, Node, closure

LISTED = (
    ColumnShape("goal", Storage.INT64, nullable=False),
    ColumnShape("node", Storage.INT64, nullable=False),
    ColumnShape("id", Storage.TEXT, nullable=False, length=ID_CHARACTERS),
)
"""What a list of questions says of each: its number, its node, its object."""

PROBES = (
    ColumnShape("object_type", Storage.TEXT, nullable=False, length=TYPE_CHARACTERS),
    ColumnShape("object_id", Storage.TEXT, nullable=False, length=ID_CHARACTERS),
    ColumnShape("relation", Storage.TEXT, nullable=False, length=RELATION_CHARACTERS),
    ColumnShape("subject_type", Storage.TEXT, nullable=False, length=TYPE_CHARACTERS),
    ColumnShape("subject_relation", Storage.TEXT, nullable=False, length=RELATION_CHARACTERS),
    ColumnShape("number", Storage.INT64, nullable=False),
)
"""What a list of links says of each: the beginning of the key of its tuples, and its number."""

NOTHING = "(SELECT 1) AS missing WHERE 1 = 0"
"""Has no row."""

SLOT = re.compile(r"@(\w+)@")

LINK = "node, object_type, relation, subject_type, subject_relation, target"
SEED = "node, object_type, relation, subject_id"


@dataclass(frozen=True, slots=True)
class Asker:
    """What kind of subject asks: its type, and the relation where it is a userset."""

    type: str
    relation: str = ""


class Closures:
    """The statements of one engine. Names of types and relations are of the model, which holds nothing that ends a literal."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Left to themselves the servers read all tuples of a type, for want of knowing how few the links leave.
        self.forward, self.reverse = (self._led_by(index) for index in ("PRIMARY", TUPLE_TABLE.indexes[0].name))
        self._placeholder = engine.dialect.placeholder
        self._id_text = engine.dialect.id_text
        self.join = engine.dialect.key_list.join

    def check(self, graph: tuple[Node, ...], roots: Iterable[Node], asker: Asker, *, listed: bool) -> Statement:
        """The numbers of the questions that are answered with yes. Slots: `subject`, and `listed` or `node` and `object`."""
        objects = closure(roots, graph, usersets=False)
        across = [(node, link) for node in objects for link in node.links if link.subject_relation]
        subjects = closure([graph[number] for number in sorted({link.target for _, link in across})], graph, usersets=True)
        reached = self.reached(subjects, asker)
        tables = [self._objects(objects, listed=listed)]
        meets = self._direct(objects, asker)
        if reached:
            tables += [*reached, links("across", across)]
            found = f"objects AS o {self.join} across AS e ON e.node = o.node {self.join} {self.downward('e', 'o.id')}"
            meets.append(f"SELECT o.goal FROM {found} {self.join} reached AS r ON r.node = e.target AND r.id = t.subject_id")
        meets += self._own(objects, asker)
        if not meets:
            return self.statement(f"SELECT 0 FROM {NOTHING}")
        return self.statement(f"WITH RECURSIVE {', '.join(tables)} {' UNION ALL '.join(meets)}{'' if listed else ' LIMIT 1'}")

    def list_objects(self, graph: tuple[Node, ...], roots: Sequence[Node], asker: Asker) -> Statement:
        """The numbers of nodes and ids of all objects where the subject is at these, at most `limit`. Slots: `subject`, `limit`."""
        reached = self.reached(closure(roots, graph, usersets=True), asker)
        if not reached:
            return self.statement(f"SELECT 0, '' FROM {NOTHING}")
        wanted = ", ".join(str(root.number) for root in roots)
        return self.statement(f"WITH RECURSIVE {', '.join(reached)} SELECT node, id FROM reached WHERE node IN ({wanted}) LIMIT @limit@")

    def list_subjects(self, graph: tuple[Node, ...], root: Node, asker: Asker) -> Statement:
        """The ids of all subjects of a kind at a node of an object, at most `limit`. Slots: `object`, `limit`."""
        nodes = closure([root], graph, usersets=True)
        tables, members = [], [f"SELECT {root.number}, {self._text('object')}"]
        if every := [(node, link) for node in nodes for link in node.links]:
            tables.append(links("down", every))
            found = f"objects AS o {self.join} down AS e ON e.node = o.node {self.join} {self.downward('e', 'o.id')}"
            members.append(f"SELECT e.target, t.subject_id FROM {found}")
        tables.append(f"objects (node, id) AS ({' UNION '.join(members)})")
        own = [str(node.number) for node in nodes if node.type == asker.type and asker.relation in node.includes]
        meets = [f"SELECT id FROM objects WHERE node IN ({', '.join(own)})"] if own else []
        if given := [] if asker.relation else seeds(nodes, asker):
            tables.append(constants("seeds", SEED, given))
            # A tuple for everybody counts where the model admits it, and any other where it admits those.
            on = self._on("s", object_id="o.id", subject_type=quoted(asker.type), subject_relation="''")
            right = "CASE WHEN t.subject_id = '*' THEN '*' ELSE '' END = s.subject_id"
            found = f"objects AS o {self.join} seeds AS s ON s.node = o.node {self.join} {self.forward} ON {on} AND {right}"
            meets.append(f"SELECT t.subject_id FROM {found}")
        if not meets:
            return self.statement(f"SELECT '' FROM {NOTHING}")
        return self.statement(f"WITH RECURSIVE {', '.join(tables)} {' UNION '.join(meets)} LIMIT @limit@")

    def probe(self) -> Statement:
        """The numbers of listed links, and the ids that they lead to, at most `limit`. Slots: `listed` (of PROBES), `limit`."""
        on = " AND ".join(f"t.{column.name} = listed.k{i}" for i, column in enumerate(PROBES[:-1]))
        found = f"{self.list(PROBES)} {self.join} {self.forward} ON {on}"
        return self.statement(f"SELECT listed.k{len(PROBES) - 1}, t.subject_id FROM {found} LIMIT @limit@")

    # Parts ------------------------------------------------------------------------------------------------------------------------------

    def _objects(self, nodes: Sequence[Node], *, listed: bool) -> str:
        """What is asked about, and whatever its tuplesets lead to."""
        first = f"SELECT k0, k1, k2 FROM {self.list(LISTED)}" if listed else f"SELECT 0, @node@, {self._text('object')}"
        along = [(node, link) for node in nodes for link in node.links if not link.subject_relation]
        if not along:
            return f"objects (goal, node, id) AS ({first})"
        found = f"objects AS o {self.join} along AS e ON e.node = o.node {self.join} {self.downward('e', 'o.id')}"
        return f"{links('along', along)}, objects (goal, node, id) AS ({first} UNION SELECT o.goal, e.target, t.subject_id FROM {found})"

    def reached(self, nodes: Sequence[Node], asker: Asker) -> list[str]:
        """Where the subject is known to be; nothing where it can be nowhere."""
        members, tables = [], []
        if given := [] if asker.relation else seeds(nodes, asker):
            tables.append(constants("seeds", SEED, given))
            members.append(f"SELECT s.node, t.object_id FROM seeds AS s {self.join} {self.seeded(asker)}")
        own = [node for node in nodes if node.type == asker.type and asker.relation in node.includes]
        members += [f"SELECT {node.number}, {self._text('subject')}" for node in own]
        up = [(node, link) for node in nodes for link in node.links]
        if members and up:
            tables.append(links("up", up))
            found = f"reached AS r {self.join} up AS e ON e.target = r.node {self.join} {self.upward('e', 'r.id')}"
            members.append(f"SELECT e.node, t.object_id FROM {found}")
        return [*tables, f"reached (node, id) AS ({' UNION '.join(members)})"] if members else []

    def _direct(self, nodes: Sequence[Node], asker: Asker) -> list[str]:
        """Tuples of the objects that name the subject, or everybody."""
        given = [] if asker.relation else seeds(nodes, asker)
        if not given:
            return []
        table = f"({rows(SEED, given)}) AS s"
        return [
            f"SELECT o.goal FROM objects AS o {self.join} {table} ON s.node = o.node {self.join} {self.seeded(asker, object_id='o.id')}"
        ]

    def _own(self, nodes: Sequence[Node], asker: Asker) -> list[str]:
        """Objects whose userset the subject itself is."""
        numbers = [str(node.number) for node in nodes if node.type == asker.type and asker.relation in node.includes]
        return [f"SELECT o.goal FROM objects AS o WHERE o.node IN ({', '.join(numbers)}) AND o.id = @subject@"] if numbers else []

    def seeded(self, asker: Asker, **columns: str) -> str:
        """The tuples t that a seed s speaks of, for a subject."""
        subject = "CASE s.subject_id WHEN '' THEN @subject@ ELSE '*' END"
        on = self._on("s", **columns, subject_type=quoted(asker.type), subject_relation="''", subject_id=subject)
        return f"{self.forward if columns else self.reverse} ON {on}"

    def upward(self, link: str, subject_id: str) -> str:
        """The tuples t that lead by such a link to a subject."""
        kind = {"subject_type": f"{link}.subject_type", "subject_relation": f"{link}.subject_relation"}
        return f"{self.reverse} ON {self._on(link, subject_id=subject_id, **kind)}"

    def downward(self, link: str, object_id: str) -> str:
        """The tuples t of an object that are such a link."""
        kind = {"subject_type": f"{link}.subject_type", "subject_relation": f"{link}.subject_relation"}
        return f"{self.forward} ON {self._on(link, object_id=object_id, **kind)}"

    @staticmethod
    def _on(kind: str, **columns: str) -> str:
        """The tuples t of the type and relation that a constant says, whose other columns are so; in the order of the key."""
        values = {"object_type": f"{kind}.object_type", "relation": f"{kind}.relation", **columns}
        return " AND ".join(f"t.{name} = {values[name]}" for name in TUPLE_TABLE.primary_key if name in values)

    def _led_by(self, index: str) -> str:
        table = SQL(f"{self._engine.dialect.definitions.name(TUPLE_TABLE.name)} AS t")
        return render(self._engine.dialect.led_by(table, index), self._engine.database).sql

    def _text(self, slot: str) -> str:
        """A bound id as a column of a common table expression, whose width is that of its first row."""
        return self._id_text.format(f"@{slot}@")

    def list(self, columns: Sequence[ColumnShape]) -> str:
        """A list that is bound to the slot `listed`."""
        return render(self._engine.dialect.key_list.listed(columns), self._engine.database).sql.replace(self._placeholder, "@listed@")

    def statement(self, text: str) -> Statement:
        """Slots stand between two `@`, which nothing else of a statement has."""
        return Statement(SLOT.sub(self._placeholder, text), tuple(Slot(name) for name in SLOT.findall(text)))


def seeds(nodes: Iterable[Node], asker: Asker) -> list[tuple[int | str, ...]]:
    """Rows of SEED: in which tuples the subject may be named (its id: '') or everybody ('*'), and at which node it then is."""
    return [
        (node.number, node.type, direct.relation, "*" if direct.wildcard else "")
        for node in nodes
        for direct in node.directs
        if direct.subject_type == asker.type
    ]


def links(name: str, found: Iterable[tuple[Node, Link]]) -> str:
    """A table of links: from a node, by tuples of an object's relation with such subjects, to a target."""
    listed = [(n.number, n.type, link.relation, link.subject_type, link.subject_relation, link.target) for n, link in found]
    return constants(name, LINK, listed)


def constants(name: str, columns: str, listed: Iterable[tuple[int | str, ...]]) -> str:
    """A table of constants."""
    return f"{name} AS ({rows(columns, listed)})"


def rows(columns: str, listed: Iterable[tuple[int | str, ...]]) -> str:
    """Constants as a query; its first row names the columns."""
    names = columns.split(", ")
    written = [[quoted(value) if isinstance(value, str) else str(value) for value in row] for row in listed]
    first = ", ".join(f"{value} AS {name}" for value, name in zip(written[0], names, strict=True))
    return " UNION ALL ".join(f"SELECT {row}" for row in (first, *(", ".join(row) for row in written[1:])))


def quoted(name: str) -> str:
    """A name of the model as a literal."""
    assert "'" not in name
    assert "\\" not in name
    return f"'{name}'"
