"""What an Aggregate method computes: `group_by` and `aggregates`, read and checked against the resource. Nothing here makes SQL.

    group_by    airline                        a field: equal values are one group, and unset is a group of its own
                month(departure_time) as month a time, taken to the start of its hour, day, week, month, quarter or year in UTC
    aggregates  count()                        how many resources the group has
                count(isbn)                    of how many `isbn:*` holds
                count_distinct(author)         how many different values there are
                sum(page_count) avg(…) min(…) max(…)

`having` is a filter and `order_by` an order over the names of all of them. Sensitive and input-only fields cannot be named:
a group must not be a way to learn what a caller may not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from protoplane.base import limits
from protoplane.base.errors import Fault, Reason, Violation
from protoplane.contract.model import Field, Kind, Label, Presence, Resource, Role
from protoplane.contract.values import WHOLE_RANGES
from protoplane.query.caret import Misread, nearest, quote
from protoplane.query.columns import Columns, Path, reached
from protoplane.query.fields import find_path
from protoplane.query.order import SORTABLE, Order, SortKey, parse

NAME_CHARACTERS_MAX = 63
"""Length of a name given with `as`."""

_WORD = re.compile(r"\s*+([^\s()]*+)\s*+")
_AS = re.compile(r"as\s++(\S++)\s*+")
_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{NAME_CHARACTERS_MAX - 1}}}")


class Function(StrEnum):
    """What is made of a field; FIELD is its value as it stands."""

    FIELD = ""
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    COUNT = "count"
    COUNT_DISTINCT = "count_distinct"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"


BUCKETS = (Function.HOUR, Function.DAY, Function.WEEK, Function.MONTH, Function.QUARTER, Function.YEAR)
AGGREGATES = (Function.COUNT, Function.COUNT_DISTINCT, Function.SUM, Function.AVG, Function.MIN, Function.MAX)

_WHOLE = frozenset({Kind.INT32, Kind.INT64, Kind.UINT32, Kind.UINT64})
_REAL = frozenset({Kind.FLOAT, Kind.DOUBLE})
_TAKES: Mapping[Function, tuple[frozenset[Kind], str]] = {
    Function.FIELD: (SORTABLE, "cannot be grouped by"),
    **dict.fromkeys(BUCKETS, (frozenset({Kind.TIMESTAMP}), "is not a Timestamp")),
    Function.COUNT: (frozenset(Kind), ""),
    Function.COUNT_DISTINCT: (SORTABLE, "has no values that could be told apart here"),
    **dict.fromkeys((Function.SUM, Function.AVG), (_WHOLE | _REAL | {Kind.DURATION}, "is neither a number nor a Duration")),
    **dict.fromkeys(
        (Function.MIN, Function.MAX),
        (_WHOLE | _REAL | {Kind.DURATION, Kind.TIMESTAMP, Kind.STRING}, "is neither a number, a time, a Duration nor a text"),
    ),
}
"""Of which kinds of fields each function is made, and what is said of others."""


@dataclass(frozen=True, slots=True)
class Output:
    """One value of every group."""

    function: Function
    path: Path | None
    """What it is made of; None for `count()`."""
    seen: Field
    """The value itself as a field: its name, and its kind, which having and order_by read it as."""

    @property
    def name(self) -> str:
        """What callers call it."""
        return self.seen.name


@dataclass(frozen=True, slots=True)
class Grouping:
    """A checked `group_by` with its `aggregates`. `shape` is equal where the SQL is."""

    keys: tuple[Output, ...]
    aggregates: tuple[Output, ...]

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The keys, then the aggregates."""
        return (*self.keys, *self.aggregates)

    @property
    def shape(self) -> str:
        """Everything that its SQL depends on."""
        made = (f"{one.function}({one.path.text if one.path else ''}) {one.name}" for one in self.outputs)
        return f"{len(self.keys)}:{','.join(made)}"

    @property
    def views(self) -> tuple[Columns, ...]:
        """The columns behind references that it needs, those on the way first: its statement joins them."""
        on_the_way = (view for one in self.outputs if one.path is not None for view in reached(one.path.columns))
        return tuple({view.prefix: view for view in on_the_way}.values())

    def as_resource(self, resource: Resource) -> Resource:
        """The groups of a resource as filters read them: a resource whose fields are the outputs."""
        return replace(resource, singular="group", fields=tuple(one.seen for one in self.outputs))


def read_grouping(columns: Columns, group_by: Sequence[str], aggregates: Sequence[str]) -> Grouping:
    """Read and check both lists; no aggregates means `count()`. Raises INVALID_AGGREGATE with a caret under the place."""
    _require_few("group_by", group_by, limits.GROUP_KEYS_MAX)
    _require_few("aggregates", aggregates, limits.AGGREGATES_MAX)
    reader = _Reader(columns)
    keys = tuple(reader.read(f"group_by[{i}]", text, (Function.FIELD, *BUCKETS)) for i, text in enumerate(group_by))
    computed = tuple(reader.read(f"aggregates[{i}]", text, AGGREGATES) for i, text in enumerate(aggregates or ("count()",)))
    grouping = Grouping(keys, computed)
    if len(grouping.views) > limits.FILTER_JOINS_MAX:
        raise _refuse("aggregates", f"fields of more than {limits.FILTER_JOINS_MAX} other resources are named.")
    return grouping


def read_order(grouping: Grouping, groups: Columns, text: str) -> Order:
    """The order of the groups that an order_by asks for: the keys that it leaves out end it, so that no two groups tie.

    `groups` has the columns of the groups. Raises INVALID_ORDER_BY with a caret under the place.
    """
    try:
        return Order(_order(grouping, groups, parse(text)), groups)
    except Misread as misread:
        raise misread.fault(Reason.INVALID_ORDER_BY, "order_by", text) from None


def _order(grouping: Grouping, groups: Columns, terms: Sequence[tuple[int, str, bool]]) -> list[SortKey]:
    keys: list[SortKey] = []
    named = {one.name: one for one in grouping.outputs}
    seen: set[str] = set()
    for offset, name, descending in terms:
        if name not in named:
            raise Misread(offset, f"a group has no value {quote(name)}{nearest(name, named)}")
        if name in seen:
            raise Misread(offset, f"'{name}' stands here for the second time")
        seen.add(name)
        keys += _sort_keys(named[name], groups, descending=descending)
    for output in grouping.keys:
        if output.name not in seen:
            keys += _sort_keys(output, groups, descending=bool(terms) and terms[-1][2])
    return keys


def _sort_keys(output: Output, groups: Columns, *, descending: bool) -> list[SortKey]:
    seen = output.seen
    nullable = seen.presence is Presence.EXPLICIT
    name = groups.name(seen)
    if name is not None:
        return [
            SortKey(node, None, descending, nullable, f"{seen.name}[{i}]", groups, i in name.pattern.integers)
            for i, node in enumerate(name.columns)
        ]
    # An average of Durations is a fraction of microseconds until it is given.
    field = replace(seen, kind=Kind.DOUBLE) if output.function is Function.AVG else seen
    return [SortKey(groups.value(seen), field, descending, nullable, seen.name, groups)]


def _require_few(argument: str, texts: Sequence[str], count_max: int) -> None:
    if len(texts) > count_max:
        raise _refuse(argument, f"{argument} has {len(texts)} items; {count_max} is the most.")


def _refuse(argument: str, problem: str) -> Fault:
    violation = Violation(argument, problem, Reason.INVALID_AGGREGATE.value)
    return Fault(Reason.INVALID_AGGREGATE, violations=[violation], problem=problem)


class _Reader:
    """Reads the items of one request: no two may have one name."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._names: set[str] = set()

    def read(self, argument: str, text: str, functions: Sequence[Function]) -> Output:
        """One item; `functions` are those that may stand here."""
        try:
            term = read_term(text)
            function = _function(term, functions)
            path = self._path(term, function)
            name = self._name(term, function)
        except Misread as misread:
            raise misread.fault(Reason.INVALID_AGGREGATE, argument, text) from None
        return Output(function, path, _seen(function, path, name, self._columns.resource))

    def _path(self, term: Term, function: Function) -> Path | None:
        if not term.path:
            if function is Function.COUNT:
                return None
            raise Misread(term.path_offset, "a field is expected here")
        names = term.path.split(".")
        offsets = [term.path_offset + sum(map(len, names[:index])) + index for index in range(len(names))]
        found, left = find_path(self._columns, names, offsets, "grouped by or computed with")
        if left:
            raise Misread(offsets[-left], f"there are no fields inside '{names[-left - 1]}' that can be grouped by or computed with")
        if function is not Function.COUNT:
            _check(found, term, function)
        return found

    def _name(self, term: Term, function: Function) -> str:
        name = term.name or "_".join(part for part in (function.value, term.path.replace(".", "_")) if part)
        if name in self._names:
            mend = "" if term.name else "; give it another with 'as'"
            raise Misread(term.name_offset, f"the name {quote(name)} is taken already{mend}")
        self._names.add(name)
        return name


def _check(path: Path, term: Term, function: Function) -> None:
    field = path.field
    kinds, otherwise = _TAKES[function]
    if field.label is not Label.SINGULAR:
        raise Misread(term.path_offset, f"'{term.path}' holds many values; only count takes it")
    if field.kind not in kinds:
        raise Misread(term.path_offset, f"'{term.path}' {otherwise}")
    if function in (Function.MIN, Function.MAX) and field.kind is Kind.STRING and path.columns.name(field) is not None:
        raise Misread(term.path_offset, f"'{term.path}' holds the name of a resource, which is neither small nor large")


@dataclass(frozen=True, slots=True)
class Term:
    """One item as written, with the places of its parts; without a function or a name these are empty."""

    function: str
    function_offset: int
    path: str
    path_offset: int
    name: str
    name_offset: int


def read_term(text: str) -> Term:
    """`field`, `function(field)` or `function()`, and `as name` behind it. Raises Misread."""
    if len(text) > limits.AGGREGATE_TERM_CHARACTERS_MAX:
        raise Misread(0, f"the text is longer than {limits.AGGREGATE_TERM_CHARACTERS_MAX} characters")
    word = _WORD.match(text)
    assert word is not None
    if not word[1]:
        raise Misread(word.start(1), "a field or a function is expected here")
    function, path, end = "", word, word.end()
    if text.startswith("(", end):
        inner = _WORD.match(text, end + 1)
        assert inner is not None
        if not text.startswith(")", inner.end()):
            raise Misread(inner.end(), "')' is expected here")
        function, path, end = word[1], inner, inner.end() + 1
        end += len(text[end:]) - len(text[end:].lstrip())
    named = _AS.fullmatch(text, end)
    if named is None and end < len(text):
        raise Misread(end, "nothing else can stand here, but 'as' and a name")
    if named is not None and not _NAME.fullmatch(named[1]):
        raise Misread(named.start(1), f"a name of a-z, 0-9 and _, at most {NAME_CHARACTERS_MAX} of them, a letter first, is expected here")
    return Term(function, word.start(1), path[1], path.start(1), *((named[1], named.start(1)) if named else ("", word.start(1))))


def _function(term: Term, functions: Sequence[Function]) -> Function:
    known = [function.value for function in functions]
    if term.function in known:
        return Function(term.function)
    listed = ", ".join(name for name in known if name)
    if not term.function:
        raise Misread(term.path_offset, f"one of {listed} is expected here, with a field in parentheses")
    raise Misread(
        term.function_offset, f"there is no function {quote(term.function)} here{nearest(term.function, known)}; there are {listed}"
    )


def _seen(function: Function, path: Path | None, name: str, resource: Resource) -> Field:
    """The value as a field."""
    basis = resource.name_field if path is None else path.field
    match function:
        case Function.COUNT | Function.COUNT_DISTINCT:
            kind, always = Kind.INT64, True
        case Function.FIELD:
            kind, always = basis.kind, path is not None and not path.nullable
        case Function.SUM if basis.kind in _WHOLE:
            kind, always = Kind.INT64, False
        case Function.SUM | Function.AVG if basis.kind is not Kind.DURATION:
            kind, always = Kind.DOUBLE, False
        case _:
            kind, always = basis.kind, False
    return replace(
        basis,
        name=name,
        path=name,
        kind=kind,
        label=Label.SINGULAR,
        presence=Presence.IMPLICIT if always else Presence.EXPLICIT,
        oneof="",
        behaviors=frozenset(),
        searchable=False,
        role=Role.NONE,
        reference="",
        reference_child="",
        fields=(),
    )


INT64_MIN, INT64_MAX = WHOLE_RANGES[Kind.INT64]
"""What a sum of integers may be."""
