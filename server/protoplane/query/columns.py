"""How the fields of a resource are reached in SQL: implemented by `store.tables`, used by filters, orders and pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from peewee import Node

from protoplane.contract.model import Field, Pattern


@dataclass(frozen=True, slots=True)
class NameColumns:
    """A resource name kept as key columns: one per variable of the pattern, in order."""

    pattern: Pattern
    columns: tuple[Node, ...]


class Columns(Protocol):
    """SQL expressions for the fields of one table. Every expression compares exactly (binary, no padding) on every engine."""

    @property
    def merges_ranges(self) -> bool:
        """Whether the engine scans `a = ? AND key > ? OR a > ?` on an index of (a, key) in order: MySQL and MariaDB do, SQLite does not."""

    def value(self, field: Field) -> Node:
        """The comparable value of a singular, addressable field; NULL when it, or a message on its path, is unset."""

    def sort_key(self, field: Field) -> Node:
        """What the field sorts by: its value, or the first SORT_CHARACTERS_MAX characters of an unbounded string."""

    def is_set(self, field: Field) -> Node:
        """Condition: the field differs from its default (AIP-160 presence `field:*`); for messages, the message is there."""

    def name(self, field: Field) -> NameColumns | None:
        """Key columns of a resource name (the resource's own, or a typed reference); None for any other field."""

    def bind(self, field: Field, value: object) -> object:
        """A canonical Python value (int microseconds for times and durations, int for enums) as the engine wants it bound.

        Of a repeated field or map: as its elements are held. An unsigned integer above all that the engine holds is no error
        here: it becomes something that compares as greater than every stored value.
        """

    def any_element(self, field: Field, test: Callable[[Node, Node], Node]) -> Node:
        """Condition: some element of a repeated field or map passes `test(key, value)`.

        The key of a map is its text in JSON (`-1`, `true`), of a repeated field the index.
        """
