"""Field behaviours: required, output only, input only, immutable (8-10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from tests.door.books import book, every_book
from tests.door.client import Door, Refused

Refuse = Callable[..., Refused]


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
