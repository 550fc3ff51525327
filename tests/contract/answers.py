"""Broken contracts about what answers hold, expansions and views: the rules in the order of the marked lines, and the text."""

from __future__ import annotations

from tests.contract.edits import BOOK_ID, SHELF
from tests.contract.protos import edited

IMPRINT = '  string imprint = 4 [(google.api.resource_reference).type = "library.example.com/Publisher"];\n'
GET_REQUEST = "message GetBookRequest {\n"
SERVICE = "service Library {\n"
GET_PUBLISHER = """
  rpc GetPublisher(GetPublisherRequest) returns (Publisher) {
    option (protoplane.v1.rule).public = true;
  }
"""
VIEWS = "enum BookView {\n  BOOK_VIEW_UNSPECIFIED = 0;\n  BOOK_VIEW_BASIC = 1;\n  BOOK_VIEW_FULL = 2;\n}\n"
BASIC = 'view: {name: "BASIC" fields: ["name", "shelf.room"]}'


def expanding(field: str, *, readable: bool = True, more: str = "") -> str:
    """The library, with one field more in the book, and a method that reads publishers."""
    request = "message GetPublisherRequest {\n  string name = 1;\n}\n"
    edits = [(SERVICE, request + SERVICE + GET_PUBLISHER)] if readable else []
    return edited((SHELF, f"{SHELF}{field}\n{more}"), *edits)


def viewing(view: str, *, enum: str = VIEWS, marked: bool = False) -> str:
    """The library, whose Get takes a view."""
    resource = [("message Book {\n", "message Book { //!\n")] if marked else []
    return edited((GET_REQUEST, f"{enum}{GET_REQUEST}  BookView view = 2;\n"), (BOOK_ID, f"{BOOK_ID}    {view}\n"), *resource)


OUTPUT_ONLY = "(google.api.field_behavior) = OUTPUT_ONLY"

GOOD: dict[str, str] = {
    "an expansion": expanding(f'Publisher expanded_imprint = 7 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "imprint"];'),
    "a repeated one": expanding(
        f'repeated Publisher expanded_others = 7 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "others"];',
        more='repeated string others = 8 [(google.api.resource_reference).type = "library.example.com/Publisher"];\n',
    ),
    "one of the same type": expanding(
        f'Book expanded_sequel = 7 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "sequel"];',
        more='string sequel = 8 [(google.api.resource_reference).type = "library.example.com/Book"];\n',
    ),
    "a view": viewing(BASIC),
    "a view that says what is full": viewing(BASIC + ' view: {name: "FULL" fields: ["*"]}'),
    "a mask": edited((GET_REQUEST, f"{GET_REQUEST}  google.protobuf.FieldMask read_mask = 2;\n")),
}

CASES: dict[str, tuple[str, str]] = {
    "an expansion by no field": (
        "expand-reference",
        expanding(f'Publisher expanded_imprint = 7 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "imprnt"]; //!'),
    ),
    "an expansion by itself": (
        "expand-reference",
        expanding(f'Publisher expanded_imprint = 7 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "expanded_imprint"]; //!'),
    ),
    "an expansion by a text": (
        "expand-reference",
        expanding(f'Publisher expanded_title = 7 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "title"]; //!'),
    ),
    "an expansion by what is never shown": (
        "expand-reference",
        expanding(
            f'Publisher expanded_ghost = 7 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "ghost"]; //!',
            more="string ghost = 8 [(google.api.field_behavior) = INPUT_ONLY,"
            ' (google.api.resource_reference).type = "library.example.com/Publisher"];\n',
        ),
    ),
    "an expansion of another type": (
        "expand-type",
        expanding(f'Book expanded_imprint = 7 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "imprint"]; //!'),
    ),
    "an expansion that is text": (
        "expand-type",
        expanding(f'string expanded_imprint = 7 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "imprint"]; //!'),
    ),
    "an expansion of many by one": (
        "expand-type",
        expanding(f'repeated Publisher expanded_imprint = 7 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "imprint"]; //!'),
    ),
    "an expansion in a oneof": (
        "expand-type",
        expanding(
            "oneof fate {\n"
            f'Publisher expanded_imprint = 7 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "imprint"]; //!\n'
            "string lost_at = 8;\n}"
        ),
    ),
    "an expansion that can be written": (
        "expand-writable",
        expanding('Publisher expanded_imprint = 7 [(protoplane.v1.field).expand = "imprint"]; //!'),
    ),
    "an expansion that nobody may read": (
        "expand-unreadable",
        expanding(f'Publisher expanded_imprint = 7 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "imprint"]; //!', readable=False),
    ),
    "an expansion inside a message": (
        "expand-misplaced",
        edited(
            (
                "    int32 level = 2;\n",
                f'    int32 level = 2;\n    Publisher owner = 3 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "room"]; //!\n',
            )
        ),
    ),
    "an expansion with a column": (
        "column-unused",
        expanding(
            f'Publisher expanded_imprint = 7 [{OUTPUT_ONLY}, (protoplane.v1.field) = {{expand: "imprint" column: "imprint_all"}}]; //!'
        ),
    ),
    "an index over an expansion": (
        "index-path",
        expanding(f'Publisher expanded_imprint = 7 [{OUTPUT_ONLY}, (protoplane.v1.field).expand = "imprint"];').replace(
            '      {fields: ["title"]},\n', '      {fields: ["expanded_imprint"]}, //!\n'
        ),
    ),
    "a view that nothing describes": ("view-undeclared", viewing("", marked=True)),
    "a view twice": ("view-name", viewing(BASIC + '\n    view: {name: "BASIC" fields: ["title"]} //!')),
    "a view in small letters": ("view-name", viewing(BASIC + '\n    view: {name: "basic" fields: ["title"]} //!')),
    "a view that nobody can ask for": ("view-unused", viewing(BASIC + '\n    view: {name: "TINY" fields: ["title"]} //!')),
    "a view without a method": ("view-unused", edited((BOOK_ID, f"{BOOK_ID}    {BASIC} //!\n"))),
    "a view of no fields": ("view-path", viewing('view: {name: "BASIC"} //!')),
    "a view of an unknown field": ("view-path", viewing('view: {name: "BASIC" fields: ["name", "shelf.rom"]} //!')),
    "a view of what is never shown": (
        "view-path",
        viewing('view: {name: "BASIC" fields: ["name", "secret"]} //!').replace(
            SHELF, SHELF + "  string secret = 7 [(google.api.field_behavior) = INPUT_ONLY];\n"
        ),
    ),
}
