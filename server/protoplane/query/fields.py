"""Fields by the paths that callers write in filters and orders, through messages and references.

A path goes on below a singular message, and below a reference, whose own fields then follow: `origin.location.latitude`. The parent
of a resource is reached by its singular (`publisher.display_name`), unless a field is called so.
"""

from __future__ import annotations

from collections.abc import Sequence

from protoplane.base import limits
from protoplane.contract.model import Field, Kind, Label, Resource, Role
from protoplane.query.caret import Misread, nearest, quote
from protoplane.query.columns import Columns, Path


def find_field(owner: Resource | Field, name: str, offset: int) -> Field:
    """The field of that name in a resource or a message. Raises Misread at `offset`, with the nearest name that may be queried."""
    found = next((field for field in owner.fields if field.name == name), None)
    if found is None:
        whose = f"'{owner.path}'" if isinstance(owner, Field) else f"the resource '{owner.singular}'"
        known = [field.name for field in owner.fields if field.queryable]
        raise Misread(offset, f"{whose} has no field {quote(name)}{nearest(name, known)}")
    return found


def find_path(columns: Columns, names: Sequence[str], offsets: Sequence[int], use: str) -> tuple[Path, int]:
    """The field at a path, and how many names are left behind it: those inside a repeated field, a map or a Struct.

    `offsets` are the places of the names, `use` says what the field is for: `filtered`. Raises Misread: no such field, one that may not be queried, a path that ends nowhere.
    """
    owner: Resource | Field = columns.resource
    for index, (name, offset) in enumerate(zip(names, offsets, strict=True)):
        left = len(names) - index - 1
        if left and _is_parent(columns, owner, name):
            columns = _follow(columns, name, offset, use)
            owner = columns.resource
            continue
        field = find_field(owner, name, offset)
        if not field.queryable:
            raise Misread(offset, f"'{name}' cannot be {use}{_reason(field)}")
        if not left or field.label is not Label.SINGULAR or field.kind is Kind.JSON:
            return Path(columns, field), left
        if field.reference and field.role is not Role.NAME and not field.fields:
            columns = _follow(columns, field.path, offset, use)
            owner = columns.resource
        elif field.fields:
            owner = field
        else:
            raise Misread(offsets[index + 1], f"'{name}' has no fields that can be {use}")
    raise AssertionError(names)  # A path has at least one name.


def _is_parent(columns: Columns, owner: Resource | Field, name: str) -> bool:
    """Whether a name stands for the parent: it is its singular, and no field's."""
    if not isinstance(owner, Resource) or any(field.name == name for field in owner.fields):
        return False
    return columns.through(name) is not None


def _follow(columns: Columns, path: str, offset: int, use: str) -> Columns:
    if columns.hops == limits.FILTER_HOPS_MAX:
        raise Misread(offset, f"a path follows at most {limits.FILTER_HOPS_MAX} references")
    found = columns.through(path)
    if found is None:
        raise Misread(offset, f"'{path}' names a resource that is not stored here: its fields cannot be {use}")
    return found


def _reason(field: Field) -> str:
    return ": it is made when the resource is read" if field.role is Role.ETAG else ""
