"""Rows of every shape: NULLs, Unicode, extremes, wildcards, quotes, emptiness; references that lead somewhere and such that do not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.door.client import Door
from tests.door.museum import pb

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
COUNTRIES, ARTISTS, HALLS, EXHIBITS = 6, 8, 2, 90
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
NAMES = {
    "artist": ("", *(f"artists/a{n}" for n in range(ARTISTS)), "artists/gone"),
    "teacher": ("", *(f"artists/a{n}" for n in range(ARTISTS)), "artists/gone"),
    "copy_of": ("", *(f"halls/h0/exhibits/e{n}" for n in range(0, EXHIBITS, 9)), "halls/h1/exhibits/e0", "halls/h0/exhibits/gone"),
    "sponsor": ("", "sponsors/s"),
    **dict.fromkeys(("home", "lender", "country"), ("", *(f"countries/c{n}" for n in range(COUNTRIES)), "countries/gone")),
}
STRUCTS: Sequence[dict[str, Any]] = (
    {},
    {"a": 1, "b": {"c": "x", "d": None}},
    {"a": "1", "b": {"c": True}},
    {"a": True, "x y": "ä😀"},
    {"a": 1.5, "b": [1, {"c": 2}], "x y": ""},
    {"a": None, "b": {"c": -1e300}},
    {"a": "a%b ", "x y": {"z": 0}},
)
UNFILLED = frozenset({"name", "etag", "password", "draft", "vault", "any", "tree", "list"})


class Maker:
    """Makes messages, always the same ones of one seed."""

    def __init__(self, seed: int) -> None:
        self.chosen = random.Random(seed)

    def message(self, message: Any, depth: int = 0) -> Any:
        """Fill some fields, leaving others as they are."""
        descriptor: Descriptor = message.DESCRIPTOR
        taken: set[str] = set()
        for field in descriptor.fields:
            oneof = field.containing_oneof
            if (
                field.name in UNFILLED
                or (oneof is not None and oneof.name in taken)
                or self.chosen.random() < (0.3 if field.has_presence else 0.15)
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
        elif depth < 3:
            value.SetInParent()
            self.fill(value, depth + 1)

    def map(self, value: Any, entry: Descriptor, depth: int) -> None:
        """Give a map some keys."""
        key, inner = entry.fields_by_name["key"], entry.fields_by_name["value"]
        keys = {key.TYPE_STRING: ("a", "b", "x y"), key.TYPE_BOOL: (True, False)}.get(key.type, (1, -1, 42))
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
                made = pb.Exhibit().facts
                made.update({"v": self.chosen.choice((1, "x", True, None, *STRUCTS))})
                value.CopyFrom(made.fields["v"])
            case name if name.startswith("google.protobuf."):
                value.value = self.scalar(value.DESCRIPTOR.fields_by_name["value"])
            case _:
                self.message(value, depth)

    def scalar(self, field: FieldDescriptor) -> Any:
        """A value for a field that is no message."""
        if field.name in NAMES:
            return self.chosen.choice(NAMES[field.name])
        if field.name == "label":
            return self.chosen.choice(STRINGS[:8])
        return self.chosen.choice([v.number for v in field.enum_type.values] if field.enum_type else POOLS[field.type])


def load(door: Door, seed: int = 5) -> dict[str, Any]:
    """Create everything; gives it by name, as the service tells it."""
    maker = Maker(seed)
    stored = [door.CreateCountry(country_id=f"c{number}", country=maker.message(pb.Country())) for number in range(COUNTRIES)]
    stored += [door.CreateArtist(artist_id=f"a{number}", artist=maker.message(pb.Artist())) for number in range(ARTISTS)]
    stored += [door.CreateHall(hall_id=f"h{number}", hall=maker.message(pb.Hall())) for number in range(HALLS)]
    for hall, count in (("h1", 1), ("h0", EXHIBITS)):
        requests = [
            pb.CreateExhibitRequest(parent=f"halls/{hall}", exhibit_id=f"e{number}", exhibit=maker.message(pb.Exhibit()))
            for number in range(count)
        ]
        stored += door.BatchCreateExhibits(parent=f"halls/{hall}", requests=requests).exhibits
    return {message.name: message for message in stored}
