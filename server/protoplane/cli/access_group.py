"""`protoplane access`: the commands about who may do what."""

from __future__ import annotations

import click

from protoplane.cli.main import Commands


class AccessCommands(Commands):
    """The commands of the group, in the order in which one meets them."""

    table = {  # noqa: RUF012 - it is a ClassVar where it is declared.
        "test": ("protoplane.cli.access_test", "command", "Run the tests of .fga.yaml files."),
    }


@click.group(name="access", cls=AccessCommands)
def command() -> None:
    """Look at who may do what: the relations of a model, and what follows from them."""
