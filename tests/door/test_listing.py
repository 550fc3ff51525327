"""Get, and lists: pages, orders, filters and totals (17-33)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.door.books import book, every_book, new_uuid
from tests.door.client import Door, Refused
from tests.door.service import Service

Refuse = Callable[..., Refused]


def test_aip_17_get_gives_the_whole_resource_or_not_found(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    made = book(door, lib, publisher, "emma", tags=["a", "b"], labels={"k": "v"}, rating=4.5, author=lib.Person(given_name="Jane"))
    assert door.GetBook(name=made.name) == made
    missing = refused(door.GetBook, name=f"{publisher}/books/none")
    assert (missing.code, missing.reason) == ("NOT_FOUND", "RESOURCE_NOT_FOUND")
    assert missing.metadata == {"name": f"{publisher}/books/none"}


def test_aip_19_20_page_sizes_and_the_last_token(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    requests = [lib.CreateBookRequest(book_id=f"b{i:04}", book=lib.Book(title=f"T{i}")) for i in range(1_000)]
    door.BatchCreateBooks(parent=publisher, requests=requests)
    book(door, lib, publisher, "b1000")
    assert len(door.ListBooks(parent=publisher).books) == 50, "the documented default"
    assert len(door.ListBooks(parent=publisher, page_size=2_000_000_000).books) == 1_000, "the documented maximum"
    assert "page_size" in refused(door.ListBooks, parent=publisher, page_size=-1).violations
    first = door.ListBooks(parent=publisher, page_size=2)
    rest = door.ListBooks(parent=publisher, page_size=999, page_token=first.next_page_token)
    assert [b.name.rpartition("/")[2] for b in (*first.books, *rest.books)] == [f"b{i:04}" for i in range(1_001)]
    assert first.next_page_token
    assert not rest.next_page_token, "never set on the exact last page"


def test_aip_21_22_page_tokens_are_opaque_and_bound_to_the_arguments(
    served: Service, door: Door, lib: Any, publisher: str, refused: Refuse
) -> None:
    for i in range(4):
        book(door, lib, publisher, f"b{i}", page_count=i)
    asked = {"parent": publisher, "filter": "page_count >= 0", "order_by": "page_count"}
    token = door.ListBooks(page_size=2, **asked).next_page_token
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert "page_count" not in token
    for change in ({"filter": "page_count >= 1"}, {"order_by": "page_count desc"}, {"order_by": ""}, {"parent": "publishers/other"}):
        refusal = refused(door.ListBooks, page_token=token, **{**asked, **change})
        assert (refusal.code, refusal.reason, "page_token" in refusal.violations) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", True)
    for i in range(0, len(token), 7):
        forged = token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :]
        assert refused(door.ListBooks, page_token=forged, **asked).reason == "INVALID_PAGE_TOKEN"
    assert refused(door.ListPublishers, page_token=token).reason == "INVALID_PAGE_TOKEN"
    nobody = served.door("nobody")
    assert refused(nobody.ListBooks, page_token=token, **asked).code == "PERMISSION_DENIED", "a token carries no authority"
    nobody.close()
    assert len(door.ListBooks(page_size=9, page_token=token, **asked).books) == 2


def test_aip_27_order_by_sorts_naturally_with_a_stable_tie_break(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    rows = {
        "a": {"page_count": 10, "rating": 2.0, "publish_time": Timestamp(seconds=5), "author": lib.Person(given_name="B")},
        "b": {"page_count": 9, "publish_time": Timestamp(seconds=-5)},
        "c": {"page_count": 10, "rating": 10.0, "author": lib.Person(given_name="A")},
        "d": {"page_count": 100, "rating": -1.0, "publish_time": Timestamp(seconds=5, nanos=1000)},
    }
    for book_id, fields in rows.items():
        book(door, lib, publisher, book_id, **fields)
    for order_by, expected in {
        "": "abcd", "name desc": "dcba", "page_count": "bacd", "page_count desc": "dcab", " page_count   desc ,  name ": "dacb",
        "rating": "bdac", "rating desc, name": "cadb", "publish_time": "cbad", "publish_time desc": "dabc",
        "author.given_name": "bdca", "page_count asc,rating desc": "bcad",
    }.items():  # fmt: skip
        for size in (1, 3, 50):
            found = every_book(door, publisher, order_by=order_by, page_size=size)
            assert "".join(b.name[-1] for b in found) == expected, (order_by, size)
    for bad in ("nothing", "tags", "author", "labels", "page_count sideways", "page_count,", "page_count page_count", "author.nothing"):
        assert "order_by" in refused(door.ListBooks, parent=publisher, order_by=bad).violations


FILTERS = {
    "page_count = 10": "ac", "page_count != 10": "bd", "page_count > 9 AND page_count < 100": "ac",
    "page_count = 9 OR page_count = 100": "bd", "page_count > 9 rating > 1": "ac", "NOT page_count = 10": "bd", "-page_count = 10": "bd",
    "title = 'Emma'": "a", 'title = "Em*"': "ab", 'title != "Em*"': "cd", 'title = "*a"': "a", 'title : "mm"': "ab",
    "genre = GENRE_FICTION": "ab", "available = true": "ad", "available = false": "bc", "rating > 2.5e0": "c", "rating >= -1": "acd",
    "publish_time > 1970-01-01T00:00:00Z": "ad", 'publish_time = "1970-01-01T01:00:05+01:00"': "a", "reading_time >= 1.5s": "b",
    'author.given_name = "A"': "c", "author:*": "ac", "rating:*": "acd", "NOT rating:*": "b", 'isbn = "1"': "a", 'isbn != "1"': "b",
    "page_count = 9 OR page_count = 100 AND available = true": "d", "page_count = 100 available = true OR genre = GENRE_FICTION": "d",
    'tags:"x"': "ab", 'NOT tags:"x"': "cd", "labels:k": "c", 'labels.k = "v"': "c", 'title = ""': "",
    'first_publisher = "publishers/one"': "a", 'first_publisher != "publishers/one"': "bcd", 'first_publisher = ""': "bcd",
    'sequel_of = "publishers/one/books/two"': "d", '(page_count = 10 AND rating = 10) OR title = "Emma"': "ac",
    "rating != 2": "cd", "NOT (rating = 2)": "cd", 'author.given_name != "A"': "a",
}  # fmt: skip
"""Filter → the books that match: 28 precedence, juxtaposition and negation; 29 types; 32 three-valued logic."""


def test_aip_27_two_references_are_two_orders(door: Door, lib: Any, publisher: str) -> None:
    for book_id, first, other in (("a", "z", "1"), ("b", "y", "2"), ("c", "x", "3")):
        book(door, lib, publisher, book_id, first_publisher=f"publishers/{first}", co_publisher=f"publishers/{other}")
    for order_by, expected in (("first_publisher", "cba"), ("co_publisher", "abc"), ("first_publisher desc", "abc")):
        for size in (1, 50):
            assert "".join(b.name[-1] for b in every_book(door, publisher, order_by=order_by, page_size=size)) == expected


def test_aip_28_29_filters_mean_what_the_language_says(door: Door, lib: Any, publisher: str) -> None:
    from google.protobuf.duration_pb2 import Duration

    rows: dict[str, dict[str, Any]] = {
        "a": {"title": "Emma", "page_count": 10, "rating": 2.0, "publish_time": Timestamp(seconds=5), "author": lib.Person(given_name="B"),
              "genre": 1, "available": True, "isbn": "1", "tags": ["x", "y"], "first_publisher": "publishers/one"},
        "b": {"title": "Emmy", "page_count": 9, "publish_time": Timestamp(seconds=-5), "genre": 1, "isbn": "2", "tags": ["x"],
              "reading_time": Duration(seconds=1, nanos=500_000_000)},
        "c": {"title": "C%", "page_count": 10, "rating": 10.0, "author": lib.Person(given_name="A"), "labels": {"k": "v"}},
        "d": {"title": "D_", "page_count": 100, "rating": -1.0, "publish_time": Timestamp(seconds=5, nanos=1000), "available": True,
              "sequel_of": "publishers/one/books/two"},
    }  # fmt: skip
    isbn = publisher.rpartition("/")[2]
    for book_id, fields in rows.items():
        if "isbn" in fields:
            fields["isbn"] = f"{isbn}-{fields['isbn']}"
        book(door, lib, publisher, book_id, **fields)
    for text, expected in FILTERS.items():
        asked = text.replace('isbn = "', f'isbn = "{isbn}-').replace('isbn != "', f'isbn != "{isbn}-')
        assert "".join(b.name[-1] for b in every_book(door, publisher, filter=asked)) == expected, text


@pytest.mark.parametrize(
    "text",
    ["nothing = 1", "page_count = 'ten'", "page_count = 1.5.2", "genre = GENRE_NONE", "genre > GENRE_FICTION", "publish_time > yesterday",
     "available > true", "available = maybe", "tags = 'x'", "author = 1", "title", '"word"', "AND", "title = 'x' and title = 'y'", "(title = 'x'",
     "title = 'x", "f(title)", "author[0].given_name = 'x'", "tags.0 = 'x'", "e[0].foo = 1", "reading_time = 5", "first_publisher = 'x'",
     "first_publisher.nothing = 1", "first_publisher.display_name.x = 1", "(" * 5_000 + ")" * 5_000, "title = '" + "x" * 10_000 + "'", " AND ".join(["page_count = 1"] * 500)],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_aip_33_filters_that_cannot_be_used_are_refused(door: Door, publisher: str, refused: Refuse, text: str) -> None:
    refusal = refused(door.ListBooks, parent=publisher, filter=text)
    assert (refusal.code, refusal.reason, "filter" in refusal.violations) == ("INVALID_ARGUMENT", "INVALID_FILTER", True)


def test_total_size_counts_what_the_filter_matches(door: Door, lib: Any) -> None:
    word = new_uuid()
    for i in range(3):
        door.CreatePublisher(publisher=lib.Publisher(display_name=f"{word} {i}"))
    page = door.ListPublishers(filter=f'display_name = "{word}*"', page_size=2)
    assert (page.total_size, len(page.publishers)) == (3, 2)
