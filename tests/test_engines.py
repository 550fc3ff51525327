"""The engines themselves: what the other tests rely on when they mistreat one."""

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines import Database, Engine
from tests.engines.server import Server

SERVERS = ("mariadb", "mysql")

LEAVE_BEHIND = """
import os, sys
from tests.engines.session import start
server = start(sys.argv[1])
print(server.pid, server.folder, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_database_starts_empty_and_keeps_what_is_committed(database: Database) -> None:
    database.execute("CREATE TABLE flight (id INTEGER PRIMARY KEY)")
    database.execute("INSERT INTO flight VALUES (7)")
    assert database.execute("SELECT id FROM flight") == [(7,)]


def test_two_databases_do_not_share_tables(engine: Engine, database: Database) -> None:
    other = engine.create_database()
    database.execute("CREATE TABLE flight (id INTEGER PRIMARY KEY)")
    other.execute("CREATE TABLE flight (id INTEGER PRIMARY KEY)")
    other.drop()
    assert database.execute("SELECT id FROM flight") == []


@pytest.mark.engines(*SERVERS)
def test_what_was_committed_survives_a_kill(server: Server, database: Database) -> None:
    database.execute("CREATE TABLE flight (id INTEGER PRIMARY KEY)")
    database.execute("INSERT INTO flight VALUES (7)")
    server.kill()
    server.restart()
    assert database.execute("SELECT id FROM flight") == [(7,)]


@pytest.mark.engines(*SERVERS)
def test_a_paused_server_goes_on_where_it_was(server: Server, database: Database) -> None:
    server.pause()
    with socket.create_connection(("127.0.0.1", server.port), timeout=0.2) as client, pytest.raises(TimeoutError):
        client.recv(1)  # The kernel accepts; a server that runs greets first.
    server.resume()
    assert database.execute("SELECT 1") == [(1,)]


@pytest.mark.engines(*SERVERS)
def test_a_database_with_open_locks_can_be_dropped(server: Server) -> None:
    import MySQLdb

    database = server.create_database()
    database.execute("CREATE TABLE flight (id INTEGER PRIMARY KEY)")
    holder = MySQLdb.connect(host="127.0.0.1", port=server.port, user="root", database=database.name)
    holder.cursor().execute("SELECT * FROM flight")  # Its transaction stays open, and with it the table's metadata lock.
    database.drop()
    with pytest.raises(MySQLdb.OperationalError):
        holder.ping()


@pytest.mark.engines(*SERVERS)
def test_nothing_is_left_behind_when_the_tests_are_killed(engine: Engine) -> None:
    command = [sys.executable, "-c", LEAVE_BEHIND, engine.name]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    pid, folder = done.stdout.split()
    wait_for_end(int(pid))
    wait_for_end(guard_of(folder))
    assert not Path(folder).exists()


def guard_of(folder: str) -> int:
    """Find the guard process that looks after a folder, by its command line; 0 when it has ended already."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and folder.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                return int(entry.name)
        except OSError:  # Ended while we looked.
            continue
    return 0


def wait_for_end(pid: int) -> None:
    """Wait for the end of a process that is not our child."""
    try:
        handle = os.pidfd_open(pid) if pid else None
    except ProcessLookupError:
        return
    if handle is not None:
        select.select([handle], [], [], 30)
        os.close(handle)
