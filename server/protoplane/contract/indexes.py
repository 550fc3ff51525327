"""Whether the indexes a contract asks for can be made, on every engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protoplane.base import limits
from protoplane.contract.columns import is_stored_reference
from protoplane.contract.model import Field, IndexRule, Kind, Label, Pattern, Resource, Role
from protoplane.contract.report import Report

INDEX_COLUMNS_MAX: Final = 16
"""MySQL's bound."""

_NUMBER_BYTES = 8
_UNINDEXED: Final = frozenset({Kind.MESSAGE, Kind.JSON, Kind.OPAQUE})


def lint_indexes(resource: Resource, patterns: Mapping[str, Pattern], report: Report) -> None:
    """Judge every index of a resource; `patterns` are those of the resources stored here, by type."""
    seen: set[tuple[str, ...]] = set()
    for index in resource.indexes:
        if index.paths in seen:
            report.add(index.place, "index-duplicate", f"{_words(index)} is there twice", "keep one of them; a unique one also finds rows")
        seen.add(index.paths)
        _lint_index(resource, index, patterns, report)


def _words(index: IndexRule) -> str:
    return f"the index over ({', '.join(index.paths)})"


def _lint_index(resource: Resource, index: IndexRule, patterns: Mapping[str, Pattern], report: Report) -> None:
    if not index.paths or len(set(index.paths)) < len(index.paths):
        report.add(index.place, "index-path", f"{_words(index)} names no field, or one twice", "name each field once")
        return
    columns = bytes_wide = 0
    for path in index.paths:
        field = resource.field(path)
        problem = _path_problem(resource, path, field)
        if field is None or problem:
            mend = "name a singular scalar, time, duration, enum or reference by its path"
            report.add(index.place, "index-path", f"`{path}` in {_words(index)} {problem}", mend)
            continue
        if field.sensitive:
            mend = "take it out of the index, or do not call it sensitive"
            report.add(index.place, "index-sensitive", f"`{path}` in {_words(index)} is sensitive", mend)
        width = _width(field, patterns)
        if width is None:
            bound = limits.INDEX_BYTES_MAX if field.kind is Kind.BYTES else limits.INDEXED_CHARACTERS_MAX
            kind = field.kind.value
            problem = f"`{path}` in {_words(index)} is not bounded to {bound:,} {'bytes' if field.kind is Kind.BYTES else 'characters'}"
            report.add(index.place, "index-unbounded", problem, f"give it [(buf.validate.field).{kind}.max_len = 255] or the like")
            continue
        bytes_wide += width
        columns += len(patterns[field.reference].variables) if is_stored_reference(field, patterns) else 1
    if bytes_wide > limits.INDEX_BYTES_MAX or columns > INDEX_COLUMNS_MAX:
        problem = f"{_words(index)} holds {bytes_wide:,} bytes in {columns} columns"
        mend = f"keep it within {limits.INDEX_BYTES_MAX:,} bytes (4 a character) and {INDEX_COLUMNS_MAX} columns"
        report.add(index.place, "index-wide", problem, mend)


def _path_problem(resource: Resource, path: str, field: Field | None) -> str:
    """Why a path cannot stand in an index; empty when it can."""
    names = path.split(".")
    above = [resource.field(".".join(names[:count])) for count in range(1, len(names))]
    if field is None:
        return f"is no field of {resource.message.name}"
    if field.role is Role.NAME:
        return "is the primary key, which every index has anyway"
    if field.role is Role.ETAG:
        return "has no column"
    if any(part is None or part.label is not Label.SINGULAR for part in (*above, field)):
        return "is, or is inside, a repeated field or a map"
    return f"holds a {field.message.full_name if field.message else field.kind.value}" if field.kind in _UNINDEXED else ""


def _width(field: Field, patterns: Mapping[str, Pattern]) -> int | None:
    """Bytes that a field takes in an index; None for text or bytes without a bound, or with one that is too large."""
    if is_stored_reference(field, patterns):
        return len(patterns[field.reference].variables) * limits.ID_CHARACTERS_MAX * limits.CHARACTER_BYTES_MAX
    if field.kind is Kind.STRING:
        return field.max_length * limits.CHARACTER_BYTES_MAX if 0 < field.max_length <= limits.INDEXED_CHARACTERS_MAX else None
    if field.kind is Kind.BYTES:
        return field.max_length if 0 < field.max_length <= limits.INDEX_BYTES_MAX else None
    return _NUMBER_BYTES
