"""Field masks over descriptors: whatever paths a caller makes of a contract, an update and a read do what a slow oracle says."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.door.client import Door, Refused
from tests.door.conftest import specimens
from tests.door.mask_oracle import FIXED, KEYS, Path, opened, paths, shown, text_of, updated
from tests.door.test_types import bare, values

Refuse = Callable[..., Refused]
VALUE_CHARACTERS_MAX = 300
EXAMPLES = 50
PATHS_MAX = 5
MANY = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@cache
def choices() -> dict[str, list[Any]]:
    """Field → values that are not large; maps with the keys that paths name."""
    part = specimens.Specimen.Part
    maps: dict[str, list[Any]] = {
        "parts_by_key": [{"a": part(text="x", inner=part.Inner(note="n")), "b c": part(number=0)}, {"d.e": part(), "`": part(flag=True)}],
        "names_by_number": [{0: "zero", -1: "minus"}, {7: ""}],
        "counts_by_flag": [{True: 1}, {True: 2, False: 0}],
        "blobs_by_key": [{"": b"x", "*": b""}, {"x,y": b"z", "a": b"1"}],
    }
    small = {name: [value for value in found if len(repr(value)) < VALUE_CHARACTERS_MAX] for name, found in values().items()}
    return {name: found for name, found in small.items() if found} | maps


def specimen(data: st.DataObject) -> Any:
    """Some of the fields."""
    table = choices()
    names = data.draw(st.lists(st.sampled_from(sorted(table)), max_size=12, unique=True))
    return specimens.Specimen(**{name: data.draw(st.sampled_from(table[name])) for name in names})


def mask_of(data: st.DataObject, *, reading: bool) -> list[Path]:
    """Some paths, the same one more than once perhaps."""
    return data.draw(st.lists(paths(specimens.Specimen.DESCRIPTOR, reading=reading), min_size=1, max_size=PATHS_MAX))


@MANY
@given(data=st.data())
def test_aip_35_36_b02_an_update_writes_what_its_mask_names_and_nothing_else(door: Door, data: st.DataObject) -> None:
    made, change, mask = door.CreateSpecimen(specimen=specimen(data)), specimen(data), mask_of(data, reading=False)
    change.name = made.name
    after = door.UpdateSpecimen(specimen=change, update_mask=FieldMask(paths=map(text_of, mask)))
    assert bare(after) == updated(bare(made), bare(change), mask)
    assert after == door.GetSpecimen(name=made.name)
    assert (after.etag == made.etag) == (bare(after) == bare(made))


@MANY
@given(data=st.data())
def test_aip_51_b02_a_read_shows_what_its_mask_names_and_nothing_else(door: Door, data: st.DataObject) -> None:
    made, mask = door.CreateSpecimen(specimen=specimen(data)), mask_of(data, reading=True)
    wanted, texts = shown(made, mask), list(map(text_of, mask))
    assert door.GetSpecimen(name=made.name, metadata=side_channel(*texts)) == wanted
    page = door.ListSpecimens(filter=f'name = "{made.name}"', metadata=side_channel(*(f"specimens.{text}" for text in texts)))
    assert list(page.specimens) == [wanted]


@MANY
@given(data=st.data())
def test_aip_37_what_is_read_with_a_mask_and_written_with_it_changes_nothing(door: Door, data: st.DataObject) -> None:
    made, mask = door.CreateSpecimen(specimen=specimen(data)), mask_of(data, reading=False)
    texts = list(map(text_of, mask))
    read = door.GetSpecimen(name=made.name, metadata=side_channel(*texts, "name"))
    assert door.UpdateSpecimen(specimen=read, update_mask=FieldMask(paths=texts)) == made
    change = specimen(data)
    change.name = made.name
    after = door.UpdateSpecimen(specimen=change, update_mask=FieldMask(paths=texts), metadata=side_channel(*texts))
    assert after == door.GetSpecimen(name=made.name, metadata=side_channel(*texts))


def side_channel(*texts: str) -> tuple[tuple[str, str]]:
    """The metadata of a call that asks for so much."""
    return (("x-goog-fieldmask", ",".join(texts)),)


@MANY
@given(data=st.data())
def test_aip_36_b02_a_path_with_one_wrong_part_is_refused(door: Door, refused: Refuse, data: st.DataObject) -> None:
    """For updates and reads alike; whatever stands before the part that is wrong."""
    path = data.draw(paths(specimens.Specimen.DESCRIPTOR, reading=False))
    names = [part for part in path if isinstance(part, str)]
    at = data.draw(st.sampled_from([at for at, part in enumerate(path) if isinstance(part, str)]))
    wrong = data.draw(st.sampled_from(["nothing", f"{names[-1]}_", names[-1].upper(), "0", "-1", "a b", "é", "%", "'", ";--", "\u202e"]))
    text = text_of((*path[:at], wrong))
    refusal = refused(door.UpdateSpecimen, specimen=specimens.Specimen(name="specimens/none"), update_mask=FieldMask(paths=["name", text]))
    assert refusal.reason == "INVALID_FIELD_MASK", text
    if text.isascii():
        assert refused(door.GetSpecimen, name="specimens/none", metadata=side_channel(text)).reason == "INVALID_FIELD_MASK"


def test_aip_35_b02_an_empty_mask_is_no_mask(door: Door) -> None:
    made = door.CreateSpecimen(specimen=specimens.Specimen(a_bool=True, a_string="x", words=["a"]))
    for fields in ({}, {"update_mask": FieldMask()}):
        after = door.UpdateSpecimen(specimen=specimens.Specimen(name=made.name, an_int32=3), **fields)
        assert (after.a_bool, after.a_string, after.an_int32, list(after.words)) == (True, "x", 3, ["a"])


def test_aip_35_b02_a_star_stands_alone_in_an_update_and_clears_what_is_not_given(door: Door, refused: Refuse) -> None:
    made = door.CreateSpecimen(specimen=specimens.Specimen(a_bool=True, words=["a"], part={"text": "x"}))
    given = specimens.Specimen(name=made.name, a_string="x")
    assert refused(door.UpdateSpecimen, specimen=given, update_mask=FieldMask(paths=["*", "a_bool"])).reason == "INVALID_FIELD_MASK"
    assert refused(door.UpdateSpecimen, specimen=given, update_mask=FieldMask(paths=["part.*"])).reason == "INVALID_FIELD_MASK"
    assert bare(door.UpdateSpecimen(specimen=given, update_mask=FieldMask(paths=["*"]))) == bare(given)


@pytest.mark.parametrize("count", [257, 10_000])
def test_aip_36_b02_ten_thousand_paths_are_refused_before_any_is_read(door: Door, refused: Refuse, count: int) -> None:
    made = door.CreateSpecimen(specimen=specimens.Specimen())
    given = specimens.Specimen(name=made.name, a_string="x")
    for path in ("a_string", "nothing", "parts_by_key.`" + "k" * 10 + "`.text"):
        refusal = refused(door.UpdateSpecimen, specimen=given, update_mask=FieldMask(paths=[path] * count))
        assert "at most 256 paths" in refusal.violations["update_mask"]
    assert door.UpdateSpecimen(specimen=given, update_mask=FieldMask(paths=["a_string"] * 256)).a_string == "x"
    long = refused(door.UpdateSpecimen, specimen=given, update_mask=FieldMask(paths=["part" + ".inner" * count]))
    assert long.reason == "INVALID_FIELD_MASK"


def test_every_kind_of_path_is_among_those_that_are_tried() -> None:
    """Of the strategies: a field of every form, map keys of every type."""
    fields = specimens.Specimen.DESCRIPTOR.fields
    assert {field.name for field in fields} - FIXED == set(values())
    maps = [field.message_type for field in fields if field.message_type is not None and field.message_type.GetOptions().map_entry]
    assert {entry.fields_by_name["key"].type for entry in maps} == set(KEYS)
    assert any(opened(entry.fields_by_name["value"].message_type) for entry in maps)
