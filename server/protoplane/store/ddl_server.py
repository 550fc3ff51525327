"""Tables as MariaDB and MySQL define and describe them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from protoplane.base import limits
from protoplane.store.ddl import (
    REFUSING_DELETES,
    ROW_BYTES_MAX,
    ActualTable,
    Ask,
    Definitions,
    Row,
    column_bytes,
    is_unbounded,
    keys_of,
)
from protoplane.store.schema import ColumnShape, ForeignKeyShape, IndexShape, Storage, TableShape

EPOCH_TEXT = "1970-01-01 00:00:00.000000"


class ServerDefinitions(Definitions):
    """What MariaDB and MySQL have in common. JSON is LONGTEXT: MySQL's JSON reorders keys, MariaDB's adds checks; we keep our own text."""

    quote = "`"
    defaults: Mapping[Storage, str] = {Storage.TIME: f"'{EPOCH_TEXT}'", Storage.TEXT: "''", Storage.BYTES: "''", Storage.JSON: "''"}

    def __init__(self, collation: str) -> None:
        self.collation = collation
        self.exact = f"CHARACTER SET utf8mb4 COLLATE {collation}"
        self.table_options = f" ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT {self.exact}"
        self.types: Mapping[Storage, str] = {
            Storage.BOOL: "TINYINT(1)",
            Storage.INT64: "BIGINT",
            Storage.UINT64: "BIGINT UNSIGNED",
            Storage.DOUBLE: "DOUBLE",
            Storage.TIME: "DATETIME(6)",
            Storage.TEXT: f"LONGTEXT {self.exact}",
            Storage.JSON: f"LONGTEXT {self.exact}",
            Storage.BYTES: "LONGBLOB",
        }

    online_column: str
    """How to say that a column is added in place or not at all."""

    def column_type(self, column: ColumnShape) -> str:
        """Bounded text and bytes are VARCHAR and VARBINARY as long as an index could hold them."""
        if is_unbounded(column):
            return self.types[column.storage]
        match column.storage:
            case Storage.TEXT:
                return f"VARCHAR({column.length}) {self.exact}"
            case Storage.BYTES:
                return f"VARBINARY({column.length})"
            case _:
                return self.types[column.storage]

    def default(self, column: ColumnShape) -> str:
        """Unbounded columns take an expression only."""
        default = self.defaults.get(column.storage, "0")
        return f"({default})" if is_unbounded(column) else default

    def remark(self, column: ColumnShape) -> str:
        """What LONGTEXT and LONGBLOB do not say of themselves."""
        if column.storage is Storage.JSON:
            return " COMMENT 'json'"
        return f" COMMENT '{column.storage.value}({column.length})'" if column.length and is_unbounded(column) else ""

    def add_column(self, table: str, column: ColumnShape) -> str:
        """INSTANT: only the table's description changes."""
        return f"ALTER TABLE {self.name(table)} ADD COLUMN {self.added(column)}, {self.online_column}"

    def added(self, column: ColumnShape) -> str:
        """The column as it can be added at once."""
        return self.column(column)

    def set_default(self, table: str, column: ColumnShape) -> str | None:
        """INSTANT too."""
        return f"ALTER TABLE {self.name(table)} MODIFY COLUMN {self.column(column)}, {self.online_column}"

    def create_index(self, table: str, index: IndexShape) -> str:
        """INPLACE: the table is read, and written meanwhile."""
        unique = "UNIQUE " if index.unique else ""
        columns = self.names(index.columns)
        return f"CREATE {unique}INDEX {self.name(index.name)} ON {self.name(table)} {columns} ALGORITHM=INPLACE LOCK=NONE"

    def problems(self, shape: TableShape) -> list[str]:
        """Lengths of names, keys and rows too."""
        found = super().problems(shape)
        names = [shape.name, *(c.name for c in shape.columns), *(i.name for i in shape.indexes)]
        names += [shape.foreign_key.name] if shape.foreign_key else []
        most = limits.IDENTIFIER_CHARACTERS_MAX
        found += [f"the name '{name}' is longer than {most} characters" for name in names if len(name) > most]
        by_name = {column.name: column for column in shape.columns}
        for title, columns in keys_of(shape):
            size = sum(column_bytes(by_name[column]) for column in columns if column in by_name)
            if size > limits.INDEX_BYTES_MAX:
                found.append(f"the {title} needs {size} bytes; an index holds {limits.INDEX_BYTES_MAX}")
        size = sum(column_bytes(column) + 2 for column in shape.columns)
        if size > ROW_BYTES_MAX:
            found.append(f"its columns need {size} bytes; a row holds {ROW_BYTES_MAX}")
        return found

    def introspect(self, ask: Ask) -> dict[str, ActualTable]:
        """From information_schema: five statements, whatever the number of tables."""
        tables = ask(
            "SELECT table_name, engine, row_format FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name"
        )
        columns = grouped(
            ask(
                "SELECT table_name, column_name, column_type, is_nullable, column_default, collation_name, extra, column_comment"
                " FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"
            )
        )
        indexes = grouped(
            ask(
                "SELECT table_name, index_name, column_name, non_unique, sub_part, collation, index_type"
                " FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index"
            )
        )
        keys = grouped(
            ask(
                "SELECT k.table_name, k.constraint_name, k.column_name, k.referenced_table_name, k.referenced_column_name, r.delete_rule"
                " FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r"
                " ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name"
                # Both sides by schema: the server would open every table of every database otherwise.
                " WHERE k.table_schema = DATABASE() AND r.constraint_schema = DATABASE() ORDER BY k.table_name, k.constraint_name, k.ordinal_position"
            )
        )
        found = {}
        for name, engine, row_format in tables:
            remarks = [] if engine == "InnoDB" else [f"its engine is {engine}, not InnoDB"]
            remarks += [] if row_format == "Dynamic" else [f"its row format is {row_format}, not DYNAMIC"]
            found[name] = self._table(name, columns.get(name, []), indexes.get(name, []), keys.get(name, []), remarks)
        return found

    def _table(self, name: str, columns: list[Row], indexes: list[Row], keys: list[Row], remarks: list[str]) -> ActualTable:
        by_index = grouped(indexes)
        primary = tuple(column for column, *_ in by_index.pop("PRIMARY", []))
        shapes, strange, bare = [], {}, set()
        for column, kind, nullable, default, collation, extra, comment in columns:
            storage = self._storage(kind, collation, comment)
            if storage is None or "GENERATED" in extra.upper().replace("DEFAULT_GENERATED", "") or "auto_increment" in extra:
                strange[column] = " ".join(filter(None, (kind, collation, extra)))
                continue
            known = ColumnShape(column, storage[0], nullable=nullable == "YES", length=storage[1])
            shapes.append(known)
            if not known.nullable and column not in primary and not has_default(default, self.defaults.get(known.storage, "0")):
                bare.add(column)
        foreign = self._foreign_key(keys, remarks)
        if foreign is not None:
            by_index.pop(foreign.name, None)  # InnoDB makes it for the key where no other index serves.
        shape = TableShape(name, tuple(shapes), primary, tuple(self._indexes(by_index, remarks)), foreign)
        return ActualTable(shape, strange, frozenset(bare), tuple(remarks))

    def _storage(self, kind: str, collation: str | None, comment: str) -> tuple[Storage, int] | None:
        """Storage and length of a column, by its type; None for one that we would not have made."""
        if collation is not None and collation != self.collation:
            return None
        plain = re.sub(r"^(bigint)\(\d+\)", r"\1", kind.lower())  # MariaDB still gives a display width.
        simple = {
            "tinyint(1)": Storage.BOOL,
            "bigint": Storage.INT64,
            "bigint unsigned": Storage.UINT64,
            "double": Storage.DOUBLE,
            "datetime(6)": Storage.TIME,
        }
        if plain in simple:
            return simple[plain], 0
        if match := re.fullmatch(r"(varchar|varbinary)\((\d+)\)", plain):
            return (Storage.TEXT if match[1] == "varchar" else Storage.BYTES), int(match[2])
        if plain not in {"longtext", "longblob"}:
            return None
        if comment == "json":
            return Storage.JSON, 0
        length = re.fullmatch(r"(?:text|bytes)\((\d+)\)", comment)
        return (Storage.TEXT if plain == "longtext" else Storage.BYTES), int(length[1]) if length else 0

    def _indexes(self, by_index: Mapping[str, list[Row]], remarks: list[str]) -> Iterable[IndexShape]:
        for name, parts in by_index.items():
            if any(column is None or part is not None or order == "D" or kind != "BTREE" for column, _, part, order, kind in parts):
                remarks.append(f"the index '{name}' is of prefixes, expressions or another kind")
            else:
                yield IndexShape(name, tuple(column for column, *_ in parts), unique=not int(parts[0][1]))

    def _foreign_key(self, keys: list[Row], remarks: list[str]) -> ForeignKeyShape | None:
        if not keys:
            return None
        (name, _, table, _, rule), *_ = keys
        if any(key[0] != name for key in keys) or rule not in REFUSING_DELETES:
            remarks.append("it has foreign keys that are not those of a parent")
            return None
        return ForeignKeyShape(name, tuple(key[1] for key in keys), table, tuple(key[3] for key in keys))


class MariaDBDefinitions(ServerDefinitions):
    """MariaDB adds any column at once."""

    online_column = "ALGORITHM=INSTANT, LOCK=NONE"


class MySQLDefinitions(ServerDefinitions):
    """MySQL takes no LOCK with INSTANT, and adds no column with an expression as default at once: that follows as a step of its own.

    Until it has, old rows read as '' already, but writers that do not know the column are refused (1364, UNAVAILABLE).
    """

    online_column = "ALGORITHM=INSTANT"

    def added(self, column: ColumnShape) -> str:
        """Without the default if it would be an expression."""
        return self.column(column, key=is_unbounded(column))


def grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows without their first column, by it, in order."""
    groups: dict[str, list[Row]] = {}
    for first, *rest in rows:
        groups.setdefault(first, []).append(tuple(rest))
    return groups


def has_default(described: str | None, wanted: str) -> bool:
    """Whether information_schema describes a default that is the literal wanted: MariaDB quotes it, MySQL quotes expressions only."""
    if described is None or described == "NULL":
        return False
    text = re.sub(r"^(?:_utf8mb4)?\\?'(.*?)\\?'$", r"\1", described)
    return text == wanted.strip("'")
