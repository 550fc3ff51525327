"""Documents in nested folders, users in nested groups, and callers who may see ten documents, one per cent, nearly all, none.

Rows are the same every time, and go straight into the tables. What a caller sees is worked out here, by numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from protoplane.access.tuples import RelationTuple, Subject
from tests.bench.shelves import held
from tests.bench.stacks_tables import connection_to, insert, insert_tuples

WIDTH = 10
"""Folders at the top, and in each of the others but the lowest."""
LANGUAGES = ("de", "en")
FIRST_DAY = datetime(2013, 1, 1)  # noqa: DTZ001 - DATETIME columns hold UTC without a zone.
STEP = 7_919
"""Documents that follow each other in time are far apart by name, and in other folders."""
TEN = 10
BRANCH = 37
"""The folder of the second level that one per cent is in."""

FILTER, ORDER = 'language = "en"', "publish_time desc"
"""Of the pages: every other document fits."""

DOCUMENT = (
    "document", "row_version", "parent_folder", "title", "author", "language", "pages", "publish_time", "create_time", "update_time",
)  # fmt: skip
FOLDER = ("folder", "row_version", "parent_folder")


@dataclass(frozen=True, slots=True)
class Stacks:
    """So many of each; documents are a multiple of folders, folders a power of ten."""

    documents: int = 1_000_000
    folders: int = 10_000
    users: int = 10_000
    groups: int = 1_000

    def name(self, number: int) -> str:
        """The id of a document."""
        return f"d{number:07}"

    def rank(self, number: int) -> int:
        """Its place in time."""
        return number * STEP % self.documents

    def english(self, number: int) -> bool:
        """Whether it fits the filter."""
        return self._language(number) == "en"

    def _language(self, number: int) -> str:
        return LANGUAGES[number // self.folders % 2]

    def path(self, number: int) -> list[int]:
        """The folders it lies in, from the lowest up: folders at the top are 0 to 9, those in folder 3 30 to 39, numbered level by level."""
        size, place = self.folders, number % self.folders
        found = []
        while size >= WIDTH:
            found.append(self.folder(size, place))
            size, place = size // WIDTH, place // WIDTH
        return found

    def folder(self, size: int, place: int) -> int:
        """The number of a folder by its level, which has so many, and its place there."""
        below: int = (size - WIDTH) // (WIDTH - 1)  # So many there are on the levels above: 10 + 100 + …
        return below + place

    def document_rows(self) -> Iterator[tuple[object, ...]]:
        """Of the table of documents, in the order of the key."""
        for number in range(self.documents):
            time = FIRST_DAY + timedelta(seconds=60 * self.rank(number))
            lowest = f"f{self.folder(self.folders, number % self.folders)}"
            author = f"user {number % self.users}"
            yield (
                self.name(number),
                number + 1,
                lowest,
                f"Title of {number}",
                author,
                self._language(number),
                number % 400,
                time,
                time,
                time,
            )

    def folder_rows(self) -> Iterator[tuple[object, ...]]:
        """Of the table of folders."""
        size = WIDTH
        while size <= self.folders:
            for place in range(size):
                above = f"f{self.folder(size // WIDTH, place // WIDTH)}" if size > WIDTH else ""
                yield f"f{self.folder(size, place)}", 1, above
            size *= WIDTH

    def tuples(self) -> Iterator[RelationTuple]:
        """Groups in groups, users in groups; and what the callers may."""
        for group in range(WIDTH, self.groups):
            yield held("group", f"g{group // WIDTH}", "member", Subject("group", f"g{group}", "member"))
        for user in range(self.users):
            yield held("group", f"g{user % self.groups}", "member", Subject("user", f"u{user}"))
        for number in self.ten():
            yield held("document", self.name(number), "viewer", Subject("user", "ten"))
        yield held("group", "branch", "member", Subject("user", "one-per-cent"))
        yield held("folder", f"f{self.folder(WIDTH * WIDTH, BRANCH)}", "viewer", Subject("group", "branch", "member"))
        # Nearly all: every folder at the top but one, and in that one every folder but one; by a group in which a group is.
        yield held("group", "outer", "member", Subject("group", "inner", "member"))
        yield held("group", "inner", "member", Subject("user", "nearly-all"))
        tops = [self.folder(WIDTH, place) for place in range(1, WIDTH)]
        for folder in (*tops, *(self.folder(WIDTH * WIDTH, place) for place in range(1, WIDTH))):
            yield held("folder", f"f{folder}", "viewer", Subject("group", "outer", "member"))
        yield held("group", "g1", "member", Subject("user", "none"))

    def ten(self) -> list[int]:
        """The documents that are shown to who may see ten: all over time."""
        return [number * self.documents // TEN + number * 11 for number in range(TEN)]

    def sees(self, caller: str, number: int) -> bool:
        """Whether the caller may see a document."""
        match caller:
            case "ten":
                return number in self.ten()
            case "one-per-cent":
                return self.folder(WIDTH * WIDTH, BRANCH) in self.path(number)
            case "nearly-all":
                return self.folder(WIDTH * WIDTH, 0) not in self.path(number)
        return caller == "everybody"

    def page(self, caller: str, size: int, number: int = 0) -> list[str]:
        """The names on a page, of which `number` are before it: under FILTER, by ORDER."""
        inverse = pow(STEP, -1, self.documents)
        latest_first = (rank * inverse % self.documents for rank in range(self.documents - 1, -1, -1))
        seen = (one for one in latest_first if self.english(one) and self.sees(caller, one))
        return [f"documents/{self.name(one)}" for one in islice(seen, number * size, (number + 1) * size)]

    def fill(self, url: str) -> None:
        """Put all rows into the empty tables of a database on a server."""
        with closing(connection_to(url)) as connection:
            cursor = connection.cursor()
            cursor.execute("SET SESSION unique_checks = 0")
            insert(connection, "folders", FOLDER, sorted(self.folder_rows(), key=str))
            insert_tuples(connection, self.tuples())
            insert(connection, "documents", DOCUMENT, self.document_rows())
            cursor.execute("ANALYZE TABLE documents, folders, protoplane_tuple")


CALLERS = ("ten", "one-per-cent", "nearly-all", "none")
