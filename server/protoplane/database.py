"""The database that a project's settings name, connected; or why that cannot be, for the person who runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protoplane.base.settings import Settings
    from protoplane.store.engine import Engine

DRIVER_LINE = "apt-get install -y gcc libmariadb-dev pkg-config python3-dev, then, in the checkout of Protoplane: pip install '.[mysql]'"
"""What installs the driver of MariaDB and MySQL, which has no wheel for Linux."""

THREADS_BESIDE = 3
"""Threads of a server that use the database beside `server.threads`: the one more that takes calls, health checks, housekeeping."""


class DatabaseProblem(Exception):
    """The database cannot be used, in the words of whoever refused."""


def connect(settings: Settings, *, threads: int | None = None, url: str = "", streams: bool = False) -> Engine:
    """Connect for so many threads (default: those of a server, with those of its `streams` where methods of its contract stream).

    `url` takes the place of the one in the settings. Raises DatabaseProblem.
    """
    from protoplane.store.address import AddressError
    from protoplane.store.dialect import UnsupportedServer
    from protoplane.store.engine import CannotConnect, Engine

    database = settings.database
    if threads is None:
        threads = settings.server.threads + THREADS_BESIDE + (settings.server.streams if streams else 0)
    try:
        return Engine(url or database.url.reveal(), threads=threads, password="" if url else database.password.reveal())
    except ModuleNotFoundError as missing:
        raise DatabaseProblem(f"{missing.name} is not installed: {DRIVER_LINE}") from missing
    except (AddressError, CannotConnect, UnsupportedServer) as problem:
        raise DatabaseProblem(f"the database cannot be used: {problem}") from problem


def file_of(settings: Settings) -> Path | None:
    """The SQLite file of the settings, there or not; None for a server, a database in memory, and a URL that `connect` refuses."""
    from protoplane.store.address import AddressError, SqliteAddress, parse_address

    try:
        address = parse_address(settings.database.url.reveal())
    except AddressError:
        return None
    return Path(address.path) if isinstance(address, SqliteAddress) and address.path else None
