"""What requests about relations name: resources, subjects and tuples, as the model knows them."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict

from protoplane.access.naming import NameUnknown
from protoplane.access.relations import TupleFilter
from protoplane.access.tuples import Object, RelationTuple, Subject
from protoplane.base.errors import Violation, invalid_fields
from protoplane.method.guard import Guard


def read_object(guard: Guard, name: str, field: str) -> Object:
    """Of the name of a resource, which stands in a field of the request. Raises Fault INVALID_FIELDS."""
    try:
        return guard.names.object(name)
    except NameUnknown:
        raise invalid_fields([Violation(field, "must be the name of a resource of this contract", "INVALID_NAME")]) from None


def read_subject(guard: Guard, text: str, field: str) -> Subject:
    """Of a subject. Raises Fault INVALID_FIELDS."""
    try:
        return guard.names.subject(text)
    except NameUnknown:
        problem = "must be `users/…`, `services/…`, the name of a resource, or one with # and a relation behind it"
        raise invalid_fields([Violation(field, problem, "INVALID_NAME")]) from None


def name_tuple(guard: Guard, given: Any, prefix: str) -> RelationTuple:
    """A tuple without its condition, whatever the model says of it. Raises Fault INVALID_FIELDS."""
    found = read_object(guard, given.resource, f"{prefix}resource")
    return RelationTuple(found, given.relation, read_subject(guard, given.subject, f"{prefix}subject"))


def read_tuple(guard: Guard, given: Any, prefix: str) -> RelationTuple:
    """A tuple that the model admits. Raises Fault INVALID_FIELDS, RELATION_UNKNOWN, RELATION_NOT_ADMITTED, CONDITION_CONTEXT."""
    named = name_tuple(guard, given, prefix)
    condition = given.condition.name if given.HasField("condition") else ""
    return guard.admitted(named, condition, MessageToDict(given.condition.context) if condition else {})


def read_filter(guard: Guard, given: Any, prefix: str) -> TupleFilter:
    """Which tuples a TupleFilter of a request means. Raises Fault INVALID_FIELDS."""
    kind, one = "", ""
    everything = guard.names.everything(given.resource) if given.resource else None
    if everything is not None:
        kind = everything
    elif given.resource:
        found = read_object(guard, given.resource, f"{prefix}resource")
        kind, one = found.type, found.id
    subject = read_subject(guard, given.subject, f"{prefix}subject") if given.subject else None
    return TupleFilter(object_type=kind, object_id=one, relation=given.relation, subject=subject)
