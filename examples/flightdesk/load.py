"""Loads the flights of 2013 into a running server, once: `python load.py`.

Everything goes through the public door: `protoplane import` reads the rows of `data.py` and calls the batch methods of the contract,
as any client could. What is there already is left alone, so it may be run again after it was broken off. PROTOPLANE_TARGET names another
address than that of the project, PROTOPLANE_TOKEN the token to use; the default is one that development makes.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO

import click
import data

PROJECT = Path(__file__).resolve().parent
SUBJECT = "schedule-loader"
"""It may create what the data has, and nothing else: see [grants] in protoplane.toml."""
TOKEN = "PROTOPLANE_TOKEN"  # noqa: S105 - the name of the variable.
PROTOPLANE = (sys.executable, "-c", "from protoplane.cli.main import main; main()")


class NotLoaded(Exception):
    """The server did not take the rows; the text has what it said."""


def load() -> None:
    """Load everything, unless it is there. Raises NotLoaded, data.DataUnavailable."""
    if TOKEN not in os.environ:
        os.environ[TOKEN] = said_by([*PROTOPLANE, "token", SUBJECT, "--project", str(PROJECT)])
    if is_loaded():
        return
    data.archive()
    for collection in data.COLLECTIONS.values():
        rows = collection.rows()
        load_rows(collection.message, islice(rows, collection.count - 1), collection.count - 1)
        # By itself, because several calls are under way at once: once it is there, so is everything before it.
        load_rows(collection.message, rows, 1)


def is_loaded() -> bool:
    """Whether the very last row is there."""
    command = [*PROTOPLANE, "export", "Flight", "--project", str(PROJECT), "--filter", f'name = "{data.LAST_FLIGHT}"']
    return bool(said_by(command))


def said_by(command: list[str]) -> str:
    """What a command prints. Raises NotLoaded with its last words when it fails."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode:
        raise NotLoaded(ran.stderr.strip())
    return ran.stdout.strip()


def load_rows(message: str, rows: Iterator[data.Row], count: int) -> None:
    """Pipe rows into `protoplane import`, with a progress bar on stderr."""
    options = ["-", "--format", "csv", "--skip-existing", "--project", str(PROJECT)]
    with running([*PROTOPLANE, "import", message, *options]) as (stdin, process):
        try:
            write_rows(stdin, rows, message, count)
            stdin.close()
        except BrokenPipeError:
            pass  # It has given up, and says why.
        assert process.stderr is not None
        said = process.stderr.read().strip()
        if process.wait():
            raise NotLoaded(said)


@contextmanager
def running(command: list[str]) -> Iterator[tuple[IO[str], subprocess.Popen[str]]]:
    """A process that is fed by the block, and killed if the block fails."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8") as process:  # noqa: S603
        assert process.stdin is not None
        try:
            yield process.stdin, process
        finally:
            if process.poll() is None:
                process.kill()


def write_rows(stream: IO[str], rows: Iterator[data.Row], label: str, count: int) -> None:
    """Write rows as CSV; the bar, if there are enough of them for one, shows how many."""
    first = next(rows)
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(first)
    writer.writerow(first.values())
    with click.progressbar(rows, length=count, label=f"{label:<20}", file=sys.stderr, update_min_steps=1_000, hidden=count == 1) as bar:
        bar.update(1)
        for row in bar:
            writer.writerow(row.values())


if __name__ == "__main__":
    try:
        load()
    except (NotLoaded, data.DataUnavailable) as problem:
        sys.exit(str(problem))
