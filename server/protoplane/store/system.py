"""Protoplane's own tables beside a contract's."""

from __future__ import annotations

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

SYSTEM_TABLES = (REQUEST_TABLE,)
