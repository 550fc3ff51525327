"""The database that a project's settings name, connected; or why that cannot be, for the person who runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protoplane.base.config import Settings
    from protoplane.store.engine import Engine

DRIVER_LINE = "apt-get install -y gcc libmariadb-dev pkg-config python3-dev && pip install 'protoplane[mysql]'"
"""What installs the driver of MariaDB and MySQL, which has no wheel for Linux."""


class DatabaseProblem(Exception):
    """The database cannot be used, in the words of whoever refused."""


def connect(settings: Settings, *, threads: int, url: str = "") -> Engine:
    """Connect for so many threads; `url` takes the place of the one in the settings. Raises DatabaseProblem."""
    from protoplane.store.address import AddressError
    from protoplane.store.dialect import UnsupportedServer
    from protoplane.store.engine import CannotConnect, Engine

    database = settings.database
    try:
        return Engine(url or database.url.reveal(), threads=threads, password="" if url else database.password.reveal())
    except ModuleNotFoundError as missing:
        raise DatabaseProblem(f"{missing.name} is not installed: {DRIVER_LINE}") from missing
    except (AddressError, CannotConnect, UnsupportedServer) as problem:
        raise DatabaseProblem(f"the database cannot be used: {problem}") from problem
