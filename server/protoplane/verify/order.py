"""Rows with known values in one field, to see them sorted and filtered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from protoplane.verify.check import Scene
from protoplane.verify.exchange import Exchange
from protoplane.verify.fields import NUMBERS, TEXT, scalars_of
from protoplane.verify.scope import Scope, each_with, scope_of
from protoplane.verify.values import NoValueError
from protoplane.verify.verdict import NotApplicable, skip


def refused(exchange: Exchange) -> bool:
    """Whether the server says that it does not serve this: services may serve less than the AIPs describe."""
    return exchange.code in {"INVALID_ARGUMENT", "UNIMPLEMENTED"}


@dataclass(frozen=True, slots=True)
class Column:
    """A field, and the value that each of our rows has there."""

    scope: Scope
    field: FieldDescriptor
    values: dict[str, Any]
    """Name of a row → its value."""

    @property
    def ascending(self) -> list[str]:
        """Names in the order of their values."""
        return sorted(self.values, key=lambda name: self.values[name])


def column(scene: Scene, *, number: bool, rows: int = 4) -> Column:
    """Rows with distinct values in a field of numbers or texts. NotApplicable without such a field."""
    types = NUMBERS if number else (TEXT,)
    for field in scalars_of(scene, *types):
        try:
            values = scene.world.maker.sorted_values(field, rows)
        except NoValueError:
            continue
        if values is None:
            continue
        mixed = [values[i] for i in _mixed(rows)]
        try:
            scope = scope_of(scene, rows, each_with(field.name, mixed))
        except NotApplicable:
            continue
        return Column(scope, field, dict(zip(scope.names, mixed, strict=True)))
    return skip(f"{scene.kind.title} has no field of {'numbers' if number else 'texts'} with {rows} values that could be told apart")


def _mixed(count: int) -> list[int]:
    """Positions in an order that is neither ascending nor descending."""
    return [*range(1, count, 2), *range(0, count, 2)]
