"""Tables as each engine defines and describes them: shape to DDL, and what is there back to shape.

A dialect has the one that is right for it. Both directions meet: what `Definitions.introspect` reads of a table that was just made is
the shape it was made from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from protoplane.base import limits
from protoplane.store.schema import ColumnShape, IndexShape, Storage, TableShape

Row: TypeAlias = tuple[Any, ...]
Ask: TypeAlias = Callable[[str], Sequence[Row]]
"""Runs one statement without parameters on the connection at hand and gives its rows."""

ROW_BYTES_MAX = 65_535
"""MySQL's limit on the declared sizes of a row; an unbounded column counts as its pointer."""

INLINE_TEXT_CHARACTERS_MAX = limits.INDEXED_CHARACTERS_MAX
"""Longer bounded text is LONGTEXT: it could not be indexed, and VARCHAR would use up ROW_BYTES_MAX."""

INLINE_BYTES_MAX = limits.INDEX_BYTES_MAX
"""The same for bytes."""

REFUSING_DELETES = frozenset({"RESTRICT", "NO ACTION"})
"""Rules of a foreign key under which a parent that has children cannot be deleted; the engines mean the same by both."""


@dataclass(frozen=True, slots=True)
class ActualTable:
    """A table that is there. What a shape cannot say stands beside it."""

    shape: TableShape
    """Its columns of known types, and indexes by name."""
    strange: Mapping[str, str]
    """Columns that no shape describes: what each is, by name."""
    without_default: frozenset[str] = frozenset()
    """Columns that are neither nullable nor in the primary key and lack the default of their storage."""
    remarks: tuple[str, ...] = ()
    """What else is not as we would have made it."""


class Definitions(ABC):
    """DDL and introspection of one engine."""

    quote: str
    """The character around identifiers."""

    def name(self, identifier: str) -> str:
        """An identifier, quoted."""
        return self.quote + identifier.replace(self.quote, self.quote * 2) + self.quote

    def names(self, identifiers: Iterable[str]) -> str:
        """Identifiers in parentheses."""
        return "(" + ", ".join(map(self.name, identifiers)) + ")"

    @abstractmethod
    def column_type(self, column: ColumnShape) -> str:
        """The SQL type with its collation."""

    @abstractmethod
    def default(self, column: ColumnShape) -> str:
        """The default of a column that is not nullable, as an expression."""

    def column(self, column: ColumnShape, *, key: bool = False) -> str:
        """One line of CREATE TABLE. Key columns are always given, so they need no default."""
        null = "NULL" if column.nullable else "NOT NULL"
        default = "" if column.nullable or key else f" DEFAULT {self.default(column)}"
        return f"{self.name(column.name)} {self.column_type(column)} {null}{default}{self.remark(column)}"

    def remark(self, column: ColumnShape) -> str:
        """What introspection needs beyond the type, as a comment."""
        del column
        return ""

    def create_table(self, shape: TableShape) -> str:
        """The table without its indexes, unless it is there."""
        lines = [self.column(column, key=column.name in shape.primary_key) for column in shape.columns]
        lines.append(f"PRIMARY KEY {self.names(shape.primary_key)}")
        if shape.foreign_key is not None:
            key = shape.foreign_key
            target = f"{self.name(key.table)} {self.names(key.target)}"
            lines.append(f"CONSTRAINT {self.name(key.name)} FOREIGN KEY {self.names(key.columns)} REFERENCES {target}")
        body = ",\n  ".join(lines)
        return f"CREATE TABLE IF NOT EXISTS {self.name(shape.name)} (\n  {body}\n){self.table_options}"

    table_options: str = ""

    @abstractmethod
    def add_column(self, table: str, column: ColumnShape) -> str:
        """A new column, without copying the table; the engine refuses where it would have to."""

    @abstractmethod
    def set_default(self, table: str, column: ColumnShape) -> str | None:
        """Give a column the default it lacks; None where the engine cannot without copying the table."""

    @abstractmethod
    def create_index(self, table: str, index: IndexShape) -> str:
        """A new index, while the table is in use."""

    def drop_table(self, table: str) -> str:
        """The table and everything in it, if it is there."""
        return f"DROP TABLE IF EXISTS {self.name(table)}"

    @abstractmethod
    def introspect(self, ask: Ask) -> dict[str, ActualTable]:
        """Every table of the database, by name."""

    def problems(self, shape: TableShape) -> list[str]:
        """Why no such table can be; empty if it can."""
        by_name = {column.name: column for column in shape.columns}
        found = []
        if len({name.lower() for name in by_name}) != len(shape.columns):
            found.append("two of its columns have one name (case does not count)")
        if not shape.primary_key:
            found.append("it has no primary key")
        found += [f"the primary key column '{c}' is nullable" for c in shape.primary_key if c in by_name and by_name[c].nullable]
        for title, columns in keys_of(shape):
            for column in columns:
                if column not in by_name:
                    found.append(f"the {title} names a column '{column}' that is not there")
                elif is_unbounded(by_name[column]):
                    found.append(f"the {title} has an unbounded column '{column}'")
        return found


def keys_of(shape: TableShape) -> list[tuple[str, tuple[str, ...]]]:
    """Primary key and indexes: what to call each, and its columns."""
    return [("primary key", shape.primary_key), *((f"index '{index.name}'", index.columns) for index in shape.indexes)]


def is_unbounded(column: ColumnShape) -> bool:
    """Whether it is kept apart from its row, where no index can hold it."""
    match column.storage:
        case Storage.JSON:
            return True
        case Storage.TEXT:
            return not 0 < column.length <= INLINE_TEXT_CHARACTERS_MAX
        case Storage.BYTES:
            return not 0 < column.length <= INLINE_BYTES_MAX
        case _:
            return False


def column_bytes(column: ColumnShape) -> int:
    """Bytes of a column in an index or towards the size of a row, at most."""
    if is_unbounded(column):
        return 12
    match column.storage:
        case Storage.TEXT:
            return limits.CHARACTER_BYTES_MAX * column.length
        case Storage.BYTES:
            return column.length
        case _:
            return 8
