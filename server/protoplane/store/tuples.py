"""The table of relation tuples, and what of it a question walks along."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from protoplane.store.schema import ColumnShape, IndexShape, Storage, TableShape

TYPE_CHARACTERS = 63
RELATION_CHARACTERS = 50
ID_CHARACTERS = 255
"""Two of each are the key: 736 characters, of the 768 that an index holds."""

KEY = ("object_type", "object_id", "relation", "subject_type", "subject_relation", "subject_id")
"""Usersets of an object stand together, away from its plain subjects: who asks for groups does not read a hundred thousand users."""

REVERSE = ("subject_type", "subject_id", "subject_relation", "object_type", "relation", "object_id")

TUPLE_TABLE = TableShape(
    name="protoplane_tuple",
    columns=(
        ColumnShape("object_type", Storage.TEXT, nullable=False, length=TYPE_CHARACTERS),
        ColumnShape("object_id", Storage.TEXT, nullable=False, length=ID_CHARACTERS),
        ColumnShape("relation", Storage.TEXT, nullable=False, length=RELATION_CHARACTERS),
        ColumnShape("subject_type", Storage.TEXT, nullable=False, length=TYPE_CHARACTERS),
        ColumnShape("subject_relation", Storage.TEXT, nullable=False, length=RELATION_CHARACTERS),
        ColumnShape("subject_id", Storage.TEXT, nullable=False, length=ID_CHARACTERS),
    ),
    primary_key=KEY,
    indexes=(IndexShape("protoplane_tuple__subject", REVERSE, unique=True),),
)
"""Both ways of reading are covered by an index: no statement about tuples reads anything else."""


@dataclass(frozen=True, slots=True)
class Direct:
    """Subjects of a type that a tuple names themselves; with `wildcard` the one that stands for all."""

    relation: str
    subject_type: str
    wildcard: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A tuple leads from a node to another: to who has `subject_relation` of the subject, or, where that is empty, to a node of the subject."""

    relation: str
    subject_type: str
    subject_relation: str
    target: int
    """The node's place in its graph."""


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
