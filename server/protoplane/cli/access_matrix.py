"""`protoplane access matrix`: which method asks for what of which resource, which fields ask for more, and who may give what."""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from protoplane.base.config import PAGE_TOKEN_KEY_BYTES
from protoplane.cli.project import give_up, open_engine, project_option, read_settings
from protoplane.contract.model import Access
from protoplane.project import read_project

if TYPE_CHECKING:
    from protoplane.access.declared import Declared
    from protoplane.contract.model import Contract, Method


@dataclass(frozen=True, slots=True)
class MethodRow:
    """What a method asks. `relation` is asked of `type`, on the resources that the fields `named_by` of the request name."""

    method: str
    kind: str
    rule: str
    """`public`, `authenticated`, `permission`, `check` or `scope`."""
    permission: str = ""
    relation: str = ""
    type: str = ""
    named_by: tuple[str, ...] = ()
    """Empty for `scope`, which is about every row."""


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field that not everybody sees, or writes, who may read or write its resource. Empty: it asks nothing more."""

    type: str
    field: str
    read: str
    write: str
    grant: str
    """Relation on the resource, as it was and as it becomes, that its writers must have: it says who has a relation."""


@dataclass(frozen=True, slots=True)
class RelationRow:
    """Who may give a relation. Whoever has the permission `access.write` may give those that have tuples."""

    type: str
    relation: str
    said_by: str
    """`tuples`, `name` or the path of the field."""
    grant: str
    """Relation on the resource that givers must have; empty: nobody by that."""
    creator: bool
    """Whether whoever creates a resource gets it."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Who may do what, as the contract was compiled."""

    methods: tuple[MethodRow, ...]
    fields: tuple[FieldRow, ...]
    relations: tuple[RelationRow, ...]


def matrix(contract: Contract, declared: Declared, methods: Iterable[Method]) -> Matrix:
    """Of a contract's compiled methods, its fields and its relations."""
    from protoplane.method.admission import named_fields

    types = declared.types
    rows = []
    for method in methods:
        rule = method.rule
        target, fields = named_fields(method, contract) if rule.access in {Access.CHECK, Access.SCOPE} else (None, ())
        kind = types[target.key] if target is not None else ""
        rows.append(MethodRow(method.path, str(method.kind), str(rule.access), rule.permission, rule.relation, kind, fields))
    return Matrix(tuple(rows), tuple(_fields(contract, declared)), tuple(_relations(contract, declared)))


def _fields(contract: Contract, declared: Declared) -> Iterator[FieldRow]:
    from protoplane.access.declared import with_inner

    for resource in contract.resources.values():
        kind = declared.types[resource.key]
        grants = {
            said.path: declared.grants.get(key, "") for key, said in declared.said.items() if said.resource == resource.key and said.path
        }
        for field in with_inner(resource.fields):
            grant = grants.get(field.path, "")
            if field.read or field.write or grant:
                yield FieldRow(kind, field.path, field.read, field.write, grant)


def _relations(contract: Contract, declared: Declared) -> Iterator[RelationRow]:
    kinds = dict.fromkeys(declared.types[key] for key in contract.resources)
    for kind, relation in declared.model.relations():
        if kind in kinds and relation.restrictions:
            said = declared.said.get((kind, relation.name))
            by = "tuples" if said is None else said.path or "name"
            yield RelationRow(
                kind, relation.name, by, declared.grants.get((kind, relation.name), ""), relation.name in declared.creators.get(kind, ())
            )


def as_text(found: Matrix) -> str:
    """The matrix for people."""
    methods = [{"method": row.method, "asks": _asks(row), "of": ", ".join(row.named_by)} for row in found.methods]
    fields = [
        {"field": f"{row.type}.{row.field}", "read": row.read, "write": " and ".join(filter(None, (row.write, row.grant)))}
        for row in found.fields
    ]
    relations = [
        {"relation": f"{row.type}#{row.relation}", "said by": row.said_by, "given by": row.grant, "creator": "yes" if row.creator else ""}
        for row in found.relations
    ]
    return "\n\n".join("\n".join(_table(rows)) for rows in (methods, fields, relations) if rows)


def _asks(row: MethodRow) -> str:
    match row.rule:
        case Access.PERMISSION:
            return f"permission {row.permission}"
        case Access.CHECK | Access.SCOPE:
            return f"{row.rule} {row.type}#{row.relation}"
        case _:
            return row.rule


def _table(rows: list[dict[str, str]]) -> Iterator[str]:
    head: Mapping[str, str] = {name: name for name in rows[0]}
    widths = {name: max(len(row[name]) for row in (head, *rows)) for name in head}
    for row in (head, *rows):
        yield "  ".join(value.ljust(widths[name]) for name, value in row.items()).rstrip()


@click.command(name="matrix")
@click.option("--json", "as_data", is_flag=True, help="Print the matrix as JSON.")
@project_option
def command(*, as_data: bool, project: Path) -> None:
    """Show what every method asks for, which fields ask for more, and who may give which relation.

    A Commit asks, beside its own rule, that of each method that its writes are those of.
    """
    from protoplane.method.compile import compile_methods
    from protoplane.query.paging import PageTokens

    settings = read_settings(project)
    read = read_project(settings)
    if read.contract is None:
        give_up(read.findings)
    engine = open_engine(settings)
    try:
        tokens = PageTokens([secrets.token_bytes(PAGE_TOKEN_KEY_BYTES)])  # Nothing is called, so no token is ever made.
        compiled = compile_methods(read.contract, engine, tokens, read.custom, read.functions, read.declared)
    finally:
        engine.close()
    served = [*(one.method for one in compiled.served.values()), *(one.method for one in compiled.streamed.values())]
    found = matrix(read.contract, read.declared, served)
    click.echo(json.dumps(dataclasses.asdict(found), indent=2) if as_data else as_text(found))
