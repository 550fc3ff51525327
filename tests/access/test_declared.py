"""14: what is wrong with the relations of a contract, and with rules that ask for them, is found at its line; nothing starts that has a finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from protoplane.access.declared import RULES, declare
from protoplane.contract.model import Finding
from protoplane.project import Everything
from tests.contract.protos import LIBRARY, LIBRARY_FILE, edited, load_text, marked_lines

PUBLISHER = '    plural: "publishers"\n  };\n'
BOOK = '    plural: "books"\n  };\n'
GET = """  rpc GetBook(GetBookRequest) returns (Book) {
    option (protoplane.v1.rule).public = true;
"""
LIST = """  rpc ListBooks(ListBooksRequest) returns (ListBooksResponse) {
    option (protoplane.v1.rule).authenticated = true;
"""
OWNED = """  option (protoplane.v1.access) = {
    relation: { name: "owner" is: "[user]" grant: "owner" creator: true }
  };
"""
EDITED = """  option (protoplane.v1.access) = {
    relation: { name: "publisher" is: "[publisher]" field: "name" }
    relation: { name: "printer" is: "[publisher]" field: "imprint" grant: "editor" }
    relation: { name: "editor" is: "[user] or owner from publisher" grant: "editor" }
    relation: { name: "viewer" is: "[user, user:*, user with until] or editor" grant: "editor" }
    condition: "until(now: timestamp, end: timestamp) { now < end }"
  };
"""
ASKING = edited(
    (PUBLISHER, PUBLISHER + OWNED),
    (BOOK, BOOK + EDITED),
    (GET, GET.replace("public = true", 'check = "viewer"')),
    (LIST, LIST.replace("authenticated = true", 'scope = "viewer"')),
    text=LIBRARY,
)
"""The library, with relations as they should be."""

PRINTER = '    relation: { name: "printer" is: "[publisher]" field: "imprint" grant: "editor" }\n'
EDITOR = '    relation: { name: "editor" is: "[user] or owner from publisher" grant: "editor" }\n'
TITLE = "  string title = 2 [(google.api.field_behavior) = REQUIRED, (buf.validate.field).string.max_len = 200];\n"


def other(line: str, new: str) -> str:
    """Another line, marked."""
    return edited((line, f"{new.rstrip()} //!\n"), text=ASKING)


def method(name: str, request: str, rule: str) -> str:
    """A method more, whose line is marked."""
    rpc = f"  rpc {name}({request}) returns (Book) {{ //!\n    option (protoplane.v1.rule).{rule};\n  }}\n"
    return edited(("service Library {\n", f"service Library {{\n{rpc}"), text=ASKING)


CASES: dict[str, tuple[str, str]] = {
    # The model.
    "an expression that is none": ("access-model", other(EDITOR, '    relation: { name: "editor" is: "[user] or" grant: "editor" }')),
    "a name that is none": ("access-model", other(EDITOR, '    relation: { name: "ed itor" is: "[user]" }')),
    "a type that is not there": ("access-model", other(EDITOR, '    relation: { name: "editor" is: "[user, shelf]" grant: "editor" }')),
    "a relation of a type that is not there": ("access-model", other(EDITOR, '    relation: { name: "editor" is: "[publisher#member]" }')),
    "a relation computed from none": ("access-model", other(EDITOR, '    relation: { name: "editor" is: "writer" grant: "editor" }')),
    "a relation computed from itself": ("access-model", other(EDITOR, '    relation: { name: "editor" is: "editor" grant: "editor" }')),
    "a tupleset that is none": ("access-model", other(EDITOR, '    relation: { name: "editor" is: "owner from viewer" grant: "editor" }')),
    "the same relation twice": ("access-model", edited((EDITOR, f"{EDITOR}{EDITOR.rstrip()} //!\n"), text=ASKING)),
    "a condition that is not there": (
        "access-model",
        other(EDITOR, '    relation: { name: "editor" is: "[user with then]" grant: "editor" }'),
    ),
    "a condition that nothing names": (
        "access-model",
        edited(('    condition: "until', '    condition: "then(a: int) { a > 1 }" //!\n    condition: "until'), text=ASKING),
    ),
    "a condition that is no CEL": ("access-model", edited(('{ now < end }"\n', '{ now < }" //!\n'), text=ASKING)),
    "a condition that is no bool": ("access-model", edited(('{ now < end }"\n', '{ end }" //!\n'), text=ASKING)),
    "a type of parameter that is none": (
        "access-model",
        edited(('end: timestamp) { now < end }"\n', 'end: day) { now < end }" //!\n'), text=ASKING),
    ),
    # What fields say.
    "a field that is not there": ("access-field", other(PRINTER, PRINTER.replace("imprint", "printer"))),
    "a field without a grant": ("access-field", other(PRINTER, PRINTER.replace(' grant: "editor"', ""))),
    "a reference to something else": ("access-field", other(PRINTER, PRINTER.replace("[publisher]", "[book]"))),
    "a text that refers to nothing": ("access-field", other(PRINTER, PRINTER.replace("imprint", "title"))),
    "a caller in a text without bound": (
        "access-field",
        other(PRINTER, PRINTER.replace("imprint", "etag").replace("[publisher]", "[user]")),
    ),
    "a caller in a text of inner messages": (
        "access-field",
        other(PRINTER, PRINTER.replace("imprint", "shelf.room").replace("[publisher]", "[user]")),
    ),
    "a number that says who": ("access-field", other(PRINTER, PRINTER.replace("imprint", "shelf.level").replace("[publisher]", "[user]"))),
    "two kinds of subjects in a field": ("access-field", other(PRINTER, PRINTER.replace("[publisher]", "[publisher, user]"))),
    "everybody in a field": ("access-field", other(PRINTER, PRINTER.replace("[publisher]", "[user:*]"))),
    "more than brackets for a field": ("access-field", other(PRINTER, PRINTER.replace("[publisher]", "[publisher] or editor"))),
    "a field that creators get": ("access-field", other(PRINTER, PRINTER.replace("field:", "creator: true field:"))),
    "a name below something else": (
        "access-field",
        edited(
            (
                '    relation: { name: "publisher" is: "[publisher]" field: "name" }\n',
                '    relation: { name: "publisher" is: "[book]" field: "name" } //!\n',
            ),
            ("or owner from publisher", "or viewer from publisher"),
            text=ASKING,
        ),
    ),
    "a standard field with a rule": (
        "access-field",
        edited(("  string etag = 3;\n", '  string etag = 3 [(protoplane.v1.field).read = "editor"]; //!\n'), text=ASKING),
    ),
    # Relations that are not there.
    "a grant of a relation that is not there": ("access-relation", other(EDITOR, EDITOR.replace('grant: "editor"', 'grant: "writer"'))),
    "a field for a relation that is not there": (
        "access-relation",
        edited((TITLE, TITLE.replace("];", ', (protoplane.v1.field).write = "writer"]; //!')), text=ASKING),
    ),
    "a creator who cannot be given it": (
        "access-relation",
        other(EDITOR, '    relation: { name: "editor" is: "[publisher#owner]" creator: true }'),
    ),
    "a check of a relation that is not there": (
        "access-relation",
        edited((GET.splitlines()[0], f"{GET.splitlines()[0]} //!"), ('check = "viewer"', 'check = "reader"'), text=ASKING),
    ),
    "a scope of a relation that is not there": (
        "access-relation",
        edited((LIST.splitlines()[0], f"{LIST.splitlines()[0]} //!"), ('scope = "viewer"', 'scope = "reader"'), text=ASKING),
    ),
    # Rules that nothing can be asked about.
    "a scope of one resource": (
        "access-target",
        edited((GET.splitlines()[0], f"{GET.splitlines()[0]} //!"), ('check = "viewer"', 'scope = "viewer"'), text=ASKING),
    ),
    "a check of what nothing names": ("access-target", method("TidyBooks", "google.protobuf.Empty", 'check = "viewer"')),
}


def findings(folder: Path, text: str) -> list[Finding]:
    """Of its relations."""
    loaded = load_text(folder, text, implemented=Everything())
    assert loaded.draft is not None, "\n".join(map(str, loaded.findings))
    return [*loaded.findings, *declare(loaded.draft)[1]]


def test_auth_14_relations_as_they_should_be_have_no_findings(tmp_path: Path) -> None:
    assert findings(tmp_path, ASKING) == []


@pytest.mark.parametrize("case", CASES)
def test_auth_14_what_is_wrong_with_relations_is_found_at_its_line_and_alone(case: str, tmp_path: Path) -> None:
    rule, text = CASES[case]
    found = findings(tmp_path, text)
    assert [(one.rule, one.place.file, one.place.line) for one in found] == [(rule, LIBRARY_FILE, line) for line in marked_lines(text)], (
        "\n".join(map(str, found))
    )
    assert all(one.problem and one.mend for one in found)


def test_auth_14_every_rule_about_relations_is_broken_here() -> None:
    assert {rule for rule, _ in CASES.values()} == set(RULES)


def test_auth_14_a_method_without_a_rule_is_a_finding_beside_those_of_relations(tmp_path: Path) -> None:
    text = edited(
        (GET.replace("public = true", 'check = "viewer"'), GET.splitlines()[0] + " //!\n"), text=CASES["an expression that is none"][1]
    )
    assert sorted(one.rule for one in findings(tmp_path, text)) == ["access-model", "rule-missing"]


def test_auth_14_relations_of_a_resource_with_several_patterns_are_refused(tmp_path: Path) -> None:
    pattern = '    pattern: "publishers/{publisher}/books/{book}"\n'
    text = edited((pattern, f'{pattern}    pattern: "books/{{book}}"\n'), text=ASKING)
    problems = [one.problem for one in findings(tmp_path, text) if one.rule.startswith("access-")]
    assert len(problems) == 1
    assert "several patterns" in problems[0]
