"""A contract without what only its server needs: Protoplane's and buf's options and imports, and the places in the files.

What remains needs protobuf, grpcio and googleapis-common-protos, and nothing of ours.
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

SHIPPED = "protoplane/commit/"
"""Of these what a client does need: messages of ours that methods of a contract take and return."""


class CannotStrip(ValueError):
    """The contract uses a type of ours that does not go to clients, not only options."""


def stripped(contract: Contract) -> FileDescriptorSet:
    """The contract's files and what they import, dependencies first, ready for a generator. Raises CannotStrip."""
    shape = contract.messages["google.protobuf.FileDescriptorProto"]
    kept: dict[str, FileDescriptorProto] = {}
    for name, data in contract.files.items():
        if not _withheld(name):
            kept[name] = _strip_file(data, shape, own=name in contract.served or name.startswith(SHIPPED))
    _check_types(kept, contract.served)
    return FileDescriptorSet(file=[kept[name] for name in _needed(kept, contract.served)])


def shipped(contract: Contract) -> tuple[str, ...]:
    """The files whose modules a client package holds: the contract's own, and ours that these import."""
    files = stripped(contract).file
    return tuple(file.name for file in files if file.name in contract.served or file.name.startswith(SHIPPED))


def _withheld(name: str) -> bool:
    return name.startswith(OURS) and not name.startswith(SHIPPED)


def _strip_file(data: bytes, shape: MessageClass, *, own: bool) -> FileDescriptorProto:
    """One file; the contract's own are read by the pool's class, which knows every option by its extension."""
    held: Any = shape.FromString(data)
    if own:
        for options in _options(held):
            for field, _ in options.ListFields():
                if field.is_extension and field.file.name.startswith(OURS):
                    options.ClearExtension(field)
    file = FileDescriptorProto.FromString(held.SerializeToString(deterministic=True))
    imports = [name for name in file.dependency if not _withheld(name)]
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


def _check_types(files: Mapping[str, FileDescriptorProto], served: Sequence[str]) -> None:
    for name in served:
        for used in _type_names(files[name]):
            if used.startswith((".protoplane.", ".buf.")) and not used.startswith(f".{SHIPPED.replace('/', '.')}"):
                raise CannotStrip(
                    f"{name} uses the type {used[1:]}; a client package has only the contract's own types, so declare one of your own"
                )


def _type_names(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.name in {"type_name", "input_type", "output_type"}:
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
