"""F38, F39, F42: memory, file descriptors and a log that nobody reads."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.door.client import Door
from tests.door.running import environment
from tests.engines import Database
from tests.engines.server import Server
from tests.faults.others import SQLITE
from tests.faults.service import Service, serving, until

MEGABYTE = 1_000_000
SEED = 1_000
DOUBLINGS = 7
ROWS = SEED << DOUBLINGS
"""128,000."""
FLAT_BYTES = 16 * MEGABYTE
"""How much a process may grow after its first pages; all rows together have 20 times as much."""
DESCRIPTORS = 64
PIPE_BYTES = 4_096


@pytest.fixture(scope="module")
def many(module_database: Database, client_modules: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """A service with ROWS books, and their parent."""
    with serving(tmp_path_factory.mktemp("many"), module_database, client_modules, PROTOPLANE_LOG_CALLS="none") as service:
        with closing(service.door()) as door:
            parent = service.publisher(door, "p")
            notes = "a note of some length " * 5
            book = service.lib.Book(title="x", notes=notes, tags=["a", "b"], labels={"k": "v"})
            items = [service.lib.CreateBookRequest(book_id=f"b{n}", book=book) for n in range(SEED)]
            door.BatchCreateBooks(parent=parent, requests=items)
        multiply(module_database)
        yield service, parent


def multiply(database: Database) -> None:
    """Double the books, again and again, past the server: a hundred times quicker."""
    server = isinstance(database.engine, Server)
    shown = database.execute("SHOW COLUMNS FROM books" if server else "PRAGMA table_info(books)")
    names = [str(row[0] if server else row[1]) for row in shown]
    for doubling in range(DOUBLINGS):
        own = f"CONCAT(book, '-{doubling}')" if server else f"book || '-{doubling}'"
        values = ", ".join(own if name == "book" else name for name in names)
        database.execute(f"INSERT INTO books ({', '.join(names)}) SELECT {values} FROM books")


def walk(door: Door, parent: str, after_page: Callable[[int], None], **fields: Any) -> int:
    """Every page there is; the rows in them."""
    rows = page = 0
    token = ""
    while True:
        answer = door.ListBooks(parent=parent, page_size=1000, page_token=token, **fields)
        rows += len(answer.books)
        page += 1
        after_page(page)
        token = answer.next_page_token
        if not token:
            return rows


def test_f38_memory_is_flat_while_clients_page_through_very_many_rows(many: tuple[Service, str]) -> None:
    service, parent = many
    sizes = dict[int, int]()

    def look(page: int) -> None:
        sizes[page] = service.resident_bytes()

    with closing(service.door()) as door, closing(service.door()) as other, ThreadPoolExecutor(2) as pool:
        running = [
            pool.submit(walk, door, parent, look),
            pool.submit(walk, other, parent, lambda _: None, filter='notes = "*length*"'),
        ]
        assert [walked.result() for walked in running] == [ROWS, ROWS]
    assert sizes[ROWS // 1_000] - sizes[20] < FLAT_BYTES, "of the server"


@SQLITE
def test_f38_memory_is_flat_while_very_many_rows_are_exported(many: tuple[Service, str], tmp_path: Path) -> None:
    service, parent = many
    file = tmp_path / "books.ndjson"
    command = [sys.executable, "-m", "protoplane.cli.main", "export", "Book", "--parent", parent, "--target", service.target]
    sizes = list[tuple[int, int]]()
    with subprocess.Popen(
        [*command, "--project", str(service.folder), "--format", "ndjson", "--output", str(file)],
        env=environment(PROTOPLANE_TOKEN=service.token()),
    ) as export:
        while export.poll() is None:
            status = Path(f"/proc/{export.pid}/statm").read_text().split()
            sizes.append((int(status[1]) * resource.getpagesize() if len(status) > 1 else 0, service.resident_bytes()))
            time.sleep(0.05)
        assert export.returncode == 0
    assert file.read_bytes().count(b"\n") == ROWS
    begun = sizes[len(sizes) // 3]  # Everything is imported, and each thread of the server has had its turn.
    assert max(exporting for exporting, _ in sizes) - begun[0] < FLAT_BYTES, "of the exporting process"
    assert max(serving for _, serving in sizes) - begun[1] < FLAT_BYTES, "of the server"


@SQLITE
def test_f39_a_server_without_descriptors_does_not_spin_and_accepts_again_when_it_has_some(start: Callable[..., Service]) -> None:
    service = start(before=("prlimit", f"--nofile={DESCRIPTORS}", "--"))
    with closing(service.door()) as door, ExitStack() as stack:
        parent = service.publisher(door, "p")
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: door.ListPublishers(), range(64)))
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
        until(lambda: service.open_files() >= DESCRIPTORS - 1)
        worked, began = service.cpu_seconds(), time.monotonic()
        for _ in range(20):
            assert door.GetPublisher(name=parent).name == parent, "who is connected is served"
            time.sleep(0.05)
        assert service.cpu_seconds() - worked < 0.5 * (time.monotonic() - began)
        stack.close()
        with grpc.insecure_channel(service.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            ping: Any = channel.unary_unary("/library.v1.Library/Ping")
            ping(b"", timeout=20, wait_for_ready=True)
        assert door.GetPublisher(name=parent).name == parent


@SQLITE
def test_f42_a_log_that_nobody_reads_holds_up_no_call_and_not_the_end(database: Database, client_modules: Any, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    service = Service(tmp_path, database, client_modules, PROTOPLANE_LOG_CALLS="all")
    service.stderr = writer
    service.start()
    try:
        with closing(service.door()) as door:
            until(lambda: door.Ping() and waiting_bytes(reader) > PIPE_BYTES - 512)
            spent = []
            for n in range(300):
                began = time.monotonic()
                door.CreatePublisher(publisher_id=f"p{n}", publisher=service.lib.Publisher(display_name="x"), seconds=2)
                spent.append(time.monotonic() - began)
            assert sorted(spent)[len(spent) // 2] < 0.1
            before = service.resident_bytes()
            for _ in range(1_000):
                door.Ping()
            assert service.resident_bytes() - before < FLAT_BYTES
        assert service.terminate() == 0
    finally:
        service.kill()
        os.close(reader)
        os.close(writer)


def waiting_bytes(pipe: int) -> int:
    """What is in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0"), sys.byteorder)
