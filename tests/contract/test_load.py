"""A good contract is read into the model that every other room builds on."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from protoplane.contract import columns, sources
from protoplane.contract.load import load
from protoplane.contract.model import Access, Behavior, Field, Idempotency, IdRule, IdSource, Kind, Label, MethodKind, Presence, Role, Rule
from protoplane.contract.pool import open_pool
from tests.contract.protos import HEADER, LIBRARY, LIBRARY_FILE, PUBLISHER, edited, good, load_files, load_text

KINDS = """
message Thing {
  option (google.api.resource) = {
    type: "library.example.com/Thing"
    pattern: "things/{thing}"
  };
  string name = 1;
  bool a_bool = 2;
  sint32 an_int32 = 3;
  sfixed64 an_int64 = 4;
  fixed32 a_uint32 = 5;
  uint64 a_uint64 = 6;
  float a_float = 7;
  optional double a_double = 8;
  bytes some_bytes = 9 [(buf.validate.field).bytes.max_len = 16];
  Color color = 10;
  google.protobuf.Duration duration = 11;
  google.protobuf.Struct struct = 12;
  google.protobuf.Any any = 13;
  google.protobuf.Int64Value wrapped = 14;
  repeated string tags = 15;
  map<string, Part> parts = 16;
  oneof choice {
    string text = 17;
    int32 number = 18;
  }
  Tree tree = 19;
  string secret = 20 [(protoplane.v1.field) = {column: "hidden" sensitive: true}];
  string address = 21 [(google.api.field_info).format = IPV4];
  string uid = 22 [(google.api.field_behavior) = OUTPUT_ONLY];
  repeated Color colors = 23;

  message Part {
    string label = 1;
  }
  message Tree {
    string leaf = 1;
    repeated Tree branches = 2;
  }
  enum Color {
    COLOR_UNSPECIFIED = 0;
    RED = 1;
  }
}
"""


def line(field: Field) -> str:
    """One field in one line: what matters of it, with what is default left out."""
    words = [field.path, field.kind.value]
    words += [word for word in (field.label.value, field.presence.value) if word not in {Label.SINGULAR, Presence.IMPLICIT}]
    words += (
        ["wrapper"] * field.wrapper + [f"oneof={field.oneof}"] * bool(field.oneof) + [f"role={field.role}"] * (field.role is not Role.NONE)
    )
    words += sorted(behavior.value for behavior in field.behaviors)
    words += [f"max={field.max_length}"] * bool(field.max_length) + [f"format={field.format}"] * bool(field.format)
    words += ["sensitive"] * field.sensitive + [f"column={field.column}"] * bool(field.column)
    words += [f"enum={field.enum.name}" if field.enum else "", f"message={field.message.name}" if field.message else ""]
    words += [f"key={field.key.kind}"] if field.key else []
    return " ".join(word for word in words if word)


def lines(fields: tuple[Field, ...]) -> list[str]:
    return [text for field in fields for text in (line(field), *lines(field.fields))]


def test_resources_of_the_library(tmp_path: Path) -> None:
    contract = good(load_text(tmp_path, LIBRARY))
    publisher, book = contract.resources.values()
    assert (publisher.type, publisher.singular, publisher.plural, publisher.table, publisher.parent) == (
        "library.example.com/Publisher",
        "publisher",
        "publishers",
        "publishers",
        "",
    )
    assert publisher.id == IdRule(IdSource.EITHER, "[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
    assert book.parent == publisher.type
    assert (book.pattern.collections, book.pattern.variables) == (("publishers", "books"), ("publisher", "book"))
    assert book.id == IdRule(IdSource.CLIENT, "[a-z][a-z0-9]{0,19}")
    assert [(index.paths, index.unique) for index in book.indexes] == [(("title",), False), (("imprint", "create_time"), True)]
    assert [LIBRARY.splitlines()[index.place.line - 1].strip()[:9] for index in book.indexes] == ["{fields: ", "{fields: "]
    assert book.message_class(title="x").DESCRIPTOR.full_name == "library.v1.Book"
    assert book.name_field.behaviors == {Behavior.IDENTIFIER}
    assert lines(book.fields) == [
        "name string role=name IDENTIFIER",
        "title string REQUIRED max=200",
        "etag string role=etag",
        "imprint string",
        "create_time timestamp explicit role=create_time OUTPUT_ONLY message=Timestamp",
        "shelf message explicit message=Shelf",
        "shelf.room string",
        "shelf.level int32",
    ]
    assert book.field("shelf.level") is book.fields[5].fields[1]


def test_methods_of_the_library(tmp_path: Path) -> None:
    contract = good(load_text(tmp_path, LIBRARY))
    assert {path: (method.kind, method.rule) for path, method in contract.methods.items()} == {
        "/library.v1.Library/GetBook": (MethodKind.GET, Rule(Access.PUBLIC)),
        "/library.v1.Library/ListBooks": (MethodKind.LIST, Rule(Access.AUTHENTICATED)),
        "/library.v1.Library/CreateBook": (MethodKind.CREATE, Rule(Access.PERMISSION, "books.create")),
        "/library.v1.Library/BatchCreateBooks": (MethodKind.BATCH_CREATE, Rule(Access.PERMISSION, "books.create")),
        "/library.v1.Library/UpdateBook": (MethodKind.UPDATE, Rule(Access.PERMISSION, "books.update")),
        "/library.v1.Library/DeleteBook": (MethodKind.DELETE, Rule(Access.PERMISSION, "books.delete")),
    }
    assert all(method.resource is contract.resources["library.example.com/Book"] for method in contract.methods.values())
    assert [method.name for method in contract.methods.values() if method.idempotency is not Idempotency.UNKNOWN] == ["GetBook"]
    listing = contract.methods["/library.v1.Library/ListBooks"]
    assert [field.name for field in listing.request_fields] == ["parent", "page_size", "page_token", "filter", "order_by"]
    assert listing.request_class is contract.messages["library.v1.ListBooksRequest"]
    assert LIBRARY.splitlines()[listing.place.line - 1].startswith("  rpc ListBooks(")


def test_every_kind_of_field(tmp_path: Path) -> None:
    contract = good(load_text(tmp_path, HEADER + KINDS))
    thing = contract.resources["library.example.com/Thing"]
    assert lines(thing.fields) == [
        "name string role=name IDENTIFIER",
        "a_bool bool",
        "an_int32 int32",
        "an_int64 int64",
        "a_uint32 uint32",
        "a_uint64 uint64",
        "a_float float",
        "a_double double explicit",
        "some_bytes bytes max=16",
        "color enum enum=Color",
        "duration duration explicit message=Duration",
        "struct json explicit message=Struct",
        "any opaque explicit message=Any",
        "wrapped int64 explicit wrapper message=Int64Value",
        "tags string repeated",
        "parts message map message=Part key=string",
        "parts.label string",
        "text string explicit oneof=choice",
        "number int32 explicit oneof=choice",
        "tree message explicit message=Tree",
        "tree.leaf string",
        "tree.branches opaque repeated message=Tree",
        "secret string sensitive column=hidden",
        "address string format=IPV4",
        "uid string role=uid OUTPUT_ONLY",
        "colors enum repeated enum=Color",
    ]
    assert (thing.singular, thing.plural, thing.table) == ("thing", "things", "things")


def test_columns_of_a_resource(tmp_path: Path) -> None:
    """Key columns, the row version, then fields: messages by their presence and what is in them, references by their ids."""
    sequel = '  string sequel = 7 [(google.api.resource_reference).type = "library.example.com/Book"];\n'
    contract = good(load_text(tmp_path, edited(("  Shelf shelf = 6;\n", "  Shelf shelf = 6;\n" + sequel))))
    patterns = {resource.type: resource.pattern for resource in contract.resources.values()}
    names = [name for name, _ in columns.stored_columns(contract.resources["library.example.com/Book"], patterns)]
    assert names == [
        *("publisher", "book", "row_version", "title", "imprint", "create_time"),
        *("shelf", "shelf_room", "shelf_level", "sequel_publisher", "sequel_book"),
    ]


def test_a_column_of_messages_of_others_is_never_too_long_and_always_the_same(tmp_path: Path) -> None:
    """Nobody can give names to the columns of `google.type`; what is too long ends with a digest of all of it."""
    deep = "the_" * 14 + "price"
    text = edited(
        ('import "google/protobuf/wrappers.proto";\n', 'import "google/protobuf/wrappers.proto";\nimport "google/type/money.proto";\n'),
        ("  Shelf shelf = 6;\n", f"  google.type.Money {deep} = 6;\n  google.type.Money {deep}r = 7;\n"),
        ("\n  // Where it stands.", "\n  Shelf shelf = 8;"),
    )
    contract = good(load_text(tmp_path, text))
    names = [name for name, _ in columns.stored_columns(contract.resources["library.example.com/Book"], {})]
    found = [name for name in names if name.startswith("the_the_")]
    assert [len(name) for name in found] == [61, 64, 64, 64, 62, 64, 64, 64]
    assert len(set(found)) == len(found)
    assert found[1] == f"{f'{deep}_currency_code'[:51]}_{hashlib.sha256(f'{deep}_currency_code'.encode()).hexdigest()[:12]}"


@pytest.mark.parametrize("behavior", ["OUTPUT_ONLY", "IMMUTABLE", "IDENTIFIER", "OPTIONAL"])
def test_a_name_is_the_identifier_whatever_it_was_called_before_there_was_that_behavior(tmp_path: Path, behavior: str) -> None:
    """An update sends it: were it OUTPUT_ONLY, it would be dropped before anybody could read which resource is meant."""
    book = 'pattern: "publishers/{publisher}/books/{book}"'
    text = edited(("IDENTIFIER", "IDENTIFIER"))
    head, tail = text.split(book)
    contract = good(load_text(tmp_path, head + book + tail.replace("IDENTIFIER", behavior, 1)))
    assert contract.resources["library.example.com/Book"].name_field.behaviors == {Behavior.IDENTIFIER}
    sent = contract.methods["/library.v1.Library/UpdateBook"].request_field("book")
    batched = contract.methods["/library.v1.Library/BatchCreateBooks"].request_field("requests")
    assert sent is not None
    assert batched is not None
    inner = next(field for field in batched.fields if field.name == "book")
    for body in (sent, inner):
        assert next(field for field in body.fields if field.name == "name").behaviors == {Behavior.IDENTIFIER}


def test_the_name_inside_a_resource_inside_another_is_a_field_as_any(tmp_path: Path) -> None:
    held = "  Publisher printed_by = 6;\n"
    text = edited(
        ("string name = 1 [(google.api.field_behavior) = IDENTIFIER];", "string name = 1 [(google.api.field_behavior) = OUTPUT_ONLY];"),
        ("  Shelf shelf = 6;\n", held),
        ("\n  // Where it stands.", "\n  Shelf shelf = 8;"),
    )
    contract = good(load_text(tmp_path, text))
    inner = contract.resources["library.example.com/Book"].field("printed_by.name")
    sent = contract.methods["/library.v1.Library/UpdateBook"].request_field("book")
    assert inner is not None
    assert sent is not None
    deep = next(field for field in sent.fields if field.name == "printed_by").fields[0]
    assert deep.name == "name"
    assert inner.behaviors == deep.behaviors == {Behavior.OUTPUT_ONLY}


def test_a_custom_method_that_is_an_http_get_only_reads(tmp_path: Path) -> None:
    """AIP-136: GET has no side effects. One that says that it is merely idempotent is found."""
    get = 'option (google.api.http) = {post: "/v1/{name=*}:lend" additional_bindings {get: "/v1/{name=*}:lend"}};'
    lend = f"  rpc LendBook(GetBookRequest) returns (Book) {{\n    option (protoplane.v1.rule).public = true;\n    {get}\n    @\n  }}\n"
    text = edited(
        ('import "google/api/field_info.proto";\n', 'import "google/api/field_info.proto";\nimport "google/api/annotations.proto";\n'),
        ("service Library {\n", f"service Library {{\n{lend}"),
    )
    path = "/library.v1.Library/LendBook"
    contract = good(load_text(tmp_path, text.replace("@", ""), implemented=frozenset({path})))
    assert contract.methods[path].reads
    broken = load_text(tmp_path, text.replace("@", "option idempotency_level = IDEMPOTENT;"), implemented=frozenset({path}))
    assert [finding.rule for finding in broken.findings] == ["http-get"]


def test_the_contract_carries_its_files_for_reflection(tmp_path: Path) -> None:
    contract = good(load_text(tmp_path, LIBRARY))
    assert contract.served == (LIBRARY_FILE,)
    names = list(contract.files)
    assert names.index("google/api/resource.proto") < names.index(LIBRARY_FILE)
    assert b"A book, and who prints it." in contract.files[LIBRARY_FILE]
    assert "library.v1.Book.Shelf" in contract.messages


def test_two_versions_of_one_file_live_side_by_side(tmp_path: Path) -> None:
    one = good(load_text(tmp_path / "one", LIBRARY)).messages["library.v1.Book"]
    two = good(load_text(tmp_path / "two", edited(("  Shelf shelf = 6;\n", "  Shelf shelf = 6;\n  int32 pages = 7;\n")))).messages[
        "library.v1.Book"
    ]
    assert "pages" not in one.DESCRIPTOR.fields_by_name
    assert two(pages=3).DESCRIPTOR.full_name == one().DESCRIPTOR.full_name


def test_python_makes_anything_goes(tmp_path: Path) -> None:
    """A method with Python may have any name and shape; one of standard shape stays standard, also with fields of its own."""
    text = edited(
        (
            "service Library {\n",
            "service Library {\n  rpc LendBook(GetBookRequest) returns (stream Book) {\n    option (protoplane.v1.rule).public = true;\n  @}\n",
        ),
        ("  string order_by = 5;\n", "  string order_by = 5;\n  bool lent = 6;\n"),
        ("  rpc DeleteBook(DeleteBookRequest) returns (google.protobuf.Empty) {", "  rpc DeleteBook(DeleteBookRequest) returns (Book) {"),
    )
    paths = frozenset(f"/library.v1.Library/{name}" for name in ("LendBook", "ListBooks", "DeleteBook"))
    broken = load_text(tmp_path / "writes", text.replace("@", ""), implemented=paths)
    assert [finding.rule for finding in broken.findings] == ["method-streaming-writes"]
    text = text.replace("@", "  option idempotency_level = NO_SIDE_EFFECTS;\n  ")
    contract = good(load_text(tmp_path / "reads", text, implemented=paths))
    kinds = {method.name: method.kind for method in contract.methods.values() if method.path in paths}
    assert kinds == {"LendBook": MethodKind.CUSTOM, "ListBooks": MethodKind.LIST, "DeleteBook": MethodKind.CUSTOM}
    lend = contract.methods["/library.v1.Library/LendBook"]
    assert lend.resource is contract.resources["library.example.com/Book"]
    assert lend.server_streaming


def test_two_resources_of_one_noun_are_told_apart_by_their_messages(tmp_path: Path) -> None:
    def half(package: str) -> str:
        return f"""
syntax = "proto3";
package {package}.v1;
import "google/api/resource.proto";
import "protoplane/v1/options.proto";
message Book {{
  option (google.api.resource) = {{ type: "{package}.example.com/Book" pattern: "{package}Books/{{book}}" plural: "books" }};
  option (protoplane.v1.storage).table = "{package}_books";
  string name = 1;
}}
message GetBookRequest {{ string name = 1; }}
service Library {{
  rpc GetBook(GetBookRequest) returns (Book) {{ option (protoplane.v1.rule).public = true; }}
}}
"""

    contract = good(load_files(tmp_path, {"a/v1/a.proto": half("a"), "b/v1/b.proto": half("b")}))
    assert {path: method.resource.type for path, method in contract.methods.items() if method.resource} == {
        "/a.v1.Library/GetBook": "a.example.com/Book",
        "/b.v1.Library/GetBook": "b.example.com/Book",
    }


def test_what_contracts_import_is_always_there(tmp_path: Path) -> None:
    names = (
        "google/api/annotations.proto",
        "google/api/client.proto",
        "google/longrunning/operations.proto",
        "google/rpc/status.proto",
        "google/rpc/error_details.proto",
        "google/type/money.proto",
        "protoplane/v1/reason.proto",
    )
    imports = "".join(f'import "{name}";\n' for name in names)
    contract = good(load_text(tmp_path, HEADER + imports))
    assert set(names) <= set(contract.files)


def test_vendored_copies_of_public_files_are_imports(tmp_path: Path) -> None:
    copy = next(root / "google/api/resource.proto" for root in sources.include_roots() if (root / "google/api/resource.proto").is_file())
    contract = good(load_files(tmp_path, {LIBRARY_FILE: LIBRARY, "google/api/resource.proto": copy.read_text()}))
    assert contract.served == (LIBRARY_FILE,)


def test_hidden_folders_are_no_part_of_a_contract(tmp_path: Path) -> None:
    assert good(load_files(tmp_path, {LIBRARY_FILE: LIBRARY, ".venv/broken.proto": "?"})).served == (LIBRARY_FILE,)


def test_files_may_be_named(tmp_path: Path) -> None:
    good(load_files(tmp_path, {"a.proto": HEADER + PUBLISHER}))
    (tmp_path / "b.proto").write_text("?")
    assert good(load([tmp_path], ["a.proto"])).served == ("a.proto",)
    findings = load([tmp_path], ["a.proto", "c.proto"]).findings
    assert [(finding.place.file, finding.rule) for finding in findings] == [("c.proto", "files-missing")]


def test_several_roots_are_one_contract(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one/publisher.proto").write_text(HEADER + PUBLISHER)
    book = edited((HEADER, HEADER + 'import "publisher.proto";\n'), (PUBLISHER, ""))
    (tmp_path / "two/book.proto").write_text(book)
    contract = good(load([tmp_path / "one", tmp_path / "two"]))
    assert contract.served == ("publisher.proto", "book.proto")
    assert sources.locate([tmp_path / "one", tmp_path / "two"], "book.proto") == tmp_path / "two/book.proto"


def test_a_file_in_two_roots_is_a_finding(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.proto").write_text(HEADER)
    loaded = load([tmp_path / "one", tmp_path / "two"])
    assert [(finding.place.file, finding.rule) for finding in loaded.findings] == [("a.proto", "file-name")]


def test_a_folder_without_protos_is_a_finding(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        loaded = load([folder])
        assert loaded.contract is None
        assert [finding.rule for finding in loaded.findings] == ["files-missing"]


@pytest.mark.parametrize("name", ["with blank/lib.proto", "-dash.proto"])
def test_odd_file_names(name: str, tmp_path: Path) -> None:
    assert good(load_files(tmp_path, {name: LIBRARY})).served == (name,)


def test_a_file_name_that_is_not_ascii_is_a_finding(tmp_path: Path) -> None:
    loaded = load_files(tmp_path, {"üñí/v1/lib.proto": LIBRARY})
    assert [(finding.place.file, finding.rule) for finding in loaded.findings] == [("üñí/v1/lib.proto", "file-name")]


def test_a_pool_can_be_opened_from_bytes(tmp_path: Path) -> None:
    """What stubs and tests need: messages of a descriptor set, with nothing judged."""
    contract = good(load_text(tmp_path, LIBRARY))
    files = b"".join(b"\x0a" + _varint(len(data)) + data for data in contract.files.values())
    pool = open_pool(files)
    assert pool.messages["library.v1.Book"](title="x").SerializeToString() == b"\x12\x01x"


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _varint(value >> 7)


def test_an_ordinary_contract_loads_well_within_a_second(tmp_path: Path) -> None:
    start = time.perf_counter()
    good(load_text(tmp_path, LIBRARY))
    assert time.perf_counter() - start < 1.0, "0.2 s on two cores"


def test_a_field_is_what_its_kind_says(tmp_path: Path) -> None:
    thing = good(load_text(tmp_path, HEADER + KINDS)).resources["library.example.com/Thing"]
    parts = thing.field("parts")
    assert parts is not None
    assert parts.key is not None
    assert (parts.kind, parts.label, parts.key.kind) == (Kind.MESSAGE, Label.MAP, Kind.STRING)
