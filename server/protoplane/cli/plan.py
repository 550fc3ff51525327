"""`protoplane plan`: what is made of the contract, method by method: its rule, its SQL, the indexes it has."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from protoplane.cli.project import give_up, open_engine, project_option, read_settings
from protoplane.contract.model import Access, Method, MethodKind
from protoplane.project import read_project

if TYPE_CHECKING:
    from protoplane.contract.model import Contract
    from protoplane.store.engine import Engine


@dataclass(frozen=True, slots=True)
class MethodPlan:
    """One method as it is served. `sql` are the statements of its ordinary case, in the engine's own words."""

    method: str
    kind: str
    rule: str
    table: str
    sql: tuple[str, ...]
    key: tuple[str, ...]
    """Columns of the primary key."""
    indexes: tuple[str, ...]
    """Secondary indexes of the table: `name (columns)`, unique ones say so."""


def plans(contract: Contract, engine: Engine) -> list[MethodPlan]:
    """The plan of every method, in order of declaration."""
    from protoplane.store.tables import Table

    tables = {kind: Table(resource, contract, engine.dialect) for kind, resource in contract.resources.items()}
    return [_plan(method, tables, engine) for method in contract.methods.values()]


def _plan(method: Method, tables: dict[str, Any], engine: Engine) -> MethodPlan:
    table = tables.get(method.resource.type) if method.resource and method.kind is not MethodKind.CUSTOM else None
    shape = table.shape if table else None
    return MethodPlan(
        method=method.path,
        kind=str(method.kind),
        rule=method.rule.permission if method.rule.access is Access.PERMISSION else str(method.rule.access),
        table=shape.name if shape else "",
        sql=tuple(_statements(method, table, engine)) if table else (),
        key=shape.primary_key if shape else (),
        indexes=tuple(f"{'unique ' if index.unique else ''}{index.name} ({', '.join(index.columns)})" for index in shape.indexes)
        if shape
        else (),
    )


def _statements(method: Method, table: Any, engine: Engine) -> Iterator[str]:
    """The SQL that the compiled method runs for its ordinary case: from the same builders."""
    from protoplane.store.statements import TableStatements

    statements = TableStatements(table, engine.database)
    match method.kind:
        case MethodKind.GET:
            yield statements.select
        case MethodKind.LIST:
            yield from _list_statements(table, engine)
        case MethodKind.CREATE | MethodKind.BATCH_CREATE:
            yield statements.insert
        case MethodKind.UPDATE:
            yield statements.select_for_update
            yield statements.update(tuple(range(len(table.shape.primary_key), len(table.shape.columns)))).sql
        case MethodKind.DELETE:
            yield statements.select_for_update
            yield statements.delete_version
        case MethodKind.CUSTOM:
            return


class _Recorder:
    """Stands where a session does and keeps the SQL it is asked to run."""

    def __init__(self) -> None:
        self.sql: list[str] = []

    def rows(self, sql: str, _params: Sequence[object] = ()) -> Sequence[tuple[object, ...]]:
        """No rows."""
        self.sql.append(sql)
        return ()


def _list_statements(table: Any, engine: Engine) -> list[str]:
    """The first page without filter and order, as the Listing itself makes it."""
    from protoplane.query.order import OrderCompiler
    from protoplane.store.listing import Listing

    parents = len(table.resource.pattern.variables) - 1
    listing, recorder = Listing(table, engine, parents=parents), _Recorder()
    order = OrderCompiler(table.resource, table, fixed_keys=listing.parents).compile("")
    listing.page(recorder, [""] * parents, None, order, None, 1)  # type: ignore[arg-type]  # It only ever calls `rows`.
    return recorder.sql


def as_text(found: Sequence[MethodPlan]) -> str:
    """The plan for people."""
    return "\n".join(line for plan in found for line in _lines(plan))


def _lines(plan: MethodPlan) -> Iterator[str]:
    yield f"{plan.method}"
    yield f"    {plan.kind}, rule {plan.rule}"
    if plan.table:
        yield f"    table {plan.table}, key ({', '.join(plan.key)})"
        yield from (f"    index {index}" for index in plan.indexes)
    yield from (f"    sql {sql}" for sql in plan.sql)
    yield ""


@click.command(name="plan")
@click.option("--json", "as_data", is_flag=True, help="Print the plan as JSON.")
@click.option("--method", "wanted", default="", metavar="TEXT", help="Only methods whose path has this text.")
@project_option
def command(*, as_data: bool, wanted: str, project: Path) -> None:
    """Show what the server makes of the contract: per method its rule, SQL and indexes."""
    settings = read_settings(project)
    read = read_project(settings)
    if read.contract is None:
        give_up(read.findings)
    engine = open_engine(settings)
    try:
        found = [plan for plan in plans(read.contract, engine) if wanted.lower() in plan.method.lower()]
    finally:
        engine.close()
    if as_data:
        click.echo(json.dumps([dataclasses.asdict(plan) for plan in found], indent=2))
    else:
        click.echo(as_text(found))
