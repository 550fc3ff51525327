"""A contract without what only its server needs: Protoplane's and buf's options and imports, and the places in the files.

What remains needs protobuf, grpcio and googleapis-common-protos, and nothing of ours. Messages of ours that a contract answers with go
along as its own: `protoplane/v1/aggregate.proto` as `library/v1/protoplane/v1/aggregate.proto`, so that two clients never have one
module, and none hides the server's package. Names of types are not on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import Message

from protoplane.contract.model import Contract, MessageClass

OURS = ("protoplane/", "buf/")
"""Import paths that a client must not need."""

LENT = frozenset({"protoplane/commit/v1/commit.proto", "protoplane/v1/aggregate.proto"})
"""Files of ours whose messages contracts may use."""


class CannotStrip(ValueError):
    """The contract uses a type of ours that does not go to clients, not only options."""


def stripped(contract: Contract) -> FileDescriptorSet:
    """The contract's files and what they import, dependencies first, ready for a generator. Raises CannotStrip."""
    shape = contract.messages["google.protobuf.FileDescriptorProto"]
    kept: dict[str, FileDescriptorProto] = {}
    for name, data in contract.files.items():
        if not name.startswith(OURS) or name in LENT:
            kept[name] = _strip_file(data, shape, own=name in contract.served)
    kept = _lend(kept, contract.served)
    _check_types(kept, contract.served)
    return FileDescriptorSet(file=[kept[name] for name in _needed(kept, contract.served)])


def generated(contract: Contract, files: FileDescriptorSet) -> list[str]:
    """Of stripped files those that a client package has modules of: the contract's own, and what is lent to it."""
    return [file.name for file in files.file if file.name in contract.served or file.name.endswith(tuple(LENT))]


def _lend(files: Mapping[str, FileDescriptorProto], served: Sequence[str]) -> dict[str, FileDescriptorProto]:
    """The files, those that are lent below the folder and the package of the contract's first file."""
    first = files[served[0]]
    folder, package = first.name.rpartition("/")[0] or "lent", f"{first.package}." if first.package else ""
    paths = {name: f"{folder}/{name}" for name in LENT & files.keys()}
    types = {
        f".{files[name].package}.{one.name}": f".{package}{files[name].package}.{one.name}"
        for name in paths
        for one in files[name].message_type
    }
    for file in files.values():
        _rename(file, types)
        file.dependency[:] = [paths.get(name, name) for name in file.dependency]
        if file.name in paths:
            file.package = package + file.package
            file.name = paths[file.name]
    return {file.name: file for file in files.values()}


def _rename(message: Message, types: Mapping[str, str]) -> None:
    """Change the names of types, and of those inside them, wherever one is used."""
    for field, value in message.ListFields():
        if field.name in _TYPES:
            name = next((name for name in types if f"{value}.".startswith(f"{name}.")), "")
            if name:
                setattr(message, field.name, types[name] + value.removeprefix(name))
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                _rename(inner, types)


def _strip_file(data: bytes, shape: MessageClass, *, own: bool) -> FileDescriptorProto:
    """One file; the contract's own are read by the pool's class, which knows every option by its extension."""
    held: Any = shape.FromString(data)
    if own:
        for options in _options(held):
            for field, _ in options.ListFields():
                if field.is_extension and field.file.name.startswith(OURS):
                    options.ClearExtension(field)
    file = FileDescriptorProto.FromString(held.SerializeToString(deterministic=True))
    imports = [name for name in file.dependency if not name.startswith(OURS) or name in LENT]
    del file.dependency[:], file.public_dependency[:], file.weak_dependency[:]
    file.dependency.extend(imports)
    return file


def _options(message: Message) -> Iterator[Any]:
    """Every options message within a descriptor: of the file, its messages, fields, enums, values, services and methods."""
    for field, value in message.ListFields():
        if field.type != FieldDescriptor.TYPE_MESSAGE or field.is_extension:
            continue
        for inner in value if field.is_repeated else (value,):
            if field.name == "options":
                yield inner
            else:
                yield from _options(inner)


_TYPES = frozenset({"type_name", "input_type", "output_type"})
"""Fields of descriptors that name a type."""


def _check_types(files: Mapping[str, FileDescriptorProto], served: Sequence[str]) -> None:
    for name in served:
        for used in _type_names(files[name]):
            if used.startswith((".protoplane.", ".buf.")):
                raise CannotStrip(
                    f"{name} uses the type {used[1:]}; a client package has only the contract's own types, so declare one of your own"
                )


def _type_names(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.name in _TYPES:
            yield value
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                yield from _type_names(inner)


def _needed(files: Mapping[str, FileDescriptorProto], served: Sequence[str]) -> list[str]:
    """The served files and all they import, in the order of `files`."""
    found: set[str] = set()
    waiting = list(served)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += files[name].dependency
    return [name for name in files if name in found]
