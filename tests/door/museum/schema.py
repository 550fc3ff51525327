"""What the oracle must be told about a contract, because messages do not say it; fields by their full names, resources by their messages'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor


@dataclass(frozen=True)
class Schema:
    """One contract."""

    references: Mapping[str, str]
    """Fields that hold names of what is stored, and what they name; the names of the resources themselves are among them."""
    parents: Mapping[str, Mapping[str, str]]
    """What a path calls the parent of a resource, and which it is."""
    searched: Mapping[str, Sequence[str]]
    """Paths of the searchable fields of each resource."""
    hidden: frozenset[str]
    """Fields that filters may not name, or that are not asked for."""
    unfilled: frozenset[str]
    """Fields that rows leave as they are."""
    values: Mapping[str, Sequence[Any]]
    """What rows choose from, for fields that do not choose from all values of their type."""
    names: Mapping[str, Sequence[str]]
    """What names of a resource are compared with."""
    serial: frozenset[str] = frozenset()
    """Fields that have another value in every row."""
    bounded: frozenset[str] = frozenset()
    """Strings whose length is bounded, which are sorted by as wholes."""

    def target(self, field: FieldDescriptor) -> str:
        """The resource that a field names; empty for a field that names none."""
        return self.references.get(field.full_name, "")

    def leads_to(self, field: FieldDescriptor) -> str:
        """The resource that a path goes on with below a field; a name of its own leads nowhere."""
        target = self.target(field)
        return "" if field.name == "name" and field.containing_type is not None and field.containing_type.name == target else target
