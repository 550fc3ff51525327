"""How columns are called: shared by `contract.lint`, which finds clashes, and `store.tables`, which makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

from protoplane.base import limits
from protoplane.contract.model import Field, Kind, Label, Pattern, Resource, Role

ROW_VERSION = "row_version"
"""The column that feeds the etag."""

_DIGEST_CHARACTERS: Final = 12


def column_name(field: Field) -> str:
    """Column of a field; of a nested message, the column that says whether it is there."""
    return field.column or (_held(field.path.replace(".", "_")) if "." in field.path else field.name)


def _held(name: str) -> str:
    """A name made of several, as every engine can hold it: what is too long keeps its beginning, and a digest of all of it.

    The messages of others cannot be given column names: `google.type.Money`, some levels down, would keep a contract from being served.
    """
    if len(name) <= limits.IDENTIFIER_CHARACTERS_MAX:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{name[: limits.IDENTIFIER_CHARACTERS_MAX - _DIGEST_CHARACTERS - 1]}_{digest}"


def reference_columns(field: Field, target: Pattern) -> tuple[str, ...]:
    """Columns of a reference to a resource stored here: one per variable of its pattern, in order."""
    name = column_name(field)
    if len(target.variables) == 1:
        return (name,)
    return tuple(_held(f"{name}_{variable}") for variable in target.variables)


def is_stored_reference(field: Field, patterns: Mapping[str, Pattern]) -> bool:
    """Whether a field is kept as key columns: one name of one type that is stored here."""
    return field.kind is Kind.STRING and field.label is Label.SINGULAR and field.reference in patterns and field.role is not Role.NAME


def stored_columns(resource: Resource, patterns: Mapping[str, Pattern]) -> Iterator[tuple[str, Field | None]]:
    """Every column of a resource's table and the field it holds: the key columns first, then the row version, then the fields.

    `patterns` are those of the resources stored here, by type. Key columns and the row version hold no field of their own.
    """
    for variable in resource.pattern.variables:
        yield variable, None
    yield ROW_VERSION, None
    for field in resource.fields:
        yield from field_columns(field, patterns)


def field_columns(field: Field, patterns: Mapping[str, Pattern]) -> Iterator[tuple[str, Field]]:
    """The columns of one field and, when it is a singular message, of the fields inside it."""
    if field.role in {Role.NAME, Role.ETAG} or field.expand:
        return  # The name is the key columns, the etag is made from the row version, an expansion is another row.
    if is_stored_reference(field, patterns):
        for name in reference_columns(field, patterns[field.reference]):
            yield name, field
        return
    yield column_name(field), field
    if field.kind is Kind.MESSAGE and field.label is Label.SINGULAR:
        for child in field.fields:
            yield from field_columns(child, patterns)
