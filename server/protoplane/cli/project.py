"""The project a command works on: its folder, settings and contract, with every problem shown before the command gives up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from protoplane.base import config

if TYPE_CHECKING:
    from protoplane.contract.model import Contract, Finding

Command = TypeVar("Command", bound=Callable[..., object])


def failure(text: str) -> click.ClickException:
    """What a command raises when it cannot go on: the text on stderr, exit code 1."""
    return click.ClickException(text)


def find_project(start: Path) -> Path:
    """The nearest folder from `start` upwards that holds a protoplane.toml; `start` itself if none does."""
    start = start.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / config.FILE).is_file()), start)


def _chosen(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path:
    return value.resolve() if value else find_project(Path.cwd())


def project_option(command: Command) -> Command:
    """Add `--project`, which gives the command the project's folder."""
    return click.option(
        "--project",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        callback=_chosen,
        metavar="FOLDER",
        help="The project's folder (default: the nearest one upwards with a protoplane.toml).",
    )(command)


def read_settings(folder: Path, environment: config.Environment = config.Environment.DEV) -> config.Settings:
    """The project's settings; all problems on stderr and exit code 1 otherwise."""
    try:
        return config.load(folder, environment)
    except config.SettingsError as error:
        give_up(error.problems)


def proto_roots(folder: Path) -> tuple[Path, ...]:
    """Folders that the imports of the project's .proto files start from."""
    return read_settings(folder).proto_roots


def findings_of(settings: config.Settings, implemented: frozenset[str] = frozenset()) -> tuple[Contract | None, tuple[Finding, ...]]:
    """The contract, or every finding that keeps it from being served."""
    from protoplane.contract.load import load

    loaded = load(settings.proto_roots, implemented=implemented)
    return loaded.contract, loaded.findings


def read_contract(settings: config.Settings, *, served: bool = False) -> Contract:
    """The project's contract; all findings on stderr and exit code 1 when it has faults.

    Unless `served` is asked for, methods that need Python code are taken to have it: a client or an importer does not care.
    """
    contract, findings = findings_of(settings)
    if not served:
        findings = tuple(finding for finding in findings if finding.rule != NEEDS_PYTHON)
    if findings or contract is None:
        give_up(findings)
    return contract


NEEDS_PYTHON = "method-not-implemented"


def give_up(problems: Iterable[object]) -> NoReturn:
    """Print every problem on stderr and leave with exit code 1."""
    problems = list(problems)
    for problem in problems:
        click.echo(str(problem), err=True)
    click.echo(f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}", err=True)
    sys.exit(1)
