"""A check: one behaviour of one number of the list, for one kind of resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message_factory import GetMessageClass

from protoplane.verify.exchange import Exchange, Message
from protoplane.verify.resources import Kind, Role
from protoplane.verify.verdict import expect_code, skip
from protoplane.verify.world import Change, World

MANY: Final = 200
"""Rows of a page when all are wanted."""
PAGES_MAX: Final = 400
"""Pages of one walk through a list."""


@dataclass(frozen=True, slots=True)
class Check:
    """One behaviour. `run` returns when the server behaves, and raises Wrong or NotApplicable otherwise."""

    number: int
    title: str
    run: Callable[[Scene], None]
    must: bool
    needs: tuple[Role, ...]
    writes: bool
    aip: int
    """The AIP that asks for it; 0 where none does."""


CHECKS: Final[list[Check]] = []
"""Every check, in the order of the numbers once all modules of behaviours are imported."""


def check(
    number: int, *, aip: int, needs: tuple[Role, ...] = (), must: bool = True, writes: bool = True
) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Register a check, whose docstring is its sentence. `must`: the AIP's own word, else "should"."""

    def register(run: Callable[[Scene], None]) -> Callable[[Scene], None]:
        assert run.__doc__ is not None
        CHECKS.append(Check(number, run.__doc__.removesuffix("."), run, must, needs, writes, aip))
        return run

    return register


@dataclass(frozen=True, slots=True)
class Scene:
    """What a check works with: one kind of resource on the server."""

    kind: Kind
    world: World

    def request(self, role: Role, **fields: Any) -> Message:
        """A request with these fields."""
        return self.world.request(self.kind, role, **fields)

    def call(self, role: Role, request: Message | None = None, **fields: Any) -> Exchange:
        """Call a method with a request, or with these fields."""
        return self.world.call(self.kind, role, self.request(role, **fields) if request is None else request)

    def ok(self, role: Role, request: Message | None = None, **fields: Any) -> Exchange:
        """The same, which must go well."""
        found = self.call(role, request, **fields)
        expect_code(found, "OK")
        return found

    def new(self, change: Change | None = None, **fields: Any) -> Message:
        """A stored resource of ours."""
        return self.world.create(self.kind, change, **fields)

    def try_new(self, change: Change | None = None, **fields: Any) -> Exchange:
        """Try to create what may be refused."""
        return self.world.try_create(self.kind, change, **fields)

    def name(self, message: Message) -> str:
        """Its resource name."""
        return str(getattr(message, self.kind.name_field))

    def get(self, name: str) -> Exchange:
        """Read one."""
        return self.call(Role.GET, name=name)

    def read(self, name: str) -> Message:
        """Read one that is there."""
        return self.ok(Role.GET, name=name).response

    def update(self, body: Message, paths: list[str] | None, **fields: Any) -> Exchange:
        """Update; without a mask when `paths` is None."""
        descriptor = self.kind.methods[Role.UPDATE].input_type
        slot = next(each.name for each in descriptor.fields if each.message_type is self.kind.message)
        request = self.request(Role.UPDATE, **{slot: body}, **fields)
        if paths is None and self.needs_mask:
            skip("an update must have an `update_mask`: its contract says so")
        if paths is not None:
            if "update_mask" not in descriptor.fields_by_name:
                skip(f"{descriptor.name} has no `update_mask`")
            request.update_mask.paths.extend(paths)
        return self.call(Role.UPDATE, request)

    def empty(self, name: str) -> Message:
        """A resource with nothing but a name."""
        return GetMessageClass(self.kind.message)(**{self.kind.name_field: name})

    def delete(self, name: str, **fields: Any) -> Exchange:
        """Delete one."""
        return self.call(Role.DELETE, name=name, **fields)

    def absent(self) -> str:
        """A name that nothing has."""
        return self.world.absent(self.kind)

    @property
    def needs_filter(self) -> bool:
        """Whether the contract asks for a filter on every list: then a check is about a part of it, or cannot be made."""
        return self._requires(Role.LIST, "filter")

    @property
    def needs_mask(self) -> bool:
        """Whether the contract asks for a mask on every update."""
        return self._requires(Role.UPDATE, "update_mask")

    def _requires(self, role: Role, name: str) -> bool:
        return self.kind.has(role, name) and self.world.annotations.field(self.kind.methods[role].input_type.fields_by_name[name]).required

    def page(self, **fields: Any) -> Exchange:
        """One page of a list."""
        if self.needs_filter and not fields.get("filter"):
            skip("a list must have a `filter`: its contract says so")
        return self.call(Role.LIST, **fields)

    def some(self, size: int, **arguments: Any) -> Exchange:
        """One page; MANY rows are as many as the server likes, where it refuses so many: whether it may is for one check to say."""
        found = self.page(**arguments, page_size=size)
        return self.page(**arguments) if size >= MANY and found.code == "INVALID_ARGUMENT" else found

    def rows(self, exchange: Exchange) -> list[str]:
        """Names of the resources on a page."""
        field = self.kind.rows_field(Role.LIST)
        return [self.name(one) for one in getattr(exchange.response, field)]

    def walk(self, size: Callable[[int], int], **arguments: Any) -> Iterator[Exchange]:
        """Every page of a list; `size` gives the rows of the n-th, from 0 on. Each must go well."""
        token = ""
        for page in range(PAGES_MAX):
            found = self.some(size(page), **arguments, page_token=token)
            expect_code(found, "OK")
            yield found
            token = found.response.next_page_token
            if not token:
                return
        skip(f"the list has more than {PAGES_MAX} pages")
