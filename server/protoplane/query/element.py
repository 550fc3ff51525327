"""Terms of a filter about what stands inside a column of JSON: elements of repeated fields and maps, keys of Structs.

Whether some element passes is true or false. It is NULL where the message that holds the field is unset, or the row that a
reference names is missing; and for a comparison with the value of one key (`labels.env != "x"`), where there is no such value.
Of what is in a Struct, `:` is NULL where it asks for a value of another type, or there is nothing: neither there nor in an array
on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from peewee import SQL, Case, Expression, Node

from protoplane.contract.model import Field
from protoplane.query.columns import Columns, Inner, Level, Path
from protoplane.query.columns import Dynamic as Found
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
class Way:
    """JSON paths to a place in a Struct, Value or ListValue."""

    whole: str
    heads: tuple[str, ...] = ()
    """To what is on the way and may be an array."""
    steps: tuple[str, ...] = ()
    """The same, each from the one before it; and the rest from the last of them."""


@dataclass(frozen=True, slots=True)
class Has:
    """What `:` asks of a place in a Struct: `test` of a value as in `Dynamic`, of some element of an array, `key` of some key of an object.

    Without `test`, whether it has such a key; without `key` too, whether anything is there. Where an array is on the way, some object
    of it must pass.
    """

    way: Way
    kind: str
    """See `Dynamic.kind`."""
    test: Test | None = None
    key: Test | None = None

    def describe(self, shape: Shape, columns: Columns) -> None:
        """See `ValueTest.describe`."""
        del columns
        shape.parts.append(f"$:{self.kind}{len(self.way.heads)}")
        shape.steps += len(self.way.heads)
        for path in (self.way.whole, *self.way.heads, *self.way.steps):
            shape.value(path)
        for test in (self.test, self.key):
            shape.parts.append("/")
            if test is not None:
                shape.test(test, unchanged)

    def build(self, slots: Slots, columns: Columns) -> Condition:
        """See `ValueTest.build`."""
        whole = slots.take()
        heads, steps = [slots.take() for _ in self.way.heads], [slots.take() for _ in self.way.steps]
        holds = self._holds(slots, columns)
        if not heads:
            return lambda inner: holds(inner.value, whole)

        def passes(inner: Inner) -> Node:
            arrays = [columns.json(inner.value, head).array for head in heads]
            some = columns.any_object(inner.value, steps[:-1], lambda found: holds(found, steps[-1]))
            there = _is_known(columns.json(inner.value, whole).type)
            return Case(None, ((there, holds(inner.value, whole)), (join("OR", arrays), some)))

        return passes

    def known(self, slots: Slots, columns: Columns) -> Condition:
        """See `ValueTest.known`."""
        passes = self.build(slots, columns)
        return lambda inner: _is_known(passes(inner))

    def _holds(self, slots: Slots, columns: Columns) -> Callable[[Node, Node], Node]:
        """The test of what stands at a path in a document, with no array on the way."""
        if self.key is None:
            return lambda document, path: _is_known(columns.json(document, path).type)
        if self.test is None:
            has_key = slots.test(self.key)
            return lambda document, path: columns.any_key(document, path, has_key)
        passes, passes_key = slots.test(self.test), slots.test(self.key)

        def value(found: Found) -> Node:
            return passes(getattr(found, self.kind))

        def holds(document: Node, path: Node) -> Node:
            found = columns.json(document, path)
            of_object, of_array = columns.any_key(document, path, passes_key), columns.any_value(document, path, value)
            return Case(None, ((found.object, of_object), (found.array, of_array)), value(found))

        return holds


@dataclass(frozen=True, slots=True)
class Document:
    """A Struct, Value or ListValue with a column of its own passes a test."""

    path: Path
    value: Dynamic | Has

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
