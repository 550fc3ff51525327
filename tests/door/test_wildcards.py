"""Lists across parents, a Get below any parent (AIP-159), and `skip` (AIP-158), through a real port, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.door.archive import pb
from tests.door.client import Door, Refused
from tests.door.recording import recorded
from tests.door.service import Service
from tests.door.test_explain import cost
from tests.engines.server import Server

Refuse = Callable[..., Refused]
TOWNS = 4
STREETS = 5


@pytest.fixture
def region(archivist: Door, fresh_id: str) -> str:
    """A region of some towns with some streets each, and another region with the same towns."""
    for end in ("", "-b"):
        name = str(archivist.CreateRegion(region_id=f"{fresh_id}{end}", region=pb.Region(display_name="x")).name)
        for t in range(TOWNS):
            town = archivist.CreateTown(parent=name, town_id=f"t{t}", town=pb.Town(population=10 * (t % 2))).name
            request = pb.BatchCreateStreetsRequest(parent=town)
            for s in range(STREETS):
                request.requests.add(street_id=f"s{s}").street.length_meters = (t + s) % 3
            archivist.BatchCreateStreets(request)
    return f"regions/{fresh_id}"


def pages(call: Callable[..., Any], field: str, **arguments: Any) -> list[str]:
    """The names on all pages."""
    found, token = list[str](), ""
    while True:
        page = call(page_token=token, **arguments)
        found += [one.name for one in getattr(page, field)]
        token = page.next_page_token
        if not token:
            return found


def test_aip_25_a_list_across_parents_gives_canonical_names_in_the_order_of_names(archivist: Door, region: str) -> None:
    wanted = [f"{region}/towns/t{t}/streets/s{s}" for t in range(TOWNS) for s in range(STREETS)]
    assert pages(archivist.ListStreets, "streets", parent=f"{region}/towns/-", page_size=3) == wanted
    both = [name for name in pages(archivist.ListStreets, "streets", parent="regions/-/towns/-", page_size=7) if name.startswith(region)]
    assert both == sorted(both, key=lambda name: name.split("/")), "id by id"
    assert set(both) == {*wanted, *(name.replace(region, f"{region}-b") for name in wanted)}
    towns = pages(archivist.ListTowns, "towns", parent="regions/-", page_size=3)
    assert [name for name in towns if name.startswith(f"{region}/")] == [f"{region}/towns/t{t}" for t in range(TOWNS)]


def test_aip_25_a_given_id_below_any_parent_narrows(archivist: Door, region: str) -> None:
    found = pages(archivist.ListStreets, "streets", parent="regions/-/towns/t1", page_size=2)
    mine = [name for name in found if name.startswith(region)]
    assert mine == [f"{region}{end}/towns/t1/streets/s{s}" for end in ("", "-b") for s in range(STREETS)]
    assert all("/towns/t1/" in name for name in found)


@pytest.mark.parametrize("order_by", ["length_meters", "length_meters desc", "length_meters desc, name", "name desc"])
def test_aip_23_25_27_an_order_across_parents_is_total_on_every_page(archivist: Door, region: str, order_by: str) -> None:
    whole = archivist.ListStreets(parent=f"{region}/towns/-", order_by=order_by, page_size=1_000).streets
    lengths = [street.length_meters for street in whole]
    if order_by.startswith("length"):
        assert lengths == sorted(lengths, reverse="desc" in order_by)
    assert len(whole) == TOWNS * STREETS
    assert pages(archivist.ListStreets, "streets", parent=f"{region}/towns/-", order_by=order_by, page_size=3) == [
        one.name for one in whole
    ]


def test_aip_24_25_filters_and_totals_are_those_of_all_parents(archivist: Door, region: str) -> None:
    page = archivist.ListStreets(parent=f"{region}/towns/-", filter="length_meters = 0", page_size=1)
    wanted = sum((t + s) % 3 == 0 for t in range(TOWNS) for s in range(STREETS))
    assert page.total_size == wanted
    assert len(pages(archivist.ListStreets, "streets", parent=f"{region}/towns/-", filter="length_meters = 0", page_size=2)) == wanted


def test_aip_25_what_a_wildcard_stands_below_must_be_there(archivist: Door, fresh_id: str, refused: Refuse) -> None:
    missing = refused(archivist.ListStreets, parent="regions/never-was/towns/-")
    assert (missing.code, missing.metadata["name"]) == ("NOT_FOUND", "regions/never-was")
    empty = archivist.CreateRegion(region_id=fresh_id, region=pb.Region(display_name="x")).name
    assert not archivist.ListStreets(parent=f"{empty}/towns/-").streets
    assert not archivist.ListStreets(parent="regions/-/towns/never-was").streets


@pytest.mark.parametrize("parent", ["regions/--", "regions/", "-", "regions/-/towns", "regions/-/-", "regions/-/streets/-", "regions/-*"])
def test_aip_11_25_what_is_no_parent_is_refused(archivist: Door, parent: str, refused: Refuse) -> None:
    assert refused(archivist.ListStreets, parent=parent).reason == "INVALID_NAME"


def test_aip_25_only_lists_take_many_parents(archivist: Door, region: str, refused: Refuse) -> None:
    for call in (
        lambda: archivist.CreateTown(parent="regions/-", town_id="x", town=pb.Town()),
        lambda: archivist.GetTown(name="regions/-/towns/t1"),
        lambda: archivist.DeleteTown(name="regions/-/towns/t1"),
        lambda: archivist.UpdateTown(town=pb.Town(name="regions/-/towns/t1", population=3)),
    ):
        assert refused(call).reason == "INVALID_NAME"


def test_aip_21_25_a_page_token_belongs_to_its_parents(archivist: Door, region: str, refused: Refuse) -> None:
    token = archivist.ListStreets(parent=f"{region}/towns/-", page_size=2).next_page_token
    for parent in ("regions/-/towns/-", f"{region}/towns/t0"):
        assert refused(archivist.ListStreets, parent=parent, page_token=token).reason == "INVALID_PAGE_TOKEN"


def test_aip_26_deleted_ones_are_hidden_across_parents(archivist: Door, fresh_id: str) -> None:
    for end in ("a", "b"):
        folder = archivist.CreateFolder(folder_id=f"{fresh_id}-{end}", folder=pb.Folder()).name
        for n in range(2):
            archivist.CreateNote(parent=folder, note_id=f"{fresh_id}-n{n}", note=pb.Note())
        archivist.DeleteNote(name=f"{folder}/notes/{fresh_id}-n0")
    arguments = {"parent": "folders/-", "filter": f'name = "folders/*/notes/{fresh_id}-*"'}
    assert pages(archivist.ListNotes, "notes", page_size=1, **arguments) == [f"folders/{fresh_id}-{e}/notes/{fresh_id}-n1" for e in "ab"]
    assert len(pages(archivist.ListNotes, "notes", page_size=1, show_deleted=True, **arguments)) == 4


def test_a_page_across_parents_is_read_by_an_index(archive: Service, archivist: Door, region: str) -> None:
    request = pb.BatchCreateTownsRequest(parent=region)  # So many that no engine prefers to read them all.
    for n in range(1_000):
        request.requests.add(town_id=f"town-{n}").town.population = n % 7
    archivist.BatchCreateTowns(request)
    if isinstance(archive.database.engine, Server):
        archive.database.execute("ANALYZE TABLE towns")
    with recorded() as ran:
        for arguments in ({}, {"order_by": "population"}):
            page = archivist.ListTowns(parent="regions/-", page_size=5, **arguments)
            archivist.ListTowns(parent="regions/-", page_size=5, page_token=page.next_page_token, **arguments)
    for sql, params in (one for one in ran if "ORDER BY" in one[0]):
        found = cost(archive.database, sql, params)
        assert not found.sorts, found.plan
        if isinstance(archive.database.engine, Server):
            assert found.reads <= 30, found.plan


def test_aip_18_get_finds_what_is_unique_below_any_parent(archivist: Door, region: str, fresh_id: str, refused: Refuse) -> None:
    house = archivist.CreateHouse(parent=f"{region}/towns/t1", house_id=f"h-{fresh_id}", house=pb.House(owner="Emma"))
    for parent in ("regions/-/towns/-", f"{region}/towns/-", "regions/-/towns/t1", f"{region}/towns/t1"):
        assert archivist.GetHouse(name=f"{parent}/houses/h-{fresh_id}") == house
    for parent in ("regions/-/towns/t2", f"{region}-b/towns/-"):
        elsewhere = refused(archivist.GetHouse, name=f"{parent}/houses/h-{fresh_id}")
        assert (elsewhere.code, elsewhere.metadata["name"]) == ("NOT_FOUND", f"{parent}/houses/h-{fresh_id}")
    assert refused(archivist.GetHouse, name="regions/-/towns/-/houses/never-was").code == "NOT_FOUND"
    assert refused(archivist.GetHouse, name="regions/-/towns/-/houses/-").reason == "INVALID_NAME"
    twin = refused(archivist.CreateHouse, parent=f"{region}-b/towns/t1", house_id=f"h-{fresh_id}", house=pb.House())
    assert twin.code == "ALREADY_EXISTS"


def test_aip_24_skip_counts_rows_and_past_the_end_is_an_empty_page(archivist: Door, region: str, refused: Refuse) -> None:
    parent = f"{region}/towns/-"
    whole = pages(archivist.ListStreets, "streets", parent=parent)
    for skip in (0, 1, 7, len(whole) - 1):
        assert [one.name for one in archivist.ListStreets(parent=parent, skip=skip, page_size=4).streets] == whole[skip : skip + 4]
    for skip in (len(whole), 2_000_000_000):
        page = archivist.ListStreets(parent=parent, skip=skip, page_size=4)
        assert (list(page.streets), page.next_page_token, page.total_size) == ([], "", len(whole))
    negative = refused(archivist.ListStreets, parent=parent, skip=-1)
    assert (negative.code, set(negative.violations)) == ("INVALID_ARGUMENT", {"skip"})
    assert refused(archivist.ListStreets, parent="regions/never-was/towns/t", skip=3).code == "NOT_FOUND"


@pytest.mark.parametrize("order_by", ["", "length_meters", "length_meters desc, name", "name desc"])
def test_aip_24_skip_with_a_token_goes_on_from_the_token_and_may_change(archivist: Door, region: str, order_by: str) -> None:
    arguments = {"parent": f"{region}/towns/-", "order_by": order_by}
    whole = pages(archivist.ListStreets, "streets", **arguments)
    first = archivist.ListStreets(page_size=3, skip=2, **arguments)
    assert [one.name for one in first.streets] == whole[2:5]
    then = archivist.ListStreets(page_size=3, skip=4, page_token=first.next_page_token, **arguments)
    assert [one.name for one in then.streets] == whole[9:12]
    assert [one.name for one in archivist.ListStreets(page_size=3, page_token=then.next_page_token, **arguments).streets] == whole[12:15]


def test_aip_24_skip_counts_rows_with_unset_sort_keys_too(archivist: Door, fresh_id: str) -> None:
    for n in range(9):
        name = archivist.CreateFolder(folder_id=f"{fresh_id}-{n}", folder=pb.Folder(code=f"{fresh_id}-{n}" if n % 3 else None)).name
        assert name
    for order_by in ("code", "code desc"):
        arguments = {"filter": f'name = "folders/{fresh_id}-*"', "order_by": order_by}
        whole = pages(archivist.ListFolders, "folders", **arguments)
        assert len(whole) == 9
        for size in (1, 2, 4):
            token = archivist.ListFolders(page_size=size, **arguments).next_page_token
            found = archivist.ListFolders(page_size=3, skip=2, page_token=token, **arguments)
            assert [one.name for one in found.folders] == whole[size + 2 : size + 5], (order_by, size)


def test_aip_25_26_51_masks_read_across_parents_and_leave_out_what_is_deleted(archivist: Door, region: str, fresh_id: str) -> None:
    masked = (("x-goog-fieldmask", "streets.name,next_page_token"),)
    page = archivist.ListStreets(parent=f"{region}/towns/-", page_size=3, metadata=masked)
    then = archivist.ListStreets(parent=f"{region}/towns/-", page_size=3, page_token=page.next_page_token, metadata=masked)
    found = [one.name for one in (*page.streets, *then.streets)]
    assert found == pages(archivist.ListStreets, "streets", parent=f"{region}/towns/-")[:6]
    assert all(one == pb.Street(name=one.name) for one in page.streets)
    folder = archivist.CreateFolder(folder_id=fresh_id, folder=pb.Folder()).name
    for note in ("a", "b"):
        archivist.CreateNote(parent=folder, note_id=note, note=pb.Note(rank=1))
    archivist.DeleteNote(name=f"{folder}/notes/a")
    assert list(archivist.ListNotes(parent=folder, metadata=(("x-goog-fieldmask", "notes.rank"),)).notes) == [pb.Note(rank=1)]
    house = archivist.CreateHouse(parent=f"{region}/towns/t1", house_id=f"h-{fresh_id}", house=pb.House(owner="Emma"))
    assert archivist.GetHouse(name=f"regions/-/towns/-/houses/h-{fresh_id}", metadata=(("x-goog-fieldmask", "name"),)) == pb.House(
        name=house.name
    )
