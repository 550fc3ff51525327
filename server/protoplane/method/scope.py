"""What a List or an Aggregate is about: the rows of one parent, or of all parents that `publishers/-` stands for (AIP-159); a Get below any parent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

from protoplane.contract.model import Kind, Method
from protoplane.contract.names import ANY
from protoplane.method.narrow import Narrow
from protoplane.method.rows import Ids, Rows
from protoplane.method.write import has_special
from protoplane.query.order import Order, OrderCompiler
from protoplane.store.engine import Engine
from protoplane.store.listing import Listing
from protoplane.store.session import Session

T = TypeVar("T")

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
    return _by_parents(rows, lambda given: _compile_scope(method, rows, engine, given))


def compile_listings(method: Method, rows: Rows, engine: Engine) -> Callable[[Ids], Callable[[Any], Listing]]:
    """The listings of a scope alone: of the ids of a parent, then by the request."""
    return _by_parents(rows, lambda given: _listings(method, rows, engine, given))


def _by_parents(rows: Rows, compile_: Callable[[tuple[int, ...]], T]) -> Callable[[Ids], T]:
    """What is compiled for the places of those ids that are given: of one parent at once, of many when they are asked for."""
    one_parent = compile_(tuple(range(len(rows.resource.pattern.variables) - 1)))
    many = lru_cache(SCOPES_KEPT_MAX)(compile_)

    def of(parent: Ids) -> T:
        return many(tuple(i for i, one in enumerate(parent) if one != ANY)) if ANY in parent else one_parent

    return of


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
    """Whether a request for many can ask for deleted ones that are kept."""
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
