"""How many rows are read at once, so that huge ones are never all in memory.

The first rows tell how large the others may be: as many as an answer has room for are then read in one go, of ordinary rows all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from protoplane.base import limits
from protoplane.store.codec import Row
from protoplane.store.schema import ColumnShape, Storage
from protoplane.store.tables import row_bytes_max

FIRST_ROWS: Final = 100
"""Of rows that may be large: as many are read before it is known how large they are."""

ROWS_MAX: Final = max(limits.PAGE_ROWS_MAX, limits.BATCH_ITEMS_MAX, limits.EXPANDED_ROWS_MAX)
"""Rows that anything is answered from."""

_TEXTS: Final = frozenset({Storage.TEXT, Storage.BYTES, Storage.JSON})


class Pieces:
    """How rows of some columns are read."""

    def __init__(self, columns: Sequence[ColumnShape]) -> None:
        row_bytes = row_bytes_max(columns)
        self.measured = row_bytes is None or row_bytes * ROWS_MAX > limits.PAGE_BYTES_MAX
        """Whether so many rows may be more than an answer has room for."""
        self._texts = tuple(at for at, column in enumerate(columns) if column.storage in _TEXTS)

    def first(self, rows: int) -> int:
        """How many of so many rows to read before any is known."""
        return min(rows, FIRST_ROWS) if self.measured else rows

    def further(self, rows: int, seen: int, seen_bytes: int) -> int:
        """How many of so many more rows to read next, when `seen` rows had that many bytes."""
        if not seen:
            return self.first(rows)
        return min(rows, max(1, limits.PAGE_BYTES_MAX * seen // max(1, seen_bytes)))

    def bytes_of(self, rows: Iterable[Row]) -> int:
        """What the texts and bytes of rows take, about."""
        texts = self._texts
        return sum(len(value) for row in rows for at in texts if (value := row[at]))
