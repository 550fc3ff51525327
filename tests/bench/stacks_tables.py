"""The contract of the benchmarks of access, in the forms that are compared, and rows put straight into its tables."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from protoplane.access.tuples import RelationTuple
from protoplane.store.tuples import COLUMNS, TUPLE_TABLE
from tests.engines.server import driver

PROJECT = Path(__file__).parent / "stacks_project"

BY_TUPLES: Mapping[str, str] = {'      field: "parent_folder"\n': ""}
"""Folders are said by tuples, as OpenFGA has them."""

WITHOUT_RULES: Mapping[str, str] = {'scope = "viewer"': "authenticated = true"}
"""Everybody sees everything."""

INSERTED_TOGETHER = 1_000


def changed(folder: Path, changes: Mapping[str, str]) -> Path:
    """A copy of the project in which texts of the contract are others."""
    shutil.copytree(PROJECT, folder)
    for proto in folder.glob("protos/**/*.proto"):
        text = proto.read_text("utf-8")
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        proto.write_text(text, "utf-8")
    return folder


def connection_to(url: str) -> Any:
    """A connection past all servers."""
    parts = urlsplit(url)
    return driver().connect(host=parts.hostname, port=parts.port, user=parts.username, database=parts.path[1:], charset="utf8mb4")


def insert(connection: Any, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Many rows in few statements."""
    left, cursor = iter(rows), connection.cursor()
    head, marks = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ", f"({', '.join(['%s'] * len(columns))})"
    while some := list(islice(left, INSERTED_TOGETHER)):
        cursor.execute(head + ",".join([marks] * len(some)), [value for row in some for value in row])
    connection.commit()


def insert_tuples(connection: Any, tuples: Iterable[RelationTuple]) -> None:
    """Tuples as `WriteRelations` would write them."""
    rows = [
        (one.object.type, one.object.id, one.relation, one.subject.type, one.subject.relation, one.subject.id)
        for one in tuples
    ]  # fmt: skip
    insert(connection, TUPLE_TABLE.name, [column.name for column in COLUMNS], sorted(rows))


def fill_tuples(url: str, tuples: Iterable[RelationTuple]) -> None:
    """Have these in the tables of a database."""
    with closing(connection_to(url)) as connection:
        insert_tuples(connection, tuples)
        connection.cursor().execute(f"ANALYZE TABLE {TUPLE_TABLE.name}")
