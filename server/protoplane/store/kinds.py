"""What holds a value of each kind: the storage of its column, and of an element of JSON; and what stands there by default."""

from __future__ import annotations

from collections.abc import Mapping

from protoplane.contract.model import Kind
from protoplane.store.schema import Storage

STORAGE: Mapping[Kind, Storage] = {
    Kind.BOOL: Storage.BOOL,
    Kind.INT32: Storage.INT64,
    Kind.INT64: Storage.INT64,
    Kind.UINT32: Storage.INT64,
    Kind.UINT64: Storage.UINT64,
    Kind.FLOAT: Storage.DOUBLE,
    Kind.DOUBLE: Storage.DOUBLE,
    Kind.STRING: Storage.TEXT,
    Kind.BYTES: Storage.BYTES,
    Kind.ENUM: Storage.INT64,
    Kind.TIMESTAMP: Storage.TIME,
    Kind.DURATION: Storage.INT64,
    Kind.JSON: Storage.JSON,
    Kind.OPAQUE: Storage.BYTES,
}
"""What holds one value of each kind; a message has none of its own."""


ELEMENT_STORAGE: Mapping[Kind, Storage] = {**STORAGE, Kind.TIMESTAMP: Storage.INT64}
"""How an element of a JSON text compares: times are numbers of microseconds there, bytes are base64."""

DEFAULTS: Mapping[Storage, object] = {
    Storage.BOOL: 0,
    Storage.INT64: 0,
    Storage.UINT64: 0,
    Storage.DOUBLE: 0.0,
    Storage.TEXT: "",
    Storage.BYTES: b"",
}
"""The value of a column that is not nullable when nothing was written; see `ColumnShape`."""
