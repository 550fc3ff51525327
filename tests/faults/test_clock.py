"""F25: the clock of the server's machine jumps. Deadlines do not notice; tokens do, with their leeway; no answer is forgotten early."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests import tools
from tests.conftest import miss
from tests.door.client import Door, Refused
from tests.door.running import environment
from tests.engines import Database, Unavailable
from tests.faults.others import SERVERS, SQLITE
from tests.faults.service import Service, until

HOUR_SECONDS = 3_600
JUMPS = [HOUR_SECONDS, -HOUR_SECONDS, 400 * 24 * HOUR_SECONDS]
SLEEP = "import select, time; time.sleep = lambda seconds: select.select([], [], [], seconds) and None"
TOKEN_SECONDS = 500 * 24 * HOUR_SECONDS
"""Of the caller's token: longer than any jump."""


@dataclass(frozen=True)
class Jumping:
    """A service whose clock can be set."""

    service: Service
    file: Path

    def jump(self, seconds: int) -> None:
        """Set its wall clock so far from the true one; it is asked for at every look."""
        self.file.write_text(f"{seconds:+d}\n")

    def door(self, seconds: int = TOKEN_SECONDS) -> Door:
        """Calls with a token of so many seconds, by the true clock."""
        return Door(self.service.target, self.service.modules, self.service.token(seconds))


@pytest.fixture(scope="session")
def libfaketime(request: pytest.FixtureRequest) -> Path:
    """The library that makes clocks jump."""
    try:
        return tools.libfaketime()
    except Unavailable as reason:
        miss(request.config, "libfaketime", reason)


@pytest.fixture
def jumping(libfaketime: Path, start: Callable[..., Service], tmp_path: Path) -> Iterator[Jumping]:
    file = tmp_path / "clock"
    file.write_text("+0\n")
    # The clock of deadlines does not jump with the other; libfaketime would have it jump, too. Told not to, it breaks time.sleep.
    (tmp_path / "sitecustomize.py").write_text(SLEEP)
    service = start(
        LD_PRELOAD=str(libfaketime),
        FAKETIME_NO_CACHE="1",
        FAKETIME_TIMESTAMP_FILE=str(file),
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        PYTHONPATH=os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]),
    )
    yield Jumping(service, file)
    assert '"trace"' not in service.log, "the server took something for a bug"


@pytest.mark.parametrize("seconds", JUMPS)
def test_f25_calls_under_way_and_after_a_jump_of_the_clock_go_on(jumping: Jumping, seconds: int) -> None:
    service, lib = jumping.service, jumping.service.lib
    with closing(jumping.door()) as door:
        parent = service.publisher(door, "p")
        request = lib.CreateBookRequest(parent=parent, book=lib.Book(title="x"), request_id=str(uuid.uuid4()))
        first = door.CreateBook(request)
        made = [door.CreateBook(parent=parent, book=lib.Book(title="x")).name for _ in range(20)]
        page = door.ListBooks(parent=parent, page_size=5)
        jumping.jump(seconds)
        changed = door.UpdateBook(book=lib.Book(name=first.name, title="y", etag=first.etag))
        assert abs(changed.update_time.seconds - time.time() - seconds) < 60, "the clock has jumped"
        assert changed.etag != first.etag
        with pytest.raises(Refused) as stale:
            door.UpdateBook(book=lib.Book(name=first.name, title="z", etag=first.etag))
        assert stale.value.reason == "ETAG_MISMATCH"
        assert door.CreateBook(request) == first, "its answer is kept"
        made += [door.CreateBook(parent=parent, book=lib.Book(title="x")).name for _ in range(20)]
        assert len(set(made)) == 40, "ids stay unique, whatever order they have"
        if seconds <= HOUR_SECONDS:
            assert len(door.ListBooks(parent=parent, page_size=5, page_token=page.next_page_token).books) == 5


@SQLITE
@pytest.mark.parametrize("seconds", JUMPS)
def test_f25_a_deadline_is_kept_when_the_clock_jumps_in_the_middle(jumping: Jumping, seconds: int) -> None:
    service = jumping.service
    with closing(jumping.door()) as door:
        parent = service.publisher(door, "p")
        items = [service.lib.CreateBookRequest(book_id=f"b{n}", book=service.lib.Book(title="x")) for n in range(300)]
        door.BatchCreateBooks(parent=parent, requests=items)
        service.slow.touch()
        call: Any = door.channel.unary_unary("/library.v1.Library/CreateBook")
        message = service.lib.CreateBookRequest(parent=parent, book_id="slow", book=service.lib.Book(title="x")).SerializeToString()
        began = time.monotonic()
        running = call.future(message, timeout=1.5, metadata=(("authorization", f"Bearer {door.token}"),))
        time.sleep(0.3)
        jumping.jump(seconds)
        assert running.exception().code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert 1.2 < time.monotonic() - began < 2.5
        service.slow.unlink()
        until(lambda: door.CreateBook(parent=parent, book_id="free", book=service.lib.Book(title="x"), seconds=5).name)


@SQLITE
def test_f25_tokens_are_judged_by_the_servers_clock_with_a_leeway_of_less_than_a_minute(jumping: Jumping) -> None:
    with closing(jumping.door(600)) as old:
        old.WhoAmI()
        for number, (seconds, taken) in enumerate({590: True, 670: False, -20: True, -100: False}.items(), 1):
            jumping.jump(seconds)
            with closing(jumping.door(600 + number)) as fresh:  # Of the same second and span it would be the same token.
                assert is_taken(fresh) is taken, seconds
            if seconds > 0:
                assert is_taken(old) is taken, "also a token that had been taken before"


FORGET = """
import sys
from protoplane.method.replay import forget_old
from protoplane.store.engine import Engine
print(forget_old(Engine(sys.argv[1], threads=1), seconds_max=20))
"""


@SERVERS
def test_f25_a_process_whose_clock_is_ahead_forgets_no_answer_early(
    service: Service, session_database: Database, door: Door, parent: str, libfaketime: Path
) -> None:
    """Time for forgetting is the database's, which all processes share."""
    request = service.lib.CreateBookRequest(parent=parent, book=service.lib.Book(title="x"), request_id=str(uuid.uuid4()))
    first = door.CreateBook(request)
    ahead = environment(LD_PRELOAD=str(libfaketime), FAKETIME="+400d")
    done = subprocess.run([sys.executable, "-c", FORGET, session_database.url], env=ahead, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
    assert door.CreateBook(request) == first


def is_taken(door: Door) -> bool:
    """Whether the door's token is believed."""
    try:
        door.WhoAmI()
    except Refused as refusal:
        if refusal.code != "UNAUTHENTICATED":
            raise
        return False
    return True
