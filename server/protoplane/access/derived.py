"""Relations that rows say, as statements read them: which columns of which table."""

from __future__ import annotations

from collections.abc import Mapping

from protoplane.access.declared import Declared
from protoplane.access.model import TypeRelation
from protoplane.store.tables import Table
from protoplane.store.tuples import Derived


def derive(declared: Declared, tables: Mapping[str, Table]) -> dict[TypeRelation, Derived]:
    """By relation; `tables` are by key of resource."""
    found: dict[TypeRelation, Derived] = {}
    for key, said in declared.said.items():
        table = tables[said.resource]
        columns = table.columns_at(said.path) if said.path else ()
        found[key] = Derived(
            table=table.shape.name,
            key=table.keys,
            subject_type=said.subject.type,
            subject_relation=said.subject.relation,
            subject=columns,
            levels=said.levels,
            index=table.index_led_by(columns) if columns else "",
        )
    return found
