"""kill -9 of the server during writes: what was acknowledged is there, nothing is there by half, a retry has one effect."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.identity.tokens import Signer
from tests.door.client import Door, Refused
from tests.door.conftest import project
from tests.door.process import Process
from tests.engines import Database

WRITERS = 4
BATCH = 7
LIVES = 4
SECONDS_OF_WRITING = 0.6


@pytest.fixture
def process(database: Database, tmp_path: Path) -> Iterator[Process]:
    process = Process(project(tmp_path, database.url))
    process.start()
    yield process
    process.kill()


def door_of(process: Process, modules: Any) -> Door:
    settings = config.load(process.folder, Environment.DEV)
    signer = Signer.kept(settings.development_signing_key)
    token = signer.mint(subject="writer", issuer=settings.auth.issuer, audience=settings.auth.audience, seconds=600)
    return Door(process.target, modules, token)


@dataclass
class History:
    """What writers asked for and were told."""

    acknowledged: dict[str, Any] = field(default_factory=dict)
    """request_id → answer."""
    unknown: dict[str, Any] = field(default_factory=dict)
    """request_id → the request whose answer never came."""
    refused: list[Refused] = field(default_factory=list)


def write(door: Door, lib: Any, parent: str, stop: threading.Event, history: History) -> None:
    while not stop.is_set():
        request_id = str(uuid.uuid4())
        tag = request_id[:8]
        requests = [lib.CreateBookRequest(book_id=f"b-{tag}-{i}", book=lib.Book(title=tag)) for i in range(BATCH)]
        request = lib.BatchCreateBooksRequest(parent=parent, requests=requests, request_id=request_id)
        try:
            history.acknowledged[request_id] = door.BatchCreateBooks(request)
        except Refused as refusal:
            if refusal.code not in {"UNAVAILABLE", "ABORTED"}:
                history.refused.append(refusal)
            history.unknown[request_id] = request
            time.sleep(0.02)


def titles(door: Door, parent: str) -> dict[str, int]:
    """Title → how many books have it."""
    counts: dict[str, int] = {}
    token = ""
    while True:
        page = door.ListBooks(parent=parent, page_size=1000, page_token=token)
        for book in page.books:
            counts[book.title] = counts.get(book.title, 0) + 1
        token = page.next_page_token
        if not token:
            return counts


def test_kill_during_writes_loses_nothing_and_repeats_nothing(process: Process, client_modules: Any) -> None:
    lib = client_modules[0]
    history = History()
    door = door_of(process, client_modules)
    parent = door.CreatePublisher(publisher_id="p", publisher=lib.Publisher(display_name="P")).name
    for _ in range(LIVES):
        stop = threading.Event()
        writers = [threading.Thread(target=write, args=(door, lib, parent, stop, history)) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        time.sleep(SECONDS_OF_WRITING)
        process.kill()
        stop.set()
        for writer in writers:
            writer.join()
        process.start()
        door.close()
        door = door_of(process, client_modules)
    assert not history.refused
    assert history.acknowledged
    assert history.unknown, "some calls were cut off"
    counts = titles(door, parent)
    assert set(counts.values()) == {BATCH}, "a batch is there whole or not at all"
    assert {request_id[:8] for request_id in history.acknowledged} <= set(counts), "every acknowledged write is there"
    for request_id, answer in list(history.acknowledged.items())[-20:]:
        requests = [lib.CreateBookRequest(book_id=b.name.rpartition("/")[2], book=lib.Book(title=b.title)) for b in answer.books]
        assert door.BatchCreateBooks(parent=parent, requests=requests, request_id=request_id) == answer, (
            "the first answer, also after a crash"
        )
    for request in history.unknown.values():
        first = door.BatchCreateBooks(request)
        assert door.BatchCreateBooks(request) == first
    counts = titles(door, parent)
    assert set(counts.values()) == {BATCH}
    assert len(counts) == len(history.acknowledged) + len(history.unknown)
    door.close()


def test_sigterm_ends_the_process_with_code_0(process: Process) -> None:
    assert process.terminate() == 0
    process.start()
