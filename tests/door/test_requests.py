"""Requests that are only checked, made twice, or late (13, 14, 16)."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlsplit

from tests.door.books import book, every_book, new_uuid
from tests.door.client import Door, Refused
from tests.door.service import Service

Refuse = Callable[..., Refused]


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
