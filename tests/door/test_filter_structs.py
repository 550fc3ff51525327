"""What `:` asks of a place in a Struct, a Value or a ListValue: what stands there decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from protoplane.base import limits
from tests.door.client import Door, Refused
from tests.door.conftest import Serve
from tests.door.museum import MUSEUM, pb
from tests.door.museum.asking import check_misread, found
from tests.door.service import Service

ROWS: Mapping[str, dict[str, Any]] = {
    "a": {"facts": {"deep": {"on": True}, "a": {"c": [1]}, "tags": ["x", "", 2, True, None, ["in"], {"key": 1}]}},
    "b": {"facts": {"deep": "on", "a": {"c": 1}, "tags": []}},
    "c": {"facts": {"deep": ["on", "off"], "a": [{"c": 1}, {"c": [7, 8]}, {"d": {"e": "x"}}], "tags": "x"}},
    "d": {"facts": {"deep": {"1": 0, "true": 0, "-1": 0, "": 0, "a*": 0, 'a"b': 0, "a\\b": 0, "off": 0}, "tags": {"x": 0}, "-top": 1}},
    "e": {"facts": {"deep": None, "a": [[{"c": 1}], 1, "c"], "tags": [None]}},
    "f": {"anything": ["x", {"k": [5]}], "list": [1, "x", {"k": {"in": 1}}]},
    "g": {"anything": {"x": 5}, "list": [{"k": "in"}], "extras": {"x": 5, "y": ["u", {"v": 1}], "z": {"w": "t"}, "": ""}},
    "h": {"samples": [5, "x", True, None, "", {"k": 1}, ["u"]], "reports": {"r": {"n": [1, {"m": 2}]}}, "extras": {"x": "5", "y": False, "z": None}},
    "i": {"parts": [{"facts": {"n": {"m": ["x"]}}}, {"facts": {"n": [{"m": "y"}]}}], "samples": ["5"]},
}  # fmt: skip

FOUND = [
    # A scalar is the value, an object has the key, an array the element.
    ("facts.deep:on", "abc"), ('facts.deep:"on"', "abc"), ("facts.deep:off", "cd"), ("facts.a.c:1", "abc"), ("facts.a.c:8", "c"), ("facts.a.c:2", ""),
    ("facts.tags:x", "acd"), ("facts.tags:2", "a"), ('facts.tags:"2"', ""), ("facts.tags:true", "a"), ("facts.tags:false", ""), ('facts.tags:""', "a"),
    ("facts.tags:in", ""), ("facts.tags:key", ""), ("facts.deep.on:true", "a"), ("facts.deep.on:*", "a"),
    # A key is what is written, whatever it would be as a value; wildcards find keys too, and so does what no path can name.
    ("facts.deep:1", "d"), ("facts.deep:1.0", ""), ("facts.deep:true", "d"), ("facts.deep:-1", "d"), ('facts.deep:""', "d"), ('facts.deep:"o*"', "abcd"), ('facts.deep:"a\\*"', "d"),
    ("facts.deep:'a\"b'", "d"), ('facts.deep:"a\\\\b"', "d"), ('facts:"-top"', "d"), ("facts:d*", "abcde"), ("facts:a*", "abce"), ('NOT facts:"de*"', "fghi"),
    # Through arrays of objects, but none in one another.
    ("facts.a.d:e", "c"), ("facts.a.d.e:x", "c"), ("facts.a.d.e:*", "c"), ("facts.a.d:*", "c"), ("facts.a.c:*", "abc"), ("NOT facts.a.d:*", "abdefghi"),
    # Equality is of the value itself, at a place that no array is in the way of.
    ("facts.deep = on", "b"), ("facts.a.c = 1", "b"), ("facts.tags = x", "c"), ("facts.a.d.e = x", ""), ("facts.deep != off", "b"),
    # What an object or array has not is told by NOT; where nothing is, or another type, it is not.
    ("NOT facts.deep:on", "d"), ("NOT facts.deep:off", "ab"), ("NOT facts.a.c:7", "abe"), ("NOT facts.tags:y", "abcde"), ("NOT facts.tags:5", "abde"), ("NOT facts.a.d.e:y", "ce"),
    ("facts.tags:(x AND 2)", "a"), ("facts.deep:(off OR on)", "abcd"), ("-facts.deep.on:false", "ac"),
    # Values and lists of their own.
    ("anything:x", "fg"), ("anything:k", ""), ("anything.k:5", "f"), ("anything.x:5", "g"), ("NOT anything:y", "fg"), ("list:x", "f"), ("list:1", "f"), ("NOT list:x", "g"),
    ("list.k:in", "fg"), ("list.k.in:1", "f"), ("list.k:*", "fg"), ("NOT list.k.in:*", "abcdeghi"), ("list:*", "fg"),
    # In what is repeated, and in maps.
    ("samples:5", "h"), ('samples:"5"', "i"), ("samples:x", "h"), ("samples:true", "h"), ('samples:""', "h"), ("samples:k", "h"), ("samples.k:1", "h"), ("samples:u", "h"), ("samples:y", ""),
    ("reports.r.n:1", "h"), ("reports.r.n.m:2", "h"), ("reports.r:n", "h"), ("NOT reports.r.n:2", "abcdefghi"), ("parts.facts.n:m", "i"), ("parts.facts.n.m:x", "i"), ("parts.facts.n.m:y", "i"),
    ("parts.facts:n", "i"), ('parts.facts:"n*"', "i"), ("NOT parts.facts.n.m:x", "abcdefgh"),
    ("extras:x", "gh"), ("extras.x = 5", "g"), ('extras.x = "5"', "h"), ("extras.x != 4", "g"), ("extras.x:5", "g"), ("extras.x > 4", "g"), ("extras.y = false", "h"), ("extras.y:u", "g"),
    ("extras.y.v:1", "g"), ("extras.z:w", "g"), ("extras.z.w = t", "g"), ("extras.z:*", "gh"), ('extras."" = ""', "g"), ('extras.x != "6"', "h"),
]  # fmt: skip

REFUSED = [
    ("list = 1", "column 6: 'list' is a list: only ':' can be used, which asks whether it holds the value"),
    ("list.k != 1", "column 8: 'list' is a list: only ':' can be used"),
    ("facts = x", "column 7: 'facts' is a Struct: use 'facts:key'"),
    ("samples = 5", "column 9: 'samples' is repeated: only ':' can be used"),
    ('facts."-a":1', "column 7: keys with double quotes, backslashes, control characters or a minus sign in front"),
    ("facts.a:now()", "'now()' is a time, and 'facts' holds none"),
]


@pytest.fixture(scope="module")
def served(serve: Serve) -> Service:
    museum = serve(MUSEUM)
    with museum.calls() as door:
        door.CreateHall(hall_id="h", hall=pb.Hall())
        for name, row in ROWS.items():
            door.CreateExhibit(parent="halls/h", exhibit_id=name, exhibit=ParseDict(row, pb.Exhibit()))
    return museum


@pytest.mark.parametrize(("text", "ids"), FOUND)
def test_aip_31_has_means_what_the_value_at_hand_is(door: Door, text: str, ids: str) -> None:
    assert "".join(found(door, text)) == ids


@pytest.mark.parametrize(("text", "problem"), REFUSED)
def test_aip_33_what_has_no_value_of_its_own_is_asked_with_has_alone(door: Door, text: str, problem: str) -> None:
    check_misread(door, text, problem)


def test_a_path_as_deep_as_can_be_leads_through_arrays_all_the_way(door: Door) -> None:
    names = [f"n{number}" for number in range((limits.JSON_LEVELS_MAX - 1) // 2)]
    value: Any = ["x"]
    for name in reversed(names):
        value = [{name: value}]
    door.CreateExhibit(parent="halls/h", exhibit_id="z", exhibit=ParseDict({"list": value}, pb.Exhibit()))
    path = ".".join(("list", *names))
    assert found(door, f"{path}:x") == ["z"]
    assert found(door, f"{path}:y") == []
    door.DeleteExhibit(name="halls/h/exhibits/z")


def test_a_struct_is_found_however_deep_it_may_be_and_refused_where_no_filter_would_see_it(door: Door) -> None:
    def nested(levels: int) -> Any:
        value: Any = "x"
        for _ in range(levels - 1):
            value = {"n": value}
        return ParseDict({"facts": {"z": value}}, pb.Exhibit())

    deepest = pb.Exhibit(parts=[pb.Exhibit.Part(facts=nested(limits.JSON_LEVELS_MAX).facts)], facts=nested(limits.JSON_LEVELS_MAX).facts)
    door.CreateExhibit(parent="halls/h", exhibit_id="z", exhibit=deepest)
    assert found(door, "facts:z") == found(door, "parts.facts:z") == ["z"]
    door.DeleteExhibit(name="halls/h/exhibits/z")
    with pytest.raises(Refused) as caught:
        door.CreateExhibit(parent="halls/h", exhibit=nested(limits.JSON_LEVELS_MAX + 1))
    assert list(caught.value.violations) == ["exhibit.facts"]


def test_aip_33_what_a_filter_looks_through_is_bounded(door: Door) -> None:
    deepest = ".".join(("facts", *(f"n{number}" for number in range(31))))
    assert found(door, f"{deepest}:(x OR y OR z)") == []
    assert found(door, " ".join(["facts.a.c:1"] * 128)) == ["a", "b", "c"]
    assert found(door, f"{deepest} = ({' OR '.join(['x'] * 100)})") == []  # These look through nothing.
    with pytest.raises(Refused, match="more than 256 names on the way") as caught:
        found(door, f"{deepest}:({' OR '.join(['x'] * 9)})")
    assert caught.value.reason == "INVALID_FILTER"
