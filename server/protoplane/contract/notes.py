"""What a contract leaves out of the AIPs: nothing that keeps it from being served, and something that its callers will miss."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final

from protoplane.contract.casing import snake
from protoplane.contract.model import Access, Behavior, Contract, IdSource, Method, MethodKind, Place, Resource, Role
from protoplane.contract.names import DEFAULT_ID_PATTERN

NOTES: Final = {
    121: "A resource that cannot be read by its name, or not be listed.",
    122: "Ids of another form than the AIP's.",
    132: "A List that cannot be sorted.",
    133: "A Create that takes no id; a parent that is not stored here, so that nothing says whether it exists.",
    134: "An Update that cannot create what is missing, or must be given a mask.",
    135: "A Delete that fails when it is made again, or cannot take along what stands below.",
    136: "A custom method whose request, response or HTTP path is not called after it.",
    148: "A resource that does not tell when it was made or changed.",
    154: "A resource without an etag, or with one that nobody can send; a Delete that takes none: who writes last wins.",
    155: "A write without a request_id: made again, it takes effect again.",
    158: "A List that does not say how many there are.",
    160: "A List that cannot be filtered.",
    163: "A write that cannot be rehearsed.",
    164: "Deleted resources that are kept, and can neither be listed nor had back.",
    211: "A method that asks for no permission.",
    231: "A batch that is not told below which parent its resources must lie.",
}
"""What each AIP is missed for, by its number."""

_OPERATION: Final = "google.longrunning.Operation"
_VARIABLE: Final = re.compile(r"\{([^=}]+)")
_BATCHES: Final = frozenset({MethodKind.BATCH_GET, MethodKind.BATCH_CREATE, MethodKind.BATCH_UPDATE, MethodKind.BATCH_DELETE})


@dataclass(frozen=True, slots=True)
class Note:
    """One behaviour that is left out, and the AIP that asks for it."""

    place: Place
    aip: int
    text: str

    def __str__(self) -> str:
        return f"{self.place}: note: {self.text} [AIP-{self.aip}]"


def notes(contract: Contract) -> tuple[Note, ...]:
    """Everything that a contract leaves out, by file and line."""
    found = [note for resource in contract.resources.values() for note in _of_resource(resource, contract)]
    children = (resource for resource in contract.resources.values() if resource.parent and not resource.pattern.singleton)
    parents = {contract.resources[child.parent].type for child in children}
    found += [note for method in contract.own_methods for note in _of_method(method, parents)]
    return tuple(sorted(dict.fromkeys(found), key=lambda note: (note.place.file, note.place.line, note.aip, note.text)))


def _of_resource(resource: Resource, contract: Contract) -> Iterator[Note]:
    name, place = resource.message.name, resource.place
    roles = {field.role for field in resource.fields}
    kinds = {method.kind for method in contract.methods.values() if method.resource is not None and method.resource.type == resource.type}
    etag = resource.with_role(Role.ETAG)
    if etag is None:
        yield Note(place, 154, f"{name} has no `etag`: of two who change it, the last one wins unseen")
    elif etag.has(Behavior.OUTPUT_ONLY):
        yield Note(place, 154, f"the `etag` of {name} is OUTPUT_ONLY: what is sent in it counts for nothing, and the last one wins unseen")
    for role in (Role.CREATE_TIME, Role.UPDATE_TIME):
        if role not in roles:
            yield Note(place, 148, f"{name} has no `{role}`")
    if len(resource.pattern.collections) > 1 and not resource.parent:
        yield Note(place, 133, f"the parent of {name} is not stored here: whether it exists is not checked")
    if resource.id.pattern != DEFAULT_ID_PATTERN:
        yield Note(place, 122, f"ids of {name} have a form of their own: {resource.id.pattern}")
    for kind, aip, lack in _expected(resource):
        if kind not in kinds:
            yield Note(place, aip, f"{name} has no standard {kind.value.capitalize()} method: it cannot be {lack}")


def _expected(resource: Resource) -> Iterator[tuple[MethodKind, int, str]]:
    """The methods without which something of a resource is out of reach: each with the AIP that has it, and what that is."""
    yield MethodKind.GET, 121, "read by its name"
    if not resource.pattern.singleton:
        yield MethodKind.LIST, 121, "listed"
    if resource.soft:
        yield MethodKind.UNDELETE, 164, "had back when it is deleted"


def _of_method(method: Method, parents: Container[str]) -> Iterator[Note]:
    """`parents` are the types of resources with something below them."""
    name, place = method.name, method.place
    asks_nothing = method.rule.access in {Access.PUBLIC, Access.AUTHENTICATED}
    if asks_nothing and method.kind is not MethodKind.COMMIT:  # That one asks for the permissions of its writes.
        who = "anyone" if method.rule.access is Access.PUBLIC else "whoever has credentials"
        yield Note(place, 211, f"{name} asks for no permission: {who} may call it")
    fields = {field.name for field in method.request_fields}
    mask = method.request_field("update_mask") if method.kind is MethodKind.UPDATE else None
    if mask is not None and mask.has(Behavior.REQUIRED):
        yield Note(place, 134, f"{name} asks for an `update_mask` each time: callers cannot send what they want changed, and no more")
    for field, aip, text in _wanted(method, parents):
        if field not in fields:
            yield Note(place, aip, f"{name} has no `{field}`: {text}")
    if method.kind is MethodKind.LIST and "total_size" not in {field.name for field in method.response_fields}:
        yield Note(place, 158, f"{name} answers without `total_size`: callers are not told how many there are")
    if method.kind is MethodKind.BATCH_DELETE and "names" in fields:
        yield Note(place, 154, f"{name} takes names, without etags: what somebody has changed meanwhile is deleted too")
    if method.kind is MethodKind.CUSTOM:
        yield from _of_custom(method)


def _wanted(method: Method, parents: Container[str]) -> Iterator[tuple[str, int, str]]:
    """The fields that a request may leave out: each with the AIP that has it, and what there is not without it."""
    kind, resource = method.kind, method.resource
    if not method.reads:
        yield "request_id", 155, "a call made again takes effect again"
        yield "validate_only", 163, "it cannot be rehearsed"
    if kind is MethodKind.LIST:
        yield "filter", 160, "it gives all there are"
        yield "order_by", 132, "callers cannot sort"
        if resource is not None and resource.soft:
            yield "show_deleted", 164, "deleted ones that are kept cannot be listed"
    if kind is MethodKind.CREATE and resource is not None and resource.id.source is not IdSource.CLIENT:
        yield f"{snake(resource.singular)}_id", 133, "callers cannot choose the id"
    if kind is MethodKind.UPDATE and not (resource is not None and resource.pattern.singleton):
        yield "allow_missing", 134, "it cannot create what is not there"
    if kind is MethodKind.DELETE:
        yield "allow_missing", 135, "made again, it fails"
        yield "etag", 154, "what somebody has changed meanwhile is deleted too"
        if resource is not None and resource.type in parents:
            yield "force", 135, "what stands below must be deleted before, one by one"
    if kind in _BATCHES and resource is not None and len(resource.pattern.variables) > 1:
        yield "parent", 231, "nothing says below which parent its resources must lie"


def _of_custom(method: Method) -> Iterator[Note]:
    """The names that AIP-136 gives to what belongs to a custom method."""
    name, place, response = method.name, method.place, method.response
    if method.request.name != f"{name}Request":
        yield Note(place, 136, f"{name} takes a {method.request.name}, not a {name}Request")
    resource = method.resource.message.full_name if method.resource is not None else ""
    if response.name != f"{name}Response" and response.full_name not in {resource, _OPERATION}:
        yield Note(place, 136, f"{name} returns a {response.full_name}, neither a {name}Response nor the resource it is about")
    for binding in method.http:
        strange = [variable for variable in _VARIABLE.findall(binding.path) if variable not in {"name", "parent"}]
        if strange:
            yield Note(place, 136, f"the HTTP path of {name} has variables besides `name` and `parent`: {', '.join(strange)}")
        if ":" not in binding.path.rpartition("/")[2].rpartition("}")[2]:
            yield Note(place, 136, f"the HTTP path of {name} does not end with a verb: {binding.path}")
        if binding.verb not in {"get", "post"}:
            yield Note(place, 136, f"{name} is HTTP {binding.verb.upper()}; custom methods are GET or POST")
