"""Stubs type-check custom code strictly, and at run time give the served pool's own classes."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from protoplane.contract import served
from protoplane.contract.modules import module_of
from tests.cli.kit import contract_of, make_project, run

SERVER = Path(__file__).parents[2] / "server"

GOOD = '''\
"""Custom code as a team writes it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from library.v1.library import (
    BINDING_HARD,
    Binding,
    Book,
    CreateBookRequest,
    GetBookRequest,
    LibraryServicer,
    Place,
)
from protoplane.method.custom import Call, Handler


class Library(LibraryServicer, service="library.v1.Library"):
    def create_book(self, call: Call, request: CreateBookRequest, serve: Callable[[Call, CreateBookRequest], Book]) -> Book:
        request.book.title = request.book.title.strip()
        book = serve(call, request)
        call.create(Book(title=book.title, binding=BINDING_HARD, tags=["a"], counts={"a": 1}, place=Place(city="Ulm", floor=0)), parent="publishers/p")
        return book

    def get_book(self, call: Call, request: GetBookRequest, serve: Handler[GetBookRequest, Book]) -> Book:
        book = call.get(Book, request.name)
        book.publish_time = datetime.now(UTC)
        book.reading_time = timedelta(minutes=1)
        when: datetime = book.publish_time.ToDatetime()
        binding: Binding.ValueType = book.binding
        names: list[str] = [Binding.Name(binding), *book.tags, book.place.city, book.note.value, str(when)]
        book.branches.add(city="X").floor = len(names)
        if book.HasField("subtitle") and book.WhichOneof("rating") == "stars":
            book.ClearField("rating")
        return Book(publish_time=when, reading_time=timedelta(1), extra={"a": [1]}, branches=[Place()], note=book.note)
'''

BAD = [
    ('Book(titel="x")', "call-arg"),
    ("Book(pages='x')", "arg-type"),
    ("Book(binding=1)", "arg-type"),
    ("Book().HasField('title')", "arg-type"),
    ("Book().place.street", "attr-defined"),
    ("Book().WhichOneof('stars')", "arg-type"),
    ("Book().tags.append(1)", "arg-type"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("library"))
    assert run("stubs", "--project", folder).exit_code == 0
    return folder


def mypy(project: Path, text: str) -> str:
    file = project / "servicers_checked.py"
    file.write_text(text, encoding="utf-8")
    (project / "mypy.ini").write_text(f"[mypy]\nstrict = true\nmypy_path = stubs:{SERVER}\ncache_dir = {project / 'cache'}\n")
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", "--config-file", "mypy.ini", "--no-error-summary", file.name]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.stdout


@pytest.mark.timeout(600)
def test_a_servicer_type_checks_strictly(project: Path) -> None:
    assert mypy(project, GOOD) == ""


@pytest.mark.timeout(600)
def test_mistakes_are_found(project: Path) -> None:
    found = mypy(project, "from library.v1.library import Book\n\n" + "\n".join(line for line, _ in BAD) + "\n").splitlines()
    errors = [line for line in found if "error" in line]
    assert [line.rpartition("[")[2].rstrip("]") for line in errors] == [code for _, code in BAD], "\n".join(found)


@pytest.mark.timeout(600)
def test_the_stubs_themselves_are_sound(project: Path) -> None:
    files = [str(path.relative_to(project)) for path in (project / "stubs").rglob("*.pyi")]
    (project / "mypy.ini").write_text(f"[mypy]\nstrict = true\nmypy_path = stubs:{SERVER}\nexplicit_package_bases = true\n")
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", "--config-file", "mypy.ini", "--no-error-summary", *files]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def test_at_run_time_the_classes_are_those_of_the_served_contract(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = contract_of(project)
    monkeypatch.syspath_prepend(project / "stubs")
    monkeypatch.setattr(served, "_messages", dict(contract.messages))
    for name in [name for name in sys.modules if name.partition(".")[0] in {"library", "google_"}]:
        monkeypatch.delitem(sys.modules, name)
    module: Any = importlib.import_module("library.v1.library")
    assert module.Book == contract.resources["library.example.com/Book"].message_class
    assert module.Binding.Value("BINDING_HARD") == module.BINDING_HARD == module.Book(binding="BINDING_HARD").binding
    stamp = importlib.import_module("google_.protobuf.timestamp").Timestamp
    assert module.Book(publish_time=stamp(seconds=5)).publish_time.seconds == 5


def test_without_a_contract_the_error_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "_messages", {})
    with pytest.raises(LookupError, match=r"no contract is in use.*served\.use"):
        served.message("library.v1.Book")


def test_stubs_of_files_that_are_gone_are_removed_and_other_files_are_not_touched(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    assert run("stubs", "--project", project).exit_code == 0
    (project / "stubs/mine.py").write_text("x = 1\n")
    old = project / "protos/library/v1/library.proto"
    old.rename(old.with_name("books.proto"))
    done = run("stubs", "--project", project)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (project / "stubs").rglob("*.py")) == sorted(
        ["books.py", "mine.py", "duration.py", "empty.py", "field_mask.py", "struct.py", "timestamp.py", "wrappers.py"]
    )
    (project / "stubs/library/v1/books.py").write_text("mine\n")
    assert "is not ours to replace" in run("stubs", "--project", project).output


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("library/v1/library.proto", "library.v1.library"),
        ("google/protobuf/timestamp.proto", "google_.protobuf.timestamp"),
        ("calendar/v1/my-events.proto", "calendar_.v1.my_events"),
        ("import/class.proto", "import_.class_"),
    ],
)
def test_module_names_hide_no_other_package(path: str, module: str) -> None:
    assert module_of(path) == module
