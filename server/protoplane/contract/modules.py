"""The contract as Python modules: one a .proto, by its import path; where its types stand in them, and the modules' text.

Their text gives the very classes the server uses, so that compiled methods and custom code share one class a message.
"""

from __future__ import annotations

import keyword
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto

TAKEN = frozenset({"google", "buf", "grpc", "protoplane", *sys.stdlib_module_names})
"""First parts of a module's name that mean another package already: theirs get a `_` behind, as PEP 8 has it."""

RUNTIME = '''\
"""{path}: the classes of the contract that is served. Written by `protoplane stubs`; changes here are lost."""

from protoplane.contract.served import enum as _enum
from protoplane.contract.served import message as _message
from protoplane.method.custom import Servicer as _Servicer

{body}'''


@dataclass(frozen=True, slots=True)
class Place:
    """A message or enum: its module and its name in it (`Flight.State`)."""

    module: str
    name: str
    proto: DescriptorProto | None
    """Of a message; None for an enum."""


def module_of(path: str) -> str:
    """`flightdesk/v1/flightdesk.proto` → `flightdesk.v1.flightdesk`; `google/type/date.proto` → `google_.type.date`."""
    first, *rest = path.removesuffix(".proto").replace("-", "_").split("/")
    return ".".join((f"{first}_" if first in TAKEN or keyword.iskeyword(first) else first, *map(plain, rest)))


def plain(name: str) -> str:
    """The name, with a `_` behind where Python keeps it for itself."""
    return f"{name}_" if keyword.iskeyword(name) else name


def places_of(files: Sequence[FileDescriptorProto]) -> dict[str, Place]:
    """Every message and enum by its full name with a dot in front, as descriptors refer to it."""
    return {name: place for file in files for name, place in _places(file)}


def _places(file: FileDescriptorProto) -> Iterator[tuple[str, Place]]:
    module, scope = module_of(file.name), f".{file.package}." if file.package else "."
    for enum in file.enum_type:
        yield f"{scope}{enum.name}", Place(module, plain(enum.name), None)
    for message in file.message_type:
        yield from _nested(module, scope, "", message)


def _nested(module: str, scope: str, outer: str, message: DescriptorProto) -> Iterator[tuple[str, Place]]:
    name = f"{outer}{plain(message.name)}"
    yield f"{scope}{message.name}", Place(module, name, message)
    for enum in message.enum_type:
        yield f"{scope}{message.name}.{enum.name}", Place(module, f"{name}.{plain(enum.name)}", None)
    for inner in message.nested_type:
        yield from _nested(module, f"{scope}{message.name}.", f"{name}.", inner)


def needed_files(files: Mapping[str, FileDescriptorProto], served: Sequence[str]) -> list[FileDescriptorProto]:
    """The contract's own files and those whose types they use; imports that only bring options are left out."""
    home = {name: file.name for file in files.values() for name in places_of([file])}
    found: dict[str, None] = {}
    waiting = list(served)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            waiting += [home[used] for used in _used(files[name])]
    return [file for file in files.values() if file.name in found]


def _used(file: FileDescriptorProto) -> Iterator[str]:
    for message in file.message_type:
        yield from (field.type_name for field in fields_within(message) if field.type_name)
    for service in file.service:
        for method in service.method:
            yield from (method.input_type, method.output_type)


def fields_within(message: DescriptorProto) -> Iterator[FieldDescriptorProto]:
    """Fields of a message and of everything nested in it."""
    yield from message.field
    for inner in message.nested_type:
        yield from fields_within(inner)


def runtime_modules(files: Mapping[str, FileDescriptorProto]) -> dict[str, str]:
    """Name and text of the module of every file, for a process that imports them without writing them."""
    return {module_of(name): runtime_text(file) for name, file in files.items()}


def runtime_text(file: FileDescriptorProto) -> str:
    """The module that gives the served classes under the names of the stub."""
    scope = f"{file.package}." if file.package else ""
    lines: list[str] = []
    for enum in file.enum_type:
        lines += [f'{plain(enum.name)} = _enum("{scope}{enum.name}")', *_values(enum)]
    lines += [f'{plain(message.name)} = _message("{scope}{message.name}")' for message in file.message_type]
    for service in file.service:
        text = f'"""Typed base: `class {service.name}({service.name}Servicer, service="{scope}{service.name}")`."""'
        lines += ["", "", f"class {service.name}Servicer(_Servicer):", f"    {text}"]
    return RUNTIME.format(path=file.name, body="\n".join(lines) + "\n")


def _values(enum: EnumDescriptorProto) -> list[str]:
    return [f"{value.name} = {value.number}" for value in enum.value if not keyword.iskeyword(value.name)]
