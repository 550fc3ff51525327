"""Tables as SQLite defines and describes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from protoplane.store.ddl import REFUSING_DELETES, ActualTable, Ask, Definitions
from protoplane.store.schema import ColumnShape, ForeignKeyShape, IndexShape, Storage, TableShape


class SqliteDefinitions(Definitions):
    """STRICT tables know five types; the storage stands in a comment beside the type, which SQLite keeps for ever."""

    quote = '"'
    table_options = " STRICT, WITHOUT ROWID"
    types: Mapping[Storage, str] = {
        Storage.BOOL: "INTEGER",
        Storage.INT64: "INTEGER",
        Storage.UINT64: "INTEGER",
        Storage.DOUBLE: "REAL",
        Storage.TEXT: "TEXT",
        Storage.BYTES: "BLOB",
        Storage.TIME: "INTEGER",
        Storage.JSON: "TEXT",
    }
    defaults: Mapping[str, str] = {"INTEGER": "0", "REAL": "0", "TEXT": "''", "BLOB": "x''"}

    def column_type(self, column: ColumnShape) -> str:
        """As `TEXT /* text(63) */`."""
        length = f"({column.length})" if column.length else ""
        return f"{self.types[column.storage]} /* {column.storage.value}{length} */"

    def default(self, column: ColumnShape) -> str:
        """By the type."""
        return self.defaults[self.types[column.storage]]

    def add_column(self, table: str, column: ColumnShape) -> str:
        """Never copies."""
        return f"ALTER TABLE {self.name(table)} ADD COLUMN {self.column(column)}"

    def set_default(self, table: str, column: ColumnShape) -> str | None:
        """SQLite cannot."""
        del table, column
        return None

    def create_index(self, table: str, index: IndexShape) -> str:
        """Names of indexes are those of the database, not of the table."""
        unique = "UNIQUE " if index.unique else ""
        return f"CREATE {unique}INDEX IF NOT EXISTS {self.name(index.name)} ON {self.name(table)} {self.names(index.columns)}"

    def introspect(self, ask: Ask) -> dict[str, ActualTable]:
        """From sqlite_schema and the pragmas."""
        strict = {name for _, name, kind, _, _, is_strict in ask("PRAGMA main.table_list") if kind == "table" and is_strict}
        tables = ask("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name")
        return {name: self._table(ask, name, sql, is_strict=name in strict) for name, sql in tables}

    def _table(self, ask: Ask, name: str, sql: str, *, is_strict: bool) -> ActualTable:
        declared = {
            column.replace('""', '"'): (Storage(storage), int(length or 0))
            for column, storage, length in re.findall(rf'"((?:[^"]|"")+)" \w+ /\* ({"|".join(Storage)})(?:\((\d+)\))? \*/', sql)
        }
        columns, strange, bare, keys = [], {}, set(), {}
        for _, column, kind, not_null, default, key, hidden in ask(f"PRAGMA table_xinfo({self.name(name)})"):
            storage, length = declared.get(column, (None, 0))
            if key:
                keys[key] = column
            if storage is None or kind != self.types[storage] or hidden:
                strange[column] = kind
                continue
            known = ColumnShape(column, storage, nullable=not not_null, length=length)
            columns.append(known)
            if not_null and not key and default != self.default(known):
                bare.add(column)
        remarks = [] if is_strict else ["it is not STRICT: columns take values of any type"]
        shape = TableShape(
            name=name,
            columns=tuple(columns),
            primary_key=tuple(keys[number] for number in sorted(keys)),
            indexes=tuple(self._indexes(ask, name, remarks)),
            foreign_key=self._foreign_key(ask, name, sql, remarks),
        )
        return ActualTable(shape, strange, frozenset(bare), tuple(remarks))

    def _indexes(self, ask: Ask, table: str, remarks: list[str]) -> Iterable[IndexShape]:
        for _, name, unique, origin, partial in sorted(ask(f"PRAGMA index_list({self.name(table)})"), key=lambda row: str(row[1])):
            if origin == "pk":
                continue
            columns = [row[2] for row in ask(f"PRAGMA index_info({self.name(name)})")]
            if partial or origin != "c" or None in columns:
                remarks.append(f"the index '{name}' is partial, of expressions or a constraint")
            else:
                yield IndexShape(name, tuple(columns), unique=bool(unique))

    def _foreign_key(self, ask: Ask, table: str, sql: str, remarks: list[str]) -> ForeignKeyShape | None:
        rows = sorted(ask(f"PRAGMA foreign_key_list({self.name(table)})"))
        if not rows:
            return None
        names = re.findall(r'CONSTRAINT "((?:[^"]|"")+)" FOREIGN KEY', sql)
        if any(row[0] != rows[0][0] for row in rows) or not names or rows[0][6] not in REFUSING_DELETES:
            remarks.append("it has foreign keys that are not those of a parent")
            return None
        columns, target = tuple(row[3] for row in rows), tuple(row[4] for row in rows)
        return ForeignKeyShape(names[0].replace('""', '"'), columns, rows[0][2], target)
