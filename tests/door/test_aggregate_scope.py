"""Which resources an Aggregate is about: those of one parent or of many, without or with what is deleted; on every engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.door.archive import pb
from tests.door.client import Door, Refused

Refuse = Callable[..., Refused]
Groups = dict[int, int]
TOWNS, STREETS = 3, 5


@pytest.fixture
def region(archivist: Door, fresh_id: str) -> str:
    """A region of some towns with some streets each, and another region with the same towns."""
    for end in ("", "-b"):
        name = str(archivist.CreateRegion(region_id=f"{fresh_id}{end}", region=pb.Region(display_name="x")).name)
        for t in range(TOWNS):
            town = archivist.CreateTown(parent=name, town_id=f"{fresh_id}-t{t}", town=pb.Town()).name
            request = pb.BatchCreateStreetsRequest(parent=town)
            for s in range(STREETS):
                request.requests.add(street_id=f"s{s}").street.length_meters = s // (t + 1)
            archivist.BatchCreateStreets(request)
    return f"regions/{fresh_id}"


def lengths(towns: int) -> Groups:
    """The lengths of the streets in the first towns of a region, each with how many have it."""
    return dict(Counter(s // (t + 1) for t in range(towns) for s in range(STREETS)))


def grouped(call: Callable[..., Any], key: str, **arguments: Any) -> Groups:
    """Groups by one field and their counts, from as many pages as there are groups; each group comes once."""
    found, token = list[tuple[int, int]](), ""
    while True:
        page = call(group_by=[key], page_size=1, page_token=token, **arguments)
        found += [(group.values[key].int64_value, group.values["count"].int64_value) for group in page.groups]
        token = page.next_page_token
        if not token:
            assert len(dict(found)) == len(found)
            return dict(found)


def count(call: Callable[..., Any], **arguments: Any) -> int:
    (group,) = call(**arguments).groups
    return int(group.values["count"].int64_value)


def test_aip_25_56_an_aggregate_across_parents_is_of_what_a_list_across_them_gives(archivist: Door, region: str, fresh_id: str) -> None:
    aggregate = archivist.AggregateStreets
    assert grouped(aggregate, "length_meters", parent=f"{region}/towns/-") == lengths(TOWNS)
    assert grouped(aggregate, "length_meters", parent=f"{region}/towns/{fresh_id}-t0") == lengths(1)
    both = {length: 2 * streets for length, streets in lengths(1).items()}
    assert grouped(aggregate, "length_meters", parent=f"regions/-/towns/{fresh_id}-t0") == both
    mine = f'name = "regions/{fresh_id}*/towns/*/streets/*"'
    assert count(aggregate, parent="regions/-/towns/-", filter=mine) == 2 * TOWNS * STREETS
    assert count(aggregate, parent=f"{region}/towns/-", filter="length_meters = 0") == lengths(TOWNS)[0]


def test_aip_25_56_what_a_wildcard_stands_below_must_be_there(archivist: Door, fresh_id: str, refused: Refuse) -> None:
    missing = refused(archivist.AggregateStreets, parent="regions/never-was/towns/-")
    assert (missing.code, missing.metadata["name"]) == ("NOT_FOUND", "regions/never-was")
    assert refused(archivist.AggregateStreets, parent="regions/-/towns").reason == "INVALID_NAME"
    empty = archivist.CreateRegion(region_id=fresh_id, region=pb.Region(display_name="x")).name
    assert count(archivist.AggregateStreets, parent=f"{empty}/towns/-") == 0
    assert grouped(archivist.AggregateStreets, "length_meters", parent="regions/-/towns/never-was") == {}


def test_aip_21_25_56_a_page_token_belongs_to_its_parents(archivist: Door, region: str, fresh_id: str, refused: Refuse) -> None:
    asked = {"group_by": ["length_meters"], "page_size": 1}
    token = archivist.AggregateStreets(parent=f"{region}/towns/-", **asked).next_page_token
    for parent in ("regions/-/towns/-", f"{region}/towns/{fresh_id}-t0"):
        assert refused(archivist.AggregateStreets, parent=parent, page_token=token, **asked).reason == "INVALID_PAGE_TOKEN"


@pytest.fixture
def folders(archivist: Door, fresh_id: str) -> str:
    """Two folders with notes, of which some are deleted; what their names begin with."""
    for end in ("a", "b"):
        folder = archivist.CreateFolder(folder_id=f"{fresh_id}-{end}", folder=pb.Folder()).name
        for n in range(4):
            archivist.CreateNote(parent=folder, note_id=f"{fresh_id}-n{n}", note=pb.Note(rank=n % 2))
        archivist.DeleteNote(name=f"{folder}/notes/{fresh_id}-n0")
    return f"folders/{fresh_id}"


def test_aip_26_56_deleted_ones_count_only_where_they_are_asked_for(archivist: Door, folders: str, fresh_id: str) -> None:
    aggregate, parent = archivist.AggregateNotes, f"{folders}-a"
    assert grouped(aggregate, "rank", parent=parent) == {0: 1, 1: 2}
    assert grouped(aggregate, "rank", parent=parent, show_deleted=True) == {0: 2, 1: 2}
    mine: dict[str, Any] = {"parent": "folders/-", "filter": f'name = "folders/*/notes/{fresh_id}-*"'}
    assert grouped(aggregate, "rank", **mine) == {0: 2, 1: 4}
    assert grouped(aggregate, "rank", show_deleted=True, **mine) == {0: 4, 1: 4}
    archivist.DeleteFolder(name=f"{folders}-b", force=True)
    named = f'name = "{folders}-*"'
    assert count(archivist.AggregateFolders, filter=named) == 1
    assert count(archivist.AggregateFolders, filter=named, show_deleted=True) == 2
    assert count(archivist.AggregateFolders, filter=f"{named} AND delete_time:*", show_deleted=True) == 1


def test_aip_21_26_56_a_page_token_tells_whether_deleted_ones_count(archivist: Door, folders: str, refused: Refuse) -> None:
    asked = {"parent": f"{folders}-a", "group_by": ["rank"], "page_size": 1}
    for first, then in ((True, False), (False, True)):
        token = archivist.AggregateNotes(show_deleted=first, **asked).next_page_token
        assert refused(archivist.AggregateNotes, show_deleted=then, page_token=token, **asked).reason == "INVALID_PAGE_TOKEN"
        assert archivist.AggregateNotes(show_deleted=first, page_token=token, **asked).groups
