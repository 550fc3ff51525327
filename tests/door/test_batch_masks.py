"""BatchGet (AIP-231) understands masks, views and expansions (AIP-157) as Get does: in its answers and in its statements."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from protoplane.base import limits
from tests.door.client import Door, Refused
from tests.door.conftest import Serve
from tests.door.reading import GALLERY, pb
from tests.door.service import Service

Refuse = Callable[..., Refused]
BASIC, FULL, WITH_ARTIST, UNKNOWN = 1, 2, 3, 4
PICTURES, ARTISTS = 250, 30
LARGE = 200_000


def mask(*paths: str) -> FieldMask:
    return FieldMask(paths=paths)


def asking(text: str) -> dict[str, Any]:
    """The metadata of a call that asks by the side channel."""
    return {"metadata": (("x-goog-fieldmask", text),)}


@pytest.fixture(scope="module")
def served(serve: Serve) -> Service:
    """Pictures of ARTISTS in turn, who work in two rooms; of the large ones, x0 to x29, each has LARGE bytes that a mask can leave out."""
    gallery = serve(GALLERY, recording=True)
    with gallery.calls() as door:
        door.CreateWing(wing_id="north", wing=pb.Wing(display_name="North"))
        for n in range(2):
            door.CreateRoom(parent="wings/north", room_id=f"r{n}", room=pb.Room(display_name=f"Room {n}", guards=n))
        for n in range(ARTISTS):
            artist = pb.Artist(display_name=f"Artist {n}", studio=f"wings/north/rooms/r{n % 2}", biography="Born.", contract_terms="ten")
            door.CreateArtist(artist_id=f"a{n}", artist=artist)
        door.BatchCreatePictures(requests=[pb.CreatePictureRequest(picture_id=f"p{n}", picture=picture(n)) for n in range(PICTURES)])
        for n in range(30):
            large = pb.Picture(title=f"Large {n}", layers=[pb.Picture.Layer(colour="r" * LARGE, thickness=n)])
            door.CreatePicture(picture_id=f"x{n}", picture=large)
    return gallery


def picture(n: int) -> Any:
    made = pb.Picture(title=f"Picture {n}", notes="n" * 50, year=1900, artist=f"artists/a{n % ARTISTS}" if n % 10 else "", alarm_code="1")
    made.frame.wood, made.frame.width = "oak", n
    made.owners.extend([f"artists/a{n % 7}", "artists/nobody", "artists/a0"])
    return made


def names(*numbers: int) -> list[str]:
    return [f"pictures/p{n}" for n in numbers]


MASKS: list[tuple[str, ...]] = [
    ("title",),
    ("name", "etag"),
    ("frame.wood", "owners"),
    ("*",),
    ("expanded_artist.display_name", "title"),
    ("*", "expanded_owners.name"),
    ("expanded_artist.expanded_studio.guards", "expanded_room"),
]


@pytest.mark.parametrize("paths", MASKS)
def test_aip_45_51_59_batch_get_answers_with_what_get_answers_with(door: Door, paths: tuple[str, ...]) -> None:
    wanted = names(7, 3, 10, 7, 0)
    alone = [door.GetPicture(name=name, read_mask=mask(*paths)) for name in wanted]
    assert list(door.BatchGetPictures(names=wanted, read_mask=mask(*paths)).pictures) == alone
    below = ",".join("*" if path == "*" else f"pictures.{path}" for path in paths)
    assert list(door.BatchGetPictures(names=wanted, **asking(below)).pictures) == alone
    listed = {one.name or one.SerializeToString(): one for one in door.ListPictures(page_size=1_000, **asking(below)).pictures}
    assert all(listed.get(one.name or one.SerializeToString()) == one for one in alone), "a List has the same side channel"


def test_aip_45_51_without_a_mask_batch_get_answers_with_everything(door: Door) -> None:
    alone = [door.GetPicture(name=name) for name in names(2, 1)]
    assert alone[0].notes
    for fields in ({}, {"view": FULL}, {"read_mask": mask()}, asking("*"), asking("pictures")):
        assert list(door.BatchGetPictures(names=names(2, 1), **fields).pictures) == alone


@pytest.mark.parametrize("view", [BASIC, FULL, WITH_ARTIST])
def test_aip_45_51_batch_get_has_the_views_of_get(door: Door, view: int) -> None:
    assert list(door.BatchGetPictures(names=names(4, 5), view=view).pictures) == [door.GetPicture(name=n, view=view) for n in names(4, 5)]


def test_aip_45_51_a_batch_get_reads_only_the_columns_of_its_mask(door: Door, served: Service) -> None:
    for count in (1, 100):
        served.ran.clear()
        door.BatchGetPictures(names=names(*range(count)), read_mask=mask("frame.wood"))
        (sql,) = served.asked("pictures")
        read = set(re.findall(r'[`"]t1[`"]\.[`"](\w+)[`"]', sql.partition(" FROM ")[0]))
        assert read == {"picture", "row_version", "frame", "frame_wood"}


@pytest.mark.parametrize("count", [1, 7, 100, 250])
def test_aip_45_59_a_batch_get_takes_one_statement_for_each_expansion(door: Door, served: Service, count: int) -> None:
    served.ran.clear()
    paths = ("year", "expanded_artist.display_name", "expanded_artist.expanded_studio.guards", "expanded_owners.name")
    found = door.BatchGetPictures(names=names(*range(1, count + 1)[:249]), read_mask=mask(*paths)).pictures
    assert (len(served.asked("artists")), len(served.asked("rooms"))) == (2, 1)
    assert len(served.asked("pictures")) <= 2
    for n, one in enumerate(found, start=1):
        assert one.expanded_artist.display_name == (f"Artist {n % ARTISTS}" if n % 10 else "")
        assert one.expanded_artist.expanded_studio.guards == (n % ARTISTS % 2 if n % 10 else 0)
        assert [owner.name for owner in one.expanded_owners] == [f"artists/a{n % 7}", "artists/a0"]


def test_aip_45_51_what_a_mask_leaves_out_takes_no_room_in_the_answer(door: Door, refused: Refuse) -> None:
    wanted = [f"pictures/x{n}" for n in range(30)]
    assert LARGE * 30 > limits.PAGE_BYTES_MAX
    assert refused(door.BatchGetPictures, names=wanted).reason == "ANSWER_TOO_LARGE"
    assert refused(door.BatchGetPictures, names=wanted, read_mask=mask("layers.colour")).reason == "ANSWER_TOO_LARGE"
    for path in ("title", "layers.thickness"):
        assert [
            one.name or one.title or one.layers[0].thickness for one in door.BatchGetPictures(names=wanted, read_mask=mask(path)).pictures
        ]


def test_aip_45_one_that_is_not_there_refuses_a_narrow_batch_too(door: Door, refused: Refuse) -> None:
    refusal = refused(door.BatchGetPictures, names=[*names(1), "pictures/gone", "pictures/lost"], read_mask=mask("title"))
    assert (refusal.reason, refusal.metadata["name"]) == ("RESOURCE_NOT_FOUND", "pictures/gone")


def test_aip_45_51_a_mask_of_a_batch_get_that_shows_nothing_is_refused(door: Door, refused: Refuse) -> None:
    wanted = names(1)
    assert "did you mean 'title'" in refused(door.BatchGetPictures, names=wanted, read_mask=mask("titel")).violations["read_mask"]
    assert "did you mean 'pictures.title'" in refused(door.BatchGetPictures, names=wanted, **asking("title")).violations["x-goog-fieldmask"]
    assert "never shown" in refused(door.BatchGetPictures, names=wanted, read_mask=mask("alarm_code")).violations["read_mask"]
    assert refused(door.BatchGetPictures, names=wanted, view=UNKNOWN).violations.keys() == {"view"}
    assert refused(door.BatchGetPictures, names=wanted, view=FULL, read_mask=mask("title")).reason == "INVALID_FIELD_MASK"
    assert refused(door.BatchGetPictures, names=[], read_mask=mask("title")).violations.keys() == {"names"}


def test_aip_45_59_a_batch_get_needs_the_right_to_read_what_it_expands(served: Service, refused: Refuse) -> None:
    """A visitor may read pictures and artists, and no rooms."""
    visitor = served.door("visitor")
    found = visitor.BatchGetPictures(names=names(1), read_mask=mask("expanded_artist.name"))
    assert found.pictures[0].expanded_artist.name == "artists/a1"
    served.ran.clear()
    for fields in ({"read_mask": mask("expanded_room")}, asking("pictures.expanded_artist.expanded_studio")):
        refusal = refused(visitor.BatchGetPictures, names=names(1), **fields)
        assert (refusal.code, dict(refusal.metadata)) == ("PERMISSION_DENIED", {"permission": "rooms.get", "resource": "rooms"})
    assert served.asked("pictures") == [], "nothing was read"
    visitor.close()


def test_code_around_a_batch_get_sees_all_of_it_whatever_is_asked_for(door: Door) -> None:
    answer = door.BatchGetArtists(names=["artists/a1", "artists/a0"], **asking("artists.biography,artists.expanded_studio.guards"))
    assert list(answer.artists) == [
        pb.Artist(biography="Born. (Artist 1 of wings/north/rooms/r1)", expanded_studio=pb.Room(guards=1)),
        pb.Artist(biography="Born. (Artist 0 of wings/north/rooms/r0)", expanded_studio=pb.Room()),
    ]
