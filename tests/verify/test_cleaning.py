"""What was made is taken away: after failures, in the middle, under limits; and what cannot be is told."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.door.running import PROTOPLANE, environment
from tests.verify.batches import Batching
from tests.verify.foreign import serving
from tests.verify.test_foreign import verify

SECONDS_MAX = 60.0


class Halting(Batching):
    """Says when so many rows were made."""

    def __init__(self, rows: int) -> None:
        super().__init__(frozenset())
        self.reached, self._left = threading.Event(), rows

    def create(self, word: str, request: Any) -> Any:
        """Create."""
        self._left -= 1
        if self._left == 0:
            self.reached.set()
        return super().create(word, request)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("rows", [1, 60])
def test_an_interrupt_ends_the_checks_and_leaves_nothing(number: signal.Signals, rows: int) -> None:
    attic = Halting(rows)
    with serving(attic=attic) as (target, _):
        command = [*PROTOPLANE, "verify", target, "--rate", "400"]
        with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert attic.reached.wait(SECONDS_MAX)
                os.kill(process.pid, number)
                out, err = process.communicate(timeout=SECONDS_MAX)
            finally:
                process.kill()
        assert attic.rows == {}
    assert (process.returncode, "stopped before the end: interrupted" in err) == (1, True), out + err
    assert "Traceback" not in err


def test_a_limit_of_calls_ends_the_checks_and_leaves_nothing(tmp_path: Path) -> None:
    with serving() as (target, attic):
        ran, found = verify(target, tmp_path, "--calls", "150")
        assert attic.rows == {}
    assert (ran.exit_code, found["stopped"]) == (1, "150 calls were made")


def test_what_cannot_be_deleted_is_told(tmp_path: Path) -> None:
    class Sticky(Batching):
        """Deletes no box."""

        def delete(self, word: str, request: Any) -> Any:
            """Delete."""
            if word == "box":
                raise PermissionError("never")
            return super().delete(word, request)

    with serving(attic=Sticky(frozenset())) as (target, attic):
        ran, found = verify(target, tmp_path, "--only", "17")
        assert {one["name"] for one in found["left"]} == set(attic.rows)
    assert found["left"]
    assert all("UNKNOWN" in one["why"] for one in found["left"])
    assert ran.exit_code == 1
    assert f"left behind: {found['left'][0]['name']}: UNKNOWN" in ran.output


def test_what_a_server_makes_though_it_was_only_asked_to_rehearse_is_taken_away(tmp_path: Path) -> None:
    with serving("rehearsals are real") as (target, attic):
        verify(target, tmp_path, "--only", "13")
        assert attic.rows == {}


def test_calls_come_no_faster_than_asked(tmp_path: Path) -> None:
    came: list[float] = []

    class Timed(Batching):
        """Notes when lists are asked for."""

        def page(self, word: str, request: Any) -> Any:
            """List."""
            came.append(time.monotonic())
            return super().page(word, request)

    with serving(attic=Timed(frozenset())) as (target, _):
        verify(target, tmp_path, "--only", "19", "--only", "Box", "--rate", "40")
    assert len(came) > 5
    assert came[-1] - came[0] >= (len(came) - 1) / 40 * 0.9
