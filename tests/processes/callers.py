"""Callers that try again while processes of the server die, in a process of their own.

It is gRPC's C core that tries again, and what aborts in it would else end the whole run of tests.

`python -m tests.processes.callers JOB SOURCE TARGET`, with the token on a line of standard input, prints what it finds out as JSON, an
object a line; a later one replaces what an earlier one said. SOURCE is the folder of the client package. Jobs, by name:

- `load`: clients that read and write in turn, each on its own connection, until standard input ends; `answered`, and texts of what `failed`;
- `many`: many calls at once on one connection; the process that answered the `first` call, and the `pids` of all;
- `everybody`: the `pids` that answer on many connections, one after the other.
"""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import grpc

from tests.processes.client import SECONDS_MAX, Client

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = 6
CALLS = 15
"""At once on one connection: what a process of the server works on at once, all but one."""
CONNECTIONS = 24
"""Enough that each of a few processes has one."""
TELL_SECONDS = 0.02


class Callers:
    """That process, and what it has told."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self._process, self._errors = process, errors
        self._told: dict[str, Any] = {}
        self._news = threading.Condition()
        self._over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._news:
                    self._told |= json.loads(line)
                    self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def until(self, true: Callable[[Mapping[str, Any]], object]) -> Mapping[str, Any]:
        """What they have told, once it is so; AssertionError if their process ends otherwise than well, or it takes too long."""
        with self._news:
            assert self._news.wait_for(lambda: self._over or true(self._told), SECONDS_MAX), f"not in time: {self._told}"
        if self._over:
            self.ended()
        assert true(self._told), f"they were to tell more than {self._told}"
        return self._told

    def stop(self) -> None:
        """Tell them that it is enough; all that they found out has been told afterwards."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.ended()

    def ended(self) -> None:
        """Wait until they end; AssertionError, with what the process said, if it does not end well."""
        code = self._process.wait(SECONDS_MAX)
        self._reader.join(SECONDS_MAX)
        if code:
            self._errors.seek(0)
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
            raise AssertionError(f"the process of the callers ended {how}:\n{self._errors.read()}")

    def kill(self) -> None:
        """End them, unless they have ended."""
        self._process.kill()
        self._process.wait()
        self._reader.join()


@contextmanager
def calling(job: str, client: Client, target: str) -> Iterator[Callers]:
    """Callers at work, until the end of the block at the latest."""
    command = [sys.executable, "-m", "tests.processes.callers", job, str(client.source), target]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdin is not None
        callers = Callers(process, errors)
        try:
            process.stdin.write(f"{client.token}\n")
            process.stdin.flush()
            yield callers
        finally:
            callers.kill()


def everybody(client: Client, target: str) -> set[int]:
    """The processes that answer at the address."""
    with calling("everybody", client, target) as callers:
        return set(callers.until(lambda told: "pids" in told)["pids"])


class Load:
    """Clients at work, and what became of their calls so far."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    def _told(self) -> Mapping[str, Any]:
        return self._callers.until(lambda told: "answered" in told)

    @property
    def answered(self) -> int:
        """How many calls."""
        return int(self._told()["answered"])

    @property
    def failed(self) -> list[str]:
        """How each failed that did."""
        return list(self._told()["failed"])

    def wait(self, calls: int) -> None:
        """Until more than so many more are answered, or one has failed."""
        wanted = self.answered + calls
        self._callers.until(lambda told: told["answered"] > wanted or told["failed"])


@contextmanager
def load(client: Client, target: str) -> Iterator[Load]:
    """Clients at work for as long as the block lasts."""
    with calling("load", client, target) as callers:
        going = Load(callers)
        going.wait(0)
        yield going
        going.wait(10 * CLIENTS)
        callers.stop()


def tell(**found: object) -> None:
    """Say it."""
    print(json.dumps(found), flush=True)


class Worker:
    """One of the clients of `load`."""

    def __init__(self, client: Client, target: str, number: int, ended: threading.Event) -> None:
        self._client, self._target, self._number, self._ended = client, target, number, ended
        self.answered = 0
        self.failed: list[str] = []

    def run(self) -> None:
        """Work, until told to stop."""
        with self._client.stub(self._target) as stub:
            for turn in itertools.count():
                if self._ended.is_set():
                    return
                try:
                    self._work(stub, f"{self._number}-{turn}")
                except grpc.RpcError as error:
                    self.failed.append(f"{error.code()}: {error.details()}")

    def _work(self, stub: Any, text: str) -> None:
        pb, own = self._client.pb, self._client.own
        made = stub.CreateNote(pb.CreateNoteRequest(note=pb.Note(text=text)), **own)
        if (read := stub.GetNote(pb.GetNoteRequest(name=made.name), **own).text) != text:
            self.failed.append(f"{made.name} was made with {text!r} and has {read!r}")
        stub.Ask(pb.AskRequest(seconds=0.02), **own)
        self.answered += 3


def work(client: Client, target: str) -> None:
    """The job `load`."""
    ended = threading.Event()
    workers = [Worker(client, target, number, ended) for number in range(CLIENTS)]
    threads = [threading.Thread(target=worker.run) for worker in workers]

    def await_end() -> None:
        sys.stdin.read()
        ended.set()

    def tell_all() -> None:
        tell(answered=sum(worker.answered for worker in workers), failed=[text for worker in workers for text in worker.failed])

    threads.append(threading.Thread(target=await_end))
    for thread in threads:
        thread.start()
    while not ended.wait(TELL_SECONDS):
        tell_all()
    for thread in threads:
        thread.join()
    tell_all()


def call_many(client: Client, target: str) -> None:
    """The job `many`."""
    ask, own = client.pb.AskRequest, client.own
    with client.stub(target) as stub, ThreadPoolExecutor(CALLS) as pool:
        tell(first=stub.Ask(ask(), **own).pid)
        calls = [pool.submit(stub.Ask, ask(id=f"many-{number}", seconds=0.5), **own) for number in range(CALLS)]
        tell(pids=[call.result().pid for call in calls])


def meet(client: Client, target: str) -> None:
    """The job `everybody`."""
    found = set[int]()
    for _ in range(CONNECTIONS):
        with client.stub(target) as stub:
            found.add(int(stub.Ask(client.pb.AskRequest(), **client.own).pid))
    tell(pids=sorted(found))


JOBS: Mapping[str, Callable[[Client, str], None]] = {"load": work, "many": call_many, "everybody": meet}


if __name__ == "__main__":
    JOBS[sys.argv[1]](Client.of(Path(sys.argv[2]), sys.stdin.readline().strip()), sys.argv[3])
