"""Every case that the conformance suite has for a gRPC server: it passes, or a list says why it does not."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.messages import compile_protos

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KNOWN_FAILING, TELLING_MORE = HERE / "known_failing.txt", HERE / "telling_more.txt"

CASES = 570
"""Of the pinned version with `config.yaml`: a run of fewer proves less."""

FAILED = re.compile(r"^INFO: (.+) failed \(as expected\):\n((?:\t.*\n)+)", re.MULTILINE)


POISON = "gRPC Unexpected Requests/**/unexpected-compression"
"""Run apart from the rest: until the server's settings have come the client keeps headers in the compression table of its connection,
and one that cannot be parsed spoils later calls of the same connection. The suite has few connections; callers have their own."""


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite's contracts, compiled."""
    made = tmp_path_factory.mktemp("conformance") / "files.binpb"
    compile_protos(made)
    return made


@pytest.mark.parametrize(("chosen", "cases"), [(f"--skip={POISON}", CASES - 2), (f"--run={POISON}", 2)], ids=["all", "poison"])
def test_every_case_passes_or_fails_for_a_reason_that_is_written_down(
    connectconformance: Path, descriptors: Path, chosen: str, cases: int
) -> None:
    suite = [str(connectconformance), "--mode=server", f"--conf={HERE / 'config.yaml'}", chosen]
    # Of files named to it, the suite reads the first.
    known = [f"--known-failing={pattern}" for path in (KNOWN_FAILING, TELLING_MORE) for pattern in patterns(path)]
    server = [sys.executable, "-m", "tests.conformance.server", str(descriptors)]
    command = [*suite, *known, "--", *server]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, timeout=120, check=False)
    print(done.stdout)
    assert done.returncode == 0
    assert f"Total cases: {cases}\n" in done.stdout
    for sign in ("Check failure", "Traceback"):  # The suite does not look at how a server ends, nor at what it prints.
        assert sign not in done.stdout
    differences = [found for name, found in FAILED.findall(done.stdout) if is_listed(name, TELLING_MORE)]
    assert set(differences) <= {"\tactual error contain 2 details; expecting 0\n"}


def patterns(path: Path) -> list[str]:
    """What is listed, all of it in the form `SUITE/**/CASE`."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def is_listed(name: str, path: Path) -> bool:
    """Whether a case is among them."""
    pairs = (pattern.split("/**/") for pattern in patterns(path))
    return any(name.startswith(f"{suite}/") and name.endswith(f"/{case}") for suite, case in pairs)
