"""What the change log adds to a write: the example against itself with its flights left out of the log, on the same rows."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import compare
from tests.bench.cases import CASES, Round
from tests.bench.contract import PROJECT
from tests.bench.with_protoplane import serve

WRITES = ("create", "update")
STORED = "option (protoplane.v1.storage) = {"


def project_without_log(folder: Path) -> Path:
    """A copy of the example whose resources are not logged."""
    copy = folder / "project"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns(".*", "data"))
    for proto in copy.glob("protos/**/*.proto"):
        proto.write_text(proto.read_text("utf-8").replace(STORED, f"{STORED}\n    unlogged: true"), "utf-8")
    return copy


def added(url: str, turns: Iterator[Round], *, rounds: int, connections: int, absolute: bool) -> None:
    """Print the ratios of logged writes to unlogged ones."""
    with TemporaryDirectory(prefix="protoplane-bench-") as folder, ExitStack() as stack:
        without = project_without_log(Path(folder))
        servings = [stack.enter_context(serve(url, name="logged")), stack.enter_context(serve(url, project=without, name="unlogged"))]
        names = [serving.name for serving in servings]
        print(compare.head(names).replace("ours", "logged"), flush=True)
        for case in (case for case in CASES if case.name in WRITES):
            measured = [
                {serving.name: compare.measure(case, serving, next(turns), connections) for serving in servings} for _ in range(rounds)
            ]
            print(compare.line(case, measured, names), flush=True)
            if absolute:
                print(*compare.figures(measured, names), sep="\n", flush=True)
