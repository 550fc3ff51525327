"""The project a command works on: its folder, settings and contract, with every problem shown before the command gives up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from protoplane.base import config
from protoplane.base.settings import Environment, Settings

if TYPE_CHECKING:
    from protoplane.contract.model import Contract
    from protoplane.store.engine import Engine

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


def read_settings(folder: Path, environment: Environment = Environment.DEV) -> Settings:
    """The project's settings; all problems on stderr and exit code 1 otherwise."""
    try:
        return config.load(folder, environment)
    except config.SettingsError as error:
        give_up(error.problems)


def proto_roots(folder: Path) -> tuple[Path, ...]:
    """Folders that the imports of the project's .proto files start from."""
    return read_settings(folder).proto_roots


def read_contract(settings: Settings) -> Contract:
    """The project's contract; all findings on stderr and exit code 1 when it has faults.

    Methods that need Python code are taken to have it: whoever calls or generates from a contract does not care.
    """
    from protoplane.contract.load import load
    from protoplane.project import Everything

    loaded = load(settings.proto_roots, implemented=Everything())
    if loaded.contract is None:
        give_up(loaded.findings)
    return loaded.contract


def give_up(problems: Iterable[object]) -> NoReturn:
    """Print every problem on stderr and leave with exit code 1."""
    problems = list(problems)
    for problem in problems:
        click.echo(str(problem), err=True)
    click.echo(f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}", err=True)
    sys.exit(1)


def open_engine(settings: Settings, *, make: bool = False) -> Engine:
    """The project's database; unless `make`, one in memory stands for a SQLite file that is not there yet. Exit code 1 without it."""
    from protoplane.database import DatabaseProblem, connect, file_of

    file = file_of(settings)
    absent = file is not None and not file.exists()
    if file is not None and absent and make and file.parent == settings.private_folder:
        file.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        return connect(settings, threads=1, url="sqlite://" if absent and not make else "")
    except DatabaseProblem as problem:
        raise failure(str(problem)) from problem


STUBS = "stubs"
"""Folder of the project that `protoplane stubs` writes into."""
