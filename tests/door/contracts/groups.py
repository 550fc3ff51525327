"""Questions about groups of a generated contract: by what they are grouped, and all that can be computed of them, page by page."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from protoplane.query.syntax import parse
from tests.door.client import Refused
from tests.door.contracts.asked import SORT_CHARACTERS, Asked, Scope
from tests.door.contracts.writer import Planned
from tests.door.groups import Group, read
from tests.door.museum.oracle import Unset, World

JOINS_PROBLEM = "more than 8 other resources"
KEYS_MAX, AGGREGATES_MAX = 3, 3
WHOLE_MAX = 2**63 - 1
SPAN_MICROS_MAX = 315_576_000_000 * 1_000_000
NUMBERS, COMPARED = frozenset({"whole", "real", "span"}), frozenset({"whole", "real", "span", "time", "text"})


@dataclass(frozen=True)
class Computed:
    """An aggregate."""

    function: str
    path: str
    kind: str
    """Of the field: whole, real, span, time, text, name, or another."""


@dataclass(frozen=True)
class Question:
    """What is asked of one scope."""

    scope: Scope
    keys: tuple[str, ...]
    computed: tuple[Computed, ...]
    filter: str


class Groups:
    """Groups of a loaded service."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.world = World(asked.schema, asked.by_name, 0)

    def questions(self) -> st.SearchStrategy[Question]:
        """Groups of every scope, of what simple filters find."""
        of = {one.message: self.of_resource(one) for one in self.asked.resources.values()}
        return st.sampled_from(self.asked.scopes).flatmap(lambda scope: st.builds(Question, st.just(scope), *of[scope.one.message]))

    def of_resource(self, one: Planned) -> Sequence[st.SearchStrategy[Any]]:
        """Its keys, aggregates and filters."""
        paths = list(self.asked.sortable(self.asked.descriptor(one)))
        computed = st.sampled_from(list(self.computable(one, paths)))
        return (
            st.lists(st.sampled_from(paths), max_size=KEYS_MAX, unique=True).map(tuple),
            st.lists(computed.flatmap(st.sampled_from), min_size=1, max_size=AGGREGATES_MAX, unique=True).map(tuple),
            st.just("") | st.sampled_from(self.asked.simple(one)),
        )

    def computable(self, one: Planned, paths: Sequence[str]) -> Iterator[list[Computed]]:
        """The aggregates of each function."""
        kinds = {path: self.kind(one, path) for path in paths}
        counted = [field.name for field in self.asked.descriptor(one).fields if field.full_name not in self.asked.schema.hidden]
        yield [Computed("count", path, "") for path in ("", *dict.fromkeys((*counted, *paths)))]
        yield [Computed("count_distinct", path, kind) for path, kind in kinds.items()]
        for functions, taken in ((("sum", "avg"), NUMBERS), (("min", "max"), COMPARED)):
            for function in functions:
                if found := [Computed(function, path, kind) for path, kind in kinds.items() if kind in taken]:
                    yield found

    def kind(self, one: Planned, path: str) -> str:
        """What the field at a path holds."""
        field = self.field(self.asked.service.message(one.message)(), path)
        if self.asked.schema.target(field):
            return "name"
        if field.message_type is not None and field.message_type.name in ("Timestamp", "Duration"):
            return "time" if field.message_type.name == "Timestamp" else "span"
        plain = field if field.message_type is None else field.message_type.fields_by_name["value"]
        reals = (plain.TYPE_DOUBLE, plain.TYPE_FLOAT)
        others = {plain.TYPE_STRING: "text", plain.TYPE_BOOL: "bool", plain.TYPE_ENUM: "enum", **dict.fromkeys(reals, "real")}
        return others.get(plain.type, "whole")

    def field(self, row: Any, path: str) -> Any:
        """The descriptor at a path."""
        return self.world.walk(path.split("."), row)[1]

    def value(self, row: Any, path: str) -> Any:
        """As groups show it; None where nothing is."""
        value, field = self.world.value_of(path.split("."), row), self.field(row, path)
        if isinstance(value, Unset):
            return None
        if field.enum_type is not None:
            return field.enum_type.values_by_number[value].name
        whole = not isinstance(value, str) or field.full_name in self.asked.schema.bounded or self.asked.schema.target(field)
        return value if whole else value[:SORT_CHARACTERS]

    def computed(self, rows: Sequence[Any], asked: Computed) -> Any:
        """One aggregate over the rows of a group."""
        if asked.function == "count":
            tree = parse(f"{asked.path}:*") if asked.path else None
            return sum(self.world.holds(tree, row) is True for row in rows)
        values = [value for row in rows if (value := self.value(row, asked.path)) is not None]
        if asked.function == "count_distinct":
            return len(set(values))
        return _COMPUTES[asked.function](values) if values else None

    def wanted(self, question: Question) -> list[Group]:
        """Every group, in the order of the keys; without keys there is always one."""
        tree = parse(question.filter)
        members: dict[tuple[Any, ...], list[Any]] = {} if question.keys else {(): []}
        for row in (self.asked.by_name[name] for name in question.scope.names):
            if self.world.holds(tree, row) is True:
                members.setdefault(tuple(self.asked.sort_key(self.world, path, row) for path in question.keys), []).append(row)
        return [
            {f"k{place}": self.value(members[key][0], path) for place, path in enumerate(question.keys)}
            | {f"a{place}": self.computed(members[key], computed) for place, computed in enumerate(question.computed)}
            for key in sorted(members)
        ]

    def check(self, question: Question, sizes: Sequence[int]) -> None:
        """The service and the interpreter find the same groups; a page with a sum that its type cannot hold is refused."""
        wanted, found, token = self.wanted(question), list[Group](), ""
        request: dict[str, Any] = {
            "filter": question.filter,
            "group_by": [f"{path} as k{place}" for place, path in enumerate(question.keys)],
            "aggregates": [f"{computed.function}({computed.path}) as a{place}" for place, computed in enumerate(question.computed)],
        }
        about = self.asked.about(question.scope, str(request), f"sizes {sizes}")
        for size in itertools.cycle(sizes):
            page = wanted[len(found) : len(found) + size]
            try:
                groups, token = self.asked.service.groups(
                    question.scope.one, **question.scope.fields, **request, page_size=size, page_token=token
                )
            except Refused as refused:
                if JOINS_PROBLEM in refused.message or (refused.reason == "AGGREGATE_OUT_OF_RANGE" and self.too_large(page, question)):
                    return
                raise AssertionError(about) from refused
            assert not self.too_large(page, question), about
            found += map(read, groups)
            if not token:
                break
            assert len(found) < len(wanted), about
        assert len(found) == len(wanted), about
        for one, other in zip(found, wanted, strict=True):
            assert self.same(one, other, question), (*about, one, other)

    def too_large(self, groups: Sequence[Group], question: Question) -> bool:
        """Whether some sum is more than its type can hold."""
        limits = {"whole": range(-WHOLE_MAX - 1, WHOLE_MAX + 1), "span": range(-SPAN_MICROS_MAX, SPAN_MICROS_MAX + 1)}
        return any(
            (group[f"a{place}"] or 0) not in limits[computed.kind]
            for group in groups
            for place, computed in enumerate(question.computed)
            if computed.function == "sum" and computed.kind in limits
        )

    def same(self, found: Group, wanted: Group, question: Question) -> bool:
        """Whether two groups are the same, but for the last digits of what doubles are made of."""
        loose = {
            f"a{place}"
            for place, computed in enumerate(question.computed)
            if computed.function == "avg" or (computed.function, computed.kind) == ("sum", "real")
        }
        return found.keys() == wanted.keys() and all(
            near(found[name], wanted[name]) if name in loose else found[name] == wanted[name] for name in found
        )


def near(one: Any, other: Any) -> bool:
    """Whether two numbers differ by what additions in another order, or rounding to a microsecond, make of them."""
    return one is other if None in (one, other) else math.isclose(one, other, rel_tol=1e-9, abs_tol=1.0 if isinstance(one, int) else 1e-6)


_COMPUTES: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "sum": lambda values: math.fsum(values) if isinstance(values[0], float) else sum(values),
    "avg": lambda values: float(math.fsum(values) if isinstance(values[0], float) else sum(values)) / len(values),
    "min": min,
    "max": max,
}
