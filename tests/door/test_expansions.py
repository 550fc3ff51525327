"""Expansions through the door, on every engine: filled where the mask names them, one statement each, by the reader's right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from protoplane.base import limits
from tests.door.client import Door, Refused
from tests.door.conftest import Serve
from tests.door.reading import GALLERY, pb
from tests.door.service import Service
from tests.engines import Engine
from tests.engines.server import Server

Refuse = Callable[..., Refused]
PICTURES = 120
ARTISTS = 30


def mask(*paths: str) -> FieldMask:
    return FieldMask(paths=paths)


@pytest.fixture(scope="module")
def served(serve: Serve) -> Service:
    """Pictures of ARTISTS in turn, artists in three rooms, each taught by the one before; every tenth picture names what is not there."""
    gallery = serve(GALLERY, recording=True)
    with gallery.calls() as door:
        door.CreateWing(wing_id="north", wing=pb.Wing(display_name="North"))
        for n in range(3):
            door.CreateRoom(parent="wings/north", room_id=f"r{n}", room=pb.Room(display_name=f"Room {n}", guards=n))
        for n in range(ARTISTS):
            artist = pb.Artist(display_name=f"Artist {n}", studio=f"wings/north/rooms/r{n % 3}", contract_terms="ten")
            artist.teacher = f"artists/a{n - 1}" if n else ""
            door.CreateArtist(artist_id=f"a{n}", artist=artist)
        requests = [pb.CreatePictureRequest(picture_id=f"p{n:03}", picture=picture(n)) for n in range(PICTURES)]
        door.BatchCreatePictures(requests=requests)
    return gallery


def picture(n: int) -> Any:
    made = pb.Picture(title=f"Picture {n}", year=n, artist=f"artists/a{n % ARTISTS}" if n % 10 else "artists/nobody")
    if n % 2:
        made.room.value = f"wings/north/rooms/r{n % 4}"  # r3 is not there.
    made.owners.extend([f"artists/a{(n + 1) % ARTISTS}", "artists/nobody", "artists/a0"])
    return made


def test_aip_59_an_expansion_is_filled_only_where_the_mask_names_it(door: Door) -> None:
    name = "pictures/p001"
    for whole in (door.GetPicture(name=name), door.GetPicture(name=name, read_mask=mask("*")), door.GetPicture(name=name, view=2)):
        assert not whole.HasField("expanded_artist")
        assert not whole.expanded_owners
    filled = door.GetPicture(name=name, read_mask=mask("expanded_artist"))
    assert filled.expanded_artist.display_name == "Artist 1"
    assert filled.expanded_artist.studio == "wings/north/rooms/r1"
    assert not filled.expanded_artist.contract_terms, "INPUT_ONLY there too"
    assert not filled.expanded_artist.HasField("expanded_studio")
    assert (filled.title, filled.artist, filled.name) == ("", "", "")
    both = door.GetPicture(name=name, read_mask=mask("*", "expanded_artist"))
    assert both.expanded_artist == filled.expanded_artist
    both.ClearField("expanded_artist")
    assert both == door.GetPicture(name=name)


def test_aip_59_a_mask_narrows_below_an_expansion(door: Door, served: Service) -> None:
    served.ran.clear()
    found = door.GetPicture(name="pictures/p001", read_mask=mask("expanded_artist.display_name", "title"))
    assert found == pb.Picture(title="Picture 1", expanded_artist=pb.Artist(display_name="Artist 1"))
    (sql,) = served.asked("artists")
    assert "biography" not in sql


def test_aip_59_what_is_not_there_is_left_out(door: Door) -> None:
    every = mask("title", "expanded_artist.name", "expanded_room.name", "expanded_owners.name")
    dangling = door.GetPicture(name="pictures/p010", read_mask=every)
    assert not dangling.HasField("expanded_artist")
    assert not dangling.HasField("expanded_room"), "the reference is unset"
    assert [one.name for one in dangling.expanded_owners] == ["artists/a11", "artists/a0"]
    door.CreatePicture(picture_id="empty", picture=pb.Picture(title="Empty"))
    assert door.GetPicture(name="pictures/empty", read_mask=every) == pb.Picture(title="Empty")
    filled = door.GetPicture(name="pictures/p003", read_mask=mask("expanded_room.guards"))
    assert not filled.HasField("expanded_room"), "r3 is not there"
    present = door.GetPicture(name="pictures/p001", read_mask=mask("expanded_room.etag"))
    assert present.HasField("expanded_room")
    zero = door.GetPicture(name="pictures/p009", read_mask=mask("expanded_artist.expanded_studio.guards"))
    assert zero.expanded_artist.HasField("expanded_studio"), "there, with nothing in the fields that were asked for"


def test_aip_59_expansions_nest_two_levels_and_no_more(door: Door, refused: Refuse) -> None:
    found = door.GetPicture(
        name="pictures/p002",
        read_mask=mask("expanded_artist", "expanded_artist.expanded_studio.display_name", "expanded_artist.expanded_teacher.display_name"),
    ).expanded_artist
    assert (found.name, found.expanded_studio.display_name, found.expanded_teacher.display_name) == ("artists/a2", "Room 2", "Artist 1")
    owners = door.GetPicture(name="pictures/p002", read_mask=mask("expanded_owners.expanded_studio.display_name", "expanded_owners.name"))
    assert [(one.name, one.expanded_studio.display_name) for one in owners.expanded_owners] == [
        ("artists/a3", "Room 0"),
        ("artists/a0", "Room 0"),
    ]
    deep = mask("expanded_artist.expanded_teacher.expanded_teacher")
    refusal = refused(door.GetPicture, name="pictures/p002", read_mask=deep)
    assert (refusal.reason, "2 expansions" in refusal.violations["read_mask"]) == ("INVALID_FIELD_MASK", True)


FROM_THE_START = "year >= 1 AND year < 1000"
EXPANDED = ("title", "expanded_artist.display_name", "expanded_artist.expanded_studio.guards", "expanded_room", "expanded_owners.name")


@pytest.mark.parametrize("size", [1, 7, 100, 1_000])
def test_aip_59_a_page_takes_one_statement_for_each_expansion_whatever_its_size(door: Door, served: Service, size: int) -> None:
    served.ran.clear()
    page = door.ListPictures(page_size=size, filter=FROM_THE_START, order_by="year", read_mask=mask(*EXPANDED))
    assert len(served.asked("artists")) == 2, "the artist, and the owners"
    assert len(served.asked("rooms")) == 2, "the room, and the studio"
    assert len(page.pictures) == min(size, PICTURES - 1)
    for one in page.pictures:
        n = int(one.title.removeprefix("Picture "))
        assert one.expanded_artist.display_name == (f"Artist {n % ARTISTS}" if n % 10 else "")
        assert one.expanded_artist.expanded_studio.guards == (n % ARTISTS % 3 if n % 10 else 0)
        assert one.expanded_room.display_name == (f"Room {n % 4}" if n % 2 and n % 4 < 3 else "")
        assert [owner.name for owner in one.expanded_owners] == [f"artists/a{(n + 1) % ARTISTS}", "artists/a0"]


@pytest.mark.engines("mariadb", "mysql")
def test_aip_59_the_engine_itself_counts_no_more_statements_for_a_larger_page(door: Door, engine: Engine) -> None:
    assert isinstance(engine, Server)
    engine.execute("SET GLOBAL log_output = 'TABLE'")
    counts = []
    for size in (1, 100):
        engine.execute("TRUNCATE TABLE mysql.general_log")
        engine.execute("SET GLOBAL general_log = ON")
        door.ListPictures(page_size=size, filter=FROM_THE_START, order_by="year", read_mask=mask(*EXPANDED))
        engine.execute("SET GLOBAL general_log = OFF")
        ((count,),) = engine.execute(
            "SELECT COUNT(*) FROM mysql.general_log WHERE command_type = 'Query' AND (argument LIKE 'SELECT%pictures%'"
            " OR argument LIKE 'SELECT%artists%' OR argument LIKE 'SELECT%rooms%') AND argument NOT LIKE '%general_log%'"
        )
        counts.append(count)
    assert counts == [6, 6], "the page, its total, and the four of the expansions"


def test_aip_59_b03_the_reader_needs_the_right_to_read_what_is_expanded(served: Service, refused: Refuse) -> None:
    """A visitor may read pictures and artists, and no rooms."""
    visitor = served.door("visitor")
    assert visitor.GetPicture(name="pictures/p001", read_mask=mask("expanded_artist.name")).expanded_artist.name == "artists/a1"
    for path in ("expanded_room", "expanded_room.guards", "expanded_artist.expanded_studio", "expanded_owners.expanded_studio.name"):
        for call, fields in ((visitor.GetPicture, {"name": "pictures/p001"}), (visitor.ListPictures, {})):
            served.ran.clear()
            refusal = refused(call, read_mask=mask("title", path), **fields)
            assert (refusal.code, dict(refusal.metadata)) == ("PERMISSION_DENIED", {"permission": "rooms.get", "resource": "rooms"})
            assert served.asked("pictures") == [], "nothing was read"
    assert refused(visitor.GetPicture, name="pictures/p001", metadata=(("x-goog-fieldmask", "expanded_room"),)).code == "PERMISSION_DENIED"
    visitor.close()


def test_a_view_may_hold_an_expansion(door: Door) -> None:
    found = door.GetPicture(name="pictures/p001", view=3)
    assert (found.title, found.expanded_artist.display_name, found.expanded_artist.name) == ("Picture 1", "Artist 1", "")


def test_b03_an_expansion_cannot_be_written_filtered_or_sorted_by(door: Door, refused: Refuse) -> None:
    given = pb.Picture(title="Forged", artist="artists/a1", expanded_artist=pb.Artist(display_name="Forged"))
    given.expanded_owners.add(display_name="Forged")
    created = door.CreatePicture(picture_id="forged", picture=given)
    assert not created.HasField("expanded_artist")
    given.name = "pictures/forged"
    for paths in ((), ("*",), ("expanded_artist",), ("expanded_artist.display_name",), ("expanded_owners", "title")):
        updated = door.UpdatePicture(picture=given, update_mask=FieldMask(paths=paths))
        assert not updated.HasField("expanded_artist")
        assert not updated.expanded_owners
    assert door.GetArtist(name="artists/a1").display_name == "Artist 1"
    for path in ("expanded_artist", "expanded_artist.display_name"):
        assert refused(door.ListPictures, filter=f'{path} = "x"').reason == "INVALID_FILTER"
        assert refused(door.ListPictures, filter=f"{path}:*").reason == "INVALID_FILTER"
        assert refused(door.ListPictures, order_by=path).reason == "INVALID_ORDER_BY"


def test_expansions_of_a_page_are_bounded_in_number(door: Door, refused: Refuse) -> None:
    many = pb.Picture(title="Many", owners=[f"artists/x{n}" for n in range(limits.EXPANDED_ROWS_MAX + 1)])
    door.CreatePicture(picture_id="many", picture=many)
    refusal = refused(door.GetPicture, name="pictures/many", read_mask=mask("expanded_owners"))
    assert (refusal.reason, "1000 at most" in refusal.violations["read_mask"]) == ("INVALID_FIELD_MASK", True)
    assert not door.GetPicture(name="pictures/many", read_mask=mask("title", "expanded_artist")).expanded_owners
    del many.owners[:]
    many.name = "pictures/many"
    door.UpdatePicture(picture=many, update_mask=FieldMask(paths=["owners"]))


def test_a_page_ends_early_where_expansions_would_make_it_too_large(door: Door) -> None:
    door.CreateArtist(artist_id="wordy", artist=pb.Artist(display_name="Wordy", biography="w" * 1_000_000))
    for n in range(7):
        door.CreatePicture(picture_id=f"w{n}", picture=pb.Picture(title=f"W{n}", artist="artists/wordy", year=2000 + n))
    found, token, sizes = [], "", []
    while True:
        page = door.ListPictures(
            page_size=5, filter="year >= 2000", order_by="year", page_token=token, read_mask=mask("title", "expanded_artist.biography")
        )
        assert page.ByteSize() <= limits.PAGE_BYTES_MAX + 1_000
        sizes.append(len(page.pictures))
        found += [one.title for one in page.pictures]
        token = page.next_page_token
        if not token:
            break
    assert (found, sizes) == ([f"W{n}" for n in range(7)], [3, 3, 1])
    assert all(len(one.expanded_artist.biography) == 1_000_000 for one in page.pictures)
    for n in range(7):
        door.UpdatePicture(picture=pb.Picture(name=f"pictures/w{n}"), update_mask=FieldMask(paths=["year"]))
