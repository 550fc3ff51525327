"""`protoplane dev`: the process that watches the project and keeps one process serving it, a new one after every change.

Nothing is forked and no code is reloaded in place, so that what runs is always what a fresh start gives. This one never
imports gRPC.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import final

import click

from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.cli.child import Child
from protoplane.cli.instance import Instance
from protoplane.cli.signals import ENDING, Signals

STOP_SECONDS_MAX = 30.0
"""For the serving process to end after it was told to; then it is killed."""

WATCHED_SUFFIXES = (".proto", ".py", ".toml")


@final
class Watcher:
    """Keeps one serving process, replaced after every change."""

    def __init__(self, folder: Path, instance: Instance, *, reset: bool, seed: bool) -> None:
        self._folder, self._instance, self._reset, self._seed = folder, instance, reset, seed
        self._changes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._signals = Signals({*ENDING, signal.SIGCHLD})

    def run(self) -> None:
        """Until a signal says stop; a process that ends by itself is replaced after the next change."""
        watch = _Watch(self._folder, self._note)
        child, waiting = self._start(), False
        while not self._signals.wait() & ENDING:
            changed, code = self._changed(), child.code()
            if code == 0:
                break
            if code is not None and not changed and not waiting:
                click.secho("not serving; waiting for a change", fg="yellow", err=True)
                waiting = True
            if changed:
                click.secho(f"{changed[0]} changed: starting again", fg="cyan", err=True)
                child.end(STOP_SECONDS_MAX)  # Its successor needs the port.
                watch.renew()
                child, waiting = self._start(), False
        child.end(STOP_SECONDS_MAX)
        watch.close()

    def _note(self, path: str) -> None:
        self._changes.put(path)
        self._signals.notify()

    def _changed(self) -> list[str]:
        """The files that changed since the last look: several saved together are one change."""
        changed: list[str] = []
        while not self._changes.empty():
            changed.append(self._changes.get())
        return changed

    def _start(self) -> Child:
        arguments = ["dev", "--supervised", "--project", str(self._folder)]
        if self._reset:
            arguments.append("--reset")
            self._reset = False
        if not self._seed:
            arguments.append("--no-seed")
        self._seed = False  # After a change the data is there.
        return Child(arguments, handed=[self._instance.fileno()])


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
