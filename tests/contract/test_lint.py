"""Every rule a contract can break is found, at its line, together with all the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from protoplane.contract.model import Finding
from protoplane.contract.report import RULES
from tests.contract import answers, patterns
from tests.contract.protos import BOOK, HEADER, LIBRARY, LIBRARY_FILE, PUBLISHER, edited, load_files, load_text, marked_lines

TITLE = "  string title = 2 [(google.api.field_behavior) = REQUIRED, (buf.validate.field).string.max_len = 200];\n"
SHELF = "  Shelf shelf = 6;\n"
BOOK_TYPE = '    type: "library.example.com/Book"\n'
BOOK_PATTERN = '    pattern: "publishers/{publisher}/books/{book}"\n'
BOOK_INDEX = '      {fields: ["title"]},\n'
BOOK_ID = '    id: {source: SOURCE_CLIENT pattern: "[a-z][a-z0-9]{0,19}"}\n'
GET = "  rpc GetBook(GetBookRequest) returns (Book) {\n    option (protoplane.v1.rule).public = true;\n"
CREATE = "  rpc CreateBook(CreateBookRequest) returns (Book) {\n"
IDLE = "    option idempotency_level = NO_SIDE_EFFECTS;\n"
DELETED = "  google.protobuf.Timestamp delete_time = 8 [(google.api.field_behavior) = OUTPUT_ONLY];\n"
PUBLIC = "    option (protoplane.v1.rule).public = true;\n  }\n"
LAST_FIELD = "  google.protobuf.FieldMask update_mask = 2;\n"


def after(anchor: str, added: str) -> tuple[str, str]:
    """An edit that adds lines after the anchor."""
    return anchor, anchor + added


def resource(name: str, pattern: str, *, more: str = "", before: str = "") -> str:
    """A further resource, at the end of the file."""
    return f"""
message {name} {{
  option (google.api.resource) = {{
    type: "library.example.com/{name}" {before}
    pattern: "{pattern}"
  }};
  string name = 1;
  {more}
}}
"""


def fields(count: int, kind: str, options: str = "") -> str:
    """So many fields of a type."""
    return "\n".join(f"{kind} f{number} = {number} {options};" for number in range(100, 100 + count))


def wide(more: str) -> str:
    """A resource with these fields, marked at its name."""
    return resource("A", "as/{a}", more=more).replace("message A {", "message A { //!")


CASES: dict[str, tuple[str, str]] = {  # The rules in the order of the marked lines, and the text.
    # Rules.
    "no rule at all": ("rule-missing", edited((GET, "  rpc GetBook(GetBookRequest) returns (Book) { //!\n"))),
    "a rule that says false": ("rule-empty", edited(("(protoplane.v1.rule).public = true;", "(protoplane.v1.rule).public = false; //!"))),
    "an empty rule": ("rule-empty", edited(("(protoplane.v1.rule).public = true;", "(protoplane.v1.rule) = {}; //!"))),
    "an empty permission": ("rule-empty", edited(('permission = "books.update";', 'permission = ""; //!'))),
    "a permission with a blank": ("rule-permission", edited(('permission = "books.update";', 'permission = "books update"; //!'))),
    "two rules": ("rule-ambiguous", edited(after(GET, '    option (protoplane.v1.rule).permission = "books.get"; //!\n'))),
    # Methods.
    "a standard method for an unknown resource": (
        "resource-unknown",
        edited(
            after(
                "service Library {\n", "  rpc GetBok(GetBookRequest) returns (Book) { //!\n option (protoplane.v1.rule).public = true; }\n"
            )
        ),
    ),
    "a method of its own without Python": (
        "python-missing",
        edited(
            after(
                "service Library {\n",
                "  rpc LendBook(GetBookRequest) returns (Book) { //!\n option (protoplane.v1.rule).public = true; }\n",
            )
        ),
    ),
    "a method of its own that streams": (
        "method-streaming",
        edited(
            after(
                "service Library {\n",
                "  rpc LendBook(GetBookRequest) returns (stream Book) { //!\n option (protoplane.v1.rule).public = true; }\n",
            )
        ),
    ),
    "a standard method that streams": (
        "method-streaming",
        edited(("  rpc GetBook(GetBookRequest) returns (Book) {", "  rpc GetBook(GetBookRequest) returns (stream Book) { //!")),
    ),
    "a Create that promises to write nothing": (
        "idempotency-untrue",
        edited((CREATE, CREATE.replace("{\n", "{ //!\n") + IDLE)),
    ),
    "a Delete that is an HTTP GET": (
        "http-get",
        edited(
            after('import "buf/validate/validate.proto";\n', 'import "google/api/annotations.proto";\n'),
            (
                "  rpc DeleteBook(DeleteBookRequest) returns (google.protobuf.Empty) {\n",
                '  rpc DeleteBook(DeleteBookRequest) returns (google.protobuf.Empty) { //!\n option (google.api.http) = {delete: "/v1/{name=*}" additional_bindings {get: "/v1/{name=*}:delete"}};\n',
            ),
        ),
    ),
    "Get by a key": (
        "method-shape method-fields",
        edited(("message GetBookRequest {\n  string name", "message GetBookRequest { //!\n  string key //!\n")),
    ),
    "Get of another resource's name": (
        "method-shape",
        edited(
            (
                'REQUIRED, (google.api.resource_reference).type = "library.example.com/Book"];',
                'REQUIRED, (google.api.resource_reference).type = "library.example.com/Publisher"]; //!',
            )
        ),
    ),
    "Get that returns something else": (
        "method-shape",
        edited(("  rpc GetBook(GetBookRequest) returns (Book) {", "  rpc GetBook(GetBookRequest) returns (Publisher) { //!")),
    ),
    "Get with a language": (
        "method-fields",
        edited(("message GetBookRequest {\n", "message GetBookRequest {\n  string language = 2; //!\n")),
    ),
    "Get with a read_mask of text": (
        "method-shape",
        edited(("message GetBookRequest {\n", "message GetBookRequest {\n  repeated string read_mask = 2; //!\n")),
    ),
    "List without page_size": (
        "method-shape",
        edited(("message ListBooksRequest {", "message ListBooksRequest { //!"), ("  int32 page_size = 2;\n", "")),
    ),
    "List with a page_size of int64": ("method-shape", edited(("  int32 page_size = 2;", "  int64 page_size = 2; //!"))),
    "List with show_deleted": ("method-fields", edited(after("  int32 page_size = 2;\n", "  bool show_deleted = 9; //!\n"))),
    "List without next_page_token": (
        "method-shape",
        edited(("message ListBooksResponse {", "message ListBooksResponse { //!"), ("  string next_page_token = 2;\n", "")),
    ),
    "List with two repeated fields": (
        "method-shape",
        edited(("message ListBooksResponse {", "message ListBooksResponse { //!\n  repeated string authors = 5;")),
    ),
    "List with the numbers of what is unreachable": (
        "method-shape",
        edited(("message ListBooksResponse {\n", "message ListBooksResponse {\n  repeated int32 unreachable = 5; //!\n")),
    ),
    "Create without parent": (
        "method-shape",
        edited(
            ("message CreateBookRequest {\n", "message CreateBookRequest { //!\n"),
            ("  string parent = 1 [(google.api.field_behavior) = REQUIRED];\n", ""),
        ),
    ),
    "Create without the id that callers must give": (
        "method-shape",
        edited(("message CreateBookRequest {\n", "message CreateBookRequest { //!\n"), ("  string book_id = 2;\n", "")),
    ),
    "Create with an id that the server makes": (
        "method-fields",
        edited(("  string book_id = 2;", "  string book_id = 2; //!"), (BOOK_ID, "    id: {source: SOURCE_SERVER}\n")),
    ),
    "Create that returns an operation": (
        "method-shape",
        edited(
            (
                "  rpc CreateBook(CreateBookRequest) returns (Book) {",
                "  rpc CreateBook(CreateBookRequest) returns (google.protobuf.Any) { //!",
            )
        ),
    ),
    "BatchCreate of something else": (
        "method-shape",
        edited(("  repeated CreateBookRequest requests = 2", "  repeated UpdateBookRequest requests = 2 //!\n")),
    ),
    "BatchCreate of one": ("method-shape", edited(("  repeated CreateBookRequest requests = 2", "  CreateBookRequest requests = 2 //!\n"))),
    "Update without a mask": ("method-shape", edited(("message UpdateBookRequest {", "message UpdateBookRequest { //!"), (LAST_FIELD, ""))),
    "Delete with a reason": ("method-fields", edited(after("  string etag = 2;\n", "  string reason = 3; //!\n"))),
    "Delete that returns the resource": (
        "method-shape",
        edited(
            (
                "  rpc DeleteBook(DeleteBookRequest) returns (google.protobuf.Empty) {",
                "  rpc DeleteBook(DeleteBookRequest) returns (Book) { //!",
            )
        ),
    ),
    # Resources.
    "a type without a service": ("type-malformed", edited((BOOK_TYPE, '    type: "Book" //!\n'), text=HEADER + PUBLISHER + BOOK)),
    "a type twice": (
        "type-duplicate",
        HEADER
        + PUBLISHER
        + resource("Press", "presses/{press}").replace('library.example.com/Press"', 'library.example.com/Publisher" //!'),
    ),
    "no pattern": (
        "pattern-missing",
        HEADER
        + edited(
            ('    pattern: "publishers/{publisher}"\n', ""),
            ("  option (google.api.resource) = {", "  option (google.api.resource) = { //!"),
            text=PUBLISHER,
        ),
    ),
    "a pattern in snake_case": ("pattern-malformed", HEADER + resource("A", 'big_as/{a}" //! "')),
    "a pattern that starts with a variable": ("pattern-malformed", HEADER + resource("A", '{a}/as" //! "')),
    "a singleton of nothing": ("pattern-malformed", HEADER + resource("A", 'settings" //! "')),
    "a singleton with something below it": ("pattern-malformed", HEADER + resource("A", 'as/{a}/settings/bs/{b}" //! "')),
    "a singleton that is deleted by itself": (
        "soft-delete",
        HEADER + resource("A", "as/{a}") + resource("B", "as/{a}/b", more=DELETED.replace(";\n", "; //!\n")),
    ),
    "a singleton with an id": (
        "id-option",
        HEADER
        + resource("A", "as/{a}")
        + resource("B", "as/{a}/b", more="option (protoplane.v1.storage).id = {source: SOURCE_CLIENT}; //!"),
    ),
    "a singleton that is created": (
        "method-shape",
        edited(("  rpc CreateBook(", "  rpc CreateShelfPlan(CreateBookRequest) returns (ShelfPlan) { //!\n" + PUBLIC + "  rpc CreateBook("))
        + resource("ShelfPlan", "publishers/{publisher}/shelfPlan"),
    ),
    "a pattern with a multi-segment variable": ("pattern-malformed", HEADER + resource("A", 'as/{a=**}" //! "')),
    "a variable twice": ("pattern-malformed", HEADER + resource("A", 'as/{a}/bs/{a}" //! "')),
    "too many levels": ("pattern-malformed", HEADER + resource("A", "/".join(f"c{i}/{{v{i}}}" for i in range(13)) + '" //! "')),
    "two resources with the same names": (
        "pattern-duplicate",
        HEADER + PUBLISHER + resource("Press", 'publishers/{press}" plural: "presses" //! "'),
    ),
    "a pattern below nothing": ("parent-unknown", HEADER + resource("A", 'bs/{b}/as/{a}" //! "')),
    "no field name": (
        "name-field",
        HEADER + resource("A", "as/{a}").replace("  string name = 1;", "").replace("message A {", "message A { //!"),
    ),
    "a name of bytes": ("name-field", HEADER + resource("A", "as/{a}").replace("  string name = 1;", "  bytes name = 1; //!")),
    "another field for the name": (
        "name-field",
        HEADER + resource("A", "as/{a}").replace("    pattern", '    name_field: "path" //!\n    pattern'),
    ),
    "a REQUIRED name": (
        "behavior-misplaced",
        HEADER + resource("A", "as/{a}").replace("name = 1;", "name = 1 [(google.api.field_behavior) = REQUIRED]; //!"),
    ),
    "an IDENTIFIER that is no name": (
        "behavior-misplaced",
        HEADER + resource("A", "as/{a}", more="string key = 2 [(google.api.field_behavior) = IDENTIFIER]; //!"),
    ),
    "REQUIRED and OUTPUT_ONLY": (
        "behavior-conflict",
        HEADER
        + resource(
            "A", "as/{a}", more="string key = 2 [\n(google.api.field_behavior) = REQUIRED, //!\n(google.api.field_behavior) = OUTPUT_ONLY];"
        ),
    ),
    "an etag of bytes": ("role-type", edited(("  string etag = 3;", "  bytes etag = 3; //!"))),
    "a create_time that callers write": (
        "role-type",
        HEADER + resource("A", "as/{a}", more="google.protobuf.Timestamp create_time = 2; //!"),
    ),
    "an update_time of string": (
        "role-type",
        HEADER + resource("A", "as/{a}", more="string update_time = 2 [(google.api.field_behavior) = OUTPUT_ONLY]; //!"),
    ),
    "a delete_time that callers write": (
        "role-type",
        HEADER + resource("A", "as/{a}", more="google.protobuf.Timestamp delete_time = 2; //!"),
    ),
    "ids that are integers by a pattern": (
        "id-option",
        HEADER + resource("A", "as/{a}", more='option (protoplane.v1.storage).id = {integer: true pattern: "[1-9]"}; //!'),
    ),
    "ids unique across parents that there are not": (
        "id-option",
        HEADER + resource("A", "as/{a}", more="option (protoplane.v1.storage).id = {unique_across_parents: true}; //!"),
    ),
    "a purge_time without a delete_time": (
        "soft-delete",
        HEADER + resource("A", "as/{a}", more="google.protobuf.Timestamp purge_time = 2 [(google.api.field_behavior) = OUTPUT_ONLY]; //!"),
    ),
    "a purge_after without a delete_time": (
        "soft-delete",
        edited(after("  option (protoplane.v1.storage) = {\n", "    purge_after: {seconds: 60} //!\n")),
    ),
    "a purge_after that is negative": (
        "soft-delete",
        HEADER + resource("A", "as/{a}", more=DELETED + "option (protoplane.v1.storage).purge_after = {seconds: -1}; //!"),
    ),
    "Delete that returns nothing of what is kept": (
        "method-shape",
        edited(
            after(SHELF, DELETED),
            (
                "  rpc DeleteBook(DeleteBookRequest) returns (google.protobuf.Empty) {",
                "  rpc DeleteBook(DeleteBookRequest) returns (google.protobuf.Empty) { //!",
            ),
        ),
    ),
    "Undelete of what is not kept": (
        "method-shape",
        edited(after("service Library {\n", "  rpc UndeleteBook(GetBookRequest) returns (Book) { //!\n" + PUBLIC)),
    ),
    "storage of what is not stored": ("storage-unused", HEADER + 'message A {\n  option (protoplane.v1.storage).table = "as"; //!\n}\n'),
    # References.
    "a reference to nothing": (
        "reference-unknown",
        edited(after(SHELF, '  string printer = 7 [(google.api.resource_reference).type = "library.example.com/Printer"]; //!\n')),
    ),
    "a child type that is nothing": (
        "reference-unknown",
        edited(('child_type = "library.example.com/Book"];', 'child_type = "library.example.com/Bok"]; //!')),
    ),
    "a reference that is a number": (
        "reference-type",
        HEADER + resource("A", "as/{a}", more='int64 other = 2 [(google.api.resource_reference).type = "library.example.com/A"]; //!'),
    ),
    # Columns and tables.
    "two fields on one column": ("column-clash", edited(after(SHELF, "  int32 shelf_level = 7; //!\n"))),
    "two fields named to one column": (
        "column-clash",
        edited(after(SHELF, '  string motto = 7 [(protoplane.v1.field).column = "title"]; //!\n')),
    ),
    "a field on a key column": ("column-clash", edited(after(SHELF, "  string publisher = 7; //!\n"))),
    "a field on the row version": ("column-clash", edited(after(SHELF, "  int64 row_version = 7; //!\n"))),
    "a reference on another's key columns": (
        "column-clash",
        edited(
            after(
                SHELF,
                '  string sequel = 7 [(google.api.resource_reference).type = "library.example.com/Book"]; string sequel_book = 8; //!\n',
            )
        ),
    ),
    "a column name that is too long": ("column-name", edited(after(SHELF, f"  string {'x' * 65} = 7; //!\n"))),
    "a column name in capitals": ("column-name", edited(after(SHELF, "  string Motto = 7; //!\n"))),
    "a column that SQLite takes for a truth": ("column-name", edited(after(SHELF, "  bool true = 7; //!\n"))),
    "a field that hides a method": (
        "field-name",
        edited(after(SHELF, '  bool CopyFrom = 7 [(protoplane.v1.field).column = "copy_from"]; //!\n')),
    ),
    "a column for the etag": (
        "column-unused",
        edited(("  string etag = 3;", '  string etag = 3 [(protoplane.v1.field).column = "tag"]; //!')),
    ),
    "a column inside a list": (
        "column-unused",
        HEADER + resource("A", "as/{a}", more='repeated B bs = 2; message B {\nint32 c = 1 [(protoplane.v1.field).column = "c"]; //!\n}'),
    ),
    "two resources in one table": (
        "table-clash",
        HEADER + PUBLISHER + resource("Press", "presses/{press}", more='option (protoplane.v1.storage).table = "publishers"; //!'),
    ),
    "a table with a blank": ("table-name", HEADER + resource("A", "as/{a}", more='option (protoplane.v1.storage).table = "my as"; //!')),
    "a table of Protoplane's": (
        "table-name",
        HEADER + resource("A", "as/{a}", more='option (protoplane.v1.storage).table = "protoplane_steps"; //!'),
    ),
    "more texts than a row can hold": ("row-wide", HEADER + wide(fields(195, "string"))),
    "more bounded texts than a row can declare": (
        "row-wide",
        HEADER + wide(fields(82, "string", "[(buf.validate.field).string.max_len = 200]")),
    ),
    "more columns than a table can have": ("row-wide", HEADER + wide(fields(1_000, "bool"))),
    # Indexes.
    "an index over nothing": ("index-path", edited((BOOK_INDEX, '      {fields: ["titel"]}, //!\n'))),
    "an index over no field": (
        "index-path",
        edited(("  option (protoplane.v1.storage) = {", "  option (protoplane.v1.storage) = { //!"), (BOOK_INDEX, "      {},\n")),
    ),
    "an index over a message": ("index-path", edited((BOOK_INDEX, '      {fields: ["shelf"]}, //!\n'))),
    "an index over the name": ("index-path", edited((BOOK_INDEX, '      {fields: ["name"]}, //!\n'))),
    "an index over a list": (
        "index-path",
        edited((BOOK_INDEX, '      {fields: ["tags"]}, //!\n'), after(SHELF, "  repeated int32 tags = 7;\n")),
    ),
    "an index inside a list": (
        "index-path",
        edited((BOOK_INDEX, '      {fields: ["shelf.level"]}, //!\n'), (SHELF, "  repeated Shelf shelf = 6;\n")),
    ),
    "an index over unbounded text": ("index-unbounded", edited((BOOK_INDEX, '      {fields: ["shelf.room"]}, //!\n'))),
    "an index over text too long": (
        "index-unbounded",
        edited((TITLE, TITLE.replace("200", "769")), (BOOK_INDEX, '      {fields: ["title"]}, //!\n')),
    ),
    "an index that is too wide": (
        "index-wide",
        edited(
            (BOOK_INDEX, '      {fields: ["title", //!\n "motto"]},\n'),
            after(SHELF, "  string motto = 7 [(buf.validate.field).string.max_len = 569];\n"),
        ),
    ),
    "an index twice": ("index-duplicate", edited((BOOK_INDEX, BOOK_INDEX + '      {fields: ["title"]}, //!\n'))),
    "an index over a secret": (
        "index-sensitive",
        edited((BOOK_INDEX, '      {fields: ["pin"]}, //!\n'), after(SHELF, "  int32 pin = 7 [(protoplane.v1.field).sensitive = true];\n")),
    ),
    "a searchable number": ("searchable-type", edited(after(SHELF, "  int32 pin = 7 [(protoplane.v1.field).searchable = true]; //!\n"))),
    "a searchable secret": (
        "searchable-type",
        edited(after(SHELF, "  string pin = 7 [(protoplane.v1.field) = {searchable: true sensitive: true}]; //!\n")),
    ),
    # Ids.
    "an id pattern that is not one": ("id-pattern", edited((BOOK_ID, '    id: {source: SOURCE_CLIENT pattern: "[a-z"} //!\n'))),
    "an id pattern with a slash": ("id-pattern", edited((BOOK_ID, '    id: {source: SOURCE_CLIENT pattern: "[a-z/]{1,9}"} //!\n'))),
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
    **patterns.CASES,
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
    """The acceptance of issue 3: a contract broken in ten ways says so in one go, each with its place and its mend."""
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
