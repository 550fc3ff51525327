"""The flight desk of `examples/`: its contract, code and data, tested as it stands."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from protoplane import app
from protoplane.base import config
from protoplane.base.settings import Environment
from tests.door.client import Door, generated
from tests.door.custom import Later

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "flightdesk"
PROTOS = tuple(sorted(path.stem for path in (EXAMPLE / "protos/flightdesk/v1").glob("*.proto")))


def copy(folder: Path, url: str = "", **server: str) -> Path:
    """The project as it is in the repository, without what development made there and without its seed; its data is kept at `url`."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".protoplane", "__pycache__", "stubs", "client"))
    settings = folder / "protoplane.toml"
    more = f'\n[database]\nurl = "{url}"\n' if url else ""
    more += "\n[server]\n" + "".join(f'{key} = "{value}"\n' for key, value in {"address": "127.0.0.1:0", **server}.items())
    settings.write_text(settings.read_text().replace('seed = "load.py"\n', "") + more)
    return folder


@cache
def modules() -> tuple[Any, ...]:
    """The `_pb2` modules that `protoplane generate` makes."""
    return generated(copy, *(f"flightdesk.v1.{stem}_pb2" for stem in PROTOS))


@cache
def messages() -> Any:
    """Every message of the contract by its name."""
    return SimpleNamespace(**{name: getattr(module, name) for module in modules() for name in module.DESCRIPTOR.message_types_by_name})


pb = Later(messages)
"""The messages of the flight desk."""


class Desk:
    """The flight desk, served."""

    def __init__(self, running: app.App) -> None:
        self.app = running

    def door(self, subject: str = "developer") -> Door:
        """Calls as that subject; "" is a caller without credentials."""
        assert self.app.signer is not None
        auth = self.app.settings.auth
        token = self.app.signer.mint(subject=subject, issuer=auth.issuer, audience=auth.audience, seconds=600) if subject else ""
        return Door(f"127.0.0.1:{self.app.port}", modules(), token)


@contextmanager
def served(folder: Path) -> Iterator[Desk]:
    """Serve the project in this process; fails with what the server took for a bug."""
    modules()  # Before the server's own classes of that name take the package.
    bugs: list[BaseException] = []
    running = app.start(config.load(folder, Environment.DEV), lambda seen: bugs.append(seen.bug) if seen.bug is not None else None)
    try:
        yield Desk(running)
    finally:
        running.stop()
    if bugs:
        raise bugs[0]
