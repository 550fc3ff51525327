"""Aggregates through a real port, on every engine: what counts, what is refused, and what it may cost."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from protoplane.store.session import Session
from tests.door.client import Door, Refused
from tests.door.conftest import Serve
from tests.door.groups import read
from tests.door.museum import MUSEUM, pb
from tests.door.service import Service
from tests.door.test_explain import cost
from tests.engines.server import Server

INT64_MAX, INT64_MIN = 2**63 - 1, -(2**63)
_halls = itertools.count(1)


@pytest.fixture(scope="module")
def served(serve: Serve) -> Service:
    """A museum with one hall of its own for each test."""
    return serve(MUSEUM)


@pytest.fixture
def hall(door: Door) -> str:
    return str(door.CreateHall(hall_id=f"hall{next(_halls)}", hall=pb.Hall(display_name="H")).name)


def fill(door: Door, hall: str, exhibits: Sequence[Any]) -> None:
    """Store exhibits with the ids e0, e1 and so on."""
    for start in range(0, len(exhibits), 1_000):
        some = enumerate(exhibits[start : start + 1_000], start)
        door.BatchCreateExhibits(parent=hall, requests=[pb.CreateExhibitRequest(exhibit_id=f"e{i}", exhibit=one) for i, one in some])


def ask(door: Door, hall: str, **arguments: Any) -> list[dict[str, Any]]:
    """All groups of one page."""
    page = door.AggregateExhibits(parent=hall, **arguments)
    assert not page.next_page_token
    return [read(group) for group in page.groups]


def one(door: Door, hall: str, *aggregates: str) -> Any:
    """The values of the one group of everything."""
    (group,) = ask(door, hall, aggregates=[f"{text} as a{i}" for i, text in enumerate(aggregates)])
    values = [group[f"a{i}"] for i in range(len(aggregates))]
    return values[0] if len(values) == 1 else values


def refused(call: Callable[..., Any], **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        call(**fields)
    return caught.value


def test_aip_56_a_call_that_asks_for_nothing_counts(door: Door, hall: str) -> None:
    assert ask(door, hall) == [{"count": 0}]
    fill(door, hall, [pb.Exhibit(number=i) for i in range(5)])
    assert ask(door, hall) == [{"count": 5}]
    assert ask(door, hall, filter="number >= 3") == [{"count": 2}]
    assert ask(door, hall, group_by=["title"], filter="number > 100") == [], "without rows there are no groups of a key"


def test_aip_56_unset_is_a_group_of_its_own_and_nothing_to_compute_with(door: Door, hall: str) -> None:
    fill(door, hall, [pb.Exhibit(views=1, score=0.5), pb.Exhibit(views=1), pb.Exhibit(score=2.0), pb.Exhibit(), pb.Exhibit(views=0)])
    found = ask(
        door, hall, group_by=["views"], aggregates=["count() as n", "count(score) as scored", "sum(score)", "avg(score)", "max(score)"]
    )
    assert [[group[name] for name in ("views", "n", "scored", "sum_score", "avg_score", "max_score")] for group in found] == [
        [None, 2, 1, 2.0, 2.0, 2.0],
        [0, 1, 0, None, None, None],
        [1, 2, 1, 0.5, 0.5, 0.5],
    ]
    assert ask(door, hall, group_by=["views"], having="NOT views:*") == [{"views": None, "count": 2}]
    assert one(door, hall, "count_distinct(views)", "count(views)") == [2, 3]


def test_aip_56_texts_are_told_apart_and_ordered_by_code_point(door: Door, hall: str) -> None:
    texts = ["b", "B", "b ", "é", "e", "", "b"]
    fill(door, hall, [pb.Exhibit(label=text, title=text) for text in texts])
    for field in ("label", "title"):
        assert [group[field] for group in ask(door, hall, group_by=[field])] == ["", "B", "b", "b ", "e", "é"]
        assert one(door, hall, f"min({field})", f"max({field})", f"count_distinct({field})", f"count({field})") == ["", "é", 6, 6]


def test_aip_56_texts_without_a_length_are_told_apart_by_their_first_255_characters(door: Door, hall: str) -> None:
    long = "é" * 254
    fill(door, hall, [pb.Exhibit(title=long + tail) for tail in ("a" + "x" * 5_000, "a", "b" * 2_000, "")])
    found = ask(door, hall, group_by=["title"], aggregates=["count()"])
    assert [(group["title"], group["count"]) for group in found] == [(long, 1), (long + "a", 2), (long + "b", 1)]
    assert one(door, hall, "count_distinct(title)", "max(title)") == [3, long + "b"]


def test_aip_56_sums_are_exact_to_the_last_of_64_bits(door: Door, hall: str) -> None:
    """Whatever the order of the rows, and although a part of them would be too much."""
    fill(door, hall, [pb.Exhibit(views=views) for views in (INT64_MAX, 5, -6, -1, INT64_MIN, INT64_MAX, 3)])
    assert one(door, hall, "sum(views)", "min(views)", "max(views)") == [INT64_MAX, INT64_MIN, INT64_MAX]
    assert ask(door, hall, aggregates=["sum(views)"], having=f"sum_views = {INT64_MAX}") == [{"sum_views": INT64_MAX}]
    door.DeleteExhibit(name=f"{hall}/exhibits/e5")
    assert one(door, hall, "sum(views)") == 0
    door.DeleteExhibit(name=f"{hall}/exhibits/e0")
    assert one(door, hall, "sum(views)") == INT64_MIN + 1
    door.DeleteExhibit(name=f"{hall}/exhibits/e1")
    assert refused(door.AggregateExhibits, parent=hall, aggregates=["sum(views)"]).code == "OUT_OF_RANGE", "four below"


def test_aip_56_a_sum_that_its_type_cannot_hold_is_refused_and_its_average_is_not(door: Door, hall: str) -> None:
    longest = Duration(seconds=315_576_000_000)
    fill(door, hall, [pb.Exhibit(views=INT64_MAX, stock=2**63 - 1, loan=longest, ratio=1.7e308, title=title) for title in ("a", "b", "b")])
    for field, kind in (("views", int), ("stock", int), ("loan", int), ("ratio", float)):
        refusal = refused(door.AggregateExhibits, parent=hall, aggregates=[f"sum({field}) as total"])
        assert (refusal.code, refusal.reason, dict(refusal.metadata)) == ("OUT_OF_RANGE", "AGGREGATE_OUT_OF_RANGE", {"aggregate": "total"})
        page = door.AggregateExhibits(parent=hall, group_by=["title"], aggregates=[f"sum({field}) as total"], page_size=1)
        assert isinstance(read(page.groups[0])["total"], kind), "what is on the page is within its range"
        assert page.next_page_token
    assert refused(door.AggregateExhibits, parent=hall, aggregates=["avg(ratio)"]).metadata == {"aggregate": "avg_ratio"}
    assert one(door, hall, "avg(views)", "avg(loan)") == [float(INT64_MAX), 315_576_000_000 * 10**6]
    assert ask(door, hall, group_by=["title"], aggregates=["sum(views) as total"], having="total < 1e18") == []
    sorted_by_it = refused(
        door.AggregateExhibits, parent=hall, group_by=["title"], aggregates=["sum(views) as total"], order_by="total desc"
    )
    assert sorted_by_it.code == "OUT_OF_RANGE"


def test_aip_56_averages_are_doubles_and_of_durations_whole_microseconds(door: Door, hall: str) -> None:
    made = [pb.Exhibit(number=number, ratio=0.1, loan=Duration(nanos=number * 1_000)) for number in (1, 2, 2)]
    fill(door, hall, made)
    assert one(door, hall, "avg(number)", "avg(loan)", "sum(loan)") == [5 / 3, 2, 5]
    assert one(door, hall, "sum(number)", "avg(rooms)") == [5, 0.0]
    assert math.isclose(one(door, hall, "sum(ratio)"), 0.3, rel_tol=1e-15)
    assert ask(door, hall, aggregates=["avg(number) as mean"], having="mean > 1.66 AND mean < 1.67") == [{"mean": 5 / 3}]


def test_aip_56_hours_to_years_begin_in_utc(door: Door, hall: str) -> None:
    exhibit = pb.Exhibit()
    exhibit.make_time.FromJsonString("2013-12-31T23:30:00.25-05:00")  # A Wednesday in UTC: 2014-01-01T04:30.
    fill(door, hall, [exhibit])
    page = door.AggregateExhibits(
        parent=hall, group_by=[f"{unit}(make_time)" for unit in ("hour", "day", "week", "month", "quarter", "year")]
    )
    starts = {name: value.timestamp_value.ToJsonString() for name, value in page.groups[0].values.items() if name != "count"}
    assert starts == {
        "hour_make_time": "2014-01-01T04:00:00Z",
        "day_make_time": "2014-01-01T00:00:00Z",
        "week_make_time": "2013-12-30T00:00:00Z",
        "month_make_time": "2014-01-01T00:00:00Z",
        "quarter_make_time": "2014-01-01T00:00:00Z",
        "year_make_time": "2014-01-01T00:00:00Z",
    }
    assert ask(door, hall, group_by=["week(make_time) as week"], having="week = 2013-12-30T00:00:00Z")


@pytest.mark.parametrize("field", ["password", "draft", "vault", "vault.code", "etag", "artist.home.password", "lender.draft"])
def test_aip_56_b03_what_a_caller_may_not_read_cannot_be_aggregated(door: Door, hall: str, field: str) -> None:
    """B03: neither grouped nor computed, nor sorted or chosen by."""
    for arguments in (
        {"group_by": [field]},
        {"aggregates": [f"count({field})"]},
        {"aggregates": [f"count_distinct({field})"]},
        {"aggregates": [f"max({field})"]},
    ):
        refusal = refused(door.AggregateExhibits, parent=hall, **arguments)
        assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "INVALID_AGGREGATE")
        assert f"'{field.rsplit('.', maxsplit=1)[-1]}' cannot be" in refusal.message or "'vault' cannot be" in refusal.message
    assert refused(door.AggregateExhibits, parent=hall, order_by=field).reason == "INVALID_ORDER_BY"
    assert refused(door.AggregateExhibits, parent=hall, having=f"{field}:*").reason == "INVALID_FILTER"


def test_aip_56_the_rule_comes_first_and_a_missing_parent_is_not_found(served: Service, door: Door) -> None:
    nobody = served.door("nobody")
    assert refused(nobody.AggregateExhibits, parent="x", aggregates=["sum("]).code == "PERMISSION_DENIED"
    nobody.close()
    visitor = served.door("visitor")
    for arguments in ({}, {"group_by": ["title"]}, {"having": "count > 5"}):
        refusal = refused(visitor.AggregateExhibits, parent="halls/none", **arguments)
        assert (refusal.code, refusal.metadata["name"]) == ("NOT_FOUND", "halls/none")
    visitor.close()
    assert refused(door.AggregateExhibits, parent="rooms/1").reason == "INVALID_NAME"


@pytest.mark.parametrize(
    "changed",
    [
        {"filter": "number > 0"}, {"group_by": ["number", "title"]}, {"group_by": ["number as n"]}, {"aggregates": ["count()"]},
        {"aggregates": []}, {"having": "c > 1"}, {"order_by": "c"}, {"parent": ""},
    ],
)  # fmt: skip
def test_aip_21_56_a_token_is_good_for_the_same_question_only(door: Door, hall: str, changed: dict[str, Any]) -> None:
    fill(door, hall, [pb.Exhibit(number=i) for i in range(4)])
    other = door.CreateHall(hall_id=f"hall{next(_halls)}", hall=pb.Hall()).name
    asked = {"parent": hall, "group_by": ["number"], "aggregates": ["count() as c"]}
    token = door.AggregateExhibits(page_size=2, **asked).next_page_token
    assert len(door.AggregateExhibits(page_size=3, page_token=token, **asked).groups) == 2, "the size of pages may change"
    different = {**asked, **changed} if changed != {"parent": ""} else {**asked, "parent": other}
    assert refused(door.AggregateExhibits, page_token=token, **different).reason == "INVALID_PAGE_TOKEN"


def test_aip_19_20_56_pages_have_the_sizes_of_lists_and_end_without_a_token(door: Door, hall: str) -> None:
    fill(door, hall, [pb.Exhibit(number=i) for i in range(60)])
    assert len(door.AggregateExhibits(parent=hall, group_by=["number"]).groups) == 50
    assert not door.AggregateExhibits(parent=hall, group_by=["number"], page_size=60).next_page_token
    assert refused(door.AggregateExhibits, parent=hall, page_size=-1).reason == "INVALID_FIELDS"


def test_aip_23_56_no_group_is_lost_or_repeated_while_rows_come_and_go(door: Door, hall: str) -> None:
    fill(door, hall, [pb.Exhibit(number=i // 2) for i in range(20)])
    seen, token, step = [], "", 0
    while True:
        page = door.AggregateExhibits(parent=hall, group_by=["number"], order_by="number desc", page_size=3, page_token=token)
        seen += [read(group)["number"] for group in page.groups]
        token = page.next_page_token
        if not token:
            break
        step += 1
        door.CreateExhibit(parent=hall, exhibit_id=f"new{step}", exhibit=pb.Exhibit(number=100 + step))
        door.DeleteExhibit(name=f"{hall}/exhibits/e{2 * seen[-1]}")
        door.DeleteExhibit(name=f"{hall}/exhibits/e{2 * seen[-1] + 1}")
    assert seen == list(range(9, -1, -1))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[object, ...], int]]:
    """Statements, what was bound, and how many rows came of them."""
    kept: list[tuple[str, tuple[object, ...], int]] = []
    rows = Session.rows

    def recorded(self: Session, sql: str, params: Sequence[object] = ()) -> Any:
        found = rows(self, sql, params)
        if "exhibits" in sql:
            kept.append((sql, tuple(params), len(found)))
        return found

    monkeypatch.setattr(Session, "rows", recorded)
    return kept


def test_aip_56_one_statement_reads_the_rows_of_an_indexed_condition_and_gives_one_page(
    served: Service, door: Door, hall: str, ran: list[tuple[str, tuple[object, ...], int]]
) -> None:
    door.CreateArtist(artist_id=hall.replace("/", "-"), artist=pb.Artist(display_name="Rare", grade=1))
    rare = f"artists/{hall.replace('/', '-')}"
    fill(door, hall, [pb.Exhibit(number=i, artist=rare if i % 100 == 0 else "artists/common", title=f"t{i}") for i in range(2_000)])
    if isinstance(served.database.engine, Server):
        served.database.execute("ANALYZE TABLE exhibits")
    arguments = {"parent": hall, "aggregates": ["count()", "sum(number)"]}
    ran.clear()
    page = door.AggregateExhibits(group_by=["title"], page_size=10, **arguments)
    assert page.next_page_token
    ((whole, bound, count),) = ran
    assert count == 11, "one page, and whether there is more"
    ran.clear()
    page = door.AggregateExhibits(group_by=["number"], filter=f'artist = "{rare}"', **arguments)
    assert len(page.groups) == 20
    ((sql, params, _),) = ran
    few, many = cost(served.database, sql, params), cost(served.database, whole, bound)
    assert few.reads * 20 < many.reads, (few, many)


def test_aip_56_groups_behind_references_are_joined_not_asked_one_by_one(
    door: Door, hall: str, ran: list[tuple[str, tuple[object, ...], int]]
) -> None:
    door.CreateCountry(country_id="no", country=pb.Country(display_name="Norway"))
    door.CreateArtist(artist_id="munch", artist=pb.Artist(display_name="Munch", home="countries/no"))
    fill(door, hall, [pb.Exhibit(artist=artist) for artist in ("artists/munch", "artists/munch", "", "artists/gone")])
    ran.clear()
    found = ask(door, hall, group_by=["artist.home.display_name as country"], having="count > 0")
    assert found == [{"country": None, "count": 2}, {"country": "Norway", "count": 2}]
    assert len(ran) == 1


def test_aip_56_b03_who_may_not_read_a_resource_cannot_group_or_compute_by_it(served: Service, hall: str) -> None:
    visitor = served.door("visitor")
    assert visitor.AggregateExhibits(parent=hall, group_by=["artist.display_name"]) == pb.AggregateExhibitsResponse()
    for arguments in (
        {"group_by": ["artist.home.display_name"]},
        {"aggregates": ["max(lender.population)"]},
        {"filter": "lender.population > 5"},
    ):
        refusal = refused(visitor.AggregateExhibits, parent=hall, **arguments)
        assert (refusal.code, refusal.metadata["permission"]) == ("PERMISSION_DENIED", "countries.get")
    visitor.close()


def test_aip_56_filters_and_having_have_their_functions_and_one_time_for_all_pages(door: Door, hall: str) -> None:
    exhibits = [pb.Exhibit(number=i, title=f"t{i}") for i in range(6)]
    for i, exhibit in enumerate(exhibits):
        exhibit.make_time.GetCurrentTime()
        exhibit.make_time.seconds -= i * 86_400
    fill(door, hall, exhibits)
    seen, token = [], ""
    arguments = {"parent": hall, "filter": 'make_time > ago(84h) startsWith(title, "t")', "group_by": ["title", "number"]}
    while True:
        page = door.AggregateExhibits(having="length(title) = 2 AND number < 3", page_size=2, page_token=token, **arguments)
        seen += [read(group)["number"] for group in page.groups]
        token = page.next_page_token
        if not token:
            break
    assert seen == [0, 1, 2]
    assert ask(door, hall, aggregates=["max(make_time) as last"], having="last > ago(1h) AND last <= now()")
    assert not ask(door, hall, aggregates=["min(make_time) as first"], having="first > ago(1h)")
    assert ask(door, hall, filter="t3") == [{"count": 1}], "a bare word searches"
    assert refused(door.AggregateExhibits, parent=hall, group_by=["title"], having="t3").reason == "INVALID_FILTER"
