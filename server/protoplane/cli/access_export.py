"""`protoplane access export`: the relations of the contract as a `.fga` file, for the tools that know those."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from protoplane.cli.project import failure, give_up, project_option, read_settings
from protoplane.project import read_project

if TYPE_CHECKING:
    from protoplane.access.declared import Declared


@click.command(name="export")
@project_option
def command(*, project: Path) -> None:
    """Print the relations of the contract as a .fga file (OpenFGA, schema 1.1). Comments say which of them fields say, and not tuples."""
    read = read_project(read_settings(project))
    if read.contract is None:
        give_up(read.findings)
    if not read.declared.used:
        raise failure("the contract declares no relations")
    click.echo("\n".join(commented(read.declared)))


def commented(declared: Declared) -> Iterator[str]:
    """The lines of the model, with a comment above each relation that has no tuples."""
    kind = ""
    for line in declared.model.fga.splitlines():
        words = line.split()
        if words[:1] == ["type"]:
            kind = words[1]
        elif words[:1] == ["define"]:
            said = declared.said.get((kind, words[1].rstrip(":")))
            if said is not None:
                yield f"    # said by {f'the field {said.path}' if said.path else 'the name'}"
        yield line
