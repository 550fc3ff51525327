"""Any question about any groups has the answer that a slow interpreter finds in the List of all rows, page by page, on every engine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.door.client import Door
from tests.door.conftest import Serve
from tests.door.groups import Ask, Group, World, grouped, in_order, read
from tests.door.museum import MUSEUM, pb

ROWS = 150
REFERENCES = frozenset({"artist", "lender", "copy_of", "home", "teacher", "country"})
LONG = "n" * 300
TEXTS = ("", "a", "A", "b ", "b", "é", "😀", LONG + "a", LONG + "b", "x%", "x_", "'")
TIMES = (
    "0001-01-01T00:00:00Z", "0001-12-31T23:59:59.999999Z", "0099-03-01T05:00:00Z", "1582-10-15T00:00:00Z", "1969-12-31T23:59:59.999999Z",
    "1970-01-01T00:00:00Z", "2000-02-29T12:00:00Z", "2013-01-01T00:00:00.000001Z", "2013-03-31T23:00:00Z", "2013-12-30T00:00:00Z",
    "2013-12-29T23:59:59.999999Z", "2016-12-31T23:30:00Z", "2024-02-29T00:00:00Z", "2024-11-03T07:59:59.5Z", "9999-12-31T23:59:59.999999Z",
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class Show:
    """A served museum with random exhibits."""

    door: Door
    world: World
    halls: tuple[str, ...]


def exhibit(chosen: random.Random, artists: list[str], countries: list[str]) -> Any:
    """One of any shape; floats are such that their sums are exact in any order."""
    pick = chosen.choice
    made = pb.Exhibit(
        artist=pick(["", "artists/gone", *artists]),
        copy_of=pick(["", "halls/h0/exhibits/e000", "halls/h1/exhibits/e001"]),
        title=pick(TEXTS),
        number=pick([0, 1, -1, 2**31 - 1, -(2**31)]),
        rooms=pick([0, 7, 2**32 - 1]),
        stock=pick([0, 1, 2**62 // ROWS]),
        ratio=pick([0.0, 0.5, -1.5, 1024.25]),
        weight=pick([0.0, 0.25, -8.0]),
        state=pick([0, 1, 2, -5, 77]),
        shown=pick([False, True]),
        label=pick(["", "a", "A", "b "]),
        tags=pick([[], ["a"], ["a", "b"]]),
    )
    for name, values in {
        "subtitle": TEXTS, "lender": ["", *countries], "views": [0, 5, -7, 2**62 // ROWS, -(2**62) // ROWS], "score": [0.0, 2.5, -0.125],
        "former_state": [0, 1, -5], "fragile": [False, True], "bought_at": ["", "here", "there"],
    }.items():  # fmt: skip
        if chosen.random() < 0.6:
            setattr(made, name, pick(values))
    if chosen.random() < 0.8:
        made.make_time.FromJsonString(pick(TIMES))
    if chosen.random() < 0.7:
        made.loan.FromMicroseconds(pick([0, 1, -1, 1_500_000, -90_000_000, 86_400_000_000]))
    if chosen.random() < 0.5:
        made.place.city = pick(["", "Rome", "Oslo"])
        made.place.country = pick(["", *countries])
        if chosen.random() < 0.5:
            made.place.zip = pick([0, 100, -3])
    if chosen.random() < 0.5:
        made.wrapped_bool.value = pick([False, True])
        made.wrapped_double.value = pick([0.5, 4.0])
    return made


@pytest.fixture(scope="module")
def show(serve: Serve) -> Iterator[Show]:
    chosen = random.Random(5)
    with serve(MUSEUM).calls() as door:
        known: list[Any] = []
        for i, (continent, island) in enumerate([(0, False), (1, True), (2, False)]):
            country = pb.Country(display_name=f"C{i}", continent=continent, island=island, area=0.5 * i)
            country.found_time.FromJsonString(TIMES[i * 3])
            known.append(door.CreateCountry(country_id=f"c{i}", country=country))
        countries = [country.name for country in known]
        for i in range(4):
            artist = pb.Artist(display_name=f"A{i % 2}", home=["", *countries][i], grade=i)
            if i > 1:
                artist.teacher = f"artists/a{i - 2}"
            known.append(door.CreateArtist(artist_id=f"a{i}", artist=artist))
        artists = [f"artists/a{i}" for i in range(4)]
        for i in range(2):
            known.append(door.CreateHall(hall_id=f"h{i}", hall=pb.Hall(display_name=f"H{i}", floor=i, country=countries[i])))
            requests = [
                pb.CreateExhibitRequest(exhibit_id=f"e{n:03}", exhibit=exhibit(chosen, artists, countries))
                for n in range(ROWS * (i + 1) // 3)
            ]
            door.BatchCreateExhibits(parent=f"halls/h{i}", requests=requests)
        yield Show(door, World({one.name: one for one in known}, REFERENCES, "hall"), ("halls/h0", "halls/h1"))


PLAIN = (
    "artist", "lender", "copy_of", "title", "subtitle", "number", "views", "rooms", "stock", "ratio", "score", "weight", "state",
    "former_state", "shown", "fragile", "make_time", "loan", "label", "wrapped_bool", "wrapped_double", "place.city", "place.zip", "name",
    "place.country", "bought_at", "artist.home", "artist.display_name", "artist.home.continent", "artist.teacher.grade", "artist.teacher.name",
    "hall.floor", "hall.country.island", "lender.found_time", "place.country.area",
)  # fmt: skip
TIMED = ("make_time", "lender.found_time", "artist.home.found_time")
NUMBERS = ("number", "views", "rooms", "stock", "ratio", "score", "weight", "wrapped_double", "place.zip", "loan", "artist.grade",
           "artist.home.area", "hall.floor")  # fmt: skip
COMPARED = (*NUMBERS, "make_time", "title", "subtitle", "label", "place.city", "artist.display_name", "lender.found_time")
COUNTED = (*PLAIN, "tags", "place", "labels", "image", "facts")
UNITS = ("hour", "day", "week", "month", "quarter", "year")

one_key = st.sampled_from([("", path) for path in PLAIN] + [(unit, path) for path in TIMED for unit in UNITS])
one_aggregate = st.one_of(
    st.just(("count", "")),
    st.tuples(st.just("count"), st.sampled_from(COUNTED)),
    st.tuples(st.just("count_distinct"), st.sampled_from(PLAIN)),
    st.tuples(st.sampled_from(["sum", "avg"]), st.sampled_from(NUMBERS)),
    st.tuples(st.sampled_from(["min", "max"]), st.sampled_from(COMPARED)),
)
FILTERS = (
    "",
    "shown = true",
    "NOT views:*",
    "artist.home.continent = CONTINENT_EUROPE",
    "hall.floor = 0 OR number > 0",
    "number = 12345",
    "title:a",
)
ENUMS = {"state", "former_state", "continent"}
NAMES = {*REFERENCES, "name"}
STATES = {"STATE_UNSPECIFIED": 0, "STATE_SHOWN": 1, "STATE_STORED": 2, "STATE_NEGATIVE": -5, "77": 77,
          "CONTINENT_UNSPECIFIED": 0, "CONTINENT_EUROPE": 1, "CONTINENT_ASIA": 2}  # fmt: skip


def ranking(asks: tuple[Ask, ...]) -> Callable[[str, Any], Any]:
    """What a value sorts by, by its name: enums by number, names by their ids."""
    fields = {ask.name: "" if ask.function else ask.path.rpartition(".")[2] for ask in asks}

    def rank(name: str, value: Any) -> Any:
        if fields[name] in ENUMS:
            return STATES[value]
        return value.split("/")[1::2] if fields[name] in NAMES else value

    return rank


Havings = Callable[[Group], bool | None]


@st.composite
def havings(draw: st.DrawFn, asks: tuple[Ask, ...]) -> tuple[str, Havings]:
    """A condition on one or two values, and what it means; None is neither true nor false."""

    def one() -> tuple[str, Havings]:
        ask = draw(st.sampled_from(asks))
        counted = ask.function in ("count", "count_distinct")
        if not counted and ask.path in NUMBERS and ask.path != "loan":
            op, limit = draw(st.sampled_from(["<", ">=", "!="])), draw(st.sampled_from([0, 1, -2, 1000]))
            return f"{ask.name} {op} {limit}", lambda group: compare(group[ask.name], op, limit)
        if not counted and ask.path == "loan":
            return f"{ask.name} > 1.5s", lambda group: compare(group[ask.name], ">", 1_500_000)
        if counted:
            limit = draw(st.integers(0, 12))
            return f"{ask.name} > {limit}", lambda group: bool(group[ask.name] > limit)
        if ask.function in ("min", "max", *UNITS):
            return f"NOT {ask.name}:*", lambda group: group[ask.name] is None
        return f"-{ask.name}:nothing" if ask.path == "title" else "", lambda group: None if group[ask.name] is None else True

    (first, holds), (second, also) = one(), one()
    if not first or not second:
        return first or second, holds if first else also
    if draw(st.booleans()):
        return f"{first} AND {second}", lambda group: bool(holds(group) and also(group))
    return f"{first} OR {second}", lambda group: bool(holds(group) or also(group))


def compare(value: Any, op: str, limit: int) -> bool | None:
    if value is None:
        return None
    return bool({"<": value < limit, ">=": value >= limit, "!=": value != limit, ">": value > limit}[op])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_aip_56_any_groups_are_those_that_the_oracle_finds_and_none_is_lost_or_repeated(show: Show, data: st.DataObject) -> None:
    made_of = data.draw(st.lists(one_key, max_size=3, unique=True), label="keys")
    computes = data.draw(st.lists(one_aggregate, min_size=1, max_size=4, unique=True), label="aggregates")
    keys = tuple(Ask(function, path, f"k{i}") for i, (function, path) in enumerate(made_of))
    aggregates = tuple(Ask(function, path, f"a{i}") for i, (function, path) in enumerate(computes))
    asks = (*keys, *aggregates)
    having, holds = data.draw(st.one_of(st.just(("", lambda _: True)), havings(asks)), label="having")
    order = data.draw(st.lists(st.tuples(st.sampled_from([ask.name for ask in asks]), st.booleans()), max_size=3, unique_by=lambda t: t[0]))
    request = pb.AggregateExhibitsRequest(
        parent=data.draw(st.sampled_from(show.halls)),
        filter=data.draw(st.sampled_from(FILTERS)),
        group_by=[ask.text for ask in keys],
        aggregates=[ask.text for ask in aggregates],
        having=having,
        order_by=", ".join(f"{name} desc" if descending else name for name, descending in order),
    )
    rows = show.door.ListExhibits(parent=request.parent, filter=request.filter, page_size=1000).exhibits
    exact = [group for group in grouped(show.world, rows, keys, aggregates) if holds(group) is True or not having]
    last = order[-1][1] if order else False
    named = {name for name, _ in order}
    whole_order = [*order, *((key.name, last) for key in keys if key.name not in named)]
    expected = [shown(group, aggregates) for group in in_order(exact, whole_order, ranking(asks))]

    found: list[Group] = []
    while True:
        request.page_size = data.draw(st.integers(4, 60))
        page = show.door.AggregateExhibits(request)
        assert len(page.groups) <= request.page_size
        found += [read(group) for group in page.groups]
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert found == expected


def shown(group: Group, aggregates: tuple[Ask, ...]) -> Group:
    """An average of Durations is given in whole microseconds."""
    averages = {ask.name for ask in aggregates if (ask.function, ask.path) == ("avg", "loan")}
    return {name: round(value) if name in averages and value is not None else value for name, value in group.items()}
