"""Lists of the Python client: iterators that ask when they must, and go on from any page token."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.client.library import Library
from tests.faults.proxy import Proxy

pytestmark = pytest.mark.engines("sqlite")  # Clients do not know what is behind the server.


@pytest.fixture
def books(client: Any, library: Library, parent: str) -> list[str]:
    """The names of seven books, as they are listed."""
    titles = [library.pb.CreateBookRequest(book_id=f"b{n}", book=library.pb.Book(title="x")) for n in range(7)]
    return [book.name for book in client.batch_create_books(parent=parent, requests=titles).books]


def test_a_page_is_asked_for_when_its_first_resource_is_needed(library: Library, parent: str, books: list[str]) -> None:
    client, calls = library.recorded()
    listed = client.list_books(parent=parent, page_size=3)
    assert not calls
    assert [book.name for book in itertools.islice(listed, 3)] == books[:3]
    assert len(calls) == 1
    assert next(listed).name == books[3]
    assert len(calls) == 2
    assert [book.name for book in listed] == books[4:]
    assert len(calls) == 3
    assert not list(listed)
    assert len(calls) == 3, "the end is known"


def test_every_page_asks_for_the_same_but_for_its_token(library: Library, parent: str, books: list[str]) -> None:
    client, calls = library.recorded()
    pages = list(client.list_books(parent=parent, page_size=3, filter='title = "x"', order_by="name desc").pages)
    assert [book.name for page in pages for book in page.books] == books[::-1]
    assert [len(page.books) for page in pages] == [3, 3, 1]
    tokens = [request.page_token for _, request in calls]
    assert tokens == ["", *(page.next_page_token for page in pages[:-1])]
    for _, request in calls:
        request.page_token = ""
        assert request == calls[0][1]


def test_a_list_begins_with_the_page_of_its_token(library: Library, client: Any, parent: str, books: list[str]) -> None:
    listed = client.list_books(parent=parent, page_size=2)
    next(listed)
    again = client.list_books(parent=parent, page_size=3, page_token=listed.next_page_token)
    assert [book.name for book in again] == books[2:]
    assert again.next_page_token == ""


def test_resources_and_pages_are_had_once_from_one_iterator(client: Any, parent: str, books: list[str]) -> None:
    listed = client.list_books(parent=parent, page_size=3)
    assert next(listed).name == books[0]
    assert [[book.name for book in page.books] for page in listed.pages] == [books[3:6], books[6:]]
    assert [book.name for book in listed] == books[1:3], "the rest of the first page"


def test_a_request_given_whole_is_left_as_it_was(library: Library, client: Any, parent: str, books: list[str]) -> None:
    request = library.pb.ListBooksRequest(parent=parent, page_size=3)
    assert [book.name for book in client.list_books(request)] == books
    assert request == library.pb.ListBooksRequest(parent=parent, page_size=3)


def test_after_an_error_a_list_goes_on_with_the_page_that_failed(
    library: Library, proxy: Proxy, served: Any, parent: str, books: list[str]
) -> None:
    client = library.client(proxy.port)
    listed = client.list_books(parent=parent, page_size=4)
    had = [book.name for book in itertools.islice(listed, 4)]
    proxy.up.clear()
    late = client.with_options(timeout_seconds=0.2)
    with pytest.raises(library.runtime.DeadlineExceeded):
        next(late.list_books(parent=parent))
    broken = late.list_books(parent=parent, page_size=4)
    for _ in range(2):
        with pytest.raises(library.runtime.DeadlineExceeded):
            next(broken)
    proxy.up.set()
    assert had + [book.name for book in listed] == books


def test_a_server_that_gives_a_token_again_ends_the_list_with_an_error(library: Library) -> None:
    answer = library.pb.ListBooksResponse(next_page_token="same")
    listed = library.runtime.Pager(lambda request: answer, library.pb.ListBooksRequest(), lambda page: page.books)
    with pytest.raises(RuntimeError, match="never end"):
        list(listed)
