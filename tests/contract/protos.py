"""Small contracts for tests: one good library, edited where a test wants it otherwise."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

from protoplane.contract.load import Loaded, load
from protoplane.contract.model import Contract, MessageClass

LIBRARY_FILE = "library/v1/library.proto"
MARK = "//!"
"""Stands on the line where a test expects a finding."""

HEADER = """syntax = "proto3";
package library.v1;
import "buf/validate/validate.proto";
import "google/api/field_behavior.proto";
import "google/api/field_info.proto";
import "google/api/resource.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "protoplane/v1/options.proto";
"""

PUBLISHER = """
// Who prints books.
message Publisher {
  option (google.api.resource) = {
    type: "library.example.com/Publisher"
    pattern: "publishers/{publisher}"
    singular: "publisher"
    plural: "publishers"
  };
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  string display_name = 2 [(buf.validate.field).string.max_len = 100];
}
"""

BOOK = """
// A book, and who prints it.
message Book {
  option (google.api.resource) = {
    type: "library.example.com/Book"
    pattern: "publishers/{publisher}/books/{book}"
    singular: "book"
    plural: "books"
  };
  option (protoplane.v1.storage) = {
    index: [
      {fields: ["title"]},
      {fields: ["imprint", "create_time"] unique: true}
    ]
    id: {source: SOURCE_CLIENT pattern: "[a-z][a-z0-9]{0,19}"}
  };
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  string title = 2 [(google.api.field_behavior) = REQUIRED, (buf.validate.field).string.max_len = 200];
  string etag = 3;
  string imprint = 4 [(google.api.resource_reference).type = "library.example.com/Publisher"];
  google.protobuf.Timestamp create_time = 5 [(google.api.field_behavior) = OUTPUT_ONLY];
  Shelf shelf = 6;

  // Where it stands.
  message Shelf {
    string room = 1;
    int32 level = 2;
  }
}
"""

METHODS = """
message GetBookRequest {
  string name = 1 [(google.api.field_behavior) = REQUIRED, (google.api.resource_reference).type = "library.example.com/Book"];
}
message ListBooksRequest {
  string parent = 1 [(google.api.field_behavior) = REQUIRED, (google.api.resource_reference).child_type = "library.example.com/Book"];
  int32 page_size = 2;
  string page_token = 3;
  string filter = 4;
  string order_by = 5;
}
message ListBooksResponse {
  repeated Book books = 1;
  string next_page_token = 2;
}
message CreateBookRequest {
  string parent = 1 [(google.api.field_behavior) = REQUIRED];
  string book_id = 2;
  Book book = 3 [(google.api.field_behavior) = REQUIRED];
  string request_id = 4;
  bool validate_only = 5;
}
message BatchCreateBooksRequest {
  string parent = 1;
  repeated CreateBookRequest requests = 2 [(google.api.field_behavior) = REQUIRED];
}
message BatchCreateBooksResponse {
  repeated Book books = 1;
}
message UpdateBookRequest {
  Book book = 1 [(google.api.field_behavior) = REQUIRED];
  google.protobuf.FieldMask update_mask = 2;
  bool allow_missing = 3;
}
message DeleteBookRequest {
  string name = 1 [(google.api.field_behavior) = REQUIRED];
  string etag = 2;
}

service Library {
  rpc GetBook(GetBookRequest) returns (Book) {
    option (protoplane.v1.rule).public = true;
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  rpc ListBooks(ListBooksRequest) returns (ListBooksResponse) {
    option (protoplane.v1.rule).authenticated = true;
  }
  rpc CreateBook(CreateBookRequest) returns (Book) {
    option (protoplane.v1.rule).permission = "books.create";
  }
  rpc BatchCreateBooks(BatchCreateBooksRequest) returns (BatchCreateBooksResponse) {
    option (protoplane.v1.rule).permission = "books.create";
  }
  rpc UpdateBook(UpdateBookRequest) returns (Book) {
    option (protoplane.v1.rule).permission = "books.update";
  }
  rpc DeleteBook(DeleteBookRequest) returns (google.protobuf.Empty) {
    option (protoplane.v1.rule).permission = "books.delete";
  }
}
"""

LIBRARY = HEADER + PUBLISHER + BOOK + METHODS


def edited(*edits: tuple[str, str], text: str = LIBRARY) -> str:
    """The text with each edit made once: what is replaced must be there."""
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def marked_lines(text: str) -> list[int]:
    """The lines, from 1, that carry the mark; one that carries it twice, twice."""
    return [number for number, line in enumerate(text.splitlines(), 1) for _ in range(line.count(MARK))]


def load_text(folder: Path, text: str, *, implemented: Container[str] = frozenset()) -> Loaded:
    """Load one file as a whole contract."""
    return load_files(folder, {LIBRARY_FILE: text}, implemented=implemented)


def load_files(folder: Path, files: Mapping[str, str], *, implemented: Container[str] = frozenset()) -> Loaded:
    """Load files, given by import path, as a contract."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return load([folder], implemented=implemented)


def good(loaded: Loaded) -> Contract:
    """The contract, or a failure that shows every finding."""
    assert loaded.contract is not None, "\n".join(str(finding) for finding in loaded.findings)
    return loaded.contract


def message_class(contract: Contract, name: str) -> MessageClass:
    """A message class of package library.v1."""
    return contract.messages[f"library.v1.{name}"]
