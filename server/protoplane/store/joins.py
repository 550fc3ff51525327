"""Tables reached through references: each is joined once, by its primary key, and its columns are NULL where the row is missing.

A LEFT JOIN keeps the rows whose reference names nothing; a condition that such a row cannot meet lets the optimiser make an inner
join of it, and begin at the referenced table where an index of the referencing column makes that cheaper.
"""

from __future__ import annotations

from collections.abc import Iterable

from peewee import JOIN, Column, Expression
from peewee import Source as SqlSource

from protoplane.query.columns import Columns
from protoplane.query.predicate import join as join_conditions
from protoplane.store.tables import Table


def join(table: Table, views: Iterable[Columns]) -> SqlSource:
    """What a statement of a table selects from when it uses these columns behind references, those on the way first: FROM, one join each."""
    needed: dict[str, Table] = {}
    for view in views:
        assert isinstance(view, Table)
        needed.setdefault(view.prefix, view)
    source: SqlSource = table.source
    for view in needed.values():
        assert view.via is not None
        pairs = zip(view.keys, view.via.keys, strict=True)
        condition = join_conditions("AND", [Expression(Column(view.source, key.name), "=", held) for key, held in pairs])
        source = source.join(view.source, JOIN.LEFT_OUTER, on=condition)
    return source
