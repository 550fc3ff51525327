"""The place of a value in SQL that is built once and bound per call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """Stands in a Peewee expression where a call's value will be bound: `Slot("filter.0")`, `Slot("limit")`."""

    name: str


def bind(params: Sequence[object], values: Mapping[str, object]) -> list[object]:
    """The parameters of one execution: each Slot replaced by its value, everything else as it stands."""
    return [values[p.name] if isinstance(p, Slot) else p for p in params]
