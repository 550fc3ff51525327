"""`protoplane migrate`: the differences between the contract and the database as SQL, and the additive ones made."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from protoplane.base.settings import Environment
from protoplane.cli.project import failure, give_up, open_engine, project_option, read_settings

if TYPE_CHECKING:
    from protoplane.contract.model import Contract
    from protoplane.store.engine import Engine
    from protoplane.store.migrate import Plan, Step
    from protoplane.store.schema import TableShape


def wanted_tables(contract: Contract, engine: Engine) -> list[TableShape]:
    """Every table that serving the contract takes, Protoplane's own included."""
    from protoplane.access.declared import declare
    from protoplane.store.system import SYSTEM_TABLES
    from protoplane.store.tables import Table
    from protoplane.store.tuples import ACCESS_TABLES

    access = ACCESS_TABLES if declare(contract)[0].used else ()
    return [*SYSTEM_TABLES, *access, *(Table(resource, contract, engine.dialect).shape for resource in contract.resources.values())]


def as_json(plan: Plan) -> str:
    """The plan as JSON: steps in order, and what no step mends."""
    steps = [{"kind": str(step.kind), "table": step.table, "name": step.name, "sql": step.statement} for step in plan.steps]
    rest = [{"table": one.table, "problem": one.problem, "harmless": one.harmless} for one in plan.refused]
    return json.dumps({"steps": steps, "differences": rest}, indent=2, ensure_ascii=False)


def _report(step: Step) -> None:
    click.echo(f"{step.kind} {step.table}{f'.{step.name}' if step.name else ''}", err=True)


@click.command(name="migrate")
@click.option("--apply", "applying", is_flag=True, help="Run the additive steps: new tables, columns and indexes.")
@click.option("--production", is_flag=True, help="Use the settings of `serve`, not those of `dev`.")
@click.option("--json", "as_data", is_flag=True, help="Print the plan as JSON.")
@project_option
def command(*, applying: bool, production: bool, as_data: bool, project: Path) -> None:
    """Print the SQL that makes the database what the contract wants; --apply runs it.

    Only additions are ever made. Everything else is listed and left to you. Exit code 1 while a difference remains that keeps `serve` from starting.
    """
    settings = read_settings(project, Environment.SERVE if production else Environment.DEV)
    from protoplane.project import read_project
    from protoplane.store import migrate

    read = read_project(settings)
    if read.contract is None:
        give_up(read.findings)

    engine = open_engine(settings, make=applying)
    try:
        wanted = wanted_tables(read.contract, engine)
        plan = migrate.plan(engine, wanted)
        _show(plan, as_data=as_data)
        if applying and plan.steps:
            migrate.apply(engine, plan, report=_report)
            plan = migrate.plan(engine, wanted)
    except Exception as problem:
        raise failure(f"the tables cannot be changed: {problem}") from problem
    finally:
        engine.close()
    if not plan.done:
        click.echo("run it with --apply" if plan.steps else "the differences above are left to you", err=True)
        sys.exit(1)
    click.echo("the database is as the contract wants it", err=True)


def _show(plan: Plan, *, as_data: bool) -> None:
    """SQL on stdout, ready for a shell of the database; what no step mends as comments."""
    if as_data:
        click.echo(as_json(plan))
        return
    for step in plan.steps:
        click.echo(f"{step.statement};")
    for difference in plan.refused:
        click.echo(f"-- {difference}{' (harmless)' if difference.harmless else ''}")
