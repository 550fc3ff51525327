"""What is wrong is explained, and who may not is told nothing else: errors, permissions, names and ids (1-5, 11, 12)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.door.books import book
from tests.door.client import Door, Refused
from tests.door.service import Service

Refuse = Callable[..., Refused]


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
