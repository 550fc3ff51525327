"""What a server says of itself by reflection, v1 or v1alpha: its services, and a pool of all that they speak of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

VERSIONS: Final = ("v1", "v1alpha")
OF_GRPC: Final = ("grpc.",)
"""Packages of services that every server may have, and that hold no resources."""
FILES_MAX: Final = 2_000
FILES_BYTES_MAX: Final = 64 * 1024 * 1024


class TargetError(Exception):
    """Nothing can be learned from the server; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server, as it describes itself."""

    pool: DescriptorPool
    services: tuple[ServiceDescriptor, ...]
    version: str
    """Of the reflection service that answered."""


def read_target(channel: grpc.Channel, metadata: Sequence[tuple[str, str]], seconds: float) -> Target:
    """Ask a server for its services and their files. Raises TargetError."""
    trouble = ""
    for version in VERSIONS:
        asking = _Asking(channel, version, metadata, seconds)
        try:
            names = asking.services()
        except grpc.RpcError as error:
            refused: Any = error
            trouble = f"{refused.code().name}: {refused.details()}"
            if refused.code() is grpc.StatusCode.UNIMPLEMENTED:
                continue
            raise TargetError(f"the server cannot be asked what it serves: {trouble}") from error
        try:
            pool = asking.pool(names)
        except (grpc.RpcError, TypeError, DecodeError) as error:
            raise TargetError(f"the server's descriptors cannot be used: {error}") from error
        return Target(pool, tuple(pool.FindServiceByName(name) for name in names), version)
    raise TargetError(f"the server has no reflection ({trouble}): it must be switched on for this")


class _Asking:
    """Questions to one version of the reflection service, each on a stream of its own."""

    def __init__(self, channel: grpc.Channel, version: str, metadata: Sequence[tuple[str, str]], seconds: float) -> None:
        self._call: Any = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
        self._metadata, self._seconds = tuple(metadata), seconds

    def _ask(self, **question: str) -> Any:
        request = _REQUEST(**question).SerializeToString()
        answers = self._call(iter([request]), timeout=self._seconds, metadata=self._metadata)
        return _RESPONSE.FromString(next(iter(answers)))

    def services(self) -> list[str]:
        """Full names, without those of gRPC itself."""
        listed = self._ask(list_services="*").list_services_response.service
        return [one.name for one in listed if not one.name.startswith(OF_GRPC)]

    def pool(self, services: Sequence[str]) -> DescriptorPool:
        """All files of the services and what they import."""
        files: dict[str, FileDescriptorProto] = {}
        for name in services:
            answer = self._ask(file_containing_symbol=name)
            if answer.HasField("error_response"):
                raise TargetError(f"the server lists {name} and does not describe it: {answer.error_response.error_message}")
            self._take(answer, files)
        while missing := sorted({name for file in files.values() for name in file.dependency} - files.keys()):
            for name in missing:
                answer = self._ask(file_by_filename=name)
                self._take(answer, files)
                if name not in files:
                    files[name] = _own_file(name)
        pool = DescriptorPool()
        for name in list(files):
            _add(pool, name, files, set())
        return pool

    def _take(self, answer: Any, files: dict[str, FileDescriptorProto]) -> None:
        for data in answer.file_descriptor_response.file_descriptor_proto:
            file = FileDescriptorProto.FromString(data)
            files.setdefault(file.name, file)
        if len(files) > FILES_MAX or sum(file.ByteSize() for file in files.values()) > FILES_BYTES_MAX:
            raise TargetError("the server describes itself with more files than any contract has")


def _own_file(name: str) -> FileDescriptorProto:
    """A file that everybody has and this server does not give."""
    file = FileDescriptorProto()
    try:
        descriptor_pool.Default().FindFileByName(name).CopyToProto(file)
    except KeyError:
        raise TargetError(f"the server imports {name} and does not give it") from None
    return file


def _add(pool: DescriptorPool, name: str, files: dict[str, FileDescriptorProto], open_files: set[str]) -> None:
    """Add a file after those it imports."""
    if name in open_files:
        raise TargetError(f"{name} imports itself")
    try:
        pool.FindFileByName(name)
    except KeyError:
        for imported in files[name].dependency:
            _add(pool, imported, files, open_files | {name})
        pool.AddSerializedFile(files[name].SerializeToString())


def _messages() -> tuple[Any, Any]:
    """Request and response of reflection, as far as they are used here; both versions have the same on the wire."""
    text, number, data, group = (
        FieldDescriptorProto.TYPE_STRING,
        FieldDescriptorProto.TYPE_INT32,
        FieldDescriptorProto.TYPE_BYTES,
        FieldDescriptorProto.TYPE_MESSAGE,
    )
    one, many = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED
    shapes: dict[str, list[tuple[str, int, Any, Any, str]]] = {
        "Request": [
            ("file_by_filename", 3, text, one, ""),
            ("file_containing_symbol", 4, text, one, ""),
            ("list_services", 7, text, one, ""),
        ],
        "Files": [("file_descriptor_proto", 1, data, many, "")],
        "Service": [("name", 1, text, one, "")],
        "Services": [("service", 1, group, many, "Service")],
        "Error": [("error_code", 1, number, one, ""), ("error_message", 2, text, one, "")],
        "Response": [
            ("file_descriptor_response", 4, group, one, "Files"),
            ("list_services_response", 6, group, one, "Services"),
            ("error_response", 7, group, one, "Error"),
        ],
    }
    file = FileDescriptorProto(name="protoplane/verify/reflection.proto", package="protoplane.verify", syntax="proto3")
    for name, fields in shapes.items():
        file.message_type.append(
            DescriptorProto(
                name=name,
                field=[
                    FieldDescriptorProto(
                        name=field, number=at, type=kind, label=label, type_name=f".protoplane.verify.{other}" if other else None
                    )
                    for field, at, kind, label, other in fields
                ],
            )
        )
    pool = DescriptorPool()
    pool.Add(file)
    # In a oneof, a text of none is sent; `list_services` may be anything but must be there, so it is never empty here.
    return tuple(GetMessageClass(pool.FindMessageTypeByName(f"protoplane.verify.{name}")) for name in ("Request", "Response"))  # type: ignore[return-value]


_REQUEST, _RESPONSE = _messages()
