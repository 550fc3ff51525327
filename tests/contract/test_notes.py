"""What a contract leaves out is noted with the number of its AIP; one that leaves out nothing has no notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from protoplane.cli.noun import FURTHER, METHODS
from protoplane.cli.scaffold import Wish, scaffold
from protoplane.contract.notes import NOTES, notes
from protoplane.project import Everything
from tests.contract.protos import HEADER, PUBLISHER, edited, good, load_text

COMMON = """
  string etag = 8;
  google.protobuf.Timestamp create_time = 9 [(google.api.field_behavior) = OUTPUT_ONLY];
  google.protobuf.Timestamp update_time = 10 [(google.api.field_behavior) = OUTPUT_ONLY];
}
"""
BOOK = """
message Book {
  option (google.api.resource) = {
    type: "library.example.com/Book"
    pattern: "publishers/{publisher}/books/{book}"
  };
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
"""
LEND = """
service Library {
  rpc LendBook(LendBookRequest) returns (LendBookResponse) {
    option (google.api.http) = {post: "/v1/{name=publishers/*/books/*}:lend" body: "*"};
    option (protoplane.v1.rule).permission = "books.lend";
  }
  rpc CountBooks(CountBooksRequest) returns (CountBooksResponse) {
    option (google.api.http) = {get: "/v1/{parent=publishers/*}/books:count"};
    option (protoplane.v1.rule).permission = "books.list";
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  rpc BatchDeletePublishers(BatchDeletePublishersRequest) returns (google.protobuf.Empty) {
    option (protoplane.v1.rule).permission = "publishers.delete";
  }
  rpc BatchDeleteBooks(BatchDeleteBooksRequest) returns (google.protobuf.Empty) {
    option (protoplane.v1.rule).permission = "books.delete";
  }
}
message BatchDeletePublishersRequest {
  repeated DeletePublisherRequest requests = 1 [(google.api.field_behavior) = REQUIRED];
  string request_id = 2;
  bool validate_only = 3;
}
message BatchDeleteBooksRequest {
  string parent = 1;
  repeated DeleteBookRequest requests = 2 [(google.api.field_behavior) = REQUIRED];
  string request_id = 3;
  bool validate_only = 4;
}
message LendBookRequest {
  string name = 1;
  string request_id = 2;
  bool validate_only = 3;
}
message LendBookResponse {}
message CountBooksRequest {
  string parent = 1;
}
message CountBooksResponse {}
"""
IMPLEMENTED = frozenset({"/library.v1.Library/LendBook", "/library.v1.Library/CountBooks"})

POOR = (
    HEADER
    + """
import "google/api/annotations.proto";
option (google.api.resource_definition) = {type: "office.example.com/Desk" pattern: "desks/{desk}"};
message Lamp {
  option (google.api.resource) = {type: "office.example.com/Lamp" pattern: "desks/{desk}/lamps/{lamp}"};
  option (protoplane.v1.storage) = {id: {pattern: "[0-9]{1,9}"}};
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
}
message Note {
  option (google.api.resource) = {type: "office.example.com/Note" pattern: "notes/{note}"};
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  string etag = 2 [(google.api.field_behavior) = OUTPUT_ONLY];
  google.protobuf.Timestamp create_time = 3 [(google.api.field_behavior) = OUTPUT_ONLY];
  google.protobuf.Timestamp update_time = 4 [(google.api.field_behavior) = OUTPUT_ONLY];
  google.protobuf.Timestamp delete_time = 5 [(google.api.field_behavior) = OUTPUT_ONLY];
}
message Bulb {
  option (google.api.resource) = {type: "office.example.com/Bulb" pattern: "desks/{desk}/lamps/{lamp}/bulbs/{bulb}"};
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  string etag = 2;
  google.protobuf.Timestamp create_time = 3 [(google.api.field_behavior) = OUTPUT_ONLY];
  google.protobuf.Timestamp update_time = 4 [(google.api.field_behavior) = OUTPUT_ONLY];
}
message Shade {
  option (google.api.resource) = {type: "office.example.com/Shade" pattern: "desks/{desk}/lamps/{lamp}/shade"};
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  string etag = 2;
  google.protobuf.Timestamp create_time = 3 [(google.api.field_behavior) = OUTPUT_ONLY];
  google.protobuf.Timestamp update_time = 4 [(google.api.field_behavior) = OUTPUT_ONLY];
}
message ListNotesRequest {
  int32 page_size = 1;
  string page_token = 2;
  string filter = 3;
  string order_by = 4;
}
message ListNotesResponse {
  repeated Note notes = 1;
  string next_page_token = 2;
  int32 total_size = 3;
}
message ListLampsRequest {
  string parent = 1;
  int32 page_size = 2;
  string page_token = 3;
}
message ListLampsResponse {
  repeated Lamp lamps = 1;
  string next_page_token = 2;
}
message GetLampRequest {
  string name = 1;
}
message CreateLampRequest {
  string parent = 1;
  Lamp lamp = 2;
}
message UpdateLampRequest {
  Lamp lamp = 1;
  google.protobuf.FieldMask update_mask = 2 [(google.api.field_behavior) = REQUIRED];
}
message DeleteLampRequest {
  string name = 1;
}
message BatchGetLampsRequest {
  repeated string names = 1;
}
message BatchGetLampsResponse {
  repeated Lamp lamps = 1;
}
message BatchDeleteLampsRequest {
  repeated string names = 1;
}
message SwitchRequest {
  string lamp = 1;
}
service Office {
  rpc ListNotes(ListNotesRequest) returns (ListNotesResponse) { option (protoplane.v1.rule).permission = "notes.list"; }
  rpc GetLamp(GetLampRequest) returns (Lamp) { option (protoplane.v1.rule).public = true; }
  rpc ListLamps(ListLampsRequest) returns (ListLampsResponse) { option (protoplane.v1.rule).authenticated = true; }
  rpc CreateLamp(CreateLampRequest) returns (Lamp) { option (protoplane.v1.rule).permission = "lamps.create"; }
  rpc UpdateLamp(UpdateLampRequest) returns (Lamp) { option (protoplane.v1.rule).permission = "lamps.update"; }
  rpc DeleteLamp(DeleteLampRequest) returns (google.protobuf.Empty) { option (protoplane.v1.rule).permission = "lamps.delete"; }
  rpc BatchGetLamps(BatchGetLampsRequest) returns (BatchGetLampsResponse) { option (protoplane.v1.rule).permission = "lamps.get"; }
  rpc BatchDeleteLamps(BatchDeleteLampsRequest) returns (google.protobuf.Empty) { option (protoplane.v1.rule).permission = "lamps.delete"; }
  rpc SwitchLamp(SwitchRequest) returns (google.protobuf.Empty) {
    option (google.api.http) = {put: "/v1/lamps/{lamp}/switch"};
    option (protoplane.v1.rule).permission = "lamps.switch";
  }
}
"""
)
LEFT_OUT = [
    (121, "Note has no standard Get method"), (121, "Bulb has no standard Get method"), (121, "Bulb has no standard List method"), (121, "Shade has no standard Get method"),
    (135, "DeleteLamp has no `force`"), (164, "Note has no standard Undelete method"), (164, "ListNotes has no `show_deleted`"), (122, "ids of Lamp"), (132, "ListLamps has no `order_by`"),
    (133, "the parent of Lamp"), (133, "CreateLamp has no `lamp_id`"), (134, "UpdateLamp has no `allow_missing`"), (134, "UpdateLamp asks for an `update_mask` each time"), (135, "DeleteLamp has no `allow_missing`"),
    (136, "SwitchLamp takes a SwitchRequest"), (136, "SwitchLamp returns a google.protobuf.Empty"), (136, "the HTTP path of SwitchLamp has variables besides"),
    (136, "the HTTP path of SwitchLamp does not end with a verb"), (136, "SwitchLamp is HTTP PUT"), (148, "Lamp has no `create_time`"), (148, "Lamp has no `update_time`"),
    (154, "Lamp has no `etag`"), (154, "the `etag` of Note is OUTPUT_ONLY"), (154, "DeleteLamp has no `etag`"), (154, "BatchDeleteLamps takes names"), (155, "CreateLamp has no `request_id`"),
    (155, "UpdateLamp has no `request_id`"), (155, "DeleteLamp has no `request_id`"), (155, "BatchDeleteLamps has no `request_id`"), (155, "SwitchLamp has no `request_id`"),
    (158, "ListLamps answers without `total_size`"), (160, "ListLamps has no `filter`"), (163, "CreateLamp has no `validate_only`"), (163, "UpdateLamp has no `validate_only`"),
    (163, "DeleteLamp has no `validate_only`"), (163, "BatchDeleteLamps has no `validate_only`"), (163, "SwitchLamp has no `validate_only`"),
    (211, "GetLamp asks for no permission: anyone"), (211, "ListLamps asks for no permission: whoever has credentials"),
    (231, "BatchGetLamps has no `parent`"), (231, "BatchDeleteLamps has no `parent`"),
]  # fmt: skip


def complete() -> str:
    """A contract with everything: scaffolded, with totals, etags in batches, and methods of its own as AIP-136 has them."""
    text = HEADER + 'import "google/api/annotations.proto";\n' + PUBLISHER.rstrip().removesuffix("}") + COMMON + BOOK + COMMON + LEND
    for wish in (Wish("Publisher", methods=(*METHODS, *FURTHER)), Wish("Book", parent="Publisher", methods=(*METHODS, *FURTHER))):
        text = scaffold(text, wish)
    for name in ("Publishers", "Books"):
        text = edited((f"message List{name}Response {{\n", f"message List{name}Response {{\n  int32 total_size = 9;\n"), text=text)
    return text


def test_a_contract_that_leaves_out_nothing_has_no_notes(tmp_path: Path) -> None:
    assert notes(good(load_text(tmp_path, complete(), implemented=IMPLEMENTED))) == ()


def test_a_relation_is_asked_for_as_a_permission_is_and_the_platforms_own_services_are_nobodys_to_mend(tmp_path: Path) -> None:
    relations = """  option (protoplane.v1.access) = {
    relation: {name: "editor" is: "[user]" grant: "editor" creator: true}
    relation: {name: "viewer" is: "[user] or editor"}
  };
"""
    head = "message Publisher {\n"
    text = complete().replace(head, head + relations).replace('.permission = "publishers.get"', '.check = "viewer"')
    text = text.replace('.permission = "publishers.list"', '.scope = "viewer"').replace(
        '.permission = "publishers.delete"', '.check = "editor"'
    )
    assert notes(good(load_text(tmp_path, text, implemented=Everything()))) == ()


def test_everything_that_is_left_out_is_noted_once_where_it_is(tmp_path: Path) -> None:
    found = notes(good(load_text(tmp_path, POOR, implemented=frozenset({"/library.v1.Office/SwitchLamp"}))))
    lines = POOR.splitlines()
    unexpected = [str(note) for note in found if not any(note.aip == aip and note.text.startswith(text) for aip, text in LEFT_OUT)]
    assert not unexpected
    for aip, text in LEFT_OUT:
        (note,) = [note for note in found if note.aip == aip and note.text.startswith(text)]
        subject = next(word for word in text.split() if any(noun in word for noun in ("Lamp", "Note", "Bulb", "Shade")))
        assert subject in lines[note.place.line - 1], note
        assert str(note).endswith(f"[AIP-{aip}]")


def test_every_kind_of_note_is_provoked_here() -> None:
    assert {aip for aip, _ in LEFT_OUT} == set(NOTES)


@pytest.mark.parametrize(
    ("left", "aip"),
    [("  int32 total_size = 9;\n", 158), ("  string etag = 8;\n", 154), ("  google.protobuf.Timestamp update_time = 10 [(google.api.field_behavior) = OUTPUT_ONLY];\n", 148)],
)  # fmt: skip
def test_what_is_taken_away_is_all_that_is_noted(tmp_path: Path, left: str, aip: int) -> None:
    found = notes(good(load_text(tmp_path, edited((left, ""), text=complete()), implemented=IMPLEMENTED)))
    assert [note.aip for note in found] == [aip]
