"""How the fields of a resource are reached in SQL: implemented by `store.tables`, used by filters, orders, pages and aggregates.

A statement begins at the columns of the resource that is listed. `through` leads to those of a resource that one of its references
(or its own name: the parent) names; a statement that uses such columns joins their table, once (`store.joins.join`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from peewee import Node

from protoplane.contract.model import Field, Pattern, Presence, Resource


@dataclass(frozen=True, slots=True)
class NameColumns:
    """A resource name kept as key columns: one per variable of the pattern, in order."""

    pattern: Pattern
    columns: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a path into a column of JSON: each element of `holder`, and in it the field that `members` lead to."""

    holder: Field
    members: tuple[Field, ...] = ()
    """Singular fields, outermost first; none: the element itself."""

    @property
    def last(self) -> Field:
        """What is compared, or holds the next level."""
        return self.members[-1] if self.members else self.holder


@dataclass(frozen=True, slots=True)
class Inner:
    """What a path into JSON leads to, in one element."""

    value: Node
    """NULL when it, or a message on the way, is unset; the JSON of a message or Struct."""
    there: Node | None
    """Condition: it is set to something; None for an element itself."""


@dataclass(frozen=True, slots=True)
class Dynamic:
    """The value at a place in a Struct, once for each type it may have; the others are then NULL."""

    number: Node
    text: Node
    bool: Node
    """`true` or `false`, as text."""
    type: Node
    """The engine's word for its type; NULL when there is nothing."""
    array: Node
    """Condition: it is an array; NULL when there is nothing. So the next."""
    object: Node


class Columns(Protocol):
    """SQL expressions for the fields of one table. Every expression compares exactly (binary, no padding) on every engine."""

    @property
    def resource(self) -> Resource:
        """Whose fields they are."""

    @property
    def prefix(self) -> str:
        """What stands before their fields in a filter: `airline.` behind a reference, nothing for the resource that is listed."""

    @property
    def above(self) -> Columns | None:
        """The columns from which a reference led here; None for the resource that is listed."""

    @property
    def engine(self) -> str:
        """What the database is: `sqlite`, `mariadb` or `mysql`; for functions that a project declares."""

    @property
    def hops(self) -> int:
        """How many references were followed to come here."""

    def through(self, path: str) -> Columns | None:
        """The columns of the resource that the reference at that path names, or of the parent by its singular.

        All of them are NULL where there is no such row. None when the path is no reference, or to what is not stored here.
        """

    def is_there(self) -> Node:
        """Condition: the row that the references name is there."""

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

    def bind_inside(self, field: Field, value: object) -> object:
        """As `bind`, for a value that stands inside a repeated field or a map."""

    def any_element(self, levels: Sequence[Level], test: Callable[[Sequence[Node], Inner], Node]) -> Node:
        """Condition: some element of a repeated field or map passes a test of the keys on the way to it and of what is in it.

        With several levels, some element of some element: the same one all the way down. The key of a map is its text in JSON
        (`-1`, `true`), of a repeated field the index.
        """

    def document(self, field: Field) -> Node:
        """The JSON of a Struct, Value or ListValue that is a column of its own; NULL when it is unset."""

    def json(self, document: Node, path: Node) -> Dynamic:
        """What stands at a JSON path in a document, by type; the path may be bound. So those of the three below."""

    def any_key(self, document: Node, path: Node, test: Callable[[Node], Node]) -> Node:
        """Condition: some key of the object at a JSON path passes a test, as exact text."""

    def any_value(self, document: Node, path: Node, test: Callable[[Dynamic], Node]) -> Node:
        """Condition: some element of the array at a JSON path passes a test."""

    def any_object(self, document: Node, steps: Sequence[Node], test: Callable[[Node], Node]) -> Node:
        """Condition: some object passes a test, as a document of its own, of those that JSON paths lead to one after another.

        Each path begins at what the one before it found: at an object itself, or at each object of an array.
        """

    def characters(self, field: Field) -> Node:
        """How many characters a string has."""

    def size(self, field: Field) -> Node:
        """How many elements a repeated field or map has."""


@dataclass(frozen=True, slots=True)
class Path:
    """A field and the columns by which it is reached."""

    columns: Columns
    field: Field

    @property
    def text(self) -> str:
        """As callers write it: `airline.country`."""
        return self.columns.prefix + self.field.path

    def guards(self) -> list[Node]:
        """Conditions: what must be there so that a repeated field or map has a value at all, an empty one too."""
        found = [self.columns.is_there()] if self.columns.prefix else []
        above = self.columns.resource.field(self.field.path.rpartition(".")[0]) if "." in self.field.path else None
        return found if above is None else [*found, self.columns.is_set(above)]

    @property
    def nullable(self) -> bool:
        """Whether its value can be NULL."""
        return bool(self.columns.prefix) or self.field.presence is Presence.EXPLICIT or "." in self.field.path


def reached(columns: Columns) -> list[Columns]:
    """These columns and those on the way to them, from the first reference on; none for the resource that is listed."""
    return [] if columns.above is None else [*reached(columns.above), columns]
