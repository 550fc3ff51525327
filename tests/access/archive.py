"""Organisations, folders below them, and documents: whose name or columns say who is above them, who owns them and which team has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from peewee import AsIs, Column, Node
from peewee import Table as SqlTable

from protoplane.access.scope import Found
from protoplane.access.syntax import parse
from protoplane.query.paging import Position
from protoplane.query.slot import Slot
from protoplane.store.engine import Engine
from protoplane.store.schema import ColumnShape, IndexShape, Storage, TableShape
from protoplane.store.session import Session
from protoplane.store.statements import Statement, insert, render
from protoplane.store.tuples import Derived
from tests.access.conftest import define, soon

MODEL = parse("""
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type org
  relations
    define admin: [user, group#member]
type folder
  relations
    define org: [org]
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent or admin from org
type doc
  relations
    define folder: [folder]
    define owner: [user]
    define team: [group#member]
    define blocked: [user]
    define viewer: [user] or owner or team or viewer from folder
    define reader: viewer but not blocked
""")


def text(name: str, *, nullable: bool = False) -> ColumnShape:
    """A column of ids."""
    return ColumnShape(name, Storage.TEXT, nullable=nullable, length=63)


ORG, FOLDER, NUMBER, RANK = text("org"), text("folder"), ColumnShape("number", Storage.INT64, nullable=False), text("rank_key")
PARENT = (text("parent_org"), text("parent_folder"))
PLACE = (text("in_org"), text("in_folder"))
OWNER, TEAM = text("owner", nullable=True), ColumnShape("team", Storage.INT64, nullable=True)

DERIVED = {
    ("folder", "org"): Derived("folder", (ORG, FOLDER), "org", "", levels=1),
    ("folder", "parent"): Derived("folder", (ORG, FOLDER), "folder", "", PARENT),
    ("doc", "folder"): Derived("doc", (ORG, NUMBER), "folder", "", PLACE),
    ("doc", "owner"): Derived("doc", (ORG, NUMBER), "user", "", (OWNER,)),
    ("doc", "team"): Derived("doc", (ORG, NUMBER), "group", "member", (TEAM,)),
}


def table(name: str, key: Sequence[ColumnShape], *columns: ColumnShape) -> TableShape:
    """A table with the indexes that the relations need."""
    needed = [one.needed for one in DERIVED.values() if one.table == name]
    return TableShape(name, (*key, *columns), tuple(column.name for column in key), tuple(index for index in needed if index is not None))


FOLDERS = table("folder", (ORG, FOLDER), *PARENT)
DOCS = table("doc", (ORG, NUMBER), *PLACE, OWNER, TEAM)
DOCS = TableShape(DOCS.name, (*DOCS.columns, RANK), DOCS.primary_key, (*DOCS.indexes, IndexShape("doc__rank", ("rank_key",), unique=True)))

FolderRow = tuple[str, str, str, str]
DocRow = tuple[str, int, str, str, str | None, int | None, str]


def keep(store: Engine, folders: Iterable[FolderRow], docs: Iterable[DocRow]) -> None:
    """Have these rows; the tables are made if they are not there."""
    rows: Mapping[TableShape, list[FolderRow] | list[DocRow]] = {FOLDERS: list(folders), DOCS: list(docs)}
    for shape, held in rows.items():
        store.define(store.dialect.definitions.drop_table(shape.name), soon())
        define(store, shape)
        statement = insert(shape, [column.name for column in shape.columns], store.database)
        store.write(lambda session: session.execute_many(statement, held), soon(60))  # noqa: B023 - run at once.


class Docs:
    """The rows of documents in the order of their rank, as `access.scope` wants them."""

    def __init__(self, store: Engine, after: str = "") -> None:
        self.store, self.table, self.after = store, SqlTable("doc"), after
        self.keys: Sequence[tuple[Node, ColumnShape]] = [(Column(self.table, key.name), key) for key in (ORG, NUMBER)]

    def read(
        self, session: Session, condition: Node | None, values: Mapping[str, object], after: Position | None, limit: int
    ) -> Sequence[Found]:
        """See `access.scope.Rows`."""
        statement = self.statement(condition)
        bound = {**values, "limit": limit, "rank": after[0] if after else self.after}
        return [Found((rank,), f"{org}/{number}") for rank, org, number in session.rows(statement.sql, statement.bound(bound))]

    def statement(self, condition: Node | None) -> Statement:
        """Rows that fulfil a condition, behind a rank."""
        rank = Column(self.table, RANK.name)
        query = self.table.select(rank, *(node for node, _ in self.keys)).where(rank > AsIs(Slot("rank")))
        query = query if condition is None else query.where(condition)
        return render(query.order_by(rank).limit(AsIs(Slot("limit"))), self.store.database)
