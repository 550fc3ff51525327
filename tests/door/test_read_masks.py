"""Read masks (AIP-157) through the door, on every engine: the answer holds what they say, and so do the statements."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.field_mask_pb2 import FieldMask

from protoplane.method.narrow import NARROWS_KEPT_MAX, Reading
from tests.door.client import Door, Refused
from tests.door.conftest import Serve
from tests.door.reading import GALLERY, pb
from tests.door.service import Service

Refuse = Callable[..., Refused]
SIDE_CHANNEL = "x-goog-fieldmask"
FULL = 2


def asking(mask: str) -> dict[str, Any]:
    """The metadata of a call that asks by the side channel."""
    return {"metadata": ((SIDE_CHANNEL, mask),)}


@pytest.fixture(scope="module")
def served(serve: Serve) -> Service:
    gallery = serve(GALLERY, recording=True)
    with gallery.calls() as door:
        door.CreateWing(wing_id="north", wing=pb.Wing(display_name="North"))
        door.CreateRoom(parent="wings/north", room_id="blue", room=pb.Room(display_name="Blue", guards=2))
        door.CreateArtist(
            artist_id="anna",
            artist=pb.Artist(display_name="Anna", studio="wings/north/rooms/blue", biography="Born.", contract_terms="ten"),
        )
        for n in range(5):
            door.CreatePicture(picture_id=f"p{n}", picture=picture(n))
    return gallery


def picture(n: int) -> Any:
    made = pb.Picture(
        title=f"Picture {n}", artist="artists/anna", notes="x" * 50, year=1900 - n, alarm_code="1234", owners=["artists/anna"]
    )
    made.room.value = "wings/north/rooms/blue"
    made.frame.wood, made.frame.width, made.frame.secret_drawer = "oak", n, "left"
    made.layers.add(colour="red", thickness=n, recipe="madder")
    made.layers.add(colour="blue", thickness=7)
    made.labels["en"], made.labels["de"], made.labels["a.b,c"] = "one", "eins", "odd"
    made.samples["top"].colour, made.samples["top"].thickness = "white", 3
    made.samples["low"].colour = "black"
    return made


P0 = "pictures/p0"

SHOWN: dict[tuple[str, ...], str] = {
    ("title",): 'title: "Picture 0"',
    ("title", "title", "title"): 'title: "Picture 0"',
    ("name", "year"): 'name: "pictures/p0" year: 1900',
    ("frame.width", "frame.wood"): 'frame { wood: "oak" }',
    ("frame",): 'frame { wood: "oak" }',
    ("frame.wood", "frame"): 'frame { wood: "oak" }',
    ("layers",): 'layers { colour: "red" } layers { colour: "blue" thickness: 7 }',
    ("layers.thickness",): "layers { } layers { thickness: 7 }",
    ("layers.*.colour",): 'layers { colour: "red" } layers { colour: "blue" }',
    ("layers.*",): 'layers { colour: "red" } layers { colour: "blue" thickness: 7 }',
    ("labels.en",): 'labels { key: "en" value: "one" }',
    ("labels.`a.b,c`", "labels.nobody"): 'labels { key: "a.b,c" value: "odd" }',
    ("samples.*.thickness",): 'samples { key: "low" value { } } samples { key: "top" value { thickness: 3 } }',
    ("samples.top.colour", "samples.*.thickness"): (
        'samples { key: "low" value { } } samples { key: "top" value { colour: "white" thickness: 3 } }'
    ),
    ("room",): 'room { value: "wings/north/rooms/blue" }',
    ("owners", "artist"): 'artist: "artists/anna" owners: "artists/anna"',
}
"""Masks of the first picture, and what they show."""


def text(message: Any) -> str:
    """One line."""
    return text_format.MessageToString(message, as_one_line=True).strip()


@pytest.mark.parametrize("paths", SHOWN)
def test_aip_51_an_answer_holds_what_the_mask_says_and_nothing_else(door: Door, paths: tuple[str, ...]) -> None:
    wanted = SHOWN[paths]
    assert text(door.GetPicture(name=P0, read_mask=FieldMask(paths=paths))) == wanted
    assert text(door.GetPicture(name=P0, **asking(",".join(paths)))) == wanted
    assert text(door.ListPictures(page_size=1, read_mask=FieldMask(paths=paths)).pictures[0]) == wanted
    page = door.ListPictures(page_size=1, **asking(", ".join(f"pictures.{path}" for path in paths)))
    assert [text(one) for one in page.pictures] == [wanted]
    assert not page.next_page_token, "it was not asked for"


def test_aip_51_a_star_or_no_mask_is_everything(door: Door) -> None:
    whole = door.GetPicture(name=P0, view=FULL)
    assert whole.notes
    assert not whole.alarm_code, "it is never shown"
    for masked in (
        door.GetPicture(name=P0),
        door.GetPicture(name=P0, read_mask=FieldMask(paths=["*"])),
        door.GetPicture(name=P0, read_mask=FieldMask(paths=["*", "title"])),
        door.GetPicture(name=P0, read_mask=FieldMask()),
        door.GetPicture(name=P0, **asking("*")),
        door.GetPicture(name=P0, **asking("")),
    ):
        assert masked == whole
    assert door.ListPictures(page_size=1, **asking("*")).next_page_token


REFUSED: dict[str, str] = {
    "titel": "did you mean 'title'",
    "title.x": "no fields",
    "frame.glass": "no field 'glass'",
    "layers.0": "repeated",
    "layers.0.colour": "repeated",
    "layers.*.*": "no field '*'",
    "owners.x": "no fields",
    "create_time.seconds": "no fields",
    "alarm_code": "never shown",
    "frame.secret_drawer": "never shown",
    "layers.recipe": "never shown",
    "samples.top.recipe": "never shown",
    "labels.`en": "never closed",
    "title..x": "empty",
    "": "empty",
    "x" * 2_000: "longer than",
}


@pytest.mark.parametrize("path", REFUSED)
def test_aip_51_b02_a_path_that_shows_nothing_is_refused(door: Door, refused: Refuse, path: str) -> None:
    problem = REFUSED[path]
    found = refused(door.GetPicture, name=P0, read_mask=FieldMask(paths=["title", path]))
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD_MASK")
    assert problem in found.violations["read_mask"]
    assert problem in refused(door.ListPictures, read_mask=FieldMask(paths=["title", path])).violations["read_mask"]
    by_side = refused(door.GetPicture, name=P0, **asking(f"title,{path}"))
    assert problem in by_side.violations[SIDE_CHANNEL]


def test_aip_51_b02_a_mask_of_too_many_paths_is_refused(door: Door, refused: Refuse) -> None:
    assert text(door.GetPicture(name=P0, read_mask=FieldMask(paths=["title"] * 256))) == 'title: "Picture 0"'
    found = refused(door.GetPicture, name=P0, read_mask=FieldMask(paths=["title"] * 257))
    assert "at most 256" in found.violations["read_mask"]
    assert refused(door.GetPicture, name=P0, read_mask=FieldMask(paths=["title"] * 10_000)).reason == "INVALID_FIELD_MASK"


def test_aip_51_of_mask_view_and_side_channel_one_is_given(door: Door, refused: Refuse) -> None:
    mask = FieldMask(paths=["title"])
    for fields in ({"read_mask": mask, "view": FULL}, {"read_mask": mask, **asking("title")}, {"view": FULL, **asking("title")}):
        assert refused(door.GetPicture, name=P0, **fields).reason == "INVALID_FIELD_MASK"


def test_aip_51_the_mask_of_a_list_is_of_its_answer(door: Door, served: Service, refused: Refuse) -> None:
    page = door.ListPictures(page_size=2, **asking("next_page_token,total_size"))
    assert (len(page.pictures), page.total_size) == (0, door.ListPictures().total_size)
    served.ran.clear()
    rest = door.ListPictures(page_size=2, page_token=page.next_page_token, **asking("pictures.year,next_page_token"))
    assert [text(one) for one in rest.pictures] == ["year: 1898", "year: 1897"]
    assert (rest.total_size, len(served.asked("pictures"))) == (0, 1), "what is not asked for is not counted"
    assert "did you mean 'pictures.title'" in refused(door.ListPictures, **asking("title")).violations[SIDE_CHANNEL]


def test_aip_51_the_side_channel_twice_is_both(door: Door) -> None:
    assert text(door.GetPicture(name=P0, metadata=((SIDE_CHANNEL, "title"), (SIDE_CHANNEL, "year")))) == 'title: "Picture 0" year: 1900'


@pytest.mark.parametrize(
    "order", ["", "year", "create_time desc", "title, year desc", "artist.display_name", "artist.biography desc, year"]
)
def test_aip_51_pages_follow_each_other_whatever_is_shown(door: Door, order: str) -> None:
    """The columns that tell the place of a row are read, asked for or not."""
    wanted = [one.title for one in door.ListPictures(order_by=order, view=FULL).pictures]
    found, token = [], ""
    while True:
        page = door.ListPictures(page_size=2, page_token=token, order_by=order, read_mask=FieldMask(paths=["title"]))
        found += [text(one) for one in page.pictures]
        token = page.next_page_token
        if not token:
            break
    assert found == [f'title: "{title}"' for title in wanted]


def test_aip_21_a_page_token_is_bound_to_read_mask_and_view_as_to_any_argument(door: Door, refused: Refuse) -> None:
    token = door.ListPictures(page_size=1, read_mask=FieldMask(paths=["title"])).next_page_token
    for fields in ({}, {"read_mask": FieldMask(paths=["year"])}, {"view": FULL}):
        assert refused(door.ListPictures, page_size=1, page_token=token, **fields).reason == "INVALID_PAGE_TOKEN"
    by_side = door.ListPictures(page_size=1, **asking("*")).next_page_token
    assert len(door.ListPictures(page_size=1, page_token=by_side).pictures) == 1, "the side channel is no argument"


COLUMNS: dict[tuple[str, ...], set[str]] = {
    ("title",): {"title"},
    ("name", "etag"): set(),
    ("frame.wood",): {"frame", "frame_wood"},
    ("layers.colour",): {"layers"},
    ("room",): {"room_wing", "room_room"},
}
"""Masks, and the columns they need besides the key and the version."""


@pytest.mark.parametrize("paths", COLUMNS)
def test_aip_51_only_the_columns_of_the_mask_are_read(door: Door, served: Service, paths: tuple[str, ...]) -> None:
    mask = FieldMask(paths=paths)
    for call, fields in ((door.GetPicture, {"name": P0}), (door.ListPictures, {"page_size": 1})):
        served.ran.clear()
        call(read_mask=mask, **fields)
        assert columns(served.asked("pictures")[0]) == {"picture", "row_version"} | COLUMNS[paths]


def columns(sql: str) -> set[str]:
    """Names of what a SELECT reads."""
    selected = sql.partition(" FROM ")[0]
    return set(re.findall(r'[`"]t1[`"]\.[`"](\w+)[`"]', selected))


def test_aip_51_the_order_is_read_besides(door: Door, served: Service) -> None:
    served.ran.clear()
    door.ListPictures(page_size=1, order_by="year", read_mask=FieldMask(paths=["title"]))
    assert columns(served.asked("pictures")[0]) == {"picture", "row_version", "title", "year"}


def test_aip_51_writes_answer_what_the_side_channel_says_and_do_all(door: Door, refused: Refuse) -> None:
    created = door.CreatePicture(picture_id="w", picture=pb.Picture(title="W", year=3), **asking("title,etag"))
    whole = door.GetPicture(name="pictures/w")
    assert (text(created), whole.year) == (f'title: "W" etag: {text(pb.Picture(etag=whole.etag)).removeprefix("etag: ")}', 3)
    change = pb.Picture(name="pictures/w", year=4)
    assert text(door.UpdatePicture(picture=change, **asking("year"))) == "year: 4"
    made = door.BatchCreatePictures(
        requests=[pb.CreatePictureRequest(picture_id=f"w{n}", picture=pb.Picture(title=f"W{n}")) for n in range(2)],
        **asking("pictures.title"),
    )
    assert text(made) == 'pictures { title: "W0" } pictures { title: "W1" }'
    writes: list[tuple[Callable[..., Any], dict[str, Any]]] = [
        (door.CreatePicture, {"picture_id": "never", "picture": pb.Picture(title="N")}),
        (door.UpdatePicture, {"picture": pb.Picture(name="pictures/w", year=9)}),
    ]
    for call, fields in writes:
        for mask in ("nothing", "title,,year", "alarm_code", "expanded_artist"):
            assert refused(call, **fields, **asking(mask)).violations.keys() == {SIDE_CHANNEL}
    assert refused(door.GetPicture, name="pictures/never").code == "NOT_FOUND"
    assert door.GetPicture(name="pictures/w").year == 4


def test_aip_14_51_a_retry_is_answered_by_its_own_mask(door: Door) -> None:
    request_id = "00000000-0000-4000-8000-00000000cafe"
    fields = {"picture_id": "r", "picture": pb.Picture(title="R", year=5), "request_id": request_id}
    assert text(door.CreatePicture(**fields, **asking("title"))) == 'title: "R"'
    assert text(door.CreatePicture(**fields, **asking("year"))) == "year: 5"
    assert door.CreatePicture(**fields) == door.GetPicture(name="pictures/r")


def test_code_around_a_read_sees_all_of_it_whatever_is_asked_for(door: Door) -> None:
    signed = "Born. (Anna of wings/north/rooms/blue)"
    assert door.GetArtist(name="artists/anna").biography == signed
    narrow = door.GetArtist(name="artists/anna", **asking("biography,expanded_studio.guards"))
    assert text(narrow) == f'expanded_studio {{ guards: 2 }} biography: "{signed}"'
    page = door.ListArtists(**asking("artists.biography,artists.expanded_studio.guards"))
    assert [text(one) for one in page.artists] == [text(narrow)]


def test_answers_of_code_alone_are_narrowed_too(door: Door, refused: Refuse) -> None:
    assert text(door.DescribePicture(name=P0, **asking("text"))) == 'text: "Picture 0, 1900"'
    assert text(door.DescribePicture(name=P0, **asking("picture.frame.wood"))) == 'picture { frame { wood: "oak" } }'
    assert refused(door.DescribePicture, name=P0, **asking("words")).reason == "INVALID_FIELD_MASK"


def test_permission_is_asked_for_before_the_mask_is_read(served: Service, refused: Refuse) -> None:
    nobody = served.door("nobody")
    assert refused(nobody.GetPicture, name=P0, read_mask=FieldMask(paths=["nothing"])).code == "PERMISSION_DENIED"
    assert refused(nobody.CreatePicture, **asking("nothing")).code == "PERMISSION_DENIED"
    nobody.close()


def test_however_many_masks_come_so_many_are_kept(door: Door) -> None:
    names: Sequence[str] = [field.name for field in pb.Picture.DESCRIPTOR.fields if field.name != "alarm_code"]
    for first in range(len(names)):
        for second in range(len(names)):
            door.GetPicture(name=P0, read_mask=FieldMask(paths=[names[first], names[second]]))
    kept = [len(one._kept) for one in gc.get_objects() if isinstance(one, Reading)]
    assert kept
    assert max(kept) <= NARROWS_KEPT_MAX
