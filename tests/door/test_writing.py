"""Create, update and delete: masks, etags, missing resources, batches (34-41)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from tests.door.books import book, every_book, new_uuid
from tests.door.client import Door, Refused
from tests.door.service import Service

Refuse = Callable[..., Refused]


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
