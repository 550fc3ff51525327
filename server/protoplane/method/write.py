"""The standard methods that change one row, compiled: Create, Update, Delete (AIP-133, 134, 135)."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from google.protobuf.message import Message

from protoplane.base.errors import Fault, Reason, Violation, invalid_fields
from protoplane.contract.model import Kind, Label, Method, Resource
from protoplane.method.call import Call
from protoplane.method.lifecycle import SoftLifecycle
from protoplane.method.rows import Change, Ids, Item, Rows
from protoplane.method.served import Handler
from protoplane.query.mask import Writer, compile_mask


def compile_create(method: Method, rows: Rows) -> Handler:
    """Bind a Create method to its rows."""
    read = item_reader(method.request_fields, rows)
    rehearsal = flag(method, "validate_only")

    def create(call: Call, request: Message) -> Message:
        item, made = read(call, request, "", "")
        (stored,) = rows.insert(call.session, [item], call.now_micros)
        if made and rehearsal(request):
            stored.ClearField(rows.resource.name_field.name)  # AIP-163: an id that was never given out is not shown.
        return stored

    return create


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
                return rows.insert(call.session, [Item(ids, own, body, by=call)], call.now_micros)[0]
            except Fault:
                if not rows.exists(call.session, ids):
                    raise
                # Somebody else was quicker: then it is an update.
        paths = request.update_mask.paths if has_mask else ()
        mask = compile_mask(paths, resource, given)
        return rows.change(call.session, ids, Change(given, mask, body, writer, call), call.now_micros)

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


def item_reader(fields: tuple[Any, ...], rows: Rows) -> Callable[[Call, Message, str, str], tuple[Item, bool]]:
    """From a Create request to what it creates, and whether its id was made here."""
    resource = rows.resource
    names = {field.name for field in fields}
    body = next(field.name for field in fields if field.message is resource.message)
    id_field = f"{body}_id"
    has_id, has_parent = id_field in names, "parent" in names

    def read(call: Call, request: Message, prefix: str, batch_parent: str) -> tuple[Item, bool]:
        parent: str = getattr(request, "parent") if has_parent else ""  # noqa: B009 - dynamic message.
        if batch_parent and parent not in {"", batch_parent}:
            raise invalid_fields([Violation(f"{prefix}parent", "must be empty or the parent of the batch", "PARENT_MISMATCH")])
        parent_ids: Ids = rows.locate_parent(parent or batch_parent, f"{prefix}parent")
        given: str = getattr(request, id_field) if has_id else ""
        ids = (*parent_ids, rows.take_id(given, prefix + id_field))
        return Item(ids, getattr(request, body), prefix + body, made=not given, by=call), not given

    return read


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
