"""Messages of ours that a contract answers with go into its client package as the contract's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from protoplane.cli.scaffold import Wish, scaffold
from protoplane.cli.stripping import generated, stripped
from tests.cli.kit import contract_of, make_project, run

SERVER = Path(__file__).resolve().parents[2] / "server"

USE = """\
import protoplane.base.limits
from library.v1 import library_pb2
from archive.v1 import archive_pb2
for module in (library_pb2, archive_pb2):
    page = module.AggregateBooksResponse()
    page.groups.add().values["count"].int64_value = 7
    again = module.AggregateBooksResponse.FromString(page.SerializeToString())
    assert again.groups[0].values["count"].WhichOneof("value") == "int64_value"
from library.v1.protoplane.v1.aggregate_pb2 import AggregateGroup
assert type(library_pb2.AggregateBooksResponse().groups.add()) is AggregateGroup
"""


def aggregating(folder: Path) -> Path:
    """A project with AggregateBooks."""
    project = make_project(folder)
    proto = project / "protos/library/v1/library.proto"
    proto.write_text(scaffold(proto.read_text(), Wish("Book", methods=("Aggregate",))))
    return project


def test_their_files_stand_below_the_contracts_own_before_those_that_need_them(tmp_path: Path) -> None:
    contract = contract_of(aggregating(tmp_path))
    files = stripped(contract)
    names = [file.name for file in files.file]
    assert generated(contract, files) == ["library/v1/protoplane/v1/aggregate.proto", "library/v1/library.proto"]
    for file in files.file:
        assert names.index(file.name) > max((names.index(needed) for needed in file.dependency), default=-1)
    assert b".protoplane.v1." not in files.SerializeToString().replace(b".library.v1.protoplane.v1.", b"")


def test_two_clients_are_used_in_one_process_beside_the_server(tmp_path: Path) -> None:
    project = aggregating(tmp_path / "library")
    other = tmp_path / "archive"
    (other / "protos/archive/v1").mkdir(parents=True)
    text = (project / "protos/library/v1/library.proto").read_text().replace("library", "archive")
    (other / "protos/archive/v1/archive.proto").write_text(text)
    (other / "protoplane.toml").write_text((project / "protoplane.toml").read_text().replace("library", "archive"))
    paths = []
    for one in (project, other):
        out = one / "client"
        done = run("generate", "--lang", "python", "--out", out, "--project", one)
        assert done.exit_code == 0, done.output
        paths.append(str(out / "src"))
    path = ":".join([str(SERVER), *paths])
    used = subprocess.run([sys.executable, "-c", USE], env={"PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=60)
    assert used.returncode == 0, used.stderr
