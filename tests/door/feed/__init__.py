"""A small service whose answers stream."""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protoplane.app import App
from protoplane.base import config
from protoplane.base.observe import CallDone, Observation
from protoplane.base.settings import Environment
from protoplane.cli.scaffold import Wish
from tests.door.client import Door
from tests.door.service import Contract, running
from tests.engines import Database, Engine

GRANTS = {"editor": ["items.*"], "reader": ["items.list"], "other": ["items.*"]}

FEED = Contract.of(Path(__file__).parent, "feed", GRANTS, wishes=[Wish("Item")])

pb = FEED.module()
"""Its messages."""

POUR = "/feed.v1.Feed/Pour"
ITEMS = "/feed.v1.Feed/StreamItems"


@dataclass
class Served:
    """The feed, served, with everything that is observed."""

    app: App
    folder: Path
    database: Database
    seen: list[Observation]
    changed: threading.Condition
    code: Any
    """The module of its servicer; the next server has one of its own."""
    doors: list[Door] = field(default_factory=list)

    @property
    def target(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.app.port}"

    def door(self, subject: str = "editor") -> Door:
        """Calls as that subject, on a connection of its own."""
        self.doors.append(FEED.door(self.folder, self.target, subject))
        return self.doors[-1]

    def watched(self, key: str) -> Any:
        """What the code notes of a stream, also of one that is yet to come."""
        return self.code.STREAMS.setdefault(key, self.code.Watched())

    def done(self, path: str = POUR, times: int = 1) -> CallDone:
        """How the stream ended that ended as so many'th since the last time they were forgotten; waited for."""

        def found() -> list[CallDone]:
            return [one for one in self.seen if isinstance(one, CallDone) and one.method == path]

        with self.changed:
            assert self.changed.wait_for(lambda: len(found()) >= times, 20), self.seen
            return found()[times - 1]

    def forget(self) -> None:
        """What was observed so far."""
        with self.changed:
            self.seen.clear()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for what nobody tells."""
        waiting = threading.Event()
        for _ in range(1_000):
            if condition():
                return
            waiting.wait(0.01)
        raise AssertionError(what)

    @property
    def used(self) -> int:
        """Database connections that run a session now."""
        engine: Any = self.app.database
        return int(engine.connections()[0])

    def still(self) -> None:
        """Wait until no stream holds anything."""
        wire = self.app.listening.wire
        self.until(lambda: not wire.streaming and not self.used and not wire.unsent.total, "a stream still holds something")


@contextmanager
def feeding(engine: Engine, folder: Path, **server: Any) -> Iterator[Served]:
    """The feed on an engine; keywords are settings of [server], `max_seconds` that of [deadlines]."""
    FEED.modules  # noqa: B018 - Before the server's own classes take the names of their packages.
    database, changed, seen = engine.create_database(), threading.Condition(), list[Observation]()

    def observe(observation: Observation) -> None:
        with changed:
            seen.append(observation)
            changed.notify_all()

    try:
        settings = config.load(FEED.project(folder, database.url), Environment.DEV)
        deadlines = dataclasses.replace(settings.deadlines, max_seconds=server.pop("max_seconds", settings.deadlines.max_seconds))
        settings = dataclasses.replace(settings, server=dataclasses.replace(settings.server, **server), deadlines=deadlines)
        with running(folder, observe, settings) as (app, _):
            served = Served(app, folder, database, seen, changed, sys.modules["feed_code"])
            try:
                yield served
            finally:
                for door in served.doors:
                    door.close()
    finally:
        database.drop()
