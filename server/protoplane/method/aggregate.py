"""Aggregate methods, compiled: groups of the resources that a List would give, and what is computed of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias, cast

from protoplane.base import limits
from protoplane.base.clock import MICROSECONDS
from protoplane.base.errors import Fault, Reason
from protoplane.contract.model import Field, Kind, Method
from protoplane.contract.shapes import GROUP
from protoplane.contract.values import DURATION_SECONDS_MAX
from protoplane.method.call import Call
from protoplane.method.read import micros_of, resume
from protoplane.method.rows import Rows
from protoplane.method.scope import SCOPES_KEPT_MAX, compile_listings, shows_deleted
from protoplane.method.served import Handler
from protoplane.method.shown import Extent
from protoplane.query.aggregate import INT64_MAX, INT64_MIN, Function, Output, read_grouping, read_order
from protoplane.query.filter import NO_FUNCTIONS, FilterCompiler
from protoplane.query.functions import FilterFunction
from protoplane.query.paging import PageTokens, Position, digest_arguments, page_rows
from protoplane.store.aggregate import Aggregation, Cells, Groups, Question
from protoplane.store.codec import Row
from protoplane.store.engine import Engine
from protoplane.store.listing import Listing

QUESTIONS_KEPT_MAX = 128
"""Questions that an Aggregate method remembers by their texts: with 20 KiB of text at most they take 3 MiB."""

LISTINGS_KEPT_MAX = 2 * SCOPES_KEPT_MAX
"""Of each set of parents, with and without what is deleted."""

Write: TypeAlias = Callable[[Any, Row], None]
"""Puts one output of a row into the values of a group."""


def compile_aggregate(
    method: Method,
    rows: Rows,
    tokens: PageTokens,
    engine: Engine,
    extent: Extent,
    functions: Mapping[str, FilterFunction] = NO_FUNCTIONS,
) -> Handler:
    """Bind an Aggregate method: what it may be asked is read once per text, statements are made once per shape, pages go by key."""
    listing_of = compile_listings(method, rows, engine)
    asked = _Arguments.of(method)
    ask = _asker(rows, functions)

    @lru_cache(LISTINGS_KEPT_MAX)
    def aggregation_of(listing: Listing) -> Aggregation:
        return Aggregation(listing, engine)

    groups = next(field.name for field in method.response.fields if field.message_type and field.message_type.full_name == GROUP)
    response_class: type[Any] = method.response_class

    def aggregate(call: Call, request: Any) -> Any:
        size = page_rows(request.page_size)
        parent = rows.locate_parents(asked.text(request, "parent"), "parent")
        question, writes = ask(*asked.question(request))
        if question.views:
            call.follow(question.views)
        token, digest, after = request.page_token, b"", None
        moment: Position = (call.now_micros,) if question.timed else ()
        if token:
            digest = asked.digest(request)
            position, moment = resume(tokens.open(token, digest, call.now_micros), moment)
            after = question.order.after(position)
        if moment:
            question = question.at(micros_of(moment))
        question = replace(question, predicate=extent.restricted(call, question.predicate))
        found = aggregation_of(listing_of(parent)(request)).page(call.session, parent, question, after, size + 1)
        response = response_class()
        page: Any = getattr(response, groups)
        taken = _fill(page, found[:size], writes)
        if taken < len(found):
            position = question.groups.position(question.order, found[taken - 1])
            response.next_page_token = tokens.seal(digest or asked.digest(request), (*position, *moment), call.now_micros)
        # Without keys there is a group of nothing, too.
        elif parent and not token and not (found and question.groups.keys):
            extent.require_scope(call, parent)
        return response

    return aggregate


def count_of_all(rows: Rows, engine: Engine) -> str:
    """The SQL of a call that asks for nothing: the count of all resources."""
    aggregation = Aggregation(Listing(rows.table, engine, parents=range(len(rows.resource.pattern.variables) - 1)), engine)
    question, _ = _asker(rows, NO_FUNCTIONS)("", (), (), "", "")
    return aggregation.statement(question, None).sql


def _asker(rows: Rows, functions: Mapping[str, FilterFunction]) -> Callable[..., tuple[Question, Sequence[Write]]]:
    """Reads filter, group_by, aggregates, having and order_by; the filters' compiler remembers those by themselves."""
    filters = FilterCompiler(rows.resource, rows.table, functions)

    @lru_cache(QUESTIONS_KEPT_MAX)
    def ask(
        filter_: str, group_by: tuple[str, ...], aggregates: tuple[str, ...], having: str, order_by: str
    ) -> tuple[Question, Sequence[Write]]:
        predicate = filters.compile(filter_) if filter_ else None
        grouping = read_grouping(rows.table, group_by, aggregates)
        groups = Groups(grouping, rows.table)
        which = FilterCompiler(groups.resource, groups, functions, argument="having").compile(having) if having else None
        order = read_order(grouping, groups, order_by)
        return Question(predicate, groups, which, order), [
            _writer(cells, groups.overflows.get(name)) for name, cells in groups.cells.items()
        ]

    return ask


def _fill(page: Any, rows: Sequence[Row], writes: Sequence[Write]) -> int:
    """Add groups, as many as have room in one answer; how many they are. One always has room."""
    room = limits.PAGE_BYTES_MAX
    for taken, row in enumerate(rows):
        group = page.add()
        for write in writes:
            write(group.values, row)
        room -= group.ByteSize()
        if room < 0 and taken:
            del page[-1]
            return taken
    return len(rows)


@dataclass(frozen=True, slots=True)
class _Arguments:
    """Which arguments an Aggregate request has, and what a page token is bound to."""

    path: str
    names: frozenset[str]
    deleted: bool
    """Whether deleted ones can be asked for."""

    @classmethod
    def of(cls, method: Method) -> _Arguments:
        return cls(method.path, frozenset(field.name for field in method.request_fields), shows_deleted(method))

    def text(self, request: Any, name: str) -> str:
        return cast("str", getattr(request, name)) if name in self.names else ""

    def texts(self, request: Any, name: str) -> tuple[str, ...]:
        return tuple(getattr(request, name)) if name in self.names else ()

    def question(self, request: Any) -> tuple[str, tuple[str, ...], tuple[str, ...], str, str]:
        return (
            self.text(request, "filter"),
            self.texts(request, "group_by"),
            self.texts(request, "aggregates"),
            self.text(request, "having"),
            self.text(request, "order_by"),
        )

    def digest(self, request: Any) -> bytes:
        bound = [(name, self.text(request, name).encode()) for name in ("parent", "filter", "having", "order_by")]
        for name in ("group_by", "aggregates"):
            bound += [(name, text.encode()) for text in self.texts(request, name)]
        if self.deleted and request.show_deleted:
            bound.append(("show_deleted", b"1"))
        return digest_arguments(self.path, bound)


def _writer(cells: Cells, overflow: int | None) -> Write:
    """`overflow` is where a row says that the value ran over; None where it cannot."""
    name, first, last = cells.output.name, cells.first, cells.first + len(cells.nodes)
    if cells.name is not None:
        form = cells.name.pattern.template

        def write_name(values: Any, row: Row) -> None:
            ids = row[first:last]
            value = values[name]
            if ids[0] is not None:
                value.string_value = form % tuple(ids) if ids[0] else ""

        return write_name
    put = _put(cells.output)

    def write(values: Any, row: Row) -> None:
        value, cell = values[name], row[first]  # Naming a value makes it: without a cell it stays empty.
        if cell is not None:
            if overflow is not None and row[overflow]:
                raise Fault(Reason.AGGREGATE_OUT_OF_RANGE, aggregate=name)
            put(value, cell)

    return write


def _put(output: Output) -> Callable[[Any, Any], None]:
    """Puts a cell that is not NULL into a value."""
    kind, name = output.seen.kind, output.name
    if output.function is Function.SUM and kind is Kind.INT64:
        return lambda value, cell: setattr(value, "int64_value", _whole(cell, name))
    if kind is Kind.DURATION:
        return lambda value, cell: _put_duration(value.duration_value, cell, name)
    if kind is Kind.ENUM:
        return _put_enum(output.seen)
    return _PUTS[kind]


def _put_time(value: Any, micros: int) -> None:
    stamp = value.timestamp_value
    stamp.seconds, rest = divmod(micros, MICROSECONDS)
    stamp.nanos = rest * 1_000


def _put_duration(duration: Any, micros: float, name: str) -> None:
    """An average is rounded to the microsecond, a tie to the even one."""
    whole = round(micros)
    if abs(whole) > DURATION_SECONDS_MAX * MICROSECONDS:
        raise Fault(Reason.AGGREGATE_OUT_OF_RANGE, aggregate=name)
    duration.FromMicroseconds(whole)
    duration.SetInParent()


def _put_enum(field: Field) -> Callable[[Any, Any], None]:
    assert field.enum is not None
    names: Mapping[int, str] = {number: value.name for number, value in field.enum.values_by_number.items()}
    return lambda value, cell: setattr(value, "enum_value", names.get(cell) or str(cell))


def _whole(cell: int | float, name: str) -> int:  # noqa: PYI041 - as SQL has it: a float is what no integer could hold.
    if isinstance(cell, float) or not INT64_MIN <= cell <= INT64_MAX:
        raise Fault(Reason.AGGREGATE_OUT_OF_RANGE, aggregate=name)
    return cell


_PUTS: Mapping[Kind, Callable[[Any, Any], None]] = {
    Kind.BOOL: lambda value, cell: setattr(value, "bool_value", cell != 0),
    Kind.STRING: lambda value, cell: setattr(value, "string_value", cell),
    Kind.UINT64: lambda value, cell: setattr(value, "uint64_value", cell),
    Kind.TIMESTAMP: _put_time,
    **dict.fromkeys((Kind.FLOAT, Kind.DOUBLE), lambda value, cell: setattr(value, "double_value", cell)),
    **dict.fromkeys((Kind.INT32, Kind.INT64, Kind.UINT32), lambda value, cell: setattr(value, "int64_value", cell)),
}
