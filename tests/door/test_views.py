"""Views (AIP-157) through the door, on every engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.door.client import Door, Refused
from tests.door.conftest import Serve
from tests.door.reading import GALLERY, pb
from tests.door.service import Service

Refuse = Callable[..., Refused]
UNSPECIFIED, BASIC, FULL = 0, 1, 2


@pytest.fixture(scope="module")
def served(serve: Serve) -> Service:
    gallery = serve(GALLERY, recording=True)
    with gallery.calls() as door:
        picture = pb.Picture(title="Dusk", notes="long", year=1900)
        picture.frame.wood, picture.frame.width = "oak", 3
        door.CreatePicture(picture_id="dusk", picture=picture)
    return gallery


def test_aip_51_a_list_gives_the_basic_view_unless_told_and_a_get_the_full_one(door: Door, served: Service) -> None:
    name = "pictures/dusk"
    full = door.GetPicture(name=name)
    assert (full.notes, full.frame.width) == ("long", 3)
    basic = pb.Picture(name=name, title="Dusk", frame={"wood": "oak"})
    assert door.GetPicture(name=name, view=UNSPECIFIED) == door.GetPicture(name=name, view=FULL) == full
    assert door.GetPicture(name=name, view=BASIC) == basic
    assert list(door.ListPictures().pictures) == list(door.ListPictures(view=BASIC).pictures) == [basic]
    assert list(door.ListPictures(view=FULL).pictures) == [full]
    served.ran.clear()
    door.ListPictures()
    assert "notes" not in served.asked("pictures")[0]


def test_aip_51_a_view_there_is_not_is_refused(door: Door, refused: Refuse) -> None:
    for call, fields in ((door.GetPicture, {"name": "pictures/dusk"}), (door.ListPictures, {})):
        for view in (4, 77, -1):
            refusal = refused(call, view=view, **fields)
            assert (refusal.code, list(refusal.violations)) == ("INVALID_ARGUMENT", ["view"])
