"""The classes of a client package: for contracts with awkward names, and as mypy sees them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from protoplane.cli.scaffold import Wish, scaffold
from tests.cli.kit import LIBRARY, Shelf, contract_of, make_project, run, serving

DEFINITIONS = """
option (google.api.resource_definition) = {
  type: "pubsub.example.com/Topic"
  pattern: "projects/{project}/topics/{topic}"
  pattern: "organizations/{organization}/topics/{topic}"
  pattern: "*"
};
option (google.api.resource_definition) = {
  type: "files.example.com/Format"
  pattern: "classes/{class}/formats/{format}/settings"
};
"""

ODD = """
// Odd names. They have \\ and \\"\\"\\" and "quotes"
message OddRequest {
  string self = 1;
  string request = 2;
  string class = 3;
  repeated Binding bindings = 4;
  map<string, Place> places = 5;
  string request_id = 6;
}
message OddResponse {
  string told = 1;
}
"""

METHODS = """
  // Is called as a word that Python keeps for itself. \\ \\"\\"\\" "quoted"
  rpc Import(OddRequest) returns (OddResponse) {
    option (protoplane.v1.rule).public = true;
  }
  rpc Close(OddRequest) returns (OddResponse) {
    option (protoplane.v1.rule).public = true;
  }
  rpc Tail(OddRequest) returns (stream OddResponse) {
    option (protoplane.v1.rule).public = true;
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  rpc Push(stream OddRequest) returns (OddResponse) {
    option (protoplane.v1.rule).public = true;
  }
"""

SERVICER = """\
from protoplane.method.custom import Servicer

class Library(Servicer, service="library.v1.Library"):
    def import_(self, call, request): ...
    def close(self, call, request): ...
    def tail(self, call, request): yield from ()
    def push(self, call, request): ...
"""

USE = """\
from library.v1 import library_pb2
from library.v1.client import LibraryClient
from library.v1.names import BookName, FormatName, OrganizationTopicName, TopicName
from library.v1.runtime import CallError, InvalidName

def use(client: LibraryClient) -> str:
    for book in client.list_books(parent="publishers/p", page_size=3):
        title: str = book.title
    for page in client.list_books(library_pb2.ListBooksRequest(parent="publishers/p")).pages:
        token: str = page.next_page_token
    try:
        told: str = client.with_options(timeout_seconds=1.0).import_(
            self_="s", request_="r", class_="c", bindings=["BINDING_SOFT"], places={"p": library_pb2.Place()}
        ).told
    except CallError as error:
        return error.reason
    with client.tail(class_="c") as tail:
        for answer in tail:
            told += answer.told
    return BookName.parse("publishers/p/books/b").publisher + told
"""

WRONG = """\
from library.v1.client import LibraryClient

def use(client: LibraryClient) -> None:
    client.get_book(nmae="publishers/p/books/b")
    client.get_book(name=3)
    client.list_books(parent="publishers/p").title
    client.push()
"""

RUN = """\
import sys
from library.v1.names import BookName, FormatName, OrganizationTopicName, TopicName
from library.v1.client import LibraryClient
assert TopicName.parse("projects/a/topics/b") == TopicName(project="a", topic="b")
assert OrganizationTopicName(organization="o", topic="-").format() == "organizations/o/topics/-"
odd = FormatName.parse("classes/c/formats/f/settings")
assert (odd.class_, odd.format_, odd.format(), odd.parent) == ("c", "f", "classes/c/formats/f/settings", "classes/c/formats/f")
assert LibraryClient.import_.__doc__.startswith("Is called as a word")
assert LibraryClient.close_ is not LibraryClient.close
assert not hasattr(LibraryClient, "push")
assert not [name for name in sys.modules if name.startswith(("protoplane", "google.rpc"))], "what is not needed is not imported"
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of a client of an odd contract."""
    folder = make_project(tmp_path_factory.mktemp("odd"))
    proto = folder / "protos/library/v1/library.proto"
    text = proto.read_text()
    head, brace, rest = text.partition("service Library {")
    assert brace
    text = head + brace + METHODS + rest + ODD
    assert "\n// Kinds" in text
    proto.write_text(text.replace("\n// Kinds", f"{DEFINITIONS}\n// Kinds"))
    (folder / "servicers.py").write_text(SERVICER)
    out = folder / "client"
    done = run("generate", "--lang", "python", "--out", out, "--project", folder)
    assert done.exit_code == 0, done.output
    return out / "src"


def test_awkward_names_are_names_that_python_has(odd: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", RUN], cwd=odd, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_program_that_uses_a_client_is_checked_strictly(odd: Path) -> None:
    right = checked(odd, USE)
    assert right.returncode == 0, right.stdout
    wrong = checked(odd, WRONG)
    found = [line for line in wrong.stdout.splitlines() if ": error:" in line]
    assert [line.rpartition("[")[2] for line in found] == ["call-arg]", "arg-type]", "attr-defined]", "attr-defined]"], wrong.stdout


def checked(source: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Check a program, and with it the package but for what the standard generator wrote, which has no type arguments."""
    (source / "program.py").write_text(text)
    (source / "mypy.ini").write_text(
        "[mypy]\nstrict = True\n[mypy-library.v1.library_pb2]\nignore_errors = True\n[mypy-google.*]\nignore_missing_imports = True\n"
    )
    command = [sys.executable, "-m", "mypy", "--namespace-packages", "--explicit-package-bases", "--cache-dir=.mypy", "program.py"]
    return subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)


@pytest.fixture
def two(tmp_path: Path) -> Callable[[str], Path]:
    """Make a project with a second service of the same shape in a package of its own."""

    def make(package: str) -> Path:
        project = make_project(tmp_path / "project")
        other = LIBRARY.replace("package library.v1", f"package {package}").replace("library.example.com", "second.example.com")
        other = other.replace("message Publisher", "message Owner").replace("publisher", "owner").replace("/Publisher", "/Owner")
        proto = project / "protos" / package.replace(".", "/") / "second.proto"
        proto.parent.mkdir(parents=True)
        proto.write_text(scaffold(other.partition("// A book")[0], Wish("Owner")))
        return project

    return make


def test_services_of_two_folders_share_one_runtime(two: Callable[[str], Path], tmp_path: Path) -> None:
    out = tmp_path / "client"
    done = run("generate", "--lang", "python", "--out", out, "--project", two("second.v1"))
    assert done.exit_code == 0, done.output
    assert len(list((out / "src").rglob("runtime"))) == 1
    program = (
        "from library.v1.client import LibraryClient; from second.v1.client import SecondClient; from second.v1.names import OwnerName;"
        "assert LibraryClient.__mro__[1] is SecondClient.__mro__[1]; OwnerName.parse('owners/o')"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=out / "src", capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_folder_that_cannot_be_imported_is_refused_by_name(two: Callable[[str], Path], tmp_path: Path) -> None:
    refused = run("generate", "--lang", "python", "--out", tmp_path / "client", "--project", two("library.v1.import"))
    assert refused.exit_code == 1
    assert "Python keeps 'import' for itself" in refused.output


def test_the_first_call_of_the_readme_works(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    out = tmp_path / "client"
    assert run("generate", "--lang", "python", "--out", out, "--project", project).exit_code == 0
    block = (out / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    shelf = Shelf(contract_of(project))
    with serving(shelf) as address:
        assert "127.0.0.1:50051" in block
        program = block.replace("127.0.0.1:50051", address)
        ran = subprocess.run([sys.executable, "-c", program], cwd=out / "src", capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert shelf.tokens == ["Bearer TOKEN"]
