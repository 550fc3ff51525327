"""The numbered behaviours of the AIP checklist, through a real port, on every engine. Each test names its numbers."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from tests.door.client import Door, Refused
from tests.door.service import Service

Refuse = Callable[..., Refused]
UUID = "{:08x}-0000-4000-8000-{:012x}"


def new_uuid() -> str:
    return str(uuid.uuid4())


def book(door: Door, lib: Any, parent: str, book_id: str = "", **fields: Any) -> Any:
    """A book that is stored."""
    fields.setdefault("title", "Emma")
    return door.CreateBook(parent=parent, book_id=book_id, book=lib.Book(**fields))


def every_book(door: Door, parent: str, **arguments: Any) -> list[Any]:
    """All pages of a list."""
    found, token = [], ""
    while True:
        page = door.ListBooks(parent=parent, page_token=token, **arguments)
        found += page.books
        token = page.next_page_token
        if not token:
            return found


BAD_CALLS: dict[str, Callable[[Door, Any, str], object]] = {
    "filter": lambda door, lib, parent: door.ListBooks(parent=parent, filter="title = "),
    "order_by": lambda door, lib, parent: door.ListBooks(parent=parent, order_by="nothing"),
    "page_token": lambda door, lib, parent: door.ListBooks(parent=parent, page_token="AAAA"),
    "page_size": lambda door, lib, parent: door.ListBooks(parent=parent, page_size=-1),
    "update_mask": lambda door, lib, parent: door.UpdateBook(book=lib.Book(name=f"{parent}/books/b"), update_mask=FieldMask(paths=["x"])),
    "name": lambda door, lib, parent: door.GetBook(name="shelves/1"),
    "parent": lambda door, lib, parent: door.ListBooks(parent="publishers"),
    "book_id": lambda door, lib, parent: door.CreateBook(parent=parent, book_id="Not/An-Id", book=lib.Book(title="x")),
    "book.title": lambda door, lib, parent: door.CreateBook(parent=parent, book=lib.Book()),
    "book.page_count": lambda door, lib, parent: door.CreateBook(parent=parent, book=lib.Book(title="x", page_count=-1)),
    "request_id": lambda door, lib, parent: door.CreateBook(parent=parent, book=lib.Book(title="x"), request_id="7"),
    "book.first_publisher": lambda door, lib, parent: door.CreateBook(parent=parent, book=lib.Book(title="x", first_publisher="x/y")),
}
"""A wrong call for each field that can be wrong."""


@pytest.mark.parametrize("field", BAD_CALLS)
def test_aip_1_2_3_4_bad_input_is_explained_by_errorinfo_and_field_violations(
    door: Door, lib: Any, publisher: str, refused: Refuse, field: str
) -> None:
    """1: ErrorInfo, each detail once; 2: dynamic parts are in metadata; 3: BadRequest names the field; 4: nothing internal."""
    if field == "update_mask":
        book(door, lib, publisher, "b")
    refusal = refused(BAD_CALLS[field], door, lib, publisher)
    assert refusal.code == "INVALID_ARGUMENT"
    assert re.fullmatch(r"[A-Z][A-Z0-9_]+[A-Z0-9]", refusal.reason)
    assert refusal.domain == "protoplane.v1"
    assert len(set(refusal.details)) == len(refusal.details)
    assert refusal.metadata, "a refusal of input always has something dynamic"
    for key, value in refusal.metadata.items():
        assert re.fullmatch(r"[a-z][a-zA-Z0-9-_]+", key)
        assert len(key) <= 64
        assert value in refusal.message
    assert field in refusal.violations
    text = f"{refusal.message} {refusal.violations}".lower()
    assert not re.search(r"select |insert |sqlite|mysql|mariadb|peewee|publishers__|traceback", text)


def test_aip_3_a_caret_stands_under_the_place_where_the_filter_goes_wrong(door: Door, publisher: str, refused: Refuse) -> None:
    refusal = refused(door.ListBooks, parent=publisher, filter='title = "x" AND pages > 3')
    lines = refusal.violations["filter"].splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip() == "^")
    assert lines[at - 1][lines[at].index("^") :].startswith("pages")
    assert "page_count" in refusal.violations["filter"], "the nearest name is offered"


@pytest.mark.parametrize("exists", [True, False])
def test_aip_5_permission_is_decided_before_existence_and_validity(
    served: Service, door: Door, lib: Any, publisher: str, refused: Refuse, exists: bool
) -> None:
    if exists:
        book(door, lib, publisher, "emma")
    nobody = served.door("nobody")
    name = f"{publisher}/books/emma"
    for call in (
        lambda: nobody.GetBook(name=name),
        lambda: nobody.GetBook(name="not a name"),
        lambda: nobody.ListBooks(parent=publisher, filter="((("),
        lambda: nobody.DeleteBook(name=name, etag="x"),
        lambda: nobody.UpdateBook(book=lib.Book(name=name, title="x" * 1000), update_mask=FieldMask(paths=["nothing"])),
        lambda: nobody.CreateBook(parent="nothing", book=lib.Book()),
    ):
        refusal = refused(call)
        assert refusal.code == "PERMISSION_DENIED"
        assert refusal.message.endswith("(or it might not exist).")
        assert set(refusal.metadata) == {"permission", "resource"}
    nobody.close()
    if not exists:
        assert refused(door.GetBook, name=name).code == "NOT_FOUND"


def test_aip_5_rules_public_authenticated_and_permission(served: Service, refused: Refuse) -> None:
    stranger, nobody = served.door(""), served.door("nobody")
    stranger.Ping()
    assert refused(stranger.WhoAmI).code == "UNAUTHENTICATED"
    assert refused(stranger.GetBook, name="publishers/x/books/y").code == "UNAUTHENTICATED"
    assert nobody.WhoAmI().subject == "nobody"
    stranger.token = "x.y.z"
    assert refused(stranger.Ping).code == "UNAUTHENTICATED", "bad credentials are refused on public methods too"


def test_aip_8_required_must_be_truthy_on_create_and_on_update_only_if_in_the_mask(
    door: Door, lib: Any, publisher: str, refused: Refuse
) -> None:
    assert "book.title" in refused(door.CreateBook, parent=publisher, book=lib.Book(title="")).violations
    assert "book" in refused(door.CreateBook, parent=publisher).violations
    inner = refused(door.CreateBook, parent=publisher, book=lib.Book(title="x", author=lib.Person(family_name="A")))
    assert "book.author.given_name" in inner.violations
    name = book(door, lib, publisher, "emma").name
    update = lib.Book(name=name, page_count=3)
    assert door.UpdateBook(book=update, update_mask=FieldMask(paths=["page_count"])).title == "Emma"
    assert "book.title" in refused(door.UpdateBook, book=update, update_mask=FieldMask(paths=["title"])).violations
    assert "book.title" in refused(door.UpdateBook, book=update, update_mask=FieldMask(paths=["*"])).violations


def test_aip_9_output_only_is_cleared_on_input_and_input_only_is_never_returned(door: Door, lib: Any, publisher: str) -> None:
    stamp = Timestamp(seconds=1)
    author = lib.Person(given_name="Jane", book_count=99)
    made = book(door, lib, publisher, "emma", loan_count=7, create_time=stamp, shelf_secret="hush", author=author)
    assert made.loan_count == 0
    assert made.create_time.seconds > 1
    assert made.author.book_count == 0
    assert made.shelf_secret == ""
    updated = door.UpdateBook(book=lib.Book(name=made.name, loan_count=8, title="Persuasion"))
    assert (updated.loan_count, updated.title, updated.shelf_secret) == (0, "Persuasion", "")
    assert door.GetBook(name=made.name).shelf_secret == ""
    assert [b.shelf_secret for b in every_book(door, publisher)] == [""]
    assert updated.create_time == made.create_time


def test_aip_10_immutable_is_ignored_if_equal_and_refused_if_changed(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    made = book(door, lib, publisher, "emma", original_language="en", name="publishers/other/books/ignored")
    assert made.name == f"{publisher}/books/emma", "the name in the resource is ignored on create"
    mask = FieldMask(paths=["original_language", "title"])
    same = door.UpdateBook(book=lib.Book(name=made.name, original_language="en", title="E"), update_mask=mask)
    assert same.title == "E"
    refusal = refused(door.UpdateBook, book=lib.Book(name=made.name, original_language="fr", title="F"), update_mask=mask)
    assert refusal.code == "INVALID_ARGUMENT"
    assert "book.original_language" in refusal.violations
    assert door.GetBook(name=made.name).title == "E"
    named = door.UpdateBook(book=lib.Book(name=made.name, title="G"), update_mask=FieldMask(paths=["name", "title"]))
    assert named.title == "G", "IDENTIFIER is accepted on update"


@pytest.mark.parametrize(
    "name",
    ["", "books/1", "publishers/p", "publishers/p/books/", "publishers/p/books/b/", "/publishers/p/books/b", "publishers/p/Books/b",
     "publishers//books/b", "publishers/p/books/b c", "publishers/p/books/ä", "publishers/p/books/-", "publishers/p/books/" + "x" * 64,
     "publishers/p/books/b\n", "//library.example.com/publishers/p/books/b"],
)  # fmt: skip
def test_aip_11_malformed_names_are_refused_and_names_come_back_canonical(door: Door, refused: Refuse, name: str) -> None:
    refusal = refused(door.GetBook, name=name)
    assert (refusal.code, "name" in refusal.violations) == ("INVALID_ARGUMENT", True)


@pytest.mark.parametrize("book_id", ["A", "1a", "a-", "-a", "a_b", "a.b", "ä", "a" * 64, "a b", "a/b", "a\n"])
def test_aip_12_ids_of_callers_follow_the_rule(door: Door, lib: Any, publisher: str, refused: Refuse, book_id: str) -> None:
    refusal = refused(door.CreateBook, parent=publisher, book_id=book_id, book=lib.Book(title="x"))
    assert (refusal.code, "book_id" in refusal.violations) == ("INVALID_ARGUMENT", True)


def test_aip_12_ids_at_the_edges_of_the_rule_are_taken_and_missing_ones_made(door: Door, lib: Any, publisher: str) -> None:
    for book_id in ("a", "a" * 63, "a-b9"):
        assert book(door, lib, publisher, book_id).name == f"{publisher}/books/{book_id}"
    made = [book(door, lib, publisher).name.rpartition("/")[2] for _ in range(3)]
    assert all(re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", one) for one in made)
    assert made == sorted(made), "they sort by time"


def test_aip_13_validate_only_checks_everything_and_changes_nothing(
    served: Service, door: Door, lib: Any, publisher: str, refused: Refuse
) -> None:
    rehearsed = door.CreateBook(parent=publisher, book=lib.Book(title="Emma"), validate_only=True)
    assert rehearsed.title == "Emma"
    assert rehearsed.name == "", "an id that the server would make is left out"
    named = door.CreateBook(parent=publisher, book_id="emma", book=lib.Book(title="Emma"), validate_only=True)
    assert named.name == f"{publisher}/books/emma"
    assert not every_book(door, publisher)
    made = book(door, lib, publisher, "emma")
    changed = door.UpdateBook(book=lib.Book(name=made.name, title="X"), validate_only=True)
    assert changed.title == "X"
    assert door.GetBook(name=made.name) == made
    door.DeleteBook(name=made.name, validate_only=True)
    assert door.GetBook(name=made.name) == made
    for call in (
        lambda only: door.CreateBook(parent=publisher, book_id="emma", book=lib.Book(title="again"), validate_only=only),
        lambda only: door.CreateBook(parent="publishers/none", book=lib.Book(title="x"), validate_only=only),
        lambda only: door.CreateBook(parent=publisher, book=lib.Book(), validate_only=only),
        lambda only: door.DeleteBook(name=f"{publisher}/books/none", validate_only=only),
        lambda only: door.UpdateBook(book=lib.Book(name=made.name, title="x", etag='"0"'), validate_only=only),
        lambda only: served.door("reader").DeleteBook(name=made.name, validate_only=only),
    ):
        rehearsal, real = refused(call, True), refused(call, False)
        assert (rehearsal.code, rehearsal.reason) == (real.code, real.reason)


def test_aip_13_validate_only_keeps_no_request_id(door: Door, lib: Any, publisher: str) -> None:
    request_id = new_uuid()
    door.CreateBook(parent=publisher, book_id="emma", book=lib.Book(title="Emma"), request_id=request_id, validate_only=True)
    made = door.CreateBook(parent=publisher, book_id="emma", book=lib.Book(title="Emma"), request_id=request_id)
    assert door.GetBook(name=made.name) == made


def test_aip_14_one_request_id_has_one_effect_and_one_answer(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    request_id = new_uuid()
    first = door.CreateBook(parent=publisher, book=lib.Book(title="Emma"), request_id=request_id)
    assert door.CreateBook(parent=publisher, book=lib.Book(title="Emma"), request_id=request_id) == first
    assert door.CreateBook(parent=publisher, book=lib.Book(title="Emma"), request_id=request_id.upper()) == first
    assert len(every_book(door, publisher)) == 1
    reused = refused(door.CreateBook, parent=publisher, book=lib.Book(title="Other"), request_id=request_id)
    assert (reused.code, reused.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")
    gone = new_uuid()
    door.DeleteBook(name=first.name, request_id=gone)
    door.DeleteBook(name=first.name, request_id=gone)
    assert refused(door.DeleteBook, name=first.name, request_id=new_uuid()).code == "NOT_FOUND"


def test_aip_14_a_failed_attempt_leaves_the_request_id_free(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    request_id = new_uuid()
    existing = book(door, lib, publisher, "emma")

    def again() -> Any:
        return door.CreateBook(parent=publisher, book_id="emma", book=lib.Book(title="E"), request_id=request_id)

    assert refused(again).code == "ALREADY_EXISTS"
    door.DeleteBook(name=existing.name)
    assert again().title == "E"


def test_aip_14_concurrent_duplicates_have_one_effect(door: Door, lib: Any, publisher: str) -> None:
    request_id, barrier = new_uuid(), threading.Barrier(12)

    def create() -> str | None:
        barrier.wait()
        try:
            return door.CreateBook(parent=publisher, book=lib.Book(title="Emma"), request_id=request_id).name  # type: ignore[no-any-return]
        except Refused as refusal:
            if refusal.code != "ABORTED":
                raise
            return None

    with ThreadPoolExecutor(12) as pool:
        names = {name for name in pool.map(lambda _: create(), range(12)) if name}
    assert len(names) == 1
    assert [b.name for b in every_book(door, publisher)] == list(names)


def test_aip_14_a_request_id_belongs_to_its_caller(served: Service, door: Door, lib: Any, publisher: str) -> None:
    request_id = new_uuid()
    first = door.CreateBook(parent=publisher, book=lib.Book(title="Emma"), request_id=request_id)
    developer = served.door("developer")
    second = developer.CreateBook(parent=publisher, book=lib.Book(title="Emma"), request_id=request_id)
    assert second.name != first.name
    developer.close()


def test_aip_16_a_deadline_ends_the_call_and_nothing_is_half_done(
    served: Service, door: Door, lib: Any, publisher: str, refused: Refuse
) -> None:
    with held(served.database.url, publisher):
        began = time.monotonic()
        refusal = refused(door.CreateBook, parent=publisher, book_id="late", book=lib.Book(title="Late"), seconds=0.7)
        assert refusal.code == "DEADLINE_EXCEEDED"
        assert time.monotonic() - began < 5
    assert refused(door.GetBook, name=f"{publisher}/books/late").code == "NOT_FOUND"


@contextmanager
def held(url: str, publisher: str) -> Iterator[None]:
    """Another user of the database holds what a write below the publisher needs."""
    parts, other = urlsplit(url), cast("Any", None)
    if parts.scheme == "sqlite":
        other = sqlite3.connect(parts.path.removeprefix("/"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    else:
        import MySQLdb

        other = MySQLdb.connect(host=parts.hostname, port=parts.port, user=parts.username, database=parts.path[1:])
        other.cursor().execute("SELECT * FROM publishers WHERE publisher = %s FOR UPDATE", (publisher.rpartition("/")[2],))
    try:
        yield
    finally:
        other.rollback()
        other.close()


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


def test_aip_34_create(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    made = book(door, lib, publisher, "emma", isbn=f"{publisher[-6:]}-9")
    assert made.create_time == made.update_time
    assert door.GetBook(name=made.name) == made, "read your write"
    duplicate = refused(book, door, lib, publisher, "emma")
    assert (duplicate.code, duplicate.reason, duplicate.metadata) == ("ALREADY_EXISTS", "RESOURCE_EXISTS", {"name": made.name})
    unique = refused(book, door, lib, publisher, "other", isbn=made.isbn)
    assert (unique.code, set(unique.violations)) == ("ALREADY_EXISTS", {"book.isbn"})
    orphan = refused(book, door, lib, "publishers/none", "emma")
    assert (orphan.code, orphan.metadata) == ("NOT_FOUND", {"name": "publishers/none"})
    assert refused(door.ListBooks, parent="publishers/none").code == "NOT_FOUND"


def test_aip_35_update_masks_say_what_is_replaced(door: Door, lib: Any, publisher: str) -> None:
    made = book(door, lib, publisher, "emma", page_count=5, tags=["a"], rating=1.0, author=lib.Person(given_name="J", family_name="A"))
    populated = door.UpdateBook(book=lib.Book(name=made.name, title="Two", page_count=0))
    assert (populated.title, populated.page_count, populated.tags) == ("Two", 5, ["a"]), "no mask: what is populated"
    one = door.UpdateBook(book=lib.Book(name=made.name, title="No", page_count=7), update_mask=FieldMask(paths=["page_count"]))
    assert (one.title, one.page_count) == ("Two", 7)
    whole = door.UpdateBook(book=lib.Book(name=made.name, title="All"), update_mask=FieldMask(paths=["*"]))
    assert (whole.title, whole.page_count, list(whole.tags), whole.HasField("rating"), whole.HasField("author")) == (
        "All",
        0,
        [],
        False,
        False,
    )
    assert whole.create_time == made.create_time


def test_aip_36_paths_of_masks(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    made = book(door, lib, publisher, "emma", labels={"a": "1", "b c": "2"}, rating=3.0, isbn=f"{publisher[-6:]}-7",
                author=lib.Person(given_name="J", family_name="A", birth_year=1775))  # fmt: skip

    def update(paths: list[str], **fields: Any) -> Any:
        return door.UpdateBook(book=lib.Book(name=made.name, **fields), update_mask=FieldMask(paths=paths))

    for bad in ("nothing", "author.nothing", "tags.0", "tags[0]", "title.x", "", ".", "author.", "*.title", "labels.`a"):
        refusal = refused(update, [bad], title="x")
        assert (refusal.reason, "update_mask" in refusal.violations) == ("INVALID_FIELD_MASK", True), bad
    assert update(["author.given_name"], author=lib.Person(given_name="Jane")).author.family_name == "A"
    assert update(["author"], author=lib.Person(given_name="Only")).author == lib.Person(given_name="Only")
    assert not update(["author"]).HasField("author")
    assert dict(update(["labels.a"], labels={"a": "9", "x": "no"}).labels) == {"a": "9", "b c": "2"}
    assert dict(update(["labels.`b c`"]).labels) == {"a": "9"}
    assert not update(["rating"]).HasField("rating"), "in the mask and empty: cleared"
    assert update(["isbn"], isbn="").HasField("isbn"), "an explicit empty string is a value"
    assert not update(["isbn"]).HasField("isbn")
    before = door.GetBook(name=made.name)
    assert update(["loan_count", "create_time"], loan_count=5).etag == before.etag, "output-only paths are ignored"


def test_aip_10_a_member_of_a_oneof_clears_no_other_that_may_not_change(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    made = book(door, lib, publisher, "emma", lost_at="sea")
    refusal = refused(door.UpdateBook, book=lib.Book(name=made.name, kept_by="me"), update_mask=FieldMask(paths=["kept_by"]))
    assert (refusal.code, "book.kept_by" in refusal.violations) == ("INVALID_ARGUMENT", True)
    assert door.GetBook(name=made.name) == made


def test_aip_10_an_immutable_time_may_be_given_as_it_was(door: Door, lib: Any, publisher: str) -> None:
    made = book(door, lib, publisher, "emma", title="x", publish_time=Timestamp(seconds=5, nanos=123_456_789))
    again = lib.Book(name=made.name, publish_time=Timestamp(seconds=5, nanos=123_456_789))
    assert door.UpdateBook(book=again, update_mask=FieldMask(paths=["publish_time"])) == made


def test_aip_8_required_holds_inside_lists_on_create_and_update(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    chapters = [lib.Chapter(heading="One"), lib.Chapter(page_count=2)]
    created = refused(door.CreateBook, parent=publisher, book=lib.Book(title="x", chapters=chapters))
    made = book(door, lib, publisher, "emma")
    updated = refused(door.UpdateBook, book=lib.Book(name=made.name, chapters=chapters), update_mask=FieldMask(paths=["chapters"]))
    assert set(created.violations) == set(updated.violations) == {"book.chapters[1].heading"}


def test_aip_37_reading_and_writing_back_changes_nothing(door: Door, lib: Any, publisher: str) -> None:
    made = book(door, lib, publisher, "emma", page_count=5, tags=["a"], labels={"k": "v"}, author=lib.Person(given_name="J"))
    for paths in (["*"], ["title", "tags", "labels", "author"], ["author.given_name"], []):
        assert door.UpdateBook(book=made, update_mask=FieldMask(paths=paths)) == made
    changed = door.UpdateBook(book=lib.Book(name=made.name, title="Two", tags=["z"]), update_mask=FieldMask(paths=["title", "tags"]))
    read = door.GetBook(name=made.name)
    assert (read.title, list(read.tags)) == ("Two", ["z"])
    assert read == changed


def test_aip_38_etags_guard_updates_and_deletes(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    made = book(door, lib, publisher, "emma")
    assert re.fullmatch(r'"[^"]+"', made.etag), "quoted as in RFC 7232"
    second = door.UpdateBook(book=lib.Book(name=made.name, title="Two", etag=made.etag), update_mask=FieldMask(paths=["title"]))
    assert second.etag != made.etag
    stale = refused(door.UpdateBook, book=lib.Book(name=made.name, title="Three", etag=made.etag), update_mask=FieldMask(paths=["title"]))
    assert (stale.code, stale.reason) == ("ABORTED", "ETAG_MISMATCH")
    assert refused(door.DeleteBook, name=made.name, etag=made.etag).code == "ABORTED"
    weak = door.UpdateBook(book=lib.Book(name=made.name, title="Four", etag=f"W/{second.etag}"), update_mask=FieldMask(paths=["title"]))
    door.DeleteBook(name=made.name, etag=weak.etag)
    again = book(door, lib, publisher, "emma")
    assert refused(door.UpdateBook, book=lib.Book(name=made.name, title="x", etag=made.etag)).code == "ABORTED", "made anew: another etag"
    assert again.etag not in {made.etag, second.etag, weak.etag}


def test_aip_38_of_concurrent_updates_with_one_etag_one_wins(door: Door, lib: Any, publisher: str) -> None:
    made, barrier = book(door, lib, publisher, "emma"), threading.Barrier(8)

    def update(i: int) -> bool:
        barrier.wait()
        try:
            door.UpdateBook(book=lib.Book(name=made.name, title=f"T{i}", etag=made.etag), update_mask=FieldMask(paths=["title"]))
        except Refused as refusal:
            if refusal.reason != "ETAG_MISMATCH":
                raise
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(update, range(8))) == 1


def test_aip_39_allow_missing_creates_with_all_fields(served: Service, door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    name = f"{publisher}/books/new"
    given = lib.Book(name=name, title="New", page_count=3)
    assert refused(door.UpdateBook, book=given).code == "NOT_FOUND"
    made = door.UpdateBook(book=given, update_mask=FieldMask(paths=["title"]), allow_missing=True)
    assert (made.name, made.page_count) == (name, 3), "the mask is ignored"
    assert door.UpdateBook(book=given, allow_missing=True) == made, "equal: unchanged"
    assert "book.title" in refused(door.UpdateBook, book=lib.Book(name=f"{publisher}/books/x"), allow_missing=True).violations
    reader = served.door("reader")
    assert refused(reader.UpdateBook, book=given, allow_missing=True).code == "PERMISSION_DENIED"
    reader.close()


def test_aip_39_a_resource_that_is_gone_is_not_revived_by_an_old_etag(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    given = lib.Book(name=f"{publisher}/books/gone", title="x", etag='"1"')
    assert refused(door.UpdateBook, book=given, allow_missing=True).reason == "ETAG_MISMATCH"


def test_aip_39_41_allow_missing_holds_when_many_do_the_same(door: Door, lib: Any, publisher: str) -> None:
    name = f"{publisher}/books/hot"

    def update(i: int) -> str:
        return str(door.UpdateBook(book=lib.Book(name=name, title=f"T{i}"), allow_missing=True).name)

    def delete(_: int) -> None:
        door.DeleteBook(name=name, allow_missing=True)

    with ThreadPoolExecutor(6) as pool:
        for _ in range(5):
            assert set(pool.map(update, range(6))) == {name}
            list(pool.map(delete, range(6)))


def test_aip_40_update_time_moves_only_when_something_changes(door: Door, lib: Any, publisher: str) -> None:
    made = book(door, lib, publisher, "emma")
    same = door.UpdateBook(book=lib.Book(name=made.name, title=made.title))
    assert (same.update_time, same.etag) == (made.update_time, made.etag)
    changed = door.UpdateBook(book=lib.Book(name=made.name, title="Other"))
    assert changed.update_time.ToNanoseconds() > made.update_time.ToNanoseconds()
    assert changed.create_time == made.create_time


def test_aip_41_delete(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    made = book(door, lib, publisher, "emma")
    assert refused(door.DeleteBook, name=made.name, etag='"stale"').code == "ABORTED"
    door.DeleteBook(name=made.name, etag=made.etag)
    assert refused(door.DeleteBook, name=made.name).code == "NOT_FOUND"
    assert refused(door.DeleteBook, name=made.name, etag="x").code == "NOT_FOUND"
    door.DeleteBook(name=made.name, allow_missing=True, etag="x")


def test_a_parent_with_children_is_not_deleted(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    made = book(door, lib, publisher, "emma")
    refusal = refused(door.DeletePublisher, name=publisher)
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "RESOURCE_HAS_CHILDREN")
    assert "google.rpc.PreconditionFailure" in refusal.details
    door.DeleteBook(name=made.name)
    door.DeletePublisher(name=publisher)
    assert refused(door.GetPublisher, name=publisher).code == "NOT_FOUND"


def test_batch_create_is_atomic_and_keeps_the_order(door: Door, lib: Any, publisher: str, refused: Refuse) -> None:
    def one(book_id: str, title: str = "T", parent: str = "") -> Any:
        return lib.CreateBookRequest(parent=parent, book_id=book_id, book=lib.Book(title=title))

    made = door.BatchCreateBooks(parent=publisher, requests=[one("c"), one("a", parent=publisher), one("b")])
    assert [b.name[-1] for b in made.books] == ["c", "a", "b"]
    assert "requests" in refused(door.BatchCreateBooks, parent=publisher).violations
    assert refused(door.BatchCreateBooks, parent=publisher, requests=[one("x"), one("a")]).code == "ALREADY_EXISTS"
    bad = refused(door.BatchCreateBooks, parent=publisher, requests=[one("x"), one("y", title="")])
    assert "requests[1].book.title" in bad.violations
    twins = refused(door.BatchCreateBooks, parent=publisher, requests=[one("x"), one("x")])
    assert (twins.code, "requests[1].book" in twins.violations) == ("INVALID_ARGUMENT", True)
    other = refused(door.BatchCreateBooks, parent=publisher, requests=[one("x", parent="publishers/other")])
    assert "requests[0].parent" in other.violations
    long = refused(door.BatchCreateBooks, parent=publisher, requests=[one("x"), one("y" * 64)])
    assert "requests[1].book_id" in long.violations, "the rules of the Create request hold"
    empty = refused(door.BatchCreateBooks, parent=publisher, requests=[lib.CreateBookRequest(book_id="x")])
    assert "requests[0].book" in empty.violations
    own = refused(
        door.BatchCreateBooks, parent=publisher, requests=[lib.CreateBookRequest(book_id="x", book=lib.Book(title="t"), validate_only=True)]
    )
    assert "requests[0].validate_only" in own.violations, "a rehearsal of one item would be a promise not kept"
    existing = refused(door.BatchCreateBooks, parent=publisher, requests=[one("w"), one("a")])
    assert existing.metadata["name"] == f"{publisher}/books/a", "the one that was there before"
    orphan = refused(door.BatchCreateBooks, requests=[one("x", parent=publisher), one("x", parent="publishers/gone")])
    assert (orphan.code, orphan.metadata) == ("NOT_FOUND", {"name": "publishers/gone"})
    many = refused(door.BatchCreateBooks, parent=publisher, requests=[one(f"x{i}") for i in range(1_001)])
    assert (many.code, "requests" in many.violations) == ("INVALID_ARGUMENT", True)
    assert len(every_book(door, publisher)) == 3
    request_id = new_uuid()
    first = door.BatchCreateBooks(parent=publisher, requests=[one("q")], request_id=request_id)
    assert door.BatchCreateBooks(parent=publisher, requests=[one("q")], request_id=request_id) == first


def test_total_size_counts_what_the_filter_matches(door: Door, lib: Any) -> None:
    word = new_uuid()
    for i in range(3):
        door.CreatePublisher(publisher=lib.Publisher(display_name=f"{word} {i}"))
    page = door.ListPublishers(filter=f'display_name = "{word}*"', page_size=2)
    assert (page.total_size, len(page.publishers)) == (3, 2)
