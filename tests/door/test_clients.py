"""The client package over each engine: what AIP-4231 to 4235 ask of clients."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.client.library import Library
from tests.door.service import Service
from tests.faults.proxy import Proxy


@pytest.fixture
def library(served: Service) -> Iterator[Library]:
    """The client package, and clients of the server."""
    with closing(Library(served)) as library:
        yield library
    assert not served.bugs


def test_aip_53_lists_are_lazy_and_go_on_from_page_tokens_and_names_are_helped_with(library: Library, publisher: str) -> None:
    client, calls = library.recorded()
    parent = library.names.PublisherName.parse(publisher)
    titles = [library.pb.CreateBookRequest(book_id=f"b{n}", book=library.pb.Book(title="x")) for n in range(5)]
    made = [book.name for book in client.batch_create_books(parent=parent.format(), requests=titles).books]
    assert made == [library.names.BookName(publisher=parent.publisher, book=f"b{n}").format() for n in range(5)]
    calls.clear()
    listed = client.list_books(parent=publisher, page_size=2)
    assert not calls
    assert [book.name for book in itertools.islice(listed, 2)] == made[:2]
    assert len(calls) == 1
    rest = client.list_books(parent=publisher, page_size=2, page_token=listed.next_page_token)
    assert [[book.name for book in page.books] for page in rest.pages] == [made[2:4], made[4:]]
    assert [request.page_token != "" for _, request in calls] == [False, True, True]


def test_aip_53_a_retry_after_a_lost_connection_has_the_same_request_id_and_one_effect(
    library: Library, served: Service, publisher: str
) -> None:
    with closing(Proxy(served.app.port)) as proxy:
        client = library.client(proxy.port)
        calls: dict[str, Any] = {
            "create": lambda: client.create_book(parent=publisher, book=library.pb.Book(title="Lost")),
            "batch": lambda: client.batch_create_books(
                parent=publisher, requests=[library.pb.CreateBookRequest(book=library.pb.Book(title="Lost"))]
            ),
        }
        for count, call in enumerate(calls.values(), 1):
            proxy.loses_reply_to, proxy.replies_lost_max = b"Lost", count
            call()
            assert proxy.replies_lost == count, "the first answer was lost, and there was another"
            assert len(list(client.list_books(parent=publisher))) == count
        book: Any = next(client.list_books(parent=publisher))
        proxy.loses_reply_to, proxy.replies_lost_max = book.name.encode(), proxy.replies_lost + 1
        client.delete_book(name=book.name)  # Without its request_id the second try would not find it.
        assert len(list(client.list_books(parent=publisher))) == 1


def test_aip_53_only_what_the_configuration_names_is_tried_again(library: Library, served: Service, publisher: str) -> None:
    with closing(Proxy(served.app.port)) as proxy:
        proxy.loses_reply_to = b"Once"
        with pytest.raises(library.runtime.Unavailable):
            library.client(proxy.port).update_publisher(publisher=library.pb.Publisher(name=publisher, display_name="Once"))
        assert proxy.replies_lost == 1, "it was sent once; whether it was done before the connection ended nobody can say"
        assert "/library.v1.Library/UpdatePublisher" not in {*library.channel.REPEATABLE, *library.channel.WITH_REQUEST_ID}
