"""Deletes by force, of what stands below too: each of those is asked about as if it were deleted by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from protoplane.contract.model import Method, MethodKind
from protoplane.method.call import Call
from protoplane.method.guard import denied
from protoplane.method.rows import Ids, Rows
from protoplane.method.write import flag
from protoplane.query.order import OrderCompiler
from protoplane.store.engine import Engine
from protoplane.store.listing import Listing

ASKED_AT_ONCE = 500
"""Rows read, and asked about, in one statement each."""

Judge: TypeAlias = Callable[[Call, Any], None]
"""Raises Fault PERMISSION_DENIED where something below may not be deleted, naming what was to be deleted with it."""


def compile_cascade(method: Method, rows: Rows, every: Mapping[str, Rows], engine: Engine) -> Judge | None:
    """What is asked before a Delete or BatchDelete; None where nothing below has a rule of its own about single resources."""
    below = [_Below(other, len(rows.resource.pattern.variables), engine) for other in every.values() if _is_below(other, rows, every)]
    if not below:
        return None
    if method.kind is MethodKind.DELETE:
        forced = flag(method, "force")
        named: Callable[[Any], Sequence[tuple[str, str]]] = lambda request: [("name", request.name)] if forced(request) else []  # noqa: E731
    else:
        child = next((field for field in method.request_fields if field.name == "requests"), None)
        if child is None or not any(field.name == "force" for field in child.fields):
            return None
        named = lambda request: [  # noqa: E731
            (f"requests[{i}].name", one.name) for i, one in enumerate(request.requests) if one.force
        ]

    def judge(call: Call, request: Any) -> None:
        for place, name in () if call.trusted else named(request):
            ids = rows.locate(name, place)
            call.session.row(rows.sql.select_any_for_update, ids)  # From now on nothing new comes to stand directly below it.
            for one in below:
                one.judge(call, ids, name)

    return judge


class _Below:
    """What one table holds below a resource."""

    def __init__(self, rows: Rows, levels: int, engine: Engine) -> None:
        self._rows = rows
        self._order = OrderCompiler(rows.resource, rows.table, fixed_keys=levels).compile("")
        self._listing = Listing(rows.table, engine, parents=range(levels), alive=False).showing(rows.table.keys, self._order)

    def judge(self, call: Call, above: Ids, name: str) -> None:
        stored = call.resources[self._rows.resource.message_class]
        relation = stored.asks(call, MethodKind.DELETE)
        if not relation:
            return
        for several in self._chunks(call, above):
            if not all(stored.held(call, MethodKind.DELETE, several)):
                raise denied(relation, name)

    def _chunks(self, call: Call, above: Ids) -> Iterator[Sequence[Ids]]:
        after = None
        while True:
            found = self._listing.page(call.session, above, None, self._order, after, ASKED_AT_ONCE)
            if found:
                yield [tuple(row[: len(self._rows.table.keys)]) for row in found]
            if len(found) < ASKED_AT_ONCE:
                return
            after = self._order.after(self._listing.position(self._order, found[-1]))


def _is_below(other: Rows, rows: Rows, every: Mapping[str, Rows]) -> bool:
    """Whether a resource stands below another one, at any depth."""
    parent = other.resource.parent
    while parent:
        if parent == rows.resource.key:
            return True
        parent = every[parent].resource.parent
    return False
