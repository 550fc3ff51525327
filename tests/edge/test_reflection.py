"""Reflection: both versions by raw stubs, and grpcurl as people use it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from protoplane.base.errors import Fault, Reason, Violation
from protoplane.contract.model import Contract
from tests import tools
from tests.edge.conftest import GET, LIST, Running, Starter
from tests.engines import Unavailable

SERVICES = [
    "library.v1.Library",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
]


@pytest.fixture(params=["v1", "v1alpha"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ask(running: Running, contract: Contract, version: str, *questions: dict[str, Any], token: str | None = None) -> list[Any]:
    """The answers to the questions of one stream, by the messages of that version."""
    package = f"grpc.reflection.{version}"
    request, response = (contract.messages[f"{package}.ServerReflection{part}"] for part in ("Request", "Response"))
    metadata = [("authorization", f"Bearer {token}")] if token else []
    call = running.channel.stream_stream(
        f"/{package}.ServerReflection/ServerReflectionInfo",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=response.FromString,
    )
    return list(call(iter([request(**question) for question in questions]), timeout=10, metadata=metadata))


def files(answer: Any) -> list[FileDescriptorProto]:
    return [FileDescriptorProto.FromString(data) for data in answer.file_descriptor_response.file_descriptor_proto]


def test_every_service_is_listed_and_describable(running: Running, contract: Contract, version: str) -> None:
    (listed,) = ask(running, contract, version, {"list_services": "*"})
    names = [service.name for service in listed.list_services_response.service]
    assert names == SERVICES
    for name in names:
        (found,) = ask(running, contract, version, {"file_containing_symbol": name})
        pool = DescriptorPool()
        for file in reversed(files(found)):  # What is imported comes after what imports it.
            pool.Add(file)
        assert pool.FindServiceByName(name).full_name == name


@pytest.mark.parametrize(
    "symbol",
    [
        "library.v1.Library",
        "library.v1.Library.GetBook",
        "library.v1.Book",
        "library.v1.Book.title",
        "google.protobuf.Empty",
        "protoplane.v1.rule",
        "protoplane.v1.Rule.who",
        "google.rpc.ErrorInfo",
        "google.rpc.Status",
        "google.rpc.NOT_FOUND",
        "google.protobuf.Duration",
        "google.protobuf.FieldDescriptorProto.TYPE_INT32",
        "grpc.health.v1.HealthCheckResponse.ServingStatus",
        "grpc.health.v1.HealthCheckResponse.SERVING",
        "buf.validate.FieldRules",
    ],
)
def test_a_symbol_of_any_kind_is_found(running: Running, contract: Contract, version: str, symbol: str) -> None:
    (found,) = ask(running, contract, version, {"file_containing_symbol": symbol})
    assert found.file_descriptor_response.file_descriptor_proto
    assert found.original_request.file_containing_symbol == symbol


def test_the_contract_is_given_with_its_comments_and_options(running: Running, contract: Contract, version: str) -> None:
    (found,) = ask(running, contract, version, {"file_by_filename": "library/v1/library.proto", "host": "here"})
    assert found.valid_host == "here"
    data = found.file_descriptor_response.file_descriptor_proto[0]
    assert data == contract.files["library/v1/library.proto"]
    assert b"Keeps books." in data
    assert b"books.get" in data


def test_a_file_is_given_with_all_it_imports_once_a_stream(running: Running, contract: Contract, version: str) -> None:
    question = {"file_by_filename": "library/v1/library.proto"}
    first, second = ask(running, contract, version, question, question)
    names = [file.name for file in files(first)]
    assert names[0] == "library/v1/library.proto"
    assert {"google/api/resource.proto", "google/protobuf/descriptor.proto", "protoplane/v1/options.proto"} <= set(names)
    assert len(names) == len(set(names))
    assert [file.name for file in files(second)] == ["library/v1/library.proto"]


def test_extensions_are_found_by_number_and_listed_by_type(running: Running, contract: Contract, version: str) -> None:
    options = "google.protobuf.MethodOptions"
    by_number, listed, none = ask(
        running,
        contract,
        version,
        {"file_containing_extension": {"containing_type": options, "extension_number": 52703}},
        {"all_extension_numbers_of_type": options},
        {"all_extension_numbers_of_type": "library.v1.Book"},
    )
    assert files(by_number)[0].name == "protoplane/v1/options.proto"
    assert listed.all_extension_numbers_response.base_type_name == options
    assert 52703 in listed.all_extension_numbers_response.extension_number
    assert list(none.all_extension_numbers_response.extension_number) == []


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ({"file_by_filename": "nothing.proto"}, 5),
        ({"file_containing_symbol": "nothing.v1.Nothing"}, 5),
        ({"file_containing_symbol": ""}, 5),
        ({"file_containing_extension": {"containing_type": "google.protobuf.MethodOptions", "extension_number": 1}}, 5),
        ({"all_extension_numbers_of_type": "nothing.v1.Nothing"}, 5),
        ({}, 3),
    ],
)
def test_what_is_not_there_is_an_error_in_the_stream_which_goes_on(
    running: Running, contract: Contract, version: str, question: dict[str, Any], code: int
) -> None:
    wrong, right = ask(running, contract, version, question, {"list_services": ""})
    assert wrong.error_response.error_code == code
    assert right.list_services_response.service


def test_bytes_that_are_no_request_end_the_stream_with_invalid_argument(running: Running, version: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(
            running.channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")(iter([b"\xff"]), timeout=10)
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("mode", "anonymous", "known"),
    [("on", "OK", "OK"), ("authenticated", "UNAUTHENTICATED", "OK"), ("off", "UNIMPLEMENTED", "UNIMPLEMENTED")],
)
def test_who_may_ask_is_a_setting(start: Starter, contract: Contract, version: str, mode: str, anonymous: str, known: str) -> None:
    running = start(reflection=mode)

    def code(token: str | None) -> str:
        try:
            ask(running, contract, version, {"list_services": ""}, token=token)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"

    assert (code(None), code(running.token()), code("x.y.z")) == (anonymous, known, "UNAUTHENTICATED" if mode != "off" else known)


def test_held_reflection_streams_take_no_thread_from_calls(start: Starter, contract: Contract) -> None:
    running = start(threads=2)
    call = running.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    request = contract.messages["grpc.reflection.v1.ServerReflectionRequest"](list_services="").SerializeToString()

    def held() -> Iterator[bytes]:
        yield request
        forever.result()

    forever: Future[None] = Future()
    streams = [call(held(), timeout=30) for _ in range(4)]
    for stream in streams:
        next(stream)
    assert running.call(LIST, b"x") == b"x"
    for stream in streams:
        stream.cancel()
    forever.set_result(None)


def grpcurl(running: Running, *arguments: str, head: Sequence[str] = ()) -> tuple[int, str]:
    try:
        program = tools.grpcurl()
    except Unavailable as reason:
        pytest.skip(str(reason))
    done = subprocess.run(
        [str(program), "-plaintext", "-max-time", "20", *head, running.target, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_grpcurl_describes_with_comments_behaviours_and_rules(running: Running) -> None:
    for name in SERVICES:
        assert grpcurl(running, "describe", name)[0] == 0
    _, service = grpcurl(running, "describe", "library.v1.Library")
    assert "// Reads one book." in service
    assert 'option (.protoplane.v1.rule) = { permission: "books.get" }' in " ".join(service.split())
    _, book = grpcurl(running, "describe", "library.v1.Book")
    assert "// What stands on its cover." in book
    assert "(.google.api.field_behavior) = REQUIRED" in " ".join(book.split()).replace("[REQUIRED]", "REQUIRED")


def test_grpcurl_calls_and_shows_our_details(start: Starter, contract: Contract) -> None:
    fault = Fault(Reason.INVALID_FIELDS, fields="name", violations=[Violation("name", "is empty", "REQUIRED")])

    def refuse(_asked: object) -> bytes:
        raise fault

    book = contract.messages["library.v1.ListBooksResponse"](next_page_token="t").SerializeToString()
    running = start({GET: refuse, LIST: lambda _: book})
    head = ["-H", f"authorization: Bearer {running.token()}", "-d", '{"pageSize":2}']
    done, answer = grpcurl(running, LIST[1:], head=head)
    assert (done, json.loads(answer)) == (0, {"nextPageToken": "t"})
    done, answer = grpcurl(running, GET[1:])
    assert done == 64 + 3
    assert "INVALID_FIELDS" in answer
    assert '"field": "name"' in answer
