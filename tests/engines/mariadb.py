"""MariaDB: the server of the machine's own distribution, on private data."""

from pathlib import Path

from tests.engines import fetch
from tests.engines.server import SMALL_AND_DURABLE, Installation, Server, run_as
from tests.engines.server import start as start_server

LOG_FILE_SIZE = "--innodb-log-file-size=32M"
"""The default of 96 MiB would be most of what is copied for every start."""


def start() -> Server:
    """Start a private server; raises `Unavailable` when the software is not there."""
    return start_server(installation())


def installation() -> Installation:
    """Describe the MariaDB of this machine."""
    server = fetch.find_mariadb()
    initialise = fetch.find_program("mariadb-install-db")

    def initialise_command(data: Path) -> tuple[str, ...]:
        return (
            str(initialise),
            "--no-defaults",
            *run_as(),
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-name-resolve",
            "--skip-test-db",
            LOG_FILE_SIZE,
        )

    return Installation(
        name="mariadb",
        version=fetch.version_of([str(server)]),
        serve=(str(server), "--no-defaults", *run_as(), *SMALL_AND_DURABLE, LOG_FILE_SIZE),
        initialise=initialise_command,
    )
