"""Servers that are not ours: a right one is found right, and each fault is named by its own number and by no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from protoplane.cli.main import main
from tests.verify.batches import Batching
from tests.verify.foreign import serving

FLAWS: dict[str, set[int]] = {
    "errors have no info": {1},
    "metadata is empty": {2},
    "fields are not named": {3},
    "errors show the inside": {4},
    "required is optional": {8},
    "output only can be set": {9},
    "immutable changes": {10},
    "malformed names are not found": {11},
    "rehearsals are real": {13},
    "request ids are ignored": {14},
    "a Get of nothing is unknown": {17},
    "not found is unknown": {17, 39, 41, 45},
    "sizes may be negative": {19},
    "large sizes are refused": {19},
    "the last page has a token": {20},
    "tokens fit every call": {21},
    "tokens can be read": {22},
    "pages are offsets": {23},
    "the order is another each time": {23},
    "lists below nothing are empty": {25},
    "numbers sort as texts": {27},
    "desc is asc": {27},
    "unknown orders are ignored": {27},
    "OR binds looser than AND": {28},
    "filters are ignored": {28, 29, 30, 31, 33},
    "bad filters find everything": {30, 31, 33},
    "duplicates win": {34},
    "masks are widened": {35},
    "the star is as no mask": {35},
    "masks are ignored": {8, 35, 36},
    "unknown paths are ignored": {36},
    "etags are ignored by updates": {38},
    "etags are bare": {38},
    "update time stands still": {40},
    "etags are ignored by deletes": {41},
    "deletes are not idempotent": {41},
    "children go along": {42},
    "batches are sorted": {45},
    "batches leave out what is missing": {45},
    "batches may be empty": {45},
    "batches stop in the middle": {46},
    "children of others come along": {46},
}
"""What is wrong with a server → the numbers that it breaks."""


def verify(target: str, folder: Path, *options: str) -> tuple[Result, dict[str, Any]]:
    """Run the command; its result, and its JSON."""
    file = folder / "found.json"
    ran = CliRunner().invoke(main, ["verify", target, "--json", str(file), "--seed", "1", *options], catch_exceptions=False)
    return ran, json.loads(file.read_text())


def wrong(found: dict[str, Any]) -> set[int]:
    return {result["number"] for result in found["results"] if result["verdict"] in {"fail", "should"}}


def test_a_right_server_that_is_not_ours_gets_no_fail(tmp_path: Path) -> None:
    with serving() as (target, attic):
        ran, found = verify(target, tmp_path)
    assert not wrong(found), ran.output
    assert ran.exit_code == 0
    assert found["counts"]["pass"] >= 85
    assert attic.rows == {}, "everything that was made is gone"


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_fault_is_named_by_its_number_and_by_no_other(tmp_path: Path, flaw: str) -> None:
    with serving(flaw) as (target, attic):
        ran, found = verify(target, tmp_path)
    assert wrong(found) == FLAWS[flaw], ran.output
    assert attic.rows == {}
    assert ran.exit_code == any(result["verdict"] == "fail" for result in found["results"])


@pytest.mark.parametrize("rule", ["labels are short", "weights are refused", "ids are numbers"])
def test_rules_that_nothing_tells_of_are_learned_and_are_no_faults(tmp_path: Path, rule: str) -> None:
    with serving(rule) as (target, attic):
        ran, found = verify(target, tmp_path)
    assert not wrong(found), ran.output
    assert found["counts"]["pass"] >= 70
    assert attic.rows == {}


def test_where_no_valid_data_can_be_made_an_example_helps(tmp_path: Path) -> None:
    with serving("labels are a secret") as (target, attic):
        _, without = verify(target, tmp_path)
        examples = tmp_path / "examples.json"
        examples.write_text(json.dumps({"Box": {"label": "sesame"}, "attic.example.com/Thing": {"label": "sesame", "tags": ["a"]}}))
        ran, helped = verify(target, tmp_path, "--data", str(examples))
        assert attic.rows == {}
    text = next(one["text"] for one in without["results"] if one["number"] == 35)
    assert text.startswith("cannot make a valid Box: INVALID_ARGUMENT")
    assert text.endswith("box.label: box.label is not as it must be; give an example with --data")
    assert not wrong(without)
    assert not wrong(helped), ran.output
    assert helped["counts"]["pass"] > without["counts"]["pass"] + 40


def test_a_failure_shows_the_exchange(tmp_path: Path) -> None:
    with serving("sizes may be negative") as (target, _):
        ran, found = verify(target, tmp_path, "--only", "19", "--only", "Box")
    failed = next(result for result in found["results"] if result["verdict"] == "fail")
    assert (failed["resource"], failed["text"]) == ("Box", "INVALID_ARGUMENT expected, OK came")
    assert failed["exchanges"] == [{"method": "attic.v1.Attic.ListBoxes", "request": {"page_size": -1}, "status": "OK", "response": {}}]
    assert 'attic.v1.Attic.ListBoxes {"page_size": -1}\n' in ran.output


def test_what_others_have_is_left_alone(tmp_path: Path) -> None:
    attic = Batching(frozenset())
    for number in range(30):
        box = attic.create("box", _request("CreateBoxRequest", box_id=f"theirs-{number}", box={"label": "theirs"}))
        attic.create("thing", _request("CreateThingRequest", parent=box.name, thing_id="old", thing={"label": "old"}))
    before = {name: row.SerializeToString() for name, row in attic.rows.items()}
    with serving(attic=attic) as (target, _):
        ran, found = verify(target, tmp_path)
    assert not wrong(found), ran.output
    assert {name: row.SerializeToString() for name, row in attic.rows.items()} == before


def test_reading_only_changes_nothing_and_still_finds_faults(tmp_path: Path) -> None:
    attic = Batching(frozenset({"sizes may be negative"}))
    attic.create("box", _request("CreateBoxRequest", box_id="theirs", box={"label": "theirs"}))
    before = dict(attic.rows)
    writes = []
    for verb in ("create", "update", "delete"):
        setattr(attic, verb, lambda *arguments: writes.append(arguments))
    with serving(attic=attic) as (target, _):
        _, found = verify(target, tmp_path, "--read-only")
    assert (wrong(found), writes, attic.rows) == ({19}, [], before)
    assert found["counts"]["pass"] > 15


def test_reading_only_takes_ids_that_are_numbers_for_what_they_are(tmp_path: Path) -> None:
    attic = Batching(frozenset({"ids are numbers"}))
    box = attic.create("box", _request("CreateBoxRequest", box_id="17", box={"label": "theirs"}))
    attic.create("thing", _request("CreateThingRequest", parent=box.name, thing_id="4", thing={"label": "theirs"}))
    with serving(attic=attic) as (target, _):
        ran, found = verify(target, tmp_path, "--read-only")
    assert not wrong(found), ran.output
    missing = next(one for one in found["results"] if (one["number"], one["resource"]) == (17, "Thing") and "not there" in one["title"])
    assert missing["verdict"] == "pass"


def _request(name: str, **fields: Any) -> Any:
    from tests.verify.foreign import PACKAGE, contract

    return contract().messages[f"{PACKAGE}.{name}"](**fields)
