"""`protoplane import` and `protoplane export`: CSV and NDJSON through the public methods, as any client would call them.

Nothing here has a private way in: rules, validation, change log and all hold for every row. Memory stays flat whatever the size.
"""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from protoplane.base import clock, config, limits
from protoplane.base.settings import Settings
from protoplane.cli.project import failure, project_option, read_contract, read_settings

if TYPE_CHECKING:
    from protoplane.cli.door import Door
    from protoplane.cli.loading import Reject
    from protoplane.cli.tables import TableOptions
    from protoplane.contract.model import Contract, Resource

Command = TypeVar("Command", bound=Callable[..., object])
FORMATS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
READ_BYTES = 1 << 20
OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""Some batches of rows (CPython's default is 700)."""
DEVELOPER = "developer"
"""Subject that holds every permission in development (`app.DEVELOPER`, which would bring the whole server in)."""
DEVELOPER_SECONDS = 24 * 3_600
"""Life of a token for one command: longer than any import takes."""


def connection_options(command: Command) -> Command:
    """Add where the server is and who calls."""
    for option in (
        project_option,
        click.option(
            "--ca",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Certificates to trust instead of the system's (PEM).",
        ),
        click.option("--plaintext/--tls", default=None, help="Encrypt or not (default: not on this machine, else TLS)."),
        click.option(
            "--token",
            envvar="PROTOPLANE_TOKEN",
            default="",
            metavar="TOKEN",
            help="Bearer token; better in PROTOPLANE_TOKEN, where `ps` cannot see it (default: the developer's, for `dev` on this machine).",
        ),
        click.option(
            "--target", envvar="PROTOPLANE_TARGET", metavar="HOST:PORT", help="The server (default: server.address of the project)."
        ),
    ):
        command = option(command)
    return command


def table_options(command: Command) -> Command:
    """Add how rows are written in the file."""
    for option in (
        click.option("--raw", is_flag=True, help="CSV: take texts as they are, without the ' that keeps spreadsheets from running them."),
        click.option(
            "--na",
            multiple=True,
            metavar="TEXT",
            help="CSV: a cell with this text is an unset field, as an empty one is (may be repeated).",
        ),
        click.option("--format", "form", type=click.Choice(sorted(set(FORMATS.values()))), help="Form of the file (default: by its name)."),
    ):
        command = option(command)
    return command


@click.command(name="import")
@click.argument("resource")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--parent", default="", metavar="NAME", help="Parent of rows that name none, such as publishers/1.")
@click.option(
    "--errors",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write rejected rows here and go on (default: stop at the first).",
)
@click.option("--skip-existing", is_flag=True, help="Leave rows alone whose resource exists, to go on after an import that broke off.")
@click.option("--dry-run", is_flag=True, help="Have the server check every row and change nothing (validate_only).")
@click.option(
    "--batch", default=limits.BATCH_ITEMS_MAX, show_default=True, type=click.IntRange(1, limits.BATCH_ITEMS_MAX), help="Rows in one call."
)
@click.option("--in-flight", default=4, show_default=True, type=click.IntRange(1, 64), help="Calls under way at once.")
@table_options
@connection_options
def import_command(resource: str, file: Path, **options: Any) -> None:
    """Create a RESOURCE for every row of FILE (CSV or NDJSON; - for stdin).

    CSV columns are fields, those of nested messages with dots (address.city); repeated fields and maps are JSON.
    A column `name`, or `parent` and `id`, says which resource a row is. Each call is all or nothing and is safe to retry.
    """
    settings = read_settings(options["project"])
    contract = read_contract(settings)
    expect_many_rows()
    started = clock.monotonic_seconds()
    with ExitStack() as stack:
        load = _import(contract, settings, resource, file, options, stack)
    seconds = clock.monotonic_seconds() - started
    rest = "".join(f", {count:,} {what}" for count, what in ((load.skipped, "there already"), (load.rejected, "rejected")) if count)
    click.echo(f"{load.created:,} rows of {resource} {'checked' if options['dry_run'] else 'created'} in {seconds:.1f} s{rest}", err=True)
    if load.rejected:
        click.echo(f"mend {options['errors']} and import it", err=True)
        sys.exit(1)


def expect_many_rows() -> None:
    """Have garbage collections be few: rows are made of many small things and have no cycles, so looking through them is for nothing."""
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


def _import(contract: Contract, settings: Settings, name: str, file: Path, options: dict[str, Any], stack: ExitStack) -> Any:
    """Run the load; every expected trouble becomes a click error that says what was done before it."""
    from protoplane.cli import loading
    from protoplane.cli.door import Refused
    from protoplane.cli.listing import Listing
    from protoplane.cli.tables import BadRow, BadTable, RejectWriter, read_csv, read_ndjson

    form = form_of(file, options["form"])
    load = None
    try:
        resource = loading.find_resource(contract, name)
        creation = loading.creation_of(contract, resource, options["batch"])
        stream, position = stack.enter_context(open_rows(file))
        rows = (read_csv if form == "csv" else read_ndjson)(stream, resource, shape(options))
        reject: Reject = _stop
        if options["errors"]:
            rejects = stack.enter_context(options["errors"].open("w", encoding="utf-8", newline=""))
            reject = RejectWriter(rejects, getattr(rows, "header", None)).write
        door = connect(settings, options, stack)
        bar = stack.enter_context(progress_bar(file, position, name))
        load = loading.Load(
            door=door,
            creation=creation,
            reject=reject,
            progress=bar,
            present=partial(Listing(door, contract).present, resource),
            in_flight_max=options["in_flight"],
            rehearse=options["dry_run"],
            skip_existing=options["skip_existing"],
            isolate=bool(options["errors"]),
        )
        load.run(rows)
    except (BadRow, BadTable, Refused, OSError, loading.CannotLoad) as problem:
        done = f"\n{load.created:,} rows were created before; --skip-existing goes on behind them" if load and load.created else ""
        raise failure(f"{file}: {problem}{done}") from problem
    return load


def _stop(line: int, _source: object, problem: str, /) -> None:
    from protoplane.cli.tables import BadRow

    raise BadRow(line, "", problem)


def form_of(file: Path | None, form: str | None) -> str:
    """`csv` or `ndjson`: as asked for, or by the file's name. Raises UsageError."""
    found = form or FORMATS.get(file.suffix.lower() if file else "")
    if not found:
        raise click.UsageError("--format is needed: the file's name ends neither in .csv nor in .ndjson")
    return found


def shape(options: dict[str, Any]) -> TableOptions:
    """The options about rows."""
    from protoplane.cli.tables import TableOptions

    parent = options["parent"]
    return TableOptions(parent=parent if isinstance(parent, str) else "", unset=frozenset(options["na"]), raw=options["raw"])


def connect(settings: Settings, options: dict[str, Any], stack: ExitStack) -> Door:
    """The server's door, closed with the stack."""
    from protoplane.cli.door import open_door

    target = options["target"] or settings.server.address
    token = options["token"] or developer_token(settings, target)
    door = open_door(target, token, plaintext=options["plaintext"], certificates=options["ca"])
    stack.callback(door.close)
    return door


def developer_token(settings: Settings, target: str) -> str:
    """A token as `protoplane dev` prints it, for its server on this machine; none where development has made no key."""
    if not config.is_loopback(target) or not settings.development_signing_key.is_file():
        return ""
    from protoplane.identity.tokens import Signer

    auth = settings.auth
    try:
        signer = Signer.kept(settings.development_signing_key)
    except (OSError, ValueError) as problem:
        raise failure(f"the development key {settings.development_signing_key} cannot be used: {problem}") from problem
    return signer.mint(subject=DEVELOPER, issuer=auth.issuer, audience=auth.audience, seconds=DEVELOPER_SECONDS)


@contextmanager
def open_rows(file: Path) -> Iterator[tuple[IO[str], Callable[[], int]]]:
    """The file as text in UTF-8 (a byte order mark is left out), and how many bytes of it have been read."""
    if str(file) == "-":
        text = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="")
        yield text, lambda: 0
        text.detach()  # Standard input is not ours to close.
        return
    with file.open("rb", buffering=READ_BYTES) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        yield text, raw.tell


@contextmanager
def progress_bar(file: Path, position: Callable[[], int], name: str) -> Iterator[Callable[[int], None]]:
    """A bar on stderr when that is a terminal, by the bytes read, or by rows where the file has no size; nothing otherwise."""
    if not file.is_file():
        with count_bar(name) as show_count:
            yield show_count
        return
    if not sys.stderr.isatty():
        yield _silent
        return
    with click.progressbar(length=file.stat().st_size, label=name, file=sys.stderr, item_show_func=_shown, width=0) as bar:

        def show(created: int) -> None:
            bar.update(position() - bar.pos, f"{created:,}")

        yield show


@contextmanager
def count_bar(name: str) -> Iterator[Callable[[int], None]]:
    """A bar without an end on stderr when that is a terminal, with the number of rows; nothing otherwise."""
    if not sys.stderr.isatty():
        yield _silent
        return
    endless = iter(str, None)  # What has no length: click then shows movement instead of a share.
    with click.progressbar(endless, label=name, file=sys.stderr, item_show_func=_shown) as bar:

        def show(count: int) -> None:
            bar.update(count - bar.pos, f"{count:,}")

        yield show


def _shown(rows: object) -> str:
    return "" if rows is None else str(rows)


def _silent(_count: int) -> None:
    """Nothing is shown."""


@click.command(name="export")
@click.argument("resource")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), default="-", help="File to write (default: stdout)."
)
@click.option("--filter", "filtering", default="", metavar="FILTER", help="Only these (AIP-160), such as 'origin = \"airports/jfk\"'.")
@click.option("--order-by", default="", metavar="FIELDS", help="Sort by, such as 'create_time desc'.")
@click.option("--parent", multiple=True, metavar="NAME", help="Only below this parent (may be repeated; default: below every one).")
@table_options
@connection_options
def export_command(resource: str, output: Path, **options: Any) -> None:
    """Write every RESOURCE that the caller may see as CSV or NDJSON, in the form that `import` reads.

    Texts that a spreadsheet would run as a formula get a ' in front (CSV); `import` takes it away again. --raw leaves both out.
    """
    from protoplane.cli import loading
    from protoplane.cli.door import Refused
    from protoplane.cli.tables import BadTable

    to_stdout = str(output) == "-"
    form = form_of(None if to_stdout else output, options["form"] or ("ndjson" if to_stdout else None))
    settings = read_settings(options["project"])
    contract = read_contract(settings)
    expect_many_rows()
    try:
        with ExitStack() as stack:
            found = loading.find_resource(contract, resource)
            door = connect(settings, options, stack)
            crowded = to_stdout and sys.stdout.isatty()  # Rows and a bar on one terminal are neither.
            show = _silent if crowded else stack.enter_context(count_bar(resource))
            pages = _counted(_pages(door, contract, found, options), show)
            count = _write_file(None if to_stdout else output, form, found, pages, shape(options))
    except BrokenPipeError:
        sys.stderr.close()  # The reader has had enough (`| head`); nothing more can be said to it.
        sys.exit(1)
    except (Refused, OSError, BadTable, loading.CannotLoad) as problem:
        raise failure(str(problem)) from problem
    click.echo(f"{count:,} rows of {resource} written", err=True)


def _counted(pages: Iterator[list[Any]], show: Callable[[int], None]) -> Iterator[list[Any]]:
    count = 0
    for page in pages:
        yield page
        count += len(page)  # They are written when the next page is asked for.
        show(count)


def _pages(door: Door, contract: Contract, resource: Resource, options: dict[str, Any]) -> Iterator[list[Any]]:
    from protoplane.cli.listing import Listing

    listing = Listing(door, contract)
    parents = options["parent"] or listing.parents_of(resource)
    for parent in parents:
        yield from listing.pages(resource, parent, filtering=options["filtering"], order_by=options["order_by"])


def _write_file(output: Path | None, form: str, resource: Resource, pages: Iterator[list[Any]], options: TableOptions) -> int:
    """Write to stdout, or to a file that appears only when it is whole. Gives the number of rows."""
    from protoplane.cli.rendering import write_pages

    if output is None:
        count = write_pages(sys.stdout, form, resource, pages, options)
        sys.stdout.flush()
        return count
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            count = write_pages(stream, form, resource, pages, options)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return count
