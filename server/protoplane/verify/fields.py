"""Which fields of a resource a check can work with."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from protoplane.verify.check import Scene
from protoplane.verify.data import SET_BY_SERVER
from protoplane.verify.exchange import Message
from protoplane.verify.values import FLOATS, INTEGERS, NoValueError, lengths, rule, rules_of
from protoplane.verify.verdict import NotApplicable, skip
from protoplane.verify.world import setting

TEXT: Final = FieldDescriptor.CPPTYPE_STRING
ODD: Final = 918_273
"""A number, and seconds since 1970, that no server would have chosen."""
FREE_CHARACTERS: Final = 16
"""A text field that holds so many can hold any word that is needed here."""
NUMBERS: Final = INTEGERS | FLOATS


def changeable(scene: Scene, *, references: bool = False) -> Iterator[FieldDescriptor]:
    """Fields that may be updated and were not refused so far."""
    for each, facts in scene.world.maker.settable(scene.kind.message):
        learned = scene.world.learned(scene.kind)
        plain = references or not facts.reference
        if plain and not facts.behaviours & {"IMMUTABLE", "INPUT_ONLY"} and each.name not in learned.left_out:
            yield each


def scalars_of(scene: Scene, *types: int) -> list[FieldDescriptor]:
    """Those of them that hold one text or number of these C++ types, free texts first; none that belong to a oneof of several."""
    found = [
        each
        for each in changeable(scene)
        if each.cpp_type in types and each.type != FieldDescriptor.TYPE_BYTES and not each.is_repeated and not _chosen(each)
    ]
    return sorted(found, key=lambda each: _narrow(scene, each))


def _chosen(each: FieldDescriptor) -> bool:
    return each.containing_oneof is not None and len(each.containing_oneof.fields) > 1


def _narrow(scene: Scene, each: FieldDescriptor) -> bool:
    rules = rules_of(scene.world.annotations.field(each))
    return any(rule(rules, name) is not None for name in ("pattern", "in", "const")) or lengths(rules)[1] < FREE_CHARACTERS


def free_text(scene: Scene) -> FieldDescriptor:
    """A field that may hold any text of some length, and that values can be told apart in."""
    found = [each for each in scalars_of(scene, TEXT) if not _narrow(scene, each) and not scene.world.annotations.field(each).format]
    return found[0] if found else skip(f"{scene.kind.title} has no field for a free text")


def two_values(scene: Scene, besides: str = "") -> tuple[FieldDescriptor, Any, Any]:
    """A field that can be changed, and two valid values of it."""
    for each in scalars_of(scene, TEXT, *NUMBERS):
        if each.name == besides:
            continue
        if not scene.world.proven(scene.kind, each.name, partial(_prove, scene, each)):
            continue
        values = scene.world.maker.sorted_values(each, 2)  # New texts: a unique one may still be held by what was deleted.
        if values:
            return each, values[0], values[1]
    return skip(f"{scene.kind.title} has no {'other ' if besides else ''}text or number that can be changed to another value")


def _prove(scene: Scene, each: FieldDescriptor) -> bool:
    """Whether the server takes the values that are made for a field: it may have rules that nothing tells of."""
    scene.world.usable(scene.kind)
    try:
        values = scene.world.maker.sorted_values(each, 2)
        for value in values or ():
            scene.new(setting(each.name, value))
    except (NoValueError, NotApplicable):
        return False
    return bool(values)


def outputs(scene: Scene) -> list[FieldDescriptor]:
    """Fields that are the server's to fill."""
    return [
        each
        for each in scene.kind.message.fields
        if "OUTPUT_ONLY" in scene.world.annotations.field(each).behaviours and each.name != scene.kind.name_field
    ]


def with_behaviour(scene: Scene, behaviour: str) -> list[FieldDescriptor]:
    """Fields that carry an annotation, but for the name."""
    return [
        each
        for each in scene.kind.message.fields
        if behaviour in scene.world.annotations.field(each).behaviours and each.name != scene.kind.name_field
    ]


def required(scene: Scene) -> list[FieldDescriptor]:
    """Fields that must be filled, but for truth values: of them false is a value that people mean."""
    return [
        each
        for each, facts in scene.world.maker.settable(scene.kind.message)
        if "REQUIRED" in facts.behaviours and each.cpp_type != FieldDescriptor.CPPTYPE_BOOL
    ]


def odd_value(each: FieldDescriptor) -> Any:
    """A value that no server would have chosen; None where there is none to tell."""
    if each.is_repeated or each.message_type is not None:
        return None
    if each.cpp_type == TEXT:
        return b"verify-odd" if each.type == FieldDescriptor.TYPE_BYTES else "verify-odd"
    if each.cpp_type in NUMBERS:
        return ODD
    return None


def set_odd(message: Message, each: FieldDescriptor) -> bool:
    """Put an odd value into a field; False where there is none."""
    if each.message_type is not None and each.message_type.full_name == "google.protobuf.Timestamp" and not each.is_repeated:
        getattr(message, each.name).seconds = ODD
        return True
    value = odd_value(each)
    if value is None:
        return False
    setattr(message, each.name, value)
    return True


def is_odd(message: Message, each: FieldDescriptor) -> bool:
    """Whether the odd value is there."""
    if each.message_type is not None:
        return bool(getattr(message, each.name).seconds == ODD)
    return bool(getattr(message, each.name) == odd_value(each))


def same(one: Message, other: Message, *, but: frozenset[str] = frozenset()) -> str:
    """The first field in which two messages differ, "" when there is none."""
    for each in one.DESCRIPTOR.fields:
        if each.name not in but and _value(one, each) != _value(other, each):
            return str(each.name)
    return ""


def _value(message: Message, each: FieldDescriptor) -> Any:
    """As it can be compared: maps and lists by content, messages with whether they are there."""
    value = getattr(message, each.name)
    if each.is_repeated:
        entries = each.message_type is not None and each.message_type.GetOptions().map_entry
        return {key: value[key] for key in value} if entries else list(value)
    return (message.HasField(each.name) if each.has_presence else None, value)


CHANGING: Final = frozenset({*SET_BY_SERVER, "etag", "update_time"})
"""Fields that an update may change besides those of its mask."""
