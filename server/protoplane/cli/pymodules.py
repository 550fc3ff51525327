"""The modules of a Python client package: where the generator puts the types of a contract, and how our modules there import them."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from protoplane.contract.modules import Place, places_of


class CannotImport(Exception):
    """A module stands in a folder whose name no import statement can hold."""


class Types:
    """Where every message and enum of a package is defined, by its full name with a dot in front."""

    def __init__(self, files: FileDescriptorSet) -> None:
        self._places: dict[str, tuple[PurePosixPath, Place]] = {}
        for file in files.file:
            self._places |= {name: (module_path(file.name), place) for name, place in places_of([file]).items()}

    def __getitem__(self, name: str) -> tuple[PurePosixPath, Place]:
        """Its module, without `.py`, and its place there."""
        return self._places[name]


class Imports:
    """What one module of ours, in `folder`, imports: each other module under one short name."""

    def __init__(self, folder: PurePosixPath) -> None:
        self._folder = folder
        self._names: dict[PurePosixPath, str] = {}

    def name(self, module: PurePosixPath) -> str:
        """What `module` is called here."""
        if module not in self._names:
            taken = set(self._names.values())
            whole = "_".join(module.parts)  # Two folders may have modules of one name.
            self._names[module] = whole if module.name in taken else module.name
        return self._names[module]

    def lines(self) -> str:
        """The import statements."""
        known = sorted(self._names.items(), key=lambda pair: (_own(pair[0], self._folder), pair[0].parent, pair[0]))
        return "".join(f"{self._line(module, name)}\n" for module, name in known)

    def _line(self, module: PurePosixPath, name: str) -> str:
        alias = "" if name == module.name else f" as {name}"
        origin = imported_from(self._folder, module.parent)
        return f"from {origin} import {module.name}{alias}" if origin else f"import {module.name}{alias}"


def imported_from(folder: PurePosixPath, other: PurePosixPath) -> str:
    """The package `other` as a module in `folder` writes it: relative below it, so that its own name may be a keyword."""
    if folder.parts and _own(other, folder):
        parts = ["", *other.relative_to(folder).parts]
        absolute = False
    else:
        parts, absolute = list(other.parts), True
    word = next((part for part in parts if keyword.iskeyword(part)), "")
    if word:
        raise CannotImport(f"{other} cannot be imported, because Python keeps {word!r} for itself: give its .proto files another folder")
    return ".".join(parts) if absolute else f".{'.'.join(parts[1:])}"


def _own(path: PurePosixPath, folder: PurePosixPath) -> bool:
    return bool(folder.parts) and path.is_relative_to(folder)


def module_path(proto: str) -> PurePosixPath:
    """`library/v1/book.proto` as `library/v1/book_pb2`."""
    return PurePosixPath(proto.removesuffix(".proto").replace("-", "_") + "_pb2")


def home_of(served: Sequence[str]) -> PurePosixPath:
    """The folder that has what a package has once, such as the runtime."""
    return module_path(served[0]).parent


def comments_of(file: FileDescriptorProto) -> Mapping[tuple[int, ...], str]:
    """The comment before each element of a file, by the element's path."""
    return {tuple(at.path): at.leading_comments for at in file.source_code_info.location if at.leading_comments}


def docstring(comment: str, indent: str, or_else: str) -> str:
    """A comment as a docstring."""
    text = comment.strip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"') or or_else
    lines = [line.strip() for line in text.split("\n")]
    if len(lines) == 1:
        return f'{indent}"""{lines[0]}{" " if lines[0].endswith(chr(34)) else ""}"""'
    return "\n".join((f'{indent}"""{lines[0]}', *(f"{indent}{line}".rstrip() for line in lines[1:]), f'{indent}"""'))
