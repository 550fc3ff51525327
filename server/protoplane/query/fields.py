"""Fields by the names that callers write in filters and orders."""

from __future__ import annotations

from protoplane.contract.model import Field, Resource
from protoplane.query.caret import Misread, nearest, quote


def find_field(owner: Resource | Field, name: str, offset: int) -> Field:
    """The field of that name in a resource or a message. Raises Misread at `offset`, with the nearest name that may be queried."""
    found = next((field for field in owner.fields if field.name == name), None)
    if found is None:
        whose = f"'{owner.path}'" if isinstance(owner, Field) else f"the resource '{owner.singular}'"
        known = [field.name for field in owner.fields if field.queryable]
        raise Misread(offset, f"{whose} has no field {quote(name)}{nearest(name, known)}")
    return found
