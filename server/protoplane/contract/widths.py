"""Whether a resource fits into one row, on every engine: what InnoDB refuses when the table is made, or when a row is full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protoplane.base import limits
from protoplane.contract.columns import is_stored_reference, stored_columns
from protoplane.contract.model import Field, Kind, Label, Pattern, Resource
from protoplane.contract.report import Report

_APART_BYTES_MIN: Final = 256
"""What can be so long can lie outside of the row, but for what is short: then up to 40 bytes of it stay inside, and their number."""

_STAYS_BYTES: Final = 41
_LONG: Final = (12, _STAYS_BYTES)
_NUMBER: Final = (8, 8)
_TRUTH: Final = (1, 1)
_KEY_BYTES: Final = limits.ID_CHARACTERS_MAX * limits.CHARACTER_BYTES_MAX


def lint_width(resource: Resource, patterns: Mapping[str, Pattern], report: Report) -> None:
    """Judge the row of a resource; `patterns` are those of the resources stored here, by type."""
    widths = [_widths(field, patterns) for _, field in stored_columns(resource, patterns)]
    columns, declared, inside = len(widths), sum(width for width, _ in widths), sum(width for _, width in widths)
    if columns > limits.COLUMNS_MAX or declared > limits.ROW_DECLARED_BYTES_MAX or inside > limits.ROW_INSIDE_BYTES_MAX:
        has = f"{columns:,} columns, which declare {declared:,} bytes and keep up to {inside:,} in the row itself"
        bounds = f"{limits.COLUMNS_MAX:,} columns, {limits.ROW_DECLARED_BYTES_MAX:,} and {limits.ROW_INSIDE_BYTES_MAX:,} bytes"
        mend = f"keep within {bounds}: put fields into a map, a Struct or a repeated message, of which each is one column, or into a child"
        report.add(resource.place, "row-wide", f"a row of {resource.message.name} is too wide for MySQL and MariaDB: {has}", mend)


def _widths(field: Field | None, patterns: Mapping[str, Pattern]) -> tuple[int, int]:
    """Bytes that one column of a field declares, and can have in the row itself. Without a field it is one of the key, or the row version."""
    if field is None or is_stored_reference(field, patterns):
        return _text(_KEY_BYTES)
    if field.label is not Label.SINGULAR or field.kind in {Kind.JSON, Kind.OPAQUE}:
        return _LONG
    if field.kind in {Kind.STRING, Kind.BYTES}:
        bounded = 0 < field.max_length <= limits.INDEXED_CHARACTERS_MAX
        return _text(field.max_length * (limits.CHARACTER_BYTES_MAX if field.kind is Kind.STRING else 1)) if bounded else _LONG
    return _TRUTH if field.kind in {Kind.BOOL, Kind.MESSAGE} else _NUMBER


def _text(width: int) -> tuple[int, int]:
    return width + 2, _STAYS_BYTES if width >= _APART_BYTES_MIN else width + 1
