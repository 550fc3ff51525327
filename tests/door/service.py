"""Contracts that tests serve: a project, what its clients have, and a server of it in this process, on a port of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

from protoplane import app
from protoplane.base import config
from protoplane.base.observe import CallDone, Event
from protoplane.base.settings import Environment, Settings
from protoplane.cli.scaffold import Wish, scaffold
from protoplane.identity.tokens import Signer
from tests.door.changes import check_log
from tests.door.client import Door, generated
from tests.door.recording import Ran, recorded
from tests.engines import Database, Engine

SETTINGS = """
[project]
name = "{name}"
{servicers}
[database]
url = "{url}"

[server]
address = "127.0.0.1:0"
threads = 8

[log]
calls = "all"

[grants]
{grants}
"""

EMPTY: Mapping[str, str] = {}


class Later:
    """Attributes of something that is made when one of them is first asked for: to collect tests takes no server."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(), name)


@dataclass(frozen=True)
class Contract:
    """What can be served."""

    project: Callable[[Path, str], Path]
    """Puts a project into a folder, with its data at a URL."""
    imports: tuple[str, ...]
    """The modules that its clients have, the contract's own messages first."""
    subject: str
    """Who may do everything."""

    @staticmethod
    def of(
        here: Path,
        name: str,
        grants: Mapping[str, Sequence[str]],
        *,
        wishes: Sequence[Wish] = (),
        rules: Mapping[str, str] = EMPTY,
        imports: Sequence[str] = (),
    ) -> Contract:
        """That of `NAME.proto` in a folder, with the code in `NAME_code.py` if that is there, and what the wishes add to it.

        `rules` are put in place of the permissions of that name: `{"books.get": 'check = "viewer"'}`.
        The first of the grants is the one for everything.
        """
        proto, code = here / f"{name}.proto", here / f"{name}_code.py"

        def project(folder: Path, url: str) -> Path:
            file = folder / "protos" / name / "v1" / proto.name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(ruled(scaffolded(proto.read_text(), wishes), rules))
            if code.exists():
                shutil.copy(code, folder)
            servicers = f'servicers = ["{code.name}"]\n' if code.exists() else ""
            granted = "\n".join(f'"{subject}" = {json.dumps(permissions)}' for subject, permissions in grants.items())
            (folder / "protoplane.toml").write_text(SETTINGS.format(name=name, servicers=servicers, url=url, grants=granted))
            return folder

        modules = (f"{name}_pb2", *imports)
        return Contract(project, tuple(f"{name}.v1.{module}" for module in modules), next(iter(grants)))

    @cached_property
    def modules(self) -> tuple[Any, ...]:
        """What it imports, as `protoplane generate` makes it."""
        return generated(self.project, *self.imports)

    def module(self, place: int = 0) -> Any:
        """One of them, made when it is first used."""
        return Later(lambda: self.modules[place])

    def door(self, folder: Path, target: str, subject: str | None = None) -> Door:
        """Calls of a server of the project in a folder; "" is a caller without credentials."""
        subject = self.subject if subject is None else subject
        return Door(target, self.modules, token_of(folder, subject) if subject else "")


def scaffolded(text: str, wishes: Sequence[Wish]) -> str:
    """A contract with the standard methods that it has not."""
    return reduce(scaffold, wishes, text)


def ruled(text: str, rules: Mapping[str, str]) -> str:
    """A contract with other rules in place of permissions."""
    for permission, rule in rules.items():
        text = text.replace(f'(protoplane.v1.rule).permission = "{permission}"', f"(protoplane.v1.rule).{rule}")
    return text


def token_of(folder: Path, subject: str, *, service: bool = False) -> str:
    """A token that the development server of the project takes: of a person, or of a `service`."""
    settings = config.load(folder, Environment.DEV)
    auth = settings.auth
    return Signer.kept(settings.development_signing_key).mint(
        subject=subject, issuer=auth.issuer, audience=auth.audience, seconds=600, service=service
    )


@dataclass(frozen=True)
class Service:
    """A contract, served."""

    contract: Contract
    app: app.App
    folder: Path
    database: Database
    bugs: list[BaseException]
    """What the server raised that it should not have."""
    ran: Ran = field(default_factory=list)
    """Its statements since they were last forgotten, where it was told to record them."""

    @property
    def target(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.app.port}"

    def token(self, subject: str | None = None) -> str:
        """What says that a caller is that subject."""
        return token_of(self.folder, self.contract.subject if subject is None else subject)

    def door(self, subject: str | None = None) -> Door:
        """Calls as that subject; "" is a caller without credentials."""
        return self.contract.door(self.folder, self.target, subject)

    @contextmanager
    def calls(self, subject: str | None = None) -> Iterator[Door]:
        """The same for a block; a bug inside the server is raised at its end, with its own trace."""
        with closing(self.door(subject)) as door:
            yield door
        self.check()

    def check(self) -> None:
        """Raise what the server raised that it should not have."""
        if self.bugs:
            bug = self.bugs[0]
            self.bugs.clear()
            raise bug

    def ran_by(self, call: Callable[[], Any]) -> tuple[Any, Ran]:
        """The answer of a call, and the statements it took."""
        self.ran.clear()
        answer = call()
        return answer, list(self.ran)

    def asked(self, table: str = "") -> list[str]:
        """The statements of `ran`, on a table where one is named, without those on the server's own tables."""
        return [sql for sql, _ in self.ran if "protoplane_" not in sql and (not table or f'"{table}"' in sql or f"`{table}`" in sql)]


@contextmanager
def running(
    folder: Path, observe: Callable[[CallDone | Event], None] | None = None, settings: Settings | None = None
) -> Iterator[tuple[app.App, list[BaseException]]]:
    """The server of the project in a folder, and what it takes for bugs, unless somebody else observes it."""
    bugs: list[BaseException] = []
    note = observe or (lambda seen: bugs.append(seen.bug) if seen.bug is not None else None)
    server = app.start(settings or config.load(folder, Environment.DEV), note)
    try:
        yield server, bugs
    finally:
        server.stop()


@contextmanager
def served(
    contract: Contract, engine: Engine, folder: Path, *, logged: bool = True, recording: bool = False, **more: Any
) -> Iterator[Service]:
    """A contract with a database of its own, in a new folder.

    `logged`: nobody writes past the change log, and so it must say in the end what the tables say. `more` is for `running`.
    """
    contract.modules  # noqa: B018 - Before the server's own classes take the names of their packages.
    database = engine.create_database()
    try:
        contract.project(folder, database.url)
        with recorded() if recording else nullcontext(Ran()) as ran, running(folder, **more) as (server, bugs):
            service = Service(contract, server, folder, database, bugs, ran)
            yield service
        service.check()
        if logged:
            check_log(database, service.app.contract)
    finally:
        database.drop()
