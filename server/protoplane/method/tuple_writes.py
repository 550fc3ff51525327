"""WriteRelations: tuples written and taken away, under the rules of their relations, in one transaction.

In this order: names; whether the caller may write each (AIP-211); what the model has against any of them; preconditions; the writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from protoplane.access.relations import TupleFilter
from protoplane.access.tuples import Object, RelationTuple
from protoplane.base.errors import Fault, Reason, Violation, invalid_fields
from protoplane.changes.log import ChangeKind
from protoplane.method.call import Call
from protoplane.method.guard import Guard, denied
from protoplane.method.named import name_tuple, read_filter, read_tuple
from protoplane.store.trouble import Duplicate

WRITE = "access.write"
"""The permission to write any tuple."""

READ = "access.read"
"""The permission to read any tuple, as ReadRelations asks for it."""

IGNORE = 2
"""`OnConflict.ON_CONFLICT_IGNORE`."""

EXISTS = 1
"""`Demand.DEMAND_EXISTS`."""


def write_tuples(call: Call, request: Any) -> None:
    """Do what a WriteRelationsRequest says. Raises Fault: see the module, and REASONS."""
    guard = call.relations
    named = [name_tuple(guard, one, f"writes[{i}].") for i, one in enumerate(request.writes)]
    deletes = [name_tuple(guard, one, f"deletes[{i}].") for i, one in enumerate(request.deletes)]
    asked = [read_filter(guard, one.filter, f"preconditions[{i}].filter.") for i, one in enumerate(request.preconditions)]
    _authorise(call, guard, [*named, *deletes], asked)
    writes = [read_tuple(guard, one, f"writes[{i}].") for i, one in enumerate(request.writes)]
    for one in deletes:
        guard.admit_relation(one)
    _refuse_twins(named, deletes)
    _require(call, guard, request.preconditions, asked)
    if deletes:
        _delete(call, guard, deletes, ignore=request.on_missing == IGNORE)
    if writes:
        _write(call, guard, writes, ignore=request.on_duplicate == IGNORE)


def _authorise(call: Call, guard: Guard, tuples: Sequence[RelationTuple], asked: Sequence[TupleFilter]) -> None:
    """Fault PERMISSION_DENIED naming the resource of the first tuple that the caller may not write, or not ask about.

    A precondition tells what is written: it needs the permission to read tuples, or what writes of the same would need.
    """
    permissions = call.principal.permissions
    if call.trusted or WRITE in permissions:
        return
    written = [(WRITE, one.object, one.relation) for one in tuples]
    read = [(READ, Object(one.object_type, one.object_id), one.relation) for one in asked] if READ not in permissions else []
    needed: dict[tuple[str, Object], None] = {}
    for permission, found, relation in [*written, *read]:
        grant = guard.declared.grants.get((found.type, relation), "") if found.id else ""
        if not grant:
            raise denied(permission, guard.names.name(found) if found.id else "")
        needed[grant, found] = None
    for held, (grant, found) in zip(guard.held_on(call, list(needed)), needed, strict=True):
        if not held:
            raise denied(grant, guard.names.name(found))


def _refuse_twins(writes: Sequence[RelationTuple], deletes: Sequence[RelationTuple]) -> None:
    seen: dict[RelationTuple, str] = {}
    places = [*((one, f"writes[{i}]") for i, one in enumerate(writes)), *((one, f"deletes[{i}]") for i, one in enumerate(deletes))]
    if not places:
        raise invalid_fields([Violation("writes", "must not be empty, unless there are deletes", "REQUIRED")])
    for one, place in places:
        if one in seen:
            raise invalid_fields([Violation(place, f"is the tuple of {seen[one]}", "DUPLICATE_IN_BATCH")])
        seen[one] = place


def _require(call: Call, guard: Guard, preconditions: Sequence[Any], asked: Sequence[TupleFilter]) -> None:
    """Fault PRECONDITION_UNMET for the first that does not hold. From now on no other call with preconditions writes."""
    if asked:
        guard.relations.take_turns(call.session)
    for i, (one, which) in enumerate(zip(preconditions, asked, strict=True)):
        if bool(guard.relations.read(call.session, which, limit=1)) != (one.demand == EXISTS):
            raise Fault(Reason.PRECONDITION_UNMET, index=str(i), name=one.filter.resource)


def _delete(call: Call, guard: Guard, tuples: Sequence[RelationTuple], *, ignore: bool) -> None:
    there = guard.relations.find(call.session, tuples)
    absent = next((one for one in tuples if one not in there), None)
    if absent is not None and not ignore:
        raise Fault(Reason.RELATION_NOT_FOUND, tuple=guard.names.tuple(absent))
    if guard.relations.delete_all(call.session, tuples) < len(there):
        raise Fault(Reason.CONCURRENT_WRITE)
    guard.log.record(call.session, ChangeKind.DELETED, list(there.values()))


def _write(call: Call, guard: Guard, tuples: Sequence[RelationTuple], *, ignore: bool) -> None:
    """Which are there already is asked afterwards, and only if some are: what is not there cannot be locked."""
    missing = tuples
    if ignore:
        there = guard.relations.find(call.session, tuples)
        missing = [one for one in tuples if there.get(_bare(one)) != one]
    try:
        with call.session.savepoint():
            guard.relations.write(call.session, missing, ignore=ignore)
    except Duplicate:
        there = guard.relations.find(call.session, missing)
        found = next((one for one in missing if _bare(one) in there), missing[0])
        raise Fault(Reason.RELATION_EXISTS, tuple=guard.names.tuple(found)) from None
    guard.log.record(call.session, ChangeKind.CREATED, missing)


def _bare(held: RelationTuple) -> RelationTuple:
    return replace(held, condition="", context="")
