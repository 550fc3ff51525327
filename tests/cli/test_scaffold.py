"""Scaffolding adds what is missing, once, and leaves every byte of what was there."""

from __future__ import annotations

import difflib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protoplane.cli.noun import METHODS, OF_MANY
from protoplane.cli.scaffold import CannotScaffold, Wish, scaffold
from protoplane.cli.source import UnreadableProto, read_proto
from protoplane.cli.words import plural_of, pluralised
from protoplane.contract.load import load
from protoplane.contract.sources import include_roots
from tests.cli.kit import LIBRARY, run

HEADER = '// Ours.\nsyntax = "proto3";\n\npackage library.v1; // trailing\n'
BUF = """\
version: v2
modules: [{path: protos}, {path: include}]
lint:
  use: [STANDARD]
  except: [RPC_REQUEST_RESPONSE_UNIQUE, RPC_RESPONSE_STANDARD_NAME, SERVICE_SUFFIX]
  ignore: [include]
"""


KEPT = (
    HEADER
    + """
import "google/api/field_behavior.proto";
import "google/api/resource.proto";
import "google/protobuf/timestamp.proto";

message Shelf {
  string title = 1;
  google.protobuf.Timestamp delete_time = 2 [(google.api.field_behavior) = OUTPUT_ONLY];
}
message Board {
  option (google.api.resource) = {type: "library.example.com/Board" pattern: "shelves/{shelf}/boards/{board}"};
  string name = 1;
}
message ShelfPlan {
  option (google.api.resource) = {type: "library.example.com/ShelfPlan" pattern: "shelves/{shelf}/plan"};
  string name = 1;
}
"""
)
"""A resource that is kept when it is deleted, with a child and a singleton."""


def findings(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "library/v1/library.proto"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
    return [str(finding) for finding in load([tmp_path]).findings]


def rules_of(text: str) -> dict[str, str]:
    """What the methods of a file ask for."""
    return dict(re.findall(r"rpc (\w+)\(.*\n    option \(protoplane\.v1\.rule\)\.(.*);", text))


def kept_lines(before: str, after: str) -> bool:
    """Whether `after` is `before` with lines put in between."""
    return all(
        line[0] != "-" for line in difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True)) if line[0] != "?"
    )


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        (HEADER, [Wish("Shelf")]),
        (HEADER, [Wish("Publisher", http=True), Wish("Book", parent="Publisher", http=True), Wish("APIKey", parent="Book")]),
        (LIBRARY, [Wish("Publisher"), Wish("Book")]),
        (HEADER + "message Shelf {}\n", [Wish("Shelf")]),
        (LIBRARY, [Wish("Publisher", methods=("Aggregate",)), Wish("Book", methods=("Get", "Aggregate"), http=True)]),
        (HEADER + "message Shelf { // c\n  string title = 1; // t\n}", [Wish("Shelf")]),
        (HEADER + "message Shelf { string title = 1; reserved 2 to 4; oneof x { string y = 9; } }", [Wish("Shelf")]),
        (HEADER + "service Other {}\nmessage Shelf {\n  string name = 1;\n}\n", [Wish("Shelf")]),
        ((HEADER + "message Shelf {\n  string title = 1;\n}\n").replace("\n", "\r\n"), [Wish("Shelf")]),
        (KEPT, [Wish("Shelf", http=True), Wish("ShelfPlan", http=True)]),
        (HEADER, [Wish("Shelf"), Wish("Author"), Wish("Book", "Shelf", http=True, more_parents=("Author",)), Wish("Page", "Book")]),
    ],
)
def test_what_is_scaffolded_has_no_findings_and_a_second_run_adds_nothing(tmp_path: Path, text: str, wishes: list[Wish]) -> None:
    after = text
    for wish in wishes:
        after = scaffold(after, wish)
    assert findings(tmp_path, after) == []
    for wish in wishes:
        assert scaffold(after, wish) == after
    if "\r\n" in text:
        assert after.count("\r\n") == after.count("\n")


@pytest.mark.parametrize("body", ["{}", "{\n}", "{ // c\n}", "{\n\n}", "{ }", "{\n  // c\n}", "{ }\n// c"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_first_methods_of_an_empty_service_have_no_empty_line_at_its_ends(tmp_path: Path, body: str, newline: str) -> None:
    """As `buf format` wants it."""
    text = f"{HEADER}service Library {body}\n\nmessage Shelf {{\n  string name = 1;\n}}\n"
    after = scaffold(text.replace("\n", newline), Wish("Shelf")).replace("\r\n", "\n")
    assert findings(tmp_path, after) == []
    assert "\n\n}" not in after
    assert not re.search(r"\{[^\n]*\n\n", after)
    assert re.search(r"^\}", after[after.index("service Library") :], re.MULTILINE)


def test_a_resource_below_parents_of_two_kinds_has_a_pattern_for_each(tmp_path: Path) -> None:
    file = tmp_path / "protos/library/v1/library.proto"
    file.parent.mkdir(parents=True)
    (tmp_path / "protoplane.toml").write_text('[project]\nname = "library"\n')
    file.write_text(scaffold(scaffold(HEADER, Wish("Shelf")), Wish("Author")))
    done = run("scaffold", "Book", "--parent", "Shelf", "--parent", "Author", "--http", "--project", tmp_path)
    assert done.exit_code == 0, done.output
    text = file.read_text()
    assert '    pattern: "shelves/{shelf}/books/{book}"\n    pattern: "authors/{author}/books/{book}"\n' in text
    assert "  // Format: shelves/{shelf} or authors/{author}\n" in text
    assert 'additional_bindings {get: "/v1/{parent=authors/*}/books"}' in text
    text = scaffold(text, Wish("Page", "Book"))
    assert "  // Format: shelves/{shelf}/books/{book} or authors/{author}/books/{book}\n  string parent" in text


def test_what_a_resource_can_have_decides_what_is_scaffolded() -> None:
    file = read_proto(scaffold(scaffold(KEPT, Wish("Shelf")), Wish("ShelfPlan")))
    names = [rpc.name for rpc in next(file.all("service")).inner]
    assert [name for name in names if "Plan" in name] == ["GetShelfPlan", "UpdateShelfPlan"]
    assert {"DeleteShelf", "BatchDeleteShelves", "UndeleteShelf"} <= set(names)
    assert "bool show_deleted" in file.text
    assert "bool force" in file.text
    assert "returns (google.protobuf.Empty)" not in file.text


SHARED = (
    HEADER
    + """
import "google/api/resource.proto";
import "protoplane/v1/options.proto";

message Shelf {
  option (google.api.resource) = {type: "library.example.com/Shelf" pattern: "shelves/{shelf}"};
  option (protoplane.v1.access) = {
    relation: {name: "editor" is: "[user]" grant: "editor" creator: true}
  };
  string name = 1;
}
message Book {
  option (google.api.resource) = {type: "library.example.com/Book" pattern: "shelves/{shelf}/books/{book}"};
  option (protoplane.v1.access) = {
    relation: {name: "shelf" is: "[shelf]" field: "name"}
    relation: [{name: "viewer", is: "[user, user:*] or editor"}, {name: "editor", is: "editor from shelf"}]
  };
  string name = 1;
}
message Page {
  option (google.api.resource) = {type: "library.example.com/Page" pattern: "shelves/{shelf}/books/{book}/pages/{page}"};
  string name = 1;
}
"""
)
"""A shelf with editors, books with viewers and editors, pages with neither."""


def test_methods_ask_for_relations_where_they_are_called_as_is_the_custom(tmp_path: Path) -> None:
    text = SHARED
    for name in ("Shelf", "Book", "Page"):
        text = scaffold(text, Wish(name, methods=(*METHODS, "Aggregate")))
    rules = rules_of(text)
    assert {name: rule for name, rule in rules.items() if "Pag" not in name} == {
        "GetShelf": 'permission = "shelves.get"',
        "BatchGetShelves": 'permission = "shelves.get"',
        "ListShelves": 'permission = "shelves.list"',
        "AggregateShelves": 'permission = "shelves.list"',
        "CreateShelf": 'permission = "shelves.create"',
        "BatchCreateShelves": 'permission = "shelves.create"',
        "UpdateShelf": 'check = "editor"',
        "BatchUpdateShelves": 'check = "editor"',
        "DeleteShelf": 'check = "editor"',
        "BatchDeleteShelves": 'check = "editor"',
        "GetBook": 'check = "viewer"',
        "BatchGetBooks": 'check = "viewer"',
        "ListBooks": 'scope = "viewer"',
        "AggregateBooks": 'scope = "viewer"',
        "CreateBook": 'check = "editor"',
        "BatchCreateBooks": 'check = "editor"',
        "UpdateBook": 'check = "editor"',
        "BatchUpdateBooks": 'check = "editor"',
        "DeleteBook": 'check = "editor"',
        "BatchDeleteBooks": 'check = "editor"',
    }
    assert all(rule.startswith("permission") for name, rule in rules.items() if "Pag" in name)
    assert not [found for found in findings(tmp_path, text) if not found.startswith("protoplane/access/v1/")]  # Python of the server's own.


def test_of_a_resource_with_several_patterns_permissions_are_asked() -> None:
    """Relations to it are not served."""
    second = 'pattern: "shelves/{shelf}/books/{book}" pattern: "books/{book}"'
    text = scaffold(SHARED.replace('pattern: "shelves/{shelf}/books/{book}"}', f"{second}}}"), Wish("Book"))
    assert {rule.partition(" ")[0] for rule in rules_of(text).values()} == {"permission"}


@given(methods=st.sets(st.sampled_from(METHODS), min_size=1), http=st.booleans(), cut=st.booleans())
def test_any_part_of_it_is_completed_without_touching_a_line(methods: set[str], *, http: bool, cut: bool) -> None:
    chosen = tuple(method for method in METHODS if method in methods)
    part = scaffold(LIBRARY.rstrip("\n") if cut else LIBRARY, Wish("Book", methods=chosen, http=http))
    whole = scaffold(part, Wish("Book"))
    assert kept_lines(part, whole)
    assert scaffold(whole, Wish("Book")) == whole
    file = read_proto(whole)
    names = [message.name for message in file.all("message")]
    assert len(names) == len(set(names))
    (service,) = file.all("service")
    assert sorted(rpc.name for rpc in service.inner) == sorted(f"{m}{'Books' if m in OF_MANY else 'Book'}" for m in METHODS)


def test_methods_and_messages_of_ones_own_stay_as_they_are(tmp_path: Path) -> None:
    own = "message GetBookRequest { string name=1;/* mine */ }\nservice Desk { rpc GetBook (GetBookRequest) returns (Book); }\n"
    after = scaffold(LIBRARY + own, Wish("Book"))
    assert own.split("}\n", maxsplit=1)[0] in after
    assert "rpc GetBook (GetBookRequest) returns (Book);" in after
    assert after.count("GetBookRequest {") == 1
    assert any("rule-missing" in finding for finding in findings(tmp_path, after))


def test_buf_finds_nothing_to_format_and_nothing_to_say(tmp_path: Path) -> None:
    buf = Path(sys.executable).with_name("buf")
    assert buf.exists(), "install the dev requirements"
    google, own = include_roots()[-1] / "google", include_roots()[0]
    include = tmp_path / "include"
    for kind in ("api", "longrunning"):
        for proto in (google / kind).glob("*.proto"):
            target = include / "google" / kind / proto.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(proto, target)
    shutil.copytree(own / "third_party/buf", include / "buf")
    shutil.copytree(own / "protoplane", include / "protoplane")
    (tmp_path / "buf.yaml").write_text(BUF, encoding="utf-8")
    text = HEADER
    for wish in (
        Wish("Publisher", http=True),
        Wish("Book", parent="Publisher", methods=("Get", "Aggregate")),
        Wish("WeatherStation", http=True),
    ):
        text = scaffold(text, wish)
    file = tmp_path / "protos/library/v1/library.proto"
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    for command in (["format", "--exit-code", "-d"], ["lint"]):
        done = subprocess.run([buf, *command, "--path", "protos/library"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "wish", "problem"),
    [
        ('syntax = "proto3";\n', Wish("Shelf"), "no `package`"),
        (HEADER, Wish("Book", parent="Publisher"), "scaffold it first"),
        (LIBRARY.replace("publishers/{publisher}", "publishers/{publisher=**}"), Wish("Publisher"), "is not of the form"),
    ],
)
def test_what_cannot_be_scaffolded_is_said(text: str, wish: Wish, problem: str) -> None:
    with pytest.raises(CannotScaffold, match=problem):
        scaffold(text, wish)


def test_a_file_that_is_not_finished_is_named_by_line() -> None:
    with pytest.raises(UnreadableProto, match="line 5: 'message' is not finished"):
        read_proto(HEADER + "message Shelf {\n")


@pytest.mark.parametrize(
    ("word", "plural"),
    [
        ("shelf", "shelves"),
        ("city", "cities"),
        ("key", "keys"),
        ("box", "boxes"),
        ("person", "people"),
        ("aircraft", "aircraft"),
        ("note", "notes"),
    ],
)
def test_plurals(word: str, plural: str) -> None:
    assert plural_of(word) == plural


def test_plurals_of_compounds_end_with_the_plural_of_their_last_word() -> None:
    assert pluralised("WeatherStation") == "weatherStations"
    assert pluralised("APIKey") == "apiKeys"


def test_the_command_finds_the_file_and_writes_it(tmp_path: Path) -> None:
    assert run("new", "library", "--into", tmp_path / "library").exit_code == 0
    project = tmp_path / "library"
    done = run("scaffold", "Shelf", "--project", project)
    assert done.exit_code == 0, done.output
    assert "lines added for Shelf" in done.output
    again = run("scaffold", "Shelf", "--project", project)
    assert "nothing to add for Shelf" in again.output
    assert run("lint", "--project", project).exit_code == 0


def test_a_message_name_is_asked_for_in_its_form(tmp_path: Path) -> None:
    done = run("scaffold", "shelf-x", "--project", tmp_path)
    assert done.exit_code == 2
    assert "a message name such as Shelf" in done.output
