"""A gRPC server that is not Protoplane's: grpcio's own, rows in a dict, reflection in v1alpha only. It is wrong where it is told to be."""

from __future__ import annotations

import base64
import itertools
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import error_details_pb2, status_pb2

from protoplane.contract.pool import Pool, open_pool
from protoplane.contract.report import Report
from protoplane.contract.sources import compile_files
from protoplane.edge.reflection import Index
from tests.verify.sieve import Keep, UnknownFilterError, sieve

PACKAGE = "attic.v1"
PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX = 5, 50
ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
NUMBER = re.compile(r"[1-9][0-9]{0,17}")
SERVER_FIELDS = {"view_count", "create_time", "update_time"}


@cache
def contract() -> Pool:
    """The descriptors of the attic."""
    report = Report()
    compiled = compile_files([Path(__file__).parent / "protos"], None, report)
    assert compiled is not None, report.findings()
    return open_pool(compiled.data)


class Refused(Exception):
    """A refusal, as AIP-193 has it."""

    def __init__(self, code: grpc.StatusCode, text: str, field: str = "", **metadata: str) -> None:
        super().__init__(text)
        self.code, self.field, self.metadata = code, field, metadata


def invalid(field: str, why: str) -> Refused:
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, f"{field} {why}", field, input=field, why=why)


class Attic:
    """The service; `flaws` are the words that its methods look for."""

    def __init__(self, flaws: frozenset[str]) -> None:
        self.flaws, self.rows, self.lock = flaws, dict[str, Any](), threading.RLock()
        self._clock, self._turns, self._tokens = itertools.count(1_700_000_000), itertools.count(), dict[str, Any]()
        self._answers = dict[tuple[str, str], Any]()
        self._id = NUMBER if self.has("ids are numbers") else ID

    def has(self, flaw: str) -> bool:
        """Whether this is wrong."""
        return flaw in self.flaws

    # Names: a thing has four segments, a box two.

    def parsed(self, field: str, name: str, word: str) -> str:
        """The name, if it is one."""
        collections = ["boxes", "things"] if word == "thing" else ["boxes"]
        pieces = name.split("/")
        if pieces[::2] != collections or len(pieces) != 2 * len(collections) or not all(self._id.fullmatch(own) for own in pieces[1::2]):
            if self.has("malformed names are not found"):
                raise Refused(grpc.StatusCode.NOT_FOUND, f"'{name}' was not found", name=name)
            raise invalid(field, "is no name")
        return name

    def found(self, name: str) -> Any:
        """The row of that name."""
        if name not in self.rows:
            code = grpc.StatusCode.UNKNOWN if self.has("not found is unknown") else grpc.StatusCode.NOT_FOUND
            raise Refused(code, f"'{name}' was not found", name=name)
        return self.rows[name]

    def get(self, word: str, request: Any) -> Any:
        """Get."""
        name = self.parsed("name", request.name, word)
        if name not in self.rows and not self.has("not found is unknown"):
            code = grpc.StatusCode.UNKNOWN if self.has("a Get of nothing is unknown") else grpc.StatusCode.NOT_FOUND
            inside = ' Traceback (most recent call last): File "attic.py", line 1' if self.has("errors show the inside") else ""
            raise Refused(code, f"'{name}' was not found.{inside}", name=name)
        return self.found(name)

    def parent(self, request: Any, word: str) -> str:
        """The start of the names in a list."""
        if word == "box":
            return ""
        parent = self.parsed("parent", request.parent, "box")
        if parent not in self.rows and not self.has("lists below nothing are empty"):
            raise Refused(grpc.StatusCode.NOT_FOUND, f"'{parent}' was not found", name=parent)
        return f"{parent}/"

    def checked(self, body: Any, word: str) -> None:
        """Refuse what must not be stored."""
        if not body.label and not self.has("required is optional"):
            raise invalid(f"{word}.label", "is required")
        if (self.has("labels are short") and len(body.label) > 3) or (self.has("labels are a secret") and body.label != "sesame"):
            raise invalid(f"{word}.label", "is not as it must be")
        if self.has("weights are refused") and getattr(body, "weight_grams", False):
            raise invalid("thing.weight_grams", "must not be given")

    def create(self, word: str, request: Any) -> Any:
        """Create."""
        parent = self.parent(request, word) if word == "box" else self._existing(request)
        body, own_id = type(getattr(request, word))(), getattr(request, f"{word}_id") or self._new_id()
        body.CopyFrom(getattr(request, word))
        if not self._id.fullmatch(own_id):
            raise invalid(f"{word}_id", "is no id")
        self.checked(body, word)
        name = f"{parent}{'boxes' if word == 'box' else 'things'}/{own_id}"
        key = (request.request_id, name.rpartition("/")[0])
        if request.request_id and key in self._answers and not self.has("request ids are ignored"):
            return self._answers[key]
        if name in self.rows and not self.has("duplicates win"):
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"'{name}' exists", name=name)
        for field in SERVER_FIELDS & set(body.DESCRIPTOR.fields_by_name):
            if not self.has("output only can be set"):
                body.ClearField(field)
        body.name = name
        self.stamp(body, made=True)
        if not request.validate_only or self.has("rehearsals are real"):
            self.rows[name] = body
            self._answers[key] = body
        return body

    def _new_id(self) -> str:
        return str(1 + secrets.randbits(56)) if self.has("ids are numbers") else f"x{secrets.token_hex(8)}"

    def _existing(self, request: Any) -> str:
        parent = self.parsed("parent", request.parent, "box")
        if parent not in self.rows:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"'{parent}' was not found", name=parent)
        return f"{parent}/"

    def stamp(self, body: Any, *, made: bool = False) -> None:
        """Give a row its etag and its times."""
        now = next(self._clock)
        body.etag = secrets.token_hex(8) if self.has("etags are bare") else f'"{secrets.token_hex(8)}"'
        if made and not body.HasField("create_time"):
            body.create_time.seconds = now
        if made or not self.has("update time stands still"):
            body.update_time.seconds = now

    def update(self, word: str, request: Any) -> Any:
        """Update."""
        given = getattr(request, word)
        stored = self.found(self.parsed(f"{word}.name", given.name, word))
        self._fresh(stored, given.etag, "etags are ignored by updates")
        body = type(stored)()
        body.CopyFrom(stored)
        writable = [field.name for field in body.DESCRIPTOR.fields if field.name not in SERVER_FIELDS | {"name", "etag"}]
        for path in self._paths(request, given, writable):
            if path == "material" and given.material != stored.material:
                if self.has("immutable changes"):
                    body.material = given.material
                    continue
                raise invalid("thing.material", "does not change")
            body.ClearField(path)
            if body.DESCRIPTOR.fields_by_name[path].is_repeated:
                getattr(body, path).extend(getattr(given, path))
            else:
                setattr(body, path, getattr(given, path))
        self.checked(body, word)
        if body != stored:
            self.stamp(body)
            self.rows[body.name] = body
        return body

    def _paths(self, request: Any, given: Any, writable: list[str]) -> list[str]:
        populated = [field.name for field, _ in given.ListFields() if field.name in writable]
        paths = list(request.update_mask.paths)
        if not paths or self.has("masks are ignored"):
            return populated
        if paths == ["*"]:
            return populated if self.has("the star is as no mask") else writable
        unknown = [path for path in paths if path not in given.DESCRIPTOR.fields_by_name]
        if unknown and not self.has("unknown paths are ignored"):
            raise invalid("update_mask", "names no field")
        named = [path for path in paths if path in writable]
        return sorted({*named, *populated}) if self.has("masks are widened") else named

    def _fresh(self, stored: Any, etag: str, flaw: str) -> None:
        if etag and etag != stored.etag and not self.has(flaw):
            raise Refused(grpc.StatusCode.ABORTED, f"'{stored.name}' has changed", name=stored.name)

    def delete(self, word: str, request: Any) -> Any:
        """Delete."""
        name = self.parsed("name", request.name, word)
        empty = contract().messages["google.protobuf.Empty"]()
        if name not in self.rows and request.allow_missing and not self.has("deletes are not idempotent"):
            return empty
        self._fresh(self.found(name), request.etag, "etags are ignored by deletes")
        children = [child for child in self.rows if child.startswith(f"{name}/")]
        if children and not self.has("children go along"):
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, f"'{name}' is not empty", name=name)
        for one in (*children, name):
            del self.rows[one]
        return empty

    def page(self, word: str, request: Any) -> Any:
        """List."""
        if request.page_size < 0 and not self.has("sizes may be negative"):
            raise invalid("page_size", "is negative")
        if request.page_size > PAGE_ROWS_MAX and self.has("large sizes are refused"):
            raise invalid("page_size", "is too large")
        size = min(abs(request.page_size) or PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX)
        prefix, key = self.parent(request, word), self._order(request, word)
        depth = 3 if word == "thing" else 1
        keep = self._filter(request, word)
        rows = [row for name, row in self.rows.items() if name.startswith(prefix) and name.count("/") == depth and keep(row)]
        rows.sort(key=key)
        if self.has("the order is another each time") and rows and not request.order_by:
            turn = next(self._turns) % len(rows)
            rows = rows[turn:] + rows[:turn]
        start = self._start(request, rows, key)
        page, rest = rows[start : start + size], rows[start + size :]
        more = rest or (self.has("the last page has a token") and page)
        token = self._token(request, page[-1], key, start + size) if more and page else ""
        plural = "things" if word == "thing" else "boxes"
        response = contract().messages[f"{PACKAGE}.List{plural.capitalize()}Response"](next_page_token=token)
        getattr(response, plural).extend(page)
        return response

    def _filter(self, request: Any, word: str) -> Keep:
        fields = contract().messages[f"{PACKAGE}.{word.capitalize()}"].DESCRIPTOR.fields_by_name
        if self.has("filters are ignored"):
            return lambda _: True
        try:
            return sieve(getattr(request, "filter", "") or 'name != ""', fields, loose=self.has("OR binds looser than AND"))
        except UnknownFilterError:
            if self.has("bad filters find everything"):
                return lambda _: True
            raise invalid("filter", "is not understood") from None

    def _order(self, request: Any, word: str) -> Callable[[Any], Any]:
        text = request.order_by.strip()
        fields = contract().messages[f"{PACKAGE}.{word.capitalize()}"].DESCRIPTOR.fields_by_name
        keys = [[*part.split(), "asc"][:2] for part in text.split(",") if part.strip()]
        for name, direction in keys:
            known = name in fields and not fields[name].is_repeated and fields[name].message_type is None
            if (not known and not self.has("unknown orders are ignored")) or direction not in {"asc", "desc"}:
                raise invalid("order_by", "names no field")

        def value(row: Any, name: str, direction: str) -> Any:
            found = getattr(row, name, "")
            found = str(found) if self.has("numbers sort as texts") else found
            if direction == "asc" or self.has("desc is asc"):
                return found
            return -found if isinstance(found, int) else (*(-ord(sign) for sign in found), 1)

        return lambda row: (*(value(row, *key) for key in keys), row.name)

    def _token(self, request: Any, last: Any, key: Callable[[Any], Any], offset: int) -> str:
        if self.has("tokens can be read"):
            return base64.urlsafe_b64encode(f"after:{last.name}:{'|'.join(_asked(request))}:{offset}".encode()).decode()
        token = secrets.token_urlsafe(16)
        self._tokens[token] = (_asked(request), key(last), offset)
        return token

    def _start(self, request: Any, rows: list[Any], key: Callable[[Any], Any]) -> int:
        if not request.page_token:
            return 0
        if self.has("tokens can be read") and (found := _after(request.page_token)):
            name, asked = found
            if asked != "|".join(_asked(request)):
                raise invalid("page_token", "belongs to another call")
            return next((at for at, row in enumerate(rows) if row.name == name), sum(row.name <= name for row in rows) - 1) + 1
        if request.page_token not in self._tokens:
            raise invalid("page_token", "is not one of ours")
        asked, last, offset = self._tokens[request.page_token]
        same = asked == _asked(request)
        if not same and not self.has("tokens fit every call"):
            raise invalid("page_token", "belongs to another call")
        if self.has("pages are offsets") or self.has("the order is another each time") or not same:
            return int(offset)
        return sum(key(row) <= last for row in rows)


def _asked(request: Any) -> tuple[str, ...]:
    """What a page token belongs to."""
    return request.order_by, getattr(request, "parent", ""), getattr(request, "filter", "")


def _after(token: str) -> tuple[str, str] | None:
    try:
        word, name, asked, _ = base64.urlsafe_b64decode(token).decode().split(":")
    except ValueError:
        return None
    return (name, asked) if word == "after" else None


def refuse(context: grpc.ServicerContext, refusal: Refused, flaws: frozenset[str]) -> None:
    """End a call with the details that AIP-193 asks for."""
    info = error_details_pb2.ErrorInfo(reason=f"ATTIC_{refusal.code.name}", domain="attic.example.com")
    info.metadata.update({} if "metadata is empty" in flaws else refusal.metadata)
    details: list[Any] = [] if "errors have no info" in flaws else [info]
    if refusal.field and "fields are not named" not in flaws:
        bad = error_details_pb2.BadRequest()
        bad.field_violations.add(field=refusal.field, description=str(refusal))
        details.append(bad)
    if refusal.code is grpc.StatusCode.FAILED_PRECONDITION:
        failed = error_details_pb2.PreconditionFailure()
        failed.violations.add(type="EMPTY", subject=refusal.metadata["name"])
        details.append(failed)
    status = status_pb2.Status(code=refusal.code.value[0], message=str(refusal))
    for detail in details:
        packed = Packed()
        packed.Pack(detail)
        status.details.append(packed)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(refusal.code, str(refusal))


def handlers(attic: Attic) -> grpc.GenericRpcHandler:
    """The methods of the attic, by the names in its contract."""
    (service,) = contract().services(f"{PACKAGE}.Attic")
    found: dict[str, Any] = {}
    for method in service.methods:
        ((verb, noun),) = re.findall(r"^((?:Batch)?[A-Z][a-z]+)([A-Z].*)$", method.name)
        act, word = getattr(attic, {"List": "page"}.get(verb, verb.lower())), "box" if noun.startswith("Box") else "thing"

        def serve(request: Any, context: grpc.ServicerContext, act: Any = act, word: str = word) -> Any:
            try:
                with attic.lock:
                    return act(word, request).SerializeToString()
            except Refused as refusal:
                refuse(context, refusal, attic.flaws)

        found[method.name] = grpc.unary_unary_rpc_method_handler(
            serve, request_deserializer=contract().messages[method.input_type.full_name].FromString
        )
    return grpc.method_handlers_generic_handler(service.full_name, found)


def reflection() -> grpc.GenericRpcHandler:
    """Reflection as old servers have it: v1alpha, and one file an answer."""
    pool = contract()
    service = "grpc.reflection.v1alpha.ServerReflection"
    index = Index([file.SerializeToString() for file in pool.files.values()], [f"{PACKAGE}.Attic", service])
    request_class, response_class = (pool.messages[f"{service}{part}"] for part in ("Request", "Response"))

    def serve(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        for data in requests:
            request: Any = request_class.FromString(data)
            response: Any = response_class(original_request=request)
            if request.HasField("list_services"):
                for name in index.services:
                    response.list_services_response.service.add(name=name)
            else:
                name = index.file_with(request.file_containing_symbol) or request.file_by_filename
                response.file_descriptor_response.file_descriptor_proto.append(pool.files[name].SerializeToString())
            yield response.SerializeToString()

    return grpc.method_handlers_generic_handler(service, {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(serve)})


class Locked(grpc.ServerInterceptor):
    """Lets in only those whose metadata has the key."""

    def __init__(self, key: str) -> None:
        self._key = ("x-attic-key", key)

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Ask for the key."""
        if self._key in handler_call_details.invocation_metadata:
            return continuation(handler_call_details)

        def refuse(_requests: object, context: grpc.ServicerContext) -> None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no key")

        return grpc.stream_stream_rpc_method_handler(refuse)


@contextmanager
def serving(
    *flaws: str, attic: Attic | None = None, credentials: grpc.ServerCredentials | None = None, key: str = ""
) -> Iterator[tuple[str, Attic]]:
    """The attic at an address of its own; with `key`, for those who know it."""
    from tests.verify.batches import Batching

    kept = attic or Batching(frozenset(flaws))
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)], interceptors=[Locked(key)] if key else [])
    server.add_generic_rpc_handlers((handlers(kept), reflection()))
    address = "127.0.0.1:0"
    port = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}", kept
    finally:
        server.stop(None).wait()
