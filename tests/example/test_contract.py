"""The example's contract has no fault, and its Python is typed as a team's would be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.door.running import done
from tests.engines.cache import CACHE
from tests.example import EXAMPLE, copy


@pytest.fixture
def example(tmp_path: Path) -> Path:
    return copy(tmp_path)


def test_there_is_nothing_to_mend(example: Path) -> None:
    assert "nothing to mend: 8 resources, 55 methods" in done("lint", folder=example).stderr


def mypy(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """Run mypy as a team does, with Protoplane installed; its cache is kept between runs."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={CACHE / 'mypy-example'}", *files]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"MYPYPATH": "stubs"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_the_code_is_strictly_typed_against_the_stubs(example: Path) -> None:
    """And the stubs are good for something: what the contract does not have is an error."""
    done("stubs", folder=example)
    for file in ("servicers.py", "data.py", "staff.py", "load.py"):
        checked = mypy(example, file)
        assert checked.returncode == 0, checked.stdout
    servicers = (example / "servicers.py").read_text()
    assert servicers.count("request.resolution)") == 1
    (example / "servicers.py").write_text(servicers.replace("request.resolution)", "request.solution)"))
    checked = mypy(example, "servicers.py")
    assert '"ResolveIncidentReportRequest" has no attribute "solution"' in checked.stdout


def test_every_permission_granted_is_one_that_a_method_asks_for(example: Path) -> None:
    """As `dev` checks when it starts; a grant of nothing would be a slip of the pen."""
    plan = done("plan", "--json", folder=example).stdout
    for permission in ("flights.proposeRebooking", "desks.create", "weatherObservations.create"):
        assert f'"rule": "{permission}"' in plan
    assert (EXAMPLE / "protoplane.toml").read_text().count("schedule-loader") == 1
