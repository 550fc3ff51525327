"""`protoplane dev`, `serve` and `token`: the server in the foreground.

`dev` is two processes: one that watches and one that serves, a new one after every change. Nothing is forked and no code is
reloaded in place, so that what runs is always what a fresh start gives. The watching one never imports gRPC.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import click

from protoplane.base import config
from protoplane.base.log import Log
from protoplane.base.observe import Event
from protoplane.base.settings import Environment, Settings
from protoplane.cli.project import give_up, project_option, read_settings
from protoplane.cli.seed import Seed

if TYPE_CHECKING:
    from protoplane.app import App

TOKEN_HOURS = 30 * 24
"""Life of a development token: long, because its key is of use on this machine only."""

STOP_SECONDS_MAX = 30.0
"""For the serving process to end after it was told to; then it is killed."""

WATCHED_SUFFIXES = (".proto", ".py", ".toml")

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
    """
    if once or supervised:
        _run(project, Environment.DEV, reset=reset, supervised=supervised, seed=not no_seed)
    else:
        _Supervisor(project, reset=reset, seed=not no_seed).run()


@click.command(name="serve")
@project_option
def serve_command(project: Path) -> None:
    """Serve the project in production, in the foreground; SIGTERM ends it gracefully.

    Nothing is made up and nothing is migrated: without explicit keys, audience, issuer and database it does not start.
    """
    _run(project, Environment.SERVE)


@click.command(name="token")
@project_option
@click.argument("subject", default="developer")
@click.option("--hours", type=click.IntRange(1, 24 * 366), default=TOKEN_HOURS, show_default=True, help="How long it is valid.")
def token_command(project: Path, subject: str, hours: int) -> None:
    """Print a token for the development server, for SUBJECT (default: developer, who may do everything)."""
    from protoplane.identity.tokens import Signer

    settings = read_settings(project)
    try:
        signer = Signer.kept(settings.development_signing_key)
    except (OSError, ValueError) as error:
        give_up([error])
    auth = settings.auth
    click.echo(signer.mint(subject=subject, issuer=auth.issuer, audience=auth.audience, seconds=hours * 3_600))


def _run(folder: Path, environment: Environment, *, reset: bool = False, supervised: bool = False, seed: bool = False) -> None:
    """Start, say so, wait for the signal to end, end."""
    settings = read_settings(folder, environment)
    config.silence_grpc()
    log = _open_log(settings)
    ending = _Ending()
    try:
        from protoplane import app

        try:
            running = app.start(settings, log.observe, reset=reset)
        except (app.NotStartedError, config.SettingsError) as error:
            give_up(error.problems)
        seeding = _greet(running, seed=seed) if environment is Environment.DEV else None
        log.observe(Event("server.started", facts={"port": running.port, "methods": len(running.contract.methods)}))
        ending.wait(end_of_input=supervised)
        log.observe(Event("server.stopping"))
        if seeding is not None:
            seeding.stop()
        running.stop()
        log.observe(Event("server.stopped"))
    finally:
        log.close()


def _greet(running: App, *, seed: bool) -> Seed | None:
    """Say where the server is: at once, or after its data is there."""
    file = running.settings.seed_file
    if file is None or not seed:
        click.echo(_welcome(running))
        return None
    _say(f"Serving {running.settings.project.name} on {_target(running)}; loading its data by {file.name}", colour="cyan")

    def done(code: int) -> None:
        if code:
            _say(f"{file.name} ended with code {code}: the data is not, or not all, there", colour="yellow")
        click.echo(_welcome(running))

    return Seed(file, _target(running), done)


def _open_log(settings: Settings) -> Log:
    terminal = sys.stderr.isatty()
    pretty = settings.log.format == "pretty" or (settings.log.format == "auto" and terminal)
    return Log(calls=settings.log.calls, pretty=pretty, colour=terminal and config.colour_wanted())


class _Ending:
    """SIGTERM and SIGINT as bytes on a pipe, which other happenings may use too.

    A Python handler is not enough: it runs when the main thread gets to it, and a signal that comes just before that thread
    begins to wait, or on another thread, does not wake it. The byte is written by the C handler, wherever it runs.
    """

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        signal.set_wakeup_fd(self._write_end)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)

    def wait(self, *, end_of_input: bool = False) -> None:
        """Until a signal, or the end of stdin. The next signal then ends the process at once."""
        inputs = [self._read_end, *([0] if end_of_input else [])]
        while True:
            ready, _, _ = select.select(inputs, [], [])
            if (0 in ready and not os.read(0, 1_024)) or (self._read_end in ready and self.happened()):
                break
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)

    def notify(self) -> None:
        """Wake `happened`; from any thread."""
        with contextlib.suppress(BlockingIOError):  # Full: whoever reads it will wake anyway.
            os.write(self._write_end, b"\0")

    def happened(self) -> bool:
        """Wait for a signal or a `notify`; whether there was a signal."""
        return any(os.read(self._read_end, 1_024))


def _welcome(running: App) -> str:
    """What development prints once it serves: where, a token, and a call to paste."""
    auth, target = running.settings.auth, _target(running)
    assert running.signer is not None
    token = running.signer.mint(subject="developer", issuer=auth.issuer, audience=auth.audience, seconds=TOKEN_HOURS * 3_600)
    call = f"grpcurl -plaintext -H 'authorization: Bearer {token}' {_example(running, target)}"
    return f"Serving {running.settings.project.name} on {target}\n\nToken of 'developer', who may do everything:\n{token}\n\nTry:\n{call}\n"


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


Happening: TypeAlias = tuple[Literal["changed"], str] | tuple[Literal["ended"], "subprocess.Popen[bytes]"]


class _Supervisor:
    """Keeps one serving process, replaced after every change."""

    def __init__(self, folder: Path, *, reset: bool, seed: bool) -> None:
        self._folder, self._reset, self._seed = folder, reset, seed
        self._happenings: queue.SimpleQueue[Happening] = queue.SimpleQueue()
        self._ending = _Ending()

    def run(self) -> None:
        """Until a signal says stop; a process that ends by itself is replaced after the next change."""
        watch = _Watch(self._folder, lambda path: self._tell(("changed", path)))
        process = self._start()
        while not self._ending.happened():
            changed, ended = self._news()
            if process in ended and process.returncode == 0:
                break
            if process in ended and not changed:
                _say("not serving; waiting for a change", colour="yellow")
            if changed:
                _say(f"{changed[0]} changed: starting again", colour="cyan")
                _end(process)
                watch.renew()
                process = self._start()
        _end(process)
        watch.close()

    def _tell(self, happening: Happening) -> None:
        self._happenings.put(happening)
        self._ending.notify()

    def _news(self) -> tuple[list[str], list[subprocess.Popen[bytes]]]:
        """What has happened so far: files that changed, and processes that ended. Several files saved together are one change."""
        changed: list[str] = []
        ended: list[subprocess.Popen[bytes]] = []
        while not self._happenings.empty():
            match self._happenings.get():
                case ("changed", str(path)):
                    changed.append(path)
                case ("ended", subprocess.Popen() as process):
                    ended.append(process)
        return changed, ended

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "protoplane.cli.main", "dev", "--supervised", "--project", str(self._folder)]
        if self._reset:
            command.append("--reset")
            self._reset = False
        if not self._seed:
            command.append("--no-seed")
        self._seed = False  # After a change the data is there.
        # In a session of its own: Ctrl-C reaches the process through us, once.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - our own interpreter, arguments as a list.

        def wait() -> None:
            process.wait()
            self._tell(("ended", process))

        threading.Thread(target=wait, name="dev-wait", daemon=True).start()
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    """Tell the serving process to end, and see to it that it does: its successor needs the port."""
    assert process.stdin is not None
    process.terminate()
    process.stdin.close()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class _Watch:
    """Tells which file of the project changed: its folder itself, and below the proto roots and servicer packages."""

    def __init__(self, folder: Path, changed: Callable[[str], None]) -> None:
        self._folder, self._changed = folder, changed
        self._deep: tuple[Path, ...] = ()
        self._roots: set[Path] = set()
        self._deep_stop = threading.Event()
        self._flat_stop = threading.Event()
        self._follow((folder,), self._flat_stop, recursive=False)
        self.renew()

    def renew(self) -> None:
        """Read again which folders belong to the project."""
        try:
            settings = config.load(self._folder, Environment.DEV)
        except config.SettingsError:
            return  # The serving process prints the problems; the folder itself is watched for their mending.
        self._roots = {*settings.proto_roots, *settings.servicer_files}
        packages = (file for file in settings.servicer_files if file.is_dir() or file.parent != self._folder)
        wanted = (*settings.proto_roots, *(path if path.is_dir() else path.parent for path in packages))
        deep = tuple(dict.fromkeys(path.resolve() for path in wanted if path.is_dir()))
        if deep != self._deep:
            self._deep_stop.set()
            self._deep, self._deep_stop = deep, threading.Event()
            if deep:
                self._follow(deep, self._deep_stop, recursive=True)

    def close(self) -> None:
        """Stop watching."""
        self._flat_stop.set()
        self._deep_stop.set()

    def _follow(self, paths: Iterable[Path], stop: threading.Event, *, recursive: bool) -> None:
        import watchfiles

        def wanted(_change: watchfiles.Change, path: str) -> bool:
            return path.endswith(WATCHED_SUFFIXES) or (not recursive and Path(path) in self._roots)  # A root that came or went.

        def follow() -> None:
            for changes in watchfiles.watch(*paths, watch_filter=wanted, stop_event=stop, recursive=recursive, raise_interrupt=False):
                path = Path(min(path for _, path in changes))
                self._changed(str(path.relative_to(self._folder) if path.is_relative_to(self._folder) else path))

        threading.Thread(target=follow, name="dev-watch", daemon=True).start()


def _say(text: str, *, colour: str) -> None:
    click.secho(text, fg=colour, err=True)
