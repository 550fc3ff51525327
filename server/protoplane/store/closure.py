"""Statements that walk the relationships: recursive common table expressions, made once for each shape of question.

A question has two sides. `objects` are what it is about, and all that their tuplesets lead to; `reached` are the nodes that the subject is
known to be in, from its own tuples up. Where tuples of an object name a userset, the sides meet.

What may be walked stands in small tables of constants, so that each recursive table has one recursive member whatever the model: MariaDB
takes twice as long to plan a statement for each further one (twelve: 90 ms). Where links are read from several sources that member joins
each of them, by ids that are nobody's in the rows of the others. `UNION` ends cycles.
"""

# ruff: noqa: S608 - statements are made of names of the model, which the language keeps to letters, and of the shape of the table.

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from protoplane.query.slot import Slot
from protoplane.store.engine import Engine
from protoplane.store.links import Links, Row, by_case, in_place, whole
from protoplane.store.named import Step, steps
from protoplane.store.schema import ColumnShape, Storage
from protoplane.store.sources import GIVEN, Kind, Source, Sources, Tuples, in_order
from protoplane.store.statements import Statement, render
from protoplane.store.tuples import (
    COLUMNS,
    CONDITION,
    CONTEXT,
    ID_CHARACTERS,
    RELATION_CHARACTERS,
    TYPE_CHARACTERS,
    Derived,
    Direct,
    Link,
    Node,
    closure,
)

LISTED = (
    ColumnShape("goal", Storage.INT64, nullable=False),
    ColumnShape("node", Storage.INT64, nullable=False),
    ColumnShape("id", Storage.TEXT, nullable=False, length=ID_CHARACTERS),
)
"""What a list of questions says of each: its number, its node, its object."""

FREE = ColumnShape("free", Storage.INT64, nullable=False)
"""And, where names say something: whether what they say of it counts without a row (see `store.named`)."""

PROBES = (
    ColumnShape("object_type", Storage.TEXT, nullable=False, length=TYPE_CHARACTERS),
    ColumnShape("object_id", Storage.TEXT, nullable=False, length=ID_CHARACTERS),
    ColumnShape("relation", Storage.TEXT, nullable=False, length=RELATION_CHARACTERS),
    ColumnShape("subject_type", Storage.TEXT, nullable=False, length=TYPE_CHARACTERS),
    ColumnShape("subject_relation", Storage.TEXT, nullable=False, length=RELATION_CHARACTERS),
    ColumnShape("number", Storage.INT64, nullable=False),
)
"""What a list of links says of each: the beginning of the key of its tuples, and its number."""

SOURCE = ColumnShape("source", Storage.INT64, nullable=False)
"""And the number of its source, where there are several."""

PROBED = Kind("listed.k0", "listed.k2", "listed.k3", "listed.k4")

NAMED = (
    ColumnShape("object_type", Storage.TEXT, nullable=False, length=TYPE_CHARACTERS),
    ColumnShape("object_id", Storage.TEXT, nullable=False, length=ID_CHARACTERS),
    ColumnShape("relation", Storage.TEXT, nullable=False, length=RELATION_CHARACTERS),
    ColumnShape("subject_type", Storage.TEXT, nullable=False, length=TYPE_CHARACTERS),
    ColumnShape("subject_id", Storage.TEXT, nullable=False, length=ID_CHARACTERS),
    ColumnShape("number", Storage.INT64, nullable=False),
)
"""What a list of tuples that name a subject says of each, and its number."""

NOTHING = "(SELECT 1) AS missing WHERE 1 = 0"
"""Has no row."""

SLOT = re.compile(r"@(\w+)@")

LINK = "node, object_type, relation, subject_type, subject_relation, target"
LINK_TARGET = 5
SEED = "node, object_type, relation, subject_id"
SEED_SUBJECT = 3
NO_KEY = "NULL"
"""An object that is not there: no part of a primary key is NULL, and so it is not even looked up."""

NAMED_BY_COLUMNS = "CASE @subject@ WHEN '' THEN '*' ELSE @subject@ END"
ABOVE = "node, places, levels, target"


@dataclass(frozen=True, slots=True)
class Asker:
    """What kind of subject asks: its type, and the relation where it is a userset."""

    type: str
    relation: str = ""


@dataclass(frozen=True, slots=True)
class Walk:
    """How rows lead on: what is joined to them, the id that is found, and the condition that there is one."""

    joined: str
    found: str
    where: str


class Closures:
    """The statements of one engine. Names of types and relations are of the model, which holds nothing that ends a literal.

    Statements for questions that tuples come with (`contextual`) have a slot for them, of that name.
    """

    def __init__(self, engine: Engine, derived: Mapping[tuple[str, str], Derived]) -> None:
        self._engine = engine
        self.sources = Sources(engine, derived)
        self._placeholder = engine.dialect.placeholder
        self._id_text = engine.dialect.id_text
        self.join = engine.dialect.key_list.join
        self.limits_recursion = engine.dialect.limits_recursion

    def check(self, graph: tuple[Node, ...], roots: Iterable[Node], asker: Asker, *, listed: bool, contextual: bool = False) -> Statement:
        """The numbers of the questions that are answered with yes. Slots: `subject`, and `listed` or `node` and `object`."""
        roots = list(roots)
        objects = closure(roots, graph, usersets=False)
        across = [(node, link) for node in objects for link in node.links if link.subject_relation]
        subjects = closure([graph[number] for number in sorted({link.target for _, link in across})], graph, usersets=True)
        reached = self.reached(subjects, asker, contextual=contextual)
        above = steps(roots, graph, self.sources, usersets=False)
        tables = [*self._given(contextual=contextual), self._objects(objects, above, listed=listed, contextual=contextual)]
        meets = self._direct(objects, asker, contextual=contextual) + self._said(above, asker)
        if reached:
            links = self.links("across", across, "o.node", contextual=contextual)
            tables += [*reached, *links.tables]
            walk = self.walk(links, object_id="o.id")
            met = f"{self.join} reached AS r ON r.node = {links.end} AND r.id = {walk.found}{walk.where}"
            meets.append(f"SELECT o.goal FROM objects AS o {walk.joined} {met}")
            if usersets := [step for step in above if isinstance(step.last, Link) and step.last.subject_relation]:
                tables.append(_table("crossing", ABOVE, usersets))
                joined = f"{self.join} reached AS r ON r.node = n.target AND r.id = {self._start(usersets)}"
                meets.append(f"SELECT a.goal FROM asked AS a {self.join} crossing AS n ON {self._below()} {joined}")
        meets += self._own(objects, asker)
        if not meets:
            return self.statement(f"SELECT 0 FROM {NOTHING}")
        return self.statement(f"WITH RECURSIVE {', '.join(tables)} {' UNION ALL '.join(meets)}{'' if listed else ' LIMIT 1'}")

    def list_objects(self, graph: tuple[Node, ...], roots: Sequence[Node], asker: Asker, *, contextual: bool = False) -> Statement:
        """The numbers of nodes and ids of all objects where the subject is at these, at most `limit`. Slots: `subject`, `limit`."""
        reached = self.reached(closure(roots, graph, usersets=True), asker, contextual=contextual)
        if not reached:
            return self.statement(f"SELECT 0, '' FROM {NOTHING}")
        tables = [*self._given(contextual=contextual), *reached]
        wanted = ", ".join(str(root.number) for root in roots)
        return self.statement(f"WITH RECURSIVE {', '.join(tables)} SELECT node, id FROM reached WHERE node IN ({wanted}) LIMIT @limit@")

    def id_part(self, text: str, place: int, column: ColumnShape, count: int) -> str:
        """Of an id of so many parts the one that a column holds."""
        dialect = self._engine.dialect
        part = dialect.id_part(text, place) if count > 1 else text
        return part if column.storage is Storage.TEXT else dialect.id_number.format(part)

    def id_whole(self, parts: Sequence[str], columns: Sequence[ColumnShape]) -> str:
        """An id of the values of columns: where it is that of which they are parts, they are all of it, and written so."""
        dialect = self._engine.dialect
        if len(parts) > 1:
            return dialect.id_joined(parts)
        return parts[0] if columns[0].storage is Storage.TEXT else dialect.id_text.format(parts[0])

    def list_subjects(self, graph: tuple[Node, ...], root: Node, asker: Asker, *, contextual: bool = False) -> Statement:
        """The ids of all subjects of a kind at a node of an object, at most `limit`. Slots: `object`, `limit`."""
        nodes = closure([root], graph, usersets=True)
        tables, members = self._given(contextual=contextual), [f"SELECT {root.number}, {self._text('object')}"]
        above = steps([root], graph, self.sources, usersets=True)
        if above:
            tables.append(f"asked (node, id, free) AS (SELECT {root.number}, {self._text('object')}, 1)")
        if linked := [step for step in above if step.target is not None]:
            tables.append(_table("above", ABOVE, linked))
            members.append(f"SELECT n.target, {self._start(linked)} FROM asked AS a {self.join} above AS n ON {self._below()}")
        if every := [(node, link) for node in nodes for link in node.links]:
            links = self.links("down", every, "o.node", contextual=contextual)
            tables += links.tables
            walk = self.walk(links, object_id="o.id")
            members.append(f"SELECT {links.end}, {walk.found} FROM objects AS o {walk.joined}{walk.where}")
        tables.append(f"objects (node, id) AS ({' UNION '.join(members)})")
        own = [str(node.number) for node in nodes if node.type == asker.type and asker.relation in node.includes]
        meets = [f"SELECT id FROM objects WHERE node IN ({', '.join(own)})"] if own else []
        for source, given in self.seeds(nodes, asker, contextual=contextual):
            name = f"seeds{source.number or ''}"
            tables.append(constants(name, SEED, given))
            # A tuple for everybody counts where the model admits it, and any other where it admits those.
            kind = Kind("s.object_type", "s.relation", quoted(asker.type), "''")
            right = f"CASE WHEN {source.subject_id} = '*' THEN '*' ELSE '' END = s.subject_id"
            found = f"objects AS o {self.join} {name} AS s ON s.node = o.node {self.join} {source.by_object(kind, 'o.id')} AND {right}"
            meets.append(f"SELECT {source.subject_id} FROM {found}")
        if said := self._pointing(above, asker):
            tables.append(_table("pointing", ABOVE, said))
            meets.append(f"SELECT {self._start(said)} FROM asked AS a {self.join} pointing AS n ON {self._below()}")
        if not meets:
            return self.statement(f"SELECT '' FROM {NOTHING}")
        return self.statement(f"WITH RECURSIVE {', '.join(tables)} {' UNION '.join(meets)} LIMIT @limit@")

    def probe(self, kinds: Iterable[tuple[str, str]]) -> Statement:
        """The numbers of listed links, and the ids that they lead to, at most `limit`. Slots: `listed` (of PROBES), `limit`.

        Links are of these types and relations; what the name of an object says is asked of its row.
        """
        every = [source for kind in kinds for source in self.sources.of(*kind, conditional=False, contextual=False)]
        sources = in_order(every) or [self.sources.tuples]
        walk = self.walk(Links(sources, PROBED, whole("listed.k6" if len(sources) > 1 else "")), object_id="listed.k1")
        found = f"{self.list((*PROBES, SOURCE) if len(sources) > 1 else PROBES)} {walk.joined}"
        return self.statement(f"SELECT listed.k5, {walk.found} FROM {found}{walk.where} LIMIT @limit@")

    def probe_conditional(self) -> Statement:
        """The numbers of listed links, the ids that tuples under a condition lead to, the condition and its context. Slots as of `probe`."""
        found = f"{self.list(PROBES)} {self.join} {self.sources.conditional.by_object(PROBED, 'listed.k1')}"
        return self.statement(f"SELECT listed.k5, c.subject_id, {self._under()} FROM {found} LIMIT @limit@")

    def conditional(self) -> Statement:
        """The numbers of listed tuples that stand under a condition, the condition and its context. Slot: `listed` (of NAMED)."""
        kind = Kind("listed.k0", "listed.k2", "listed.k3", "''")
        found = f"{self.list(NAMED)} {self.join} {self.sources.conditional.by_both(kind, 'listed.k1', 'listed.k4')}"
        return self.statement(f"SELECT listed.k5, {self._under()} FROM {found}")

    # Parts ------------------------------------------------------------------------------------------------------------------------------

    def _objects(self, nodes: Sequence[Node], above: Sequence[Step], *, listed: bool, contextual: bool) -> str:
        """What is asked about, and whatever its tuplesets lead to."""
        one = f"SELECT 0, @node@, {self._text('object')}"
        tables, members = [], [f"SELECT k0, k1, k2 FROM {self.list(LISTED)}" if listed else one]
        if above:
            many = f"SELECT k0, k1, k2, k3 FROM {self.list((*LISTED, FREE))}"
            tables.append(f"asked (goal, node, id, free) AS ({many if listed else f'{one}, 1'})")
            members = ["SELECT goal, node, id FROM asked"]
        if linked := [step for step in above if isinstance(step.last, Link) and not step.last.subject_relation]:
            tables.append(_table("above", ABOVE, linked))
            members.append(f"SELECT a.goal, n.target, {self._start(linked)} FROM asked AS a {self.join} above AS n ON {self._below()}")
        if along := [(node, link) for node in nodes for link in node.links if not link.subject_relation]:
            links = self.links("along", along, "o.node", contextual=contextual)
            tables += links.tables
            walk = self.walk(links, object_id="o.id")
            members.append(f"SELECT o.goal, {links.end}, {walk.found} FROM objects AS o {walk.joined}{walk.where}")
        return ", ".join([*tables, f"objects (goal, node, id) AS ({' UNION '.join(members)})"])

    def reached(self, nodes: Sequence[Node], asker: Asker, *, contextual: bool = False) -> list[str]:
        """Where the subject is known to be; nothing where it can be nowhere."""
        members, tables = [], []
        for source, given in self.seeds(nodes, asker, contextual=contextual):
            if len(given) == 1:  # One that is alone needs no table of constants, see `store.links`.
                members.append(f"SELECT {given[0][0]}, {self.whole(source)} FROM {self._named_alone(source, given[0], asker)}")
                continue
            name = f"seeds{source.number or ''}"
            tables.append(constants(name, SEED, given))
            members.append(f"SELECT s.node, {self.whole(source)} FROM {name} AS s {self.join} {self.seeded(source, asker)}")
        own = [node for node in nodes if node.type == asker.type and asker.relation in node.includes]
        members += [f"SELECT {node.number}, {self._text('subject')}" for node in own]
        up = [(node, link) for node in nodes for link in node.links]
        if members and up:
            links = self.links("up", up, "r.node", back=True, contextual=contextual)
            tables += links.tables
            walk = self.walk(links, subject_id="r.id")
            members.append(f"SELECT {links.end}, {walk.found} FROM reached AS r {walk.joined}{walk.where}")
        return [*tables, f"reached (node, id) AS ({' UNION '.join(members)})"] if members else []

    def _direct(self, nodes: Sequence[Node], asker: Asker, *, contextual: bool) -> list[str]:
        """Tuples of the objects that name the subject, or everybody."""
        found = []
        for source, given in self.seeds(nodes, asker, contextual=contextual):
            found.append(f"SELECT o.goal FROM objects AS o {self.join} {self._named(source, given, asker)}")
        return found

    def _named(self, source: Source, given: Sequence[Row], asker: Asker) -> str:
        """What is joined to objects: the tuples of theirs that seeds speak of."""
        by_node = {int(row[0]): (row, source) for row in given}
        if len(by_node) < len(given):
            return f"({rows(SEED, given)}) AS s ON s.node = o.node {self.join} {self.seeded(source, asker, object_id='o.id')}"
        case, id_of = by_case("o.node", by_node)
        subject = f"CASE {case(SEED_SUBJECT)} WHEN '' THEN @subject@ ELSE '*' END"
        kind = Kind(case(1), case(2), quoted(asker.type), "''")
        return source.by_both(kind, id_of(source, "o.id", NO_KEY), subject if isinstance(source, Tuples) else NAMED_BY_COLUMNS)

    def _named_alone(self, source: Source, seed: Row, asker: Asker) -> str:
        """The tuples that one seed speaks of."""
        _, object_type, relation, subject_id = map(str, seed)
        kind = Kind(quoted(object_type), quoted(relation), quoted(asker.type), "''")
        subject = (quoted(subject_id) if subject_id else "@subject@") if isinstance(source, Tuples) else NAMED_BY_COLUMNS
        table, _, condition = source.by_subject(kind, subject).partition(" ON ")
        return f"{table} WHERE {condition}"

    def _said(self, above: Sequence[Step], asker: Asker) -> list[str]:
        """Objects whose name says that they are the subject's."""
        said = self._pointing(above, asker)
        if not said:
            return []
        table = f"({rows(ABOVE, _rows(said))}) AS n"
        return [f"SELECT a.goal FROM asked AS a {self.join} {table} ON {self._below()} AND {self._start(said)} = @subject@"]

    @staticmethod
    def _pointing(above: Sequence[Step], asker: Asker) -> list[Step]:
        return [step for step in above if step.target is None and step.last.subject_type == asker.type and not asker.relation]

    def _below(self) -> str:
        """What is asked about has a name of this form."""
        form = "LENGTH(a.id) - LENGTH(REPLACE(a.id, '/', '')) = n.places - 1 AND SUBSTR(a.id, 1, 1) <> '/'"
        return f"n.node = a.node AND a.free = 1 AND {form}"

    def _start(self, above: Sequence[Step]) -> str:
        """The beginning of its id."""
        levels = sorted({step.levels for step in above})
        cases = " ".join(f"WHEN {count} THEN {self._engine.dialect.id_start('a.id', count)}" for count in levels)
        return self._id_text.format(f"CASE n.levels {cases} END")

    def _own(self, nodes: Sequence[Node], asker: Asker) -> list[str]:
        """Objects whose userset the subject itself is."""
        numbers = [str(node.number) for node in nodes if node.type == asker.type and asker.relation in node.includes]
        return [f"SELECT o.goal FROM objects AS o WHERE o.node IN ({', '.join(numbers)}) AND o.id = @subject@"] if numbers else []

    def seeds(self, nodes: Iterable[Node], asker: Asker, *, contextual: bool = False) -> list[tuple[Source, list[Row]]]:
        """For each source the rows of SEED: in which tuples the subject may be named (its id: '') or everybody ('*'), and where it then is."""
        found: dict[int, tuple[Source, dict[Row, None]]] = {}
        for node in nodes:
            for direct in node.directs:
                if direct.subject_type == asker.type and not asker.relation:
                    row = (node.number, node.type, direct.relation, "*" if direct.wildcard else "")
                    for source in self._of(node, direct, contextual=contextual):
                        found.setdefault(source.number, (source, {}))[1][row] = None
        return [(source, list(given)) for _, (source, given) in sorted(found.items())]

    def seeded(self, source: Source, asker: Asker, object_id: str = "") -> str:
        """The tuples that a seed s speaks of, for a subject."""
        kind = Kind("s.object_type", "s.relation", quoted(asker.type), "''")
        own = "CASE s.subject_id WHEN '' THEN @subject@ ELSE '*' END"
        subject = own if isinstance(source, Tuples) else NAMED_BY_COLUMNS
        return source.by_both(kind, object_id, subject) if object_id else source.by_subject(kind, subject)

    def links(self, name: str, found: Iterable[tuple[Node, Link]], at: str, *, back: bool = False, contextual: bool = False) -> Links:
        """Links from a node, which stands at `at`, by tuples of an object's relation with such subjects, to a target; or `back`, from the target."""
        listed: dict[tuple[Row, int], None] = {}
        used: dict[int, Source] = {}
        for node, link in found:
            row = (node.number, node.type, link.relation, link.subject_type, link.subject_relation, link.target)
            for source in self._of(node, link, contextual=contextual):
                used[source.number] = source
                listed[row, source.number] = None
        start, end = (LINK_TARGET, 0) if back else (0, LINK_TARGET)
        sources, single = in_order(used.values()), {int(row[start]): (row, used[number]) for row, number in listed}
        if len(single) == len(listed):
            return in_place(at, single, sources, end=end)
        several = len(sources) > 1
        rows_of = [(*row, number) if several else row for row, number in listed]
        columns = f"{LINK}, source" if several else LINK
        kind = Kind(*(f"e.{column}" for column in ("object_type", "relation", "subject_type", "subject_relation")))
        names = columns.split(", ")
        joined = f"{self.join} {name} AS e ON e.{names[start]} = {at}"
        table = constants(name, columns, rows_of)
        return Links(sources, kind, whole("e.source" if several else ""), (table,), joined, f"e.{names[end]}")

    def _of(self, node: Node, said: Direct | Link, *, contextual: bool) -> tuple[Source, ...]:
        return self.sources.of(node.type, said.relation, conditional=said.conditional, contextual=contextual)

    def walk(self, links: Links, *, object_id: str = "", subject_id: str = "") -> Walk:
        """From rows joined with links to the subjects of an object, or the objects of a subject."""
        joined, ids, several = [], [], len(links.sources) > 1
        for source in links.sources:
            own = links.id_of(source, object_id or subject_id, source.nobody if subject_id else NO_KEY)
            item = source.by_object(links.kind, own) if object_id else source.by_subject(links.kind, own)
            joined.append(f"{'LEFT JOIN' if several else self.join} {item}")
            ids.append(source.subject_id if object_id else source.object_id)
        if not several:
            return Walk(f"{links.joined} {joined[0]}", ids[0], "")
        found = f"COALESCE({', '.join(ids)})"
        return Walk(" ".join([links.joined, *joined]), found, f" WHERE {found} IS NOT NULL")

    def _given(self, *, contextual: bool) -> list[str]:
        """The tuples that come with the question; read once, because they are DISTINCT."""
        if not contextual:
            return []
        names = ", ".join(column.name for column in COLUMNS)
        columns = ", ".join(f"k{place}" for place in range(len(COLUMNS)))
        return [f"{GIVEN} ({names}) AS (SELECT DISTINCT {columns} FROM {self.list(COLUMNS, GIVEN)})"]

    def _under(self) -> str:
        """The columns of a conditional tuple that the key has not."""
        return ", ".join(f"c.{self._engine.dialect.definitions.name(name)}" for name in (CONDITION, CONTEXT))

    def whole(self, source: Source) -> str:
        """The id of an object that a source has, as wide as any."""
        return source.object_id if isinstance(source, Tuples) else self._id_text.format(source.object_id)

    def _text(self, slot: str) -> str:
        """A bound id as a column of a common table expression, whose width is that of its first row."""
        return self._id_text.format(f"@{slot}@")

    def list(self, columns: Sequence[ColumnShape], slot: str = "listed") -> str:
        """A list that is bound to a slot."""
        return render(self._engine.dialect.key_list.listed(columns), self._engine.database).sql.replace(self._placeholder, f"@{slot}@")

    def statement(self, text: str) -> Statement:
        """Slots stand between two `@`, which nothing else of a statement has."""
        return Statement(SLOT.sub(self._placeholder, text), tuple(Slot(name) for name in SLOT.findall(text)))


def _table(name: str, columns: str, above: Sequence[Step]) -> str:
    return constants(name, columns, _rows(above))


def _rows(above: Sequence[Step]) -> Iterable[Row]:
    """Rows of ABOVE; the subject itself has no node."""
    return dict.fromkeys((step.root, step.places, step.levels, -1 if step.target is None else step.target) for step in above)


def constants(name: str, columns: str, listed: Iterable[Row]) -> str:
    """A table of constants."""
    return f"{name} AS ({rows(columns, listed)})"


def rows(columns: str, listed: Iterable[Row]) -> str:
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
