"""Everything of a resource, page by page through its List method."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from protoplane.base import limits
from protoplane.cli.door import Door, answer
from protoplane.cli.loading import CannotLoad
from protoplane.contract.model import Contract, Method, MethodKind, Pattern, Resource

SAFE_ID = re.compile(r"[A-Za-z0-9._~-]{1,63}")
"""Ids that need no escape inside a filter's quotes; no other exists."""
FILTER_TERM_BYTES = len('name = "" OR ')


@dataclass(frozen=True, slots=True)
class Listing:
    """The List methods of a contract, called on one server."""

    door: Door
    contract: Contract

    def pages(self, resource: Resource, parent: str, *, filtering: str = "", order_by: str = "") -> Iterator[list[Any]]:
        """Pages of resources below a parent (empty: top level); the next page is under way while one is worked on. Raises Refused."""
        method = self._list_of(resource)
        field = next(each.name for each in method.response.fields if each.message_type is resource.message)
        arguments = {"parent": parent, "filter": filtering, "order_by": order_by, "page_size": limits.PAGE_ROWS_MAX}
        arguments = {name: value for name, value in arguments.items() if value}
        unknown = [name for name in arguments if method.request_field(name) is None]
        if unknown:
            raise CannotLoad(f"{method.name} has no {' and no '.join(unknown)}")
        start = self.door.starter(method)
        request = method.request_class(**arguments).SerializeToString()
        call = start(request)
        while True:
            page: Any = method.response_class.FromString(answer(start, request, call))
            if page.next_page_token:
                request = method.request_class(**arguments, page_token=page.next_page_token).SerializeToString()
                call = start(request)
            yield getattr(page, field)
            if not page.next_page_token:
                return

    def present(self, resource: Resource, parent: str, ids: Sequence[str]) -> set[str]:
        """Those of the ids below a parent that exist and the caller may list, a filter full of names a call. Raises Refused, CannotLoad."""
        above = tuple(parent.split("/")[0::2]) if parent else ()
        collection = next((one.collections[-1] for one in self._patterns(resource) if one.collections[:-1] == above), "")
        prefix = f"{parent}/{collection}/" if parent else f"{collection}/"
        names = [f'name = "{prefix}{own}"' for own in ids if SAFE_ID.fullmatch(own)]
        size = max(1, min(limits.FILTER_TERMS_MAX, limits.FILTER_BYTES_MAX // (len(prefix) + limits.ID_CHARACTERS_MAX + FILTER_TERM_BYTES)))
        found: set[str] = set()
        for start in range(0, len(names), size):
            for page in self.pages(resource, parent, filtering=" OR ".join(names[start : start + size])):
                found |= {each.name.rpartition("/")[2] for each in page}
        return found

    def parents_of(self, resource: Resource) -> Iterator[str]:
        """Names of every parent, of one kind after the other, by listing them; one empty name for the top level."""
        for variant in self.contract.variants(resource):
            yield from self._parents_of(variant)

    def _parents_of(self, variant: Resource) -> Iterator[str]:
        """Those of one pattern."""
        if len(variant.pattern.variables) == 1:
            yield ""
            return
        above = self.contract.resources.get(variant.parent)
        if above is None:
            every = "/".join(f"{collection}/-" for collection in variant.pattern.collections[:-1])
            raise CannotLoad(
                f"the parents of {variant.message.name} are not in the contract; name them with --parent, or all with --parent {every}"
            )
        for grand in self._parents_of(above):
            for page in self.pages(above, grand):
                yield from (each.name for each in page)

    def _patterns(self, resource: Resource) -> list[Pattern]:
        return [variant.pattern for variant in self.contract.variants(resource)]

    def _list_of(self, resource: Resource) -> Method:
        for method in self.contract.methods.values():
            if method.kind is MethodKind.LIST and method.resource is not None and method.resource.type == resource.type:
                return method
        if resource.pattern.singleton:
            raise CannotLoad(f"{resource.message.name} is a singleton, which has no List method (AIP-156): get it by its name")
        raise CannotLoad(
            f"the contract has no List method for {resource.message.name}; add it: protoplane scaffold {resource.message.name}"
        )
