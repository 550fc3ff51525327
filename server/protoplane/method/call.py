"""One call in its transaction: what handlers and a team's own servicer methods work with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import peewee
from google.protobuf.message import Message

from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault, Reason, Violation
from protoplane.contract.model import Method, MethodKind, Resource
from protoplane.identity.principal import Principal
from protoplane.method.guard import Guard, Question, denied
from protoplane.method.named import read_object
from protoplane.method.rows import Change, Ids, Item, Rows
from protoplane.method.variants import Variants
from protoplane.query.columns import Columns
from protoplane.query.mask import Writer, compile_mask
from protoplane.store.session import Session

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class StoredRule:
    """The rule of one standard method, for whoever does by code what it does."""

    outside: Callable[[Principal, str], None]
    """Asked of the caller alone; the name is for the refusal's text."""
    question: Question | None = None
    """Asked of single resources, where the rule says so."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource as a team's own code reaches it."""

    rows: Variants[Rows]
    models: Mapping[str, type[peewee.Model]]
    """By pattern."""
    rules: Mapping[tuple[str, MethodKind], StoredRule]
    """The rules that the contract declares for the resource's standard methods, by service."""

    @property
    def resource(self) -> Resource:
        """The resource, by its first pattern."""
        return self.rows.resource

    def authorise_reading(self, call: Call, path: str) -> None:
        """As the Get method does, or List where there is no Get: for who filters or sorts by this resource through a reference.

        `path` is how it is reached. What no method reads cannot be read so either, nor what some may read only in part.
        """
        kind = self._reader()
        if kind is None or self._questions(call, kind):
            why = "no method reads" if kind is None else "callers may read a part of"
            problem = f"'{path}' names a resource that {why}; nothing can be filtered or sorted by its fields."
            raise Fault(Reason.INVALID_FILTER, problem=problem, violations=[Violation("filter", problem, Reason.INVALID_FILTER.value)])
        for rule in self._asked(call.method.service, kind):
            rule.outside(call.principal, self.resource.plural)

    def authorise_learning(self, call: Call, name: str) -> None:
        """As `authorise_reading`, for who would be told that a resource of his is in the way of another one: Fault PERMISSION_DENIED.

        What no method reads nobody may know of.
        """
        kind = self._reader()
        if kind is None:
            raise Fault(Reason.PERMISSION_DENIED, permission=f"{self.resource.plural}.get", resource=name)
        self.authorise(call, kind, name)

    def readable(self, call: Call, several: Sequence[Ids]) -> list[bool]:
        """Which of some resources the caller may read; where no rule asks about single ones, all of them."""
        kind = self._reader()
        return [True] * len(several) if kind is None or call.trusted else self.held(call, kind, several)

    def held(self, call: Call, kind: MethodKind, several: Sequence[Ids]) -> list[bool]:
        """For which of some resources the rules for a kind of method hold, as far as they ask about single ones."""
        answers = [True] * len(several)
        for question in self._questions(call, kind) if several else ():
            answers = [one and other for one, other in zip(answers, question.held(call, several), strict=True)]
        return answers

    def asks(self, call: Call, kind: MethodKind) -> str:
        """The relation that the rules for a kind of method ask about; empty where they ask nothing of single resources."""
        return next((question.relation for question in self._questions(call, kind)), "")

    def _questions(self, call: Call, kind: MethodKind) -> list[Question]:
        return [rule.question for rule in self._asked(call.method.service, kind) if rule.question is not None]

    def _reader(self) -> MethodKind | None:
        """The kind of method whose rule says who may read it."""
        declared = {kind for _, kind in self.rules}
        return next((kind for kind in (MethodKind.GET, MethodKind.LIST) if kind in declared), None)

    def _asked(self, service: str, kind: MethodKind) -> list[StoredRule]:
        """The rule of the service's own method; where it has none, those of every service that has."""
        own = self.rules.get((service, kind))
        return [own] if own else [rule for (_, other), rule in self.rules.items() if other is kind]

    def authorise(self, call: Call, kind: MethodKind, name: str) -> None:
        """By the rules for a kind of method, of the resource of that name; for one to be created, of the name of its parent."""
        for rule in self._asked(call.method.service, kind):
            rule.outside(call.principal, name)
            if rule.question is not None:
                self._require(call, rule.question, kind, name)

    def authorise_kind(self, call: Call, kind: MethodKind) -> None:
        """The same of no resource in particular: what rules ask about single ones is left to `readable`."""
        for rule in self._asked(call.method.service, kind):
            rule.outside(call.principal, self.resource.plural)

    def _require(self, call: Call, question: Question, kind: MethodKind, name: str) -> None:
        if kind is MethodKind.CREATE:
            ids = self.rows.below(name, "parent").locate_parent(name, "parent")
        else:
            ids = self.rows.named(name, "name").locate(name, "name")
        if question.held(call, [ids]) != [True]:
            raise denied(question.relation, name)


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
    guard: Guard | None = None
    """The relations of the contract; None where it has none."""

    @property
    def relations(self) -> Guard:
        """The relations of the contract. Raises LookupError where it has none."""
        if self.guard is None:
            raise LookupError("the contract declares no relations")
        return self.guard

    def allowed(self, relation: str, *names: str) -> bool:
        """Whether the caller has a relation on resources of these names, on all of them. Raises Fault INVALID_FIELDS, RELATION_UNKNOWN."""
        guard = self.relations
        return all(guard.held_on(self, [(relation, read_object(guard, name, "name")) for name in names]))

    def cancelled(self) -> bool:
        """Whether the caller has gone; long work asks now and then."""
        return self.deadline.cancelled

    def as_service(self) -> Call:
        """The same call with the service's own right to every resource, for work the caller may not do itself."""
        return replace(self, trusted=True)

    def get(self, resource: type[M], name: str) -> M:
        """The resource of that name. Raises Fault INVALID_NAME, PERMISSION_DENIED, RESOURCE_NOT_FOUND."""
        rows = self._stored(resource, MethodKind.GET, name).named(name, "name")
        ids = rows.locate(name, "name")
        found = rows.find(self.session, ids)
        rows.show(self, [(ids, found)])
        return cast("M", found)

    def create(self, message: M, *, parent: str = "", id: str = "") -> M:  # noqa: A002 - AIP's word.
        """Store a new resource and give it as stored; an id is made when none is given. Raises as the Create method does.

        Unlike a caller, code may fill OUTPUT_ONLY fields.
        """
        rows = self._stored(type(message), MethodKind.CREATE, parent).below(parent, "parent")
        ids = (*rows.locate_parent(parent, "parent"), rows.take_id(id, "id") if id else rows.make_id())
        own = type(message)()
        own.CopyFrom(message)
        try:
            (stored,) = rows.insert(self.session, [Item(ids, own, "", made=not id, by=self)], self.now_micros)
            rows.show(self, [(ids, stored)])
            return cast("M", stored)
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
            stored = rows.change(self.session, ids, Change(message, mask, writer=Writer.CODE, by=self), self.now_micros)
            rows.show(self, [(ids, stored)])
            return cast("M", stored)
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
            stored.authorise_reading(self, view.prefix.removesuffix("."))

    def veil(self, fault: Fault, resource: type[Message]) -> None:
        """Raise PERMISSION_DENIED in place of RESOURCE_EXISTS for a caller who may not see by what a name or a unique value is taken (AIP-133).

        It names the resource that was to be written, so it does not tell a name from a value.
        """
        if fault.reason == Reason.RESOURCE_EXISTS and not self.trusted:
            self.resources[resource].authorise_learning(self, fault.metadata["name"])

    def _stored(self, resource: type[Message], kind: MethodKind, name: str) -> Variants[Rows]:
        stored = self.resources[resource]
        if not self.trusted:
            stored.authorise(self, kind, name)
        return stored.rows
