"""Where relationships are read: tables of tuples, and columns of resources' tables. All are read alike: by object, by subject, or by both.

What a source gives is an item of FROM with its `ON`, and how the ids that are found are called. Ids of several columns are split to be
looked up by an index, and then compared as a whole: what an id means, and whether it is written so, is decided by that alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from peewee import SQL

from protoplane.store.engine import Engine
from protoplane.store.schema import ColumnShape, Storage, TableShape
from protoplane.store.statements import render
from protoplane.store.tuples import CONDITIONAL_TABLE, KEY, TUPLE_TABLE, Derived

TUPLES, CONDITIONAL, CONTEXTUAL, DERIVED = 0, 1, 2, 3
"""Numbers of sources; that of the first derived relation is DERIVED, and so on."""

GIVEN = "contextual"
"""What the tuples that come with a question are called inside a statement."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Which tuples are meant: what their columns but the ids are equal to, as SQL."""

    object_type: str
    relation: str
    subject_type: str
    subject_relation: str


class Source(ABC):
    """One place that relationships are read from."""

    number: int
    object_id: str
    """The object of a row, as SQL."""
    subject_id: str
    nobody: str = "NULL"
    """An id that finds nothing, and that at once."""

    @abstractmethod
    def by_object(self, kind: Kind, object_id: str) -> str:
        """An object's rows, as an item of FROM."""

    @abstractmethod
    def by_subject(self, kind: Kind, subject_id: str) -> str:
        """A subject's rows."""

    @abstractmethod
    def by_both(self, kind: Kind, object_id: str, subject_id: str) -> str:
        """The row that says that the one is the other's."""


class Tuples(Source):
    """A table of tuples, or what has its columns."""

    def __init__(self, number: int, alias: str, forward: str, reverse: str) -> None:
        self.number, self.alias, self.forward, self.reverse = number, alias, forward, reverse
        self.object_id, self.subject_id = f"{alias}.object_id", f"{alias}.subject_id"

    def by_object(self, kind: Kind, object_id: str) -> str:
        """See Source."""
        return f"{self.forward} ON {self._on(kind, object_id=object_id)}"

    def by_subject(self, kind: Kind, subject_id: str) -> str:
        """See Source."""
        return f"{self.reverse} ON {self._on(kind, subject_id=subject_id)}"

    def by_both(self, kind: Kind, object_id: str, subject_id: str) -> str:
        """See Source."""
        return f"{self.forward} ON {self._on(kind, object_id=object_id, subject_id=subject_id)}"

    def _on(self, kind: Kind, **ids: str) -> str:
        """In the order of the key."""
        kinds = {"object_type": kind.object_type, "relation": kind.relation, "subject_type": kind.subject_type}
        values: Mapping[str, str] = {**kinds, "subject_relation": kind.subject_relation, **ids}
        return " AND ".join(f"{self.alias}.{name} = {values[name]}" for name in KEY if name in values)


class Columns(Source):
    """A resource's table whose rows say a relation. Which relation that is needs no asking: it is the only one that it says."""

    nobody = "'*'"  # The servers look NULL up where a column may be NULL, and then throw all that they found away.

    def __init__(self, number: int, derived: Derived, engine: Engine) -> None:
        self.number, self.derived, self._dialect = number, derived, engine.dialect
        self._alias = f"d{number}"
        self.object_id, self.subject_id = self._joined(derived.key), self._joined(derived.said)
        self._forward = table_led_by(engine, derived.table, "PRIMARY", self._alias)
        needed = derived.needed
        self._reverse = self._forward if needed is None else table_led_by(engine, derived.table, needed.name, self._alias)

    def by_object(self, kind: Kind, object_id: str) -> str:
        """See Source."""
        del kind
        return f"{self._forward} ON {self._is(self.derived.key, self.object_id, object_id)} AND {self._told()}"

    def by_subject(self, kind: Kind, subject_id: str) -> str:
        """See Source."""
        del kind
        return f"{self._reverse} ON {self._is(self.derived.said, self.subject_id, subject_id)} AND {self._told()}"

    def by_both(self, kind: Kind, object_id: str, subject_id: str) -> str:
        """See Source."""
        return f"{self.by_object(kind, object_id)} AND {self.subject_id} = {subject_id}"

    def _is(self, columns: Sequence[ColumnShape], whole: str, text: str) -> str:
        """The columns are those of an id: each by itself, for the index, and together."""
        if len(columns) == 1 and columns[0].storage is Storage.TEXT:
            return f"{whole} = {text}"
        parts = [self._dialect.id_part(text, place) if len(columns) > 1 else text for place in range(len(columns))]
        each = (
            f"{self._column(column)} = {part if column.storage is Storage.TEXT else self._dialect.id_number.format(part)}"
            for column, part in zip(columns, parts, strict=True)
        )
        return " AND ".join((*each, f"{whole} = {text}"))

    def _told(self) -> str:
        """Whether there is a subject. Nobody is called `*`, though a text may be."""
        first = self.derived.said[0]
        return f"{self._column(first)} NOT IN ('', '*')" if first.storage is Storage.TEXT else f"{self._column(first)} <> 0"

    def _joined(self, columns: Sequence[ColumnShape]) -> str:
        names = [self._column(column) for column in columns]
        if len(columns) > 1:
            return self._dialect.id_joined(names)
        return names[0] if columns[0].storage is Storage.TEXT else self._dialect.id_text.format(names[0])

    def _column(self, column: ColumnShape) -> str:
        return f"{self._alias}.{self._dialect.definitions.name(column.name)}"


class Sources:
    """All sources of one model's relationships. `derived` is by type and relation."""

    def __init__(self, engine: Engine, derived: Mapping[tuple[str, str], Derived]) -> None:
        self.derived = derived
        self.tuples = _stored(engine, TUPLES, TUPLE_TABLE, "t")
        self.conditional = _stored(engine, CONDITIONAL, CONDITIONAL_TABLE, "c")
        self._given = Tuples(CONTEXTUAL, "x", f"{GIVEN} AS x", f"{GIVEN} AS x")
        self._columns = {key: Columns(number, one, engine) for number, (key, one) in enumerate(derived.items(), DERIVED)}

    def of(self, type_name: str, relation: str, *, conditional: bool, contextual: bool) -> tuple[Source, ...]:
        """Where tuples of a relation may stand: `conditional` ones, and `contextual` if some come with the question."""
        columns = self._columns.get((type_name, relation))
        if columns is not None:
            return (columns,)
        stored = self.conditional if conditional else self.tuples
        return (stored, self._given) if contextual else (stored,)

    def named(self, type_name: str, relation: str) -> Derived | None:
        """The relation, if the name of an object says it."""
        derived = self.derived.get((type_name, relation))
        return derived if derived is not None and derived.levels else None


def _stored(engine: Engine, number: int, shape: TableShape, alias: str) -> Tuples:
    # Left to themselves the servers read all tuples of a type, for want of knowing how few the links leave.
    forward, reverse = (table_led_by(engine, shape.name, index, alias) for index in ("PRIMARY", shape.indexes[0].name))
    return Tuples(number, alias, forward, reverse)


def table_led_by(engine: Engine, table: str, index: str, alias: str) -> str:
    """A table that is read by an index, as an item of FROM."""
    named = SQL(f"{engine.dialect.definitions.name(table)} AS {alias}")
    return render(engine.dialect.led_by(named, index), engine.database).sql


def in_order(found: Iterable[Source]) -> list[Source]:
    """Each once, by number."""
    return [source for _, source in sorted({source.number: source for source in found}.items())]
