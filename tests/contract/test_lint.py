"""Every rule a contract can break is found, at its line, together with all the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from protoplane.contract.model import Finding
from protoplane.contract.report import RULES
from tests.contract import answers, methods, patterns, resources, storage
from tests.contract.edits import BOOK_ID, BOOK_INDEX, GET, SHELF, after, resource
from tests.contract.protos import HEADER, LIBRARY, LIBRARY_FILE, edited, load_files, load_text, marked_lines

CASES: dict[str, tuple[str, str]] = {  # The rules in the order of the marked lines, and the text.
    # Validation rules.
    "a rule of another type": (
        "validation-broken",
        edited(after(SHELF, "  string motto = 7 [(buf.validate.field).int32.lt = 3]; //!\n")),
    ),
    "a rule that is no CEL": (
        "validation-broken",
        edited(after(SHELF, '  int32 pages = 7 [(buf.validate.field).cel = {id: "pages.few" expression: "this >"}]; //!\n')),
    ),
    "a rule over an unknown name": (
        "validation-broken",
        edited(after(SHELF, '  optional int32 pages = 7 [(buf.validate.field).cel = {id: "pages.few" expression: "this > many"}]; //!\n')),
    ),
    "a regular expression that is not one": (
        "validation-broken",
        edited(after(SHELF, '  string motto = 7 [(buf.validate.field).string.pattern = "["]; //!\n')),
    ),
    # What protoc says.
    "a type that does not exist": ("proto", edited(after(SHELF, "  Shelve other = 7; //!\n"))),
    "an import that does not exist": (
        "proto",
        edited(('import "protoplane/v1/options.proto";\n', 'import "protoplane/v1/options.proto";\nimport "gone.proto"; //!\n')),
    ),
    "an option that does not exist": ("proto", edited(after(SHELF, '  string motto = 7 [(protoplane.v1.field).colum = "x"]; //!\n'))),
    "proto2": ("syntax-unsupported", 'syntax = "proto2"; //!\npackage library.v1;\n'),
    **answers.CASES,
    **methods.CASES,
    **patterns.CASES,
    **resources.CASES,
    **storage.CASES,
}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_rule_is_found_at_its_line_and_alone(case: str, tmp_path: Path) -> None:
    rules, text = CASES[case]
    loaded = load_text(tmp_path, text)
    assert loaded.contract is None
    found = {(finding.rule, finding.place.file, finding.place.line) for finding in loaded.findings}
    expected = {(rule, LIBRARY_FILE, line) for rule, line in zip(rules.split(), marked_lines(text), strict=True)}
    assert found == expected, "\n".join(map(str, loaded.findings))


def test_every_rule_is_provoked_here() -> None:
    """But for those about files, which are in test_load."""
    assert {rule for rules, _ in CASES.values() for rule in rules.split()} == set(RULES) - {"file-name", "files-missing"}


def test_the_library_itself_has_no_findings(tmp_path: Path) -> None:
    assert load_text(tmp_path, LIBRARY).findings == ()


@pytest.mark.parametrize("case", [*answers.GOOD, *patterns.GOOD])
def test_expansions_and_views_as_they_should_be_have_no_findings(case: str, tmp_path: Path) -> None:
    assert load_text(tmp_path, (answers.GOOD | patterns.GOOD)[case]).findings == ()


def test_ten_breakages_give_ten_findings_at_once(tmp_path: Path) -> None:
    """A contract broken in ten ways says so in one go, each with its place and its mend."""
    text = edited(
        (GET, "  rpc GetBook(GetBookRequest) returns (Book) { //!\n"),
        after(SHELF, "  int32 shelf_level = 7; //!\n"),
        (
            '(google.api.resource_reference).type = "library.example.com/Publisher"];',
            '(google.api.resource_reference).type = "library.example.com/Printer"]; //!',
        ),
        after(
            "service Library {\n", "  rpc LendBook(GetBookRequest) returns (Book) { //!\n option (protoplane.v1.rule).public = true; }\n"
        ),
        (BOOK_INDEX, '      {fields: ["titel"]}, //!\n'),
        ('      {fields: ["imprint", "create_time"] unique: true}\n', '      {fields: ["create_time"] unique: true}\n'),
        (BOOK_ID, '    id: {source: SOURCE_CLIENT pattern: "[a-z]+"} //!\n'),
        ("  string etag = 3;", "  bytes etag = 3; //!"),
        after("  int32 page_size = 2;\n", "  bool show_deleted = 9; //!\n"),
        ('permission = "books.update";', 'permission = ""; //!'),
    ) + resource("Shelf", 'shelves/{shelf=**}" //! "')
    findings = load_text(tmp_path, text).findings
    assert [finding.place.line for finding in findings] == marked_lines(text)
    assert len({finding.rule for finding in findings}) == 10
    for finding in findings:
        assert finding.problem
        assert finding.mend
        assert str(finding).startswith(f"{LIBRARY_FILE}:{finding.place.line}: {finding.problem} [{finding.rule}]\n")


def test_a_parent_or_a_reference_may_be_declared_as_another_services(tmp_path: Path) -> None:
    outside = """
option (google.api.resource_definition) = {
  type: "office.example.com/Desk"
  pattern: "floors/{floor}/desks/{desk}"
};
"""
    desk = 'string desk = 2 [(google.api.resource_reference).type = "office.example.com/Desk"];'
    loaded = load_text(
        tmp_path, HEADER + outside + resource("Lamp", "floors/{floor}/desks/{desk}/lamps/{lamp}", more=desk.replace("desk =", "other ="))
    )
    assert loaded.findings == ()


def test_a_broken_validation_rule_is_found_once_however_often_its_message_is_used(tmp_path: Path) -> None:
    used = 'import "library/v1/used.proto";\n'
    broken = edited(
        ("package library.v1;", 'package library.v1; import "buf/validate/validate.proto";'),
        text='syntax = "proto3";\npackage library.v1;\nmessage Used {\n  string a = 1 [(buf.validate.field).string.pattern = "["];\n}\n',
    )
    text = edited(
        ('import "protoplane/v1/options.proto";\n', 'import "protoplane/v1/options.proto";\n' + used), after(SHELF, "  Used used = 7;\n")
    )
    loaded = load_files(tmp_path, {LIBRARY_FILE: text, "library/v1/used.proto": broken})
    assert [str(finding.place) for finding in loaded.findings] == ["library/v1/used.proto:4"]


def test_findings_of_all_files_come_together_in_order(tmp_path: Path) -> None:
    files = {
        name: edited(
            ("package library.v1;", f"package {name[0]}.v1;"),
            text=HEADER + resource("A", 'as/{A}" "').replace("library.example.com/A", f"{name[0]}.example.com/A"),
        )
        for name in ("b.proto", "a.proto")
    }
    findings: Sequence[Finding] = load_files(tmp_path, files).findings
    assert [finding.place.file for finding in findings] == ["a.proto", "b.proto"]


def test_what_protoc_refuses_is_told_in_full(tmp_path: Path) -> None:
    text = edited(after(SHELF, "  Shelve a = 7; //!\n  Shelve b = 8; //!\n"))
    findings = load_text(tmp_path, text).findings
    assert [finding.place.line for finding in findings] == marked_lines(text)
    assert all(finding.problem == '"Shelve" is not defined.' for finding in findings)
