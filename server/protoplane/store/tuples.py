"""The tables of relation tuples, what else says relationships, and what of them a question walks along."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from protoplane.store.schema import ColumnShape, IndexShape, Storage, TableShape
from protoplane.store.tables import index_name

TYPE_CHARACTERS = 63
RELATION_CHARACTERS = 50
ID_CHARACTERS = 255
"""Two of each are the key: 736 characters, of the 768 that an index holds."""

CONDITION_CHARACTERS = 50

KEY = ("object_type", "object_id", "relation", "subject_type", "subject_relation", "subject_id")
"""Usersets of an object stand together, away from its plain subjects: who asks for groups does not read a hundred thousand users."""

REVERSE = ("subject_type", "subject_id", "subject_relation", "object_type", "relation", "object_id")

COLUMNS: Final = (
    ColumnShape("object_type", Storage.TEXT, nullable=False, length=TYPE_CHARACTERS),
    ColumnShape("object_id", Storage.TEXT, nullable=False, length=ID_CHARACTERS),
    ColumnShape("relation", Storage.TEXT, nullable=False, length=RELATION_CHARACTERS),
    ColumnShape("subject_type", Storage.TEXT, nullable=False, length=TYPE_CHARACTERS),
    ColumnShape("subject_relation", Storage.TEXT, nullable=False, length=RELATION_CHARACTERS),
    ColumnShape("subject_id", Storage.TEXT, nullable=False, length=ID_CHARACTERS),
)
"""Those of the key, in the order in which the table has them."""

TUPLE_TABLE = TableShape(
    name="protoplane_tuple",
    columns=COLUMNS,
    primary_key=KEY,
    indexes=(IndexShape("protoplane_tuple__subject", REVERSE, unique=True),),
)
"""Both ways of reading are covered by an index: no statement about tuples reads anything else."""

CONDITION = "condition"
CONTEXT = "context"

CONDITIONAL_TABLE = TableShape(
    name="protoplane_conditional_tuple",
    columns=(
        *COLUMNS,
        ColumnShape(CONDITION, Storage.TEXT, nullable=False, length=CONDITION_CHARACTERS),
        ColumnShape(CONTEXT, Storage.JSON, nullable=False),
    ),
    primary_key=KEY,
    indexes=(IndexShape("protoplane_conditional_tuple__subject", REVERSE, unique=True),),
)
"""Tuples that count under a condition alone. A tuple stands in one of the two tables: what asks for no condition reads no more for there being some."""

ACCESS_TABLES = (TUPLE_TABLE, CONDITIONAL_TABLE)
"""What contracts with relations need beside their own tables."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A relation that each row of a table says: the object by its key, the subject by other columns or by the beginning of the key.

    Ids are those of the columns joined by `/`. `index` is the one that `subject` leads; by its name as `needed` has it unless it is told.
    """

    table: str
    key: tuple[ColumnShape, ...]
    """The primary key, in order."""
    subject_type: str
    subject_relation: str
    """Empty for a plain subject."""
    subject: tuple[ColumnShape, ...] = ()
    """Columns with the subject's id; '', NULL or 0 in the first: there is none. Empty where the name says it."""
    levels: int = 0
    """More than 0: the subject is the first so many columns of the key."""
    index: str = ""

    def __post_init__(self) -> None:
        if bool(self.subject) == bool(self.levels) or self.levels > len(self.key):
            raise ValueError(f"{self.table}: the subject is columns, or the beginning of the key")

    @property
    def said(self) -> tuple[ColumnShape, ...]:
        """The columns that hold the subject's id."""
        return self.key[: self.levels] if self.levels else self.subject

    @property
    def needed(self) -> IndexShape | None:
        """The index by which subjects find their objects; None where that is the primary key."""
        if self.levels:
            return None
        columns = tuple(column.name for column in self.subject)
        return IndexShape(self.index or index_name(self.table, columns), columns, unique=False)


@dataclass(frozen=True, slots=True)
class Direct:
    """Subjects of a type that a tuple names themselves; with `wildcard` the one that stands for all."""

    relation: str
    subject_type: str
    wildcard: bool
    conditional: bool = False
    """Whether it stands in the table of conditional tuples, and counts for what only looks for candidates."""


@dataclass(frozen=True, slots=True)
class Link:
    """A tuple leads from a node to another: to who has `subject_relation` of the subject, or, where that is empty, to a node of the subject."""

    relation: str
    subject_type: str
    subject_relation: str
    target: int
    """The node's place in its graph."""
    conditional: bool = False
    """As of `Direct`."""


@dataclass(frozen=True, slots=True)
class Node:
    """A set of subjects of each object of a type: all whom any of its tuples or links gives."""

    number: int
    type: str
    includes: frozenset[str]
    """The relations all of whose subjects are subjects of this node: as of the userset that names one of them."""
    directs: tuple[Direct, ...]
    links: tuple[Link, ...]


def closure(nodes: Iterable[Node], graph: tuple[Node, ...], *, usersets: bool) -> tuple[Node, ...]:
    """The nodes and all that they lead to, by tuplesets alone or by usersets too; in the order of their numbers."""
    found = {node.number: node for node in nodes}
    ahead = list(found.values())
    while ahead:
        for link in ahead.pop().links:
            if link.target not in found and (usersets or not link.subject_relation):
                found[link.target] = graph[link.target]
                ahead.append(graph[link.target])
    return tuple(found[number] for number in sorted(found))
