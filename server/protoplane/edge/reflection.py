"""Server reflection, v1 and v1alpha: the contract as it was written, with comments, behaviours and rules.

Serves the descriptors with source info that `contract.load` kept, and what clients need to read our errors and to talk to
the health and reflection services. The two versions of the protocol have the same messages on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2

from protoplane.base.errors import Code, Fault, Reason
from protoplane.base.observe import Event, Level, Observe
from protoplane.edge.call import Authenticate, principal_of
from protoplane.edge.head import read_metadata
from protoplane.edge.refusal import Refused, refused
from protoplane.edge.rpc import Call, Handler

if TYPE_CHECKING:
    from protoplane.contract.model import Contract

VERSIONS = ("v1", "v1alpha")
"""Tools that know the new one ask for it first; many know the old one only."""

REQUEST_BYTES_MAX = 16_384
"""It holds a name."""

_ALWAYS = (any_pb2, duration_pb2, code_pb2, status_pb2, error_details_pb2, health_pb2)
"""Generated modules of what is served besides the contract, imports first: without google.rpc nobody can read our errors."""


class Index:
    """Files by what is in them; built once. Names are full names without a leading dot."""

    def __init__(self, files: Iterable[bytes], services: Sequence[str]) -> None:
        """Later files that repeat a name of earlier ones are left out: two definitions of one name help nobody."""
        self.services = tuple(services)
        self._data: dict[str, bytes] = {}
        self._imports: dict[str, Sequence[str]] = {}
        self._file_of: dict[str, str] = {}
        self._extensions: dict[str, dict[int, str]] = {}
        for data in files:
            self._add(data, FileDescriptorProto.FromString(data))
        missing = [service for service in services if service not in self._file_of]
        if missing:
            raise ValueError(f"services without a description: {', '.join(missing)}")

    def _add(self, data: bytes, file: FileDescriptorProto) -> None:
        names, extensions = set(_symbols(file)), list(_extensions(file))
        if file.name in self._data or any(name in self._file_of for name in names):
            return
        self._data[file.name], self._imports[file.name] = data, tuple(file.dependency)
        self._file_of |= dict.fromkeys(names, file.name)
        for extension in extensions:
            self._extensions.setdefault(extension.extendee.lstrip("."), {})[extension.number] = file.name

    def file_with(self, symbol: str) -> str | None:
        """Name of the file that declares the symbol."""
        return self._file_of.get(symbol)

    def file_extending(self, message: str, number: int) -> str | None:
        """Name of the file that declares the extension."""
        return self._extensions.get(message, {}).get(number)

    def extension_numbers(self, message: str) -> list[int] | None:
        """Numbers of the known extensions of a message; None when there is no such message."""
        return sorted(self._extensions.get(message, ())) if message in self._file_of else None

    def with_imports(self, file: str | None, sent: set[str]) -> list[bytes] | None:
        """The file and all it needs, but for what is in `sent`, which is added to; None when there is no such file."""
        if file not in self._data:
            return None
        found, waiting = [self._data[file]], list(self._imports[file])
        sent.add(file)
        while waiting:
            name = waiting.pop(0)
            if name in self._data and name not in sent:
                sent.add(name)
                found.append(self._data[name])
                waiting.extend(self._imports[name])
        return found


def reflection_handlers(
    contract: Contract, *, authenticate: Authenticate, anyone: bool, seconds_max: float, observe: Observe
) -> dict[str, Handler]:
    """Handlers by path for both versions. `anyone`: without credentials too. A stream ends after `seconds_max`."""
    served = dict.fromkeys(method.service for method in contract.methods.values())
    services = [*served, "grpc.health.v1.Health", *(f"grpc.reflection.{version}.ServerReflection" for version in VERSIONS)]
    always = (module.DESCRIPTOR.serialized_pb for module in _ALWAYS)
    index = Index([*contract.files.values(), *always], services)
    request, response = (contract.messages[f"grpc.reflection.v1.ServerReflection{part}"] for part in ("Request", "Response"))
    serve = _bind_stream(_Answers(index, request, response), authenticate=authenticate, anyone=anyone, observe=observe)
    handler = Handler(
        serve, request_streaming=True, response_streaming=True, message_bytes_max=REQUEST_BYTES_MAX, stream_seconds_max=seconds_max
    )
    return {f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo": handler for version in VERSIONS}


def _bind_stream(
    answers: _Answers, *, authenticate: Authenticate, anyone: bool, observe: Observe
) -> Callable[[Iterator[bytes], Call], Iterator[bytes]]:
    def serve(requests: Iterator[bytes], call: Call) -> Iterator[bytes]:
        head = read_metadata(call.metadata)
        request_id = head.request_id
        sent: set[str] = set()
        try:
            if head.authorization:
                principal_of(head, authenticate)
            elif not anyone:
                raise Fault(Reason.CREDENTIALS_INVALID, problem="none were given.")  # noqa: TRY301 - one place refuses.
            for data in requests:
                yield answers.to(data, sent)
        except Fault as fault:
            raise refused(fault, request_id) from None
        except DecodeError:
            raise refused(Fault(Reason.MALFORMED_MESSAGE, message="grpc.reflection.v1.ServerReflectionRequest"), request_id) from None
        except Refused:
            raise
        except Exception as bug:  # noqa: BLE001 - nothing of it must reach the caller.
            observe(Event("reflection.broke", Level.ERROR, {"request_id": request_id}, bug))
            raise refused(Fault(Reason.INTERNAL_FAULT, requestId=request_id), request_id) from None

    return serve


class _Answers:
    """Request → response, both as bytes."""

    def __init__(self, index: Index, request: type[Message], response: type[Message]) -> None:
        self._index, self._request, self._response = index, request, response

    def to(self, data: bytes, sent: set[str]) -> bytes:
        """The answer to one request of a stream; `sent` are the files that the stream has had. Raises DecodeError."""
        request: Any = self._request.FromString(data)
        response: Any = self._response(valid_host=request.host, original_request=request)
        match request.WhichOneof("message_request"):
            case "list_services":
                for service in self._index.services:
                    response.list_services_response.service.add(name=service)
            case "all_extension_numbers_of_type":
                self._numbers(request.all_extension_numbers_of_type, response)
            case "file_by_filename":
                self._files(request.file_by_filename, request.file_by_filename, sent, response)
            case "file_containing_symbol":
                symbol = request.file_containing_symbol
                self._files(self._index.file_with(symbol), symbol, sent, response)
            case "file_containing_extension":
                wanted = request.file_containing_extension
                file = self._index.file_extending(wanted.containing_type, wanted.extension_number)
                self._files(file, f"{wanted.containing_type} {wanted.extension_number}", sent, response)
            case _:
                _error(response, Code.INVALID_ARGUMENT, "the request asks for nothing")
        data = response.SerializeToString()
        assert isinstance(data, bytes)
        return data

    def _files(self, file: str | None, wanted: str, sent: set[str], response: Any) -> None:
        found = self._index.with_imports(file, sent)
        if found is None:
            _error(response, Code.NOT_FOUND, f"nothing is known of '{wanted[:256]}'")
        else:
            response.file_descriptor_response.file_descriptor_proto.extend(found)

    def _numbers(self, message: str, response: Any) -> None:
        numbers = self._index.extension_numbers(message)
        if numbers is None:
            _error(response, Code.NOT_FOUND, f"nothing is known of '{message[:256]}'")
        else:
            response.all_extension_numbers_response.base_type_name = message
            response.all_extension_numbers_response.extension_number.extend(numbers)


def _error(response: Any, code: Code, text: str) -> None:
    response.error_response.error_code = int(code)
    response.error_response.error_message = text


def _symbols(file: FileDescriptorProto) -> Iterator[str]:
    """Full names of all that a file declares: messages, fields, oneofs, enums and their values, services, methods, extensions."""
    scope = f"{file.package}." if file.package else ""
    for message in file.message_type:
        yield from _message_symbols(scope, message)
    for enum in file.enum_type:
        yield from _enum_symbols(scope, enum)
    for extension in file.extension:
        yield scope + extension.name
    for service in file.service:
        yield scope + service.name
        for method in service.method:
            yield f"{scope}{service.name}.{method.name}"


def _message_symbols(scope: str, message: DescriptorProto) -> Iterator[str]:
    yield scope + message.name
    inside = f"{scope}{message.name}."
    for field in (*message.field, *message.extension):
        yield inside + field.name
    for oneof in message.oneof_decl:
        yield inside + oneof.name
    for nested in message.nested_type:
        yield from _message_symbols(inside, nested)
    for enum in message.enum_type:
        yield from _enum_symbols(inside, enum)


def _enum_symbols(scope: str, enum: EnumDescriptorProto) -> Iterator[str]:
    yield scope + enum.name
    for value in enum.value:
        yield scope + value.name  # Values live beside their enum, as in C++.


def _extensions(file: FileDescriptorProto) -> Iterator[FieldDescriptorProto]:
    yield from file.extension
    waiting = list(file.message_type)
    while waiting:
        message = waiting.pop()
        yield from message.extension
        waiting.extend(message.nested_type)
