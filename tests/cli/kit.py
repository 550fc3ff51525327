"""What the tests of the commands share: a project with every type of field, and a small real server for it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import grpc
from click.testing import CliRunner, Result
from google.rpc import error_details_pb2, status_pb2

from protoplane.cli.main import main
from protoplane.cli.project import read_contract, read_settings
from protoplane.cli.scaffold import Wish, scaffold
from protoplane.contract.model import Contract, MethodKind

LIBRARY = """\
syntax = "proto3";

package library.v1;

import "google/api/field_behavior.proto";
import "google/api/resource.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

// Kinds of "binding" \\ and more.
enum Binding {
  BINDING_UNSPECIFIED = 0;
  BINDING_SOFT = 1;
  BINDING_HARD = 2;
}

// Where something is.
message Place {
  string city = 1;
  optional int32 floor = 2;
}

// A publisher.
message Publisher {
  option (google.api.resource) = {
    type: "library.example.com/Publisher"
    pattern: "publishers/{publisher}"
  };

  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  string title = 2;
}

// A book, with a field of every type.
message Book {
  option (google.api.resource) = {
    type: "library.example.com/Book"
    pattern: "publishers/{publisher}/books/{book}"
    singular: "book"
    plural: "books"
  };

  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  string title = 2;
  optional string subtitle = 3;
  int32 pages = 4;
  optional int64 copies = 5;
  uint64 barcode = 6;
  double price = 7;
  optional float weight = 8;
  bool lent = 9;
  bytes cover = 10;
  Binding binding = 11;
  google.protobuf.Timestamp publish_time = 12;
  google.protobuf.Duration reading_time = 13;
  Place place = 14;
  repeated string tags = 15;
  repeated Place branches = 16;
  map<string, int64> counts = 17;
  google.protobuf.Struct extra = 18;
  google.protobuf.StringValue note = 19;
  oneof rating {
    int32 stars = 20;
    string words = 21;
  }
  google.protobuf.Timestamp create_time = 22 [(google.api.field_behavior) = OUTPUT_ONLY];
  string etag = 23;
  // A name that Python keeps for itself, and names that hide built-in types.
  string class = 24;
  int32 int = 25;
  string str = 26;
  repeated Binding bindings = 27;
}
"""


def make_project(folder: Path) -> Path:
    """A project in `folder` whose contract has the six methods for publishers and books."""
    text = scaffold(scaffold(LIBRARY, Wish("Publisher")), Wish("Book"))
    proto = folder / "protos/library/v1/library.proto"
    proto.parent.mkdir(parents=True)
    proto.write_text(text, encoding="utf-8")
    (folder / "protoplane.toml").write_text('[project]\nname = "library"\n', encoding="utf-8")
    return folder


def contract_of(folder: Path) -> Contract:
    """The project's contract."""
    return read_contract(read_settings(folder))


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    """Run `protoplane …` in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


@dataclass
class Shelf:
    """A server of the library contract that keeps resources in a dict: the form of the standard methods, nothing more."""

    contract: Contract
    held: dict[str, Any] = field(default_factory=dict)
    answered: dict[str, bytes] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    failures: list[grpc.StatusCode] = field(default_factory=list)
    """Codes of the next calls; a failure comes after the work is done, as when an answer is lost."""
    may_list: bool = True
    calls: int = 0
    lock: Lock = field(default_factory=Lock)

    def serve(self, path: str, data: bytes, context: grpc.ServicerContext) -> bytes:
        """One call."""
        method = self.contract.methods[path]
        self.tokens += [str(value) for key, value in context.invocation_metadata() if key == "authorization"]
        request: Any = method.request_class.FromString(data)
        with self.lock:
            self.calls += 1
            if method.kind is MethodKind.LIST:
                if not self.may_list:
                    refuse(context, grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
                answer = self._list(method, request)
            else:
                answer = self.answered.get(request.request_id, b"")
                if not answer:
                    answer = self._create(method, request, context)
                    self.answered[request.request_id] = answer or b"\n\0"
            failure = self.failures.pop(0) if self.failures else None
        if failure not in {None, grpc.StatusCode.OK}:
            context.abort(failure, "try again")
        return answer

    def _list(self, method: Any, request: Any) -> bytes:
        start = int(request.page_token or 0)
        prefix = f"{request.parent}/" if method.request_field("parent") else f"{method.resource.plural}/"
        rows = [
            row for name, row in sorted(self.held.items()) if name.startswith(prefix) and isinstance(row, method.resource.message_class)
        ]
        size = min(request.page_size, 3)
        following = str(start + size) if start + size < len(rows) else ""
        page = {method.resource.plural: rows[start : start + size], "next_page_token": following}
        return bytes(method.response_class(**page).SerializeToString())

    def _create(self, method: Any, request: Any, context: grpc.ServicerContext) -> bytes:
        word = method.resource.singular
        items = list(request.requests) if method.kind is MethodKind.BATCH_CREATE else [request]
        made = {}
        for at, item in enumerate(items):
            row = getattr(item, word)
            own = getattr(item, f"{word}_id") or f"made-{len(self.held) + at}"
            row.name = f"{f'{item.parent}/' if getattr(item, 'parent', '') else ''}{method.resource.plural}/{own}"
            if row.name in self.held or row.name in made:
                refuse(context, grpc.StatusCode.ALREADY_EXISTS, "RESOURCE_EXISTS", name=row.name)
            if getattr(row, "title", "") == "bad":
                refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS", violation=f"requests[{at}].{word}.title")
            if getattr(row, "title", "") == "nameless":
                refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "VALUE_TOO_LARGE")
            made[row.name] = row
        if not request.validate_only:
            self.held |= made
        rows = list(made.values())
        answer = rows[0] if method.kind is MethodKind.CREATE else method.response_class(**{method.resource.plural: rows})
        return bytes(answer.SerializeToString())


def refuse(context: grpc.ServicerContext, code: grpc.StatusCode, reason: str, name: str = "", violation: str = "") -> None:
    """Abort as the edge does, with details."""
    status = status_pb2.Status(code=code.value[0], message=f"refused: {reason}")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="protoplane.v1", metadata={"name": name} if name else {}))
    if violation:
        bad = error_details_pb2.BadRequest()
        bad.field_violations.add(field=violation, description="must be better")
        status.details.add().Pack(bad)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, status.message)


@contextmanager
def serving(shelf: Shelf) -> Iterator[str]:
    """The shelf on a free port; gives its address."""

    class Handlers(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
            path = handler_call_details.method
            return grpc.unary_unary_rpc_method_handler(lambda data, context: shelf.serve(path, data, context))

    server = grpc.server(ThreadPoolExecutor(4), handlers=[Handlers()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
