"""How an engine is told of many keys in one statement.

They are bound as one JSON text, an array of arrays, which is joined to the table in the order given. So there is one shape for any
number of keys, no optimizer that would rather read a small table whole or give up on a long list, and rows are locked in the order
in which the caller sorted them. (MariaDB turns `(a, b) IN (…)` of 1,000 values into a subquery with an order of its own; 1,000 keys
joined by OR take 18 ms on MariaDB and MySQL, joined to a list 2 to 3 ms.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import reduce
from operator import and_

from peewee import SQL, AsIs, Column, Entity, Node, NodeList, fn
from peewee import Table as SqlTable

from protoplane.contract.columns import ROW_VERSION
from protoplane.query.slot import Slot
from protoplane.store.schema import ColumnShape, Storage

LIST = "listed"
"""What the keys are called inside a statement."""

ROWS = "t1"
"""What Peewee calls the one table of a statement."""


class KeyList(ABC):
    """Statements about the rows of one table that a list of keys names."""

    join: str
    """Joins the list to the table and keeps the list in front."""

    by_key = ""
    """Has the table read by its primary key."""

    @abstractmethod
    def listed(self, keys: Sequence[ColumnShape]) -> Node:
        """The keys as a FROM item with the columns k0, k1, …, of the document bound to the one slot."""

    def found(self, table: SqlTable, keys: Sequence[ColumnShape], *, index: str = "") -> Node:
        """The rows of the table that are listed, as a FROM item; by an index that other columns than the key's lead."""
        matches = reduce(and_, (Column(table, key.name) == Entity(LIST, f"k{i}") for i, key in enumerate(keys)))
        led = self.by_key.replace("PRIMARY", index) if index else self.by_key
        return NodeList((self.listed(keys), SQL(self.join), table, SQL(f"{led}ON"), matches))

    @abstractmethod
    def locking(self, select: str, *, shared: bool = False) -> str:
        """A SELECT of `found` that locks the rows of the table, where the engine locks rows; `shared`: against writers alone."""

    @abstractmethod
    def delete(self, counting: str, table: str, keys: Sequence[ColumnShape]) -> str:
        """DELETE of the rows that `SELECT 1 FROM found` has."""

    @abstractmethod
    def update(self, table: str, keys: Sequence[str], columns: Sequence[str], rows: int) -> str | None:
        """UPDATE of columns of so many rows: for each its key, then its values. None where one statement a row costs no more."""

    @abstractmethod
    def mark(self, counting: str, table: str, keys: Sequence[ColumnShape], *, times: Sequence[str], unset: str) -> str:
        """UPDATE of the rows that `SELECT 1 FROM found` has and in which the column `unset` is NULL: the list, then the `times` to set.

        Their version is counted up.
        """


class SqliteKeyList(KeyList):
    """CROSS JOIN keeps its order. There is no way to the database that could be long, so rows are updated one by one."""

    join = "CROSS JOIN"

    def listed(self, keys: Sequence[ColumnShape]) -> Node:
        """json_each over the outer array."""
        columns = ", ".join(f"json_extract(value, '$[{i}]') AS k{i}" for i in range(len(keys)))
        each = fn.json_each(AsIs(Slot(LIST)))
        return NodeList((SQL(f"(SELECT {columns} FROM"), each, SQL(") AS"), Entity(LIST)))

    def locking(self, select: str, *, shared: bool = False) -> str:
        """A transaction that writes has the whole database to itself."""
        del shared
        return select

    def delete(self, counting: str, table: str, keys: Sequence[ColumnShape]) -> str:
        """Row values are looked up in the primary key one after the other."""
        del counting
        names = ", ".join(f'"{key.name}"' for key in keys)
        values = ", ".join(f"json_extract(value, '$[{i}]')" for i in range(len(keys)))
        return f'DELETE FROM "{table}" WHERE ({names}) IN (SELECT {values} FROM json_each(?))'  # noqa: S608 - identifiers of the contract.

    def update(self, table: str, keys: Sequence[str], columns: Sequence[str], rows: int) -> None:
        """Row by row."""
        del table, keys, columns, rows

    def mark(self, counting: str, table: str, keys: Sequence[ColumnShape], *, times: Sequence[str], unset: str) -> str:
        """As `delete`; `+` keeps it off the index of `unset`, of which it knows nothing."""
        del counting
        names = ", ".join(f'"{key.name}"' for key in keys)
        values = ", ".join(f"json_extract(value, '$[{i}]')" for i in range(len(keys)))
        changes = ", ".join((*(f'"{time}" = ?{i}' for i, time in enumerate(times, 2)), f'"{ROW_VERSION}" = "{ROW_VERSION}" + 1'))
        listed = f"SELECT {values} FROM json_each(?1)"  # noqa: S608 - as above.
        return f'UPDATE "{table}" SET {changes} WHERE ({names}) IN ({listed}) AND +"{unset}" IS NULL'  # noqa: S608 - as above.


class ServerKeyList(KeyList):
    """MariaDB and MySQL: JSON_TABLE for keys; rows of values are a derived table, with the types of what is bound."""

    join = "STRAIGHT_JOIN"
    by_key = "FORCE INDEX (PRIMARY) "
    """Left to themselves they read small tables whole, and with `IS NULL` on what is deleted an index that has all that is not: and lock it."""

    def __init__(self, exact: str, *, lock: str, share: str, row: str) -> None:
        self._exact, self._lock, self._share, self._row = exact, lock, share, row

    def listed(self, keys: Sequence[ColumnShape]) -> Node:
        """Each key with the type of its column: only then the index is of use."""
        columns = ", ".join(f"k{i} {self._type(key)} PATH '$[{i}]'" for i, key in enumerate(keys))
        return NodeList((SQL("JSON_TABLE("), AsIs(Slot(LIST)), SQL(f", '$[*]' COLUMNS ({columns})) AS"), Entity(LIST)))

    def _type(self, key: ColumnShape) -> str:
        """One character longer than the column: MariaDB cuts what is too long, and what is cut must be no row's key."""
        return f"VARCHAR({key.length + 1}) {self._exact}" if key.storage is Storage.TEXT else "BIGINT"

    def locking(self, select: str, *, shared: bool = False) -> str:
        """In the order of the list."""
        return f"{select} {self._share if shared else self._lock}"

    def delete(self, counting: str, table: str, keys: Sequence[ColumnShape]) -> str:
        """The form that names what is deleted of a join."""
        del table, keys
        return f"DELETE {ROWS}{counting.removeprefix('SELECT 1')}"

    def update(self, table: str, keys: Sequence[str], columns: Sequence[str], rows: int) -> str | None:
        """The first row of the derived table names its columns."""
        names = [f"v{i}" for i in range(len(keys) + len(columns))]
        first = ", ".join(f"%s AS {name}" for name in names)
        rest = f"{self._row}({', '.join(['%s'] * len(names))})"
        more = f" UNION ALL VALUES {', '.join([rest] * (rows - 1))}" if rows > 1 else ""
        on = " AND ".join(f"{ROWS}.`{key}` = {LIST}.v{i}" for i, key in enumerate(keys))
        changes = ", ".join(f"{ROWS}.`{column}` = {LIST}.v{i}" for i, column in enumerate(columns, len(keys)))
        return f"UPDATE (SELECT {first}{more}) AS {LIST} STRAIGHT_JOIN `{table}` AS {ROWS} ON {on} SET {changes}"  # noqa: S608 - as above.

    def mark(self, counting: str, table: str, keys: Sequence[ColumnShape], *, times: Sequence[str], unset: str) -> str:
        """The list stands in front of the values."""
        del table, keys
        changes = [*(f"{ROWS}.`{time}` = %s" for time in times), f"{ROWS}.`{ROW_VERSION}` = {ROWS}.`{ROW_VERSION}` + 1"]
        found = counting.removeprefix("SELECT 1 FROM ")
        return f"UPDATE {found} SET {', '.join(changes)} WHERE {ROWS}.`{unset}` IS NULL"  # noqa: S608 - as above.
