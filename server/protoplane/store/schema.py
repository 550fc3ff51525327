"""The shape of tables, free of any engine: what `store.tables` asks for and `store.migrate` compares and makes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Storage(StrEnum):
    """What a column holds. The dialect gives each its SQL type; every text column has the engine's exact collation."""

    BOOL = "bool"
    INT64 = "int64"  # Every signed integer, enums by number, durations in microseconds.
    UINT64 = "uint64"  # uint32 and uint64.
    DOUBLE = "double"  # float too: MySQL's FLOAT loses digits.
    TEXT = "text"  # `length` characters, or unbounded.
    BYTES = "bytes"  # `length` bytes, or unbounded.
    TIME = "time"  # UTC with microseconds.
    JSON = "json"  # Repeated fields, maps, Struct; a text in our own canonical form, unbounded.


@dataclass(frozen=True, slots=True)
class ColumnShape:
    """A column. A column that is not nullable has the default of its storage: 0, '' or false."""

    name: str
    storage: Storage
    nullable: bool
    length: int = 0
    """Characters or bytes at most; 0: unbounded (such a column cannot be indexed)."""


@dataclass(frozen=True, slots=True)
class IndexShape:
    """A secondary index; its name is made from the table and its columns."""

    name: str
    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True, slots=True)
class ForeignKeyShape:
    """Child to parent inside one name hierarchy; no cascade: a parent with children cannot be deleted."""

    name: str
    columns: tuple[str, ...]
    table: str
    target: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table: the primary key columns come first, in parent order."""

    name: str
    columns: tuple[ColumnShape, ...]
    primary_key: tuple[str, ...]
    indexes: tuple[IndexShape, ...] = ()
    foreign_key: ForeignKeyShape | None = None
