"""Rows of every shape: NULLs, Unicode, extremes, wildcards, quotes, emptiness; references that lead somewhere and such that do not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from google.protobuf import struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.door.museum.schema import Schema

STRINGS = (
    "",
    "a",
    "ab",
    "aB",
    "b",
    "a%b",
    "a_b",
    "a!b",
    "a*b",
    "a\\b",
    "a b",
    "ä😀",
    "a\nb",
    "ab ",
    "'",
    '"',
    "`",
    "%s",
    "?",
    "1",
    "e\u0301",
    "é",
)
INTS = (0, 1, -1, 7, 42)
DOUBLES = (0.0, 0.5, -1.5, 1e-9, 1e300, 9007199254740992.0)
MICROS = (0, -1, 1_714_564_800_000_000, 1_714_564_800_123_456, -62_135_596_800_000_000, 253_402_300_799_999_999)
SPANS = (0, 1_200_000, -3_000_000, 1, -1, 315_576_000_000_000_000)
BYTES = (b"", b"\x00\xff", b"a", b"ab")
POOLS: dict[int, Sequence[Any]] = {
    FieldDescriptor.TYPE_STRING: STRINGS,
    FieldDescriptor.TYPE_BYTES: BYTES,
    FieldDescriptor.TYPE_BOOL: (False, True),
    FieldDescriptor.TYPE_INT32: (*INTS, 2**31 - 1, -(2**31)),
    FieldDescriptor.TYPE_INT64: (*INTS, 2**63 - 1, -(2**63)),
    FieldDescriptor.TYPE_UINT32: (0, 1, 7, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 1, 7, 2**63 - 1),
    FieldDescriptor.TYPE_DOUBLE: DOUBLES,
    FieldDescriptor.TYPE_FLOAT: (0.0, 0.5, 0.10000000149011612, 16777216.0, -1.5),
}
POOLS |= {
    getattr(FieldDescriptor, f"TYPE_{other}"): POOLS[getattr(FieldDescriptor, f"TYPE_{one}")]
    for one, others in {"INT32": "SINT32 SFIXED32", "INT64": "SINT64 SFIXED64", "UINT32": "FIXED32", "UINT64": "FIXED64"}.items()
    for other in others.split()
}
UNSIGNED = frozenset({FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED32, FieldDescriptor.TYPE_FIXED64})
STRUCTS: Sequence[dict[str, Any]] = (
    {},
    {"a": 1, "b": {"c": "x", "d": None}},
    {"a": "1", "b": {"c": True}},
    {"a": True, "x y": "ä😀"},
    {"a": 1.5, "b": [1, {"c": 2}], "x y": ""},
    {"a": None, "b": {"c": -1e300}},
    {"a": "a%b ", "x y": {"z": 0}},
    {"a": [1, "1", True, None, "", -1e300, "a%b ", [1.5], {"x": 0}], "b": {"c": ["x", 1.5, "ä😀"]}},
    {"a": [], "b": [{"c": "x"}, {"c": [1, "a"]}, {"c": {"1": None}}, {"c": None, "d": 0}, "c", [{"c": True}]], "x y": [False]},
    {"a": {"1": 0, "x": 1, "true": 2, "": 3, "-a": 4, "a%b ": 5, '"': 6, "1.5": 7}, "b": {"c": {"a\\b": [], "ä😀": {}, "c": "1"}}},
    {"b": [{"c": [{"d": 1}, {"d": ["x"]}]}, {"c": {"d": "x"}}], "-a": 1, "x y": [{"z": [0]}, {"z": {"a*": 1}}]},
    {"a": {}, "b": {"c": [{"d": True}, {"d": {"a": 1}}, 1]}, "x y": {"z": [[0], "0"]}},
)
LISTS: Sequence[list[Any]] = (
    [],
    [1, "x"],
    [None],
    ["", True, [1.5], {"a": 1}],
    [{"a": ["x", 1]}, {"b": {"c": "1"}}],
    [{"b": [{"c": 0}, {"c": {"x": 1}}]}],
)


class Maker:
    """Makes messages, always the same ones of one seed."""

    def __init__(self, seed: int, schema: Schema) -> None:
        self.chosen, self.schema = random.Random(seed), schema
        self.count = 0

    def message(self, message: Any, depth: int = 0) -> Any:
        """Fill some fields, leaving others as they are."""
        descriptor: Descriptor = message.DESCRIPTOR
        taken: set[str] = set()
        self.count += not depth
        for field in descriptor.fields:
            oneof = field.containing_oneof
            needed = field.full_name in self.schema.serial and not field.has_presence
            if (
                field.full_name in self.schema.unfilled
                or (oneof is not None and oneof.name in taken)
                or (not needed and self.chosen.random() < (0.3 if field.has_presence else 0.15))
            ):
                continue
            if oneof is not None:
                taken.add(oneof.name)
            self.field(message, field, depth)
        return message

    def field(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        """Set one field."""
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self.map(value, field.message_type, depth)
        elif field.is_repeated:
            for _ in range(self.chosen.choice((0, 1, 2, 3))):
                if field.message_type is None:
                    value.append(self.scalar(field))
                else:
                    self.fill(value.add(), depth + 1)
        elif field.message_type is None:
            setattr(message, field.name, self.scalar(field))
        elif field.full_name in self.schema.values:  # What is in a wrapper.
            value.value = self.scalar(field)
        elif depth < 3:
            value.SetInParent()
            self.fill(value, depth + 1)

    def map(self, value: Any, entry: Descriptor, depth: int) -> None:
        """Give a map some keys."""
        key, inner = entry.fields_by_name["key"], entry.fields_by_name["value"]
        keys = {key.TYPE_STRING: ("a", "b", "x y"), key.TYPE_BOOL: (True, False)}.get(key.type, (1, -1, 42))
        if key.type in UNSIGNED:
            keys = (1, 7, 42)
        for name in self.chosen.sample(keys, self.chosen.choice((0, 1, 2))):
            if inner.message_type is None:
                value[name] = self.scalar(inner)
            else:
                self.fill(value[name], depth + 1)

    def fill(self, value: Any, depth: int) -> None:
        """Fill a message of any type."""
        match value.DESCRIPTOR.full_name:
            case "google.protobuf.Timestamp":
                value.FromMicroseconds(self.chosen.choice(MICROS))
            case "google.protobuf.Duration":
                value.FromMicroseconds(self.chosen.choice(SPANS))
            case "google.protobuf.Struct":
                value.update(self.chosen.choice(STRUCTS))
            case "google.protobuf.Value":
                made = struct_pb2.Struct()
                made.update({"v": self.chosen.choice((1, "x", "", True, None, *STRUCTS, *LISTS))})
                value.ParseFromString(made.fields["v"].SerializeToString())
            case "google.protobuf.ListValue":
                value.extend(self.chosen.choice(LISTS))
            case name if name.startswith("google.protobuf."):
                value.value = self.scalar(value.DESCRIPTOR.fields_by_name["value"])
            case _:
                self.message(value, depth)

    def scalar(self, field: FieldDescriptor) -> Any:
        """A value for a field that is no message."""
        if field.full_name in self.schema.serial:
            return f"s{self.count}" if field.type == field.TYPE_STRING else self.count
        if field.full_name in self.schema.values:
            return self.chosen.choice(self.schema.values[field.full_name])
        return self.chosen.choice([v.number for v in field.enum_type.values] if field.enum_type else POOLS[field.type])
