"""A private MariaDB or MySQL server: a temporary data folder, a socket, a loopback port, and a process to mistreat."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from tests.engines import guard
from tests.engines.cache import CACHE, locked
from tests.engines.engine import Database, Rows, Unavailable

START_SECONDS_MAX = 60.0
POLL_SECONDS = 0.02
PORTS = range(20_000, 32_000)
"""Below Linux's ephemeral range (32768 and up): a client that reconnects to a server that is down could otherwise be given
the very port it wants as its own, and connect to itself."""

ADMINISTRATOR_SQL = (
    "CREATE USER IF NOT EXISTS 'root'@'127.0.0.1';\n"
    "GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Installation:
    """The server software of one engine on this machine."""

    name: str
    version: str
    serve: tuple[str, ...]
    """The command that serves; the folder, socket and port are appended."""
    initialise: Callable[[Path], tuple[str, ...]]
    """The command that fills an empty data folder, with a `root` that has no password."""


@dataclass(slots=True)
class Server:
    """A running server. Its data lives in a temporary folder and goes with it."""

    installation: Installation
    folder: Path
    port: int
    pid: int = 0
    """The server's own process, not that of the guard that looks after it; 0 when it is stopped."""
    guard: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """`mariadb` or `mysql`."""
        return self.installation.name

    @property
    def version(self) -> str:
        """What the server program prints for `--version`."""
        return self.installation.version

    @property
    def socket(self) -> Path:
        """The unix socket; the path must stay below 108 bytes."""
        return self.folder / "server.sock"

    @property
    def log(self) -> Path:
        """What the server wrote to its error log, over all restarts."""
        return self.folder / "server.log"

    def start(self) -> None:
        """Start the process on the data that is there, and wait until it takes queries."""
        temporary = self.folder / "tmp"  # A server that starts deletes what it takes for leftovers there: another one's files, if shared.
        temporary.mkdir(exist_ok=True)
        command = [
            *self.installation.serve,
            f"--datadir={self.folder / 'data'}",
            f"--tmpdir={temporary}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            f"--pid-file={self.folder / 'server.pid'}",
            f"--init-file={self.folder / 'administrator.sql'}",
        ]
        with self.log.open("ab") as log:
            self.guard = subprocess.Popen(
                [sys.executable, "-I", guard.__file__, str(self.folder), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Control-C is for the tests; they stop the server themselves.
            )
        assert self.guard.stdout is not None
        self.pid = int(self.guard.stdout.readline() or 0)  # Nothing is printed when the program cannot be started at all.
        self._wait_until_ready()

    def kill(self) -> None:
        """End the process at once, as a crash would (SIGKILL); the data folder stays for `restart`."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start again on the same data, port and socket; a server that still runs is shut down cleanly first."""
        self._end(signal.SIGTERM)
        self.start()

    def pause(self) -> None:
        """Freeze the process (SIGSTOP): connections stay open and, once this returns, nothing answers."""
        self._signal(signal.SIGSTOP)
        while not all_stopped(self.pid):  # Each thread stops when it next leaves the kernel.
            time.sleep(POLL_SECONDS)

    def resume(self) -> None:
        """Let a paused process go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def mend(self) -> None:
        """Resume the process, or start it again if it has ended."""
        if self.guard is not None and self.guard.poll() is None:
            self.resume()
        else:
            self.restart()

    def close(self) -> None:
        """Kill the process and remove its folder: nothing in it is needed any more."""
        self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def create_database(self) -> Database:
        """Make an empty database with the server's defaults, which are deliberately not those that Protoplane needs."""
        name = f"db_{os.urandom(6).hex()}"
        self.execute(f"CREATE DATABASE {name}")
        return Database(engine=self, name=name, url=f"mysql://root@127.0.0.1:{self.port}/{name}")

    def drop_database(self, database: Database) -> None:
        """Cut every connection that is left in the database, or DROP would wait for their locks; then drop it."""
        for connection_id, _user, _host, name, *_rest in self.execute("SHOW PROCESSLIST"):
            if name == database.name:
                self._cut(connection_id)
        self.execute(f"DROP DATABASE IF EXISTS {database.name}")

    def execute(self, sql: str, values: Sequence[object] = (), *, database: str = "") -> Rows:
        """Run one statement on a new connection, committed at once. Placeholders are `%s`."""
        connection = driver().connect(
            host="127.0.0.1", port=self.port, user="root", database=database, charset="utf8mb4", autocommit=True, connect_timeout=10
        )
        with closing(connection), closing(connection.cursor()) as cursor:
            cursor.execute(sql, tuple(values) or None)
            return list(cursor.fetchall())

    def _signal(self, what: signal.Signals) -> None:
        if self.pid:  # To process 0 would mean: to everybody in the tests' own process group.
            os.kill(self.pid, what)

    def _cut(self, connection_id: object) -> None:
        try:
            self.execute(f"KILL {connection_id}")
        except driver().OperationalError as error:
            no_such_thread = 1094
            if error.args[0] != no_such_thread:
                raise

    def _end(self, how: signal.Signals) -> None:
        """Signal the process and wait until it is gone; a process that is gone already is fine."""
        if self.guard is None:
            return
        if self.guard.poll() is None:
            self.resume()  # A paused process would keep SIGTERM pending.
            self._signal(how)
        self.guard.wait()
        for pipe in (self.guard.stdin, self.guard.stdout):
            assert pipe is not None
            pipe.close()
        self.guard, self.pid = None, 0

    def _wait_until_ready(self) -> None:
        assert self.guard is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self.execute("SELECT 1")
            except driver().OperationalError:
                if self.guard.poll() is not None or time.monotonic() > deadline:
                    self._end(signal.SIGKILL)
                    raise Unavailable(f"{self.name} did not start:\n{tail(self.log)}") from None
                time.sleep(POLL_SECONDS)
            else:
                return


def start(installation: Installation) -> Server:
    """Start a server on a copy of the engine's template; a fraction of a second once the template is there."""
    driver()  # Without it nothing below could work: say so before anything is started.
    template = template_of(installation)
    folder = Path(tempfile.mkdtemp(prefix=f"protoplane-{installation.name}-"))
    (folder / "administrator.sql").write_text(ADMINISTRATOR_SQL)
    copy_folder(template, folder / "data")
    server = Server(installation=installation, folder=folder, port=free_port())
    try:
        server.start()
    except BaseException:
        server.close()
        raise
    return server


def template_of(installation: Installation) -> Path:
    """Initialise a data folder once per version and settings, and keep it: initialising takes longer than a whole test file."""
    recipe = "\n".join([installation.version, *installation.initialise(Path("DATA"))])
    template = CACHE / f"{installation.name}-template-{sha256(recipe.encode()).hexdigest()[:12]}"
    with locked(template.name):
        if not template.exists():
            unfinished = template.with_suffix(".part")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            done = subprocess.run(installation.initialise(unfinished), capture_output=True, text=True, check=False)
            if done.returncode:
                raise Unavailable(f"{installation.name} cannot make a data folder:\n{done.stdout}{done.stderr}")
            unfinished.rename(template)
    return template


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder without writing its holes, and without copying at all where the file system can share blocks."""
    subprocess.run(["cp", "--archive", "--reflink=auto", "--sparse=always", source, target], check=True)


def free_port() -> int:
    """Find a loopback port nobody listens on; each test process starts looking somewhere else."""
    for port in random.Random().sample(PORTS, k=200):  # Its own generator: test seeds are equal in all processes.
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Unavailable(f"no free loopback port in {PORTS.start} to {PORTS.stop - 1}")


def all_stopped(pid: int) -> bool:
    """Say whether every thread of a process is stopped (state `T` in Linux's /proc); true for a process that is gone."""
    try:
        stats = [path.read_text() for path in Path("/proc", str(pid), "task").glob("*/stat")]
    except OSError:  # A thread ended while we looked.
        return False
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def driver() -> ModuleType:
    """Import the MySQL driver, which only an install with the `mysql` extra has."""
    try:
        import MySQLdb
    except ImportError as error:
        raise Unavailable(f"the MySQL driver is missing ({error}); run `make engines`") from None
    return MySQLdb


def run_as() -> tuple[str, ...]:
    """Servers run as whoever runs the tests; they refuse to do so for root unless told."""
    return ("--user=root",) if os.geteuid() == 0 else ()


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log for a message."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


SMALL_AND_DURABLE = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--max-connections=300",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=256M",
    "--innodb-flush-log-at-trx-commit=1",
)
"""Settings of both engines: sized for a small machine, but an acknowledged commit is on disk."""
