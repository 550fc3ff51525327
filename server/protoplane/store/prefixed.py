"""The rows of one table whose keys begin with one of many: what stands below many resources, or these themselves.

Told of their beginnings as `keyed` is of keys, by one list, in whose order rows are locked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from peewee import SQL, Column, Database, Entity, Expression, Node, NodeList, Select, fn
from peewee import Table as SqlTable

from protoplane.store.codec import Row
from protoplane.store.keyed import Key, document
from protoplane.store.keylist import LIST
from protoplane.store.session import Session
from protoplane.store.statements import in_order, is_null, render
from protoplane.store.tables import Table


class PrefixedRows:
    """Statements of one table, of rows whose keys begin with so many ids. `alive`: without what is deleted and kept."""

    def __init__(self, table: Table, ids: int, database: Database, *, alive: bool) -> None:
        self._table, self._list, self._database = table, table.dialect.key_list, database
        self._keys = table.keys[:ids]
        self._ids = tuple(Entity(LIST, f"k{i}") for i in range(ids))
        self._hidden_by = table.deleted.name if alive and table.deleted is not None else ""
        self._count = self._render(self._found([*self._ids, fn.COUNT(SQL("1"))]).group_by(*self._ids))
        self._select_for_update = self._list.locking(self._render(self._found([table.read(column) for column in table.columns])))
        self._delete = self._list.delete(self._render(self._joined([SQL("1")])), table.shape.name, self._keys)
        # Not EXISTS, of which MariaDB and MySQL make a join, for which they may read the whole table.
        there = Expression(self._any(), "=", SQL("1"))
        self._having = self._render(Select((self._list.listed(self._keys),), self._ids).where(there))

    def _render(self, select: Select) -> str:
        return in_order(render(select, self._database), [LIST])

    def _joined(self, columns: Sequence[Node]) -> Select:
        return Select((self._list.found(self._table.source, self._keys),), columns)

    def _found(self, columns: Sequence[Node]) -> Select:
        return self._alive(self._joined(columns), self._table.source)

    def _any(self) -> Select:
        """1 if any row has one of the beginnings."""
        other = SqlTable(self._table.shape.name).alias("below")
        select = Select((other,), (SQL("1"),))
        for mine, key in zip(self._ids, self._keys, strict=True):
            select = select.where(Column(other, key.name) == mine)
        return self._alive(select, other).limit(SQL("1"))

    def _alive(self, select: Select, table: SqlTable) -> Select:
        if not self._hidden_by:
            return select
        deleted: Node = Column(table, self._hidden_by)
        # SQLite knows nothing of how rare a value is, and would leave the primary key for the index of this one.
        return select.where(is_null(deleted if self._table.merges_ranges else NodeList((SQL("+"), deleted))))

    def having(self, session: Session, keys: Collection[Key]) -> set[Key]:
        """Those of the beginnings that any row has."""
        return {tuple(row) for row in session.rows(self._having, (document(sorted(keys)),))} if keys else set()

    def counts(self, session: Session, keys: Collection[Key]) -> dict[Key, int]:
        """How many rows have each beginning; those that none has are not in it."""
        return {tuple(row[:-1]): row[-1] for row in session.rows(self._count, (document(sorted(keys)),))} if keys else {}

    def read_for_update(self, session: Session, keys: Collection[Key]) -> Sequence[Row]:
        """The rows, locked until the transaction ends."""
        return session.rows(self._select_for_update, (document(sorted(keys)),)) if keys else ()

    def remove(self, session: Session, keys: Collection[Key]) -> int:
        """Delete the rows, also those that are deleted and kept; how many there were."""
        return session.execute(self._delete, (document(sorted(keys)),)) if keys else 0


class MarkedRows:
    """UPDATE of rows whose keys begin with one of many, and that are not deleted: times set, the version counted up."""

    def __init__(self, table: Table, ids: int, times: Sequence[str], database: Database) -> None:
        assert table.deleted is not None
        key_list, keys = table.dialect.key_list, table.keys[:ids]
        found = in_order(render(Select((key_list.found(table.source, keys),), [SQL("1")]), database), [LIST])
        self.sql = key_list.mark(found, table.shape.name, keys, times=times, unset=table.deleted.name)

    def mark(self, session: Session, keys: Collection[Key], times: Sequence[object]) -> int:
        """Write the bound times, as many as there are columns for them; how many rows there were."""
        return session.execute(self.sql, (document(sorted(keys)), *times)) if keys else 0
