"""A resource with an order, as `access.scope` wants its rows: beside the tuples, in the same database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from peewee import AsIs, Column, EnclosedNodeList, Expression, Node
from peewee import Table as SqlTable

from protoplane.access.scope import Found
from protoplane.query.paging import Position
from protoplane.query.slot import Slot
from protoplane.store.engine import Engine
from protoplane.store.schema import ColumnShape, IndexShape, Storage, TableShape
from protoplane.store.session import Session
from protoplane.store.statements import Statement, insert, render
from tests.access.conftest import soon

PAPER = TableShape(
    name="paper",
    columns=(
        ColumnShape("id", Storage.TEXT, nullable=False, length=63),
        ColumnShape("rank", Storage.INT64, nullable=False),
        ColumnShape("text", Storage.TEXT, nullable=False, length=100),
    ),
    primary_key=("id",),
    indexes=(IndexShape("paper__rank", ("rank", "id"), unique=False),),
)


@dataclass(frozen=True)
class _Page:
    papers: Papers
    after: Position | None

    def read(
        self, session: Session, condition: Node | None, values: Mapping[str, object], after: Position | None, limit: int
    ) -> Sequence[Found]:
        """See `access.scope.Rows`."""
        return self.papers.read(session, condition, values, after or self.after, limit)


class Papers:
    """Rows in the order of rank and id."""

    def __init__(self, store: Engine) -> None:
        self.store = store
        self.table = SqlTable("paper")
        self.keys: Sequence[tuple[Node, ColumnShape]] = ((Column(self.table, "id"), PAPER.columns[0]),)
        self.statements: dict[tuple[int, bool], tuple[Node | None, Statement]] = {}

    def fill(self, rows: Iterable[tuple[str, int]]) -> None:
        """Make the table if it is not there, with these rows and no others."""
        for definition in (self.store.dialect.definitions.drop_table("paper"), self.store.dialect.definitions.create_table(PAPER)):
            self.store.define(definition, soon())
        for index in PAPER.indexes:
            self.store.define(self.store.dialect.definitions.create_index("paper", index), soon())
        statement, listed = insert(PAPER, ("id", "rank", "text"), self.store.database), [(one, rank, "x" * 80) for one, rank in rows]
        self.store.write(lambda session: session.execute_many(statement, listed), soon(60))

    def behind(self, after: Position | None) -> _Page:
        """The page that starts behind a position."""
        return _Page(self, after)

    def read(
        self, session: Session, condition: Node | None, values: Mapping[str, object], after: Position | None, limit: int
    ) -> Sequence[Found]:
        """See `access.scope.Rows`."""
        statement = self.statement(condition, after is not None)
        bound = {**values, "limit": limit, **({"rank": after[0], "id": after[1]} if after else {})}
        return [Found((rank, one), str(one)) for rank, one in session.rows(statement.sql, statement.bound(bound))]

    def statement(self, condition: Node | None, after: bool) -> Statement:
        """Made once for a condition."""
        known = self.statements.get((id(condition), after))
        if known is None:
            rank = Column(self.table, "rank")
            query = self.table.select(rank, Column(self.table, "id"))
            if condition is not None:
                query = query.where(condition)
            if after:
                later = Expression(EnclosedNodeList([rank, self.keys[0][0]]), ">", EnclosedNodeList([AsIs(Slot("rank")), AsIs(Slot("id"))]))
                query = query.where(later)
            known = condition, render(query.order_by(rank, Column(self.table, "id")).limit(AsIs(Slot("limit"))), self.store.database)
            self.statements[id(condition), after] = known
        return known[1]
