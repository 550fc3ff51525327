"""What must not get out, and what must not get in: canaries in errors and sensitive fields, and SQL in every text there is."""

from __future__ import annotations

import base64
import itertools
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.attacks.wire import Wire, message
from tests.door.client import Door, Refused, code_of
from tests.door.custom import WORKSHOP, pb
from tests.door.process import free_port
from tests.door.running import Running, running
from tests.door.service import Service, token_of
from tests.engines import Database, Engine


@dataclass
class Workshop:
    """The workshop as a process whose log can be read."""

    folder: Path
    process: Running
    door: Door
    metrics_address: str

    def metrics(self) -> str:
        """All that is counted."""
        with urllib.request.urlopen(f"http://{self.metrics_address}/metrics", timeout=10) as answer:
            found: str = answer.read().decode()
        assert "grpc_server_handled_total{" in found
        return found

    def log_after(self) -> str:
        """Everything logged, once the last call is."""
        mark = f"mark-{uuid.uuid4()}"
        self.door.ListAccounts(page_size=1, metadata=(("x-request-id", mark),))
        self.process.seen(mark)
        return self.process.text


@pytest.fixture(scope="module")
def workshop(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    database: Database = engine.create_database()
    folder = WORKSHOP.project(tmp_path_factory.mktemp("workshop"), database.url)
    address = f"127.0.0.1:{free_port()}"
    with running(folder, "dev", "--once", PROTOPLANE_METRICS_ADDRESS=address) as process:
        process.started()
        door = WORKSHOP.door(folder, process.target)
        yield Workshop(folder, process, door, address)
        door.close()
    database.drop()


@pytest.fixture
def canary() -> str:
    return f"canary{uuid.uuid4().hex}"


def refused(call: Callable[..., Any], *arguments: Any, **fields: Any) -> tuple[Refused, str]:
    """The refusal, and all of it as text, trailers included."""
    with pytest.raises(Refused) as caught:
        call(*arguments, **fields)
    error: Any = caught.value.__cause__
    return caught.value, f"{caught.value} {error.trailing_metadata()} {error.details()} {error!r}"


def test_the_text_of_an_exception_is_for_the_log_alone(workshop: Workshop, canary: str) -> None:
    refusal, text = refused(workshop.door.Fail, how=canary)
    assert (refusal.code, refusal.reason) == ("INTERNAL", "INTERNAL_FAULT")
    assert canary not in text
    assert "RuntimeError" not in text
    log = workshop.log_after()
    (line,) = [line for line in log.splitlines() if refusal.metadata["requestId"] in line]
    assert canary in line, "the id that the caller was told leads to the whole trace"
    assert '"trace"' in line


def test_what_a_refusal_was_caused_by_stays_inside(workshop: Workshop, canary: str) -> None:
    refusal, text = refused(workshop.door.Fail, how="cause", canary=canary)
    assert refusal.reason == "WITH_CAUSE"
    assert canary not in text
    assert canary not in workshop.log_after()


@pytest.mark.parametrize("how", ["sql", "duplicate", "wrong type"])
def test_what_a_database_says_about_values_is_told_to_nobody(workshop: Workshop, canary: str, how: str) -> None:
    _, text = refused(workshop.door.Fail, how=how, canary=canary)
    assert canary not in text
    assert canary not in workshop.metrics()
    assert not {
        word for word in ("nothing_like_it", "twin-", "accounts__code", "1062", "UNIQUE", "sqlite", "MySQL", "peewee") if word in text
    }
    assert canary not in workshop.log_after(), "the field is sensitive"


def test_b03_sensitive_fields_are_stored_and_never_logged(workshop: Workshop, canary: str) -> None:
    door = workshop.door
    pin, secret = f"pin-{canary}", f"secret-{canary}"
    made = door.CreateAccount(account=pb.Account(display_name="x", pin=pin, secret=secret, code=canary[:40]))
    assert (made.pin, made.secret) == ("", secret)
    door.UpdateAccount(account=pb.Account(name=made.name, pin=f"{pin}2", secret=f"{secret}2"))
    assert door.GetAccount(name=made.name).secret == f"{secret}2"
    answers = [
        refused(door.UpdateAccount, account=pb.Account(name=made.name, secret=f"!{secret}")),
        refused(door.CreateAccount, account=pb.Account(display_name="x", pin=pin * 10)),
        refused(door.CreateAccount, account=pb.Account(display_name="x", pin=pin, secret=secret, code=canary[:40])),
        refused(door.UpdateAccount, account=pb.Account(name=made.name, pin=pin, etag="other")),
        refused(door.UpdateAccount, account=pb.Account(name="accounts/none", pin=pin, secret=secret)),
        refused(door.CreateAccount, account=pb.Account(display_name="x" * 101, pin=pin, secret=secret)),
    ]
    assert [refusal.code for refusal, _ in answers] == [
        "INVALID_ARGUMENT", "INVALID_ARGUMENT", "ALREADY_EXISTS", "ABORTED", "NOT_FOUND", "INVALID_ARGUMENT",
    ]  # fmt: skip
    for _, text in answers:
        assert canary not in text
    for field in ("pin", "secret"):
        assert refused(door.ListAccounts, filter=f'{field} = "{canary}"')[0].reason == "INVALID_FILTER"
        assert refused(door.ListAccounts, order_by=field)[0].reason == "INVALID_ORDER_BY"
    assert canary not in workshop.log_after()


def test_nothing_that_callers_send_is_logged_but_their_request_id(workshop: Workshop, canary: str) -> None:
    door = workshop.door
    stranger = WORKSHOP.door(workshop.folder, workshop.process.target)
    stranger.token = canary
    refusal, text = refused(stranger.GetAccount, name="accounts/x")
    assert (refusal.code, canary in text) == ("UNAUTHENTICATED", False)
    stranger.close()
    door.GetAccount(name=door.CreateAccount(account=pb.Account(display_name=canary, note=canary)).name, metadata=(("x-canary", canary),))
    for call in (
        lambda: door.GetAccount(name=f"accounts/{canary}"),
        lambda: door.GetAccount(name=canary),
        lambda: door.ListAccounts(filter=f"{canary} = 3"),
        lambda: door.ListAccounts(order_by=canary),
        lambda: door.ListAccounts(page_token=canary),
        lambda: door.UpdateAccount(account=pb.Account(name="accounts/x"), update_mask=FieldMask(paths=[canary])),
        lambda: door.CreateAccount(account=pb.Account(display_name="x"), request_id=canary),
    ):
        refused(call)
    assert canary not in workshop.log_after()


HEADERS = ("x-canary", "user-agent", "x-forwarded-for", "cookie", "x-api-key", "traceparent", "tracestate", "grpc-accept-encoding", "host")
UNPARSED = ("grpc-timeout", "grpc-encoding", "grpc-previous-rpc-attempts", "x-canary-bin", "grpc-trace-bin")
"""Headers whose values gRPC reads itself: it refuses what it cannot read."""


@dataclass
class Calls:
    """Every kind of call there is, with headers of our own making."""

    workshop: Workshop
    wire: Wire

    def __call__(self, path: str, data: bytes, *headers: tuple[str, str], token: str | None = None) -> str:
        """What comes back, all of it, as text; `token`: another one than is good."""
        good = token_of(self.workshop.folder, "teller") if token is None else token
        fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": self.workshop.process.target, "te": "trailers"}
        fields |= {"content-type": "application/grpc", "authorization": f"Bearer {good}"} | dict(headers)
        answer = self.wire.call(list(fields.items()), message(data))
        assert answer.fields, "nothing comes back"
        details = answer.fields.get("grpc-status-details-bin", "")
        decoded = base64.b64decode(details + "=" * (-len(details) % 4)).decode(errors="replace")
        return f"{answer.fields} {decoded} {answer.data!r}"


CALLED = {
    "unary": ("/workshop.v1.Workshop/GetAccount", b"\x0a\x0aaccounts/x"),
    "unary, broken": ("/workshop.v1.Workshop/Fail", b"\x0a\x03sql"),
    "unary, malformed": ("/workshop.v1.Workshop/GetAccount", b"\xff"),
    "health": ("/grpc.health.v1.Health/Check", b""),
    "health, malformed": ("/grpc.health.v1.Health/Check", b"\xff"),
    "reflection": ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", b"\x3a\x01*"),
    "reflection, malformed": ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", b"\xff"),
    "unknown": ("/workshop.v1.Workshop/Nobody", b""),
}


@pytest.fixture
def calls(workshop: Workshop) -> Iterator[Calls]:
    with Wire(workshop.process.target) as wire:
        yield Calls(workshop, wire)


@pytest.mark.parametrize(("path", "data"), CALLED.values(), ids=CALLED)
def test_no_header_comes_back_or_is_logged_or_measured(workshop: Workshop, calls: Calls, canary: str, path: str, data: bytes) -> None:
    told = [calls(path, data, (name, canary)) for name in (*HEADERS, *UNPARSED)]
    told += [calls(path, data, token=token) for token in (canary, f"{canary}.{canary}.{canary}", "")]
    told += [calls(path, data, ("authorization", f"Basic {canary}")), calls(path, data, ("x-request-id", f"{canary} ."))]
    assert not [text for text in told if canary in text]
    calls(f"/{canary}/{canary}", data)
    assert canary not in workshop.log_after()
    assert canary not in workshop.metrics()


def test_a_sensitive_field_in_a_message_that_is_malformed_behind_it_is_told_to_nobody(
    workshop: Workshop, calls: Calls, canary: str
) -> None:
    sensitive = pb.CreateAccountRequest(account=pb.Account(pin=canary, secret=canary)).SerializeToString()
    assert canary not in calls("/workshop.v1.Workshop/CreateAccount", sensitive + b"\xff")
    assert canary not in calls("/workshop.v1.Workshop/CreateAccount", sensitive[:-4])
    assert canary not in calls("/workshop.v1.Workshop/Fail", pb.FailRequest(how="sql", canary=canary).SerializeToString() + b"\xff")
    assert canary not in workshop.log_after()
    assert canary not in workshop.metrics()


@pytest.mark.parametrize("fate", ["exception", "exit"])
def test_whatever_a_servicer_raises_after_its_work_is_for_the_log_alone(workshop: Workshop, fate: str) -> None:
    """SystemExit and a half-done transaction too."""
    door = workshop.door
    one, other = (door.CreateAccount(account=pb.Account(display_name="x")).name for _ in range(2))
    refusal, text = refused(door.MergeAccounts, name=one, heir=other, fate=fate)
    assert (refusal.code, refusal.reason, "a canary" in text) == ("INTERNAL", "INTERNAL_FAULT", False)
    assert door.GetAccount(name=one).name == one
    assert "a canary" in workshop.log_after()


def test_a_log_line_is_one_line_whatever_callers_send(workshop: Workshop) -> None:
    for number, text in enumerate(("a\r\nb", "\x1b[31m", "%s%n{}", "x" * 200_000, "\u2028\u202e")):
        refused(workshop.door.GetAccount, name=text)
        refused(workshop.door.Fail, how=f"{number} {text[:5_000]}")
    lines = workshop.log_after().splitlines()
    begun = next(i for i, line in enumerate(lines) if '"server.started"' in line)
    assert all(line.startswith("{") and line.endswith("}") for line in lines[begun:] if line)
    assert max(map(len, lines)) < 100_000


TEXTS = [
    "'", '"', "`", "''", "\\", "\\'", "'--", "' OR '1'='1", "' OR 1=1 -- ", "' OR 1=1 #", '" OR ""="', "') OR ('1'='1", "1; DROP TABLE books",
    "'; DROP TABLE books; --", "Robert'); DROP TABLE books;--", "' UNION SELECT 1,2,3 -- ", "'/**/OR/**/1=1", "/*!50000 SELECT 1*/", "1' AND SLEEP(5) -- ",
    "1 AND (SELECT 1 FROM (SELECT SLEEP(5))x)", "'; EXEC xp_cmdshell('dir'); --", "0x27204f52", "CHAR(39)", "admin'/*", "%", "_", "!%", "!_!!", "%%s %s %(x)s %n",
    "?", ":1", "$1", "{0}{name}", "${jndi:ldap://127.0.0.1/a}", "{{7*7}}", "<script>alert(1)</script>", "\u02bc OR 1=1", "\uff07 OR 1=1", "\u2019", "\u00a0 ",
    " leading and trailing ", "tab\tnewline\nreturn\r", "\x00", "a\x00b", "\x1a", "\x08\x7f", "\u202e\u2066", "\ufeff", "Z\u0351\u036b\u0343", "😀👩‍👩‍👧", "NULL", "null", "true", "-1", "1e999",
    "*", "..", "../../etc/passwd", "a/b", "publishers/-", "x" * 5_000,
]  # fmt: skip
FINE = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "ABORTED", "ALREADY_EXISTS"}

_numbers = itertools.count(1)


def quoted(text: str) -> str:
    """As a string of a filter."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def attempts(door: Door, lib: Any, publisher: str, book: str, text: str) -> dict[str, Callable[[], Any]]:
    """The text in every place that takes one."""
    return {
        "name": lambda: door.GetBook(name=text),
        "id in a name": lambda: door.GetBook(name=f"{publisher}/books/{text}"),
        "parent": lambda: door.ListBooks(parent=text),
        "id in a parent": lambda: door.ListBooks(parent=f"publishers/{text}"),
        "new id": lambda: door.CreateBook(parent=publisher, book_id=text, book=lib.Book(title="x"), validate_only=True),
        "filter": lambda: door.ListBooks(parent=publisher, filter=text),
        "literal": lambda: door.ListBooks(parent=publisher, filter=f"title = {quoted(text)}"),
        "literal not quoted": lambda: door.ListBooks(parent=publisher, filter=f'title = "{text}"'),
        "literal with a star": lambda: door.ListBooks(parent=publisher, filter=f"notes = {quoted(text + '*')}"),
        "literal of another type": lambda: door.ListBooks(parent=publisher, filter=f"page_count > {quoted(text)}"),
        "name in a filter": lambda: door.ListBooks(parent=publisher, filter=f"first_publisher = {quoted(text)}"),
        "element": lambda: door.ListBooks(parent=publisher, filter=f"tags:{quoted(text)}"),
        "key": lambda: door.ListBooks(parent=publisher, filter=f"labels.{quoted(text)} = 'x'"),
        "field": lambda: door.ListBooks(parent=publisher, filter=f"{text} = 1"),
        "order": lambda: door.ListBooks(parent=publisher, order_by=text),
        "order behind a field": lambda: door.ListBooks(parent=publisher, order_by=f"title {text}"),
        "page token": lambda: door.ListBooks(parent=publisher, page_token=text),
        "mask": lambda: door.UpdateBook(book=lib.Book(name=book), update_mask=FieldMask(paths=[text])),
        "mask below": lambda: door.UpdateBook(book=lib.Book(name=book), update_mask=FieldMask(paths=[f"labels.`{text}`"])),
        "etag": lambda: door.DeleteBook(name=book, etag=text, validate_only=True) if text else None,
        "request_id": lambda: door.CreateBook(parent=publisher, book=lib.Book(title="x"), request_id=text, validate_only=True),
        "reference": lambda: door.UpdateBook(book=lib.Book(name=book, sequel_of=text), update_mask=FieldMask(paths=["sequel_of"])),
        "unique value": lambda: door.UpdateBook(book=lib.Book(name=book, isbn=text), update_mask=FieldMask(paths=["isbn"])),
    }


def test_b04_b05_texts_are_texts_wherever_they_stand(served: Service, door: Door, lib: Any, publisher: str) -> None:
    """Each is refused with a reason or taken as it is; none is ever part of a statement."""
    kept = door.CreateBook(parent=publisher, book_id="kept", book=lib.Book(title="kept"))
    spare = door.CreateBook(parent=publisher, book_id="spare", book=lib.Book(title="spare")).name
    odd: dict[tuple[str, str], str] = {}
    for text in TEXTS:
        for place, attempt in attempts(door, lib, publisher, spare, text).items():
            code = code_of(attempt)
            if code not in FINE:
                odd[place, text[:60]] = code
    assert not odd, (odd, served.bugs)
    assert door.GetBook(name=kept.name) == kept
    assert {book.name for book in door.ListBooks(parent=publisher).books} == {kept.name, spare}


def test_texts_come_back_as_they_were_and_are_found_by_themselves(door: Door, lib: Any, publisher: str) -> None:
    for number, text in enumerate(TEXTS):
        if "\0" in text:
            refusal, _ = refused(door.CreateBook, parent=publisher, book_id=f"b{number}", book=lib.Book(title="x", notes=text))
            assert (refusal.code, "book.notes" in refusal.violations) == ("INVALID_ARGUMENT", True)
            continue
        fields = {"notes": text, "tags": [text, "x"], "labels": {text: text, "k": text}, "shelf_secret": text}
        title = text if 0 < len(text) <= 200 else "long"
        made = door.CreateBook(parent=publisher, book_id=f"b{number}", book=lib.Book(title=title, **fields))
        assert (made.title, made.notes, list(made.tags), dict(made.labels)) == (title, text, [text, "x"], {text: text, "k": text}), text
        assert door.GetBook(name=made.name) == made
    for number, text in enumerate(TEXTS):
        if "*" in text or "\0" in text or len(text) > 200:
            continue  # A star stands for anything, a filter has a longest text, and no NUL.
        found = door.ListBooks(parent=publisher, filter=f"notes = {quoted(text)}").books
        assert [book.name for book in found] == [f"{publisher}/books/b{number}"], text
        found = door.ListBooks(parent=publisher, filter=f"tags:{quoted(text)}", page_size=1000).books
        assert f"{publisher}/books/b{number}" in [book.name for book in found], text
