"""Paging as a property: whatever the order and page size, and whatever others write meanwhile, no row is lost or repeated."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.door.client import Door

_publishers = itertools.count(1)

SORT_FIELDS = ("page_count", "rating", "title", "notes", "publish_time", "author.given_name", "author.birth_year", "genre", "available",
               "first_publisher", "co_publisher", "sequel_of", "isbn", "name", "reading_time")  # fmt: skip

LONG = "n" * 300
"""Longer than what takes part in sorting: rows that differ only behind it tie."""

rows = st.fixed_dictionaries(
    {
        "page_count": st.integers(0, 3),
        "rating": st.none() | st.sampled_from([-1.5, 0.0, 2.0]),
        "title": st.sampled_from(["a", "A", "b ", "b", "é"]),
        "notes": st.sampled_from(["", "x", LONG + "a", LONG + "b"]),
        "publish_time": st.none() | st.sampled_from([Timestamp(seconds=-1), Timestamp(seconds=0), Timestamp(nanos=1000)]),
        "author": st.none() | st.sampled_from([("a", None), ("a", 0), ("b", 5)]),
        "genre": st.integers(0, 2),
        "available": st.booleans(),
        "first_publisher": st.sampled_from(["", "publishers/a", "publishers/b"]),
        "co_publisher": st.sampled_from(["", "publishers/a", "publishers/b"]),
        "sequel_of": st.sampled_from(["", "publishers/a/books/z", "publishers/b/books/a"]),
    }
)
orders = st.lists(st.tuples(st.sampled_from(SORT_FIELDS), st.sampled_from(["", " desc", " asc"])), max_size=4, unique_by=lambda t: t[0])


@dataclass
class Shelf:
    """One publisher's books, and which of them were there from the first page to the last."""

    door: Door
    lib: Any
    parent: str
    names: set[str] = field(default_factory=set)

    def add(self, fields: dict[str, Any]) -> str:
        """Store one more; gives its name."""
        fields = {k: v for k, v in fields.items() if v is not None}
        if "author" in fields:
            name, year = fields["author"]
            fields["author"] = self.lib.Person(given_name=name, birth_year=year)
        made = self.door.CreateBook(parent=self.parent, book=self.lib.Book(**fields))
        self.names.add(made.name)
        return str(made.name)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.lists(rows, min_size=1, max_size=14),
    order=orders,
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    meanwhile=st.lists(st.tuples(st.sampled_from(["add", "delete", "change"]), rows), max_size=6),
)
def test_aip_23_every_row_that_stays_appears_exactly_once(
    door: Door, lib: Any, first: list[dict[str, Any]], order: list[tuple[str, str]], sizes: list[int],
    meanwhile: list[tuple[str, dict[str, Any]]],
) -> None:  # fmt: skip
    parent = door.CreatePublisher(publisher_id=f"page{next(_publishers)}", publisher=lib.Publisher(display_name="P")).name
    shelf = Shelf(door, lib, parent)
    for fields in first:
        shelf.add(fields)
    stayed, happening = set(shelf.names), iter(meanwhile)
    order_by = ",".join(name + direction for name, direction in order)
    seen: list[Any] = []
    token, turn = "", itertools.cycle(sizes)
    for _ in range(200):
        page = door.ListBooks(parent=parent, order_by=order_by, page_size=next(turn), page_token=token)
        seen += page.books
        token = page.next_page_token
        if not token:
            break
        match next(happening, None):
            case ("add", fields):
                shelf.add(fields)
            case ("delete", _):
                gone = min(shelf.names)
                door.DeleteBook(name=gone, allow_missing=True)
                shelf.names.discard(gone)
                stayed.discard(gone)
            case ("change", fields):  # Not a sort key: it must not move.
                door.UpdateBook(book=lib.Book(name=max(shelf.names), tags=[str(fields["page_count"])]), update_mask={"paths": ["tags"]})
            case _:
                pass
    assert not token, "the pages end"
    names = [book.name for book in seen]
    assert len(names) == len(set(names)), "no row twice"
    assert stayed <= set(names), "no row lost"
    if not meanwhile:
        whole = door.ListBooks(parent=parent, order_by=order_by, page_size=1000).books
        assert names == [book.name for book in whole]


def test_aip_23_rows_written_between_pages_in_front_of_and_behind_the_place(door: Door, lib: Any, publisher: str) -> None:
    for i in range(10):
        door.CreateBook(parent=publisher, book_id=f"b{i}", book=lib.Book(title="T", page_count=i // 3))
    seen, token, step = [], "", 0
    while True:
        page = door.ListBooks(parent=publisher, order_by="page_count desc", page_size=3, page_token=token)
        seen += [book.name[-2:] for book in page.books]
        token = page.next_page_token
        if not token:
            break
        step += 1
        door.CreateBook(parent=publisher, book_id=f"new{step}", book=lib.Book(title="T", page_count=9))
        door.DeleteBook(name=f"{publisher}/books/{seen[-1]}")
    assert seen == ["b9", "b8", "b7", "b6", "b5", "b4", "b3", "b2", "b1", "b0"]


def test_aip_23_a_key_that_changed_moves_its_row_and_loses_no_other(door: Door, lib: Any, publisher: str) -> None:
    for i in range(6):
        door.CreateBook(parent=publisher, book_id=f"b{i}", book=lib.Book(title="T", page_count=i))
    page = door.ListBooks(parent=publisher, order_by="page_count", page_size=2)
    door.UpdateBook(book=lib.Book(name=f"{publisher}/books/b5", page_count=0), update_mask={"paths": ["page_count"]})
    rest = door.ListBooks(parent=publisher, order_by="page_count", page_size=50, page_token=page.next_page_token)
    assert [b.name[-1] for b in (*page.books, *rest.books)] == ["0", "1", "2", "3", "4"]
