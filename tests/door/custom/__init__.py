"""A small service with custom code of every kind, to be served by tests: a project, its stubs, and callers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.cli.scaffold import Wish, scaffold
from protoplane.identity.tokens import Signer
from tests.door.client import Door, generated

HERE = Path(__file__).parent

SETTINGS = """
[project]
name = "workshop"
servicers = ["workshop_code.py"]

[database]
url = "{url}"

[server]
address = "127.0.0.1:0"
threads = 8

[log]
calls = "all"

[grants]
"teller" = ["accounts.*", "entries.*"]
"snoop" = ["accounts.snoop"]
"cuckoo" = ["accounts.snoop", "accounts.create", "accounts.update"]
"nobody" = []
"""


def project(folder: Path, url: str) -> Path:
    """The project in `folder`, with its data at `url`."""
    proto = folder / "protos/workshop/v1/workshop.proto"
    proto.parent.mkdir(parents=True, exist_ok=True)
    text = scaffold((HERE / "workshop.proto").read_text(), Wish("Account"))
    proto.write_text(scaffold(text, Wish("Entry")))
    shutil.copy(HERE / "workshop_code.py", folder / "workshop_code.py")
    (folder / "protoplane.toml").write_text(SETTINGS.format(url=url))
    return folder


@cache
def messages() -> Any:
    """`workshop_pb2`, as a client of the service has it."""
    (module,) = generated(project, "workshop.v1.workshop_pb2")
    return module


class Later:
    """Attributes of something that is made when one of them is first asked for: to collect tests takes no server."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(), name)


pb = Later(messages)
"""The messages of the workshop."""


def token_of(folder: Path, subject: str) -> str:
    """A token that the development server of the project takes."""
    settings = config.load(folder, Environment.DEV)
    auth = settings.auth
    return Signer.kept(settings.development_signing_key).mint(subject=subject, issuer=auth.issuer, audience=auth.audience, seconds=600)


def door_of(folder: Path, target: str, subject: str = "teller") -> Door:
    """Calls as that subject."""
    return Door(target, (messages(),), token_of(folder, subject))
