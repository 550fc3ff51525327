"""The pages of docs/ that are made from code: settings, commands, reasons, lint rules, limits.

`make generate` runs `python -m protoplane.cli.reference docs`; a test holds the committed pages against what this gives.
"""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import click

from protoplane.access import declared
from protoplane.base import limits
from protoplane.base.errors import REASONS, Code, Reason
from protoplane.base.settings import SECTIONS, reference
from protoplane.cli.main import COMMANDS, main
from protoplane.contract import breaks, notes, report
from protoplane.edge import health, rpc, wire
from protoplane.edge.server import OPTIONS
from protoplane.method import custom
from protoplane.query import functions

MARK = "<!-- Made by `make generate` from {source}; changes here are lost. -->\n\n"
"""First line of every page."""

WIDTH = 100
"""Columns of the help texts: they must not depend on anybody's terminal."""

TYPES = {"str": "text", "int": "whole number", "float": "number", "tuple[str, ...]": "list of texts"}

SETTINGS_HEAD = """\
# Settings

A setting stands in `protoplane.toml`, in the project's folder, under the section that heads it here, or in the environment variable
beside it, which wins. Lists are written with commas between their items in variables. Paths are relative to the project. An unknown
name is an error, and all errors are shown at once. `protoplane doctor` looks at what is in force, `protoplane doctor --production` at
what `protoplane serve` would use.

`dev` makes up what it needs. `serve` does not: what is **required** below must be given to it.
"""

GRANTS_TEXT = """\
## `[grants]`

Subject of a token → the permissions that its owner holds: a list of exact names (`books.get`), of all that begin alike (`books.*`), or
`*` for all. The subject `"*"` is anyone with valid credentials. A permission that no method asks for is an error. Only in the file.
In development, the subject `developer` holds all permissions unless the file says otherwise.

```toml
[grants]
"*" = ["books.get", "books.list"]
"librarian@example.com" = ["books.*"]
```
"""


def pages() -> Mapping[str, Callable[[], str]]:
    """What makes each page, by file name."""
    return {
        "configuration.md": settings_page,
        "commands.md": commands_page,
        "reasons.md": reasons_page,
        "lint-rules.md": rules_page,
        "breaking-changes.md": breaks_page,
        "limits.md": limits_page,
    }


def settings_page() -> str:
    """Every setting, by section."""
    return MARK.format(source="server/protoplane/base/config.py") + SETTINGS_HEAD + "".join(_settings()) + "\n" + GRANTS_TEXT


def _settings() -> Iterator[str]:
    demanded = {(name, item.name) for name, shape in SECTIONS.items() for item in fields(shape) if item.metadata["serve"] is None}
    section = ""
    for entry in reference():
        if entry.section != section:
            section = entry.section
            yield f"\n## `[{section}]`\n\n{inspect.getdoc(SECTIONS[section])}\n"
        facts = [f"`{entry.variable}`", TYPES[entry.type]]
        if (section, entry.key) in demanded:
            facts.append("**required** by `serve`")
        elif entry.default == entry.serve:
            facts += [f"default `{entry.default}`"] if entry.default else []
        else:
            facts.append(f"default `{entry.default}`, with `serve` `{entry.serve}`")
        yield f"\n### `{entry.key}`\n\n{' · '.join(facts)}\n\n{inspect.cleandoc(entry.text)}\n"


def commands_page() -> str:
    """The help of every command."""
    intro = "# Commands\n\nWhat `protoplane --help` and `protoplane COMMAND --help` say.\n"
    with _context(main, "protoplane") as context:
        texts = [_help_text("protoplane", context)]
        for name in COMMANDS:
            command = main.get_command(context, name)
            assert command is not None
            with _context(command, name, context) as below:
                texts.append(_help_text(f"protoplane {name}", below))
                texts += _commands_below(command, f"protoplane {name}", below)
    return MARK.format(source="the commands themselves") + intro + "".join(texts)


def _commands_below(command: click.Command, title: str, context: click.Context) -> Iterator[str]:
    for name in command.list_commands(context) if isinstance(command, click.Group) else ():
        inner = command.get_command(context, name) if isinstance(command, click.Group) else None
        assert inner is not None
        with _context(inner, name, context) as below:
            yield _help_text(f"{title} {name}", below)


def _context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    command = copy.copy(command)
    vars(command)["_help_option"] = None  # click keeps the one of whoever asked first.
    return click.Context(
        command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH, help_option_names=["-h", "--help"]
    )


def _help_text(title: str, context: click.Context) -> str:
    lines = "\n".join(line.rstrip() for line in context.get_help().splitlines())
    return f"\n## `{title}`\n\n```text\n{lines}\n```\n"


def reasons_page() -> str:
    """Code and text of every reason."""
    head = (
        "# Reasons\n\n"
        "The values of `ErrorInfo.reason` in the domain `protoplane.v1`, which are also those of the enum `protoplane.v1.Reason`. The words\n"
        "in braces are keys of `ErrorInfo.metadata`. Code, text and keys of a reason do not change; new reasons may come.\n"
        "What to do about each: [errors](errors.md).\n\n"
        "| code | reason | text |\n| --- | --- | --- |\n"
    )
    return MARK.format(source="server/protoplane/base/errors.py") + head + "".join(_reason_line(reason) for reason in _by_code())


def _by_code() -> list[Reason]:
    order = list(dict.fromkeys(code for code, _ in REASONS.values()))
    return sorted(REASONS, key=lambda reason: order.index(REASONS[reason][0]))


def _reason_line(reason: Reason) -> str:
    code, text = REASONS[reason]
    return f"| {Code(code).name} | `{reason}` | {text} |\n"


def rules_page() -> str:
    """What `protoplane lint` looks for."""
    head = (
        "# Lint rules\n\n"
        "What keeps a contract from being served. `protoplane lint` shows all findings at once, each with file, line, what is wrong and how\n"
        "to mend it; `dev` and `serve` show the same and do not start. The names are stable. What is looked for in a project's own\n"
        "Python stands in [custom code](custom-code.md#findings).\n\n"
        "| rule | what breaks it |\n| --- | --- |\n"
    )
    lines = (
        f"| `{rule}` | {_cell(text)} |\n"
        for rule, text in sorted({**report.RULES, **custom.RULES, **functions.RULES, **declared.RULES}.items())
    )
    return MARK.format(source="server/protoplane/contract/report.py") + head + "".join(lines) + _notes()


def _notes() -> str:
    """What lint says besides."""
    head = (
        "\n## Notes\n\n"
        "A contract without findings may still leave out what the AIPs ask for. `protoplane lint` says so, a line each with the number of the AIP;\n"
        "its exit code stays 0, and nothing is kept from being served. `--json` gives findings and notes alike, told apart by `level`.\n\n"
        "| AIP | what is left out |\n| --- | --- |\n"
    )
    return head + "".join(f"| [{number}](https://google.aip.dev/{number}) | {_cell(text)} |\n" for number, text in notes.NOTES.items())


def breaks_page() -> str:
    """What `protoplane breaking` looks for."""
    head = (
        "# Breaking changes\n\n"
        "What a new edition of a contract may not do to clients of an earlier one (AIP-180). `protoplane breaking OLD` compares: OLD is a commit, tag\n"
        "or branch of git, a folder with .proto files, or a descriptor set. Every finding has its place, and the exit code is 1 when there is one:\n\n"
        "```sh\nprotoplane breaking main\n```\n\n"
        "A break that is meant is accepted by its line, without its place, in `protoplane.toml`:\n\n"
        "```toml\n[project]\n"
        "accepted_breaks = [\"`/library.v1.Library/GetBook` asked for permission 'books.get', and asks for check 'viewer' [access-stricter]\"]\n```\n\n"
        "Only what clients send counts where a rule gets stricter; of rules that cannot be compared (patterns, CEL, and who has a permission\n"
        "or a relation) every change counts. What adds is no break: methods, messages, optional fields, values of enums, looser rules and bounds. The names are stable.\n\n"
        "| change | why clients break | instead |\n| --- | --- | --- |\n"
    )
    lines = (f"| `{rule}` | {_cell(why)} | {_cell(mend)} |\n" for rule, (why, mend) in sorted(breaks.RULES.items()))
    return MARK.format(source="server/protoplane/contract/breaks.py") + head + "".join(lines)


def limits_page() -> str:
    """Every bound with its reason."""
    head = (
        "# Limits\n\n"
        "Every bound on what callers send and a call may take. They are constants, but for [deadlines](configuration.md#deadlines), and for how many\n"
        "calls run and wait and how long connections live ([server](configuration.md#server)).\n\n"
        "| limit | value | what it bounds |\n| --- | --- | --- |\n"
    )
    lines = (f"| `{name}` | {value:,} | {_cell(text)} |\n" for name, value, text in _limits())
    return MARK.format(source="server/protoplane/base/limits.py") + head + "".join(lines) + _connection_limits()


def _connection_limits() -> str:
    """What the server bounds before any method is called: read from where it is used."""
    option = dict(OPTIONS)
    rows = (
        ("Calls at once on one connection", option["grpc.max_concurrent_streams"], "more wait at the client"),
        (
            "Bytes of metadata of a call, names and values",
            option["grpc.max_metadata_size"],
            "`RESOURCE_EXHAUSTED`, from gRPC itself",
        ),
        ("Seconds from the headers of a call to its first message", wire.MESSAGE_SECONDS_MAX, "`MESSAGE_LATE`"),
        ("Calls of a process whose first message is awaited", wire.AWAITED_MAX, "the oldest gets `MESSAGE_LATE`"),
        ("Seconds between two messages of a request stream", rpc.PAUSE_SECONDS_MAX, "`MESSAGE_LATE`"),
        ("Seconds for a caller to take an answer, or a message of a stream", rpc.SEND_SECONDS_MAX, "the call is cut off"),
        ("Bytes of large answers that a connection has not taken", wire.CONNECTION_BYTES_MAX, "`ANSWERS_UNREAD`"),
        ("The same of a process", wire.UNSENT_BYTES_MAX, "`ANSWERS_UNREAD` for all but the first of each connection"),
        ("Watchers of health in a process", health.WATCHERS_MAX, "`OVERLOADED`"),
        ("Seconds for a new connection to begin HTTP/2, TLS included", option["grpc.server_handshake_timeout_ms"] / 1_000, "it is closed"),
        ("Seconds that a connection may be without calls", option["grpc.max_connection_idle_ms"] / 1_000, "it is asked to end"),
        ("Seconds for the calls of a connection that was asked to end", option["grpc.max_connection_age_grace_ms"] / 1_000, "it is closed"),
        (
            "Seconds between pings of a client",
            option["grpc.http2.min_ping_interval_without_data_ms"] / 1_000,
            "the third too early ends it",
        ),
        ("Seconds without a sign of life until the server pings", option["grpc.keepalive_time_ms"] / 1_000, ""),
        ("Seconds for the answer to that ping", option["grpc.http2.ping_timeout_ms"] / 1_000, "the connection is closed"),
    )
    head = "\n## Connections\n\n| bound | value | beyond it |\n| --- | --- | --- |\n"
    return head + "".join(f"| {what} | {_number(value)} | {beyond} |\n" for what, value, beyond in rows)


def _number(value: float) -> str:
    return f"{int(value) if value == int(value) else value:,}"


def _limits() -> Iterator[tuple[str, int | float, str]]:
    body = ast.parse(inspect.getsource(limits)).body
    for statement, following in itertools.pairwise(body):
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            assert isinstance(following, ast.Expr)
            assert isinstance(following.value, ast.Constant)
            name = statement.targets[0].id
            yield name, vars(limits)[name], str(following.value.value)


def _cell(text: str) -> str:
    """Text that may stand in a table: on one line, without a bar."""
    return " ".join(text.split()).replace("|", "\\|")


def write(folder: Path) -> None:
    """Write every page into a folder."""
    for name, make in pages().items():
        (folder / name).write_text(make(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
