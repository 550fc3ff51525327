"""Lists and Aggregates whose rule is a relation (`Rule.scope`): of all rows those on which the caller has it, and no sign of the others.

A list reads keys and sort keys, in windows, finds out which of the rows may be seen, and reads only those whole. What is counted or
grouped is told by a condition in the one statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, cast

from peewee import Node

from protoplane.access.naming import object_id
from protoplane.access.scope import Found
from protoplane.contract.model import Access, Method
from protoplane.method.call import Call
from protoplane.method.guard import Guard, refusing, subject_of
from protoplane.method.narrow import Narrow
from protoplane.method.rows import Ids, Rows
from protoplane.query.order import After, Order, skipping
from protoplane.query.paging import Position
from protoplane.query.predicate import Predicate, both
from protoplane.store.codec import Row
from protoplane.store.keyed import KeyedRows
from protoplane.store.listing import Listing
from protoplane.store.session import Session

Chunk: TypeAlias = tuple[Sequence[Row], bool]
"""Rows, and whether there are more after them."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list that is about to be read."""

    listing: Listing
    parent: Ids
    predicate: Predicate | None
    order: Order
    after: After | None
    size: int
    skip: int
    """Rows to be left out first, of those that are shown."""
    narrow: Narrow | None
    places: dict[Ids, Position] = field(default_factory=dict)
    """Where rows stand in the order, where their keys are read before they are."""


class Extent(Protocol):
    """Which rows a List or an Aggregate is about."""

    def chunks(self, call: Call, page: Page) -> Iterator[Chunk]:
        """A page in pieces, each read when it is asked for. Raises Fault ACCESS_BOUND, CONDITION_CONTEXT."""

    def position(self, page: Page, row: Row) -> Position:
        """Where a row of the page stands in the order."""

    def restricted(self, call: Call, predicate: Predicate | None) -> Predicate | None:
        """The condition of statements that read all rows. Raises as `chunks` does."""

    def require_scope(self, call: Call, parent: Ids) -> None:
        """Fault RESOURCE_NOT_FOUND if the parent of an empty list is not there."""


class Whole:
    """All rows."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def chunks(self, call: Call, page: Page) -> Iterator[Chunk]:
        """See Extent."""
        after = skipping(page.after, page.skip)
        return page.listing.chunks(call.session, page.parent, page.predicate, page.order, after, page.size)

    def position(self, page: Page, row: Row) -> Position:
        """See Extent."""
        return page.listing.position(page.order, row)

    def restricted(self, call: Call, predicate: Predicate | None) -> Predicate | None:
        """See Extent."""
        del call
        return predicate

    def require_scope(self, call: Call, parent: Ids) -> None:
        """See Extent."""
        self._rows.require_scope(call.session, parent)


class Shown:
    """The rows of one resource that callers have a relation on."""

    def __init__(self, guard: Guard, relation: str, rows: Rows, keyed: KeyedRows) -> None:
        self._guard, self._rows, self._keyed = guard, rows, keyed
        self._scope = guard.scope(rows.table, relation)

    def chunks(self, call: Call, page: Page) -> Iterator[Chunk]:
        """See Extent."""
        keys = _Keys(page, self._rows)
        count = page.skip + page.size
        with refusing():
            found = self._scope.page(call.session, subject_of(call.principal), keys, count + 1, given=self._guard.given(call))
        wanted = [keys.ids[one.id] for one in found[page.skip : count]]
        page.places.update((keys.ids[one.id], one.position) for one in found)
        more, shown = len(found) > count, self._keyed.everything if page.narrow is None else page.narrow.shown
        if all(ids in keys.whole for ids in wanted):
            yield [keys.whole[ids] for ids in wanted], more
            return
        for several, left in shown.in_pieces(call.session, wanted):
            yield [several[ids] for ids in wanted if ids in several], more or bool(left)

    def position(self, page: Page, row: Row) -> Position:
        """See Extent."""
        return page.places[tuple(row[: len(self._rows.table.keys)])]

    def restricted(self, call: Call, predicate: Predicate | None) -> Predicate:
        """See Extent."""
        call.session.snapshot()
        with refusing():
            shape, condition, values = self._scope.condition(call.session, subject_of(call.principal), self._guard.given(call))
        return both(predicate, Predicate(shape, values, lambda _paged: condition))

    def require_scope(self, call: Call, parent: Ids) -> None:
        """See Extent: who could not see that it is there is not told that it is not."""
        above = self._rows.ancestors.get(len(parent))
        if above is None or call.resources[above.resource.message_class].readable(call, [parent]) == [True]:
            self._rows.require_scope(call.session, parent)


class _Keys:
    """The rows of a page as `access.scope` reads them: keys and sort keys alone, but for the first, which are the page most often."""

    def __init__(self, page: Page, rows: Rows) -> None:
        self._page, self._count, self._keys = page, len(rows.table.keys), rows.table.keys
        self.ids: dict[str, Ids] = {}
        """Of what was read: the ids of each object."""
        self.whole: dict[Ids, Row] = {}
        """Rows that were read whole."""

    def read(
        self, session: Session, condition: Node | None, values: Mapping[str, object], after: Position | None, limit: int
    ) -> Sequence[Found]:
        """See `access.scope.Rows`."""
        page = self._page
        whole = after is None and page.listing.pieces.first(limit) == limit  # As many as may be in memory, whatever is in them.
        listing = page.listing if whole else page.listing.showing(self._keys, page.order)
        among = None if condition is None else Predicate("among", values, lambda _paged: condition)
        predicate = page.predicate if among is None else both(page.predicate, among)
        start = page.after if after is None else page.order.after(after)
        found = []
        for row in listing.page(session, page.parent, predicate, page.order, start, limit):
            ids = cast("Ids", tuple(row[: self._count]))
            name = object_id(ids)
            self.ids[name] = ids
            if whole:
                self.whole[ids] = row
            found.append(Found(listing.position(page.order, row), name))
        return found


def compile_extent(method: Method, rows: Rows, keyed: KeyedRows, guard: Guard | None) -> Extent:
    """What a List or an Aggregate shows of its rows."""
    if guard is None or method.rule.access is not Access.SCOPE:
        return Whole(rows)
    return Shown(guard, method.rule.relation, rows, keyed)
