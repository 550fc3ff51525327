"""Filters that look into repeated fields, maps and Structs."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from tests.door.client import Door
from tests.door.conftest import Serve
from tests.door.museum import MUSEUM, pb
from tests.door.museum.asking import check_misread, found
from tests.door.service import Service

KEYS = ("a b", "a.b", "a-b", "é😀", "*", "[0]", "", "it's", "1", "$", "a,b", "%s", "?", "a`b", "{x}", "$.a", "AND", "a/b", "last", "#", "@")
"""Of a Struct: what JSON paths and placeholders could take for something else."""


def struct(**values: Any) -> Struct:
    made = Struct()
    made.update(values)
    return made


@pytest.fixture(scope="module")
def served(serve: Serve) -> Service:
    museum = serve(MUSEUM)
    with museum.calls() as door:
        part, point = pb.Exhibit.Part, pb.Exhibit.Point
        door.CreateHall(hall_id="h", hall=pb.Hall())
        for id_, fields in (
            ("a", {"parts": [part(text="x", number=1, words=["u", "v"]), part(text="y", point=point(x=2), flag=True)]}),
            ("b", {"parts": [part(text="x", point=point(y=3), counts={"k": 5}), part(number=7, time={"seconds": 86400}, blob=b"ab")]}),
            ("c", {"pieces": {"k": part(text="x", number=1), "l": part(text="y", points=[point(x=1), point(x=4)])}}),
            ("d", {"pieces": {"k": part(text="z", words=["w"], facts=struct(deep=1.5))}, "place": pb.Exhibit.Place(notes={"n": "1"})}),
            ("e", {"facts": struct(size=3, word="hi ", deep={"er": True, "nil": None, "list": [1]}), "anything": {"number_value": 3}}),
            (
                "f",
                {"facts": struct(**{key: key for key in KEYS}), "anything": {"string_value": "x"}, "ranks": [{"value": 0}, {"value": 5}]},
            ),
            ("g", {"facts": struct(size="3"), "anything": {"struct_value": struct(a=1)}, "reports": {"r": struct(n=1), "s": struct()}}),
        ):
            door.CreateExhibit(parent="halls/h", exhibit_id=id_, exhibit=pb.Exhibit(**fields))
    return museum


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("parts.text:x", "ab"),
        ("parts.text:x AND parts.number:7", "b"),
        ('parts.text:""', "b"),
        ("parts.number:1", "a"),
        ("parts.number:0", ""),
        ("parts.number:*", "ab"),
        ("parts.flag:true", "a"),
        ("parts.flag:false", "ab"),
        ("parts.point.x:2", "a"),
        ("parts.point.x:0", "b"),
        ("parts.point:*", "ab"),
        ("parts.point.y:3", "b"),
        ("parts.words:u", "a"),
        ("parts.words:*", "a"),
        ("NOT parts.words:u", "bcdefg"),
        ("parts.counts:k", "b"),
        ("parts.counts.k:5", "b"),
        ("parts.counts.k:6", ""),
        ("parts.time:1970-01-02T00:00:00Z", "b"),
        ('parts.blob:"YWI="', "b"),
        ("parts.state:STATE_UNSPECIFIED", "ab"),
        ("pieces:k", "cd"),
        ("pieces.k:*", "cd"),
        ("pieces.k.text = x", "c"),
        ("pieces.k.text != x", "d"),
        ("NOT pieces.k.text = x", "d"),
        ("pieces.k.text:*", "cd"),
        ("pieces.k.number > 0", "c"),
        ("NOT pieces.k.number > 0", ""),
        ("pieces.k.words:w", "d"),
        ("pieces.l.points.x:4", "c"),
        ("pieces.k.point.x = 0", ""),
        ("pieces.k.facts.deep > 1", "d"),
        ("place.notes.n = 1", "d"),
        ("NOT place.notes:n", ""),
        ("facts:size", "eg"),
        ("facts.size = 3", "e"),
        ('facts.size = "3"', "g"),
        ("facts.size != 4", "e"),
        ("facts.size < 1e400", "e"),
        ('facts.word = "hi"', ""),
        ('facts.word = "hi "', "e"),
        ("facts.word = h*", "e"),
        ('facts.word > "h"', "e"),
        ("facts.deep.er = true", "e"),
        ("facts.deep.er != true", ""),
        ("facts.deep.er != false", "e"),
        ("facts.deep.nil:*", "e"),
        ("facts.deep.none:*", ""),
        ("facts.deep:*", "e"),
        ("NOT facts.deep:*", "abcdfg"),
        ("facts.deep.list:1", "e"),
        ("anything = 3", "e"),
        ("anything = x", "f"),
        ("anything.a = 1", "g"),
        ("anything:*", "efg"),
        ("reports.r.n = 1", "g"),
        ("reports.s.n = 1", ""),
        ("reports:s", "g"),
        ("ranks:5", "f"),
        ("ranks:0", "f"),
        *((f'facts."{key}" = "{key.replace("*", chr(92) + "*")}"', "f") for key in KEYS),
        *((f'facts."{key}":*', "f") for key in KEYS),
    ],
)
def test_aip_30_31_what_is_inside_is_found_in_the_same_element(door: Door, text: str, ids: str) -> None:
    assert "".join(found(door, text)) == ids


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("parts[0].text = x", "column 1: the resource 'exhibit' has no field 'parts[0]'; did you mean 'parts'?"),
        ("parts.0.text = x", "column 7: elements cannot be addressed by their index"),
        ("parts.tex:x", "column 7: 'parts' has no field 'tex'; did you mean 'text'?"),
        ("parts.text = x", "column 12: 'parts' is repeated: only ':' can be used, which asks whether 'text' of some element has the value"),
        ("parts:x", "column 6: 'parts' holds messages"),
        ("parts.point:x", "column 12: 'point' holds messages"),
        ("pieces.k.tex = x", "column 10: 'pieces' has no field 'tex'; did you mean 'text'?"),
        ("pieces.k.words = w", "column 16: 'words' is repeated"),
        ("tags.x:1", "column 6: the elements of 'tags' have no fields"),
        ("any.type_url = x", "column 5: 'any' has no fields"),
        ("tree.children.text:x", "column 15: the elements of 'children' have no fields"),
        ('facts."-a" = 1', "column 7: keys with double quotes, backslashes, control characters or a minus sign in front"),
        ("vault.code = x", "column 1: 'vault' cannot be filtered"),
        ("pieces.k.facts.a.b.c < true", "column 22: true and false have no order"),
    ],
)
def test_aip_33_what_cannot_be_meant_inside_is_refused(door: Door, text: str, problem: str) -> None:
    check_misread(door, text, problem)
