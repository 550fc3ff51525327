"""Mass assignment: into every field of every resource a caller writes a canary, by every way there is, and reads it back.

What the contract lets callers write comes back as it was given; what it does not, never does (the rule: such fields are ignored,
only an IMMUTABLE one that would change is refused).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask

from protoplane.contract.load import load
from protoplane.contract.model import Behavior, Field, Kind, Label
from tests.door.client import Door, Refused
from tests.door.conftest import HERE, specimens, stubs
from tests.door.test_types import values

CANARY = "canary"
MOMENT = 1_000_000_000
_numbers = itertools.count(1)
BY_SERVICE = {"name", "etag", "create_time", "update_time"}


@dataclass(frozen=True)
class Target:
    """A field of a resource, by the names that lead to it."""

    resource: str
    field: Field

    @property
    def names(self) -> tuple[str, ...]:
        """From the resource to the field."""
        return tuple(self.field.path.split("."))

    def __str__(self) -> str:
        return f"{self.resource}.{self.field.path}"


def targets() -> Iterator[Target]:
    """Every field of every resource; of singular messages those inside them."""
    contract = load([HERE / "protos"], implemented={"/library.v1.Library/WhoAmI", "/library.v1.Library/Ping"}).contract
    assert contract is not None
    for resource in contract.resources.values():
        waiting = list(resource.fields)
        while waiting:
            field = waiting.pop(0)
            if field.kind is Kind.MESSAGE and field.label is Label.SINGULAR:
                waiting += field.fields
            else:
                yield Target(resource.message.name, field)


TARGETS = list(targets())


CREATES = [(target, way) for target in TARGETS for way in ("create", "batch") if way == "create" or target.resource == "Book"]
UPDATES = [(target, mask) for target in TARGETS for mask in dict.fromkeys(("", "*", target.field.path, target.names[0]))]
"""Without a mask, with that of everything, of the field, and of the message around it."""


def closed(field: Field) -> bool:
    """Whether callers may not write it at all."""
    return field.path in BY_SERVICE or bool(field.behaviors & {Behavior.OUTPUT_ONLY, Behavior.IDENTIFIER})


def put(message: Any, names: tuple[str, ...]) -> Any:
    """Write the canary; gives what was written."""
    *around, last = names
    for name in around:
        message = getattr(message, name)
        if "given_name" in message.DESCRIPTOR.fields_by_name:
            message.given_name = "Jane"  # Without it there is no author.
    found: FieldDescriptor = message.DESCRIPTOR.fields_by_name[last]
    known = values().get(last) if message.DESCRIPTOR is specimens.Specimen.DESCRIPTOR else None
    if known is not None:
        message.MergeFrom(type(message)(**{last: next(value for value in reversed(known) if value or found.has_presence)}))
    elif found.message_type is None and not found.is_repeated:
        setattr(message, last, scalar(found))
    else:
        message.MergeFrom(type(message)(**{last: composed(found)}))
    return getattr(message, last)


def scalar(found: FieldDescriptor) -> Any:
    """A value of its type, another one each time where it is text."""
    match found.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            text = REFERENCES.get(found.name, f"{CANARY}-{next(_numbers)}")
            return text.encode() if found.type == FieldDescriptor.TYPE_BYTES else text
        case FieldDescriptor.CPPTYPE_BOOL:
            return True
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return 3.5
        case _:
            return 1


REFERENCES = {
    "name": "publishers/forged",
    "first_publisher": "publishers/forged",
    "co_publisher": "publishers/forged",
    "sequel_of": "publishers/forged/books/forged",
}
"""What stands for a canary where a name is wanted."""


def composed(found: FieldDescriptor) -> Any:
    inside: Descriptor | None = found.message_type
    if inside is not None and inside.GetOptions().map_entry:
        return {CANARY: scalar(inside.fields_by_name["value"])}
    if inside is None:
        return [scalar(found)]
    if inside.full_name in {"google.protobuf.Timestamp", "google.protobuf.Duration"}:
        return {"seconds": MOMENT}
    made = {field.name: scalar(field) for field in inside.fields if field.message_type is None}
    return [made] if found.is_repeated else made


@dataclass
class Desk:
    """The standard methods of one resource, whatever it is called."""

    door: Door
    module: Any
    resource: str
    parent: str

    def message(self, **fields: Any) -> Any:
        """A resource that could be stored."""
        needed = {"Book": {"title": "Emma"}, "Publisher": {"display_name": "Penguin"}}.get(self.resource, {})
        return getattr(self.module, self.resource)(**{**needed, **fields})

    def create(self, message: Any) -> Any:
        """As a caller."""
        parent = {"parent": self.parent} if self.resource == "Book" else {}
        return getattr(self.door, f"Create{self.resource}")(**parent, **{self.resource.lower(): message})

    def batch(self, message: Any) -> Any:
        """As the only one of a batch; there are batches of books."""
        return self.door.BatchCreateBooks(parent=self.parent, requests=[{"book": message}]).books[0]

    def update(self, message: Any, *paths: str) -> Any:
        """By a mask, or by none."""
        return getattr(self.door, f"Update{self.resource}")(
            **{self.resource.lower(): message}, **({"update_mask": FieldMask(paths=paths)} if paths else {})
        )

    def get(self, name: str) -> Any:
        """All of it."""
        return getattr(self.door, f"Get{self.resource}")(name=name)


def read(message: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        message = getattr(message, name)
    return message


@pytest.mark.parametrize(("target", "way"), CREATES, ids=str)
def test_b01_what_callers_may_not_write_is_ignored_on_create_and_all_else_comes_back(
    door: Door, publisher: str, target: Target, way: str
) -> None:
    desk = desk_of(door, publisher, target)
    given = desk.message()
    canary = put(given, target.names)
    judge(desk, target, getattr(desk, way)(given), canary)


@pytest.mark.parametrize(("target", "mask"), UPDATES, ids=str)
def test_b01_what_callers_may_not_write_is_ignored_on_update_and_all_else_comes_back(
    door: Door, publisher: str, target: Target, mask: str
) -> None:
    """A name says which resource is meant and an etag which version; both must be right. IMMUTABLE is refused."""
    desk = desk_of(door, publisher, target)
    made = desk.create(desk.message())
    given = desk.message(name=made.name)
    canary = put(given, target.names)
    try:
        answer, refusal = desk.update(given, *([mask] if mask else [])), None
    except Refused as found:
        answer, refusal = None, found
    if refusal is not None:
        codes = {"name": {"NOT_FOUND", "INVALID_ARGUMENT"}, "etag": {"ABORTED"}}.get(target.field.path, {"INVALID_ARGUMENT"})
        assert refusal.code in codes
        assert target.field.path in {"name", "etag"} or target.field.has(Behavior.IMMUTABLE)
        assert desk.get(made.name) == made
    else:
        assert target.field.path not in {"name", "etag"}
        judge(desk, target, answer, canary)


def desk_of(door: Door, publisher: str, target: Target) -> Desk:
    return Desk(door, specimens if target.resource == "Specimen" else stubs, target.resource, publisher)


def judge(desk: Desk, target: Target, answer: Any, canary: Any) -> None:
    """The canary is there, or it is not; the same when it is read again."""
    stored = desk.get(answer.name)
    assert stored == answer
    found = read(stored, target.names)
    if target.field.has(Behavior.INPUT_ONLY):
        assert not found, "it is taken, and never shown"
    elif closed(target.field):
        assert found != canary
    else:
        assert found == canary
