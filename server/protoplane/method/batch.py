"""The standard methods about many resources of one kind, compiled (AIP-231, 233, 234, 235): all of them or none, in the order asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf.message import Message

from protoplane.base import limits
from protoplane.base.errors import Fault, Reason, Violation, invalid_fields
from protoplane.contract.model import Field, Method
from protoplane.contract.names import ANY
from protoplane.method.asked import Ask
from protoplane.method.call import Call
from protoplane.method.gather import bounded
from protoplane.method.many import ManyRows, Removal
from protoplane.method.rows import Change, Ids, Item, Rows
from protoplane.method.served import Handler
from protoplane.method.write import flag, item_reader, text
from protoplane.query.mask import Mask, Writer, compile_mask


def compile_batch_get(method: Method, many: ManyRows, ask: Ask) -> Handler:
    """Bind a BatchGet method: one statement, however many names; a name given twice is answered twice."""
    rows, answer = many.rows, _answer(method, many.rows)
    parent_of = text(method, "parent")

    def batch_get(call: Call, request: Any) -> Message:
        check_size(request.names, "names", limits.BATCH_ITEMS_MAX)
        wanted = [rows.locate(name, f"names[{i}]") for i, name in enumerate(request.names)]
        refuse_strangers(rows, parent_of(request), wanted, [f"names[{i}]" for i in range(len(wanted))])
        asked = ask(call, request)
        if asked.narrow is None:
            found = many.find(call.session, wanted)
            rows.show(call, list(zip(wanted, found, strict=True)))
        else:
            found = asked.narrow.find_all(call, wanted)
        response = answer(found)
        asked.leave_out(response)
        return bounded(response, len(wanted))

    return batch_get


def compile_batch_create(method: Method, rows: Rows) -> Handler:
    """Bind a BatchCreate method: one INSERT."""
    child = _items_of(method)
    read = item_reader(child.fields, rows)
    parent_of = text(method, "parent")
    rehearsal = flag(method, "validate_only")
    refuse_own, response_class, listed = _item_guard(child), method.response_class, _listed(method, rows)

    def batch_create(call: Call, request: Any) -> Message:
        check_size(request.requests, "requests", limits.BATCH_ITEMS_MAX)
        parent = parent_of(request)
        refuse_own(request)
        read_items = [read(call, one, f"requests[{i}].", parent) for i, one in enumerate(request.requests)]
        refuse_twins(rows, [(item.ids, item.path) for item, _ in read_items])
        response: Any = response_class()
        stored = rows.insert(call.session, [item for item, _ in read_items], call.now_micros, getattr(response, listed).add)
        if rehearsal(request):
            for message, (_, made) in zip(stored, read_items, strict=True):
                if made:
                    message.ClearField(rows.resource.name_field.name)
        return cast("Message", response)

    return batch_create


def compile_batch_update(method: Method, many: ManyRows, *, around: bool) -> Handler:
    """Bind a BatchUpdate method: rows are locked in the order of their keys, merged one by one, written together."""
    rows, child = many.rows, _items_of(method)
    read = _update_reader(child, rows, Writer.AROUND if around else Writer.CALLER)
    parent_of = text(method, "parent")
    refuse_own, answer = _item_guard(child), _answer(method, rows)

    def batch_update(call: Call, request: Any) -> Message:
        check_size(request.requests, "requests", limits.BATCH_ITEMS_MAX)
        refuse_own(request)
        updates = [read(call, one, f"requests[{i}].") for i, one in enumerate(request.requests)]
        places = [update.name_path for update in updates]
        refuse_strangers(rows, parent_of(request), [update.ids for update in updates], places)
        refuse_twins(rows, [(update.ids, place) for update, place in zip(updates, places, strict=True)])
        stored = _update(call, many, updates)
        return bounded(answer([stored[update.ids] for update in updates]), len(updates))

    return batch_update


def compile_batch_delete(method: Method, many: ManyRows) -> Handler:
    """Bind a BatchDelete method of either form: `names`, or `requests` with etags. It gives the resources where deleted ones are kept."""
    rows, empty = many.rows, method.response_class
    answer = _answer(method, rows) if rows.resource.soft else lambda _: empty()
    read = _removal_names(method, rows) if method.request_field("requests") is None else _removal_requests(method, rows)
    parent_of = text(method, "parent")

    def batch_delete(call: Call, request: Any) -> Message:
        removals, places = read(request)
        ids = [removal.ids for removal in removals]
        refuse_strangers(rows, parent_of(request), ids, places)
        refuse_twins(rows, list(zip(ids, places, strict=True)))
        kept = many.remove(call.session, removals, call.now_micros)
        return bounded(answer(kept), len(kept))

    return batch_delete


def check_size(items: Sequence[object], field: str, most: int) -> None:
    """Fault INVALID_FIELDS when there are none, or more than `most`."""
    if not items:
        raise invalid_fields([Violation(field, "must not be empty", "REQUIRED")])
    if len(items) > most:
        raise invalid_fields([Violation(field, f"must hold at most {most} items", "TOO_MANY")])


def refuse_strangers(rows: Rows, parent: str, found: Sequence[Ids], places: Sequence[str]) -> None:
    """Fault INVALID_FIELDS for names that do not lie below the parent of a batch, in which `-` stands for any id (AIP-159)."""
    if not parent:
        return
    above = rows.locate_parents(parent, "parent")
    violations = [
        Violation(place, f"must lie below the parent of the batch, {parent}", "PARENT_MISMATCH")
        for ids, place in zip(found, places, strict=True)
        if any(want not in {ANY, have} for want, have in zip(above, ids[:-1], strict=True))
    ]
    if violations:
        raise invalid_fields(violations)


def refuse_twins(rows: Rows, found: Sequence[tuple[Ids, str]]) -> None:
    """Two items of one batch with one name: a fault of the request, not a collision with stored rows."""
    seen: dict[Ids, str] = {}
    for ids, path in found:
        if ids in seen:
            problem = f"has the name {rows.pattern.format(ids)}, and so has {seen[ids]}"
            raise invalid_fields([Violation(path, problem, "DUPLICATE_IN_BATCH")])
        seen[ids] = path


@dataclass(frozen=True, slots=True)
class _Update:
    """One item of a BatchUpdate."""

    ids: Ids
    name_path: str
    change: Change
    creates: bool
    """Whether it is created if it is not there."""


def _update(call: Call, many: ManyRows, updates: Sequence[_Update]) -> dict[Ids, Message]:
    """Update what is there, create what is not and may be; by key."""
    rows, session = many.rows, call.session
    found = many.lock(session, [update.ids for update in updates])
    missing = [update for update in updates if update.creates and update.ids not in found]
    created: list[Message] = []
    while missing:
        try:
            created = rows.insert(session, [_creation(rows, update) for update in missing], call.now_micros)
            break
        except Fault as fault:
            late = many.lock(session, [update.ids for update in missing])
            if fault.reason != Reason.RESOURCE_EXISTS or not late:
                raise
            found |= late  # Somebody else was quicker: then these are updates.
            missing = [update for update in missing if update.ids not in found]
    new = {update.ids for update in missing}
    changes = [(update.ids, update.change) for update in updates if update.ids not in new]
    stored = many.change(session, found, changes, call.now_micros)
    return dict(zip([ids for ids, _ in changes], stored, strict=True)) | dict(zip([update.ids for update in missing], created, strict=True))


def _creation(rows: Rows, update: _Update) -> Item:
    rows.refuse_etag(update.change.given, update.ids)
    rows.take_id(str(update.ids[-1]), update.name_path)
    own = rows.resource.message_class()
    own.CopyFrom(update.change.given)
    return Item(update.ids, own, update.change.path, by=update.change.by)


def _update_reader(child: Field, rows: Rows, writer: Writer) -> Callable[[Call, Any, str], _Update]:
    """From an Update request inside a batch to what it asks for."""
    names = {field.name for field in child.fields}
    body, name = _body_of(child, rows), rows.resource.name_field.name
    has_mask, has_missing = "update_mask" in names, "allow_missing" in names

    def read(call: Call, request: Any, prefix: str) -> _Update:
        given = getattr(request, body)
        at = f"{prefix}{body}"
        ids = rows.locate(getattr(given, name), f"{at}.{name}")
        paths = request.update_mask.paths if has_mask else ()
        change = Change(given, _mask(paths, given, prefix), at, writer, call)
        return _Update(ids, f"{at}.{name}", change, has_missing and request.allow_missing)

    def _mask(paths: Sequence[str], given: Message, prefix: str) -> Mask:
        try:
            return compile_mask(paths, rows.resource, given)
        except Fault as fault:
            fault.move(lambda field: prefix + field)
            raise

    return read


def _removal_names(method: Method, rows: Rows) -> Callable[[Any], tuple[list[Removal], list[str]]]:
    lenient = flag(method, "allow_missing")

    def read(request: Any) -> tuple[list[Removal], list[str]]:
        check_size(request.names, "names", limits.BATCH_ITEMS_MAX)
        places = [f"names[{i}]" for i in range(len(request.names))]
        located = (rows.locate(name, place) for name, place in zip(request.names, places, strict=True))
        return [Removal(ids, "", lenient(request)) for ids in located], places

    return read


def _removal_requests(method: Method, rows: Rows) -> Callable[[Any], tuple[list[Removal], list[str]]]:
    child = _items_of(method)
    names = {field.name for field in child.fields}
    refuse_own = _item_guard(child)
    has_etag, has_missing, has_force = "etag" in names, "allow_missing" in names, "force" in names

    def read(request: Any) -> tuple[list[Removal], list[str]]:
        check_size(request.requests, "requests", limits.BATCH_ITEMS_MAX)
        refuse_own(request)
        places = [f"requests[{i}].name" for i in range(len(request.requests))]
        removals = [
            Removal(
                rows.locate(one.name, place),
                one.etag if has_etag else "",
                has_missing and one.allow_missing,
                force=has_force and one.force,
            )
            for one, place in zip(request.requests, places, strict=True)
        ]
        return removals, places

    return read


def _items_of(method: Method) -> Field:
    return next(field for field in method.request_fields if field.name == "requests")


def _body_of(child: Field, rows: Rows) -> str:
    return next(field.name for field in child.fields if field.message is rows.resource.message)


def _answer(method: Method, rows: Rows) -> Callable[[Sequence[Message]], Message]:
    """Makes the response of a batch: its one repeated field holds the resources."""
    response_class, listed = method.response_class, _listed(method, rows)

    def answer(resources: Sequence[Message]) -> Message:
        response = response_class()
        getattr(response, listed).extend(resources)
        return response

    return answer


def _listed(method: Method, rows: Rows) -> str:
    """The field of a batch's response that holds the resources."""
    return next(field.name for field in method.response.fields if field.message_type is rows.resource.message)


def _item_guard(child: Field) -> Callable[[Any], None]:
    """Items of a batch have one fate: a `validate_only` or `request_id` of their own would be a promise not kept."""
    own = [field.name for field in child.fields if field.name in {"validate_only", "request_id"}]

    def refuse_own(request: Any) -> None:
        for i, item in enumerate(request.requests) if own else ():
            for name in own:
                if getattr(item, name) and getattr(item, name) != getattr(request, name, None):
                    raise invalid_fields([Violation(f"requests[{i}].{name}", f"is for the whole batch: set {name} there", "NOT_FOR_ITEMS")])

    return refuse_own
