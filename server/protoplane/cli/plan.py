"""`protoplane plan`: what is made of the contract, method by method: its rule, its code, its SQL, the indexes it has."""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from protoplane.base.config import PAGE_TOKEN_KEY_BYTES
from protoplane.cli.project import give_up, open_engine, project_option, read_settings
from protoplane.contract.model import Access, MethodKind
from protoplane.project import read_project

if TYPE_CHECKING:
    from protoplane.contract.model import Method, Rule
    from protoplane.method.compile import Compiled
    from protoplane.method.custom import CustomMethod
    from protoplane.method.served import Served
    from protoplane.method.streamed import Streamed
    from protoplane.store.schema import TableShape


@dataclass(frozen=True, slots=True)
class TablePlan:
    """A table, as in MethodPlan."""

    table: str
    key: tuple[str, ...]
    indexes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MethodPlan:
    """One method as it is served. `sql` are the statements of its ordinary case, in the engine's own words."""

    method: str
    kind: str
    rule: str
    writes: bool
    """Whether it runs in a transaction."""
    streams: bool
    """Whether its answers stream."""
    request_id: bool
    """Whether a repeated call with the same request_id has one effect."""
    code: str
    """Place of the team's own Python; empty where there is none."""
    around: bool
    """Whether that code is given the standard method, to call it or not."""
    table: str
    key: tuple[str, ...]
    """Columns of the primary key."""
    indexes: tuple[str, ...]
    """Secondary indexes of the table: `name (columns)`, unique ones say so."""
    more_tables: tuple[TablePlan, ...]
    """Of a resource with several patterns: the tables of the others."""
    logged: bool
    """Whether its writes are in the change log; false without a table of its own."""
    sql: tuple[str, ...]


def plans(compiled: Compiled, custom: Mapping[str, CustomMethod]) -> list[MethodPlan]:
    """The plan of every method that was compiled, in order of declaration, but that those that stream come last."""
    found = [_plan(method, around=path in custom and custom[path].around) for path, method in compiled.served.items()]
    return found + [_stream(method) for method in compiled.streamed.values()]


def _stream(streamed: Streamed) -> MethodPlan:
    method = streamed.method
    return MethodPlan(
        method=method.path,
        kind=str(method.kind),
        rule=_rule(method.rule),
        writes=False,
        streams=True,
        request_id=False,
        code=streamed.code,
        around=False,
        table="",
        key=(),
        indexes=(),
        more_tables=(),
        logged=False,
        sql=(),
    )


def _plan(served: Served, *, around: bool) -> MethodPlan:
    method, (first, *others) = served.method, _tables(served) or (TablePlan("", (), ()),)
    return MethodPlan(
        method=method.path,
        kind=str(method.kind),
        rule=_rule(method.rule),
        writes=served.writes,
        streams=False,
        request_id=served.replay is not None,
        code=served.code,
        around=around,
        table=first.table,
        key=first.key,
        indexes=first.indexes,
        more_tables=tuple(others),
        logged=bool(first.table) and served.writes and not (method.resource is None or method.resource.unlogged),
        sql=served.statements,
    )


def _tables(served: Served) -> tuple[TablePlan, ...]:
    """The tables of a standard method; what own code reads and writes it knows itself."""
    method: Method = served.method
    if method.resource is None or method.kind is MethodKind.CUSTOM:
        return ()
    return tuple(_table(rows.table.shape) for rows in served.resources[method.resource.message_class].rows.all)


def _table(shape: TableShape) -> TablePlan:
    indexes = (f"{'unique ' if index.unique else ''}{index.name} ({', '.join(index.columns)})" for index in shape.indexes)
    return TablePlan(shape.name, shape.primary_key, tuple(indexes))


def _rule(rule: Rule) -> str:
    match rule.access:
        case Access.PERMISSION:
            return rule.permission
        case Access.CHECK | Access.SCOPE:
            return f"{rule.access} {rule.relation}"
        case _:
            return str(rule.access)


def as_text(found: Sequence[MethodPlan]) -> str:
    """The plan for people."""
    return "\n".join(line for plan in found for line in _lines(plan)).rstrip("\n")


def _lines(plan: MethodPlan) -> Iterator[str]:
    yield f"{plan.method}"
    once = ", once for each request_id" if plan.request_id else ""
    yield f"    {plan.kind}, rule {plan.rule}, {'writes' if plan.writes else 'reads'}{', streams its answers' if plan.streams else ''}{once}"
    if plan.code:
        standard = plan.kind != MethodKind.CUSTOM
        yield f"    code {plan.code}{', around the standard method' if plan.around else ', instead of the standard method' if standard else ''}"
    for shape in (TablePlan(plan.table, plan.key, plan.indexes), *plan.more_tables) if plan.table else ():
        unlogged = ", not in the change log" if plan.writes and not plan.logged else ""
        yield f"    table {shape.table}, key ({', '.join(shape.key)}){unlogged}"
        yield from (f"    index {index}" for index in shape.indexes)
    yield from (f"    sql {sql}" for sql in plan.sql)
    yield ""


@click.command(name="plan")
@click.option("--json", "as_data", is_flag=True, help="Print the plan as JSON.")
@click.option("--method", "wanted", default="", metavar="TEXT", help="Only methods whose path has this text.")
@project_option
def command(*, as_data: bool, wanted: str, project: Path) -> None:
    """Show what the server makes of the contract: per method its rule, own code, SQL and indexes."""
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
        found = [plan for plan in plans(compiled, read.custom) if wanted.lower() in plan.method.lower()]
    finally:
        engine.close()
    if as_data:
        click.echo(json.dumps([dataclasses.asdict(plan) for plan in found], indent=2))
    else:
        click.echo(as_text(found))
