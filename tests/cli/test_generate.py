"""The client package needs nothing of ours, installs with pip, and calls a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from protoplane.cli.stripping import stripped
from tests.cli.kit import Shelf, contract_of, make_project, run, serving

CALL = """\
import sys
from library.v1 import library_pb2, library_pb2_grpc
from library.v1.channel import connect
with connect(sys.argv[1]) as channel:
    library = library_pb2_grpc.LibraryStub(channel)
    made = library.CreatePublisher(library_pb2.CreatePublisherRequest(publisher_id="p", publisher={"title": "T"}), timeout=10)
    listed = library.ListPublishers(library_pb2.ListPublishersRequest(page_size=2), timeout=10)
assert [each.name for each in listed.publishers] == [made.name] == ["publishers/p"], listed
from google.api import resource_pb2
kept = library_pb2.Book.DESCRIPTOR.GetOptions().Extensions[resource_pb2.resource]
assert kept.type == "library.example.com/Book", kept
from library.v1.client import LibraryClient
with LibraryClient(sys.argv[1], insecure=True) as client:
    assert [each.name for each in client.list_publishers(page_size=1)] == [made.name]
assert not [name for name in sys.modules if name.startswith(("protoplane", "buf", "protovalidate"))]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("library"))
    proto = folder / "protos/library/v1/library.proto"
    text = proto.read_text().replace(
        'import "google/api/resource.proto";', 'import "google/api/resource.proto";\nimport "google/longrunning/operations.proto";'
    )
    proto.write_text(
        text + '\nmessage Renamed {\n  string odd = 1 [json_name = "veryOdd"];\n  google.longrunning.Operation operation = 2;\n}\n'
    )
    return folder


def test_no_trace_of_ours_remains_and_public_annotations_stay(project: Path) -> None:
    files = stripped(contract_of(project))
    names = [file.name for file in files.file]
    assert not [name for name in names if name.startswith(("protoplane", "buf"))]
    data = files.SerializeToString()
    assert b"protoplane" not in data
    assert b"buf/validate" not in data
    assert b"books.get" not in data
    assert b"library.example.com/Book" in data
    for file in files.file:
        assert names.index(file.name) > max((names.index(needed) for needed in file.dependency), default=-1)


@pytest.mark.timeout(600)
def test_the_package_installs_and_calls_a_server(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "client"
    done = run("generate", "--lang", "python", "--out", out, "--project", project)
    assert done.exit_code == 0, done.output
    assert "runs with protobuf ≥" in done.output
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert files == {
        "pyproject.toml",
        "README.md",
        *(f"src/library/v1/{name}" for name in ("library_pb2.py", "library_pb2.pyi", "library_pb2_grpc.py", "py.typed")),
        *(f"src/library/v1/{name}" for name in ("channel.py", "client.py", "names.py")),
        *(f"src/library/v1/runtime/{name}.py" for name in ("__init__", "calls", "errors", "names", "paging", "streams")),
        "src/library/v1/runtime/py.typed",
    }
    site = tmp_path / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        str(site),
        str(out),
    ]
    installed = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    assert (site / "library/v1/py.typed").exists()
    with serving(Shelf(contract_of(project))) as address:
        called = subprocess.run([sys.executable, "-c", CALL, address], cwd=site, capture_output=True, text=True, check=False)
    assert called.returncode == 0, called.stderr
    assert '"veryOdd"' not in CALL
    assert b"veryOdd" in (site / "library/v1/library_pb2.py").read_bytes()


LOST = """\
import sys
import grpc
from library.v1 import library_pb2, library_pb2_grpc
from library.v1.channel import connect
request = library_pb2.CreatePublisherRequest(publisher={"title": "T"})
with connect(sys.argv[1]) as channel:
    library = library_pb2_grpc.LibraryStub(channel)
    made = [library.CreatePublisher(request, timeout=10).name for _ in range(2)]
    later = library.CreatePublisher.future(request, timeout=10).result().name
    listed = library.ListPublishers(library_pb2.ListPublishersRequest(page_size=3), timeout=10).publishers
    try:
        library.ListPublishers(library_pb2.ListPublishersRequest(), timeout=10)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.ABORTED, error
    else:
        raise AssertionError("only UNAVAILABLE is tried again")
assert sorted(each.name for each in listed) == sorted({*made, later}), listed
assert len({*made, later}) == 3, made
assert not request.request_id
"""


def test_answers_that_are_lost_are_asked_for_again_without_a_second_effect(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "client"
    assert run("generate", "--lang", "python", "--out", out, "--project", project).exit_code == 0
    lost, answered = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.OK
    shelf = Shelf(contract_of(project), failures=[lost, lost, answered, lost, answered, lost, answered, lost, answered])
    shelf.failures.append(grpc.StatusCode.ABORTED)
    with serving(shelf) as address:
        called = subprocess.run([sys.executable, "-c", LOST, address], cwd=out / "src", capture_output=True, text=True, check=False)
    assert called.returncode == 0, called.stderr


def test_a_package_is_replaced_and_anything_else_is_not(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "client"
    assert run("generate", "--lang", "python", "--out", out, "--project", project).exit_code == 0
    (out / "src/library/v1/gone_pb2.py").write_text("")
    assert run("generate", "--lang", "python", "--out", out, "--project", project, "--version", "2.0.0").exit_code == 0
    assert not (out / "src/library/v1/gone_pb2.py").exists()
    assert 'version = "2.0.0"' in (out / "pyproject.toml").read_text()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    refused = run("generate", "--lang", "python", "--out", other, "--project", project)
    assert refused.exit_code == 1
    assert "holds something else" in refused.output


def test_a_type_of_ours_in_the_contract_is_refused_by_name(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    proto = project / "protos/library/v1/library.proto"
    text = proto.read_text().replace(
        'import "protoplane/v1/options.proto";', 'import "protoplane/v1/options.proto";\nimport "protoplane/v1/reason.proto";'
    )
    proto.write_text(text + "\nmessage Refusal {\n  protoplane.v1.Reason reason = 1;\n}\n")
    refused = run("generate", "--lang", "python", "--out", tmp_path / "client", "--project", project)
    assert refused.exit_code == 1
    assert "uses the type protoplane.v1.Reason" in refused.output


def test_a_generator_that_cannot_run_is_said(project: Path, tmp_path: Path) -> None:
    done = run("generate", "--lang", "python", "--out", tmp_path / "c", "--project", project, "--generator", tmp_path / "no-python")
    assert done.exit_code == 1
    assert "the generator did not run" in done.output
