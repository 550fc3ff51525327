"""Broken contracts about methods and who may call them: the rules in the order of the marked lines, and the text."""

from __future__ import annotations

from tests.contract.edits import BOOK_ID, CREATE, GET, IDLE, LAST_FIELD, after
from tests.contract.protos import edited

CASES: dict[str, tuple[str, str]] = {
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
    "a method of its own that takes a stream": (
        "method-streaming",
        edited(
            after(
                "service Library {\n",
                "  rpc LendBook(stream GetBookRequest) returns (Book) { //!\n option (protoplane.v1.rule).public = true; }\n",
            )
        ),
    ),
    "a method of its own that streams, and may write": (
        "python-missing method-streaming-writes",
        edited(
            after(
                "service Library {\n",
                "  rpc LendBook(GetBookRequest) returns (stream Book) { //! //!\n option (protoplane.v1.rule).public = true; }\n",
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
}
