"""`protoplane access import`: a `.fga` file as options of the contract's resources, to paste."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from protoplane.cli.project import failure, project_option, read_contract, read_settings
from protoplane.contract.casing import snake

if TYPE_CHECKING:
    from protoplane.access.model import Condition, Model, Relation
    from protoplane.contract.model import RelationRule, Resource

BYTES_MAX = 1024 * 1024
"""Of a file; a model is never so large."""


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@project_option
def command(*, file: Path, project: Path) -> None:
    """Print the model of FILE as options to paste into the contract, a block for each type that is a resource of it.

    What the contract says beside of a relation (field, grant, creator) is kept where it has the relation already. Exit code 1 when types
    of the file are neither resources nor callers.
    """
    from protoplane.access.declared import CALLERS

    model = _read(file)
    contract = read_contract(read_settings(project))
    resources = {resource.access.name: resource for resource in contract.resources.values()}
    found = [kind for kind in model.types if kind in resources]
    conditions = _homes(model, found)
    for kind in found:
        click.echo("\n".join(block(resources[kind], model.types[kind], conditions.get(kind, []))))
        click.echo("")
    strange = [kind for kind in model.types if kind not in resources and (kind not in CALLERS or model.types[kind])]
    for kind in strange:
        click.echo(f"the type `{kind}` is no resource of the contract: write its message first, or give a resource this type", err=True)
    sys.exit(1 if strange else 0)


def _read(file: Path) -> Model:
    from protoplane.access.problem import InvalidModel
    from protoplane.access.syntax import parse

    try:
        with file.open("rb") as opened:
            data = opened.read(BYTES_MAX + 1)
        if len(data) > BYTES_MAX:
            raise failure(f"{file} has more than {BYTES_MAX} bytes")
        return parse(data.decode())
    except (OSError, UnicodeDecodeError) as error:
        raise failure(f"{file} cannot be read: {error}") from error
    except InvalidModel as invalid:
        raise failure("\n".join(f"{file}:{problem}" for problem in invalid.problems)) from invalid


def _homes(model: Model, found: list[str]) -> Mapping[str, list[Condition]]:
    """Where each condition is written: with the first of these types that names it, or else the first of all."""
    homes: dict[str, list[Condition]] = {}
    for name, condition in model.conditions.items():
        naming = (kind for kind in found if any(r.condition == name for one in model.types[kind].values() for r in one.restrictions))
        home = next(naming, found[0] if found else "")
        homes.setdefault(home, []).append(condition)
    return homes


def block(resource: Resource, relations: Mapping[str, Relation], conditions: list[Condition]) -> Iterator[str]:
    """`option (protoplane.v1.access)` of one resource."""
    declared = {rule.name: rule for rule in resource.access.relations}
    yield f"// In message {resource.message.name}:"
    yield "option (protoplane.v1.access) = {"
    if resource.access.name != snake(resource.singular):
        yield f"  type: {json.dumps(resource.access.name)}"
    for relation in relations.values():
        yield "  relation: {"
        yield f"    name: {json.dumps(relation.name)}"
        yield f"    is: {json.dumps(relation.expression)}"
        yield from _beside(declared.get(relation.name))
        yield "  }"
    for condition in conditions:
        parameters = ", ".join(f"{name}: {kind}" for name, kind in condition.parameters)
        text = f"{condition.name}({parameters}) {{ {condition.expression} }}"
        yield f"  condition: {json.dumps(text, ensure_ascii=False)}"
    yield "};"


def _beside(rule: RelationRule | None) -> Iterator[str]:
    """What a `.fga` file does not know of a relation, as the contract has it."""
    if rule is not None:
        yield from (f"    {name}: {json.dumps(said)}" for name, said in (("field", rule.field), ("grant", rule.grant)) if said)
        yield from ["    creator: true"] if rule.creator else []
