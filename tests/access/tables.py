"""Tables of resources whose columns and keys say relations: of both types of `tests.access.cases`, with every kind of key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from protoplane.access.model import TypeRelation
from protoplane.access.tuples import Object, RelationTuple, Subject
from protoplane.store.engine import Engine
from protoplane.store.schema import ColumnShape, Storage, TableShape
from protoplane.store.session import Session
from protoplane.store.statements import insert
from protoplane.store.tuples import Derived
from tests.access.cases import TYPES
from tests.access.conftest import define, soon

TEXT = ColumnShape("id", Storage.TEXT, nullable=False, length=63)
NUMBER = ColumnShape("number", Storage.INT64, nullable=False)

KEYS: Mapping[str, tuple[ColumnShape, ...]] = {"text": (TEXT,), "number": (NUMBER,), "both": (TEXT, NUMBER)}
"""The kinds of keys, by name."""

IDS = {"text": ("a", "b", "c"), "number": ("1", "2", "3"), "both": ("a/1", "a/2", "b/1")}
"""Of objects with rows, by the kind of their key."""

STRANGE = {
    "text": ("a/1", "A"),
    "number": ("01", "0", "a", "-1", "9999999999999999999", "1 "),
    "both": ("c/9", "a", "a/1/1", "a/01", "/1", "a/"),
}
"""Ids that no row has."""

SAID = ("p", "r")
"""Relations that columns may say."""


def reference(relation: str, kind: str) -> tuple[ColumnShape, ...]:
    """The columns that refer to an object with such a key."""
    return tuple(ColumnShape(f"{relation}_{column.name}", column.storage, nullable=True, length=column.length) for column in KEYS[kind])


def table_of(type_name: str, kind: str) -> TableShape:
    """The table of a type with such a key."""
    name, key = f"kept_{type_name}_{kind}", tuple(column.name for column in KEYS[kind])
    indexes = {needed.name: needed for one in derived_of(type_name, kind) if (needed := one.needed) is not None}
    columns = (*KEYS[kind], *(column for relation in SAID for column in reference(relation, "both")))
    return TableShape(name, columns, key, tuple(indexes.values()))


def derived_of(type_name: str, kind: str) -> list[Derived]:
    """Everything that columns of a table may say."""
    return [by_columns(type_name, kind, relation, Subject("any", ""), target) for relation in SAID for target in KEYS]


def by_columns(type_name: str, kind: str, relation: str, subject: Subject, target: str) -> Derived:
    """The relation that columns say, of such subjects, whose keys are of the kind `target`."""
    return Derived(f"kept_{type_name}_{kind}", KEYS[kind], subject.type, subject.relation, reference(relation, target))


def by_name(type_name: str, kind: str, subject: Subject, levels: int) -> Derived:
    """The relation that the first columns of the key say."""
    return Derived(f"kept_{type_name}_{kind}", KEYS[kind], subject.type, subject.relation, levels=levels)


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its object, and what its columns say; nothing where they are NULL or empty."""

    of: Object
    kind: str
    said: tuple[tuple[str, str], ...]
    """Relation and id of the subject."""

    def values(self, derived: Mapping[TypeRelation, Derived]) -> list[object]:
        """In the order of the columns."""
        row: dict[str, object] = {column.name: None for relation in SAID for column in reference(relation, "both")}
        row |= dict(zip((column.name for column in KEYS[self.kind]), split(self.of.id, KEYS[self.kind]), strict=True))
        for relation, one in self.said:
            if (found := derived.get((self.of.type, relation))) is not None and found.subject:
                names = [column.name for column in found.subject]
                row |= dict(zip(names, split(one, found.subject), strict=True))
        return [row[column.name] for column in table_of(self.of.type, self.kind).columns]

    def tuples(self, derived: Mapping[TypeRelation, Derived]) -> Iterable[RelationTuple]:
        """What the row says."""
        said = dict(self.said)
        for (type_name, relation), one in derived.items():
            if type_name == self.of.type:
                subject_id = "/".join(self.of.id.split("/")[: one.levels]) if one.levels else said.get(relation, "")
                if subject_id:
                    yield RelationTuple(self.of, relation, Subject(one.subject_type, subject_id, one.subject_relation))


def split(one: str, columns: tuple[ColumnShape, ...]) -> list[object]:
    """An id as columns hold it; none as they hold that."""
    if not one:
        return ["" if column.storage is Storage.TEXT else 0 for column in columns]
    parts = one.split("/") if len(columns) > 1 else [one]
    return [part if column.storage is Storage.TEXT else int(part) for part, column in zip(parts, columns, strict=True)]


def make(store: Engine) -> None:
    """Make all tables."""
    for type_name in TYPES:
        for kind in KEYS:
            define(store, table_of(type_name, kind))


def keep(store: Engine, rows: Iterable[Row], derived: Mapping[TypeRelation, Derived]) -> None:
    """Have these rows, and no others."""
    kept = list(rows)

    def work(session: Session) -> None:
        for type_name in TYPES:
            for kind in KEYS:
                shape = table_of(type_name, kind)
                session.execute(f"DELETE FROM {shape.name}")
                values = [row.values(derived) for row in kept if (row.of.type, row.kind) == (type_name, kind)]
                if values:
                    session.execute_many(insert(shape, [column.name for column in shape.columns], store.database), values)

    store.write(work, soon())
