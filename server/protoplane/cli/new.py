"""`protoplane new`: a project that runs at once, with one starter resource and no Python."""

from __future__ import annotations

import re
from pathlib import Path

import click

from protoplane.cli.project import failure
from protoplane.cli.scaffold import MESSAGE_NAME, CannotScaffold, Wish, scaffold
from protoplane.cli.words import pluralised, words_of

PROJECT_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")

SETTINGS = """\
# Settings of this project. Every setting, its unit and its default: docs/configuration.md of Protoplane.
[project]
name = "{name}"

# Who may do what: the subject of a token, and the permissions that the rules in the .proto name.
# "*" as a subject is anyone with valid credentials; "{collection}.*" and "*" stand for many permissions.
[grants]
"*" = ["{collection}.get", "{collection}.list"]
"admin" = ["*"]
"""

PROTO = """\
// {title}: what this service stores and who may call it. Protoplane serves this file; there is no other code.
syntax = "proto3";

package {package}.v1;
"""

README = """\
# {name}

A gRPC service that Protoplane serves from `{proto}`.

{commands}
Add a field to `{message}`, save, and `protoplane dev` adds its column; the data stays.
"""

COMMANDS = {
    "dev": "serve it here, restart on every change; prints a token and a call to paste",
    "scaffold Author": "write the methods and messages of another resource into the .proto",
    "lint": "every fault of the contract, with the way to mend it",
    "import {message} FILE": "load a CSV or NDJSON file, through the same methods that clients call",
    "generate --lang python --out client": "write a client package",
}
"""What the README names, by what is typed."""

IGNORED = """\
# Made by `protoplane dev`: its database, keys and tokens.
.protoplane/
# Made by `protoplane stubs` and `protoplane generate`.
/stubs/
/client/
__pycache__/
"""


def project_files(name: str, message: str) -> dict[str, str]:
    """The files of a new project by path, for a resource of this message name. Raises CannotScaffold."""
    package = name.replace("-", "_")
    proto = f"protos/{package}/v1/{package}.proto"
    collection = pluralised(message)
    title = " ".join(word.capitalize() for word in words_of(name))
    service = title.replace(" ", "")
    wish = Wish(message, service=f"{service}Service" if service == message else service)
    return {
        "protoplane.toml": SETTINGS.format(name=name, collection=collection),
        proto: scaffold(PROTO.format(title=title, package=package), wish),
        "README.md": README.format(name=name, proto=proto, message=message, commands=_commands(message)),
        ".gitignore": IGNORED,
    }


def _commands(message: str) -> str:
    typed = {f"protoplane {words.format(message=message)}": text for words, text in COMMANDS.items()}
    width = max(map(len, typed))
    return "".join(f"    {words:<{width}}  {text}\n" for words, text in typed.items())


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Write every file, or none: a path that exists is FileExistsError, before anything is written."""
    for path in files:
        if (folder / path).exists():
            raise FileExistsError(f"{folder / path} exists; nothing was written")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (folder / path).open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)


@click.command(name="new")
@click.argument("name")
@click.option("--resource", default="Note", show_default=True, metavar="MESSAGE", help="The starter resource.")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), help="Folder to write into (default: ./NAME).")
def command(*, name: str, resource: str, into: Path | None) -> None:
    """Start a project in the folder NAME: a contract with one resource that `protoplane dev` serves at once.

    NAME is the project, the service and the proto package: small letters, digits, - and _. Nothing that exists is overwritten.
    """
    if not PROJECT_NAME.fullmatch(name):
        raise click.UsageError(f"NAME is like `library` or `flight-desk`, not '{name}'")
    if not MESSAGE_NAME.fullmatch(resource):
        raise click.UsageError(f"--resource is a message name such as Shelf, not '{resource}'")
    folder = into or Path(name)
    try:
        write_files(folder, project_files(name, resource))
    except (OSError, CannotScaffold) as problem:
        raise failure(str(problem)) from problem
    click.echo(f"{folder} is ready; serve it:\n    cd {folder}\n    protoplane dev", err=True)
