"""Broken contracts about resources, their fields, ids and references: the rules in the order of the marked lines, and the text."""

from __future__ import annotations

from tests.contract.edits import BOOK_ID, BOOK_TYPE, DELETED, PUBLIC, SHELF, after, resource
from tests.contract.protos import BOOK, HEADER, PUBLISHER, edited

CASES: dict[str, tuple[str, str]] = {
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
    # Ids.
    "an id pattern that is not one": ("id-pattern", edited((BOOK_ID, '    id: {source: SOURCE_CLIENT pattern: "[a-z"} //!\n'))),
    "an id pattern with a slash": ("id-pattern", edited((BOOK_ID, '    id: {source: SOURCE_CLIENT pattern: "[a-z/]{1,9}"} //!\n'))),
}
