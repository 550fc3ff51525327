"""`protoplane dev`, `serve` and `token`: the server in the foreground.

Both servers are several processes: one that looks after them (`watching` in development, `supervisor` in production) and those
that serve, which are this command again, with a hidden option.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from protoplane.base import config
from protoplane.base.log import Log
from protoplane.base.observe import Event
from protoplane.base.settings import PROCESSES_MAX, Environment, Settings
from protoplane.cli.instance import Instance, OccupiedError
from protoplane.cli.project import failure, give_up, project_option, read_settings
from protoplane.cli.reporting import Reporter, Reports
from protoplane.cli.reservation import Reservation, ReservationError
from protoplane.cli.scraping import UnusableAddressError, scraped
from protoplane.cli.seed import Seed
from protoplane.cli.signals import ENDING, Signals

if TYPE_CHECKING:
    from protoplane.app import App

TOKEN_HOURS = 30 * 24
"""Life of a development token: long, because its key is of use on this machine only."""

ALARM_SECONDS = 10.0
"""What a process that is looked after may take beyond its time before it ends itself: whoever would have killed it may be gone."""

EXAMPLE_PAGE_SIZE = 2


@click.command(name="dev")
@project_option
@click.option("--reset", is_flag=True, help="Delete the development database first.")
@click.option("--once", is_flag=True, help="Do not watch for changes.")
@click.option("--no-seed", is_flag=True, help="Do not load the project's own data.")
@click.option("--supervised", is_flag=True, hidden=True, help="Stop when stdin ends, as it does when the watching process is gone.")
def dev_command(project: Path, *, reset: bool, once: bool, no_seed: bool, supervised: bool) -> None:
    """Serve the project on this machine, and again after every change of its .proto, .py and .toml files.

    Makes what is missing: a SQLite database, keys and a token, all kept in .protoplane/ in the project. Additive changes of
    the contract are made to the database; the data stays. A contract with faults is not served: all of them are printed.
    A project is served once at a time.
    """
    if supervised:
        _run(project, Environment.DEV, reset=reset, supervised=True, seed=not no_seed)
        return
    try:
        instance = Instance(project)
    except (OccupiedError, OSError) as problem:
        raise failure(str(problem)) from problem
    if once:
        _run(project, Environment.DEV, reset=reset, seed=not no_seed)
    else:
        from protoplane.cli.watching import Watcher

        Watcher(project, instance, reset=reset, seed=not no_seed).run()


@click.command(name="serve")
@project_option
@click.option(
    "--processes",
    type=click.IntRange(1, PROCESSES_MAX),
    metavar="N",
    help="How many processes serve (default: the setting server.processes).",
)
@click.option("--worker", type=int, metavar="FD", hidden=True, help="Serve, and report on this pipe to the process that looks after us.")
def serve_command(project: Path, *, processes: int | None, worker: int | None) -> None:
    """Serve the project in production, in the foreground.

    Nothing is made up and nothing is migrated: without explicit keys, audience, issuer and database it does not start.
    SIGTERM ends it gracefully. SIGHUP replaces its processes by new ones, which read the contract, the code and the settings again.
    """
    if worker is not None:
        _run(project, Environment.SERVE, supervised=True, report=worker)
        return
    settings = read_settings(project, Environment.SERVE)
    try:
        place = Reservation(settings.server.address)
    except ReservationError as problem:
        give_up([problem])
    if (processes or settings.server.processes) > 1 and not place.shared:
        give_up(["several processes cannot listen on one unix: address\n    mend: serve with one, or at host:port"])
    from protoplane.cli.supervisor import Supervisor

    log, reports = _open_log(settings), Reports()
    try:
        with scraped(settings.metrics.address, reports, log.observe):
            code = Supervisor(settings, place, log.observe, reports, processes=processes).run()
    except UnusableAddressError as problem:
        give_up([problem])
    finally:
        log.close()
    sys.exit(code)


@click.command(name="token")
@project_option
@click.argument("subject", default="developer")
@click.option("--hours", type=click.IntRange(1, 24 * 366), default=TOKEN_HOURS, show_default=True, help="How long it is valid.")
def token_command(project: Path, subject: str, hours: int) -> None:
    """Print a token for the development server, for SUBJECT (default: developer, who holds every permission)."""
    from protoplane.identity.tokens import Signer

    settings = read_settings(project)
    try:
        signer = Signer.kept(settings.development_signing_key)
    except (OSError, ValueError) as error:
        give_up([error])
    auth = settings.auth
    click.echo(signer.mint(subject=subject, issuer=auth.issuer, audience=auth.audience, seconds=hours * 3_600))


def _run(
    folder: Path,
    environment: Environment,
    *,
    reset: bool = False,
    seed: bool = False,
    supervised: bool = False,
    report: int | None = None,
) -> None:
    """Start, say so, wait for the signal to end, end. `supervised`: the end of stdin says it too; `report`: a pipe to report on."""
    settings = read_settings(folder, environment)
    config.silence_grpc()
    log = _open_log(settings)
    signals = Signals({*ENDING, signal.SIGHUP} if report is not None else ENDING)
    try:
        from protoplane import app

        try:
            running = app.start(settings, log.observe, reset=reset)
        except (app.NotStartedError, config.SettingsError) as error:
            give_up(error.problems)
        seeding = _greet(running, seed=seed) if environment is Environment.DEV else None
        log.observe(Event("server.started", facts={"port": running.port, "methods": len(running.contract.methods)}))
        reporter = (
            None if report is None else Reporter(report, running.port, serving=lambda: running.health.serving, snapshot=running.snapshot)
        )
        _wait(signals, settings, supervised=supervised)
        log.observe(Event("server.stopping"))
        if seeding is not None:
            seeding.stop()
        running.stop()
        if reporter is not None:
            reporter.close()
        log.observe(Event("server.stopped"))
    finally:
        log.close()


def _wait(signals: Signals, settings: Settings, *, supervised: bool) -> None:
    """Until it is time to end. Then a second signal ends the process at once, unless somebody else looks after that.

    A service manager may signal every process of a service, and whoever looks after us passes its own signal on: two are no haste.
    """
    while (told := signals.wait(end_of_input=supervised)) and not told & ENDING:
        pass  # SIGHUP to all processes: it is not for us.
    if supervised:
        signal.setitimer(signal.ITIMER_REAL, settings.server.drain_seconds + settings.server.grace_seconds + ALARM_SECONDS)
    else:
        signals.let_go()


def _greet(running: App, *, seed: bool) -> Seed | None:
    """Say where the server is: at once, or after its data is there."""
    file = running.settings.seed_file
    if file is None or not seed:
        click.echo(_welcome(running))
        return None
    click.secho(f"Serving {running.settings.project.name} on {_target(running)}; loading its data by {file.name}", fg="cyan", err=True)

    def done(code: int) -> None:
        if code:
            click.secho(f"{file.name} ended with code {code}: the data is not, or not all, there", fg="yellow", err=True)
        click.echo(_welcome(running))

    return Seed(file, _target(running), done)


def _open_log(settings: Settings) -> Log:
    terminal = sys.stderr.isatty()
    pretty = settings.log.format == "pretty" or (settings.log.format == "auto" and terminal)
    return Log(calls=settings.log.calls, pretty=pretty, colour=terminal and config.colour_wanted())


def _welcome(running: App) -> str:
    """What development prints once it serves: where, a token, and a call to paste."""
    auth, target = running.settings.auth, _target(running)
    assert running.signer is not None
    token = running.signer.mint(subject="developer", issuer=auth.issuer, audience=auth.audience, seconds=TOKEN_HOURS * 3_600)
    call = f"grpcurl -plaintext -H 'authorization: Bearer {token}' {_example(running, target)}"
    return f"Serving {running.settings.project.name} on {target}\n\nToken of 'developer', who holds every permission:\n{token}\n\nTry:\n{call}\n"


def _target(running: App) -> str:
    """The address as a client on this machine names it."""
    host = running.settings.server.address.rpartition(":")[0]
    return f"{'localhost' if host in {'127.0.0.1', '0.0.0.0', '[::]', '[::1]', '::1'} else host}:{running.port}"  # noqa: S104 - compared, not bound.


def _example(running: App, target: str) -> str:
    """Arguments of a call that works on an empty database: the first List of a resource without a parent."""
    for method in running.contract.methods.values():
        if method.kind.value == "list" and method.resource is not None and len(method.resource.pattern.variables) == 1:
            return f"-d '{{\"pageSize\":{EXAMPLE_PAGE_SIZE}}}' {target} {method.path[1:]}"
    return f"{target} list"
