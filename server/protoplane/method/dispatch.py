"""Methods of a resource with several patterns: each pattern has a handler, as if it were alone, and one in front of them chooses.

A batch about names of several patterns is one call of each handler, in the order in which everybody locks, and one answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from operator import attrgetter
from typing import Any, Final, cast

from google.protobuf.message import Message

from protoplane.base import limits
from protoplane.base.errors import Fault
from protoplane.contract.model import Method, MethodKind, Resource
from protoplane.method.batch import check_size
from protoplane.method.call import Call
from protoplane.method.gather import bounded
from protoplane.method.rows import lock_order
from protoplane.method.served import Handler
from protoplane.method.variants import Variants
from protoplane.method.write import body_of, text

_ITEM: Final = re.compile(r"(?<=\[)\d+(?=\])")
"""Place of an item in the path of a field: `requests[2].note.name`."""


def compile_dispatch(method: Method, resources: Sequence[Resource], handlers: Sequence[Handler]) -> Handler:
    """Bind a standard method to its handlers, one for each pattern of its resource; one alone needs nothing in front of it."""
    if len(handlers) == 1:
        return handlers[0]
    variants = Variants(resources, handlers)
    match method.kind:
        case MethodKind.BATCH_GET | MethodKind.BATCH_CREATE | MethodKind.BATCH_UPDATE | MethodKind.BATCH_DELETE:
            return _Batch(method, resources, variants).handle
        case MethodKind.LIST | MethodKind.CREATE | MethodKind.AGGREGATE:
            parent_of = text(method, "parent")
            return lambda call, request: variants.below(parent_of(request), "parent")(call, request)
        case MethodKind.UPDATE:
            at = f"{body_of(method, variants.resource)}.{variants.resource.name_field.name}"
            name_of: Callable[[Message], str] = attrgetter(at)
            return lambda call, request: variants.named(name_of(request), at)(call, request)
        case _:
            named = text(method, "name")
            return lambda call, request: variants.named(named(request), "name")(call, request)


class _Batch:
    """A batch method: about the resources below one parent, or about any."""

    def __init__(self, method: Method, resources: Sequence[Resource], variants: Variants[Handler]) -> None:
        self._method, self._variants = method, variants
        self._items = "names" if method.request_field("requests") is None else "requests"
        self._parent_of = text(method, "parent")
        self._choose = self._chooser(resources[0])
        ordered = sorted(zip(resources, variants.all, strict=True), key=lambda pair: lock_order(pair[0]))
        self._order = {handler: place for place, (_, handler) in enumerate(ordered)}
        self._name = resources[0].name_field.name
        message = resources[0].message
        self._listed = next((field.name for field in method.response.fields if field.message_type is message), "")

    def handle(self, call: Call, request: Any) -> Message:
        """One handler where all items are for it; else each has its own."""
        parent = self._parent_of(request)
        if parent:
            return self._variants.below(parent, "parent")(call, request)
        items = getattr(request, self._items)
        check_size(items, self._items, limits.BATCH_ITEMS_MAX)
        parts: dict[Handler, list[int]] = {}
        for i, item in enumerate(items):
            parts.setdefault(self._choose(item, i), []).append(i)
        if len(parts) == 1:
            return next(iter(parts))(call, request)
        reads = self._method.kind is MethodKind.BATCH_GET
        if reads:
            call.session.snapshot()
        with nullcontext() if reads else call.session.savepoint():  # Code that goes on after a refusal must not keep the first part.
            answers = [(parts[one], self._run(call, request, one, parts[one])) for one in sorted(parts, key=self._order.__getitem__)]
        return bounded(self._joined(request, answers), len(items))

    def _run(self, call: Call, request: Any, handler: Handler, places: Sequence[int]) -> Any:
        """The answer to a part of a request. Raises what its handler does, with fields named as the whole has them."""
        part: Any = self._method.request_class()
        part.CopyFrom(request)
        part.ClearField(self._items)
        items = getattr(request, self._items)
        getattr(part, self._items).extend(items[i] for i in places)
        try:
            return handler(call, part)
        except Fault as fault:
            fault.move(lambda field: _ITEM.sub(lambda found: str(places[int(found[0])]), field, count=1))
            raise

    def _joined(self, request: Any, answers: Sequence[tuple[Sequence[int], Any]]) -> Message:
        """One answer, in the order asked. A delete leaves out of its answer what was not there."""
        whole: Any = self._method.response_class()
        if not self._listed:
            return cast("Message", whole)
        found: dict[int, Message] = {}
        for places, answer in answers:
            held = getattr(answer, self._listed)
            if self._method.kind is MethodKind.BATCH_DELETE:
                at = {self._named(request, i): i for i in places}
                found.update((at[getattr(one, self._name)], one) for one in held)
            else:
                found.update(zip(places, held, strict=False))  # A mask may have left them all out.
        getattr(whole, self._listed).extend(found[i] for i in sorted(found))
        return cast("Message", whole)

    def _named(self, request: Any, i: int) -> str:
        item = getattr(request, self._items)[i]
        return cast("str", item if self._items == "names" else item.name)

    def _chooser(self, resource: Resource) -> Callable[[Any, int], Handler]:
        """From an item and its place to its handler; Fault INVALID_NAME for what is like none of the patterns."""
        variants = self._variants
        if self._items == "names":
            return lambda name, i: variants.named(name, f"names[{i}]")
        fields = next(field for field in self._method.request_fields if field.name == "requests").fields
        match self._method.kind:
            case MethodKind.BATCH_CREATE:
                return lambda item, i: variants.below(item.parent, f"requests[{i}].parent")
            case MethodKind.BATCH_UPDATE:
                at = f"{next(field.name for field in fields if field.message is resource.message)}.{resource.name_field.name}"
                name_of: Callable[[Any], str] = attrgetter(at)
                return lambda item, i: variants.named(name_of(item), f"requests[{i}].{at}")
            case _:
                return lambda item, i: variants.named(item.name, f"requests[{i}].name")
