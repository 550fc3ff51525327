"""`protoplane access`: the commands about who may do what."""

from __future__ import annotations

import click

from protoplane.cli.main import Commands


class AccessCommands(Commands):
    """The commands of the group, in the order in which one meets them."""

    table = {  # noqa: RUF012 - it is a ClassVar where it is declared.
        "export": ("protoplane.cli.access_export", "command", "Print the relations of the contract as a .fga file."),
        "import": ("protoplane.cli.access_import", "command", "Print a .fga file as options to paste into the contract."),
        "matrix": ("protoplane.cli.access_matrix", "command", "Show which method asks for what, and who may give it."),
        "explain": ("protoplane.cli.access_explain", "command", "Say why somebody has a relation, or has not."),
        "test": ("protoplane.cli.access_test", "command", "Run the tests of .fga.yaml files."),
    }


@click.group(name="access", cls=AccessCommands)
def command() -> None:
    """Look at who may do what: the relations of a model, and what follows from them."""
