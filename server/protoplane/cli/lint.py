"""`protoplane lint`: every fault of the contract and of the code that serves it, all at once; and what the contract leaves out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from protoplane.cli.project import project_option, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protoplane.contract.model import Finding, Place
    from protoplane.contract.notes import Note


def as_json(findings: Sequence[Finding], notes: Sequence[Note]) -> str:
    """Findings and notes as a JSON array: level, file, line, column, rule, problem, mend."""
    shown = [_entry("finding", found.place, found.rule, found.problem, found.mend) for found in findings]
    shown += [_entry("note", note.place, f"aip-{note.aip}", note.text, "") for note in notes]
    return json.dumps(shown, indent=2, ensure_ascii=False)


def _entry(level: str, place: Place, rule: str, problem: str, mend: str) -> dict[str, object]:
    return {
        "level": level,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "rule": rule,
        "problem": problem,
        "mend": mend,
    }


@click.command(name="lint")
@click.option("--json", "as_data", is_flag=True, help="Print findings and notes as JSON.")
@project_option
def command(*, as_data: bool, project: Path) -> None:
    """Show everything that keeps the contract from being served: where it is, what is wrong, how to mend it.

    Exit code 1 when there is anything. Where there is nothing, notes say what the contract leaves out of the AIPs, a line each;
    they keep nothing from being served.
    """
    from protoplane.contract.notes import notes
    from protoplane.contract.variants import faces
    from protoplane.project import read_project

    read = read_project(read_settings(project))
    contract, findings = read.contract, read.findings
    noted = notes(contract) if contract is not None else ()
    if as_data:
        click.echo(as_json(findings, noted))
    else:
        for line in (*findings, *noted):
            click.echo(str(line))
    if contract is not None and not findings:
        resources = faces(contract.resources.values()).values()
        unlogged = [resource.message.name for resource in resources if resource.unlogged]
        besides = f"; not in the change log: {', '.join(unlogged)}" if unlogged else ""
        click.echo(f"nothing to mend: {len(resources)} resources, {len(contract.own_methods)} methods{besides}", err=True)
        return
    click.echo(f"{len(findings)} {'finding' if len(findings) == 1 else 'findings'}", err=True)
    sys.exit(1)
