"""The private descriptor pool of one contract, its message classes, and where everything stands in the files.

Private, so that two versions of one file can be loaded in one process, and so that nothing depends on generated modules.
Descriptors and classes of different pools never mix: a message of one is not accepted by the other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from protoplane.contract.model import MessageClass, Place

Path = tuple[int, ...]
"""Path of an element in a FileDescriptorProto: field numbers and indexes (`SourceCodeInfo.Location.path`)."""

_OPTIONS_OF_MESSAGE, _OPTIONS_OF_FIELD, _OPTIONS_OF_METHOD = 7, 8, 4
_MESSAGE_OF_FILE, _SERVICE_OF_FILE, _FIELD_OF_MESSAGE, _NESTED_OF_MESSAGE, _METHOD_OF_SERVICE = 4, 6, 2, 3, 2
_ENUM_OF_FILE, _ENUM_OF_MESSAGE = 5, 4


@dataclass(frozen=True, slots=True)
class Pool:
    """Everything that was compiled, ready to use."""

    descriptors: DescriptorPool
    files: Mapping[str, FileDescriptorProto]
    """By import path, dependencies first, with source info."""
    messages: Mapping[str, MessageClass]
    """Every message class but those of map entries, by full name."""

    def services(self, full_name: str) -> Sequence[ServiceDescriptor]:
        """The service of that name, or none."""
        try:
            return (self.descriptors.FindServiceByName(full_name),)
        except KeyError:
            return ()


def open_pool(data: bytes) -> Pool:
    """A pool of a serialised FileDescriptorSet whose files come after what they import."""
    files = {file.name: file for file in FileDescriptorSet.FromString(data).file}
    pool = DescriptorPool()
    for file in files.values():
        pool.AddSerializedFile(file.SerializeToString())
    messages: dict[str, MessageClass] = {}
    for name in files:
        for message in messages_of(pool.FindFileByName(name)):
            messages[message.full_name] = GetMessageClass(message)
    return Pool(pool, files, messages)


def messages_of(file: FileDescriptor) -> Iterator[Descriptor]:
    """Every message of a file, nested ones after the one they stand in; no map entries."""
    for message in file.message_types_by_name.values():
        yield from _with_nested(message)


def _with_nested(message: Descriptor) -> Iterator[Descriptor]:
    if not message.GetOptions().map_entry:
        yield message
        for nested in message.nested_types:
            yield from _with_nested(nested)


class Places:
    """Where messages, fields, methods and their options stand, from protoc's source info.

    Source info ends at the option; what stands inside the braces of one is found by its text in the file, when that can be read.
    """

    def __init__(self, files: Mapping[str, FileDescriptorProto], lines_of: Callable[[str], Sequence[str]]) -> None:
        self._files = files
        self._lines_of = lines_of
        self._spans: dict[str, dict[Path, Sequence[int]]] = {}
        self._sorted: dict[str, list[Path]] = {}
        self._elements = {name: (file.name, path) for file in files.values() for name, path in _elements(file)}
        self._protos = {name: proto for file in files.values() for name, proto in _message_protos(file.package, file.message_type)}

    def file(self, file: FileDescriptor) -> Place:
        """A file as a whole."""
        return Place(file.name)

    def message(self, message: Descriptor) -> Place:
        """Where a message is declared."""
        return self._place(*self._elements[message.full_name])

    def field(self, field: FieldDescriptor) -> Place:
        """Where a field is declared."""
        return self._place(*self._field(field))

    def enum(self, enum: EnumDescriptor) -> Place:
        """Where an enum is declared."""
        return self._place(*self._elements[enum.full_name])

    def method(self, method: MethodDescriptor) -> Place:
        """Where a method is declared."""
        return self._place(*self._elements[method.full_name])

    def message_option(self, message: Descriptor, number: int, *inside: str) -> Place:
        """An option of a message, by its field number; `inside` are texts that narrow it down (see `_option`)."""
        file, path = self._elements[message.full_name]
        return self._option(file, (*path, _OPTIONS_OF_MESSAGE, number), self.message(message), inside)

    def field_option(self, field: FieldDescriptor, number: int, *inside: str) -> Place:
        """An option of a field."""
        file, path = self._field(field)
        return self._option(file, (*path, _OPTIONS_OF_FIELD, number), self.field(field), inside)

    def method_option(self, method: MethodDescriptor, number: int) -> Place:
        """An option of a method."""
        file, path = self._elements[method.full_name]
        return self._option(file, (*path, _OPTIONS_OF_METHOD, number), self.method(method), ())

    def method_option_statements(self, method: MethodDescriptor, number: int) -> tuple[Place, ...]:
        """Every statement that sets an option of a method or a part of it, in order: a second one silently wins."""
        file, path = self._elements[method.full_name]
        spans = self._spans_under(file, (*path, _OPTIONS_OF_METHOD, number))
        return tuple(Place(file, span[0] + 1, span[1] + 1) for span in spans)

    def is_synthetic_oneof(self, field: FieldDescriptor) -> bool:
        """Whether the oneof of a field is only there for its `optional`."""
        return bool(self._protos[_owner(field).full_name].field[field.index].proto3_optional)

    def _field(self, field: FieldDescriptor) -> tuple[str, Path]:
        file, path = self._elements[_owner(field).full_name]
        return file, (*path, _FIELD_OF_MESSAGE, field.index)

    def _place(self, file: str, path: Path) -> Place:
        span = self._spans_of(file).get(path)
        return Place(file) if span is None else Place(file, span[0] + 1, span[1] + 1)

    def _spans_of(self, file: str) -> dict[Path, Sequence[int]]:
        if file not in self._spans:
            self._spans[file] = {tuple(at.path): at.span for at in self._files[file].source_code_info.location}
            self._sorted[file] = sorted(self._spans[file])
        return self._spans[file]

    def _spans_under(self, file: str, prefix: Path) -> list[Sequence[int]]:
        """Spans of an element and what is inside it, in order of their place."""
        spans, paths = self._spans_of(file), self._sorted[file]
        after = (paths[index] for index in range(bisect_left(paths, prefix), len(paths)))
        under = takewhile(lambda path: path[: len(prefix)] == prefix, after)
        return sorted((spans[path] for path in under), key=lambda span: (span[0], span[1]))

    def _option(self, file: str, path: Path, otherwise: Place, inside: Sequence[str]) -> Place:
        """Place of an option; each text of `inside` moves it forward to where that text comes next."""
        spans = self._spans_under(file, path)
        if not spans:
            return otherwise
        first, last = spans[0], max(span[2] if len(span) == 4 else span[0] for span in spans)  # noqa: PLR2004 - line, column, end line, end column.
        lines = self._lines_of(file)
        line, column, start = first[0], first[1], first[1]
        for text in inside:
            for at in range(line, min(last + 1, len(lines))):
                found = lines[at].find(text, start if at == line else 0)
                if found >= 0:
                    line, column, start = at, found, found + len(text)
                    break
        return Place(file, line + 1, column + 1)


def _owner(field: FieldDescriptor) -> Descriptor:
    owner = field.containing_type
    assert owner is not None, "only an extension has none"
    return owner


def _elements(file: FileDescriptorProto) -> Iterator[tuple[str, Path]]:
    """Full names of the messages, enums and methods of a file and their paths."""
    prefix = f"{file.package}." if file.package else ""
    for index, enum in enumerate(file.enum_type):
        yield prefix + enum.name, (_ENUM_OF_FILE, index)
    for index, message in enumerate(file.message_type):
        yield from _message_elements(prefix, message, (_MESSAGE_OF_FILE, index))
    for at, service in enumerate(file.service):
        for index, method in enumerate(service.method):
            yield f"{prefix}{service.name}.{method.name}", (_SERVICE_OF_FILE, at, _METHOD_OF_SERVICE, index)


def _message_elements(prefix: str, message: DescriptorProto, path: Path) -> Iterator[tuple[str, Path]]:
    yield prefix + message.name, path
    for index, enum in enumerate(message.enum_type):
        yield f"{prefix}{message.name}.{enum.name}", (*path, _ENUM_OF_MESSAGE, index)
    for index, nested in enumerate(message.nested_type):
        yield from _message_elements(f"{prefix}{message.name}.", nested, (*path, _NESTED_OF_MESSAGE, index))


def _message_protos(scope: str, messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, DescriptorProto]]:
    for message in messages:
        name = f"{scope}.{message.name}" if scope else message.name
        yield name, message
        yield from _message_protos(name, message.nested_type)
