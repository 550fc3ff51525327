"""Broken contracts about columns, tables, indexes and search: the rules in the order of the marked lines, and the text."""

from __future__ import annotations

from tests.contract.edits import BOOK_INDEX, SHELF, TITLE, after, fields, resource, wide
from tests.contract.protos import HEADER, PUBLISHER, edited

CASES: dict[str, tuple[str, str]] = {
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
    "a searchable name": (
        "searchable-type",
        HEADER + resource("A", "as/{a}").replace("name = 1;", "name = 1 [(protoplane.v1.field).searchable = true]; //!"),
    ),
    "a searchable reference to what is stored": (
        "searchable-type",
        edited(("string imprint = 4 [", "string imprint = 4 [(protoplane.v1.field).searchable = true, //!\n")),
    ),
    "a searchable reference inside a message": (
        "searchable-type",
        edited(
            after(
                "    string room = 1;\n",
                '    string owner = 3 [(protoplane.v1.field).searchable = true, (google.api.resource_reference).type = "library.example.com/Book"]; //!\n',
            )
        ),
    ),
    "a searchable etag": (
        "searchable-type",
        edited(("string etag = 3;", "string etag = 3 [(protoplane.v1.field).searchable = true]; //!")),
    ),
}
