"""Rows of a mebibyte, and many of them: the server holds about as many at once as one answer has room for, whatever was asked."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from protoplane.base import limits
from protoplane.store.pieces import FIRST_ROWS
from protoplane.store.session import Session
from tests.door.client import Door, Refused
from tests.door.conftest import Serve
from tests.door.reading import GALLERY, pb
from tests.door.service import Service
from tests.engines import Engine

Refuse = Callable[..., Refused]
MEBIBYTE = 1024 * 1024
HUGE = 300
"""Pictures h000 to h299, whose first layer has a colour of a mebibyte."""
WORDY = FIRST_ROWS + 20
"""Artists b000 to b119, whose biographies have WORDY_BYTES."""
WORDY_BYTES = 200 * 1024
SOME = 40
"""Artists of each of the pictures o000, o040 and o080: more than a page has room for. `all` has all of them, `many` FIRST_ROWS."""
ORDINARY = 1_000
"""Pictures p0000 to p0999."""
SECONDS_MAX = 120.0
"""For a call that reads 300 MiB while every object is counted."""
PIECE_ROWS = limits.PAGE_BYTES_MAX // MEBIBYTE
"""Rows of a mebibyte that are read at once, when it is known that they have one."""


@pytest.fixture(scope="module")
def served(engine: Engine, serve: Serve) -> Service:
    gallery = serve(GALLERY, logged=False)
    with gallery.calls() as door:

        def create(ids: Sequence[str], **fields: Any) -> None:
            pictures = [pb.Picture(title=one, **fields) for one in ids]
            requests = [pb.CreatePictureRequest(picture_id=one, picture=picture) for one, picture in zip(ids, pictures, strict=True)]
            door.BatchCreatePictures(requests=requests)

        create([f"p{n:04}" for n in range(ORDINARY)], year=1900)
        create([f"h{n:03}" for n in range(HUGE)], year=2000, layers=[pb.Picture.Layer(colour="grow", thickness=7)])
        for n in range(WORDY):
            door.CreateArtist(artist_id=f"b{n:03}", artist=pb.Artist(display_name=f"Artist {n}", biography="grow"))
        for first in range(0, WORDY, SOME):
            create([f"o{first:03}"], year=2100 + first, owners=[f"artists/b{n:03}" for n in range(first, first + SOME)])
        create(["all"], year=2300, owners=[f"artists/b{n:03}" for n in range(WORDY)])
        create(["many"], year=2301, owners=[f"artists/b{n:03}" for n in range(FIRST_ROWS)])
        grown = "printf('%.*c', {}, 'x')" if engine.name == "sqlite" else "REPEAT('x', {})"
        gallery.database.execute(f"UPDATE pictures SET layers = REPLACE(layers, 'grow', {grown.format(MEBIBYTE)}) WHERE year = 2000")
        gallery.database.execute(f"UPDATE artists SET biography = {grown.format(WORDY_BYTES)}")
    return gallery


@dataclass
class Fetched:
    """What each statement on a table brought since it was last forgotten."""

    table: str
    rows: list[int]
    bytes: list[int]


@pytest.fixture
def fetched(served: Service, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Fetched]:
    """Counts what comes from the database."""
    run, counts = Session.rows, dict[str, Fetched]()

    def counted(self: Session, sql: str, params: Sequence[object] = ()) -> Any:
        found = run(self, sql, params)
        for table, count in counts.items():
            if sql.startswith("SELECT") and (f'"{table}"' in sql or f"`{table}`" in sql):  # No EXPLAIN of a slow call.
                count.rows.append(len(found))
                count.bytes.append(sum(len(value) for row in found for value in row if isinstance(value, str | bytes)))
        return found

    monkeypatch.setattr(Session, "rows", counted)
    return lambda table: counts.setdefault(table, Fetched(table, [], []))


def huge(count: int) -> list[str]:
    return [f"pictures/h{n:03}" for n in range(count)]


def mask(*paths: str) -> FieldMask:
    return FieldMask(paths=paths)


def peak_bytes(call: Callable[[], object]) -> int:
    """Of what this process has of Python's objects more while a call is answered: client and server are both in it."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def bounded(found: Fetched) -> None:
    """After the first rows, which tell the size, no statement brings more than an answer has room for."""
    assert found.rows[0] <= FIRST_ROWS + 1
    assert max(found.rows[1:]) <= PIECE_ROWS + 1
    assert max(found.bytes[1:]) <= limits.PAGE_BYTES_MAX + MEBIBYTE + 10_000


def test_a_list_ends_with_the_first_rows_when_they_fill_it(door: Door, fetched: Callable[[str], Fetched]) -> None:
    found = fetched("pictures")
    page = door.ListPictures(page_size=1_000, filter="year = 2000", view=2)
    assert len(page.pictures) == PIECE_ROWS - 1, "a little more than a mebibyte each"
    assert found.rows == [FIRST_ROWS + 1, 1], "the rows, and how many there are in all"


def test_a_list_that_shows_little_of_huge_rows_reads_few_of_them_at_once(door: Door, fetched: Callable[[str], Fetched]) -> None:
    found = fetched("pictures")

    def call() -> None:
        page = door.ListPictures(
            page_size=1_000, filter="year = 2000", read_mask=mask("layers.thickness", "title", "expanded_owners"), seconds=SECONDS_MAX
        )
        assert [one.title for one in page.pictures] == [f"h{n:03}" for n in range(HUGE)]

    assert peak_bytes(call) < 2 * FIRST_ROWS * MEBIBYTE, "all of them at once would be three times the first"
    bounded(found)
    assert sum(found.rows[:-1]) >= HUGE


def test_a_batch_get_that_shows_little_of_huge_rows_reads_few_of_them_at_once(door: Door, fetched: Callable[[str], Fetched]) -> None:
    found = fetched("pictures")

    def call() -> None:
        answer = door.BatchGetPictures(names=huge(HUGE), read_mask=mask("layers.thickness", "expanded_artist"), seconds=SECONDS_MAX)
        assert [one.layers[0].thickness for one in answer.pictures] == [7] * HUGE

    assert peak_bytes(call) < 2 * FIRST_ROWS * MEBIBYTE
    bounded(found)
    assert sum(found.rows) == HUGE


def test_a_batch_get_of_huge_rows_is_refused_by_the_first_of_them(door: Door, refused: Refuse, fetched: Callable[[str], Fetched]) -> None:
    found = fetched("pictures")
    assert refused(door.BatchGetPictures, names=huge(HUGE)).reason == "ANSWER_TOO_LARGE"
    assert refused(door.BatchGetPictures, names=huge(HUGE), read_mask=mask("layers")).reason == "ANSWER_TOO_LARGE"
    assert found.rows == [FIRST_ROWS, FIRST_ROWS]


def test_a_page_of_huge_expansions_reads_the_first_of_them_and_ends(door: Door, fetched: Callable[[str], Fetched]) -> None:
    found, years, token = fetched("artists"), list[int](), ""
    while True:
        page = door.ListPictures(
            page_size=1_000,
            page_token=token,
            filter="year >= 2100 AND year < 2300",
            order_by="title, year",
            read_mask=mask("year", "expanded_owners"),
        )
        assert [len(one.expanded_owners) for one in page.pictures] == [SOME], "one row always has room"
        years += [one.year for one in page.pictures]
        token = page.next_page_token
        if not token:
            break
    assert years == list(range(2100, 2100 + WORDY, SOME))
    assert max(found.rows) == FIRST_ROWS


def test_a_resource_whose_expansions_no_message_can_hold_is_refused(door: Door, refused: Refuse, fetched: Callable[[str], Fetched]) -> None:
    found, asked = fetched("artists"), {"read_mask": mask("expanded_owners")}
    for name, year in (("all", 2300), ("many", 2301)):
        assert refused(door.GetPicture, name=f"pictures/{name}", **asked).reason == "ANSWER_TOO_LARGE"
        assert refused(door.BatchGetPictures, names=[f"pictures/{name}"], **asked).reason == "ANSWER_TOO_LARGE"
        assert refused(door.ListPictures, filter=f"year = {year}", **asked).reason == "ANSWER_TOO_LARGE"
    assert found.rows == [FIRST_ROWS] * 6


def test_expansions_that_show_little_of_huge_rows_do_not_read_them(door: Door, fetched: Callable[[str], Fetched]) -> None:
    found = fetched("artists")
    answer = door.GetPicture(name="pictures/all", read_mask=mask("expanded_owners.display_name"))
    assert [one.display_name for one in answer.expanded_owners] == [f"Artist {n}" for n in range(WORDY)]
    assert found.rows == [FIRST_ROWS, WORDY - FIRST_ROWS]
    assert max(found.bytes) < WORDY_BYTES


@pytest.mark.parametrize(("fields", "wanted"), [({"view": 2}, [101, 900]), ({"read_mask": FieldMask(paths=["year"])}, [1_000])])
def test_ordinary_rows_take_no_more_statements_for_it(
    door: Door, fetched: Callable[[str], Fetched], fields: dict[str, Any], wanted: list[int]
) -> None:
    """A page of 1,000 is two statements where rows may be large, and one where they cannot be."""
    found = fetched("pictures")
    answer = door.ListPictures(page_size=1_000, filter="year = 1900", **fields)
    assert len(answer.pictures) == ORDINARY
    assert found.rows[:-1] == wanted
