"""Every foreign contract is read without a finding, served on every engine, and behaves: `protoplane verify` finds what is there to find."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from protoplane.cli.main import main
from tests.engines import Database
from tests.foreign import project, served


@dataclass(frozen=True)
class Case:
    """What verify is told of a contract, how many checks can be made at least, and what is rightly told of it."""

    passes: int
    parents: dict[str, str] = field(default_factory=dict)
    """Where the contract has no method that makes parents."""
    true: frozenset[tuple[int, str]] = frozenset()


TENANT = "projects/p/tenants/t"
PLACE = "projects/p/locations/l"
MASKED = 35
"""The contract calls `update_mask` REQUIRED; the AIP has callers leave it out."""

CASES = {
    "books": Case(61, true=frozenset({(MASKED, "Book")})),
    "secrets": Case(49, {"Secret": "projects/p"}, frozenset({(MASKED, "Secret")})),
    "pubsub": Case(97, {"Topic": "projects/p", "Subscription": "projects/p"}, frozenset({(MASKED, "Topic")})),
    "talent": Case(99, {"Company": TENANT, "Job": TENANT}),
    "registry": Case(150, {"Repository": PLACE, "UserEvent": PLACE, "ProjectSettings": "projects/p"}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_foreign_contract_is_served_as_it_is_and_behaves(tmp_path: Path, database: Database, name: str) -> None:
    case = CASES[name]
    examples, results = tmp_path / "examples.json", tmp_path / "found.json"
    examples.write_text(json.dumps({kind: {"@parent": parent} for kind, parent in case.parents.items()}))
    with served(project(tmp_path / name, name, database.url)) as guest:
        words = ["verify", guest.target, "--seed", name, "--data", str(examples), "--json", str(results)]
        ran = CliRunner().invoke(main, words, env={"PROTOPLANE_TOKEN": guest.token}, catch_exceptions=False)
    found: dict[str, Any] = json.loads(results.read_text())
    wrong = {(one["number"], one["resource"]) for one in found["results"] if one["verdict"] in {"fail", "should"}}
    assert wrong == case.true, ran.output
    assert (found["left"], found["stopped"]) == ([], "")
    assert found["counts"]["pass"] >= case.passes
