"""Import and export through a real port: exact values, retries with one effect, rejected rows, flat text forms."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protoplane.cli import rendering, tables, values
from protoplane.cli.tables import TableOptions
from protoplane.contract.values import DURATION_SECONDS_MAX, TIMESTAMP_SECONDS_MAX, TIMESTAMP_SECONDS_MIN
from tests.cli.kit import Shelf, contract_of, make_project, run, serving


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="module")
def contract(project: Path):  # type: ignore[no-untyped-def]  # noqa: ANN201 - a Contract.
    return contract_of(project)


@pytest.fixture
def shelf(contract) -> Iterator[Shelf]:  # type: ignore[no-untyped-def]  # noqa: ANN001
    made = Shelf(contract)
    with serving(made) as address:
        made.address = address  # type: ignore[attr-defined]
        yield made


def transfer(verb: str, shelf: Shelf, project: Path, *arguments: object, stdin: bytes | None = None):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return run(verb, *arguments, "--target", shelf.address, "--project", project, "--token", "t0ken", stdin=stdin)  # type: ignore[attr-defined]


BOOK = {
    "name": "publishers/p/books/b1",
    "title": "=1+1",
    "subtitle": "",
    "pages": -3,
    "copies": "-9223372036854775808",
    "barcode": "18446744073709551615",
    "price": 0.1,
    "weight": 1.1,
    "lent": True,
    "cover": "//79",
    "binding": "BINDING_HARD",
    "publishTime": "0001-01-01T00:00:00.000000001Z",
    "readingTime": "-1.500s",
    "place": {"city": "Ulm", "floor": 0},
    "tags": ["a", "b,c", "'=x"],
    "branches": [{"city": "X", "floor": 1}, {}],
    "counts": {"a": "1", "b": "-2"},
    "extra": {"deep": [1.0, None, {"x": "y"}]},
    "note": "n",
    "words": "",
    "class": "c",
    "int": 1,
    "str": "s",
    "bindings": ["BINDING_SOFT"],
}


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_every_type_survives_import_export_import(project: Path, shelf: Shelf, tmp_path: Path, form: str) -> None:
    first = tmp_path / "books.ndjson"
    first.write_text(json.dumps(BOOK) + "\n", encoding="utf-8")
    done = transfer("import", shelf, project, "Book", first)
    assert done.exit_code == 0, done.output
    kept = shelf.held["publishers/p/books/b1"].SerializeToString(deterministic=True)
    second = tmp_path / f"again.{form}"
    out = transfer("export", shelf, project, "books", "-o", second, "--parent", "publishers/p", "--na", r"\N")
    assert out.exit_code == 0, out.output
    shelf.held.clear()
    done = transfer("import", shelf, project, "book", second, "--na", r"\N")
    assert done.exit_code == 0, done.output
    assert shelf.held["publishers/p/books/b1"].SerializeToString(deterministic=True) == kept
    assert set(shelf.tokens) == {"Bearer t0ken"}


def test_a_lost_answer_is_asked_for_again_with_one_effect(project: Path, shelf: Shelf, tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_text("id,title\n" + "".join(f"b{i},t{i}\n" for i in range(25)), encoding="utf-8")
    shelf.failures += [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED]
    done = transfer("import", shelf, project, "Book", file, "--parent", "publishers/p", "--batch", "10")
    assert done.exit_code == 0, done.output
    assert len(shelf.held) == 25
    assert shelf.calls == 5


def test_the_first_bad_row_stops_and_is_named_by_line_and_column(project: Path, shelf: Shelf, tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_text('id,title,pages\nb1,"two\nlines",1\nb2,t,12.5\n', encoding="utf-8")
    done = transfer("import", shelf, project, "Book", file, "--parent", "publishers/p")
    assert done.exit_code == 1
    assert "line 4: pages: must be a whole number, not '12.5'" in done.output


def test_a_row_the_server_refuses_is_named_by_its_line(project: Path, shelf: Shelf, tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_text("id,title\nb1,good\nb2,bad\nb3,good\n", encoding="utf-8")
    done = transfer("import", shelf, project, "Book", file, "--parent", "publishers/p")
    assert done.exit_code == 1
    assert "line 3: book.title: must be better" in done.output
    assert not shelf.held


def test_rejected_rows_go_to_a_file_that_can_be_mended_and_imported(project: Path, shelf: Shelf, tmp_path: Path) -> None:
    file, rejects = tmp_path / "books.csv", tmp_path / "rejects.csv"
    titles = ["ok", "bad", "nameless", "ok", "bad", "ok", "nameless", "ok"]
    rows = [f"b{i},{title},{i}" for i, title in enumerate(titles)] + ["b9,ok,many", "b0,twice,1"]
    file.write_text("id,title,pages\n" + "\n".join(rows) + "\n", encoding="utf-8")
    done = transfer("import", shelf, project, "Book", file, "--parent", "publishers/p", "--errors", rejects)
    assert done.exit_code == 1, done.output
    assert "4 rows of Book created" in done.output
    assert "6 rejected" in done.output
    with rejects.open(newline="", encoding="utf-8") as stream:
        listed = list(csv.DictReader(stream))
    assert sorted(int(row["_line"]) for row in listed) == [3, 4, 6, 8, 10, 11]
    for row in listed:
        row |= {"title": "mended", "pages": "1", "id": "new" if row["id"] == "b0" else row["id"]}
    with rejects.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(listed[0]))
        writer.writeheader()
        writer.writerows(listed)
    done = transfer("import", shelf, project, "Book", rejects, "--parent", "publishers/p")
    assert done.exit_code == 0, done.output
    assert len(shelf.held) == 10


@pytest.mark.parametrize("may_list", [True, False])
def test_an_import_that_broke_off_goes_on_behind_what_is_there(project: Path, shelf: Shelf, tmp_path: Path, *, may_list: bool) -> None:
    shelf.may_list = may_list
    file = tmp_path / "books.csv"
    file.write_text("id,title\n" + "".join(f"b{i},t\n" for i in range(50)), encoding="utf-8")
    head = tmp_path / "head.csv"
    head.write_text("id,title\n" + "".join(f"b{i},t\n" for i in range(30)), encoding="utf-8")
    assert transfer("import", shelf, project, "Book", head, "--parent", "publishers/p").exit_code == 0
    done = transfer("import", shelf, project, "Book", file, "--parent", "publishers/p", "--skip-existing")
    assert done.exit_code == 0, done.output
    assert "20 rows of Book created" in done.output
    assert "30 there already" in done.output
    assert len(shelf.held) == 50


def test_a_dry_run_changes_nothing(project: Path, shelf: Shelf) -> None:
    done = transfer("import", shelf, project, "Publisher", "-", "--format", "csv", "--dry-run", stdin=b"id,title\np,t\n")
    assert done.exit_code == 0, done.output
    assert "1 rows of Publisher checked" in done.output
    assert not shelf.held


@pytest.mark.parametrize("verb", ["import", "export"])
def test_a_terminal_is_shown_how_many_rows_are_done(project: Path, shelf: Shelf, tmp_path: Path, verb: str) -> None:
    rows = "".join(f'{{"name": "publishers/p/books/b{at}"}}\n' for at in range(7))
    source, target = tmp_path / "books.ndjson", tmp_path / "out.ndjson"
    source.write_text(rows, encoding="utf-8")
    assert transfer("import", shelf, project, "Book", source).exit_code == 0
    files = [source, "--skip-existing"] if verb == "import" else ["-o", target, "--parent", "publishers/p"]
    if verb == "import":
        shelf.held.clear()
    words = [verb, "Book", *files, "--project", project, "--target", shelf.address, "--token", "t"]  # type: ignore[attr-defined]
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        done = subprocess.run([sys.executable, "-m", "protoplane.cli.main", *map(str, words)], stderr=theirs, timeout=60, check=False)
        os.close(theirs)
        shown = terminal.read(65_536).decode()
    assert done.returncode == 0, shown
    assert re.search(r"Book .*\b7\b", shown), shown
    assert "None" not in shown
    assert f"7 rows of Book {'created' if verb == 'import' else 'written'}" in shown
    assert verb == "import" or len(target.read_text().splitlines()) == 7


def test_export_walks_every_parent(project: Path, shelf: Shelf) -> None:
    for number in range(4):
        transfer("import", shelf, project, "Publisher", "-", "--format", "csv", stdin=f"id,title\np{number},t\n".encode())
        rows = "".join(f"b{i},t\n" for i in range(number * 2))
        transfer(
            "import",
            shelf,
            project,
            "Book",
            "-",
            "--format",
            "csv",
            "--parent",
            f"publishers/p{number}",
            stdin=f"id,title\n{rows}".encode(),
        )
    out = transfer("export", shelf, project, "Book")
    assert out.exit_code == 0, out.output
    names = {json.loads(line)["name"] for line in out.stdout.splitlines()}
    assert names == {f"publishers/p{number}/books/b{i}" for number in range(4) for i in range(number * 2)}


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("id,titel", "no field is named 'titel', as a column is; did you mean 'title'?"),
        ("id,title,title", "two columns are named 'title'"),
        ("id,place,place.city", "column 'place' is there as a whole and field by field"),
        ("id,tags.0", "tags has no fields of its own"),
        ("", "the file is empty"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_before_any_row(project: Path, shelf: Shelf, header: str, problem: str) -> None:
    done = transfer("import", shelf, project, "Book", "-", "--format", "csv", stdin=f"{header}\n".encode() if header else b"")
    assert done.exit_code == 1
    assert problem in done.output
    assert shelf.calls == 0


@pytest.mark.parametrize(
    ("column", "text", "problem"),
    [
        ("pages", "1_000", "must be a whole number"),
        ("pages", "2147483648", "must be from -2147483648 to 2147483647"),
        ("pages", "٣", "must be a whole number"),
        ("barcode", "-1", "must be from 0 to 18446744073709551615"),
        ("price", "nan", "must be a number"),
        ("price", "1e999", "is too large"),
        ("weight", "3.5e38", "is too large"),
        ("lent", "yes", "must be true or false"),
        ("binding", "BINDING_HARF", "did you mean 'BINDING_HARD'?"),
        ("publish_time", "2013-01-01", "RFC 3339"),
        ("publish_time", "2013-02-30T00:00:00Z", "no time in the years"),
        ("publish_time", "0001-01-01T00:00:00+00:01", "no time in the years"),
        ("reading_time", "5", "must be a duration"),
        ("cover", "a", "must be base64"),
        ("tags", "a,b", "is no JSON"),
        ("tags", '"a"', "must be a JSON array"),
        ("counts", '{"a": 1.5}', "must be int64"),
        ("place.floor", "x", "must be a whole number"),
        ("name", "publishers/p", "must be a name of the form publishers/{publisher}/books/{book}"),
    ],
)
def test_a_value_that_is_not_exactly_of_its_type_is_refused(project: Path, shelf: Shelf, column: str, text: str, problem: str) -> None:
    quoted = text.replace('"', '""')
    done = transfer(
        "import", shelf, project, "Book", "-", "--format", "csv", "--parent", "publishers/p", stdin=f'{column}\n"{quoted}"\n'.encode()
    )
    assert done.exit_code == 1
    assert "line 2" in done.output
    assert column in done.output
    assert problem in done.output


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.from_regex(r"'*[=+\-@\t\r].*")))
def test_any_text_survives_a_csv_file_and_no_cell_is_a_formula(contract, tmp_path: Path, text: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    resource = contract.resources["library.example.com/Publisher"]
    from protoplane.cli.rendering import write_pages

    file = tmp_path / "one.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        write_pages(stream, "csv", resource, [[resource.message_class(name="publishers/p", title=text)]], TableOptions())
    with file.open(encoding="utf-8", newline="") as stream:
        cells = list(csv.reader(stream))[1]
    assert all(cell[:1] not in tuple("=+-@\t\r") or not cell for cell in cells)
    with file.open(encoding="utf-8", newline="") as stream:
        (row,) = list(tables.read_csv(stream, resource, TableOptions()))
    assert isinstance(row, tables.Row)
    assert row.keywords.get("title", "") == text


@given(seconds=st.integers(TIMESTAMP_SECONDS_MIN, TIMESTAMP_SECONDS_MAX), nanos=st.integers(0, 999_999_999))
def test_times_are_exact_to_the_nanosecond(seconds: int, nanos: int) -> None:
    assert values.time(rendering.time_text(seconds, nanos)) == {"seconds": seconds, "nanos": nanos}


@given(seconds=st.integers(-DURATION_SECONDS_MAX, DURATION_SECONDS_MAX), nanos=st.integers(0, 999_999_999))
def test_durations_are_exact_to_the_nanosecond(seconds: int, nanos: int) -> None:
    nanos = -nanos if seconds < 0 else nanos
    assert values.span(rendering.span_text(seconds, nanos)) == {"seconds": seconds, "nanos": nanos}


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float32_is_written_so_that_it_reads_back(value: float) -> None:
    import struct

    short = rendering.shortest_float(value)
    assert struct.pack("f", short) == struct.pack("f", value)
