"""Loads the flights of 2013 into a running server, once: `python load.py`.

Everything goes through the public door: `protoplane import` reads the rows of `data.py` and calls the batch methods of the contract,
as any client could. Desks and groups belong to whoever creates them; at the end they are handed over to the people of `staff.py`. What is there already is left alone, so it may be run again after it was broken off. PROTOPLANE_TARGET names another
address than that of the project, PROTOPLANE_TOKEN the token to use; the default is one that development makes.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

import click
import data
import staff

from protoplane.cli.door import Refused, answer, open_door
from protoplane.cli.project import read_contract, read_settings

PROJECT = Path(__file__).resolve().parent
SUBJECT = "schedule-loader"
"""It may create what the data has, and nothing else: see [grants] in protoplane.toml."""
TOKEN = "PROTOPLANE_TOKEN"  # noqa: S105 - the name of the variable.
PROTOPLANE = (sys.executable, "-c", "from protoplane.cli.main import main; main()")


Ask = Callable[..., Any]
"""Calls a method by its name, with the fields of its request; gives its answer."""


class NotLoaded(Exception):
    """The server did not take the rows; the text has what it said."""


def load() -> None:
    """Load everything, unless it is there. Raises NotLoaded, data.DataUnavailable."""
    if TOKEN not in os.environ:
        os.environ[TOKEN] = said_by([*PROTOPLANE, "token", SUBJECT, "--project", str(PROJECT)])
    if not exported("Flight", "--filter", f'name = "{data.LAST_FLIGHT}"'):
        data.archive()
        for collection in data.COLLECTIONS.values():
            load_all(collection.message, collection.rows(), collection.count)
    with access() as ask:
        if not exported("Desk") or any(owned(ask, *made) for made in staff.MADE.items()):
            for message, rows in staff.ROWS.items():
                load_all(message, iter(rows), len(rows))
            hand_over(ask)


def exported(message: str, *options: str) -> str:
    """The resources of a kind; nothing where there are none."""
    return said_by([*PROTOPLANE, "export", message, "--project", str(PROJECT), *options])


def owned(ask: Ask, resource: str, relation: str) -> bool:
    """Whether we still have what whoever creates a group or a desk has of it."""
    return bool(ask("TestPermissions", resource=resource, permissions=[relation]).permissions)


def hand_over(ask: Ask) -> None:
    """Give the people of `staff.py` what is theirs, and take away from ourselves what creators get: all of it, or nothing."""
    ours = [(resource, relation, f"users/{SUBJECT}") for resource, relation in staff.MADE.items()]
    writes, deletes = ([{"resource": a, "relation": b, "subject": c} for a, b, c in some] for some in (staff.RELATIONS, ours))
    ask("WriteRelations", writes=writes, deletes=deletes, on_duplicate="ON_CONFLICT_IGNORE", on_missing="ON_CONFLICT_IGNORE")


@contextmanager
def access() -> Iterator[Ask]:
    """The service that the server has beside our own, by the names of its methods. They raise NotLoaded."""
    settings = read_settings(PROJECT)
    methods = read_contract(settings).methods
    target = os.environ.get("PROTOPLANE_TARGET", settings.server.address)

    def ask(name: str, **fields: Any) -> Any:
        method = methods[f"/protoplane.access.v1.Access/{name}"]
        try:
            answered = answer(door.starter(method), method.request_class(**fields).SerializeToString())
        except Refused as refused:
            raise NotLoaded(str(refused)) from refused
        return method.response_class.FromString(answered)

    with closing(open_door(target, os.environ[TOKEN], plaintext=None, certificates=None)) as door:
        yield ask


def said_by(command: list[str]) -> str:
    """What a command prints. Raises NotLoaded with its last words when it fails."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode:
        raise NotLoaded(ran.stderr.strip())
    return ran.stdout.strip()


def load_all(message: str, rows: Iterator[staff.Row], count: int) -> None:
    """Load a collection, its last row by itself: several calls are under way at once, and once it is there, so is everything before it."""
    load_rows(message, islice(rows, count - 1), count - 1)
    load_rows(message, rows, 1)


def load_rows(message: str, rows: Iterator[staff.Row], count: int) -> None:
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


def write_rows(stream: IO[str], rows: Iterator[staff.Row], label: str, count: int) -> None:
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
