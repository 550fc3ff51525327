"""Places of the good library where tests edit it."""

from __future__ import annotations

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
