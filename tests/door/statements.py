"""What the statements are made of that servers send while tests call them: the contract's names, the code's own words, and placeholders."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from protoplane.contract.casing import snake
from protoplane.store import mysqlclient, sqlite
from protoplane.store.connection import Connection
from protoplane.store.system import SYSTEM_TABLES
from protoplane.store.tuples import ACCESS_TABLES
from tests.door.contracts.words import FIELDS, PARTS, REFERENCES, RESOURCES, TABLES

ROOT = Path(__file__).parents[2]
STRANGE_MAX = 20
SHAPES_MAX = 50_000
"""Different texts of a whole session, long runs of the oracles included: shapes of questions, whatever is asked about."""

TOKEN = re.compile(
    r"""
    (?P<text>'(?:[^'\\]|''|\\.)*')
    | (?P<backtick>`(?:[^`]|``)*`)
    | (?P<double>"(?:[^"]|"")*")
    | (?P<comment>/\*.*?\*/|--|/\*|\#)
    | (?P<hex>\b[xX]'[^']*'|\b0[xX][0-9a-fA-F]+)
    | (?P<number>(?<![\w.%])(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    | (?P<stray>['`"])
    """,
    re.VERBOSE | re.DOTALL,
)
SIZED = re.compile(r"\b(?:(?:VAR)?(?:CHAR|BINARY)\(\d+\)|DECIMAL\(\d+, ?\d+\)|(?:UTC_TIMESTAMP|DATETIME)\(6\))")
"""Types with the sizes that the contract, or an engine, gives them."""


TEXTS = frozenset({
    "", "!",  # No list yet; the escape of LIKE.
    "1970-01-01 00:00:00.000000", "now", "unixepoch", "start of month", "start of year", "%s", "%m", "%%s", "%%m", "-", " months",  # Times.
    "INTEGER", "DOUBLE", "DECIMAL", "UNSIGNED INTEGER", "STRING", "BOOLEAN", "integer", "real", "text", "true", "false", "ARRAY", "OBJECT", "array", "object",  # Types in JSON.
    "/",  # Between the ids of names that are told apart.
    "sqlite", "mariadb", "mysql",  # A function of the museum's own.
    "STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
    "+00:00", "en_US", "READ-COMMITTED", "utf8mb4_nopad_bin", "utf8mb4_0900_bin",  # A new connection.
})  # fmt: skip
NUMBERS = frozenset({
    "0", "1", "2", "3", "4", "5", "6", "1e0", "255",  # Places of columns, quarters, digits of a clock; characters that are sorted by.
    "32", "4294967295", "4294967296.0", "2147483647", "2147483648", "1.7976931348623157e308", "1.7976931348623157e+308",  # Sums of 64 bits, and their ends.
    "1000", "1000000", "3600000000", "86400000000", "604800000000", "259200000000", "2440587.5", "86400000.0",  # Buckets of time in microseconds.
    "60", "4096", "300.0", "300000",  # A new connection.
})  # fmt: skip
COMMENTS = frozenset({"/*+ NO_SEMIJOIN() */"})
PATH = re.compile(r"\$(?:\[(?:\*|\d)\])?((?:\.[a-z][a-z0-9_]*)*)")
INDEX = re.compile(r"PRAGMA index_(?:list|info)\('([^']*)'\)")
"""How SQLite is asked which index refused a row: by the names of a table and of its indexes."""
NAME = re.compile(r"[a-z_][a-z0-9_.]*")
DIGEST = re.compile(r"(?<=^via\..{36})\.[0-9a-f]{12}$")
"""At the end of a name that was cut."""
OWN = frozenset(
    {
        "c",
        "k",
        "n",
        "p",
        "t",
        "v",
        "via",
        "value",
        "below",
        "element",
        "grouped",
        "held",
        "listed",
        "over",
        "part",
        "reached",
        "sort",
        "column",
        "row",
        "version",
        "wanted",
    }
)
"""Words in names that statements give to their own parts."""

DATE = frozenset({"year", "month", "day"})
"""Of `google.type.Date`, whose fields contracts have and do not name."""


@cache
def words() -> frozenset[str]:
    """Of which names of the contracts are made that are served here, and of our own tables."""
    protos = (path for folder in ("tests", "examples") for path in (ROOT / folder).rglob("*.proto"))
    text = " ".join(re.sub(r"//.*", "", path.read_text()) for path in protos)
    found = re.findall(r"[a-z]+", text) + re.findall(r"[A-Z][a-z]+", text)
    found += re.findall("[a-z]+", snake(" ".join((*FIELDS, *PARTS, *REFERENCES, *TABLES, *(name for one in RESOURCES for name in one)))))
    names = [name for table in (*SYSTEM_TABLES, *ACCESS_TABLES) for name in (table.name, *(column.name for column in table.columns))]
    return OWN | DATE | {word.lower() for word in found} | {word for name in names for word in name.split("_")}


RELATED = ("object_type", "NOT IN ('', '*')")
"""In statements that walk relations, or read what columns say of them, what may be walked stands in constants: types, relations, numbers of nodes."""
NODE = re.compile(r"[0-9]{1,3}")
ID_PARTS = frozenset({"[", '","', "]", "*"})
"""How ids are split, and who stands for everybody."""


@cache
def related() -> frozenset[str]:
    """Types and relations of the contracts that are served here."""
    texts = [path.read_text() for folder in ("tests", "examples") for path in (ROOT / folder).rglob("*.proto")]
    named = {name for text in texts for name in re.findall(r'relation: ?\{\s*name: "(\w+)"', text)}
    return frozenset({"user", "service"} | named | {snake(one) for text in texts for one in re.findall(r'singular: "(\w+)"', text)})


def known(name: str) -> bool:
    """Whether a name is one of the contract's or of the code's."""
    name = DIGEST.sub("", name)
    return NAME.fullmatch(name) is not None and set(filter(None, re.split(r"[_.\d]+", name))) <= words()


def foreign(sql: str, *, backticks: bool) -> Iterator[str]:
    """What in a statement stands neither in a contract nor in the code: a caller may have said it."""
    index = INDEX.fullmatch(sql)
    if index is not None and known(index[1]):
        return
    relations = any(mark in sql for mark in RELATED)
    for match in TOKEN.finditer(SIZED.sub(" ", sql)):
        token, inside = match.group(), match.group()[1:-1]
        match match.lastgroup:
            case "text":
                path = PATH.fullmatch(inside)
                fine = inside in TEXTS or (path is not None and known(path[1].lstrip(".") or "value"))
                fine = fine or (relations and inside in related() | ID_PARTS)
            case "backtick" | "double":
                fine = (match.lastgroup == "backtick") == backticks and (known(inside) or inside == "PRIMARY")
            case "number":
                fine = token in NUMBERS or (relations and NODE.fullmatch(token) is not None)
            case "comment":
                fine = token in COMMENTS
            case _:
                fine = token == "x''"
        if not fine:
            yield token


class Seen:
    """The statements of a session: each text is judged once, and kept as its hash."""

    def __init__(self) -> None:
        self.judging = True
        self.hashes: set[int] = set()
        self.strange: list[tuple[list[str], str]] = []

    def note(self, sql: str, *, backticks: bool) -> None:
        """Judge it, if it is new."""
        if hash(sql) not in self.hashes:
            self.hashes.add(hash(sql))
            found = list(foreign(sql, backticks=backticks))
            if found and len(self.strange) < STRANGE_MAX:
                self.strange.append((found, sql))

    def check(self) -> None:
        """Fail if anything was interpolated, or if there is no end to the texts."""
        assert not self.strange, "\n".join(f"{found} in {sql}" for found, sql in self.strange)
        assert len(self.hashes) <= SHAPES_MAX


@contextmanager
def watched(seen: Seen) -> Iterator[None]:
    """Every statement of a server's own threads: those of calls, and none that a test sends or that prepares a database."""

    def noted(original: Callable[..., Any], *, backticks: bool) -> Callable[..., Any]:
        def run(self: Connection, sql: str) -> Any:
            if seen.judging and threading.current_thread() is not threading.main_thread():
                seen.note(sql, backticks=backticks)
            return original(self, sql)

        return run

    with pytest.MonkeyPatch.context() as patch:
        for module in (sqlite, mysqlclient):
            for name in ("admit", "ask", "command"):
                patch.setattr(
                    module.Connection, name, noted(getattr(module.Connection, name), backticks=module is mysqlclient), raising=False
                )
        yield
