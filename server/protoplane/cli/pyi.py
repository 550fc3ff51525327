"""The types of one .proto as a Python stub: messages, enums as mypy-protobuf has them, and a typed base for each servicer."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from protoplane.contract.casing import snake
from protoplane.contract.modules import Place, module_of, plain

HEAD = '''\
"""{path}, as types. Written by `protoplane stubs`; changes here are lost."""

import builtins as _builtins
import collections.abc as _abc
import datetime as _datetime
import typing as _typing

from google.protobuf.internal import well_known_types as _well_known_types
from google.protobuf.internal.containers import (
    MessageMap as _MessageMap,
    RepeatedCompositeFieldContainer as _RepeatedMessages,
    RepeatedScalarFieldContainer as _RepeatedValues,
    ScalarMap as _ScalarMap,
)
from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper
from google.protobuf.message import Message as _Message
from protoplane.method.custom import Call as _Call, Handler as _Handler, Servicer as _Servicer
'''

SCALARS: Mapping[int, str] = {
    FieldDescriptorProto.TYPE_DOUBLE: "float",
    FieldDescriptorProto.TYPE_FLOAT: "float",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_STRING: "str",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
}
"""Every other scalar is an int."""

WELL_KNOWN = {
    ".google.protobuf.Any": "Any",
    ".google.protobuf.Timestamp": "Timestamp",
    ".google.protobuf.Duration": "Duration",
    ".google.protobuf.FieldMask": "FieldMask",
    ".google.protobuf.Struct": "Struct",
    ".google.protobuf.ListValue": "ListValue",
}
"""Messages with methods of their own, from google.protobuf.internal.well_known_types."""

NATIVE = {
    ".google.protobuf.Timestamp": "_datetime.datetime",
    ".google.protobuf.Duration": "_datetime.timedelta",
    ".google.protobuf.Struct": "_abc.Mapping[_builtins.str, _typing.Any]",
}
"""Python values that the run time takes in place of a message."""


@dataclass(slots=True)
class Stub:
    """One stub under way."""

    file: FileDescriptorProto
    places: Mapping[str, Place]
    standard: frozenset[str]
    """Paths of the methods that have a standard handler to stand around."""
    lines: list[str] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    comments: dict[tuple[int, ...], str] = field(default_factory=dict)

    def text(self) -> str:
        """The whole stub."""
        self.comments = {tuple(at.path): at.leading_comments for at in self.file.source_code_info.location if at.leading_comments}
        scope = f".{self.file.package}." if self.file.package else "."
        for index, enum in enumerate(self.file.enum_type):
            self._enum(enum, (5, index), "", "")
        for index, message in enumerate(self.file.message_type):
            self._message(message, (4, index), "", scope)
        for index, service in enumerate(self.file.service):
            self._service(service, (6, index))
        imports = "".join(f"import {module} as {alias(module)}\n" for module in sorted(self.imports))
        return f"{HEAD.format(path=self.file.name)}{imports}\n" + "\n".join(self.lines) + "\n"

    def _enum(self, enum: EnumDescriptorProto, path: tuple[int, ...], indent: str, owner: str) -> None:
        """`owner`: the message it stands in, with a dot; the body of a class does not see the names of the class around it."""
        name = plain(enum.name)
        values = [value.name for value in enum.value if not keyword.iskeyword(value.name)]
        self._write(
            indent,
            f"class _{name}:",
            '    ValueType = _typing.NewType("ValueType", _builtins.int)',
            "    V: _typing.TypeAlias = ValueType",
            f"class _{name}EnumTypeWrapper(_EnumTypeWrapper[{owner}_{name}.ValueType], _builtins.type):",
            *(f"    {value}: {owner}_{name}.ValueType" for value in values),
            f"class {name}(_{name}, metaclass=_{name}EnumTypeWrapper):",
            *self._docstring(path, "    ", or_else="    ..."),
        )
        for index, value in enumerate(enum.value):
            if value.name in values:
                self._write(indent, f"{value.name}: {name}.ValueType", *self._docstring((*path, 2, index), ""))
        self._alias(name, indent)

    def _message(self, message: DescriptorProto, path: tuple[int, ...], indent: str, scope: str) -> None:
        name, full = plain(message.name), f"{scope}{message.name}"
        bases = f"_Message, _well_known_types.{WELL_KNOWN[full]}" if full in WELL_KNOWN else "_Message"
        self._write(indent, f"class {name}({bases}):", *self._docstring(path, "    "))
        inner = f"{indent}    "
        for index, enum in enumerate(message.enum_type):
            self._enum(enum, (*path, 4, index), inner, f"{self.places[full].name}.")
        for index, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                self._message(nested, (*path, 3, index), inner, f"{full}.")
        shown = [(at, one) for at, one in enumerate(message.field) if not keyword.iskeyword(one.name)]
        for at, one in shown:
            self._write(inner, *self._attribute(one, self._docstring((*path, 2, at), "")))
        self._write(inner, *self._constructor([one for _, one in shown]), *_presence(message))
        self._alias(name, indent)

    def _alias(self, name: str, indent: str) -> None:
        """A name that no field or nested type of another message hides."""
        if not indent:
            self._write("", f"global___{name}: _typing.TypeAlias = {name}", "")

    def _attribute(self, one: FieldDescriptorProto, docstring: list[str]) -> Iterator[str]:
        kind = self._held(one)
        if one.type != FieldDescriptorProto.TYPE_MESSAGE and one.label != FieldDescriptorProto.LABEL_REPEATED:
            yield f"{one.name}: {kind}"
            yield from docstring
            return
        yield "@_builtins.property"
        yield f"def {one.name}(self) -> {kind}:"
        yield from (f"    {line}" for line in docstring)
        yield "    ..." if not docstring else ""
        native = NATIVE.get(one.type_name) if one.label != FieldDescriptorProto.LABEL_REPEATED else None
        if native and one.type_name != ".google.protobuf.Struct":
            yield f"@{one.name}.setter"
            yield f"def {one.name}(self, value: {native}, /) -> None: ..."

    def _constructor(self, fields: Sequence[FieldDescriptorProto]) -> Iterator[str]:
        # A field named `self` would hide the first parameter, hence the marker.
        first = "self" if all(one.name != "self" for one in fields) else "self_"
        keywords = "".join(f", {one.name}: {self._taken(one)} | None = ..." for one in fields)
        yield f"def __init__({first}{', *' if keywords else ''}{keywords}) -> None: ..."

    def _held(self, one: FieldDescriptorProto) -> str:
        """The type of the attribute."""
        entry = self._entry(one)
        if entry is not None:
            key, value = (self._one(part) for part in entry)
            kind = "_MessageMap" if entry[1].type == FieldDescriptorProto.TYPE_MESSAGE else "_ScalarMap"
            return f"{kind}[{key}, {value}]"
        if one.label != FieldDescriptorProto.LABEL_REPEATED:
            return self._one(one)
        kind = "_RepeatedMessages" if one.type == FieldDescriptorProto.TYPE_MESSAGE else "_RepeatedValues"
        return f"{kind}[{self._one(one)}]"

    def _taken(self, one: FieldDescriptorProto) -> str:
        """The type of the constructor's keyword."""
        entry = self._entry(one)
        if entry is not None:
            key, value = (self._one(part) for part in entry)
            return f"_abc.Mapping[{key}, {value}]"
        native = f" | {NATIVE[one.type_name]}" if one.type_name in NATIVE else ""
        single = f"{self._one(one)}{native}"
        return f"_abc.Iterable[{single}]" if one.label == FieldDescriptorProto.LABEL_REPEATED else single

    def _one(self, one: FieldDescriptorProto) -> str:
        if not one.type_name:
            return f"_builtins.{SCALARS.get(one.type, 'int')}"
        name = self._reference(one.type_name)
        return f"{name}.ValueType" if one.type == FieldDescriptorProto.TYPE_ENUM else name

    def _reference(self, type_name: str) -> str:
        place = self.places[type_name]
        if place.module == module_of(self.file.name):
            return f"global___{place.name}"
        self.imports.add(place.module)
        return f"{alias(place.module)}.{place.name}"

    def _entry(self, one: FieldDescriptorProto) -> tuple[FieldDescriptorProto, FieldDescriptorProto] | None:
        """Key and value of a map field; None for any other."""
        place = self.places.get(one.type_name)
        if place is None or place.proto is None or not place.proto.options.map_entry:
            return None
        return place.proto.field[0], place.proto.field[1]

    def _service(self, service: ServiceDescriptorProto, path: tuple[int, ...]) -> None:
        self._write("", f"class {service.name}Servicer(_Servicer):", *self._docstring(path, "    ", or_else="    ..."))
        for index, method in enumerate(service.method):
            self._write("    ", *self._method(method, service, (*path, 2, index)))

    def _method(self, method: MethodDescriptorProto, service: ServiceDescriptorProto, path: tuple[int, ...]) -> Iterator[str]:
        prefix = f"{self.file.package}." if self.file.package else ""
        request, response = self._reference(method.input_type), self._reference(method.output_type)
        path_of_call = f"/{prefix}{service.name}/{method.name}"
        serve = f", serve: _Handler[{request}, {response}]" if path_of_call in self.standard else ""
        answer = f"_abc.Iterator[{response}]" if method.server_streaming else response
        asked = f"_abc.Iterator[{request}]" if method.client_streaming else request
        docstring = self._docstring(path, "    ")
        yield f"def {plain(snake(method.name))}(self, call: _Call, request: {asked}{serve}) -> {answer}:"
        yield from docstring
        yield "" if docstring else "    ..."

    def _docstring(self, path: tuple[int, ...], indent: str, or_else: str = "") -> list[str]:
        """The comment of the element at a path as a docstring."""
        comment = self.comments.get(path, "").strip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
        if not comment:
            return [or_else] if or_else else []
        lines = [line.strip() for line in comment.split("\n")]
        if comment.endswith('"'):
            lines[-1] += " "
        return (
            [f'{indent}"""{lines[0]}', *(f"{indent}{line}" for line in lines[1:]), f'{indent}"""']
            if len(lines) > 1
            else [f'{indent}"""{lines[0]}"""']
        )

    def _write(self, indent: str, *lines: str) -> None:
        self.lines += [f"{indent}{line}".rstrip() for text in lines for line in text.split("\n") if text or not indent]


def _presence(message: DescriptorProto) -> Iterator[str]:
    """HasField, ClearField and WhichOneof, each with the names it takes."""
    singular = [one for one in message.field if one.label != FieldDescriptorProto.LABEL_REPEATED]
    groups = [oneof.name for oneof in message.oneof_decl]
    members: dict[str, list[str]] = {
        group: [one.name for one in singular if one.HasField("oneof_index") and groups[one.oneof_index] == group] for group in groups
    }
    real = {
        group
        for group in groups
        if any(one.HasField("oneof_index") and groups[one.oneof_index] == group and not one.proto3_optional for one in singular)
    }
    present = [one.name for one in singular if one.HasField("oneof_index") or one.type == FieldDescriptorProto.TYPE_MESSAGE]
    yield f"def HasField(self, field_name: {_literal([*present, *sorted(real)])}) -> _builtins.bool: ..."
    yield f"def ClearField(self, field_name: {_literal([*(one.name for one in message.field), *sorted(real)])}) -> None: ..."
    for group in sorted(real):
        overload = "@_typing.overload\n" if len(real) > 1 else ""
        yield f"{overload}def WhichOneof(self, oneof_group: {_literal([group])}) -> {_literal(members[group])} | None: ..."
    if not real:
        yield "def WhichOneof(self, oneof_group: _typing.Never) -> None: ..."


def _literal(names: Sequence[str]) -> str:
    return f"_typing.Literal[{', '.join(repr(name) for name in names)}]" if names else "_typing.Never"


def alias(module: str) -> str:
    """The name under which a stub imports another module."""
    return "_" + module.replace("_", "__").replace(".", "_")
