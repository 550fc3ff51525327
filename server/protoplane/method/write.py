"""The standard methods that change rows, compiled: Create, BatchCreate, Update, Delete (AIP-133, 134, 135, 233)."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from google.protobuf.message import Message

from protoplane.base import limits
from protoplane.base.errors import Fault, Reason, Violation, invalid_fields
from protoplane.contract.model import Kind, Label, Method, Resource
from protoplane.method.call import Call
from protoplane.method.lifecycle import SoftLifecycle
from protoplane.method.rows import Change, Ids, Item, Rows
from protoplane.method.served import Handler
from protoplane.query.mask import Writer, compile_mask


def compile_create(method: Method, rows: Rows) -> Handler:
    """Bind a Create method to its rows."""
    read = _item_reader(method.request_fields, rows)
    rehearsal = flag(method, "validate_only")

    def create(call: Call, request: Message) -> Message:
        item, made = read(request, "", "")
        (stored,) = rows.insert(call.session, [item], call.now_micros)
        if made and rehearsal(request):
            stored.ClearField(rows.resource.name_field.name)  # AIP-163: an id that was never given out is not shown.
        return stored

    return create


def compile_batch_create(method: Method, rows: Rows) -> Handler:
    """Bind a BatchCreate method: one transaction, answers in the order of the requests."""
    child = next(field for field in method.request_fields if field.name == "requests")
    read = _item_reader(child.fields, rows)
    parent_of = text(method, "parent")
    rehearsal = flag(method, "validate_only")
    refuse_own = _item_guard(child.fields)
    response_class = method.response_class
    listed = next(f.name for f in method.response.fields if f.message_type is rows.resource.message)

    def batch_create(call: Call, request: Any) -> Message:
        if not request.requests:
            raise invalid_fields([Violation("requests", "must not be empty", "REQUIRED")])
        if len(request.requests) > limits.BATCH_ITEMS_MAX:
            raise invalid_fields([Violation("requests", f"must hold at most {limits.BATCH_ITEMS_MAX} items", "TOO_MANY")])
        parent = parent_of(request)
        refuse_own(request)
        read_items = [read(one, f"requests[{i}].", parent) for i, one in enumerate(request.requests)]
        _refuse_twins([item for item, _ in read_items], rows)
        stored = rows.insert(call.session, [item for item, _ in read_items], call.now_micros)
        if rehearsal(request):
            for message, (_, made) in zip(stored, read_items, strict=True):
                if made:
                    message.ClearField(rows.resource.name_field.name)
        response = response_class()
        getattr(response, listed).extend(stored)
        return response

    return batch_create


def compile_update(method: Method, rows: Rows, *, around: bool) -> Handler:
    """Bind an Update method: read, merge, check the merged resource, write what changed. `around`: a team's code calls it."""
    writer = Writer.AROUND if around else Writer.CALLER
    resource = rows.resource
    body = body_of(method, resource)
    name = resource.name_field.name
    at = f"{body}.{name}"
    has_mask = method.request_field("update_mask") is not None
    creates = flag(method, "allow_missing")

    def update(call: Call, request: Any) -> Message:
        given = getattr(request, body)
        ids = rows.locate(getattr(given, name), at)
        if creates(request) and not rows.exists(call.session, ids):
            rows.refuse_etag(given, ids)
            rows.take_id(str(ids[-1]), at)
            own = type(given)()
            own.CopyFrom(given)
            try:
                return rows.insert(call.session, [Item(ids, own, body)], call.now_micros)[0]
            except Fault:
                if not rows.exists(call.session, ids):
                    raise
                # Somebody else was quicker: then it is an update.
        paths = request.update_mask.paths if has_mask else ()
        mask = compile_mask(paths, resource, given)
        return rows.change(call.session, ids, Change(given, mask, body, writer), call.now_micros)

    return update


def compile_delete(method: Method, rows: Rows) -> Handler:
    """Bind a Delete method; it gives the resource where deleted ones are kept (AIP-164)."""
    etag_of = text(method, "etag")
    lenient, forced = flag(method, "allow_missing"), flag(method, "force")
    empty, keeps = method.response_class, rows.resource.soft

    def delete(call: Call, request: Any) -> Message:
        ids = rows.locate(request.name, "name")
        try:
            removed = rows.remove(call.session, ids, etag_of(request), call.now_micros, force=forced(request))
        except Fault as fault:
            if not (lenient(request) and fault.reason == Reason.RESOURCE_NOT_FOUND):
                raise
            removed = rows.one(call.session, ids) if keeps else None
        return empty() if removed is None else removed

    return delete


def compile_undelete(method: Method, rows: Rows, lifecycle: SoftLifecycle) -> Handler:
    """Bind an Undelete method."""
    etag_of = text(method, "etag")

    def undelete(call: Call, request: Any) -> Message:
        return lifecycle.undelete(call.session, rows.locate(request.name, "name"), etag_of(request), call.now_micros)

    return undelete


def _item_reader(fields: tuple[Any, ...], rows: Rows) -> Callable[[Message, str, str], tuple[Item, bool]]:
    """From a Create request to what it creates, and whether its id was made here."""
    resource = rows.resource
    names = {field.name for field in fields}
    body = next(field.name for field in fields if field.message is resource.message)
    id_field = f"{body}_id"
    has_id, has_parent = id_field in names, "parent" in names

    def read(request: Message, prefix: str, batch_parent: str) -> tuple[Item, bool]:
        parent: str = getattr(request, "parent") if has_parent else ""  # noqa: B009 - dynamic message.
        if batch_parent and parent not in {"", batch_parent}:
            raise invalid_fields([Violation(f"{prefix}parent", "must be empty or the parent of the batch", "PARENT_MISMATCH")])
        parent_ids: Ids = rows.locate_parent(parent or batch_parent, f"{prefix}parent")
        given: str = getattr(request, id_field) if has_id else ""
        ids = (*parent_ids, rows.take_id(given, prefix + id_field))
        return Item(ids, getattr(request, body), prefix + body, made=not given), not given

    return read


def _item_guard(fields: tuple[Any, ...]) -> Callable[[Any], None]:
    """Items of a batch have one fate: a `validate_only` or `request_id` of their own would be a promise not kept."""
    own = [field.name for field in fields if field.name in {"validate_only", "request_id"}]

    def refuse_own(request: Any) -> None:
        for i, item in enumerate(request.requests) if own else ():
            for name in own:
                if getattr(item, name) and getattr(item, name) != getattr(request, name, None):
                    raise invalid_fields([Violation(f"requests[{i}].{name}", f"is for the whole batch: set {name} there", "NOT_FOR_ITEMS")])

    return refuse_own


def _refuse_twins(items: list[Item], rows: Rows) -> None:
    """Two items of one batch with one name: a fault of the request, not a collision with stored rows."""
    seen: dict[Ids, str] = {}
    for item in items:
        if item.ids in seen:
            problem = f"has the name {rows.pattern.format(item.ids)}, and so has {seen[item.ids]}"
            raise invalid_fields([Violation(item.path, problem, "DUPLICATE_IN_BATCH")])
        seen[item.ids] = item.path


def body_of(method: Method, resource: Resource) -> str:
    """Name of the request field that holds the resource."""
    return next(field.name for field in method.request_fields if field.message is resource.message)


def flag(method: Method, name: str) -> Callable[[Message], bool]:
    """Reader of a bool field of the request; false where the contract has no such field."""
    return attrgetter(name) if has_special(method, name, Kind.BOOL) else lambda _request: False


def text(method: Method, name: str) -> Callable[[Message], str]:
    """Reader of a string field of the request; empty where the contract has no such field."""
    return attrgetter(name) if has_special(method, name, Kind.STRING) else lambda _request: ""


def has_special(method: Method, name: str, kind: Kind) -> bool:
    """Whether the request has a field of that name that means what the AIPs say: a custom request may use the name for something else."""
    field = method.request_field(name)
    return field is not None and field.kind is kind and field.label is Label.SINGULAR and not field.wrapper
