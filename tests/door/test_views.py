"""Views (AIP-157) through the door, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.door import reading
from tests.door.client import Door, Refused
from tests.door.reading import Gallery
from tests.engines import Engine

Refuse = Callable[..., Refused]
UNSPECIFIED, BASIC, FULL = 0, 1, 2


@pytest.fixture(scope="module")
def gallery(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with reading.opened(engine, tmp_path_factory.mktemp("gallery")) as gallery:
        door, pb = gallery.door(), reading.messages()
        picture = pb.Picture(title="Dusk", notes="long", year=1900)
        picture.frame.wood, picture.frame.width = "oak", 3
        door.CreatePicture(picture_id="dusk", picture=picture)
        yield gallery
        door.close()


@pytest.fixture
def door(gallery: Gallery) -> Iterator[Door]:
    door = gallery.door()
    yield door
    door.close()
    assert not gallery.bugs, gallery.bugs


def test_aip_51_a_list_gives_the_basic_view_unless_told_and_a_get_the_full_one(door: Door, gallery: Gallery) -> None:
    pb, name = reading.messages(), "pictures/dusk"
    full = door.GetPicture(name=name)
    assert (full.notes, full.frame.width) == ("long", 3)
    basic = pb.Picture(name=name, title="Dusk", frame={"wood": "oak"})
    assert door.GetPicture(name=name, view=UNSPECIFIED) == door.GetPicture(name=name, view=FULL) == full
    assert door.GetPicture(name=name, view=BASIC) == basic
    assert list(door.ListPictures().pictures) == list(door.ListPictures(view=BASIC).pictures) == [basic]
    assert list(door.ListPictures(view=FULL).pictures) == [full]
    gallery.statements.clear()
    door.ListPictures()
    assert "notes" not in gallery.asked("pictures")[0]


def test_aip_51_a_view_there_is_not_is_refused(door: Door, refused: Refuse) -> None:
    for call, fields in ((door.GetPicture, {"name": "pictures/dusk"}), (door.ListPictures, {})):
        for view in (4, 77, -1):
            refusal = refused(call, view=view, **fields)
            assert (refusal.code, list(refusal.violations)) == ("INVALID_ARGUMENT", ["view"])
