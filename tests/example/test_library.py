"""The library of `examples/`, as somebody finds it: served from its folder without any code, filled as its README says, walked through."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import json_format

from protoplane.contract.edition import Edition, read_folders
from tests.door.client import Door, Refused
from tests.door.running import Running, done, running

LIBRARY = Path(__file__).resolve().parents[2] / "examples" / "library"
IMPORT = re.compile(r"^protoplane (import .+)$", re.MULTILINE)

CALL = re.compile(r"(?:-H '(x-goog-fieldmask): ([^']*)'[\s\\]+)?-d '([^']*)'[\s\\]+localhost:50051 library\.v1\.Library/(\w+)")

BOOKS = len((LIBRARY / "data/books.csv").read_text().splitlines()) - 1
EMMA = "publishers/murray/books/emma"
ANSWERS: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("ListBooks", lambda answer: [book.publish_date.year for book in answer.books] == [1814, 1813, 1811]),
    ("ListBooks", lambda answer: {book.title for book in answer.books} == {"A Christmas Carol", "Great Expectations"}),
    ("ListBooks", lambda answer: {(book.name, book.expanded_shelf.theme) for book in answer.books} == {("", "Novels")}),
    ("AggregateBooks", lambda answer: sum(group.values["books"].int64_value for group in answer.groups) >= BOOKS),
    ("UpdateBook", lambda answer: (answer.name, answer.shelf) == (EMMA, "")),
    ("DeleteBook", lambda answer: answer.HasField("delete_time") and answer.purge_time.seconds - answer.delete_time.seconds == 30 * 86_400),
    ("ListBooks", lambda answer: EMMA in {book.name for book in answer.books}),
    ("UndeleteBook", lambda answer: answer.name == EMMA and not answer.HasField("delete_time")),
    ("UpdateLoanRules", lambda answer: answer.loan_days == 28),
    ("GetLoanRules", lambda answer: not answer.HasField("loan_days")),
    ("BatchGetBooks", lambda answer: [book.title for book in answer.books] == ["Emma", "Mansfield Park"]),
    ("Commit", lambda answer: len(answer.results) == 2),
)
"""The calls of the README, in its order, and what is true of their answers."""


@dataclass(frozen=True)
class Library:
    """The library, served, with its data."""

    folder: Path
    process: Running
    edition: Edition
    door: Door

    def new(self, kind: str, /, **fields: Any) -> Any:
        """A message."""
        return self.edition.pool.messages[f"library.v1.{kind}"](**fields)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("examples") / "library"
    shutil.copytree(LIBRARY, folder, ignore=shutil.ignore_patterns(".protoplane"))
    assert not list(folder.rglob("*.py")), "there is no code"
    edition = read_folders([folder / "protos"])
    with running(folder, "dev", "--once", PROTOPLANE_LOG_FORMAT="json", PROTOPLANE_LOG_CALLS="all") as process:
        process.started()
        imports = IMPORT.findall((folder / "README.md").read_text())
        assert len(imports) == 3
        for command in imports:
            done(*shlex.split(command), folder=folder, PROTOPLANE_TARGET=process.target)
        token = done("token", folder=folder).stdout.strip()
        file = edition.pool.descriptors.FindFileByName("library/v1/library.proto")
        door = Door(process.target, (SimpleNamespace(DESCRIPTOR=file),), token)
        yield Library(folder, process, edition, door)
        door.close()


def code_of(call: Callable[[], object]) -> str:
    """How a call ends that is refused."""
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.code


def test_the_data_is_there_and_can_be_asked_for(library: Library) -> None:
    door = library.door
    assert len(door.ListPublishers().publishers) == 6
    assert [shelf.theme for shelf in door.ListShelves(order_by="capacity desc").shelves] == ["Novels", "Travel and the sea", "Ghosts"]
    austen = door.ListBooks(parent="publishers/egerton", filter='authors:"Jane Austen"', order_by="publish_date.year desc").books
    assert [book.title for book in austen] == ["Mansfield Park", "Pride and Prejudice", "Sense and Sensibility"]
    assert (austen[1].publish_date.month, austen[0].publish_date.month, austen[1].labels["volumes"]) == (1, 0, "3")
    pages, token = [], ""
    while True:
        page = door.ListBooks(parent="publishers/egerton", page_size=1, page_token=token)
        pages += [book.title for book in page.books]
        token = page.next_page_token
        if not token:
            break
    assert len(pages) == 3


def test_the_calls_of_its_readme_answer_as_it_says(library: Library) -> None:
    calls = CALL.findall((library.folder / "README.md").read_text())
    assert [name for *_, name in calls] == [name for name, _ in ANSWERS]
    for (header, mask, data, name), (_, is_true) in zip(calls, ANSWERS, strict=True):
        fields = json.loads(data)
        paths = fields.pop("update_mask", {"paths": []})["paths"]  # As grpcurl wants it.
        made: Any = (
            library.edition.pool.messages["protoplane.commit.v1.CommitRequest"]() if name == "Commit" else library.new(f"{name}Request")
        )
        request: Any = json_format.ParseDict(fields, made, descriptor_pool=library.edition.pool.descriptors)
        if paths:
            request.update_mask.paths.extend(paths)
        answer = getattr(library.door, name)(request, metadata=((header, mask),) if header else ())
        assert is_true(answer), (name, answer)
    library.door.DeleteShelf(name="shelves/austen")


def test_a_book_lives_as_the_proposals_say(library: Library) -> None:
    door, new = library.door, library.new
    book = new("Book", title="Persuasion", authors=["Jane Austen"], format=1, isbn="9780141439686", shelf="shelves/novels")
    rehearsed = door.CreateBook(parent="publishers/murray", book_id="persuasion", book=book, validate_only=True)
    made = door.CreateBook(parent="publishers/murray", book_id="persuasion", book=book)
    assert (made.name, rehearsed.title, len(made.uid)) == ("publishers/murray/books/persuasion", made.title, 36)
    assert door.GetBook(name=made.name) == made
    twin = new("Book", title="Another", isbn="9780141439686")
    assert code_of(lambda: door.CreateBook(parent="publishers/murray", book=twin)) == "ALREADY_EXISTS"
    moved = door.UpdateBook(book=new("Book", name=made.name, shelf="shelves/ghosts", etag=made.etag), update_mask={"paths": ["shelf"]})
    assert (moved.shelf, moved.title, moved.etag != made.etag) == ("shelves/ghosts", "Persuasion", True)
    assert code_of(lambda: door.UpdateBook(book=made)) == "ABORTED", "somebody else was quicker"
    ebook = new("Book", name=made.name, format=3)
    assert code_of(lambda: door.UpdateBook(book=ebook, update_mask={"paths": ["format"]})) == "INVALID_ARGUMENT"
    assert code_of(lambda: door.DeletePublisher(name="publishers/murray")) == "FAILED_PRECONDITION"
    gone = door.DeleteBook(name=made.name, etag=moved.etag)
    assert door.GetBook(name=made.name) == gone
    assert code_of(lambda: door.CreateBook(parent="publishers/murray", book=twin)) == "ALREADY_EXISTS", "it can be had back"
    assert made.name not in {book.name for book in door.ListBooks(parent="publishers/-").books}
    assert door.UndeleteBook(name=made.name, etag=gone.etag).title == "Persuasion"


def test_a_publisher_goes_with_its_books_by_force(library: Library) -> None:
    door, new = library.door, library.new
    name = door.CreatePublisher(publisher_id="short-lived", publisher=new("Publisher", display_name="x")).name
    book = door.CreateBook(parent=name, book_id="only", book=new("Book", title="x")).name
    door.UpdateLoanRules(loan_rules=new("LoanRules", name=f"{name}/loanRules", loan_days=7))
    door.DeleteBook(name=book)
    assert code_of(lambda: door.DeletePublisher(name=name)) == "FAILED_PRECONDITION", "its book can be had back"
    door.DeletePublisher(name=name, force=True)
    for call in (lambda: door.GetBook(name=book), lambda: door.GetLoanRules(name=f"{name}/loanRules")):
        assert code_of(call) == "NOT_FOUND"


def test_batches_are_all_or_nothing(library: Library) -> None:
    door, new = library.door, library.new
    items = [new("CreateBookRequest", book_id=f"part-{number}", book=new("Book", title=f"Part {number}")) for number in range(3)]
    made = door.BatchCreateBooks(parent="publishers/blackwood", requests=items).books
    assert [book.name for book in made] == [f"publishers/blackwood/books/part-{number}" for number in range(3)]
    more = [new("CreateBookRequest", book_id=each, book=new("Book", title="x")) for each in ("fresh", "part-1")]
    assert code_of(lambda: door.BatchCreateBooks(parent="publishers/blackwood", requests=more)) == "ALREADY_EXISTS"
    assert code_of(lambda: door.GetBook(name="publishers/blackwood/books/fresh")) == "NOT_FOUND"
    names = [book.name for book in made]
    deleted = door.BatchDeleteBooks(parent="publishers/blackwood", names=names).books
    assert [book.name for book in deleted] == names
    assert all(book.HasField("delete_time") for book in door.BatchGetBooks(names=names).books)


def test_who_is_not_a_librarian_may_read_only(library: Library) -> None:
    token = done("token", "reader", folder=library.folder).stdout.strip()
    file = library.edition.pool.descriptors.FindFileByName("library/v1/library.proto")
    reader = Door(library.process.target, (SimpleNamespace(DESCRIPTOR=file),), token)
    assert reader.GetShelf(name="shelves/novels").theme == "Novels"
    assert code_of(lambda: reader.DeleteShelf(name="shelves/novels")) == "PERMISSION_DENIED"
    reader.close()
