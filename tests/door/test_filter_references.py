"""Filters and orders through references: the fields of a resource that a reference names, and of the parent."""

from __future__ import annotations

import pytest

from tests.door.client import Door, Refused
from tests.door.conftest import Serve
from tests.door.museum import MUSEUM, pb
from tests.door.museum.asking import check_misread, found
from tests.door.service import Service


@pytest.fixture(scope="module")
def served(serve: Serve) -> Service:
    """Two countries, three artists, two halls and eight exhibits."""
    museum = serve(MUSEUM)
    with museum.calls() as door:
        fill(door)
    return museum


def fill(door: Door) -> None:
    door.CreateCountry(country_id="it", country=pb.Country(display_name="Italy", area=301, languages=["it", "de"], password="p", draft="d"))
    door.CreateCountry(country_id="nl", country=pb.Country(display_name="Netherlands", population=17, area=41, climate={"rain": 0.8}))
    door.CreateArtist(artist_id="leo", artist=pb.Artist(display_name="Leonardo", home="countries/it", grade=3))
    door.CreateArtist(artist_id="vin", artist=pb.Artist(display_name="Vincent", home="countries/nl", grade=2, teacher="artists/leo"))
    door.CreateArtist(artist_id="ban", artist=pb.Artist(display_name="B", home="countries/gone"))
    door.CreateHall(hall_id="east", hall=pb.Hall(display_name="East", floor=1, country="countries/it"))
    door.CreateHall(hall_id="west", hall=pb.Hall(display_name="West", floor=2))
    place = pb.Exhibit.Place
    for hall, id_, fields in (
        ("east", "e1", {"artist": "artists/leo", "number": 1, "lender": "countries/nl"}),
        ("east", "e2", {"artist": "artists/vin", "number": 2, "copy_of": "halls/east/exhibits/e1"}),
        ("east", "e3", {"artist": "artists/ban", "number": 3, "place": place(country="countries/it")}),
        ("east", "e4", {"artist": "artists/nobody", "number": 4, "copy_of": "halls/east/exhibits/e2"}),
        ("east", "e5", {"number": 5, "place": place(city="x")}),
        ("west", "w1", {"artist": "artists/vin", "number": 6}),
        ("west", "w2", {"artist": "artists/leo", "number": 7, "sponsor": "sponsors/acme"}),
    ):
        door.CreateExhibit(parent=f"halls/{hall}", exhibit_id=id_, exhibit=pb.Exhibit(**fields))


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('artist.display_name = "Leonardo"', "e1"),
        ('artist.display_name != "Leonardo"', "e2 e3"),
        ('NOT artist.display_name = "Leonardo"', "e2 e3"),
        ("artist.grade > 1 AND number > 1", "e2"),
        ("artist.home.area < 100", "e2"),
        ('artist.home.display_name:"al"', "e1"),
        ("artist.home.area > 0 OR number = 5", "e1 e2 e5"),
        ('artist.teacher.home.display_name = "Italy"', "e2"),
        ('copy_of.copy_of.artist.display_name = "Leonardo"', "e4"),
        ("lender.area = 41", "e1"),
        ("lender.population:*", "e1"),
        ("NOT lender.population:*", "e2 e3 e4 e5"),
        ("lender.climate.rain > 0.5", "e1"),
        ("artist.home.languages:de", "e1"),
        ("NOT artist.home.languages:de", "e2"),
        ("artist.home.climate:*", "e2"),
        ('place.country.display_name = "Italy"', "e3"),
        ('hall.display_name = "East" number < 3', "e1 e2"),
        ('hall.country.display_name = "Italy" number < 3', "e1 e2"),
        ("artist:*", "e1 e2 e3 e4"),
        ("artist.name:*", "e1 e2 e3"),
        ("artist.name = artists/v*", "e2"),
        ("artist.home = countries/it", "e1"),
        ("artist.home.name != countries/it", "e2"),
        ("artist.home:*", "e1 e2 e3"),
        ("name:*", "e1 e2 e3 e4 e5"),
        ("NOT name:*", ""),
    ],
)
def test_aip_32_fields_behind_references_are_compared_and_what_is_missing_matches_nothing(door: Door, text: str, ids: str) -> None:
    assert " ".join(found(door, text, "east")) == ids


def test_an_order_through_references_pages_without_loss_also_where_the_row_is_missing(door: Door) -> None:
    for order, ids in (
        ("artist.display_name", "e4 e5 e3 e1 e2"),
        ("artist.display_name desc", "e2 e1 e3 e5 e4"),
        ("artist.home.area desc, number", "e1 e2 e3 e4 e5"),
        ("hall.floor, number desc", "e5 e4 e3 e2 e1"),
        ("artist.name desc, number", "e2 e1 e3 e4 e5"),
        ("copy_of.name, number", "e1 e3 e5 e2 e4"),
    ):
        assert found(door, "", "east", order_by=order) == ids.split()
        seen, token = [], ""
        while True:
            page = door.ListExhibits(parent="halls/east", order_by=order, page_size=1, page_token=token)
            seen += [e.name.rpartition("/")[2] for e in page.exhibits]
            token = page.next_page_token
            if not token:
                break
        assert " ".join(seen) == ids, order


def test_a_filter_and_an_order_share_their_joins_and_count_with_them(door: Door) -> None:
    page = door.ListExhibits(parent="halls/east", filter="artist.home.area > 1", order_by="artist.home.area", page_size=1)
    assert [e.name for e in page.exhibits] == ["halls/east/exhibits/e2"]
    rest = door.ListExhibits(
        parent="halls/east", filter="artist.home.area > 1", order_by="artist.home.area", page_size=9, page_token=page.next_page_token
    )
    assert [e.name for e in rest.exhibits] == ["halls/east/exhibits/e1"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sponsor.display_name = x", "'sponsor' names a resource that is not stored here"),
        ("artist.naem = x", "column 8: the resource 'artist' has no field 'naem'; did you mean 'name'?"),
        ("artist.home.areaa = 1", "column 13: the resource 'country' has no field 'areaa'; did you mean 'area'?"),
        ("artist.home.password = x", "column 13: 'password' cannot be filtered"),
        ("lender.draft:*", "column 8: 'draft' cannot be filtered"),
        ("copy_of.copy_of.copy_of.copy_of.number = 1", "column 25: a path follows at most 3 references"),
        ("copy_of.copy_of.copy_of.artist.grade = 1", "column 25: a path follows at most 3 references"),
        ("artist.name.x = 1", "column 13: 'name' has no fields"),
        ("exhibit.title = x", "the resource 'exhibit' has no field 'exhibit'"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_its_place(door: Door, text: str, problem: str) -> None:
    check_misread(door, text, problem, "east")


def test_b03_a_reference_is_followed_only_by_those_who_may_read_what_it_names(served: Service) -> None:
    visitor = served.door("visitor")
    try:
        assert found(visitor, "artist.grade > 2", "east") == ["e1"]
        assert found(visitor, "hall.floor = 1", "east", order_by="artist.grade") == ["e4", "e5", "e3", "e2", "e1"]
        for arguments in (
            {"text": "artist.home.area > 100"},
            {"text": "artist.home:* AND lender.population:*"},
            {"text": "number = 1 OR place.country.island = true"},
            {"text": 'startsWith(lender.display_name, "N")'},
            {"text": "size(lender.languages) = 0"},
            {"text": "", "order_by": "artist.home.area"},
            {"text": "copy_of.title = x"},
        ):
            with pytest.raises(Refused) as caught:
                found(visitor, hall="east", **arguments)
            assert caught.value.code == "PERMISSION_DENIED", arguments
            assert caught.value.metadata["permission"] in {"countries.get", "exhibits.get"}
    finally:
        visitor.close()


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        ("sponsor.display_name", "'sponsor' names a resource that is not stored here"),
        ("artist.naem", "column 8: the resource 'artist' has no field 'naem'; did you mean 'name'?"),
        ("artist.home.password", "column 13: 'password' cannot be sorted by"),
        ("artist.home.languages", "column 1: 'artist.home.languages' cannot be sorted by"),
        ("copy_of.copy_of.copy_of.copy_of.number", "column 25: a path follows at most 3 references"),
    ],
)
def test_an_order_that_cannot_follow_is_refused_with_its_place(door: Door, order: str, problem: str) -> None:
    with pytest.raises(Refused) as caught:
        found(door, "", "east", order_by=order)
    assert caught.value.reason == "INVALID_ORDER_BY"
    assert problem in caught.value.violations["order_by"]


def test_the_number_of_resources_that_one_filter_reaches_is_bounded(door: Door) -> None:
    paths = ["artist.grade", "artist.home.area", "artist.teacher.grade", "artist.teacher.home.area", "artist.teacher.teacher.grade",
             "lender.area", "copy_of.number", "copy_of.artist.grade", "hall.floor"]  # fmt: skip
    assert found(door, " OR ".join(f"{path} >= 0" for path in paths[:-1]), "east") == ["e1", "e2", "e3", "e4"]
    with pytest.raises(Refused, match="more than 8 resources"):
        found(door, " OR ".join(f"{path} >= 0" for path in paths), "east")
