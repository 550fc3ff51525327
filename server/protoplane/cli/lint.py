"""`protoplane lint`: every fault of the contract and of the code that serves it, all at once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from protoplane.cli.project import project_option, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protoplane.contract.model import Finding


def as_json(findings: Sequence[Finding]) -> str:
    """The findings as a JSON array: file, line, column, rule, problem, mend."""
    shown = [
        {
            "file": finding.place.file,
            "line": finding.place.line,
            "column": finding.place.column,
            "rule": finding.rule,
            "problem": finding.problem,
            "mend": finding.mend,
        }
        for finding in findings
    ]
    return json.dumps(shown, indent=2, ensure_ascii=False)


@click.command(name="lint")
@click.option("--json", "as_data", is_flag=True, help="Print the findings as JSON.")
@project_option
def command(*, as_data: bool, project: Path) -> None:
    """Show everything that keeps the contract from being served: where it is, what is wrong, how to mend it.

    Exit code 1 when there is anything.
    """
    from protoplane.contract.variants import faces
    from protoplane.project import read_project

    read = read_project(read_settings(project))
    contract, findings = read.contract, read.findings
    if as_data:
        click.echo(as_json(findings))
    else:
        for finding in findings:
            click.echo(str(finding))
    if contract is not None and not findings:
        resources = faces(contract.resources.values()).values()
        unlogged = [resource.message.name for resource in resources if resource.unlogged]
        besides = f"; not in the change log: {', '.join(unlogged)}" if unlogged else ""
        click.echo(f"nothing to mend: {len(resources)} resources, {len(contract.methods)} methods{besides}", err=True)
        return
    click.echo(f"{len(findings)} {'finding' if len(findings) == 1 else 'findings'}", err=True)
    sys.exit(1)
