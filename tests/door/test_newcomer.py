"""From nothing to a service that changes while it keeps its data: what somebody does who follows the README."""

from __future__ import annotations

import base64
import csv
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from protoplane.identity.tokens import Signer
from tests.door.running import Running, done, is_refused, run, running

PACKAGE = "bookshop.v1"
PROTO = "protos/bookshop/v1/bookshop.proto"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A new project with a child resource, made by commands alone, and a reference written by hand."""
    done("new", "bookshop", "--resource", "Publisher", folder=tmp_path)
    folder = tmp_path / "bookshop"
    done("scaffold", "Book", "--parent", "Publisher", folder=folder)
    add_field(folder, "Book", 'string sequel_of = 6 [(google.api.resource_reference).type = "bookshop.example.com/Book"];')
    return folder


def change(folder: Path, old: str, new: str) -> None:
    """Replace one place of the contract, in one write."""
    file = folder / PROTO
    text = file.read_text()
    assert text.count(old) == 1, old
    file.write_text(text.replace(old, new))


def add_field(folder: Path, message: str, declaration: str) -> None:
    """A field, with a comment, before the end of a resource."""
    text = (folder / PROTO).read_text()
    body = text[text.index(f"\nmessage {message} {{") :]
    end = body[: body.index("\n}\n") + 3]
    change(folder, end, f"{end[:-2]}\n  // Added later.\n  {declaration}\n}}\n")


def grpcurl(program: Path, dev: Running, method: str, request: Mapping[str, object]) -> Any:
    """Call with the token that was printed."""
    headers = ["-H", f"authorization: Bearer {dev.token}"]
    command = [str(program), "-plaintext", *headers, "-d", json.dumps(request), dev.target, f"{PACKAGE}.Bookshop/{method}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def by_client(folder: Path, dev: Running, code: str) -> Any:
    """Run code with a freshly generated client, in a process that has nothing of ours; gives what it prints as JSON."""
    client = folder.parent / "client"
    done("generate", "--lang", "python", "--out", client, folder=folder)
    prelude = """
        import json, sys
        import grpc
        from bookshop.v1 import bookshop_pb2 as pb, bookshop_pb2_grpc
        target, token = sys.argv[1:]
        stub = bookshop_pb2_grpc.BookshopStub(grpc.insecure_channel(target))
        own = {"metadata": [("authorization", f"Bearer {token}")], "timeout": 20}
    """
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(prelude) + textwrap.dedent(code), dev.target, dev.token],
        env=variables | {"PYTHONPATH": str(client / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_newcomer_serves_calls_changes_and_breaks_a_contract_of_their_own(project: Path, grpcurl_program: Path) -> None:
    done("lint", folder=project)
    with running(project, "dev") as dev:
        dev.started()
        publisher = grpcurl(grpcurl_program, dev, "CreatePublisher", {"publisher_id": "penguin", "publisher": {"display_name": "Penguin"}})
        assert publisher["name"] == "publishers/penguin"
        first = by_client(
            project,
            dev,
            """
            emma = stub.CreateBook(pb.CreateBookRequest(parent="publishers/penguin", book_id="emma", book=pb.Book(display_name="Emma")), **own)
            stub.CreateBook(pb.CreateBookRequest(parent="publishers/penguin", book=pb.Book(display_name="Emma II", sequel_of=emma.name)), **own)
            asked = pb.ListBooksRequest(parent="publishers/penguin", filter='sequel_of = "publishers/penguin/books/emma"')
            print(json.dumps([book.display_name for book in stub.ListBooks(asked, **own).books]))
            """,
        )
        assert first == ["Emma II"]

        add_field(project, "Book", "optional int32 page_count = 7;")
        dev.started(times=2)
        kept = grpcurl(grpcurl_program, dev, "GetBook", {"name": "publishers/penguin/books/emma"})
        assert kept["displayName"] == "Emma"
        assert "pageCount" not in kept
        second = by_client(
            project,
            dev,
            """
            emma = pb.Book(name="publishers/penguin/books/emma", page_count=474)
            stub.UpdateBook(pb.UpdateBookRequest(book=emma, update_mask={"paths": ["page_count"]}), **own)
            asked = pb.ListBooksRequest(parent="publishers/penguin", filter="page_count > 400")
            print(json.dumps([[book.display_name, book.page_count] for book in stub.ListBooks(asked, **own).books]))
            """,
        )
        assert second == [["Emma", 474]]

        change(project, "optional int32 page_count = 7;", "optional string page_count = 7;")
        dev.seen("waiting for a change")
        (difference,) = dev.seen("^table 'books'")
        assert "page_count" in difference
        dev.seen("does not fit the contract")
        dev.seen("protoplane dev --reset")
        assert is_refused(dev.target)

        change(project, "optional string page_count = 7;", "optional int32 page_count = 7;")
        dev.started(times=3)
        assert grpcurl(grpcurl_program, dev, "GetBook", {"name": "publishers/penguin/books/emma"})["pageCount"] == 474
        assert dev.stop() == 0


@pytest.fixture
def grpcurl_program(grpcurl: Path) -> Path:
    """The program, under another name than the function here."""
    return grpcurl


def test_what_commands_write_into_the_project_starts_nothing_again(project: Path) -> None:
    """As the README of a new project has it: the client beside the contract, while it is served."""
    with running(project, "dev") as dev:
        dev.started()
        done("generate", "--lang", "python", "--out", "client", folder=project)
        done("stubs", folder=project)
        add_field(project, "Book", "optional int32 page_count = 7;")
        dev.started(times=2)
        assert "bookshop.proto" in dev.seen("changed: starting again")[0]


def test_rows_go_in_and_come_out_again_as_csv(project: Path, tmp_path: Path) -> None:
    add_field(project, "Book", "optional int32 page_count = 7;")
    add_field(project, "Book", "repeated string tags = 8;")
    rows = [
        {"name": "publishers/p/books/a", "display_name": 'A "quoted", comma', "sequel_of": "", "page_count": "7", "tags": '["x", "y"]'},
        {
            "name": "publishers/p/books/b",
            "display_name": "two\nlines and 😀 ",
            "sequel_of": "publishers/p/books/a",
            "page_count": "",
            "tags": "[]",
        },
        {"name": "publishers/p/books/c", "display_name": "'=1+1", "sequel_of": "", "page_count": "0", "tags": '["=2"]'},
    ]
    books, publishers, out = tmp_path / "books.csv", tmp_path / "publishers.csv", tmp_path / "out.csv"
    publishers.write_text("id,display_name\np,Penguin\n")
    with books.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with running(project, "dev") as dev:
        dev.started()
        at = {"PROTOPLANE_TARGET": dev.target}
        assert "1 rows of Publisher created" in done("import", "Publisher", publishers, folder=project, **at).stderr
        assert "3 rows of Book checked" in done("import", "Book", books, "--dry-run", folder=project, **at).stderr
        assert "0 rows of Book written" in done("export", "Book", "-o", out, folder=project, **at).stderr
        assert "3 rows of Book created" in done("import", "Book", books, folder=project, **at).stderr
        assert "3 rows of Book written" in done("export", "Book", "-o", out, "--order-by", "name", folder=project, **at).stderr
        with out.open(newline="") as file:
            assert [cells(row) for row in csv.DictReader(file)] == [cells(row) for row in rows]
        again = run("import", "Book", books, folder=project, **at)
        assert again.returncode == 1
        assert "publishers/p/books/a" in again.stderr
        assert "3 there already" in done("import", "Book", books, "--skip-existing", folder=project, **at).stderr


def cells(row: Mapping[str, str]) -> dict[str, object]:
    """The cells that the caller may write, with lists as values: an export has the others as well."""
    own = {key: row[key] for key in ("name", "display_name", "sequel_of", "page_count")}
    return own | {"tags": json.loads(row["tags"] or "[]")}


def test_serve_refuses_a_database_that_does_not_fit_and_prints_the_sql(project: Path) -> None:
    (project / "jwks.json").write_text(json.dumps(Signer.new().jwks()))
    (project / "page.keys").write_text(base64.b64encode(b"k" * 32).decode())
    production = {
        "PROTOPLANE_DATABASE_URL": "sqlite:///bookshop.db",
        "PROTOPLANE_AUTH_ISSUER": "https://issuer.example",
        "PROTOPLANE_AUTH_AUDIENCE": "bookshop",
        "PROTOPLANE_AUTH_KEYS": "jwks.json",
        "PROTOPLANE_PAGE_TOKENS_KEYS": "page.keys",
        "PROTOPLANE_SERVER_DRAIN_SECONDS": "0",
    }
    done("migrate", "--production", "--apply", folder=project, **production)
    with running(project, "serve", **production) as serve:
        serve.started()
        assert serve.stop() == 0
    add_field(project, "Book", "optional int32 page_count = 7;")
    with running(project, "serve", **production) as serve:
        assert serve.ended() == 1
        (missing,) = serve.seen("ALTER TABLE")
        assert "books" in missing
        assert "page_count" in missing
        serve.seen("protoplane migrate")
        assert is_refused(serve.target)
    shown = run("migrate", "--production", folder=project, **production)
    assert shown.returncode == 1
    assert shown.stdout.strip() in missing
    done("migrate", "--production", "--apply", folder=project, **production)
    with running(project, "serve", **production) as serve:
        serve.started()
