"""Tables as each engine defines and describes them: shape to DDL, and what is there back to shape.

A dialect has the one that is right for it. Both directions meet: what `Definitions.introspect` reads of a table that was just made is
the shape it was made from.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from protoplane.base import limits
from protoplane.store.schema import ColumnShape, ForeignKeyShape, IndexShape, Storage, TableShape

Row: TypeAlias = tuple[Any, ...]
Ask: TypeAlias = Callable[[str], Sequence[Row]]
"""Runs one statement without parameters on the connection at hand and gives its rows."""

ROW_BYTES_MAX = 65_535
"""MySQL's limit on the declared sizes of a row; an unbounded column counts as its pointer."""

INLINE_TEXT_CHARACTERS_MAX = limits.INDEXED_CHARACTERS_MAX
"""Longer bounded text is LONGTEXT: it could not be indexed, and VARCHAR would use up ROW_BYTES_MAX."""

INLINE_BYTES_MAX = limits.INDEX_BYTES_MAX
"""The same for bytes."""

EPOCH_TEXT = "1970-01-01 00:00:00.000000"

REFUSING_DELETES = frozenset({"RESTRICT", "NO ACTION"})
"""Rules of a foreign key under which a parent that has children cannot be deleted; the engines mean the same by both."""


@dataclass(frozen=True, slots=True)
class ActualTable:
    """A table that is there. What a shape cannot say stands beside it."""

    shape: TableShape
    """Its columns of known types, and indexes by name."""
    strange: Mapping[str, str]
    """Columns that no shape describes: what each is, by name."""
    without_default: frozenset[str] = frozenset()
    """Columns that are neither nullable nor in the primary key and lack the default of their storage."""
    remarks: tuple[str, ...] = ()
    """What else is not as we would have made it."""


class Definitions(ABC):
    """DDL and introspection of one engine."""

    quote: str
    """The character around identifiers."""

    def name(self, identifier: str) -> str:
        """An identifier, quoted."""
        return self.quote + identifier.replace(self.quote, self.quote * 2) + self.quote

    def names(self, identifiers: Iterable[str]) -> str:
        """Identifiers in parentheses."""
        return "(" + ", ".join(map(self.name, identifiers)) + ")"

    @abstractmethod
    def column_type(self, column: ColumnShape) -> str:
        """The SQL type with its collation."""

    @abstractmethod
    def default(self, column: ColumnShape) -> str:
        """The default of a column that is not nullable, as an expression."""

    def column(self, column: ColumnShape, *, key: bool = False) -> str:
        """One line of CREATE TABLE. Key columns are always given, so they need no default."""
        null = "NULL" if column.nullable else "NOT NULL"
        default = "" if column.nullable or key else f" DEFAULT {self.default(column)}"
        return f"{self.name(column.name)} {self.column_type(column)} {null}{default}{self.remark(column)}"

    def remark(self, column: ColumnShape) -> str:
        """What introspection needs beyond the type, as a comment."""
        del column
        return ""

    def create_table(self, shape: TableShape) -> str:
        """The table without its indexes, unless it is there."""
        lines = [self.column(column, key=column.name in shape.primary_key) for column in shape.columns]
        lines.append(f"PRIMARY KEY {self.names(shape.primary_key)}")
        if shape.foreign_key is not None:
            key = shape.foreign_key
            target = f"{self.name(key.table)} {self.names(key.target)}"
            lines.append(f"CONSTRAINT {self.name(key.name)} FOREIGN KEY {self.names(key.columns)} REFERENCES {target}")
        body = ",\n  ".join(lines)
        return f"CREATE TABLE IF NOT EXISTS {self.name(shape.name)} (\n  {body}\n){self.table_options}"

    table_options: str = ""

    @abstractmethod
    def add_column(self, table: str, column: ColumnShape) -> str:
        """A new column, without copying the table; the engine refuses where it would have to."""

    @abstractmethod
    def set_default(self, table: str, column: ColumnShape) -> str | None:
        """Give a column the default it lacks; None where the engine cannot without copying the table."""

    @abstractmethod
    def create_index(self, table: str, index: IndexShape) -> str:
        """A new index, while the table is in use."""

    def drop_table(self, table: str) -> str:
        """The table and everything in it, if it is there."""
        return f"DROP TABLE IF EXISTS {self.name(table)}"

    @abstractmethod
    def introspect(self, ask: Ask) -> dict[str, ActualTable]:
        """Every table of the database, by name."""

    def problems(self, shape: TableShape) -> list[str]:
        """Why no such table can be; empty if it can."""
        by_name = {column.name: column for column in shape.columns}
        found = []
        if len({name.lower() for name in by_name}) != len(shape.columns):
            found.append("two of its columns have one name (case does not count)")
        if not shape.primary_key:
            found.append("it has no primary key")
        found += [f"the primary key column '{c}' is nullable" for c in shape.primary_key if c in by_name and by_name[c].nullable]
        for title, columns in keys_of(shape):
            for column in columns:
                if column not in by_name:
                    found.append(f"the {title} names a column '{column}' that is not there")
                elif is_unbounded(by_name[column]):
                    found.append(f"the {title} has an unbounded column '{column}'")
        return found


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


def keys_of(shape: TableShape) -> list[tuple[str, tuple[str, ...]]]:
    """Primary key and indexes: what to call each, and its columns."""
    return [("primary key", shape.primary_key), *((f"index '{index.name}'", index.columns) for index in shape.indexes)]


def is_unbounded(column: ColumnShape) -> bool:
    """Whether it is kept apart from its row, where no index can hold it."""
    match column.storage:
        case Storage.JSON:
            return True
        case Storage.TEXT:
            return not 0 < column.length <= INLINE_TEXT_CHARACTERS_MAX
        case Storage.BYTES:
            return not 0 < column.length <= INLINE_BYTES_MAX
        case _:
            return False


def column_bytes(column: ColumnShape) -> int:
    """Bytes of a column in an index or towards the size of a row, at most."""
    if is_unbounded(column):
        return 12
    match column.storage:
        case Storage.TEXT:
            return limits.CHARACTER_BYTES_MAX * column.length
        case Storage.BYTES:
            return column.length
        case _:
            return 8


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
