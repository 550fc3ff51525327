"""Questions to a generated contract, each with the answer that slow Python finds: filters, orders and pages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hypothesis import strategies as st

from protoplane.base import clock
from protoplane.query.syntax import parse
from tests.door.client import Refused
from tests.door.contracts import Service
from tests.door.contracts.writer import PACKAGE, Planned
from tests.door.museum.oracle import Unset, World, is_json
from tests.door.museum.schema import Schema
from tests.door.museum.texts import HOPS, Texts, filters

JOINS_PROBLEM = "more than 8 resources"
DEPTH_MAX = 3
SORT_CHARACTERS = 255
"""Of a string without a bound."""
SIZES = st.lists(st.sampled_from((1, 2, 7, 20, 90)), min_size=1, max_size=3)


@dataclass(frozen=True, repr=False)
class Scope:
    """Rows that one List gives: of a parent, or of every parent."""

    one: Planned
    parent: str
    names: tuple[str, ...]

    def __repr__(self) -> str:
        return f"{self.one.message} of {self.parent!r}"

    @property
    def fields(self) -> dict[str, Any]:
        """Of the request."""
        return {"parent": self.parent} if self.one.parent else {}


class Asked:
    """A loaded service, and what is in it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.by_name = service.load()
        self.schema: Schema = service.made.schema
        self.resources = {one.message: one for one in service.made.resources}
        self.texts = Texts(self.schema, PACKAGE, DEPTH_MAX)

    @cached_property
    def scopes(self) -> list[Scope]:
        """The last resource is asked for as often as all others."""
        found = [list(self.scopes_of(one)) for one in self.resources.values()]
        return [scope for scopes in found[:-1] for scope in scopes] + found[-1] * max(1, len(found) - 1)

    def scopes_of(self, one: Planned) -> Iterator[Scope]:
        """What can be listed of one resource."""
        if one.parent is None:
            yield Scope(one, "", tuple(one.names))
            return
        parent = one.names[0].rsplit("/", 2)[0]
        yield Scope(one, parent, tuple(name for name in one.names if name.rsplit("/", 2)[0] == parent))
        yield Scope(one, "/".join(f"{level.plural}/-" for level in one.parent.above), tuple(one.names))

    def questions(self) -> st.SearchStrategy[tuple[Scope, str]]:
        """Filters of every scope."""
        asked = {one.message: filters(self.texts.comparisons(self.descriptor(one))) for one in self.resources.values()}
        return st.sampled_from(self.scopes).flatmap(lambda scope: st.tuples(st.just(scope), asked[scope.one.message]))

    def orders(self) -> st.SearchStrategy[tuple[Scope, list[tuple[str, bool]], str]]:
        """Orders of every scope, and simple filters."""
        sortable = {one.message: list(self.sortable(self.descriptor(one))) for one in self.resources.values()}
        simple = {one.message: self.simple(one) for one in self.resources.values()}

        def of(scope: Scope) -> st.SearchStrategy[tuple[Scope, list[tuple[str, bool]], str]]:
            message = scope.one.message
            terms = st.lists(st.tuples(st.sampled_from(sortable[message]), st.booleans()), max_size=3, unique_by=lambda term: term[0])
            return st.tuples(st.just(scope), terms, st.just("") | st.sampled_from(simple[message]))

        return st.sampled_from(self.scopes).flatmap(of)

    def simple(self, one: Planned) -> list[str]:
        """Filters that ask whether something is set."""
        return [text for text in self.texts.comparisons(self.descriptor(one)) if text.endswith(":*")]

    def descriptor(self, one: Planned) -> Any:
        """Of its message."""
        return self.service.file.message_types_by_name[one.message]

    def sortable(self, descriptor: Any, prefix: str = "", hops: int = 0, depth: int = 0) -> Iterator[str]:
        """Paths that can be sorted by."""
        for field in descriptor.fields:
            path = f"{prefix}{field.name}"
            if field.full_name in self.schema.hidden or field.is_repeated or is_json(field):
                continue
            if self.schema.target(field) or self.texts.literals(field)[1]:
                inner = field.message_type and field.message_type.fields_by_name.get("value")
                if field.TYPE_BYTES not in (field.type, inner and inner.type):
                    yield path
            elif field.message_type.file.package == PACKAGE and depth < DEPTH_MAX:
                yield from self.sortable(field.message_type, f"{path}.", hops, depth + 1)
            target = self.schema.leads_to(field)
            if target and hops < HOPS:
                yield from self.sortable(self.descriptor(self.resources[target]), f"{path}.", hops + 1)
        for name, parent in self.schema.parents.get(descriptor.name, {}).items():
            if hops < HOPS:
                yield from self.sortable(self.descriptor(self.resources[parent]), f"{prefix}{name}.", hops + 1)

    def check_filter(self, scope: Scope, text: str) -> None:
        """The service and the interpreter find the same rows."""
        world = World(self.schema, self.by_name, clock.now_micros())
        tree = parse(text)
        wanted = {name for name in scope.names if world.holds(tree, self.by_name[name]) is True}
        try:
            rows, _ = self.service.page(scope.one, **scope.fields, filter=text, page_size=1_000)
        except Refused as refused:
            if JOINS_PROBLEM in refused.message:
                return
            raise AssertionError(self.about(scope, text)) from refused
        assert {row.name for row in rows} == wanted, (*self.about(scope, text), sorted({row.name for row in rows} ^ wanted))

    def check_pages(self, scope: Scope, terms: Sequence[tuple[str, bool]], text: str, sizes: Sequence[int]) -> None:
        """Pages of changing sizes have every row once, in the order of a plain sort."""
        order_by = ", ".join(f"{path}{' desc' if descending else ''}" for path, descending in terms)
        world = World(self.schema, self.by_name, 0)
        tree = parse(text)
        wanted = self.in_order(scope.one, terms, [name for name in scope.names if world.holds(tree, self.by_name[name]) is True])
        found: list[str] = []
        token = ""
        for size in itertools.cycle(sizes):
            rows, token = self.service.page(scope.one, **scope.fields, filter=text, order_by=order_by, page_size=size, page_token=token)
            found += [row.name for row in rows]
            if not token:
                break
            assert len(found) <= len(wanted), self.about(scope, text, order_by)
        assert found == wanted, self.about(scope, text, order_by, f"sizes {sizes}")

    def about(self, scope: Scope, *words: str) -> tuple[str, ...]:
        """What to say of a question that has gone wrong."""
        return (f"seed {self.service.made.seed}", scope.one.pattern, scope.parent, *words)

    def in_order(self, one: Planned, terms: Sequence[tuple[str, bool]], names: Sequence[str]) -> list[str]:
        """Sorted by each term, the last one first, because a sort keeps what is equal in place."""
        world = World(self.schema, self.by_name, 0)
        found = sorted(names, key=lambda name: ids(one, name), reverse=bool(terms) and terms[-1][1])
        for path, descending in reversed(terms):
            found.sort(key=lambda name: self.sort_key(world, path, self.by_name[name]), reverse=descending)
        return found

    def sort_key(self, world: World, path: str, row: Any) -> tuple[bool, Any]:
        """What a row sorts by at a path; unset is below everything."""
        value = world.value_of(path.split("."), row)
        if isinstance(value, Unset):
            return (False, ())
        field = world.walk(path.split("."), row)[1]
        if target := self.schema.target(field):
            return (True, ids(self.resources[target], value))
        if isinstance(value, str) and field.full_name not in self.schema.bounded:
            return (True, value[:SORT_CHARACTERS])
        return (True, value)


def ids(one: Planned, name: str) -> tuple[Any, ...]:
    """What a name sorts by; the empty one by the least of each."""
    found = name.split("/")[1::2] or [""] * len(one.above)
    return tuple(int(an_id or 0) if level.integer else an_id for level, an_id in zip(one.above, found, strict=True))
