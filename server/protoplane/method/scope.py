"""What a List is about: the rows of one parent, or of all parents that `publishers/-` stands for (AIP-159); a Get below any parent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from protoplane.contract.model import Kind, Method
from protoplane.contract.names import ANY
from protoplane.method.narrow import Narrow
from protoplane.method.rows import Ids, Rows
from protoplane.method.write import has_special
from protoplane.query.order import Order, OrderCompiler
from protoplane.store.engine import Engine
from protoplane.store.listing import Listing
from protoplane.store.session import Session

SCOPES_KEPT_MAX = 16
"""Sets of parents' ids that may be left open, kept compiled for a List: there are 8 in all three levels deep."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The listings of the rows below parents of which some ids are given."""

    listing: Callable[[Any], Listing]
    """By the request: with or without what is deleted."""
    order: Callable[[str], Order]
    """By the text of an order_by. Rows of several parents are in the order of all parents that are not given."""

    def showing(self, request: Any, narrow: Narrow | None, order: Order) -> Listing:
        """The listing that a request asks for, of the columns that its mask reads."""
        listing = self.listing(request)
        return listing if narrow is None else listing.showing(narrow.columns, order)


ScopeOf: TypeAlias = Callable[[Ids], Scope]


def compile_scopes(method: Method, rows: Rows, engine: Engine) -> ScopeOf:
    """The scope that the ids of a parent mean, where each may be ANY."""
    levels = len(rows.resource.pattern.variables) - 1
    one_parent = _compile_scope(method, rows, engine, tuple(range(levels)))

    @lru_cache(SCOPES_KEPT_MAX)
    def many(given: tuple[int, ...]) -> Scope:
        return _compile_scope(method, rows, engine, given)

    def scope(parent: Ids) -> Scope:
        return many(tuple(i for i, one in enumerate(parent) if one != ANY)) if ANY in parent else one_parent

    return scope


def _compile_scope(method: Method, rows: Rows, engine: Engine, given: tuple[int, ...]) -> Scope:
    leading = next((place for place, level in enumerate(given) if level != place), len(given))
    orders = OrderCompiler(rows.resource, rows.table, fixed_keys=leading)
    return Scope(_listings(method, rows, engine, given), orders.compile)


def _listings(method: Method, rows: Rows, engine: Engine, given: tuple[int, ...]) -> Callable[[Any], Listing]:
    alive = Listing(rows.table, engine, parents=given)
    if not shows_deleted(method):
        return lambda _request: alive
    whole = Listing(rows.table, engine, parents=given, alive=False)
    return lambda request: whole if request.show_deleted else alive


def shows_deleted(method: Method) -> bool:
    """Whether a List request can ask for deleted ones that are kept."""
    return method.resource is not None and method.resource.soft and has_special(method, "show_deleted", Kind.BOOL)


def locate_anywhere(rows: Rows) -> Callable[[Session, str], Ids]:
    """The ids in the name of a resource, also below any parent: its last id is unique, which an index sees to.

    The function raises Fault INVALID_NAME and RESOURCE_NOT_FOUND.
    """

    def locate(session: Session, name: str) -> Ids:
        ids = rows.pattern.parse_anywhere(name)
        if ids is None or ANY not in ids:
            return rows.locate(name, "name")
        found = session.row(rows.sql.select_key_by_id, ids[-1:])
        if found is None or any(asked not in (ANY, there) for asked, there in zip(ids, found, strict=True)):
            raise rows.not_found(ids)
        return tuple(found)

    return locate
