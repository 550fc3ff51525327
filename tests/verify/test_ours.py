"""Our own server behaves: every check on the contracts that the tests and the examples serve, through the command."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from protoplane.cli.main import main
from tests.door.archive import ARCHIVE
from tests.door.conftest import LIBRARY
from tests.door.depot import DEPOT
from tests.door.museum import MUSEUM
from tests.door.reading import GALLERY
from tests.door.service import Contract, running, token_of
from tests.example import DESK

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "library"


@dataclass(frozen=True)
class Case:
    """A contract, and how many checks can be made of it at least: one that suddenly does not apply would be a silence."""

    contract: Contract
    passes: int
    true: frozenset[tuple[int, str]] = frozenset()
    """What is rightly told of the contract: number and kind."""


def library_of_the_examples(folder: Path, url: str) -> Path:
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".protoplane"))
    settings = folder / "protoplane.toml"
    settings.write_text(f'{settings.read_text()}\n[database]\nurl = "{url}"\n\n[server]\naddress = "127.0.0.1:0"\n')
    return folder


CASES = {
    "library": Case(LIBRARY, 195),
    "flightdesk": Case(DESK, 440),
    "example": Case(Contract(library_of_the_examples, (), "developer"), 240),
    "museum": Case(MUSEUM, 285, frozenset({(40, "Exhibit")})),  # Its `state` is no state of a life, and is written.
    "gallery": Case(GALLERY, 35),
    "archive": Case(ARCHIVE, 685),
    "depot": Case(DEPOT, 170),
}

NUMBERS = {*range(1, 5), *range(8, 18), 19, *range(20, 24), 25, *range(27, 43), 46}
"""What the library's contract has something to show of."""


@pytest.mark.parametrize("name", CASES)
def test_everything_that_applies_passes(tmp_path: Path, name: str) -> None:
    case, folder = CASES[name], tmp_path / name
    folder.mkdir()
    case.contract.project(folder, f"sqlite:///{tmp_path}/data.db")
    with running(folder) as (server, bugs):
        files = (str(tmp_path / "found.json"), str(tmp_path / "found.xml"))
        words = ["verify", f"127.0.0.1:{server.port}", "--seed", name, "--json", files[0], "--junit", files[1]]
        ran = CliRunner().invoke(main, words, env={"PROTOPLANE_TOKEN": token_of(folder, case.contract.subject)}, catch_exceptions=False)
    assert not bugs
    found = json.loads(Path(files[0]).read_text())
    wrong = [(one["number"], one["resource"], one["text"]) for one in found["results"] if one["verdict"] in {"fail", "should"}]
    assert {(number, kind) for number, kind, _ in wrong} == case.true, ran.output
    assert (ran.exit_code, found["left"], found["stopped"]) == (0, [], "")
    assert found["counts"]["pass"] >= case.passes
    if name == "library":
        assert {one["number"] for one in found["results"] if one["verdict"] == "pass"} >= NUMBERS
    agrees(found, ET.parse(files[1]).getroot())


def agrees(found: dict[str, Any], suites: ET.Element) -> None:
    """JUnit has the same cases as JSON, and says of each the same."""
    assert len(suites.findall(".//testcase")) == len(found["results"])
    assert len(suites.findall(".//skipped")) == found["counts"]["n/a"]
    assert suites.findall(".//failure") == []


def test_without_a_right_to_write_nothing_fails_and_nothing_is_said_to_pass_that_was_not_seen(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    LIBRARY.project(folder, f"sqlite:///{tmp_path}/data.db")
    with running(folder) as (server, _):
        words = ["verify", f"127.0.0.1:{server.port}", "--token", token_of(folder, "reader"), "--json", str(tmp_path / "found.json")]
        ran = CliRunner().invoke(main, words, catch_exceptions=False)
    found = json.loads((tmp_path / "found.json").read_text())
    books = [one for one in found["results"] if one["resource"] == "Book"]
    assert not [one for one in books if one["verdict"] == "fail"], ran.output
    assert "PERMISSION_DENIED" in next(one["text"] for one in books if one["number"] == 35)


def test_a_server_without_reflection_or_at_no_address_is_told_in_one_line(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["verify", "127.0.0.1:1", "--timeout", "2"])
    assert (ran.exit_code, "Traceback" in ran.output) == (1, False)
    assert "the server cannot be asked what it serves: UNAVAILABLE" in ran.output
