"""One edition of a contract, whole or faulty, as far as it takes to compare it with another: descriptors, annotations, places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from protoplane.contract.model import Behavior, Finding, Place
from protoplane.contract.options import Annotations
from protoplane.contract.pool import Places, Pool, messages_of, open_pool
from protoplane.contract.report import Report
from protoplane.contract.sources import compile_files, is_ours, locate


class Unreadable(Exception):
    """An edition cannot be read; `findings` say why."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(map(str, findings)))


class Edition:
    """What a set of files declares, by name; files that are only imported are left out."""

    def __init__(self, pool: Pool, own: Sequence[str], lines_of: Callable[[str], Sequence[str]]) -> None:
        self.pool = pool
        self.annotations = Annotations(pool.descriptors)
        self.places = Places(pool.files, lines_of)
        files = [pool.descriptors.FindFileByName(name) for name in pool.files if name in own]
        self.messages = {message.full_name: message for file in files for message in messages_of(file)}
        self.enums = {each.full_name: each for file in files for each in _enums_of(file, self.messages.values())}
        self.methods = {_path(each): each for file in files for service in file.services_by_name.values() for each in service.methods}
        self._sent = self._reached([method.input_type for method in self.methods.values()], Behavior.OUTPUT_ONLY)
        self._received = self._reached([method.output_type for method in self.methods.values()], Behavior.INPUT_ONLY)

    def is_sent(self, message: Descriptor) -> bool:
        """Whether clients send it; also where no method says."""
        return message.full_name in self._sent or message.full_name not in self._received

    def is_received(self, message: Descriptor) -> bool:
        """Whether clients receive it; also where no method says."""
        return message.full_name in self._received or message.full_name not in self._sent

    def _reached(self, starts: Sequence[Descriptor], barrier: Behavior) -> frozenset[str]:
        """Messages inside others, but for those behind fields of a behaviour."""
        found: set[str] = set()
        waiting = list(starts)
        while waiting:
            message = waiting.pop()
            if message.full_name not in found:
                found.add(message.full_name)
                open_fields = (field for field in message.fields if barrier not in self.annotations.field(field).behaviors)
                waiting += [field.message_type for field in open_fields if field.message_type is not None]
        return frozenset(found)


def read_folders(roots: Sequence[Path]) -> Edition:
    """The edition whose files lie below proto folders. Raises Unreadable with protoc's complaints."""
    report = Report()
    compiled = compile_files(roots, None, report)
    if compiled is None:
        raise Unreadable(report.findings())

    @cache
    def lines(name: str) -> Sequence[str]:
        path = locate(roots, name)
        return path.read_text(encoding="utf-8", errors="replace").splitlines() if path else ()

    return Edition(open_pool(compiled.data), compiled.own, lines)


def read_set(data: bytes, title: str, other: Edition) -> Edition:
    """The edition in a serialised FileDescriptorSet, as protoc and buf write it with imports; `other` lends the annotations it lacks.

    Raises Unreadable.
    """
    try:
        files = {file.name: file for file in FileDescriptorSet.FromString(data).file}
        missing = [file for name, file in other.pool.files.items() if is_ours(name) and name not in files]
        whole = FileDescriptorSet(file=_in_order([*missing, *files.values()]))
        pool = open_pool(whole.SerializeToString())
    except (DecodeError, TypeError, KeyError) as error:
        mend = "make it with: protoc --include_imports --descriptor_set_out=…, or buf build --as-file-descriptor-set"
        raise Unreadable([Finding(Place(title), "proto", f"it is not a descriptor set with all its imports: {error}", mend)]) from error
    return Edition(pool, [name for name in files if not is_ours(name)], lambda _name: ())


def _in_order(files: Sequence[FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Files after what they import. Raises KeyError with the name of an import that is not there."""
    by_name = {file.name: file for file in files}
    ordered: dict[str, FileDescriptorProto] = {}
    waiting = [(name, False) for name in reversed(by_name)]
    while waiting:
        name, ready = waiting.pop()
        if ready:
            ordered.setdefault(name, by_name[name])
        elif name not in ordered:
            waiting.append((name, True))
            waiting += [(imported, False) for imported in by_name[name].dependency if imported not in ordered]
    return list(ordered.values())


def _path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def _enums_of(file: FileDescriptor, messages: Iterable[Descriptor]) -> Iterator[EnumDescriptor]:
    yield from file.enum_types_by_name.values()
    for message in messages:
        if message.file.name == file.name:
            yield from message.enum_types
