"""The oldest rows of a table that keeps things for a time: deleted in bounded steps, so that no transaction grows long."""

from __future__ import annotations

from peewee import Select

from protoplane.base.deadline import Deadline
from protoplane.store.engine import Engine
from protoplane.store.schema import TableShape
from protoplane.store.statements import delete_up_to, oldest, render

DELETED_AT_ONCE = 1_000
"""Rows deleted in one transaction; more where several share the value of the column."""


def server_micros(engine: Engine, deadline: Deadline) -> int:
    """The time of the database: the clock that all processes agree on."""
    now = render(Select(columns=(engine.dialect.now(),)), engine.database).sql
    (micros,) = engine.read(lambda session: session.rows(now), deadline)[0]
    return int(micros)


def delete_older(engine: Engine, shape: TableShape, column: str, before: object, deadline: Deadline) -> int:
    """Delete the rows whose column, which a key is led by, is below a value; gives how many went."""
    storage = next(each.storage for each in shape.columns if each.name == column)
    binder = engine.dialect.binder(storage)
    last, delete = oldest(shape, column, engine, storage), delete_up_to(shape, column, engine.database)
    gone = 0
    while True:
        values = {"before": binder(before), "skip": DELETED_AT_ONCE - 1}
        row = engine.read(lambda session, values=values: session.row(last.sql, last.bound(values)), deadline)  # type: ignore[misc]
        until = binder(before if row is None else row[0])
        gone += engine.write(lambda session, until=until: session.execute(delete, (until,)), deadline)  # type: ignore[misc]
        if row is None:
            return int(gone)
