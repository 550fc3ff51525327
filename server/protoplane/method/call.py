"""One call in its transaction: what handlers and a team's own servicer methods work with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import peewee
from google.protobuf.message import Message

from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault, Reason, Violation
from protoplane.contract.model import Method, MethodKind, Resource
from protoplane.identity.principal import Principal
from protoplane.method.rows import Change, Item, Rows
from protoplane.method.variants import Variants
from protoplane.query.columns import Columns
from protoplane.query.mask import Writer, compile_mask
from protoplane.store.session import Session

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource as a team's own code reaches it."""

    rows: Variants[Rows]
    models: Mapping[str, type[peewee.Model]]
    """By pattern."""
    rules: Mapping[tuple[str, MethodKind], Callable[[Principal, str], None]]
    """The rules that the contract declares for the resource's standard methods, by service; the name is for the refusal's text."""

    @property
    def resource(self) -> Resource:
        """The resource, by its first pattern."""
        return self.rows.resource

    def authorise_reading(self, service: str, principal: Principal, path: str) -> None:
        """As the Get method does, or List where there is no Get: for who filters or sorts by this resource through a reference.

        `path` is how it is reached. What no method reads cannot be read so either.
        """
        kind = self._reader()
        if kind is None:
            problem = f"'{path}' names a resource that no method reads; nothing can be filtered or sorted by its fields."
            raise Fault(Reason.INVALID_FILTER, problem=problem, violations=[Violation("filter", problem, Reason.INVALID_FILTER.value)])
        self.authorise(service, kind, principal, self.resource.plural)

    def authorise_learning(self, service: str, principal: Principal, name: str) -> None:
        """As `authorise_reading`, for who would be told that a resource of his is in the way of another one: Fault PERMISSION_DENIED.

        What no method reads nobody may know of.
        """
        kind = self._reader()
        if kind is None:
            raise Fault(Reason.PERMISSION_DENIED, permission=f"{self.resource.plural}.get", resource=name)
        self.authorise(service, kind, principal, name)

    def _reader(self) -> MethodKind | None:
        """The kind of method whose rule says who may read it."""
        declared = {kind for _, kind in self.rules}
        return next((kind for kind in (MethodKind.GET, MethodKind.LIST) if kind in declared), None)

    def authorise(self, service: str, kind: MethodKind, principal: Principal, name: str) -> None:
        """By the rule of the service's own method; where it has none, by those of every service that has."""
        own = self.rules.get((service, kind))
        for rule in [own] if own else [rule for (_, other), rule in self.rules.items() if other is kind]:
            rule(principal, name)


@dataclass(slots=True)  # Not frozen: one is made for every call, and a frozen one takes 2 µs longer.
class Call:
    """A call that has been authorised, inside its transaction (if its method writes).

    The four verbs act on resources of the contract in the same transaction, under the rule that the contract declares for
    the resource's own standard method (where it declares none only code can do it, so code may).
    """

    method: Method
    principal: Principal
    session: Session
    deadline: Deadline
    request_id: str
    """The id of this call in logs and errors; not the `request_id` field of a request."""
    now_micros: int
    """The time of the call: one for everything it writes."""
    resources: Mapping[type[Message], Stored]
    trusted: bool = False
    """Whether the verbs skip the caller's rules; see `as_service`."""
    field_mask: str = ""
    """What of the answer the caller wants, from the call's metadata; empty: all of it. Code need not heed it: see `method.asked`."""

    def cancelled(self) -> bool:
        """Whether the caller has gone; long work asks now and then."""
        return self.deadline.cancelled

    def as_service(self) -> Call:
        """The same call with the service's own right to every resource, for work the caller may not do itself."""
        return replace(self, trusted=True)

    def get(self, resource: type[M], name: str) -> M:
        """The resource of that name. Raises Fault INVALID_NAME, PERMISSION_DENIED, RESOURCE_NOT_FOUND."""
        rows = self._stored(resource, MethodKind.GET, name).named(name, "name")
        return cast("M", rows.find(self.session, rows.locate(name, "name")))

    def create(self, message: M, *, parent: str = "", id: str = "") -> M:  # noqa: A002 - AIP's word.
        """Store a new resource and give it as stored; an id is made when none is given. Raises as the Create method does.

        Unlike a caller, code may fill OUTPUT_ONLY fields.
        """
        rows = self._stored(type(message), MethodKind.CREATE, parent).below(parent, "parent")
        ids = (*rows.locate_parent(parent, "parent"), rows.take_id(id, "id") if id else rows.make_id())
        own = type(message)()
        own.CopyFrom(message)
        try:
            return cast("M", rows.insert(self.session, [Item(ids, own, "", made=not id)], self.now_micros)[0])
        except Fault as fault:
            self.veil(fault, type(message))
            raise

    def update(self, message: M, *paths: str) -> M:
        """Write the fields at `paths` (none: all populated ones) of the resource that `message.name` names.

        Unlike a caller, code may write OUTPUT_ONLY fields. An etag in the message must be the current one.
        """
        name: str = getattr(message, self.resources[type(message)].resource.name_field.name)
        rows = self._stored(type(message), MethodKind.UPDATE, name).named(name, "name")
        mask = compile_mask(paths, rows.resource, message)
        ids = rows.locate(name, "name")
        try:
            return cast("M", rows.change(self.session, ids, Change(message, mask, writer=Writer.CODE), self.now_micros))
        except Fault as fault:
            self.veil(fault, type(message))
            raise

    def delete(self, resource: type[Message], name: str) -> None:
        """Delete the resource of that name; softly, if it is one that is kept. Raises as the Delete method does."""
        rows = self._stored(resource, MethodKind.DELETE, name).named(name, "name")
        rows.remove(self.session, rows.locate(name, "name"), "", self.now_micros)

    def model(self, resource: type[Message], *, pattern: str = "") -> type[peewee.Model]:
        """The Peewee model of a resource's table, for queries on this call's connection, inside its transaction.

        Of a resource with several patterns `pattern` says which is meant: each has a table. Raises LookupError when it says none of them.
        """
        models = self.resources[resource].models
        if pattern in models:
            return models[pattern]
        if pattern or len(models) > 1:
            raise LookupError(f"say which table of {resource.DESCRIPTOR.name} is meant, by its pattern: {' or '.join(map(repr, models))}")
        return next(iter(models.values()))

    def follow(self, views: Iterable[Columns]) -> None:
        """Refuse a caller who may not read a resource that a filter or an order reaches through a reference: Fault PERMISSION_DENIED."""
        if self.trusted:
            return
        for view in views:
            stored = self.resources[view.resource.message_class]
            stored.authorise_reading(self.method.service, self.principal, view.prefix.removesuffix("."))

    def veil(self, fault: Fault, resource: type[Message]) -> None:
        """Raise PERMISSION_DENIED in place of RESOURCE_EXISTS for a caller who may not see by what a name or a unique value is taken (AIP-133).

        It names the resource that was to be written, so it does not tell a name from a value.
        """
        if fault.reason == Reason.RESOURCE_EXISTS and not self.trusted:
            self.resources[resource].authorise_learning(self.method.service, self.principal, fault.metadata["name"])

    def _stored(self, resource: type[Message], kind: MethodKind, name: str) -> Variants[Rows]:
        stored = self.resources[resource]
        if not self.trusted:
            stored.authorise(self.method.service, kind, self.principal, name)
        return stored.rows
