"""The `protoplane` command. Commands are imported when they are run, so that `--help` and completion are quick."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import ClassVar, TypeAlias

import click

from protoplane.base.config import colour_wanted

Place: TypeAlias = tuple[str, str, str]
"""Module, attribute and the line of help that the list of commands shows."""

COMMANDS: Mapping[str, Place] = {
    "new": ("protoplane.cli.new", "command", "Start a project: a contract, its settings, nothing else."),
    "scaffold": ("protoplane.cli.scaffold", "command", "Write a resource's requests and standard methods into its .proto."),
    "dev": ("protoplane.cli.serve", "dev_command", "Serve the project here, and again after every change."),
    "serve": ("protoplane.cli.serve", "serve_command", "Serve the project in production."),
    "token": ("protoplane.cli.serve", "token_command", "Print a token for the development server."),
    "lint": ("protoplane.cli.lint", "command", "Show every fault of the contract, and how to mend it."),
    "breaking": ("protoplane.cli.breaking", "command", "Show what breaks clients of an earlier edition of the contract."),
    "plan": ("protoplane.cli.plan", "command", "Show what is made of the contract: rules, SQL, indexes."),
    "migrate": ("protoplane.cli.migrate", "command", "Show what the database lacks as SQL, and add it."),
    "access": ("protoplane.cli.access_group", "command", "Look at who may do what: rules, relations, reasons, tests."),
    "stubs": ("protoplane.cli.stubs", "command", "Write typed stubs for a project's own servicer methods."),
    "generate": ("protoplane.cli.generate", "command", "Write a client package."),
    "import": ("protoplane.cli.transfer", "import_command", "Send the rows of a CSV or NDJSON file to a server."),
    "export": ("protoplane.cli.transfer", "export_command", "Write a server's resources to a CSV or NDJSON file."),
    "verify": ("protoplane.cli.verify", "command", "Check whether any gRPC server behaves as the AIPs say."),
    "doctor": ("protoplane.cli.doctor", "command", "Check this machine and the project, and say what to do."),
}
"""Every command, in the order in which one meets them."""

EPILOG = """\b
Data goes to stdout, messages to stderr. NO_COLOR is honoured.
Exit codes: 0 done, 1 it did not work, 2 the command was misused.

\b
Completion of commands and options:
  bash   eval "$(_PROTOPLANE_COMPLETE=bash_source protoplane)"
  zsh    eval "$(_PROTOPLANE_COMPLETE=zsh_source protoplane)"
  fish   _PROTOPLANE_COMPLETE=fish_source protoplane | source
"""


class Commands(click.Group):
    """The commands of a table, each imported when it is asked for."""

    table: ClassVar[Mapping[str, Place]] = COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order of the table."""
        del ctx
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        del ctx
        if cmd_name not in self.table:
            return None
        module, attribute, _ = self.table[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, from the table: click would import every command for it."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self.table.items()])


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="protoplane", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Write the contract; Protoplane serves it.

    A project is a folder with .proto files and a protoplane.toml. `protoplane new` makes one, `protoplane dev` serves it.
    """
    if not colour_wanted():
        context.color = False


if __name__ == "__main__":
    main(prog_name="protoplane")
