"""What the requests and responses of standard methods look like (AIP-131 to 135, 231 to 235), and what is off about a given one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from protoplane.contract.casing import snake, upper_camel
from protoplane.contract.model import IdSource, MethodKind, Place, Resource
from protoplane.contract.pool import Places


@dataclass(frozen=True, slots=True)
class Oddity:
    """How a method differs from the standard one. Without `fatal` it could still be compiled, but would not heed a field."""

    place: Place
    problem: str
    mend: str
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class _Slot:
    """A field of a standard request or response: what it must be, in words and as a test, and whether it must be there."""

    words: str
    fits: Callable[[FieldDescriptor], bool]
    needed: bool = False


def _scalar(words: str, number: int) -> _Slot:
    return _Slot(words, lambda field: field.type == number and not field.is_repeated)


_STRING: Final = _scalar("string", FieldDescriptor.TYPE_STRING)
_BOOL: Final = _scalar("bool", FieldDescriptor.TYPE_BOOL)
_INT32: Final = _scalar("int32", FieldDescriptor.TYPE_INT32)
_STRINGS: Final = _Slot("repeated string", lambda field: field.type == FieldDescriptor.TYPE_STRING and field.is_repeated)


def _needed(slot: _Slot) -> _Slot:
    return _Slot(slot.words, slot.fits, needed=True)


def _message(full_name: str, words: str) -> _Slot:
    return _Slot(
        words,
        lambda field: field.message_type is not None and field.message_type.full_name == full_name and not field.is_repeated,
        needed=True,
    )


_MASK: Final = _Slot(
    "google.protobuf.FieldMask",
    lambda field: field.message_type is not None and field.message_type.full_name == "google.protobuf.FieldMask" and not field.is_repeated,
)
_VIEW: Final = _Slot("an enum", lambda field: field.enum_type is not None and not field.is_repeated)
_SHOWN: Final[Mapping[str, _Slot]] = {"read_mask": _MASK, "view": _VIEW}
"""What of a resource an answer holds (AIP-157)."""


def _repeated(full_name: str, words: str) -> _Slot:
    return _Slot(
        f"repeated {words}",
        lambda field: field.message_type is not None and field.message_type.full_name == full_name and field.is_repeated,
        needed=True,
    )


_WRITE: Final[Mapping[str, _Slot]] = {"request_id": _STRING, "validate_only": _BOOL}
_EMPTY: Final = "google.protobuf.Empty"
GROUP: Final = "protoplane.v1.AggregateGroup"
"""What an Aggregate method answers with, once for each group."""

LISTING: Final = frozenset({MethodKind.LIST, MethodKind.BATCH_GET, MethodKind.BATCH_CREATE, MethodKind.BATCH_UPDATE, MethodKind.AGGREGATE})
"""Kinds whose response holds rows, or groups of them."""


def noun(kind: MethodKind, resource: Resource) -> str:
    """Name of the standard method of a kind for a resource: `GetBook`, `ListBooks`, `BatchCreateBooks`."""
    one, many = upper_camel(resource.singular), upper_camel(resource.plural)
    return {
        MethodKind.GET: f"Get{one}",
        MethodKind.LIST: f"List{many}",
        MethodKind.CREATE: f"Create{one}",
        MethodKind.BATCH_GET: f"BatchGet{many}",
        MethodKind.BATCH_CREATE: f"BatchCreate{many}",
        MethodKind.BATCH_UPDATE: f"BatchUpdate{many}",
        MethodKind.BATCH_DELETE: f"BatchDelete{many}",
        MethodKind.UPDATE: f"Update{one}",
        MethodKind.DELETE: f"Delete{one}",
        MethodKind.UNDELETE: f"Undelete{one}",
        MethodKind.AGGREGATE: f"Aggregate{many}",
    }.get(kind, "")


COMMIT_REQUEST: Final = "protoplane.commit.v1.CommitRequest"
COMMIT_RESPONSE: Final = "protoplane.commit.v1.CommitResponse"


def is_commit(method: MethodDescriptor) -> bool:
    """Whether a method is known by its request to be the Commit of its service."""
    return method.input_type.full_name == COMMIT_REQUEST


def commit_oddities(method: MethodDescriptor, places: Places) -> Iterator[Oddity]:
    """In what a Commit is none."""
    if method.output_type.full_name != COMMIT_RESPONSE:
        problem = f"{method.name} takes a {COMMIT_REQUEST} and returns {method.output_type.full_name}"
        yield Oddity(places.method(method), problem, f"return {COMMIT_RESPONSE}, or implement the method in Python")


def oddities(kind: MethodKind, resource: Resource, method: MethodDescriptor, places: Places) -> tuple[Oddity, ...]:
    """Everything in which a method with a standard name is not the standard one."""
    if resource.pattern.singleton and kind not in {MethodKind.GET, MethodKind.UPDATE}:
        problem = (
            f"{resource.message.name} is a singleton (AIP-156): it is there as long as its parent is, and {method.name} has nothing to do"
        )
        mend = "take the method away, implement it in Python, or give the pattern a {variable} at its end"
        return (Oddity(places.method(method), problem, mend),)
    request = _slot_oddities(_request_slots(kind, resource, method), method, method.input_type, places)
    return (*request, *_response_oddities(kind, resource, method, places))


def _request_slots(  # noqa: C901, PLR0911, PLR0912 - one return a kind reads as the table it is.
    kind: MethodKind, resource: Resource, method: MethodDescriptor
) -> Mapping[str, _Slot]:
    word = snake(resource.singular)
    parent = {"parent": _needed(_STRING)} if len(resource.pattern.variables) > 1 else {}
    body = {word: _message(resource.message.full_name, resource.message.name)}
    deleted = {"show_deleted": _BOOL} if resource.soft else {}
    match kind:
        case MethodKind.GET:
            return {"name": _needed(_STRING), **_SHOWN}
        case MethodKind.LIST:
            pages = {"page_size": _needed(_INT32), "page_token": _needed(_STRING)}
            whole = {"return_partial_success": _BOOL}  # AIP-217: every answer is whole, whether less would do or not.
            return {**parent, **pages, "filter": _STRING, "order_by": _STRING, "skip": _INT32, **deleted, **_SHOWN, **whole}
        case MethodKind.CREATE:
            last_id = {
                IdSource.EITHER: {f"{word}_id": _STRING},
                IdSource.CLIENT: {f"{word}_id": _needed(_STRING)},
                IdSource.SERVER: {},
            }[resource.id.source]
            return {**parent, **last_id, **body, **_WRITE}
        case MethodKind.BATCH_GET:
            return {**_optional(parent), "names": _needed(_STRINGS), **_SHOWN}
        case MethodKind.BATCH_CREATE:
            return {**parent, "requests": _requests("Create", resource, method), **_WRITE}
        case MethodKind.BATCH_UPDATE:
            return {**_optional(parent), "requests": _requests("Update", resource, method), **_WRITE}
        case MethodKind.BATCH_DELETE:
            if "requests" in method.input_type.fields_by_name:
                return {**_optional(parent), "requests": _requests("Delete", resource, method), **_WRITE}
            return {**_optional(parent), "names": _needed(_STRINGS), "allow_missing": _BOOL, **_WRITE}
        case MethodKind.UPDATE:
            mask = _message("google.protobuf.FieldMask", "google.protobuf.FieldMask")
            missing = {} if resource.pattern.singleton else {"allow_missing": _BOOL}
            return {**body, "update_mask": mask, **missing, **_WRITE}
        case MethodKind.DELETE:
            return {"name": _needed(_STRING), "etag": _STRING, "allow_missing": _BOOL, "force": _BOOL, **_WRITE}
        case MethodKind.UNDELETE:
            return {"name": _needed(_STRING), "etag": _STRING, **_WRITE}
        case MethodKind.AGGREGATE:
            pages = {"page_size": _needed(_INT32), "page_token": _needed(_STRING)}
            return {
                **parent,
                **pages,
                "filter": _STRING,
                "group_by": _STRINGS,
                "aggregates": _STRINGS,
                "having": _STRING,
                "order_by": _STRING,
                **deleted,
            }
        case MethodKind.COMMIT | MethodKind.CUSTOM:
            return {}


def _optional(slots: Mapping[str, _Slot]) -> dict[str, _Slot]:
    return {name: _Slot(slot.words, slot.fits) for name, slot in slots.items()}


def _requests(verb: str, resource: Resource, method: MethodDescriptor) -> _Slot:
    """The items of a batch: requests of the same package for one resource each."""
    item = f"{verb}{upper_camel(resource.singular)}Request"
    return _repeated(method.input_type.full_name.removesuffix(method.input_type.name) + item, item)


def _response_oddities(kind: MethodKind, resource: Resource, method: MethodDescriptor, places: Places) -> Iterator[Oddity]:
    response = method.output_type
    if kind in LISTING or (kind is MethodKind.BATCH_DELETE and resource.soft):
        yield from _rows_oddities(kind, resource, method, places)
        return
    if kind is MethodKind.UNDELETE and not resource.soft:
        problem = f"{method.name} is there and {resource.message.name} has no `delete_time`: a deleted one is gone for good"
        yield Oddity(
            places.method(method), problem, "declare `google.protobuf.Timestamp delete_time` as OUTPUT_ONLY, or take the method away"
        )
    wanted = _EMPTY if kind in {MethodKind.DELETE, MethodKind.BATCH_DELETE} and not resource.soft else resource.message.full_name
    if response.full_name != wanted:
        problem = f"{method.name} returns {response.full_name}; the standard method returns {wanted}"
        mend = f"return {wanted}, or implement the method in Python"
        if kind in {MethodKind.DELETE, MethodKind.BATCH_DELETE}:  # What it returns says what a delete is (AIP-135, AIP-164).
            problem += ", because the resource has a `delete_time`" if resource.soft else ""
            mend += (
                "; take `delete_time` away to delete for good" if resource.soft else "; with a `delete_time` it would return the resource"
            )
        yield Oddity(places.method(method), problem, mend)


def _rows_oddities(kind: MethodKind, resource: Resource, method: MethodDescriptor, places: Places) -> Iterator[Oddity]:
    """What is off about a response that holds rows: they stand in its one repeated field, whatever that is called."""
    groups = kind is MethodKind.AGGREGATE
    response = method.output_type
    wanted = _repeated(GROUP, GROUP) if groups else _repeated(resource.message.full_name, resource.message.name)
    rows = [field for field in response.fields if wanted.fits(field)]
    # AIP-217: always empty, because everything lies in one database.
    beside = {"unreachable": _STRINGS} if kind is MethodKind.LIST else {}
    repeated = [field for field in response.fields if field.is_repeated and field.name not in beside]
    if len(rows) != 1 or len(repeated) != 1:
        has = ", ".join(f"`{field.name}`" for field in repeated) or "none"
        of, rows_name = (GROUP, "groups") if groups else (resource.message.name, snake(resource.plural))
        problem = f"{response.name} must have one repeated field, of {of}, and no other; it has {has}"
        yield Oddity(places.message(response), problem, f"keep `{wanted.words} {rows_name} = 1;` alone")
    slots = {field.name: _Slot(wanted.words, lambda _: True) for field in repeated}
    if kind is MethodKind.LIST:
        slots |= {"next_page_token": _needed(_STRING), "total_size": _INT32, **beside}
    elif groups:
        slots |= {"next_page_token": _needed(_STRING)}
    yield from _slot_oddities(slots, method, response, places)


def _slot_oddities(slots: Mapping[str, _Slot], method: MethodDescriptor, message: Descriptor, places: Places) -> Iterator[Oddity]:
    """Fields that are missing, of another type, or not understood."""
    fields = message.fields_by_name
    for name, slot in slots.items():
        if slot.needed and name not in fields:
            problem = f"{message.name} has no field `{name}`, which the standard {method.name} needs"
            yield Oddity(places.message(message), problem, f"add `{slot.words} {name}`, or implement the method in Python")
        elif name in fields and not slot.fits(fields[name]):
            problem = f"`{name}` of {message.name} is not {slot.words}"
            yield Oddity(places.field(fields[name]), problem, f"declare `{slot.words} {name}`, or implement the method in Python")
    for field in message.fields:
        if field.name not in slots:
            problem = f"the standard {method.name} does not understand `{field.name}`; it understands {', '.join(slots) or 'no fields'}"
            yield Oddity(places.field(field), problem, "take the field away, or implement the method in Python", fatal=False)
