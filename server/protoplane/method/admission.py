"""Who may call a method with a request, asked inside the transaction: a relation on what the request names (`Rule.check`).

It comes before the request is checked and before anything is read (AIP-211), and sees what the transaction has written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from protoplane.access.declared import Declared, target_of, with_inner
from protoplane.access.model import TypeRelation
from protoplane.base import limits
from protoplane.base.errors import Fault, Reason
from protoplane.contract.model import Access, Contract, Field, Method, MethodKind, Resource
from protoplane.contract.names import ANY
from protoplane.method.batch import check_size
from protoplane.method.guard import Guard, Ids, Question, denied
from protoplane.method.many import ManyRows
from protoplane.method.rows import Rows
from protoplane.method.scope import locate_anywhere
from protoplane.method.write import body_of
from protoplane.store.session import Session

if TYPE_CHECKING:
    from protoplane.method.call import Call

Admit: TypeAlias = Callable[["Call", Any], None]
"""Raises Fault PERMISSION_DENIED, INVALID_NAME."""

_Named: TypeAlias = Callable[[Any], Sequence[tuple[str, str]]]
"""From a request to the fields with names in it, and these."""


def compile_admission(method: Method, guard: Guard, contract: Contract, many: Mapping[str, ManyRows]) -> Admit | None:
    """What a method's rule asks inside; None where it asks nothing there.

    Of one that writes, the rows that it asks about are locked first: whatever a call waits for, it does not act by a right that is gone then.
    """
    if method.rule.access is not Access.CHECK:
        return None
    relation = method.rule.relation
    target, field = target_of(contract, method)
    assert target is not None, method.path
    named = _named_by(method, field)
    locate, key, lock = _locator(many[target.key].rows, relation), target.key, _lock_of(method, many, target, field)

    def admit(call: Call, request: Any) -> None:
        if call.trusted:
            return
        call.session.snapshot()  # What is asked and what is read then are of one moment.
        found: dict[Ids, str] = {}
        for place, name in named(request):
            ids = locate(call, name, place)
            if ANY in ids:  # Of all of them nobody can be told to have it.
                raise denied(relation, name)
            found.setdefault(ids, name)
        lock(call.session, list(found))
        guard.require(call, relation, key, list(found.items()))

    return admit


def _lock_of(method: Method, many: Mapping[str, ManyRows], target: Resource, field: str) -> Callable[[Session, Sequence[Ids]], None]:
    """How the rows that a rule asks about are locked: as by a write of them, or so that they stay as they are where something is made below them."""
    keyed, above = many[target.key].keyed, many.get(target.parent)
    if method.reads or not keyed.locks:
        return lambda _session, _several: None
    if field == "parent":
        return keyed.hold

    def lock(session: Session, several: Sequence[Ids]) -> None:
        there = keyed.versions(session, several)
        missing = [ids for ids in several if ids not in there]
        if missing and above is not None:  # What is not there is judged by what it would stand below.
            above.keyed.hold(session, list({ids[: len(above.rows.table.keys)] for ids in missing}))

    return lock


def _locator(rows: Rows, relation: str) -> Callable[[Call, str, str], Ids]:
    """From a name, and where it stands, to its ids; whoever asks for one below any parent is not told by NOT_FOUND that there is none."""
    if not rows.resource.id.unique:
        return lambda _call, name, place: rows.locate(name, place)
    anywhere = locate_anywhere(rows)

    def locate(call: Call, name: str, place: str) -> Ids:
        if ANY not in (rows.pattern.parse_anywhere(name) or ()):
            return rows.locate(name, place)
        try:
            return anywhere(call.session, name)
        except Fault as fault:
            if fault.reason != Reason.RESOURCE_NOT_FOUND:
                raise
            raise denied(relation, name) from None

    return locate


def _named_by(method: Method, field: str) -> _Named:
    match method.kind:
        case MethodKind.UPDATE:
            assert method.resource is not None
            body, name = body_of(method, method.resource), method.resource.name_field.name
            return lambda request: [(f"{body}.{name}", getattr(getattr(request, body), name))]
        case MethodKind.BATCH_GET:
            return _names
        case MethodKind.BATCH_DELETE:
            return _names if method.request_field("requests") is None else _each(lambda item: ("name", item.name))
        case MethodKind.BATCH_UPDATE:
            assert method.resource is not None
            body = next(one.name for one in _items(method) if one.message is method.resource.message)
            name = method.resource.name_field.name
            return _each(lambda item: (f"{body}.{name}", getattr(getattr(item, body), name)))
        case MethodKind.BATCH_CREATE:
            whole = method.request_field("parent") is not None
            each = any(one.name == "parent" for one in _items(method))
            return lambda request: _parents(request, request.parent if whole else "", each=each)
        case _:
            return lambda request: [(field, getattr(request, field))]


def named_fields(method: Method, contract: Contract) -> tuple[Resource | None, tuple[str, ...]]:
    """On which resource a method's rule asks for its relation, and which fields of the request name it: those that `compile_admission` reads."""
    target, field = target_of(contract, method)
    resource = method.resource
    match method.kind:
        case MethodKind.UPDATE if resource is not None:
            return target, (f"{body_of(method, resource)}.{resource.name_field.name}",)
        case MethodKind.BATCH_GET:
            return target, ("names",)
        case MethodKind.BATCH_DELETE:
            return target, ("names",) if method.request_field("requests") is None else ("requests.name",)
        case MethodKind.BATCH_UPDATE if resource is not None:
            body = next(one.name for one in _items(method) if one.message is resource.message)
            return target, (f"requests.{body}.{resource.name_field.name}",)
        case MethodKind.BATCH_CREATE:
            each = ("requests.parent",) if any(one.name == "parent" for one in _items(method)) else ()
            return target, ("parent", *each) if method.request_field("parent") is not None else each
        case _:
            return target, (field,) if field else ()


def _items(method: Method) -> tuple[Field, ...]:
    return next(one for one in method.request_fields if one.name == "requests").fields


def _names(request: Any) -> Sequence[tuple[str, str]]:
    check_size(request.names, "names", limits.BATCH_ITEMS_MAX)
    return [(f"names[{i}]", name) for i, name in enumerate(request.names)]


def _each(of: Callable[[Any], tuple[str, str]]) -> _Named:
    def read(request: Any) -> Sequence[tuple[str, str]]:
        check_size(request.requests, "requests", limits.BATCH_ITEMS_MAX)
        found = [of(item) for item in request.requests]
        return [(f"requests[{i}].{place}", name) for i, (place, name) in enumerate(found)]

    return read


def _parents(request: Any, parent: str, *, each: bool) -> Sequence[tuple[str, str]]:
    """Of a BatchCreate: that of the batch, or those of its items, which may say the same again."""
    check_size(request.requests, "requests", limits.BATCH_ITEMS_MAX)
    own = [(f"requests[{i}].parent", item.parent) for i, item in enumerate(request.requests) if item.parent] if each else []
    return [("parent", parent), *own] if parent or not own else own


def question_of(method: Method, contract: Contract, guard: Guard | None) -> Question | None:
    """What a standard method's rule asks of single resources, or of what they stand below; None where it asks nothing of them."""
    resource = method.resource
    if guard is None or resource is None or method.rule.access not in {Access.CHECK, Access.SCOPE}:
        return None
    target, _ = target_of(contract, method)
    assert target is not None, method.path
    above = target is not resource and method.kind is not MethodKind.CREATE
    return Question(guard, method.rule.relation, target.key, len(target.pattern.variables) if above else 0)


def asked_by_writes(contract: Contract, declared: Declared) -> set[TypeRelation]:
    """All relations that writes may ask for: those of rules, grants and fields."""
    found = {(kind, grant) for (kind, _), grant in declared.grants.items()}
    for method in contract.methods.values():
        target, _ = target_of(contract, method) if method.rule.access is Access.CHECK else (None, "")
        if target is not None and not method.reads:
            found.add((declared.types[target.key], method.rule.relation))
    for resource in contract.resources.values():
        fields = list(with_inner(resource.fields))
        found |= {(declared.types[resource.key], asked) for field in fields for asked in (field.read, field.write) if asked}
    return found
