"""The standard methods that read, compiled: Get and List (AIP-131, 132, 158, 160)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from google.protobuf.message import Message

from protoplane.base import limits
from protoplane.contract.model import Kind, Method
from protoplane.method.asked import Ask
from protoplane.method.call import Call
from protoplane.method.gather import sendable
from protoplane.method.narrow import Narrow
from protoplane.method.rows import Ids, Rows
from protoplane.method.scope import ScopeOf, locate_anywhere, shows_deleted
from protoplane.method.served import Handler
from protoplane.method.shown import Extent, Page
from protoplane.method.write import has_special
from protoplane.query.filter import NO_FUNCTIONS, FilterCompiler
from protoplane.query.functions import FilterFunction
from protoplane.query.order import OrderCompiler
from protoplane.query.paging import PageTokens, Position, digest_arguments, page_rows, refuse_token, rows_to_skip
from protoplane.store.codec import Row
from protoplane.store.engine import Engine
from protoplane.store.listing import Listing


def compile_get(rows: Rows, ask: Ask) -> Handler:
    """Bind a Get method to its rows."""

    def get(call: Call, request: Any) -> Message:
        return _find(call, rows, rows.locate(request.name, "name"), ask(call, request).narrow)

    if not rows.resource.id.unique:
        return get
    locate = locate_anywhere(rows)

    def get_anywhere(call: Call, request: Any) -> Message:
        return _find(call, rows, locate(call.session, request.name), ask(call, request).narrow)

    return get_anywhere


def _find(call: Call, rows: Rows, ids: Ids, narrow: Narrow | None) -> Message:
    if narrow is not None:
        return narrow.find(call, ids)
    found = rows.find(call.session, ids)
    rows.show(call, [(ids, found)])
    return found


Listed: TypeAlias = tuple[ScopeOf, Extent]
"""Where the rows of a List are, and which of them it shows."""


def compile_list(
    method: Method,
    rows: Rows,
    tokens: PageTokens,
    ask: Ask,
    listed: Listed,
    functions: Mapping[str, FilterFunction] = NO_FUNCTIONS,
) -> Handler:
    """Bind a List method: filter and order compiled once per text, statements once per shape, pages by key."""
    arguments = _Arguments.of(method)
    scope_of, extent = listed
    filters = FilterCompiler(rows.resource, rows.table, functions)
    response_class, place, counts = _response(method, rows)

    def list_(call: Call, request: Any) -> Message:
        size = page_rows(request.page_size)
        parent = rows.locate_parents(request.parent if arguments.parent else "", "parent")
        asked, scope = ask(call, request), scope_of(parent)
        narrow = asked.narrow
        predicate = filters.compile(request.filter) if arguments.filter and request.filter else None
        order = scope.order(request.order_by if arguments.order_by else "")
        if order.views or (predicate is not None and predicate.views):
            call.follow((*(predicate.views if predicate is not None else ()), *order.views))
        listing = scope.showing(request, narrow, order)
        token, digest, after = request.page_token, b"", None
        moment: Position = () if predicate is None or not predicate.timed else (call.now_micros,)
        if token:
            digest = arguments.digest(request)
            position, moment = resume(tokens.open(token, digest, call.now_micros), moment)
            after = order.after(position)
        if predicate is not None and moment:
            predicate = predicate.at(micros_of(moment))
        page = Page(listing, parent, predicate, order, after, size, arguments.rows_to_skip(request), narrow)
        response = response_class()
        answer = _Answer(call, getattr(response, place), rows, narrow, measured=listing.pieces.measured)
        more = False
        for found, others in extent.chunks(call, page):
            fits = answer.take(found)
            more = others or not fits
            if not fits:
                break
        more = not answer.expand() or more
        if more:
            position = extent.position(page, answer.last)
            response.next_page_token = tokens.seal(digest or arguments.digest(request), (*position, *moment), call.now_micros)
        elif parent and not answer.last and not token:
            extent.require_scope(call, parent)
        if counts and asked.answer.below("total_size"):
            response.total_size = listing.count(call.session, parent, extent.restricted(call, predicate))
        asked.leave_out(response)
        return cast("Message", response)

    return list_


def resume(kept: Position, moment: Position) -> tuple[Position, Position]:
    """What a token holds: the sort keys of the last row and, behind them where the filter asks for the time, that of the first page.

    What `now()` meant on the first page it means on every page.
    """
    return (kept[: -len(moment)], kept[-len(moment) :]) if moment else (kept, ())


def micros_of(moment: Position) -> int:
    """The time that a token holds."""
    micros = moment[0]
    if not isinstance(micros, int):  # A token of a server whose functions were others.
        raise refuse_token("the service has changed since it was made; list again from the start.")
    return micros


def first_page(rows: Rows, engine: Engine) -> str:
    """The SQL of a List's first page, without filter and order."""
    levels = len(rows.resource.pattern.variables) - 1
    listing = Listing(rows.table, engine, parents=range(levels))
    order = OrderCompiler(rows.resource, rows.table, fixed_keys=levels).compile("")
    return listing.statement(None, order, None).sql


class _Answer:
    """The rows of one answer, as many as have room in it."""

    def __init__(self, call: Call, messages: Any, rows: Rows, narrow: Narrow | None, *, measured: bool) -> None:
        self._call, self._rows = call, rows
        self._messages, self._measured, self._room = messages, measured, limits.PAGE_BYTES_MAX
        self._fill, self._clear = (rows.codec.fill, rows.checks.clear_input_only) if narrow is None else (narrow.fill, _leave)
        self._narrow, self._kept = narrow, list[Row]()
        self.last: Row = ()
        """The last row taken."""

    def take(self, found: Sequence[Row]) -> bool:
        """Add rows; false when there was no room for all of them. One row always has room."""
        begun = len(self._messages)
        fits = self._add(found)
        if self._rows.guard is not None and self._rows.guard.hides:
            keys = len(self._rows.table.keys)
            self._rows.show(self._call, [(tuple(row[:keys]), message) for row, message in zip(found, self._messages[begun:], strict=False)])
        return fits

    def _add(self, found: Sequence[Row]) -> bool:
        add, fill, clear = self._messages.add, self._fill, self._clear
        if self._narrow is not None and self._narrow.expansions:
            self._kept += map(self._narrow.lighter, found)
        for row in found:
            message = add()
            fill(message, row)
            clear(message)
            if self._measured:
                self._room -= message.ByteSize()
                if self._room < 0 and self.last:
                    del self._messages[-1]
                    return False
            self.last = row
        return True

    def expand(self) -> bool:
        """Fill what references name; false when there was no room for all rows with what they bring. One row always has room."""
        if self._narrow is None or not self._narrow.expansions:
            return True
        rows = self._kept[: len(self._messages)]
        attach, room = self._narrow.expand(self._call, rows), limits.PAGE_BYTES_MAX
        for at, (message, row) in enumerate(zip(self._messages, rows, strict=True)):
            whole = attach(message, row)
            room -= message.ByteSize()
            if at and (room < 0 or not whole):
                del self._messages[at:]
                self.last = rows[at - 1]
                return False
            if not at:
                sendable(message, whole=whole)
        return True


def _leave(_message: Message) -> None:
    """Nothing is in it that callers may not see."""


@dataclass(frozen=True, slots=True)
class _Arguments:
    """Which arguments a List request has, and what a page token is bound to."""

    path: str
    parent: bool
    filter: bool
    order_by: bool
    bound: tuple[str, ...]
    deleted: bool
    """Whether deleted ones can be asked for."""
    skip: bool

    @classmethod
    def of(cls, method: Method) -> _Arguments:
        names = {field.name for field in method.request_fields}
        bound = tuple(name for name in ("parent", "filter", "order_by", "read_mask", "view", "return_partial_success") if name in names)
        return cls(
            method.path,
            "parent" in names,
            "filter" in names,
            "order_by" in names,
            bound,
            shows_deleted(method),
            has_special(method, "skip", Kind.INT32),
        )

    def rows_to_skip(self, request: Any) -> int:
        """Raises Fault INVALID_FIELDS."""
        return rows_to_skip(request.skip) if self.skip else 0

    def digest(self, request: Any) -> bytes:
        arguments = [(name, _encoded(getattr(request, name))) for name in self.bound]
        if self.deleted and request.show_deleted:
            arguments.append(("show_deleted", b"1"))
        return digest_arguments(self.path, arguments)


def _encoded(argument: Any) -> bytes:
    """An argument of a request as a page token is bound to it: a text, a view, or a mask."""
    return argument.SerializeToString() if isinstance(argument, Message) else str(argument).encode()


def _response(method: Method, rows: Rows) -> tuple[type[Any], str, bool]:
    """Class of the response, name of the field with the rows, whether it tells the total."""
    names = {field.name for field in method.response.fields}
    listed = next(field.name for field in method.response.fields if field.message_type is rows.resource.message)
    return method.response_class, listed, "total_size" in names
