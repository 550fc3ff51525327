"""The change log through the door: every write has one entry in its own transaction, everything else none. On every engine."""

from __future__ import annotations

import random
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.door.changes import check_log, entries, parsed, told
from tests.door.client import Door, Refused
from tests.door.conftest import LIBRARY, Serve, project
from tests.door.custom import WORKSHOP, pb
from tests.door.service import Service, running
from tests.engines import Database

BOOK = "library.example.com/Book"


def test_every_standard_write_has_one_entry_with_what_was_before_and_after(served: Service, door: Door, lib: Any, publisher: str) -> None:
    made = door.CreateBook(parent=publisher, book_id="emma", book=lib.Book(title="Emma", labels={"b": "2", "a": "1"}))
    changed = door.UpdateBook(book=lib.Book(name=made.name, title="Emma, again"), update_mask=FieldMask(paths=["title"]))
    door.UpdateBook(book=lib.Book(name=made.name, title="Emma, again"), update_mask=FieldMask(paths=["title"]))
    fresh = door.UpdateBook(book=lib.Book(name=f"{publisher}/books/new", title="New"), allow_missing=True)
    door.DeleteBook(name=made.name, etag=changed.etag)
    door.DeleteBook(name=fresh.name)
    door.DeleteBook(name=fresh.name, allow_missing=True)
    found = entries(served.database, publisher, BOOK)
    method = "/library.v1.Library/{}Book".format
    assert [(each.kind, each.name, each.method) for each in found] == [
        ("CREATED", made.name, method("Create")),
        ("UPDATED", made.name, method("Update")),
        ("CREATED", fresh.name, method("Update")),
        ("DELETED", made.name, method("Delete")),
        ("DELETED", fresh.name, method("Delete")),
    ], "and none for an update that changes nothing and a deletion of what is not there"
    held = [(parsed(lib.Book, each.before), parsed(lib.Book, each.after)) for each in found]
    assert held == [(None, made), (made, changed), (None, fresh), (changed, None), (fresh, None)]
    assert found[0].after == made.SerializeToString(deterministic=True)
    assert len({each.transaction_id for each in found}) == 5


def test_the_entries_of_a_batch_belong_together_in_its_order(served: Service, door: Door, lib: Any, publisher: str) -> None:
    items = [lib.CreateBookRequest(book_id=f"b{number:03d}", book=lib.Book(title=f"t{number}")) for number in range(250)]
    made = door.BatchCreateBooks(parent=publisher, requests=items).books
    found = entries(served.database, publisher, BOOK)
    assert [parsed(lib.Book, each.after) for each in found] == list(made)
    assert [each.ordinal for each in found] == list(range(250))
    assert len({each.transaction_id for each in found}) == 1


def test_an_entry_says_who_and_in_which_call(served: Service, lib: Any, publisher: str) -> None:
    request_id = str(uuid.uuid4())
    door = served.door("writer")
    door.CreateBook(
        parent=publisher, book_id="b", book=lib.Book(title="x"), request_id=request_id.upper(), metadata=(("x-request-id", "call-7"),)
    )
    door.CreatePublisher(publisher_id=f"{publisher.rpartition('/')[2]}-other", publisher=lib.Publisher(display_name="P"))
    door.close()
    (entry,) = entries(served.database, f"{publisher}/books/b")
    assert (entry.actor, entry.issuer, entry.call_id, entry.request_id) == ("writer", served.app.settings.auth.issuer, "call-7", request_id)
    (other,) = entries(served.database, f"{publisher}-other")
    assert other.request_id == ""
    assert other.call_id, "every call has an id"


def test_what_is_refused_rehearsed_or_repeated_leaves_no_entry(served: Service, door: Door, lib: Any, publisher: str) -> None:
    request_id = str(uuid.uuid4())
    for _ in range(3):
        door.CreateBook(parent=publisher, book_id="b", book=lib.Book(title="x"), request_id=request_id)
    name = f"{publisher}/books/b"
    door.CreateBook(parent=publisher, book_id="c", book=lib.Book(title="x"), validate_only=True)
    door.UpdateBook(book=lib.Book(name=name, title="y"), validate_only=True)
    door.DeleteBook(name=name, validate_only=True)
    twins = [lib.CreateBookRequest(book_id=each, book=lib.Book(title="x")) for each in ("n1", "b")]
    refusals: tuple[Callable[[], object], ...] = (
        lambda: door.CreateBook(parent=publisher, book_id="b", book=lib.Book(title="x")),
        lambda: door.BatchCreateBooks(parent=publisher, requests=twins),
        lambda: door.UpdateBook(book=lib.Book(name=name, title="y", etag='"0"')),
        lambda: door.UpdateBook(book=lib.Book(name=name, page_count=-1)),
        lambda: door.DeleteBook(name=name, etag='"0"'),
        lambda: door.DeletePublisher(name=publisher),
    )
    for refused in refusals:
        with pytest.raises(Refused):
            refused()
    assert [(each.kind, each.name) for each in entries(served.database, publisher, BOOK)] == [("CREATED", name)]


def test_what_is_never_shown_is_not_in_the_log_but_that_it_changed_is(served: Service, door: Door, lib: Any, publisher: str) -> None:
    canary = f"canary{uuid.uuid4().hex}"
    made = door.CreateBook(parent=publisher, book_id="b", book=lib.Book(title="x", shelf_secret=canary))
    door.UpdateBook(book=lib.Book(name=made.name, title="y"), update_mask=FieldMask(paths=["title"]))
    door.UpdateBook(book=lib.Book(name=made.name, shelf_secret=f"{canary}2"), update_mask=FieldMask(paths=["shelf_secret"]))
    door.UpdateBook(book=lib.Book(name=made.name), update_mask=FieldMask(paths=["shelf_secret"]))
    door.DeleteBook(name=made.name)
    found = entries(served.database, made.name)
    assert [(each.kind, each.redacted) for each in found] == [
        ("CREATED", "shelf_secret"),
        ("UPDATED", ""),
        ("UPDATED", "shelf_secret"),
        ("UPDATED", "shelf_secret"),
        ("DELETED", ""),
    ]
    assert canary not in repr(found)


@pytest.mark.parametrize("filler", ["\x01", "'"], ids=["plain", "escaped"])
def test_the_largest_resource_that_can_be_written_can_be_logged_too(
    served: Service, door: Door, lib: Any, publisher: str, filler: str
) -> None:
    first, second = filler * 4_100_000, filler * 4_090_000
    made = door.CreateBook(parent=publisher, book_id="b", book=lib.Book(title="x", notes=first))
    changed = door.UpdateBook(book=lib.Book(name=made.name, notes=second), update_mask=FieldMask(paths=["notes"]))
    (_, entry) = entries(served.database, made.name)
    assert (parsed(lib.Book, entry.before), parsed(lib.Book, entry.after)) == (made, changed)


def test_the_log_played_again_gives_the_table(served: Service, lib: Any) -> None:
    """Concurrent writers, refusals and all."""
    setup = served.door()
    parent = setup.CreatePublisher(publisher=lib.Publisher(display_name="P")).name

    def write(seed: int) -> None:
        choice, door = random.Random(seed), served.door()
        for number in range(60):
            name = f"{parent}/books/b{choice.randrange(6)}"
            title = f"t{seed}-{number}"
            calls = (
                lambda name=name, title=title: door.CreateBook(
                    parent=parent, book_id=name.rpartition("/")[2], book=lib.Book(title=title, tags=[title])
                ),
                lambda name=name, title=title: door.UpdateBook(book=lib.Book(name=name, title=title), allow_missing=True),
                lambda name=name: door.DeleteBook(name=name),
            )
            try:
                choice.choice(calls)()
            except Refused as refusal:
                if refusal.code not in {"NOT_FOUND", "ALREADY_EXISTS", "ABORTED"}:
                    raise
        door.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    kept = {book.name: book.SerializeToString(deterministic=True) for book in setup.ListBooks(parent=parent).books}
    setup.close()
    found = entries(served.database, parent, BOOK)
    assert told(found) == kept
    assert {each.kind for each in found} == {"CREATED", "UPDATED", "DELETED"}


def test_no_write_of_any_test_went_past_the_log(served: Service) -> None:
    """Also asked once all tests of this server are over."""
    check_log(served.database, served.app.contract)


@pytest.fixture(scope="module")
def workshop(serve: Serve) -> Iterator[tuple[Door, Database]]:
    """The service with a team's own code."""
    served = serve(WORKSHOP, logged=False)
    with closing(served.door()) as door:
        yield door, served.database
    served.bugs.clear()  # The code is told to raise.


def test_what_a_teams_own_code_writes_by_its_call_is_in_the_log_as_one_transaction(workshop: tuple[Door, Database]) -> None:
    door, database = workshop
    old, heir = (door.CreateAccount(account=pb.Account(display_name="x")).name for _ in range(2))
    before = entries(database)
    door.MergeAccounts(name=old, heir=heir)
    found = entries(database)[len(before) :]
    kinds = [(each.kind, each.type.rpartition("/")[2], each.name.startswith(old)) for each in found]
    assert kinds == [
        ("CREATED", "Entry", False), ("UPDATED", "Account", False), ("DELETED", "Entry", True), ("DELETED", "Account", True),
    ]  # fmt: skip
    assert len({each.transaction_id for each in found}) == 1
    assert {(each.actor, each.method) for each in found} == {("teller", "/workshop.v1.Workshop/MergeAccounts")}
    assert (parsed(pb.Account, found[1].before).balance, parsed(pb.Account, found[1].after).balance) == (100, 200)


@pytest.mark.parametrize("fate", ["fault", "refusal", "exception", "nothing", "other"])
def test_own_code_that_fails_afterwards_leaves_no_entry(workshop: tuple[Door, Database], fate: str) -> None:
    door, database = workshop
    old, heir = (door.CreateAccount(account=pb.Account(display_name="x")).name for _ in range(2))
    before = entries(database)
    with pytest.raises(Refused):
        door.MergeAccounts(name=old, heir=heir, fate=fate)
    assert entries(database) == before


@pytest.mark.engines("mariadb", "mysql")
def test_a_transaction_that_was_run_again_has_one_entry(workshop: tuple[Door, Database]) -> None:
    door, database = workshop
    one, other = (door.CreateAccount(account=pb.Account(display_name="x")).name for _ in range(2))
    before = entries(database)
    code: Any = sys.modules["workshop_code"]
    code.MEETING = threading.Barrier(2)
    try:
        with ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(door.Transfer, source=a, target=b, amount=1) for a, b in ((one, other), (other, one))]
            attempts = sorted(call.result().attempt for call in calls)
    finally:
        code.MEETING = None
    assert attempts == [1, 2], "one of the two lost, and was run again"
    found = entries(database)[len(before) :]
    assert sorted(each.name.rpartition("/entries/")[0] for each in found) == sorted((one, other))
    assert len({each.transaction_id for each in found}) == 2


def test_sensitive_values_of_the_workshop_are_not_in_the_log(workshop: tuple[Door, Database]) -> None:
    door, database = workshop
    canary = f"canary{uuid.uuid4().hex}"
    made = door.CreateAccount(account=pb.Account(display_name="x", pin=canary, secret=canary))
    door.UpdateAccount(account=pb.Account(name=made.name, secret=f"{canary}2"), update_mask=FieldMask(paths=["secret"]))
    found = entries(database, made.name, "workshop.example.com/Account")
    assert [each.redacted for each in found] == ["pin,secret", "secret"]
    assert canary not in repr(database.execute("SELECT * FROM protoplane_change"))


def test_a_resource_that_the_contract_leaves_out_has_no_entries(database: Database, lib: Any, tmp_path: Path) -> None:
    folder = project(tmp_path, database.url)
    proto = folder / "protos/library/v1/library.proto"
    text = proto.read_text()
    assert text.count("option (protoplane.v1.storage) = {") == 1, "that of Book"
    proto.write_text(text.replace("option (protoplane.v1.storage) = {", "option (protoplane.v1.storage) = {\n    unlogged: true"))
    with running(folder) as (server, _), closing(LIBRARY.door(folder, f"127.0.0.1:{server.port}")) as door:
        parent = door.CreatePublisher(publisher=lib.Publisher(display_name="P")).name
        made = door.CreateBook(parent=parent, book=lib.Book(title="x"))
        changed = door.UpdateBook(book=lib.Book(name=made.name, title="y"), update_mask=FieldMask(paths=["title"]))
        door.DeleteBook(name=made.name, etag=changed.etag)
        door.BatchCreateBooks(parent=parent, requests=[lib.CreateBookRequest(book=lib.Book(title="x")) for _ in range(2)])
        assert [(each.kind, each.name) for each in entries(database)] == [("CREATED", parent)]
