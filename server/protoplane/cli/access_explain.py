"""`protoplane access explain`: why somebody has a relation on a resource, or has not, by what the project's database holds now."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from protoplane.cli.project import failure, give_up, open_engine, project_option, read_settings
from protoplane.project import read_project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from protoplane.access.explain import Explanation
    from protoplane.access.given import Given, Unanswered
    from protoplane.access.naming import Names
    from protoplane.access.tuples import Object, RelationTuple, Subject
    from protoplane.contract.model import Contract
    from protoplane.project import Project
    from protoplane.store.engine import Engine
    from protoplane.store.session import Session

SECONDS_MAX = 60.0
"""Of one question."""


def _context(_command: click.Context, _parameter: click.Parameter, value: str) -> Mapping[str, object]:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.BadParameter('it must be an object of JSON, as in \'{"ip": "10.0.0.1"}\'')
    return found


@click.command(name="explain")
@click.argument("subject")
@click.argument("relation")
@click.argument("resource")
@click.option("--context", default="{}", metavar="JSON", callback=_context, help="Values of parameters of conditions; `now` is the time.")
@project_option
def command(*, subject: str, relation: str, resource: str, context: Mapping[str, object], project: Path) -> None:
    """Say why SUBJECT has RELATION on RESOURCE, or why not, as a tree: `protoplane access explain users/ada viewer folders/a`.

    Names are as the service has them; the answer is that of the project's database, now. Exit code 0 for yes, 1 for no.
    """
    settings = read_settings(project)
    read = read_project(settings)
    if read.contract is None:
        give_up(read.findings)
    engine = open_engine(settings)
    try:
        held, text = _answer(read, read.contract, engine, (subject, relation, resource), context)
    finally:
        engine.close()
    click.echo(text)
    sys.exit(0 if held else 1)


def _answer(
    read: Project, contract: Contract, engine: Engine, asked: tuple[str, str, str], context: Mapping[str, object]
) -> tuple[bool, str]:
    """Whether it is so, and the tree."""
    from protoplane.access.bounds import BoundExceeded
    from protoplane.access.check import UnknownRelation
    from protoplane.access.conditions import Conditions
    from protoplane.access.explain import Called, lines
    from protoplane.access.given import Given
    from protoplane.access.naming import Names, NameUnknown
    from protoplane.base import clock
    from protoplane.base.deadline import Deadline
    from protoplane.base.errors import Fault
    from protoplane.base.moments import moment_text

    names = Names(contract, read.declared)
    try:
        subject, object_ = names.subject(asked[0]), names.object(asked[2])
        given = Given(evaluate=Conditions(read.declared.model).bind({"now": moment_text(clock.now_micros()), **context}))
        work = partial(_explained, read, contract, engine, (subject, asked[1], object_), given)
        explanation: Explanation = engine.read(work, Deadline.after(SECONDS_MAX))
    except NameUnknown as unknown:
        raise failure(f"'{unknown}' is not the name of a resource or a caller of this contract") from unknown
    except (UnknownRelation, BoundExceeded, Unanswered, Fault) as problem:
        raise failure(str(problem)) from problem
    return explanation.held, "\n".join(lines(explanation, Called(names.name, names.text, partial(_told, names))))


def _told(names: Names, held: RelationTuple) -> str:
    """A tuple, under its condition."""
    return f"{names.tuple(held)} with {held.condition} {held.context}".rstrip() if held.condition else names.tuple(held)


def _explained(
    read: Project, contract: Contract, engine: Engine, question: tuple[Subject, str, Object], given: Given, session: Session
) -> Explanation:
    from protoplane.access.check import Checks
    from protoplane.access.derived import derive
    from protoplane.access.explain import explain
    from protoplane.access.stated import Reader
    from protoplane.store.tables import Table

    tables = {key: Table(resource, contract, engine.dialect) for key, resource in contract.resources.items()}
    checks = Checks(read.declared.model, engine, derive(read.declared, tables))
    return explain(session, Reader(checks, engine), question, given)
