"""F37, P7: twice the load that the server can carry, for half a minute."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.identity.tokens import Signer
from tests.door.client import Door
from tests.door.conftest import project
from tests.door.process import Process
from tests.engines import Database

ROOT = Path(__file__).resolve().parents[2]
BOOKS = 6_000
PEAK_SECONDS = 5.0
SECONDS = 30.0
GROWTH_BYTES_MAX = 64 * 1024 * 1024
METHOD = "/library.v1.Library/ListBooks"


@dataclass(frozen=True)
class Loaded:
    """A server with books in it."""

    process: Process
    pid: int
    token: str
    request: bytes

    def load(self, rate: float, seconds: float) -> dict[str, Any]:
        """What became of calls at this rate; 0 for as many as it can do."""
        command = [sys.executable, "-m", "tests.overload.load", self.process.target, self.token, METHOD]
        command += [base64.b64encode(self.request).decode(), str(rate), str(seconds)]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 60, check=True)
        found: dict[str, Any] = json.loads(ran.stdout)
        return found

    def resident_bytes(self) -> int:
        """Memory of the server's process."""
        line = next(line for line in Path("/proc", str(self.pid), "status").read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1_024

    def database_millis(self) -> float:
        """What the server says that the database took of one call, when nothing else goes on: the median of some."""
        metadata = [("authorization", f"Bearer {self.token}"), ("server-timing", "on")]
        found = []
        with grpc.insecure_channel(self.process.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            method: Any = channel.unary_unary(METHOD)
            for _ in range(21):
                _, call = method.with_call(self.request, metadata=metadata, timeout=10)
                stages = dict(call.trailing_metadata())["server-timing"].split(", ")
                found.append(float(dict(stage.split(";dur=") for stage in stages)["sql"]))
        return sorted(found)[10]


@pytest.fixture
def loaded(database: Database, tmp_path: Path, client_modules: Any) -> Iterator[Loaded]:
    folder = project(tmp_path, database.url)
    with (folder / "protoplane.toml").open("a") as file:
        file.write('\n[log]\ncalls = "failed"\n')  # As in production.
    process = Process(folder)
    process.start()
    settings = config.load(process.folder, Environment.DEV)
    signer = Signer.kept(settings.development_signing_key)
    token = signer.mint(subject="writer", issuer=settings.auth.issuer, audience=settings.auth.audience, seconds=600)
    door, lib = Door(process.target, client_modules, token), client_modules[0]
    parent = door.CreatePublisher(publisher_id="p", publisher=lib.Publisher(display_name="P")).name
    for start in range(0, BOOKS, 500):
        requests = [lib.CreateBookRequest(book_id=f"b-{n}", book=lib.Book(title=f"Title {n}")) for n in range(start, start + 500)]
        door.BatchCreateBooks(parent=parent, requests=requests)
    door.close()
    request = lib.ListBooksRequest(parent=parent, page_size=10, filter='title = "no such title"').SerializeToString()
    yield Loaded(process, process.pid, token, request)
    process.kill()


@pytest.mark.engines("mariadb")
def test_twice_the_load_it_can_carry_is_partly_refused_and_leaves_nothing_behind(loaded: Loaded) -> None:
    """How much of its peak the server keeps (P7) is a ratio, which `python -m tests.bench overload` prints: the load has the same processors here."""
    assert loaded.database_millis() > 1, "the method is to cost its database something"
    loaded.load(0, 2.0)  # Every thread has its connection, and the memory it needs.
    peak = loaded.load(0, PEAK_SECONDS)
    assert set(peak) == {"OK"}
    peak_rate = peak["OK"]["count"] / PEAK_SECONDS
    before = loaded.resident_bytes()

    over = loaded.load(2 * peak_rate, SECONDS)

    assert set(over) == {"OK", "RESOURCE_EXHAUSTED"}, over
    assert over["OK"]["count"] > peak["OK"]["count"], "it goes on for all that time"
    assert over["RESOURCE_EXHAUSTED"]["p50"] < over["OK"]["p50"], over
    assert loaded.resident_bytes() - before < GROWTH_BYTES_MAX

    after = loaded.load(peak_rate / 4, 2.0)
    assert set(after) == {"OK"}, f"it serves as before at once: {after}"
    until = time.monotonic() + 5
    while loaded.resident_bytes() - before >= GROWTH_BYTES_MAX // 2 and time.monotonic() < until:
        time.sleep(0.2)
    assert loaded.resident_bytes() - before < GROWTH_BYTES_MAX // 2, "what the flood took is given back"
