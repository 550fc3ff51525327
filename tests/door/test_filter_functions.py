"""Functions in filters, of every filter and of a project, and bare words that search."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.project import read_project
from tests.door.client import Door
from tests.door.conftest import Serve
from tests.door.museum import MUSEUM, pb
from tests.door.museum.asking import check_misread, found
from tests.door.service import Service

DAY_SECONDS = 86_400


@pytest.fixture(scope="module")
def served(serve: Serve) -> Service:
    now = int(time.time())
    museum = serve(MUSEUM)
    with museum.calls() as door:
        door.CreateCountry(country_id="c", country=pb.Country(display_name="Chad", languages=["fr", "ar"]))
        door.CreateArtist(artist_id="a", artist=pb.Artist(display_name="Åsa", home="countries/c", grade=4))
        door.CreateHall(hall_id="h", hall=pb.Hall())
        for id_, fields in (
            ("a", {"title": "War and Peace", "tags": ["long", "peaceful"], "number": 4, "artist": "artists/a"}),
            ("b", {"title": "peace", "subtitle": "of 100%", "number": 5, "make_time": {"seconds": now - 2 * DAY_SECONDS}}),
            ("c", {"title": "é😀", "labels": {"k": "v", "l": ""}, "make_time": {"seconds": now + DAY_SECONDS}}),
            ("d", {"tags": ["war"], "counts": {1: 1}, "ratio": 3.5, "make_time": {"seconds": now - 60}, "sponsor": "sponsors/acme"}),
        ):
            door.CreateExhibit(parent="halls/h", exhibit_id=id_, exhibit=pb.Exhibit(**fields))
    return museum


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('startsWith(title, "War")', "a"),
        ('startsWith(title, "war")', ""),
        ('NOT startsWith(title, "War")', "bcd"),
        ('startsWith(subtitle, "")', "b"),
        ('NOT startsWith(subtitle, "x")', "b"),
        ('endsWith(subtitle, "%")', "b"),
        ('endsWith(title, "eace")', "ab"),
        ('startsWith(artist.display_name, "Å")', "a"),
        ("length(title) = 2", "c"),
        ("length(title) > 4 AND number > 0", "ab"),
        ("length(artist.home.display_name) = 4", "a"),
        ("length(subtitle) != 0", "b"),
        ("size(tags) = 2", "a"),
        ("size(tags) = 0", "bc"),
        ("size(labels) = 2", "c"),
        ("size(counts) > 0 OR size(labels) > 0", "cd"),
        ("size(artist.home.languages) = 2", "a"),
        ("NOT size(artist.home.languages) = 2", ""),
        ("make_time < now()", "bd"),
        ("make_time > ago(24h)", "cd"),
        ("make_time > ago(3d) make_time < ago(1h)", "b"),
        ("make_time > ago(-23h)", "c"),
        ("make_time = (now() OR ago(1d))", ""),
        ("make_time > ago(9999999999d)", "bcd"),
        ('initial(title) = "W"', "a"),
        ('initial(title) != "W"', "bcd"),
        ("near(number, ratio)", "c"),
        ("near(number, 4.5)", "ab"),
        ("near(number, 4)", "ab"),
        ("near(artist.grade, number)", "a"),
        ("NOT near(artist.grade, 9)", "a"),
        ("near(number, 4) = false", "cd"),
        ("sameTime(make_time, make_time)", "bcd"),
        ("sameTime(make_time, now())", ""),
        ('engineName() = "none"', ""),
        ("peace", "ab"),
        ("Peace", "a"),
        ("War OR war", "ad"),
        ('"War and"', "a"),
        ("-peace", "cd"),
        ("NOT peace", "cd"),
        ("peace -long", "b"),
        ("W*Peace", "a"),
        ('"100%"', "b"),
        ('"0_%"', ""),
        ("é", "c"),
        ("peace number = 4", "a"),
        ("'and'", "a"),
        ("title", ""),
        ("acme", "d"),
        ("sponsors*m", "d"),
        ("-acme", "abc"),
    ],
)
def test_aip_33_functions_and_bare_words_find_the_same_on_every_engine(door: Door, text: str, ids: str) -> None:
    assert "".join(found(door, text)) == ids


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('startWith(title, "x")', "column 1: there is no function 'startWith'; did you mean 'startsWith'?"),
        ("initials(title) = x", "column 1: there is no function 'initials'; did you mean 'initial'?"),
        ("startsWith(title)", "column 1: startsWith() takes 2 arguments, not 1"),
        ("startsWith(titel, x)", "column 12: the resource 'exhibit' has no field 'titel'; did you mean 'title'?"),
        ("startsWith(artist.gade, x)", "column 19: the resource 'artist' has no field 'gade'; did you mean 'grade'?"),
        ("startsWith(password, x)", "column 12: 'password' cannot be filtered"),
        ("length(artist.home.password) > 1", "column 20: 'password' cannot be filtered"),
        ("initial(password) = x", "column 9: 'password' cannot be filtered"),
        ("initial(vault.code) = x", "column 9: 'vault' cannot be filtered"),
        ("startsWith(number, x)", "column 12: 'number' is no string"),
        ("length(number) = 1", "length() takes a string, and 'number' is none"),
        ("length(artist) = 1", "length() takes a string, and 'artist' is none"),
        ("size(title) = 1", "size() takes a repeated field or a map, and 'title' is none"),
        ("size(parts.words) = 1", "size() takes a single value"),
        ("length(title)", "what 'length' gives must be compared with something"),
        ("length(title):1", "what a function gives is compared with"),
        ("length(title) = x", "a whole number"),
        ("number > now()", "column 10: 'now()' is a time, and 'number' holds none"),
        ("title = now()", "column 9: 'now()' is a time"),
        ("facts.a = now()", "column 11: 'now()' is a time"),
        ("labels.a = now()", "column 12: 'now()' is a time"),
        ("make_time > ago(5)", "column 17: a duration such as 90s, 15m, 24h or 7d"),
        ("make_time > ago()", "ago() takes 1 arguments, not 0"),
        ("make_time > length(title)", "'length' stands on the left"),
        ("now() > make_time", "'now' is compared with nothing"),
        ("near(title, 1)", "near() takes a double here, and 'title' is none"),
        ('near(number, "1")', "a number without quotes"),
        ("initial(tags) = x", "takes a single value, and 'tags' holds many"),
        ("initial(initial(title)) = x", "stands on the left"),
        ("initial(title = x", "column 15: ',' or ')' is expected here"),
        ("war and peace", "column 5: AND, OR and NOT are written in capitals, not 'and'"),
        ("**", "a word to search for"),
        ("regex(title, 'a')", "there is no function 'regex'"),
    ],
)
def test_aip_33_a_call_that_cannot_be_meant_is_refused_with_its_place(door: Door, text: str, problem: str) -> None:
    check_misread(door, text, problem)


def test_what_now_means_stays_the_same_from_page_to_page(door: Door) -> None:
    soon = int(time.time()) + 2
    hall = door.CreateHall(hall=pb.Hall()).name
    for number, seconds in enumerate((1, 2, soon)):
        door.CreateExhibit(parent=hall, exhibit_id=f"e{number}", exhibit=pb.Exhibit(make_time={"seconds": seconds}))
    first = door.ListExhibits(parent=hall, filter="make_time < now()", page_size=1)
    deadline = time.monotonic() + 10
    while len(door.ListExhibits(parent=hall, filter="make_time < now()").exhibits) < 3:
        assert time.monotonic() < deadline
    rest = door.ListExhibits(parent=hall, filter="make_time < now()", page_token=first.next_page_token)
    assert [e.name[-1] for e in (*first.exhibits, *rest.exhibits)] == ["0", "1"]


def test_a_word_cannot_be_looked_for_in_what_is_kept_as_ids(tmp_path: Path) -> None:
    folder = MUSEUM.project(tmp_path, "sqlite:///none.db")
    proto = folder / "protos/museum/v1/museum.proto"
    text = proto.read_text()
    for field in ("artist = 2 [(", "string country = 2 [("):
        text = text.replace(field, f"{field}protoplane.v1.field).searchable = true, (")
    proto.write_text(text)
    lines = [number for number, line in enumerate(text.splitlines(), 1) if ".searchable = true, (" in line]
    found = [(finding.rule, finding.place.line) for finding in read_project(config.load(folder, Environment.DEV)).findings]
    assert found == [("searchable-type", line) for line in lines]
    assert len(lines) == 2


def test_functions_that_do_not_fit_are_found_at_start(tmp_path: Path) -> None:
    folder = MUSEUM.project(tmp_path, "sqlite:///none.db")
    code = folder / "museum_code.py"
    code.write_text(
        code.read_text()
        + """

@filter_function(args=(Kind.STRING, Kind.STRING))
def one(text: Node) -> Any:
    return text


@filter_function(args=(Kind.BYTES,))
def two(data: Node) -> Any:
    return data


@filter_function(args=())
def three() -> Any:
    return True


@filter_function(args=(Kind.STRING,), name="now")
def four(text: Node) -> Any:
    return text


@filter_function(args=(Kind.STRING,))
def near(text: Node) -> Any:
    return text
"""
    )
    found = [(finding.rule, finding.problem) for finding in read_project(config.load(folder, Environment.DEV)).findings]
    assert [rule for rule, _ in found] == ["function-signature"] * 3 + ["function-duplicate"] * 2
    assert "'one' raises TypeError" in found[0][1]
    assert "'two' takes or returns bytes" in found[1][1]
    assert "'three' returns bool" in found[2][1]
