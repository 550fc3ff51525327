"""Errors of the Python client: what the server says, as attributes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from tests.client.library import Library

pytestmark = pytest.mark.engines("sqlite")  # Clients do not know what is behind the server.


def test_a_refusal_has_its_class_its_reason_and_its_metadata(library: Library, client: Any, parent: str) -> None:
    with pytest.raises(library.runtime.NotFound) as caught:
        client.get_book(name=f"{parent}/books/none")
    error = caught.value
    assert (error.code, error.reason, error.domain) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", "protoplane.v1")
    assert error.metadata == {"name": f"{parent}/books/none"}
    assert error.method == "/library.v1.Library/GetBook"
    assert error.call_id
    assert str(error) == f"NOT_FOUND RESOURCE_NOT_FOUND: {error.message}"
    assert isinstance(error.__cause__, grpc.RpcError)


def test_wrong_fields_are_violations(library: Library, client: Any, parent: str) -> None:
    with pytest.raises(library.runtime.InvalidArgument) as caught:
        client.create_book(parent=parent, book=library.pb.Book(page_count=-1))
    violations = {each.field: each.reason for each in caught.value.violations}
    assert violations.keys() == {"book.title", "book.page_count"}
    assert violations["book.title"] == "REQUIRED"
    assert "\n  book.title: " in str(caught.value)


def test_each_refusal_is_of_its_class(library: Library, client: Any, parent: str) -> None:
    runtime, pb = library.runtime, library.pb
    book = client.create_book(parent=parent, book_id="one", book=pb.Book(title="x"))
    stale = pb.Book(name=book.name, title="y", etag='"stale"')
    calls: dict[Any, Callable[[], Any]] = {
        runtime.AlreadyExists: lambda: client.create_book(parent=parent, book_id="one", book=pb.Book(title="x")),
        runtime.Aborted: lambda: client.update_book(book=stale),
        runtime.FailedPrecondition: lambda: client.delete_publisher(name=parent),
        runtime.PermissionDenied: lambda: library.client(subject="nobody").get_book(name=book.name),
        runtime.Unauthenticated: lambda: library.client(token="none").get_book(name=book.name),
        runtime.Unavailable: lambda: library.client(1).ping(),
    }
    for expected, call in calls.items():
        with pytest.raises(expected) as caught:
            call()
        assert isinstance(caught.value, runtime.CallError)


def test_an_error_passes_from_process_to_process(library: Library, client: Any, parent: str) -> None:
    with pytest.raises(library.runtime.NotFound) as caught:
        client.get_book(name=f"{parent}/books/none")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is library.runtime.NotFound
    assert (str(again), again.metadata, again.details) == (str(caught.value), caught.value.metadata, caught.value.details)


def test_the_time_to_come_again_is_had_in_seconds(library: Library) -> None:
    status = status_pb2.Status(code=8, message="busy")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1_500)
    status.details.add().Pack(retry)
    with refusing(grpc.StatusCode.RESOURCE_EXHAUSTED, status.SerializeToString()) as target:
        error = error_of(library, target)
    assert (type(error), error.retry_delay_seconds) == (library.runtime.ResourceExhausted, 1.5)


@pytest.mark.parametrize("details", [b"", b"\xff\xff", b"\x1a\x05\x0a\x00\x12\x01\xff"])
def test_a_refusal_without_readable_details_has_its_code(library: Library, details: bytes) -> None:
    with refusing(grpc.StatusCode.DATA_LOSS, details) as target:
        error = error_of(library, target)
    assert (type(error), error.code, error.message) == (library.runtime.CallError, grpc.StatusCode.DATA_LOSS, "no")
    assert (error.reason, error.violations, error.retry_delay_seconds) == ("", (), None)


def error_of(library: Library, target: str) -> Any:
    with library.client_module.LibraryClient(target, insecure=True) as client, pytest.raises(library.runtime.CallError) as caught:
        client.ping()
    return caught.value


@contextmanager
def refusing(code: grpc.StatusCode, details: bytes) -> Iterator[str]:
    """A server that refuses everything."""

    class Handlers(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
            return grpc.unary_unary_rpc_method_handler(refuse)

    def refuse(data: bytes, context: grpc.ServicerContext) -> Any:
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(code, "no")

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Handlers()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
