"""Views (AIP-157) through the door, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.door import reading
from tests.door.client import Door, Refused
from tests.door.reading import Museum
from tests.engines import Engine

Refuse = Callable[..., Refused]
UNSPECIFIED, BASIC, FULL = 0, 1, 2


@pytest.fixture(scope="module")
def museum(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Museum]:
    with reading.opened(engine, tmp_path_factory.mktemp("museum")) as museum:
        door, pb = museum.door(), reading.messages()
        picture = pb.Picture(title="Dusk", notes="long", year=1900)
        picture.frame.wood, picture.frame.width = "oak", 3
        door.CreatePicture(picture_id="dusk", picture=picture)
        yield museum
        door.close()


@pytest.fixture
def door(museum: Museum) -> Iterator[Door]:
    door = museum.door()
    yield door
    door.close()
    assert not museum.bugs, museum.bugs


def test_aip_51_a_list_gives_the_basic_view_unless_told_and_a_get_the_full_one(door: Door, museum: Museum) -> None:
    pb, name = reading.messages(), "pictures/dusk"
    full = door.GetPicture(name=name)
    assert (full.notes, full.frame.width) == ("long", 3)
    basic = pb.Picture(name=name, title="Dusk", frame={"wood": "oak"})
    assert door.GetPicture(name=name, view=UNSPECIFIED) == door.GetPicture(name=name, view=FULL) == full
    assert door.GetPicture(name=name, view=BASIC) == basic
    assert list(door.ListPictures().pictures) == list(door.ListPictures(view=BASIC).pictures) == [basic]
    assert list(door.ListPictures(view=FULL).pictures) == [full]
    museum.statements.clear()
    door.ListPictures()
    assert "notes" not in museum.asked("pictures")[0]


def test_aip_51_a_view_there_is_not_is_refused(door: Door, refused: Refuse) -> None:
    for call, fields in ((door.GetPicture, {"name": "pictures/dusk"}), (door.ListPictures, {})):
        for view in (4, 77, -1):
            refusal = refused(call, view=view, **fields)
            assert (refusal.code, list(refusal.violations)) == ("INVALID_ARGUMENT", ["view"])
