"""Links as a statement walks them: by a small table of constants, or, where each row has but one to follow, by expressions in its place.

A table of constants is made anew each time a statement runs, and read again for each row: without one a walk takes a third less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from protoplane.store.sources import Kind, Source

Row: TypeAlias = tuple[int | str, ...]

IdOf: TypeAlias = Callable[[Source, str, str], str]
"""The id that is looked up in a source: that of a row, or one that finds nothing; both are given."""


@dataclass(frozen=True, slots=True)
class Links:
    """What may be walked from the rows of a table."""

    sources: Sequence[Source]
    """Where the tuples stand."""
    kind: Kind
    id_of: IdOf
    tables: tuple[str, ...] = ()
    joined: str = ""
    """What is joined to the rows."""
    end: str = ""
    """The node that a link leads to."""


def whole(number: str) -> IdOf:
    """Ids for links that have the number of their source; '' where they have one source."""

    def id_of(source: Source, own: str, nobody: str) -> str:
        return f"CASE {number} WHEN {source.number} THEN {own} ELSE {nobody} END" if number else own

    return id_of


def in_place(at: str, found: Mapping[int, tuple[Row, Source]], sources: Sequence[Source], *, end: int) -> Links:
    """Of nodes, each with its one link (a row of LINK) and where its tuples stand. `at` is the node of a row; `end` is the place in LINK."""
    case, id_of = by_case(at, found)
    return Links(sources, Kind(*map(case, range(1, 5))), id_of, end=case(end))


def by_case(at: str, found: Mapping[int, tuple[Row, Source]]) -> tuple[Callable[[int], str], IdOf]:
    """What a table with one row a node would say in a column, by its place; and the ids to look up in a source."""

    def case(place: int) -> str:
        values = {node: _quoted(row[place]) for node, (row, _) in found.items()}
        if len(set(values.values())) == 1:
            return next(iter(values.values()))
        return f"CASE {at} {' '.join(f'WHEN {node} THEN {value}' for node, value in values.items())} END"

    def id_of(source: Source, own: str, nobody: str) -> str:
        nodes = [node for node, (_, one) in found.items() if one is source]
        return f"CASE {at} {' '.join(f'WHEN {node} THEN {own}' for node in nodes)} ELSE {nobody} END"

    return case, id_of


def _quoted(value: int | str) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
