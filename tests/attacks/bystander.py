"""Somebody who works while others attack: authenticated Gets at a steady rate over a connection, and a process, of their own.

`python -m tests.attacks.bystander ADDRESS PATH`, with the token and the request (base64) on two lines of standard input, prints a line
for each call until standard input ends: when it began on the machine's monotonic clock, the seconds it took, and its code.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from tests.attacks.target import GET, Target
from tests.bench.contract import ROOT

EVERY_SECONDS = 0.02
DEADLINE_SECONDS = 5.0
WAIT_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Call:
    """One of the calls."""

    began_seconds: float
    took_seconds: float
    code: str


class Bystander:
    """The calls of that process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process, self._news = process, threading.Condition()
        self._calls: list[Call] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                began, took, code = line.split()
                with self._news:
                    self._calls.append(Call(float(began), float(took), code))
                    self._news.notify_all()

    def calls(self, since_seconds: float, until_seconds: float, *, at_least: int = 0) -> Sequence[Call]:
        """The calls that began in this time, once all of them are over and there are enough of them."""

        def over() -> bool:
            return bool(self._calls) and self._calls[-1].began_seconds >= until_seconds

        with self._news:
            assert self._news.wait_for(over, WAIT_SECONDS_MAX), "the bystander has stopped"
            found = [call for call in self._calls if since_seconds <= call.began_seconds < until_seconds]
        assert len(found) >= at_least, f"only {len(found)} calls of a bystander began in {until_seconds - since_seconds} s"
        return found

    def work(self, calls: int) -> None:
        """Wait until so many more calls have come back."""
        with self._news:
            wanted = len(self._calls) + calls
            assert self._news.wait_for(lambda: len(self._calls) >= wanted, WAIT_SECONDS_MAX), "the bystander is held up"


@contextmanager
def bystander(target: Target) -> Iterator[Bystander]:
    """Let somebody work until the end of the block."""
    command = [sys.executable, "-m", "tests.attacks.bystander", target.address, GET]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(f"{target.token()}\n{base64.b64encode(target.get).decode()}\n")
        process.stdin.flush()
        working = Bystander(process)
        working.work(20)
        yield working
        process.stdin.close()
        process.wait(WAIT_SECONDS_MAX)


def main(address: str, path: str) -> None:
    """Call until standard input ends."""
    token, request = sys.stdin.readline().strip(), base64.b64decode(sys.stdin.readline())
    ended = threading.Event()

    def await_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=await_end, daemon=True).start()
    with grpc.insecure_channel(address) as channel:
        call: Callable[..., bytes] = channel.unary_unary(path)
        while not ended.is_set():
            began = time.monotonic()
            code = "OK"
            try:
                call(request, timeout=DEADLINE_SECONDS, metadata=(("authorization", f"Bearer {token}"),))
            except grpc.RpcError as error:
                code = error.code().name
            took = time.monotonic() - began
            print(f"{began:.6f} {took:.6f} {code}", flush=True)
            ended.wait(EVERY_SECONDS - took)


if __name__ == "__main__":
    main(*sys.argv[1:])
