"""`protoplane breaking`: every change that breaks clients is found at its place, and none that does not (AIP-180)."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import CliRunner, Result
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from protoplane.cli.main import main
from protoplane.contract import breaks
from protoplane.contract.breaking import breaks as compare
from protoplane.contract.breaks import Break
from protoplane.contract.edition import read_folders
from protoplane.contract.report import Report
from protoplane.contract.sources import compile_files

HEAD = """syntax = "proto3";
package {package};
import "buf/validate/validate.proto";
import "google/api/field_behavior.proto";
import "google/api/field_info.proto";
import "google/api/resource.proto";
import "google/longrunning/operations.proto";
import "google/protobuf/duration.proto";
import "protoplane/v1/options.proto";
"""
RULE = "option (protoplane.v1.rule)"
BEHAVIOR = "(google.api.field_behavior)"
VALID = "(buf.validate.field)"
Text: TypeAlias = Callable[[str], str]


def field(text: str) -> str:
    """Fields of a message that is sent and received."""
    return f"service S {{ rpc Put(Book) returns (Book) {{ {RULE}.authenticated = true; }} }} message Book {{ int32 first = 1;\n{text}\n}}"


def answered(text: str) -> str:
    """Fields of a message that is received only."""
    return f"service S {{ rpc Get(Ask) returns (Book) {{ {RULE}.authenticated = true; }} }} message Ask {{}} message Book {{\n{text}\n}}"


def method(text: str) -> str:
    """Methods of a service."""
    messages = "message Ask {} message Other {} message Page { repeated Ask asks = 1; }"
    return f"service S {{\n{text}\n}} {messages} message Paged {{ repeated Ask asks = 1; string next_page_token = 2; }}"


def rpc(options: str, response: str = "Other") -> str:
    """One method."""
    return f"rpc Do(Ask) returns ({response}) {{ {options} }}"


REFERRING = """
message Loan {
  option (google.api.resource) = {type: "x.com/Loan" pattern: "loans/{loan}"};
  string name = 1;
  string book = 2 [(google.api.resource_reference).type = "x.com/Book"];
}
"""


def resource(option: str, *, kind: str = "x.com/Book", patterns: str = 'pattern: "books/{book}"') -> str:
    """A resource with options."""
    said = f'option (google.api.resource) = {{type: "{kind}" {patterns} singular: "book" plural: "books"}};'
    name = f"string name = 1 [{BEHAVIOR} = IDENTIFIER];"
    fields = "string isbn = 2 [(buf.validate.field).string.max_len = 20]; string title = 3 [(buf.validate.field).string.max_len = 20];"
    return f"message Book {{ {said}\n{option}\n{name} {fields} }}"


def stored(text: str) -> str:
    """A resource with storage options."""
    return resource(f"option (protoplane.v1.storage) = {{ {text} }};")


def ruled(text: str) -> str:
    """A field with rules of its own."""
    return field(f"string a = 2 [{text}];" if text else "string a = 2;")


def related(text: str) -> str:
    """A resource with relations."""
    return resource(f"option (protoplane.v1.access) = {{ {text} }};")


READER, EDITOR = '(protoplane.v1.field).read = "viewer"', '(protoplane.v1.field).read = "editor"'
WRITER, CHIEF = '(protoplane.v1.field).write = "editor"', '(protoplane.v1.field).write = "chief"'
VIEWERS, OWNERS = 'relation: {name: "viewer" is: "[user]"}', 'relation: {name: "owner" is: "[user]"}'
PUBLIC, ANYONE = f"{RULE}.public = true;", f"{RULE}.authenticated = true;"
READ, WRITE = f'{RULE}.permission = "a.read";', f'{RULE}.permission = "a.write";'
OPERATION = 'option (google.longrunning.operation_info) = {{response_type: "{}" metadata_type: "{}"}};'
CHECK, CHECK_OTHER, SCOPE = f'{RULE}.check = "viewer";', f'{RULE}.check = "editor";', f'{RULE}.scope = "viewer";'
UNIQUE = "index: {{ fields: [{}] unique: true }}"

BREAKING: dict[str, tuple[str, str, set[str]]] = {
    "field removed": (field("string a = 2;"), field(""), {"field-removed"}),
    "field removed and reserved": (field("string a = 2;"), field('reserved 2; reserved "a";'), {"field-removed"}),
    "field renamed": (field("string a = 2;"), field("string b = 2;"), {"field-renamed"}),
    "field renumbered": (field("string a = 2;"), field("string a = 3;"), {"field-number"}),
    "field retyped": (field("int32 a = 2;"), field("int64 a = 2;"), {"field-type"}),
    "field retyped to a message": (field("int32 a = 2;"), field("google.protobuf.Duration a = 2;"), {"field-type"}),
    "field repeated": (field("string a = 2;"), field("repeated string a = 2;"), {"field-type"}),
    "map retyped": (field("map<string, int32> a = 2;"), field("map<string, string> a = 2;"), {"field-type"}),
    "field json name": (field("string a = 2;"), field('string a = 2 [json_name = "z"];'), {"field-json-name"}),
    "field into a oneof": (field("string a = 2;"), field("oneof o { string a = 2; int32 b = 3; }"), {"field-oneof"}),
    "field out of a oneof": (field("oneof o { string a = 2; int32 b = 3; }"), field("string a = 2; oneof o { int32 b = 3; }"), {"field-oneof"}),
    "field optional": (field("string a = 2;"), field("optional string a = 2;"), {"field-presence"}),
    "field not optional": (field("optional string a = 2;"), field("string a = 2;"), {"field-presence"}),
    "new required": (field("string a = 2;"), field(f"string a = 2 [{BEHAVIOR} = REQUIRED];"), {"behavior-required"}),
    "new field required": (field(""), field(f"string a = 2 [{BEHAVIOR} = REQUIRED];"), {"behavior-required"}),
    "output only": (field("string a = 2;"), field(f"string a = 2 [{BEHAVIOR} = OUTPUT_ONLY];"), {"behavior-output-only"}),
    "immutable": (field("string a = 2;"), field(f"string a = 2 [{BEHAVIOR} = IMMUTABLE];"), {"behavior-immutable"}),
    "input only": (field("string a = 2;"), field(f"string a = 2 [{BEHAVIOR} = INPUT_ONLY];"), {"behavior-input-only"}),
    "identifier": (resource(""), resource("").replace(f" [{BEHAVIOR} = IDENTIFIER]", ""), {"behavior-identifier"}),
    "rule added": (field("string a = 2;"), field(f"string a = 2 [{VALID}.string.max_len = 5];"), {"rule-stricter"}),
    "bound lowered": (field(f"string a = 2 [{VALID}.string.max_len = 9];"), field(f"string a = 2 [{VALID}.string.max_len = 5];"), {"rule-stricter"}),
    "bound raised": (field(f"int32 a = 2 [{VALID}.int32.gte = 1];"), field(f"int32 a = 2 [{VALID}.int32.gte = 2];"), {"rule-stricter"}),
    "bound exclusive": (field(f"int32 a = 2 [{VALID}.int32.lte = 9];"), field(f"int32 a = 2 [{VALID}.int32.lt = 9];"), {"rule-stricter"}),
    "bound of a time": (
        field(f"google.protobuf.Duration a = 2 [{VALID}.duration.lte = {{seconds: 9}}];"),
        field(f"google.protobuf.Duration a = 2 [{VALID}.duration.lte = {{seconds: 8, nanos: 5}}];"),
        {"rule-stricter"},
    ),
    "pattern changed": (field(f'string a = 2 [{VALID}.string.pattern = "a"];'), field(f'string a = 2 [{VALID}.string.pattern = "b"];'), {"rule-stricter"}),
    "list shorter": (field(f'string a = 2 [{VALID}.string = {{in: ["a", "b"]}}];'), field(f'string a = 2 [{VALID}.string = {{in: ["a"]}}];'), {"rule-stricter"}),
    "exclusion": (field("string a = 2;"), field(f'string a = 2 [{VALID}.string = {{not_in: ["a"]}}];'), {"rule-stricter"}),
    "items": (field("repeated string a = 2;"), field(f"repeated string a = 2 [{VALID}.repeated.items.string.max_len = 5];"), {"rule-stricter"}),
    "required by validate": (field("string a = 2;"), field(f"string a = 2 [{VALID}.required = true];"), {"rule-stricter"}),
    "const false": (field("bool a = 2;"), field(f"bool a = 2 [{VALID}.bool.const = false];"), {"rule-stricter"}),
    "ignore": (field(f"string a = 2 [{VALID} = {{ignore: IGNORE_ALWAYS, string: {{max_len: 5}}}}];"), field(f"string a = 2 [{VALID}.string.max_len = 5];"), {"rule-stricter"}),
    "message rule": (field(""), field('option (buf.validate.message).cel = {id: "a", expression: "this.first > 0"};'), {"rule-stricter"}),
    "format": (field("string a = 2;"), field("string a = 2 [(google.api.field_info).format = UUID4];"), {"rule-stricter"}),
    "reference": (
        field('string a = 2 [(google.api.resource_reference).type = "x.com/A"];'),
        field('string a = 2 [(google.api.resource_reference).type = "x.com/B"];'),
        {"reference-changed"},
    ),
    "sensitive": (resource(""), resource("").replace("max_len = 20]; string title", "max_len = 20, (protoplane.v1.field).sensitive = true]; string title"), {"field-not-queryable"}),
    "message removed": ("message A {} message B {}", "message A {}", {"message-removed"}),
    "enum value removed": ("enum E { E_NONE = 0; E_A = 1; }", "enum E { E_NONE = 0; }", {"enum-value-removed"}),
    "enum value renamed": ("enum E { E_NONE = 0; E_A = 1; }", "enum E { E_NONE = 0; E_B = 1; }", {"enum-value-removed"}),
    "enum value renumbered": ("enum E { E_NONE = 0; E_A = 1; }", "enum E { E_NONE = 0; E_A = 2; }", {"enum-value-removed"}),
    "enum removed": ("message M { enum E { E_NONE = 0; } }", "message M {}", {"enum-value-removed"}),
    "default changed": (
        "enum E { option allow_alias = true; E_NONE = 0; E_NIL = 0; }",
        "enum E { option allow_alias = true; E_NIL = 0; E_NONE = 0; }",
        {"default-changed"},
    ),
    "method removed": (method(rpc(PUBLIC)), method(""), {"method-removed"}),
    "method renamed": (method(rpc(PUBLIC)), method(rpc(PUBLIC).replace("Do", "Make")), {"method-removed"}),
    "service removed": (method(rpc(PUBLIC)), method("").replace("service S {\n\n}", ""), {"method-removed"}),
    "response retyped": (method(rpc(PUBLIC)), method(rpc(PUBLIC, "Ask")), {"method-type"}),
    "stream": (method(rpc(PUBLIC)), method(rpc(PUBLIC, "stream Other")), {"method-type"}),
    "operation result": (
        method(rpc(PUBLIC + OPERATION.format("Ask", "Ask"), "google.longrunning.Operation")),
        method(rpc(PUBLIC + OPERATION.format("Other", "Ask"), "google.longrunning.Operation")),
        {"operation-type"},
    ),
    "operation metadata": (
        method(rpc(PUBLIC + OPERATION.format("Ask", "Ask"), "google.longrunning.Operation")),
        method(rpc(PUBLIC + OPERATION.format("Ask", "Other"), "google.longrunning.Operation")),
        {"operation-type"},
    ),
    "pagination": (
        method(rpc(PUBLIC, "Page")),
        method(rpc(PUBLIC, "Page")).replace("message Page { repeated Ask asks = 1; }", "message Page { repeated Ask asks = 1; string next_page_token = 2; }"),
        {"pagination-added"},
    ),
    "pagination by another response": (method(rpc(PUBLIC, "Page")), method(rpc(PUBLIC, "Paged")), {"pagination-added", "method-type"}),
    "public no more": (method(rpc(PUBLIC)), method(rpc(ANYONE)), {"access-stricter"}),
    "permission asked": (method(rpc(ANYONE)), method(rpc(READ)), {"access-stricter"}),
    "other permission": (method(rpc(READ)), method(rpc(WRITE)), {"access-stricter"}),
    "relation in place of a permission": (method(rpc(READ)), method(rpc(CHECK)), {"access-stricter"}),
    "permission in place of a relation": (method(rpc(CHECK)), method(rpc(READ)), {"access-stricter"}),
    "relation asked": (method(rpc(ANYONE)), method(rpc(CHECK)), {"access-stricter"}),
    "other relation": (method(rpc(CHECK)), method(rpc(CHECK_OTHER)), {"access-stricter"}),
    "a part shown": (method(rpc(ANYONE)), method(rpc(SCOPE)), {"access-stricter"}),
    "a part shown in place of a permission": (method(rpc(READ)), method(rpc(SCOPE)), {"access-stricter"}),
    "all or nothing in place of a part": (method(rpc(SCOPE)), method(rpc(CHECK)), {"access-stricter"}),
    "field for some": (ruled(""), ruled(READER), {"field-read-stricter"}),
    "field for others": (ruled(READER), ruled(EDITOR), {"field-read-stricter"}),
    "field for some in what is only answered": (answered("string a = 2;"), answered(f"string a = 2 [{READER}];"), {"field-read-stricter"}),
    "field written by some": (ruled(""), ruled(WRITER), {"field-write-stricter"}),
    "field written by others": (ruled(f"{READER}, {WRITER}"), ruled(f"{READER}, {CHIEF}"), {"field-write-stricter"}),
    "field written by whoever sees it": (ruled(f"{READER}, {WRITER}"), ruled(READER), {"field-write-stricter"}),
    "field for some, written by fewer": (ruled(""), ruled(f"{READER}, {WRITER}"), {"field-read-stricter", "field-write-stricter"}),
    "relation removed": (related(f"{VIEWERS} {OWNERS}"), related(OWNERS), {"relation-removed"}),
    "idempotency": (method(rpc(f"{PUBLIC} option idempotency_level = IDEMPOTENT;")), method(rpc(PUBLIC)), {"idempotency-lost"}),
    "resource type": (resource(""), resource("", kind="x.com/Tome"), {"resource-type"}),
    "resource no more": (resource(""), resource("").replace("option (google.api.resource)", "// option"), {"resource-type"}),
    "pattern": (resource(""), resource("", patterns='pattern: "tomes/{book}"'), {"resource-pattern"}),
    "one pattern of two": (resource("", patterns='pattern: "books/{book}" pattern: "a/{a}/books/{book}"'), resource(""), {"resource-pattern"}),
    "first pattern behind another": (
        resource("", patterns='pattern: "books/{book}" pattern: "a/{a}/books/{book}"'),
        resource("", patterns='pattern: "a/{a}/books/{book}" pattern: "books/{book}"'),
        {"pattern-order"},
    ),
    "pattern added to what is referred to": (
        resource("") + REFERRING, resource("", patterns='pattern: "books/{book}" pattern: "a/{a}/books/{book}"') + REFERRING, {"pattern-added"},
    ),
    "ids by callers": (resource(""), stored("id: {source: SOURCE_CLIENT}"), {"id-stricter"}),
    "ids by the service": (stored("id: {source: SOURCE_CLIENT}"), stored("id: {source: SOURCE_SERVER}"), {"id-stricter"}),
    "id pattern": (resource(""), stored('id: {pattern: "[a-z]{3}"}'), {"id-stricter"}),
    "unique": (resource(""), stored(UNIQUE.format('"isbn"')), {"unique-added"}),
    "unique by less": (stored(UNIQUE.format('"isbn", "title"')), stored(UNIQUE.format('"isbn"')), {"unique-added"}),
}  # fmt: skip

FINE: dict[str, tuple[str, str]] = {
    "field added": (field(""), field("string a = 2;")),
    "field into a new oneof": (field(""), field("oneof o { string a = 2; int32 b = 3; }")),
    "member of a oneof added": (field("oneof o { string a = 2; }"), field("oneof o { string a = 2; int32 b = 3; }")),
    "required no more": (field(f"string a = 2 [{BEHAVIOR} = REQUIRED];"), field("string a = 2;")),
    "immutable no more": (field(f"string a = 2 [{BEHAVIOR} = IMMUTABLE];"), field("string a = 2;")),
    "output only no more": (field(f"string a = 2 [{BEHAVIOR} = OUTPUT_ONLY];"), field("string a = 2;")),
    "rule removed": (field(f"string a = 2 [{VALID}.string.max_len = 5];"), field("string a = 2;")),
    "bound raised": (field(f"string a = 2 [{VALID}.string.max_len = 5];"), field(f"string a = 2 [{VALID}.string.max_len = 9];")),
    "bound lowered": (field(f"int32 a = 2 [{VALID}.int32.gte = 2];"), field(f"int32 a = 2 [{VALID}.int32.gte = 1];")),
    "bound inclusive": (field(f"int32 a = 2 [{VALID}.int32.lt = 9];"), field(f"int32 a = 2 [{VALID}.int32.lte = 9];")),
    "list longer": (
        field(f'string a = 2 [{VALID}.string = {{in: ["a"]}}];'),
        field(f'string a = 2 [{VALID}.string = {{in: ["b", "a"]}}];'),
    ),
    "rule on what is only answered": (answered("string a = 2;"), answered(f"string a = 2 [{VALID}.string.max_len = 5];")),
    "required in what is only answered": (answered("string a = 2;"), answered(f"string a = 2 [{BEHAVIOR} = REQUIRED];")),
    "output only in what is only answered": (answered("string a = 2;"), answered(f"string a = 2 [{BEHAVIOR} = OUTPUT_ONLY];")),
    "rule on an output": (
        field(f"string a = 2 [{BEHAVIOR} = OUTPUT_ONLY];"),
        field(f"string a = 2 [{BEHAVIOR} = OUTPUT_ONLY, {VALID}.string.max_len = 5];"),
    ),
    "field moved in its file": (field("string a = 2; string b = 3;"), field("string b = 3; string a = 2;")),
    "deprecated": (field("string a = 2;"), field("string a = 2 [deprecated = true];")),
    "message added": ("message A {}", "message A {} message B {}"),
    "enum value added": ("enum E { E_NONE = 0; }", "enum E { E_NONE = 0; E_A = 1; }"),
    "method added": (method(""), method(rpc(PUBLIC))),
    "rule loosened": (method(rpc(READ)), method(rpc(ANYONE))),
    "public now": (method(rpc(ANYONE)), method(rpc(PUBLIC))),
    "no relation asked": (method(rpc(CHECK)), method(rpc(ANYONE))),
    "all shown": (method(rpc(SCOPE)), method(rpc(PUBLIC))),
    "field for everybody": (ruled(READER), ruled("")),
    "field for everybody, written by the same": (ruled(EDITOR), ruled(WRITER)),
    "field written by everybody": (ruled(WRITER), ruled("")),
    "relation added": (related(OWNERS), related(f"{VIEWERS} {OWNERS}")),
    "idempotent now": (method(rpc(PUBLIC)), method(rpc(f"{PUBLIC} option idempotency_level = IDEMPOTENT;"))),
    "paged before": (method(rpc(PUBLIC, "Paged")), method(rpc(PUBLIC, "Paged"))),
    "pattern added": (resource(""), resource("", patterns='pattern: "books/{book}" pattern: "a/{a}/books/{book}"')),
    "ids by either": (stored("id: {source: SOURCE_CLIENT}"), resource("")),
    "index": (resource(""), stored('index: { fields: ["isbn"] }')),
    "unique no more": (stored(UNIQUE.format('"isbn"')), resource("")),
    "unique by more": (stored(UNIQUE.format('"isbn"')), stored(f"{UNIQUE.format(chr(34) + 'isbn' + chr(34))} {UNIQUE.format(chr(34) + 'isbn' + chr(34) + ',' + chr(34) + 'title' + chr(34))}")),
    "comments": (field("string a = 2;"), field("// It is a.\nstring a = 2;")),
}  # fmt: skip


def write(folder: Path, cases: dict[str, str]) -> Path:
    """Every case as a file and package of its own."""
    for number, text in enumerate(cases.values()):
        file = folder / f"case{number}/v1/case.proto"
        file.parent.mkdir(parents=True)
        file.write_text(HEAD.format(package=f"case{number}.v1") + text + "\n")
    return folder


def found_by_case(folder: Path, cases: dict[str, tuple[str, str]]) -> dict[str, list[Break]]:
    """What is found in each case; all are compared at once."""
    old = write(folder / "old", {name: case[0] for name, case in cases.items()})
    new = write(folder / "new", {name: case[1] for name, case in cases.items()})
    found = defaultdict[str, list[Break]](list)
    for each in compare(read_folders([old]), read_folders([new])):
        found[list(cases)[int(each.place.file.partition("/")[0].removeprefix("case"))]].append(each)
    return found


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Break]]:
    """What is found in the cases of BREAKING."""
    return found_by_case(tmp_path_factory.mktemp("broken"), {name: case[:2] for name, case in BREAKING.items()})


@pytest.fixture(scope="module")
def fine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Break]]:
    """What is found in the cases of FINE."""
    return found_by_case(tmp_path_factory.mktemp("fine"), FINE)


@pytest.mark.parametrize("case", BREAKING)
def test_aip_54_a_change_that_breaks_clients_is_found_at_its_line(broken: dict[str, list[Break]], case: str) -> None:
    old, new, rules = BREAKING[case]
    found = broken[case]
    assert {each.rule for each in found} == rules, found
    assert len(found) == len(rules)
    for each in found:
        length = len((HEAD + (old if each.gone else new)).splitlines())
        assert len(HEAD.splitlines()) < each.place.line <= length, each
        assert each.why in str(each)
        assert each.mend in str(each)


@pytest.mark.parametrize("case", FINE)
def test_aip_54_a_change_that_breaks_nobody_is_none(fine: dict[str, list[Break]], case: str) -> None:
    assert fine[case] == []


def test_aip_54_every_kind_of_break_is_shown_by_a_case() -> None:
    assert {rule for _, _, rules in BREAKING.values() for rule in rules} == set(breaks.RULES)


OLD = field("string a = 2;\nstring b = 3;")
NEW = field("string a = 2;")
PROTO = "protos/case/v1/case.proto"


def project(folder: Path, text: str) -> Path:
    """A project of one file."""
    (folder / PROTO).parent.mkdir(parents=True, exist_ok=True)
    (folder / PROTO).write_text(HEAD.format(package="case.v1") + text)
    (folder / "protoplane.toml").write_text('[project]\nname = "case"\n')
    return folder


def run(*arguments: str | Path) -> Result:
    """The command."""
    return CliRunner().invoke(main, ["breaking", *map(str, arguments)], catch_exceptions=False)


def test_an_edition_is_a_commit_a_folder_a_project_or_a_descriptor_set(tmp_path: Path) -> None:
    top = tmp_path / "repository"
    own = project(top / "below", OLD)
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message=first"],
        ["tag", "v1"],
    ):
        subprocess.run(["git", "-C", str(top), *command], check=True, capture_output=True)
    compiled = compile_files([own / "protos"], None, Report())
    assert compiled is not None
    whole = tmp_path / "whole.binpb"
    whole.write_bytes(compiled.data)
    bare = FileDescriptorSet.FromString(compiled.data)
    used = [file for file in bare.file if not file.name.startswith(("protoplane/", "grpc/"))]
    for file in used:
        file.ClearField("source_code_info")
        file.dependency[:] = [name for name in file.dependency if not name.startswith("protoplane/")]
        for service in file.service if file.name.startswith("case/") else ():
            for each in service.method:
                each.ClearField("options")
    lean = tmp_path / "lean.binpb"
    lean.write_bytes(FileDescriptorSet(file=reversed(used)).SerializeToString())
    other = project(tmp_path / "other", OLD)
    project(own, NEW)
    for old in ("main", "v1", "HEAD~0", other, other / "protos", whole, lean):
        done = run(old, "--project", own)
        assert (done.exit_code, done.stdout.count("[field-removed]"), done.stderr.count("1 break")) == (1, 1, 1), (old, done.output)
    project(own, OLD)
    for old in ("main", other, whole, lean):
        done = run(old, "--project", own)
        assert (done.exit_code, done.stdout) == (0, ""), (old, done.output)


def test_findings_as_json(tmp_path: Path) -> None:
    old, new = project(tmp_path / "old", OLD), project(tmp_path / "new", NEW)
    (found,) = json.loads(run(old, "--json", "--project", new).stdout)
    why, mend = breaks.RULES["field-removed"]
    line = len(HEAD.splitlines()) + 3
    assert found == {
        "file": "case/v1/case.proto", "line": line, "column": 1, "edition": "old", "rule": "field-removed",
        "problem": "`Book.b` is gone", "why": why, "mend": mend,
    }  # fmt: skip
    assert json.loads(run(new, "--json", "--project", new).stdout) == []


def test_a_break_that_is_meant_is_accepted_by_its_line_until_it_is_none_any_more(tmp_path: Path) -> None:
    old, new = project(tmp_path / "old", OLD), project(tmp_path / "new", NEW)
    (new / "protoplane.toml").write_text('[project]\naccepted_breaks = ["`Book.b` is gone [field-removed]"]\n')
    accepted, over = run(old, "--project", new), run(new, "--project", new)
    assert (accepted.exit_code, accepted.stdout, "1 accepted" in accepted.stderr) == (0, "", True)
    assert (over.exit_code, "take it away: `Book.b` is gone" in over.stderr) == (0, True)
    (new / "protoplane.toml").write_text('[project]\naccepted_breaks = ["`Book.a` is gone [field-removed]"]\n')
    assert run(old, "--project", new).exit_code == 1


@pytest.mark.parametrize("old", ["--nonsense", "no-such-ref", "HEAD:protos", "broken.binpb", "empty"])
def test_what_is_no_edition_is_said_so(tmp_path: Path, old: str) -> None:
    own = project(tmp_path / "own", OLD)
    (tmp_path / "broken.binpb").write_bytes(b"\xff nothing")
    (tmp_path / "empty").mkdir()
    path = tmp_path / old
    done = run("--project", own, "--", path if path.exists() else old)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr
