"""Our own server behaves: every check on the contracts that the tests and the examples serve, through the command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from protoplane import app
from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.cli.main import main
from tests.door import archive, depot, museum, reading
from tests.door.conftest import project
from tests.example import copy

LIBRARY = Path(__file__).resolve().parents[2] / "examples" / "library"


@dataclass(frozen=True)
class Case:
    """A contract, who may do everything in it, and how many checks can be made at least: one that suddenly does not apply would be a silence."""

    project: Callable[[Path, str], object]
    subject: str
    passes: int
    true: frozenset[tuple[int, str]] = frozenset()
    """What is rightly told of the contract: number and kind."""


def library_of_the_examples(folder: Path, url: str) -> None:
    shutil.copytree(LIBRARY, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".protoplane"))
    settings = folder / "protoplane.toml"
    settings.write_text(f'{settings.read_text()}\n[database]\nurl = "{url}"\n\n[server]\naddress = "127.0.0.1:0"\n')


CASES = {
    "library": Case(project, "writer", 195),
    "flightdesk": Case(copy, "developer", 440),
    "example": Case(library_of_the_examples, "developer", 240),
    "museum": Case(museum.project, "curator", 285, frozenset({(40, "Exhibit")})),  # Its `state` is no state of a life, and is written.
    "gallery": Case(reading.project, "curator", 35),
    "archive": Case(archive.project, "archivist", 685),
    "depot": Case(depot.project, "keeper", 170),
}

NUMBERS = {*range(1, 5), *range(8, 18), 19, *range(20, 24), 25, *range(27, 43), 46}
"""What the library's contract has something to show of."""


def started(folder: Path, bugs: list[BaseException]) -> app.App:
    settings = config.load(folder, Environment.DEV)
    return app.start(settings, lambda seen: bugs.append(seen.bug) if seen.bug is not None else None)


def token(running: app.App, subject: str) -> str:
    assert running.signer is not None
    auth = running.settings.auth
    return running.signer.mint(subject=subject, issuer=auth.issuer, audience=auth.audience, seconds=600)


@pytest.mark.parametrize("name", CASES)
def test_everything_that_applies_passes(tmp_path: Path, name: str) -> None:
    case, folder = CASES[name], tmp_path / name
    folder.mkdir()
    case.project(folder, f"sqlite:///{tmp_path}/data.db")
    bugs: list[BaseException] = []
    running = started(folder, bugs)
    try:
        files = (str(tmp_path / "found.json"), str(tmp_path / "found.xml"))
        words = ["verify", f"127.0.0.1:{running.port}", "--seed", name, "--json", files[0], "--junit", files[1]]
        ran = CliRunner().invoke(main, words, env={"PROTOPLANE_TOKEN": token(running, case.subject)}, catch_exceptions=False)
    finally:
        running.stop()
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
    project(folder, f"sqlite:///{tmp_path}/data.db")
    running = started(folder, [])
    try:
        words = ["verify", f"127.0.0.1:{running.port}", "--token", token(running, "reader"), "--json", str(tmp_path / "found.json")]
        ran = CliRunner().invoke(main, words, catch_exceptions=False)
    finally:
        running.stop()
    found = json.loads((tmp_path / "found.json").read_text())
    books = [one for one in found["results"] if one["resource"] == "Book"]
    assert not [one for one in books if one["verdict"] == "fail"], ran.output
    assert "PERMISSION_DENIED" in next(one["text"] for one in books if one["number"] == 35)


def test_a_server_without_reflection_or_at_no_address_is_told_in_one_line(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["verify", "127.0.0.1:1", "--timeout", "2"])
    assert (ran.exit_code, "Traceback" in ran.output) == (1, False)
    assert "the server cannot be asked what it serves: UNAVAILABLE" in ran.output
