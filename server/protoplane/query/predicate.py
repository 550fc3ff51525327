"""A checked filter: a shape without literals, the values for its slots, and the Peewee expression, built when asked for.

Equal shapes build equal SQL, so a statement made once for a shape serves every filter of that shape.
Truth is SQL's: a comparison with NULL (an unset field, or one below an unset message) is neither true nor false, under
`!=` and NOT too. Presence and membership are always true or false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from peewee import SQL, AsIs, Expression, Negated, Node, NodeList

from protoplane.contract.model import Kind
from protoplane.contract.values import WHOLE_RANGES
from protoplane.query.columns import Columns, Path, reached
from protoplane.query.slot import Slot


@dataclass(frozen=True, slots=True)
class FromNow:
    """A value that is known when the call is: so many microseconds after its time, within those that a Timestamp can hold."""

    micros: int

    def at(self, now_micros: int) -> int:
        """The moment."""
        low, high = WHOLE_RANGES[Kind.TIMESTAMP]
        return min(max(now_micros + self.micros, low), high)


@dataclass(frozen=True, slots=True)
class Late:
    """What a slot gets at the call: a moment, as the field wants it bound."""

    moment: FromNow
    bind: Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition: `values` binds each Slot of what `build` returns; `shape` is equal where the SQL is."""

    shape: str
    values: Mapping[str, object]
    build: Callable[[str], Node]
    """Makes the condition as a Peewee tree. Given the path of the field that a page goes on by, range conditions on that field are
    kept from choosing the index: SQLite would start at them, and not where the page starts. "" for none."""
    views: tuple[Columns, ...] = ()
    """The columns behind references that it needs, those on the way first: a statement with the condition joins them."""
    timed: bool = False
    """Whether values depend on the time of the call: `at` must be asked first, and all pages of one List tell the same time."""
    steps: int = 0
    """How many places in Structs it looks through for arrays: what makes the SQL long."""

    def at(self, now_micros: int) -> Predicate:
        """The same condition at a time."""
        late = {name: value.bind(value.moment.at(now_micros)) for name, value in self.values.items() if isinstance(value, Late)}
        return replace(self, values={**self.values, **late}, timed=False)


class Op(StrEnum):
    """How one value is tested. TRUE and FALSE are comparisons whose outcome is known from the literal alone."""

    EQUAL = "="
    UNEQUAL = "<>"
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="
    LIKE = "LIKE"
    UNLIKE = "NOT LIKE"
    TRUE = "TRUE"
    FALSE = "FALSE"


@dataclass(frozen=True, slots=True)
class Test:
    """A test of one value; `value` is canonical (see `Columns.bind`), a pattern for LIKE, unused for TRUE and FALSE."""

    op: Op
    value: object = None


class Shape:
    """Collects the shape and values of a predicate."""

    def __init__(self, slots: str) -> None:
        self.slots = slots
        self.parts: list[str] = []
        self.values: dict[str, object] = {}
        self.views: dict[str, Columns] = {}
        """Behind references, by prefix."""
        self.steps = 0
        """See `Predicate.steps`."""

    def path(self, path: Path, suffix: str = "") -> None:
        """Add a field."""
        self.parts.append(f"{path.text}{suffix}")
        self.view(path.columns)

    def view(self, columns: Columns) -> None:
        """Note which columns are needed."""
        for view in reached(columns):
            self.views.setdefault(view.prefix, view)

    def value(self, value: object) -> None:
        """Add a value: the next slot's."""
        self.values[f"{self.slots}.{len(self.values)}"] = value

    def test(self, test: Test, bind: Callable[[object], object]) -> None:
        """Add one test; patterns are bound as they are."""
        self.parts.append(test.op.value)
        if isinstance(test.value, FromNow):
            self.value(Late(test.value, bind))
        elif test.op not in _KNOWN:
            self.value(test.value if test.op in _PATTERNS else bind(test.value))


class Slots:
    """Hands out the slots of one expression in the order in which `Shape` collected their values."""

    def __init__(self, name: str, paged: str = "") -> None:
        self.name = name
        self.paged = paged
        self.count = 0

    def take(self) -> Node:
        """The next slot."""
        slot = AsIs(Slot(f"{self.name}.{self.count}"))
        self.count += 1
        return slot

    def test(self, test: Test) -> Callable[[Node], Node]:
        """The test as a condition on a node, NULL when the node is. Its slot is taken now, whenever the node is known."""
        match test.op:
            case Op.TRUE:
                return lambda node: Expression(node, "=", node)
            case Op.FALSE:
                return lambda node: Expression(node, "<>", node)
            case Op.LIKE | Op.UNLIKE:
                # Spelt out: Peewee's own LIKE operator becomes GLOB on SQLite.
                like = (SQL(test.op.value), self.take(), SQL("ESCAPE '!'"))
                return lambda node: NodeList((node, *like), parens=True)
            case _:
                right = self.take()
                return lambda node: Expression(node, test.op.value, right)


class Term(Protocol):
    """A node of a checked filter. `describe` and `build` walk values in the same order."""

    def describe(self, shape: Shape) -> None:
        """Add this node's shape and values."""

    def build(self, slots: Slots) -> Node:
        """This node as a condition."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A singular field's value passes a test."""

    path: Path
    test: Test

    def describe(self, shape: Shape) -> None:
        """See `Term.describe`."""
        shape.path(self.path)
        shape.test(self.test, lambda value: self.path.columns.bind(self.path.field, value))

    def build(self, slots: Slots) -> Node:
        """See `Term.build`."""
        value = self.path.columns.value(self.path.field)
        if self.path.text == slots.paged and self.test.op in _RANGES:
            value = NodeList((SQL("+"), value))
        return slots.test(self.test)(value)


@dataclass(frozen=True, slots=True)
class CompareName:
    """The ids of a resource name pass tests: (index of the key column, test)."""

    path: Path
    tests: tuple[tuple[int, Test], ...]

    def describe(self, shape: Shape) -> None:
        """See `Term.describe`."""
        shape.path(self.path, "[")
        for index, test in self.tests:
            shape.parts.append(str(index))
            shape.test(test, unchanged)  # Ids are bound as they are.
        shape.parts.append("]")

    def build(self, slots: Slots) -> Node:
        """See `Term.build`."""
        name = self.path.columns.name(self.path.field)
        assert name is not None
        return join("AND", [slots.test(test)(name.columns[index]) for index, test in self.tests])


@dataclass(frozen=True, slots=True)
class Present:
    """A field differs from its default, or a message is there. Never NULL, below an unset message neither."""

    path: Path

    def describe(self, shape: Shape) -> None:
        """See `Term.describe`."""
        shape.path(self.path, ":*")

    def build(self, slots: Slots) -> Node:
        """See `Term.build`."""
        del slots
        return Expression(self.path.columns.is_set(self.path.field), "IS", SQL("TRUE"))


@dataclass(frozen=True, slots=True)
class Negation:
    """NOT."""

    term: Term

    def describe(self, shape: Shape) -> None:
        """See `Term.describe`."""
        shape.parts.append("!(")
        self.term.describe(shape)
        shape.parts.append(")")

    def build(self, slots: Slots) -> Node:
        """See `Term.build`."""
        return Negated(NodeList((self.term.build(slots),), parens=True))


@dataclass(frozen=True, slots=True)
class Junction:
    """`AND` or `OR` of two or more."""

    word: str
    terms: tuple[Term, ...]

    def describe(self, shape: Shape) -> None:
        """See `Term.describe`."""
        shape.parts.append(f"{self.word}(")
        for term in self.terms:
            term.describe(shape)
            shape.parts.append(",")
        shape.parts.append(")")

    def build(self, slots: Slots) -> Node:
        """See `Term.build`."""
        return join(self.word, [term.build(slots) for term in self.terms])


@dataclass(frozen=True, slots=True)
class Truth:
    """A term that is true or false and never NULL: what cannot be told is false."""

    term: Term

    def describe(self, shape: Shape) -> None:
        """See `Term.describe`."""
        shape.parts.append("?(")
        self.term.describe(shape)
        shape.parts.append(")")

    def build(self, slots: Slots) -> Node:
        """See `Term.build`."""
        return Expression(NodeList((self.term.build(slots),), parens=True), "IS", SQL("TRUE"))


@dataclass(frozen=True, slots=True)
class _Builder:
    """`Predicate.build` of a term."""

    term: Term
    slots: str

    def __call__(self, paged: str) -> Node:
        return self.term.build(Slots(self.slots, paged))


def predicate(term: Term, *, slots: str) -> Predicate:
    """The predicate of a term, with slots named `{slots}.0`, `{slots}.1` and so on."""
    shape = Shape(slots)
    term.describe(shape)
    timed = any(isinstance(value, Late) for value in shape.values.values())
    return Predicate(" ".join(shape.parts), shape.values, _Builder(term, slots), tuple(shape.views.values()), timed, shape.steps)


def both(one: Predicate | None, other: Predicate) -> Predicate:
    """The condition that both are true; their slots have different names."""
    if one is None:
        return other
    return Predicate(
        shape=f"({one.shape}) AND ({other.shape})",
        values={**one.values, **other.values},
        build=lambda paged: join("AND", [one.build(paged), other.build(paged)]),
        views=tuple(dict.fromkeys((*one.views, *other.views))),
        timed=one.timed or other.timed,
        steps=one.steps + other.steps,
    )


def join(word: str, nodes: Sequence[Node]) -> Node:
    """Conditions joined by AND or OR: flat, because a chain of pairs would nest as deep as it is long."""
    return nodes[0] if len(nodes) == 1 else NodeList(nodes, glue=f" {word} ", parens=True)


def pattern(pieces: Sequence[str]) -> str:
    """The LIKE pattern (escape `!`) that matches the pieces with anything between them. Runs of wildcards are one."""
    kept = [piece for index, piece in enumerate(pieces) if piece or index in (0, len(pieces) - 1)]
    return "%".join(piece.replace("!", "!!").replace("%", "!%").replace("_", "!_") for piece in kept)


def unchanged(value: object) -> object:
    """The value: for what is bound as it is."""
    return value


_KNOWN = frozenset({Op.TRUE, Op.FALSE})
_RANGES = frozenset({Op.LESS, Op.AT_MOST, Op.GREATER, Op.AT_LEAST})
_PATTERNS = frozenset({Op.LIKE, Op.UNLIKE})
