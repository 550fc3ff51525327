"""A museum of everything that can be filtered, to be served by tests: its project, its messages and its callers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from protoplane import app
from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.cli.boilerplate import FURTHER, METHODS
from protoplane.cli.scaffold import Wish, scaffold
from tests.door.client import Door, generated
from tests.door.custom import Later

HERE = Path(__file__).parent

SETTINGS = """
[project]
name = "museum"
servicers = ["museum_code.py"]

[database]
url = "{url}"

[server]
address = "127.0.0.1:0"

[grants]
"curator" = ["countries.*", "artists.*", "halls.*", "exhibits.*"]
"visitor" = ["halls.get", "exhibits.list", "artists.get"]
"""


def project(folder: Path, url: str) -> Path:
    """The project in `folder`, with its data at `url`."""
    proto = folder / "protos/museum/v1/museum.proto"
    proto.parent.mkdir(parents=True, exist_ok=True)
    text = (HERE / "museum.proto").read_text()
    for wish in (Wish("Country"), Wish("Artist"), Wish("Hall"), Wish("Exhibit", parent="Hall", methods=(*METHODS, *FURTHER))):
        text = scaffold(text, wish)
    proto.write_text(text)
    shutil.copy(HERE / "museum_code.py", folder / "museum_code.py")
    (folder / "protoplane.toml").write_text(SETTINGS.format(url=url))
    return folder


@cache
def messages() -> Any:
    """`museum_pb2`, as a client of the service has it."""
    (module,) = generated(project, "museum.v1.museum_pb2")
    return module


pb = Later(messages)
"""The messages of the museum."""


class Museum:
    """The museum, served."""

    def __init__(self, running: app.App, bugs: list[BaseException]) -> None:
        self.app, self._bugs = running, bugs

    def door(self, subject: str = "curator") -> Door:
        """Calls as that subject."""
        signer, auth = self.app.signer, self.app.settings.auth
        assert signer is not None
        token = signer.mint(subject=subject, issuer=auth.issuer, audience=auth.audience, seconds=600)
        return Door(f"127.0.0.1:{self.app.port}", (messages(),), token)

    def check(self) -> None:
        """Raise what the server raised that it should not have."""
        if self._bugs:
            raise self._bugs.pop()


@contextmanager
def served(folder: Path, url: str) -> Iterator[Museum]:
    """The museum on a port of its own, with its data at `url`."""
    bugs: list[BaseException] = []
    settings = config.load(project(folder, url), Environment.DEV)
    running = app.start(settings, lambda seen: bugs.append(seen.bug) if seen.bug is not None else None)
    try:
        yield Museum(running, bugs)
    finally:
        running.stop()
