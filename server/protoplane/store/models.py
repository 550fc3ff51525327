"""A Peewee model per resource, for the free queries of a team's own code.

Columns as in the table: key columns by the pattern's variables, references by ids, times and durations as whole
microseconds, enums as numbers. Queries run on the calling thread's connection, so inside a call's transaction they see and
are part of it. Writes that others should know of go through `Call`, not through a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import peewee

from protoplane.store.dialect import EPOCH, Dialect
from protoplane.store.engine import Engine
from protoplane.store.schema import ColumnShape, Storage
from protoplane.store.tables import Table

MICROSECOND = timedelta(microseconds=1)


class MicrosField(peewee.Field):
    """A time as whole microseconds since 1970 UTC, whatever the engine's column is."""

    field_type = "DATETIME"

    def __init__(self, dialect: Dialect, **options: Any) -> None:
        self._bind = dialect.bind(Storage.TIME)
        super().__init__(**options)

    def db_value(self, value: int | None) -> object:
        """To what the engine binds."""
        return value if self._bind is None else self._bind(value)

    def python_value(self, value: object) -> object:
        """From what the engine gives: an int, or the engine's own form of a time."""
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        return (value - EPOCH) // MICROSECOND if isinstance(value, datetime) else value


def compile_models(tables: Mapping[str, Table], engine: Engine) -> dict[str, type[peewee.Model]]:
    """A model for each table, by the resource's key."""
    return {kind: _model(table, engine) for kind, table in tables.items()}


def _model(table: Table, engine: Engine) -> type[peewee.Model]:
    key = peewee.CompositeKey(*map(_attribute, table.shape.primary_key))
    meta = type("Meta", (), {"database": engine.database, "table_name": table.shape.name, "primary_key": key, "legacy_table_names": False})
    fields = {_attribute(column.name): _field(column, table.dialect) for column in table.columns}
    return type(table.resource.message.name, (peewee.Model,), {"Meta": meta, **fields})


def _attribute(column: str) -> str:
    """A column whose name the model needs for itself (`update`, `select`) is reached with a `_` behind it."""
    return f"{column}_" if hasattr(peewee.Model, column) else column


def _field(column: ColumnShape, dialect: Dialect) -> peewee.Field:
    options: dict[str, Any] = {"column_name": column.name, "null": column.nullable}
    match column.storage:
        case Storage.BOOL:
            return peewee.BooleanField(**options)
        case Storage.INT64 | Storage.UINT64:
            return peewee.BigIntegerField(**options)
        case Storage.DOUBLE:
            return peewee.DoubleField(**options)
        case Storage.TEXT | Storage.JSON:
            return peewee.TextField(**options)
        case Storage.BYTES:
            return peewee.BlobField(**options)
        case Storage.TIME:
            return MicrosField(dialect, **options)
