"""Commit (`protoplane.commit.v1`): several writes over several kinds of resource, in one transaction.

Each write becomes the request of the standard method that the service has for it, and goes through that very method: its rule, its
checks, its handler with the code around it. What a service cannot do by a method of its own, nobody can do by a commit.

In this order: the rules of all writes, before anything is looked at (AIP-211); the checks of all requests; the rows of all writes
locked, in one order for all commits, so that no two wait for each other; what is to be verified; the writes, as they were given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message

from protoplane.base import limits
from protoplane.base.errors import Fault, Reason, Violation, invalid_fields, shorten
from protoplane.contract.model import MethodKind, Resource, Role
from protoplane.identity.principal import Principal
from protoplane.method.batch import check_size
from protoplane.method.call import Call
from protoplane.method.gather import too_large
from protoplane.method.many import ManyRows
from protoplane.method.rows import Ids, Rows, lock_order
from protoplane.method.served import Handler, Served, compile_rule
from protoplane.method.variants import of_rows
from protoplane.method.write import body_of

KINDS: Mapping[str, MethodKind] = {
    "create": MethodKind.CREATE,
    "update": MethodKind.UPDATE,
    "delete": MethodKind.DELETE,
    "undelete": MethodKind.UNDELETE,
    "verify": MethodKind.GET,
}
"""The standard method behind each operation of a write."""

TYPED = frozenset({"delete", "undelete", "verify"})
"""Operations that say by its type which kind of resource they are about; the others hold the resource."""

TYPE_PREFIX = "type.googleapis.com/"


@dataclass(frozen=True, slots=True)
class Step:
    """A standard method as commits call it."""

    operation: str
    served: Served
    resource: Resource
    body: str
    """The request's field with the resource; empty where it takes a name."""
    fields: frozenset[str]
    """What the request has."""
    etag: str
    """The resource's own field; empty where it has none."""
    rule: Callable[[Principal, Any], None]
    """The method's rule, asked about an operation."""

    def place(self, i: int) -> Callable[[str], str]:
        """Where a field of the method's request stands in a commit whose write number `i` this is."""
        prefix, word = f"writes[{i}].{self.operation}.", self.body
        names = {word: "resource", f"{word}_id": "id"} if word else {}

        def place(field: str) -> str:
            first = field.partition(".")[0].partition("[")[0]
            return prefix + names.get(first, first) + field[len(first) :]

        return place


@dataclass(slots=True)
class _Write:
    """One write of a commit under way."""

    i: int
    step: Step
    request: Any
    """Of the step's method."""
    etag: str = ""
    """Of what is verified."""
    made: bool = False
    """Whether its id will be made by the service."""


class Commits:
    """The Commit of one service."""

    def __init__(self, served: Sequence[Served], many: Mapping[str, ManyRows]) -> None:
        """`served` are the standard methods of the service; `many` is by key of resource."""
        self._many = many
        self._steps: dict[tuple[str, str], Step] = {}
        self._types: dict[str, str] = {}
        for one in served:
            method, resource = one.method, one.method.resource
            operation = next((name for name, kind in KINDS.items() if kind is method.kind), "")
            if operation and resource is not None:
                self._steps[operation, resource.type] = _step(operation, one, resource)
                self._types[resource.message.full_name] = resource.type
        of_type: dict[str, list[Rows]] = {}
        for rows in (one.rows for one in many.values()):
            of_type.setdefault(rows.resource.type, []).append(rows)
        self._rows = {kind: of_rows(several) for kind, several in of_type.items()}
        self._order = sorted(many, key=lambda key: lock_order(many[key].rows.resource))

    def authorise(self, principal: Principal, request: Any) -> None:
        """Ask the rule of every write that has one; what has none is refused by `prepare`, which comes later."""
        for write in request.writes[: limits.COMMIT_WRITES_MAX]:
            operation = write.WhichOneof("operation")
            step = self._step_of(operation, getattr(write, operation)) if operation else None
            if step is not None:
                step.rule(principal, getattr(write, operation))

    def compile(self, *, around: bool) -> Handler:
        """The handler. `around`: a team's code calls it, and may have added writes that were not asked about."""

        def commit(call: Call, request: Any) -> Message:
            check_size(request.writes, "writes", limits.COMMIT_WRITES_MAX)
            if around and not call.trusted:
                self.authorise(call.principal, request)
            writes = self._plan(request)
            self._lock(call, writes)
            answer: Any = call.method.response_class()
            results = [answer.results.add() for _ in writes]
            room = limits.PAGE_BYTES_MAX
            for write in sorted(writes, key=lambda write: write.step.operation != "verify"):
                result = self._run(call, write, rehearsal=request.validate_only)
                packed = results[write.i]
                packed.type_url = TYPE_PREFIX + result.DESCRIPTOR.full_name
                packed.value = result.SerializeToString()
                room -= len(packed.value)
                if room < 0 and len(writes) > 1:
                    raise too_large()
            return cast("Message", answer)

        return commit

    def _step_of(self, operation: str, given: Any) -> Step | None:
        kind = given.type if operation in TYPED else self._types.get(given.resource.type_url.rpartition("/")[2], "")
        return self._steps.get((operation, kind))

    def _plan(self, request: Any) -> list[_Write]:
        """The requests of all writes, checked; Fault INVALID_FIELDS for everything that is wrong with any of them."""
        writes: list[_Write] = []
        violations: list[Violation] = []
        for i, write in enumerate(request.writes):
            operation = write.WhichOneof("operation")
            if not operation:
                violations.append(Violation(f"writes[{i}]", f"must have an operation: {', '.join(KINDS)}", "REQUIRED"))
                continue
            given = getattr(write, operation)
            step = self._step_of(operation, given)
            if step is None:
                violations.append(_unknown(operation, given, i))
                continue
            planned = _Write(i, step, step.served.method.request_class())
            found = _fill(planned, given, rehearsal=request.validate_only)
            violations += found
            writes.append(planned)
            if not found:
                violations += _checked(planned)
        if violations:
            raise invalid_fields(violations)
        return writes

    def _lock(self, call: Call, writes: Sequence[_Write]) -> None:
        """Lock what the writes are about, and hold the parents of what they create; what is not there cannot be locked."""
        changed: dict[str, set[Ids]] = {}
        held: dict[str, set[Ids]] = {}
        for write in writes:
            about = self._about(write)
            if about is None:
                continue
            resource, parent, ids = about
            if ids is not None:
                changed.setdefault(resource.key, set()).add(ids)
            if parent is not None and resource.parent in self._many:
                held.setdefault(resource.parent, set()).add(parent)
        for kind in self._order:
            keyed = self._many[kind].keyed
            if kind in changed:  # Together, though holding would do for some: two statements would lock in two orders.
                keyed.versions(call.session, list(changed[kind] | held.get(kind, set())))
            elif kind in held:
                keyed.hold(call.session, list(held[kind]))

    def _about(self, write: _Write) -> tuple[Resource, Ids | None, Ids | None] | None:
        """The ids of the parent of what a write may create or have back, and of the resource that it is about; malformed names are for its method."""
        step, request, variants = write.step, write.request, self._rows[write.step.resource.type]
        if step.operation == "create":
            parent: str = getattr(request, "parent", "")
            rows = variants.find_below(parent)
            return None if rows is None else (rows.resource, rows.pattern.parse_parent(parent), None)
        name = getattr(getattr(request, step.body), step.resource.name_field.name) if step.body else request.name
        rows = variants.find_named(name)
        if rows is None:
            return None
        ids = rows.pattern.parse(name)
        below = step.operation == "undelete" or (step.operation == "update" and getattr(request, "allow_missing", False))
        return rows.resource, (ids[:-1] if below and ids is not None else None), ids

    def _run(self, call: Call, write: _Write, *, rehearsal: bool) -> Message:
        """The result of one write. Raises what its method does, with fields named as the commit has them."""
        step = write.step
        own = replace(call, method=step.served.method, field_mask="")
        try:
            if step.served.admit is not None:  # Only now: what the writes before it made may be what it is about.
                step.served.admit(own, write.request)
            result: Any = step.served.handler(own, write.request)
        except Fault as fault:
            fault.move(step.place(write.i))
            raise
        if step.operation == "verify":
            if write.etag and write.etag.removeprefix("W/") != getattr(result, step.etag):
                raise Fault(Reason.ETAG_MISMATCH, name=write.request.name)
            return Empty()
        if rehearsal and write.made:
            result.ClearField(step.resource.name_field.name)
        return cast("Message", result)


def _step(operation: str, served: Served, resource: Resource) -> Step:
    method, kind = served.method, resource.plural

    def target(given: Any) -> str:
        """The name that an operation is about, for a refusal."""
        if operation == "create":
            return cast("str", given.parent or kind)
        if operation != "update":
            return cast("str", given.name)
        own = resource.message_class()
        try:
            own.ParseFromString(given.resource.value)
        except DecodeError:
            return kind
        return cast("str", getattr(own, resource.name_field.name))

    return Step(
        operation=operation,
        served=served,
        resource=resource,
        body=body_of(method, resource) if operation in {"create", "update"} else "",
        fields=frozenset(field.name for field in method.request_fields),
        etag=next((field.name for field in resource.fields if field.role is Role.ETAG), ""),
        rule=compile_rule(method, target),
    )


def _fill(write: _Write, given: Any, *, rehearsal: bool) -> list[Violation]:
    """Make the request of the step's method from an operation; what cannot be said to that method is a violation."""
    step, request = write.step, write.request
    wanted = _wanted(write, given)
    place = step.place(write.i)
    violations = [
        Violation(place(name), f"must be empty: {step.served.method.name} has no such field", "NOT_TAKEN")
        for name, value in wanted.items()
        if value and name not in step.fields
    ]
    if write.etag and not step.etag:
        violations.append(Violation(place("etag"), "must be empty: the resource has no etag", "NOT_TAKEN"))
    for name, value in wanted.items():
        if value and name in step.fields:
            setattr(request, name, value)
    if rehearsal and "validate_only" in step.fields:
        request.validate_only = True
    if step.body:
        body = getattr(request, step.body)
        body.SetInParent()
        try:
            body.MergeFromString(given.resource.value)
        except DecodeError:
            name = step.resource.message.full_name
            violations.append(Violation(place(step.body), f"holds bytes that are not a {name} message", "MALFORMED_MESSAGE"))
    return violations


def _wanted(write: _Write, given: Any) -> dict[str, Any]:
    """The plain fields of a method's request, as an operation gives them; what is no plain field is put where it goes."""
    match write.step.operation:
        case "create":
            write.made = not given.id
            return {"parent": given.parent, f"{write.step.body}_id": given.id}
        case "update":
            write.request.update_mask.CopyFrom(given.update_mask)
            return {"allow_missing": given.allow_missing}
        case "delete":
            return {"name": given.name, "etag": given.etag, "allow_missing": given.allow_missing, "force": given.force}
        case "undelete":
            return {"name": given.name, "etag": given.etag}
        case _:
            write.etag = given.etag
            return {"name": given.name}


def _checked(write: _Write) -> list[Violation]:
    """What the method's own checks have against its request."""
    try:
        write.step.served.prepare(write.request)
    except Fault as fault:
        if fault.reason != Reason.INVALID_FIELDS:
            raise
        fault.move(write.step.place(write.i))
        return list(fault.violations)
    return []


def _unknown(operation: str, given: Any, i: int) -> Violation:
    """The refusal of a write that no method of the service does."""
    by_type = operation in TYPED
    kind = given.type if by_type else given.resource.type_url
    field = f"writes[{i}].{operation}.{'type' if by_type else 'resource'}"
    problem = f"the service has no standard {KINDS[operation]} method for '{shorten(kind)}'"
    return Violation(field, problem, "NOT_SERVED")
