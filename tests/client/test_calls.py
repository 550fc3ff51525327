"""Calls of the Python client: requests, tokens, deadlines, and tries that have one effect."""

from __future__ import annotations

import uuid
from typing import Any

import grpc
import pytest

from tests.client.library import Library
from tests.faults.proxy import Proxy

pytestmark = pytest.mark.engines("sqlite")  # Clients do not know what is behind the server.


def test_a_write_without_a_request_id_is_given_one_and_each_write_its_own(library: Library) -> None:
    client, calls = library.recorded()
    request = library.pb.CreatePublisherRequest(publisher=library.pb.Publisher(display_name="P"))
    names = {client.create_publisher(request).name for _ in range(2)}
    names.add(client.create_publisher(publisher=request.publisher).name)
    assert len(names) == 3
    given = [uuid.UUID(sent.request_id) for _, sent in calls]
    assert len(set(given)) == 3
    assert {one.version for one in given} == {4}
    assert not request.request_id, "the caller's request is the caller's"


def test_a_request_id_that_is_given_is_sent(library: Library) -> None:
    client, calls = library.recorded()
    chosen = str(uuid.uuid4())
    made = [client.create_publisher(publisher=library.pb.Publisher(display_name="P"), request_id=chosen) for _ in range(2)]
    assert made[0] == made[1]
    assert [sent.request_id for _, sent in calls] == [chosen, chosen]


def test_a_write_whose_answer_is_lost_is_sent_again_with_its_request_id(library: Library, proxy: Proxy, parent: str) -> None:
    client = library.client(proxy.port)
    proxy.loses_reply_to, proxy.replies_lost_max = b"A very lost title", 2
    made = client.create_book(parent=parent, book=library.pb.Book(title="A very lost title"))
    assert proxy.replies_lost == 2
    assert [book.name for book in client.list_books(parent=parent)] == [made.name]


def test_what_must_not_be_repeated_is_sent_once(library: Library, client: Any, proxy: Proxy, parent: str) -> None:
    proxy.loses_reply_to = b"Not twice"
    with pytest.raises(library.runtime.Unavailable):  # UpdatePublisher takes no request_id here.
        library.client(proxy.port).update_publisher(publisher=library.pb.Publisher(name=parent, display_name="Not twice"))
    assert proxy.replies_lost == 1
    assert client.get_publisher(name=parent).display_name == "Not twice"


def test_only_methods_that_the_contract_allows_are_tried_again(library: Library) -> None:
    repeated = {path.rpartition("/")[2] for path in (*library.channel.REPEATABLE, *library.channel.WITH_REQUEST_ID)}
    every = {method.name for method in library.pb.DESCRIPTOR.services_by_name["Library"].methods}
    assert every - repeated == {"UpdatePublisher", "DeletePublisher"}
    policy = library.channel.SERVICE_CONFIG["methodConfig"][0]["retryPolicy"]
    assert policy["retryableStatusCodes"] == ["UNAVAILABLE", "CANCELLED"]


def test_a_function_is_asked_for_the_token_of_each_call(library: Library) -> None:
    tokens = [library.token("reader"), library.token("writer")]
    client = library.client(token=lambda: tokens.pop(0))
    assert [client.who_am_i().subject for _ in range(2)] == ["reader", "writer"]


def test_no_text_of_a_client_has_its_token(library: Library) -> None:
    client = library.client(token="s3cr3t")
    with pytest.raises(library.runtime.Unauthenticated) as caught:
        client.who_am_i()
    assert "s3cr3t" not in f"{client!r} {client} {caught.value!r} {caught.value}"


def test_other_options_are_of_the_copy_alone(library: Library, client: Any) -> None:
    other = client.with_options(token=library.token("reader"), metadata=[("x-request-id", "mine")])
    assert [one.who_am_i().subject for one in (client, other)] == ["writer", "reader"]
    with pytest.raises(library.runtime.NotFound) as caught:
        other.get_publisher(name="publishers/nobody")
    assert caught.value.call_id == "mine"
    other.close()
    assert client.who_am_i().subject == "writer", "the channel is the first one's"


def test_a_call_ends_with_its_deadline(library: Library, proxy: Proxy) -> None:
    client = library.client(proxy.port, timeout_seconds=0.2)
    proxy.up.clear()
    with pytest.raises(library.runtime.DeadlineExceeded):
        client.ping()


def test_a_request_is_given_whole_or_by_its_fields(library: Library, client: Any, parent: str) -> None:
    request = library.pb.GetPublisherRequest(name=parent)
    assert client.get_publisher(request) == client.get_publisher(name=parent)
    with pytest.raises(TypeError, match="not both"):
        client.get_publisher(request, name=parent)


def test_a_connection_is_encrypted_unless_it_is_said_not_to_be(library: Library, served: Any) -> None:
    target = f"127.0.0.1:{served.app.port}"
    with library.client_module.LibraryClient(target, timeout_seconds=2) as client, pytest.raises(library.runtime.CallError) as caught:
        client.ping()
    assert caught.value.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    with pytest.raises(ValueError, match="not both"):
        library.client_module.LibraryClient(target, credentials=grpc.ssl_channel_credentials(), insecure=True)
    with grpc.insecure_channel(target) as channel, pytest.raises(ValueError, match="already"):
        library.client_module.LibraryClient(channel, insecure=True)


def test_a_channel_of_ones_own_stays_open(library: Library, served: Any) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{served.app.port}") as channel:
        for _ in range(2):
            with library.client_module.LibraryClient(channel) as client:
                client.ping()
