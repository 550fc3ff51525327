"""Protoplane's own tables beside a contract's."""

from __future__ import annotations

from protoplane.base import limits
from protoplane.store.origin import TRANSACTION_BYTES
from protoplane.store.schema import ColumnShape, IndexShape, Storage, TableShape

REQUEST_TABLE = TableShape(
    name="protoplane_request",
    columns=(
        ColumnShape("principal", Storage.TEXT, nullable=False, length=64),
        ColumnShape("method", Storage.TEXT, nullable=False, length=255),
        ColumnShape("request_id", Storage.TEXT, nullable=False, length=36),
        ColumnShape("digest", Storage.BYTES, nullable=False, length=32),
        ColumnShape("response", Storage.BYTES, nullable=True),
        ColumnShape("created", Storage.TIME, nullable=False),
    ),
    primary_key=("principal", "method", "request_id"),
    indexes=(IndexShape("protoplane_request__created", ("created",), unique=False),),
)
"""The first answer to each request_id; see `method.replay`."""

CHANGE_TABLE = TableShape(
    name="protoplane_change",
    columns=(
        ColumnShape("transaction_id", Storage.BYTES, nullable=False, length=TRANSACTION_BYTES),
        ColumnShape("ordinal", Storage.INT64, nullable=False),
        ColumnShape("time", Storage.TIME, nullable=False),
        ColumnShape("actor", Storage.TEXT, nullable=False, length=255),
        ColumnShape("issuer", Storage.TEXT, nullable=False),
        ColumnShape("method", Storage.TEXT, nullable=False, length=255),
        ColumnShape("call_id", Storage.TEXT, nullable=False, length=128),
        ColumnShape("request_id", Storage.TEXT, nullable=False, length=36),
        ColumnShape("type", Storage.TEXT, nullable=False, length=255),
        ColumnShape("name", Storage.TEXT, nullable=False, length=limits.INDEXED_CHARACTERS_MAX),
        ColumnShape("kind", Storage.TEXT, nullable=False, length=16),
        ColumnShape("before", Storage.BYTES, nullable=True),
        ColumnShape("after", Storage.BYTES, nullable=True),
        ColumnShape("redacted", Storage.TEXT, nullable=False),
    ),
    primary_key=("transaction_id", "ordinal"),
)
"""The change log; see `changes.log`. Ids are made here and sort by time: no counter that all writers of a cluster would meet at, and trimming
needs no index of its own. Positions in order of commit are a column and an index to be added by whoever assigns them."""

SYSTEM_TABLES = (REQUEST_TABLE, CHANGE_TABLE)
