"""Terms of a filter about what stands inside a column of JSON: elements of repeated fields and maps, keys of Structs.

Whether some element passes is true or false. It is NULL where the message that holds the field is unset, or the row that a
reference names is missing; and for a comparison with the value of one key (`labels.env != "x"`), where there is no such value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from peewee import SQL, Case, Expression, Node

from protoplane.contract.model import Field
from protoplane.query.columns import Columns, Inner, Level, Path
from protoplane.query.predicate import Shape, Slots, Test, join, unchanged

Condition: TypeAlias = Callable[[Inner], Node]


class ValueTest(Protocol):
    """A test of what a path into JSON leads to."""

    def describe(self, shape: Shape, columns: Columns) -> None:
        """Add its shape and values."""

    def build(self, slots: Slots, columns: Columns) -> Condition:
        """The test; its slots are taken now."""

    def known(self, slots: Slots, columns: Columns) -> Condition:
        """Whether there is a value to test; takes as many slots."""


@dataclass(frozen=True, slots=True)
class Typed:
    """Of a field's value."""

    field: Field
    test: Test

    def describe(self, shape: Shape, columns: Columns) -> None:
        """See `ValueTest.describe`."""
        shape.test(self.test, lambda value: columns.bind_inside(self.field, value))

    def build(self, slots: Slots, columns: Columns) -> Condition:
        """See `ValueTest.build`."""
        del columns
        passes = slots.test(self.test)
        return lambda inner: passes(inner.value)

    def known(self, slots: Slots, columns: Columns) -> Condition:
        """See `ValueTest.known`."""
        self.build(slots, columns)
        return lambda inner: Expression(inner.value, "IS NOT", SQL("NULL"))


@dataclass(frozen=True, slots=True)
class Dynamic:
    """Of what stands at a JSON path in a Struct: it must be of the literal's own type, anything else is no value at all."""

    json_path: str
    kind: str
    """`number`, `text`, `bool`, or `type` to ask whether anything is there."""
    test: Test | None

    def describe(self, shape: Shape, columns: Columns) -> None:
        """See `ValueTest.describe`."""
        del columns
        shape.parts.append(f"${self.kind}")
        shape.value(self.json_path)
        if self.test is not None:
            shape.test(self.test, unchanged)

    def build(self, slots: Slots, columns: Columns) -> Condition:
        """See `ValueTest.build`."""
        path = slots.take()
        passes = _is_known if self.test is None else slots.test(self.test)
        return lambda inner: passes(getattr(columns.json(inner.value, path), self.kind))

    def known(self, slots: Slots, columns: Columns) -> Condition:
        """See `ValueTest.known`."""
        path = slots.take()
        if self.test is not None:
            slots.test(self.test)
        return lambda inner: _is_known(getattr(columns.json(inner.value, path), self.kind))


@dataclass(frozen=True, slots=True)
class Document:
    """A Struct, Value or ListValue with a column of its own passes a test."""

    path: Path
    value: Dynamic

    def describe(self, shape: Shape) -> None:
        """See `Term.describe`."""
        shape.path(self.path)
        self.value.describe(shape, self.path.columns)

    def build(self, slots: Slots) -> Node:
        """See `Term.build`."""
        columns = self.path.columns
        passes = self.value.build(slots, columns)(Inner(columns.document(self.path.field), None))
        return Expression(passes, "IS", SQL("TRUE")) if self.value.test is None else passes


@dataclass(frozen=True, slots=True)
class Element:
    """Some element of a repeated field or map passes the tests given: of the keys on the way, by level, and of the value.

    Without a test of the value it is enough that it is there. With `of_key`, NULL when there is no such value.
    """

    path: Path
    levels: tuple[Level, ...]
    keys: tuple[tuple[int, Test], ...] = ()
    value: ValueTest | None = None
    of_key: bool = False

    def describe(self, shape: Shape) -> None:
        """See `Term.describe`."""
        shape.path(self.path, "?{" if self.of_key else "{")
        shape.parts += [f"{level.holder.path}/{level.last.path}" for level in self.levels]
        for _ in range(1 + self.of_key):
            for level, test in self.keys:
                shape.parts.append(str(level))
                shape.test(test, unchanged)
            if self.value is not None:
                self.value.describe(shape, self.path.columns)
        shape.parts.append("}")

    def build(self, slots: Slots) -> Node:
        """See `Term.build`."""
        guards = self.path.guards()
        if self.of_key:
            guards.append(self._some(slots, known=True))
        found = self._some(slots, known=False)
        return Case(None, ((join("AND", guards), found),)) if guards else found

    def _some(self, slots: Slots, *, known: bool) -> Node:
        columns = self.path.columns
        keys = [(level, slots.test(test)) for level, test in self.keys]
        if self.value is None:
            passes: Condition = _is_there
        else:
            passes = self.value.known(slots, columns) if known else self.value.build(slots, columns)

        def test(found: Sequence[Node], inner: Inner) -> Node:
            return join("AND", [*(passes_key(found[level]) for level, passes_key in keys), passes(inner)])

        return columns.any_element(self.levels, test)


def _is_there(inner: Inner) -> Node:
    return SQL("1 = 1") if inner.there is None else inner.there


def _is_known(node: Node) -> Node:
    return Expression(node, "IS NOT", SQL("NULL"))
