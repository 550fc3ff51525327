"""MySQL: the real server, unpacked in the cache folder beside the loader and libraries it was built with."""

from pathlib import Path

from tests.engines import fetch
from tests.engines.server import SMALL_AND_DURABLE, Installation, Server, run_as
from tests.engines.server import start as start_server

REDO_LOG_CAPACITY = "--innodb-redo-log-capacity=32M"
"""The default of 100 MiB would be most of what is copied for every start."""


def start() -> Server:
    """Start a private server; raises `Unavailable` when the software is not there."""
    return start_server(installation())


def installation() -> Installation:
    """Describe the MySQL in the cache folder."""
    program = fetch.find_mysql()
    command = (*program, "--no-defaults", *run_as(), *fetch.mysql_folders(), REDO_LOG_CAPACITY)

    def initialise_command(data: Path) -> tuple[str, ...]:
        return (*command, "--skip-log-bin", "--initialize-insecure", f"--datadir={data}")

    return Installation(
        name="mysql",
        version=fetch.version_of(program),
        serve=(*command, *SMALL_AND_DURABLE, "--mysqlx=OFF"),
        initialise=initialise_command,
    )
