"""Message types with buf.validate rules, made from plain descriptions of their fields; and the rules and values there are of each kind."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

INTEGERS: Final = {
    **dict.fromkeys(("int32", "sint32", "sfixed32"), (-(2**31), 2**31 - 1)),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), (-(2**63), 2**63 - 1)),
    **dict.fromkeys(("uint32", "fixed32"), (0, 2**32 - 1)),
    **dict.fromkeys(("uint64", "fixed64"), (0, 2**64 - 1)),
}
FLOATS: Final = ("float", "double")
SCALARS: Final = (*INTEGERS, *FLOATS, "bool", "string", "bytes", "enum")
TIMES: Final = {"duration": "Duration", "timestamp": "Timestamp"}
_TYPE_OF: Final = {kind: FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}") for kind in SCALARS}
KIND_OF: Final[Mapping[int, str]] = {number: kind for kind, number in _TYPE_OF.items()}
_IMPORTS: Final = ("buf/validate/validate.proto", "google/protobuf/duration.proto", "google/protobuf/timestamp.proto")


_FLOATS: Final = (0.0, -0.0, 1.0, -1.5, 2.0, math.inf, -math.inf, math.nan, 2.0**-30)
_TIMES: Final = tuple({"seconds": seconds, "nanos": nanos} for seconds in (-1, 0, 1) for nanos in (-1, 0, 1, 1_000_000_000))
_VALUES: Final[Mapping[str, tuple[Any, ...]]] = {
    **{kind: (0, 1, 2, 3, max(low, -1), low, high) for kind, (low, high) in INTEGERS.items()},
    **dict.fromkeys(FLOATS, _FLOATS),
    **dict.fromkeys(TIMES, _TIMES),
    "bool": (False, True),
    "string": ("", "a", "ab", "ba", "aba", "é", "a\n", "😀a", "\0"),
    "bytes": (b"", b"a", b"ab", b"ba", b"\xff", "é".encode()),
    "enum": (-1, 0, 1, 2, 3),
}


def values_of(kind: str) -> tuple[Any, ...]:
    """Values of a kind, of each sort one; a time as what its message is made from."""
    return _VALUES[kind]


def rules_of(kind: str) -> Iterator[dict[str, Any]]:
    """Every standard rule of a kind by itself, with every value; and pairs of bounds."""
    values = [value for value in values_of(kind) if kind != "timestamp" or value["nanos"] in {0, 1}]
    for value in values:
        yield {"const": value}
        if kind not in {"bool", "timestamp"}:
            yield from ({"in": [value]}, {"not_in": [value]}, {"in": [value, values[1]]})
        if kind in {"string", "bytes"}:
            yield from ({name: value} for name in ("prefix", "suffix", "contains", *(("not_contains",) if kind == "string" else ())))
    if kind in {"string", "bytes"}:
        names = ("len", "min_len", "max_len", *(("len_bytes", "min_bytes", "max_bytes") if kind == "string" else ()))
        yield from ({name: length} for name in names for length in range(6))
    elif kind == "enum":
        yield from ({"defined_only": True}, {"defined_only": False})
    elif kind != "bool":
        yield from ({name: value} for name in ("lt", "lte", "gt", "gte") for value in values)
        pairs = [(low, high) for low in ("gt", "gte") for high in ("lt", "lte")]
        yield from ({low: values[1], high: value} for low, high in pairs for value in values)
    if kind in FLOATS:
        yield from ({"finite": True}, {"finite": False})


@dataclass(frozen=True, slots=True)
class Ruled:
    """A field, and what its rules say."""

    kind: str
    """A scalar, `duration`, `timestamp`, `inner` (the other type) or `self`."""
    label: str = "implicit"
    """Or `optional`, `oneof`, `repeated`, `map`."""
    rules: Mapping[str, Any] = field(default_factory=dict)
    key: str = "string"


class Types:
    """Adds message types to a pool, which must hold the annotations; each to a file of its own, as protovalidate knows them by name."""

    def __init__(self, pool: DescriptorPool) -> None:
        rules: Any = pool.FindExtensionByName("buf.validate.field")
        oneof: Any = pool.FindExtensionByName("buf.validate.oneof")
        self.pool = pool
        self._numbers = count()
        self._rules, self._oneof_rules = rules, oneof
        self._rules_class: Any = GetMessageClass(rules.message_type)
        self._field_options: Any = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FieldOptions"))
        self._oneof_options: Any = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.OneofOptions"))

    def add(
        self, fields: Sequence[Ruled], *, inner: Sequence[Ruled] = (), oneof_required: bool = False, default: str | None = None
    ) -> Descriptor:
        """A message type with fields `f1`, `f2`, …; with a default value of its first field, one of proto2."""
        name = f"m{next(self._numbers)}"
        file = FileDescriptorProto(
            name=f"{name}.proto", package=name, dependency=_IMPORTS, syntax="proto3" if default is None else "proto2"
        )
        enum = file.enum_type.add(name="E")
        for number in (0, 1, 3):
            enum.value.add(name=f"E{number}", number=number)
        for title, ruled in (("Inner", inner), ("Outer", fields)):
            self._fill(file.message_type.add(name=title), ruled, oneof_required=oneof_required)
        if default is not None:
            file.message_type[1].field[0].default_value = default
        self.pool.AddSerializedFile(file.SerializeToString())
        return self.pool.FindMessageTypeByName(f"{name}.Outer")

    def _fill(self, message: DescriptorProto, fields: Sequence[Ruled], *, oneof_required: bool) -> None:
        of_oneof = [one for one in fields if one.label == "oneof"]
        if of_oneof:
            options = self._oneof_options()
            options.Extensions[self._oneof_rules].required = oneof_required
            message.oneof_decl.add(name="o").options.MergeFromString(options.SerializeToString())
        # Fields of a oneof must stand side by side, and their oneof before those that `optional` makes.
        for number, one in enumerate([*of_oneof, *(one for one in fields if one.label != "oneof")], 1):
            self._add_field(message, number, one)

    def _add_field(self, message: DescriptorProto, number: int, ruled: Ruled) -> None:
        made = message.field.add(name=f"f{number}", number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        _set_type(made, message, ruled.kind)
        match ruled.label:
            case "optional" if ruled.kind in SCALARS:
                made.proto3_optional = True
                made.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_f{number}")
            case "oneof":
                made.oneof_index = 0
            case "repeated":
                made.label = FieldDescriptorProto.LABEL_REPEATED
            case "map":
                _make_map(made, message, ruled)
            case _:
                pass
        if ruled.rules:
            options = self._field_options()
            options.Extensions[self._rules].CopyFrom(self._rules_class(**ruled.rules))
            made.options.MergeFromString(options.SerializeToString())


def _set_type(made: FieldDescriptorProto, message: DescriptorProto, kind: str) -> None:
    made.type = _TYPE_OF.get(kind, FieldDescriptorProto.TYPE_MESSAGE)
    if kind in TIMES:
        made.type_name = f".google.protobuf.{TIMES[kind]}"
    elif kind not in SCALARS or kind == "enum":
        made.type_name = {"enum": "E", "inner": "Inner", "self": message.name}[kind]


def _make_map(made: FieldDescriptorProto, message: DescriptorProto, ruled: Ruled) -> None:
    entry = message.nested_type.add(name=f"F{made.number}Entry")
    entry.options.map_entry = True
    _set_type(entry.field.add(name="key", number=1, label=FieldDescriptorProto.LABEL_OPTIONAL), message, ruled.key)
    _set_type(entry.field.add(name="value", number=2, label=FieldDescriptorProto.LABEL_OPTIONAL), message, ruled.kind)
    made.label, made.type = FieldDescriptorProto.LABEL_REPEATED, FieldDescriptorProto.TYPE_MESSAGE
    made.type_name = f"{message.name}.{entry.name}"
