"""`protoplane dev`, `serve` and `token` as processes: started, changed, stopped and killed as people do."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from protoplane.cli.main import COMMANDS
from protoplane.identity.tokens import Signer
from tests import tools
from tests.engines import Unavailable

PROTOS = Path(__file__).parent / "protos"
COMMAND = [sys.executable, "-m", "protoplane.cli.main"]
PAGE_KEY = base64.b64encode(b"k" * 32).decode()


class Process:
    """A command under way, with what it has printed so far."""

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        self.out, self.err = list[str](), list[str]()
        self._news = threading.Condition()
        known = {name: value for name, value in os.environ.items() if not name.startswith("PROTOPLANE_")}
        environment = known | {"PROTOPLANE_SERVER_ADDRESS": "127.0.0.1:0"} | variables
        self.process = subprocess.Popen(
            [*COMMAND, *arguments, "--project", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            assert stream is not None
            threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    lines.append(line.rstrip("\n"))
                    self._news.notify_all()

    def seen(self, pattern: str, *, times: int = 1, seconds: float = 30) -> list[str]:
        """The lines of either stream that match, once there are so many."""

        def found() -> list[str]:
            return [line for line in (*self.out, *self.err) if re.search(pattern, line)]

        with self._news:
            assert self._news.wait_for(lambda: len(found()) >= times, seconds), f"no {pattern!r} in {self.out} {self.err}"
            return found()

    def port(self, *, starts: int = 1) -> int:
        """The port of the latest of so many starts."""
        return int(json.loads(self.seen('"server.started"', times=starts)[-1])["port"])

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(PROTOS, tmp_path / "protos")
    return tmp_path


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        if process.process.poll() is None:
            process.process.terminate()
            process.process.wait(30)


@pytest.fixture
def dev(folder: Path, processes: list[Process]) -> Process:
    processes.append(Process(folder, "dev"))
    return processes[-1]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False, env=os.environ | variables)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until_closed(port: int) -> None:
    deadline = threading.Event()
    for _ in range(300):
        if not is_open(port):
            return
        deadline.wait(0.1)
    pytest.fail(f"something still listens on {port}")


def change(folder: Path, old: str, new: str) -> None:
    file = folder / "protos/library/v1/library.proto"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_printed_grpcurl_line_works_as_pasted(dev: Process) -> None:
    try:
        program = tools.grpcurl()
    except Unavailable as reason:
        pytest.skip(str(reason))
    (line,) = dev.seen("^grpcurl ")
    path = f"{program.parent}:{os.environ['PATH']}"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=30, check=False, env={"PATH": path})
    assert (done.returncode, json.loads(done.stdout)) == (0, {})
    assert "library.v1.Library/ListBooks" in line


def test_what_is_printed_for_people_is_on_stdout_and_the_log_on_stderr(dev: Process, folder: Path) -> None:
    dev.seen('"server.started"')
    dev.seen("^grpcurl ")
    assert dev.out[0] == f"Serving {folder.name} on localhost:{dev.port()}"
    assert all(json.loads(line) for line in dev.err)
    assert dev.stop() == 0


def test_a_change_is_served_by_a_new_process_and_the_data_stays(dev: Process, folder: Path) -> None:
    dev.port()
    key = (folder / ".protoplane/token-key.json").read_text()
    change(folder, "string title = 2", "string subtitle = 3;\n  string title = 2")
    dev.seen("library.proto changed")
    assert is_open(dev.port(starts=2))
    assert (folder / ".protoplane/token-key.json").read_text() == key  # The token that was pasted still works.


def test_a_faulty_contract_is_told_whole_and_waited_for(dev: Process, folder: Path) -> None:
    first = dev.port()
    change(folder, "option (protoplane.v1.rule).public = true;", "")
    dev.seen("waiting for a change")
    dev.seen(r"rule-missing|has no rule|mend:")
    assert not is_open(first)
    (folder / "protos/library/v1/library.proto").write_text((PROTOS / "library/v1/library.proto").read_text())
    assert is_open(dev.port(starts=2))


def test_settings_with_faults_are_told_and_waited_for(dev: Process, folder: Path) -> None:
    dev.port()
    (folder / "protoplane.toml").write_text("[server]\nthraeds = 3\n")
    dev.seen("did you mean 'threads'")
    dev.seen("waiting for a change")
    (folder / "protoplane.toml").write_text("[server]\nthreads = 3\n")
    assert is_open(dev.port(starts=2))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_both_processes(dev: Process, number: signal.Signals) -> None:
    port = dev.port()
    assert dev.stop(number) == 0
    assert not is_open(port)


def test_the_serving_process_ends_when_the_watching_one_is_killed(dev: Process) -> None:
    port = dev.port()
    dev.process.kill()
    wait_until_closed(port)


def test_a_port_in_use_is_told_and_the_exit_code_is_1(
    folder: Path, processes: list[Process], tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(PROTOS, other / "protos")
    processes.append(Process(folder, "dev", "--once"))
    port = processes[-1].port()
    processes.append(Process(other, "dev", "--once", PROTOPLANE_SERVER_ADDRESS=f"127.0.0.1:{port}"))
    assert processes[-1].process.wait(30) == 1
    processes[-1].seen("another process does")


def test_a_start_keeps_the_data_and_reset_drops_it(folder: Path, processes: list[Process]) -> None:
    def books() -> int:
        with contextlib.closing(sqlite3.connect(folder / ".protoplane/dev.db")) as database:
            count: int = database.execute("SELECT count(*) FROM books").fetchone()[0]
            return count

    def start(*arguments: str) -> None:
        processes.append(Process(folder, "dev", "--once", *arguments))
        processes[-1].port()
        assert processes[-1].stop() == 0

    start()
    with contextlib.closing(sqlite3.connect(folder / ".protoplane/dev.db")) as database:
        database.execute("INSERT INTO books (book, title) VALUES ('b', 't')")
        database.commit()
    start()
    assert books() == 1
    start("--reset")
    assert books() == 0


def test_the_token_command_prints_a_token_and_nothing_else(folder: Path) -> None:
    done = run("token", "alice", "--hours", "1", "--project", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    payload = done.stdout.strip().split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert (claims["sub"], claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == ("alice", "protoplane-dev", folder.name, 3_600)


def test_serve_tells_everything_it_lacks(folder: Path) -> None:
    done = run("serve", "--project", str(folder))
    assert done.returncode == 1
    assert done.stdout == ""
    assert all(name in done.stderr for name in ("database.url", "auth.issuer", "auth.audience", "auth.keys", "page_tokens.keys"))
    assert not (folder / ".protoplane").exists()


def test_serve_starts_on_tables_that_fit_and_stops_gracefully(folder: Path, processes: list[Process]) -> None:
    (folder / "jwks.json").write_text(json.dumps(Signer.new().jwks()))
    (folder / "page.keys").write_text(PAGE_KEY)
    production = {
        "PROTOPLANE_DATABASE_URL": "sqlite:///library.db",
        "PROTOPLANE_AUTH_ISSUER": "https://issuer.example",
        "PROTOPLANE_AUTH_AUDIENCE": "library",
        "PROTOPLANE_AUTH_KEYS": "jwks.json",
        "PROTOPLANE_PAGE_TOKENS_KEYS": "page.keys",
        "PROTOPLANE_SERVER_DRAIN_SECONDS": "0",
    }
    processes.append(Process(folder, "serve", **production))
    assert processes[-1].process.wait(30) == 1
    processes[-1].seen("CREATE TABLE")
    assert run("migrate", "--production", "--apply", "--project", str(folder), **production).returncode == 0
    processes.append(Process(folder, "serve", **production))
    assert is_open(processes[-1].port())
    assert processes[-1].out == []
    assert processes[-1].stop() == 0
    processes[-1].seen('"server.stopped"')


def test_help_lists_every_command_without_importing_what_they_need() -> None:
    code = "import sys; from protoplane.cli.main import main; main(['--help'], standalone_mode=False); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert all(re.search(rf"^  {name} ", done.stdout, re.MULTILINE) for name in COMMANDS)
    heavy = {"grpc", "google.protobuf", "peewee", "watchfiles", "joserfc", "protovalidate"}
    assert not heavy & set(done.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_ends_with_a_dot(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0
    assert "Usage: " in done.stdout
    assert COMMANDS[name][2].endswith(".")


@pytest.mark.parametrize("arguments", [["nothing"], ["dev", "--nothing"], ["token", "--hours", "0"], ["dev", "--project", "/nothing"]])
def test_misuse_has_exit_code_2(arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2


def test_completion_knows_the_commands() -> None:
    done = run(_PROTOPLANE_COMPLETE="bash_complete", COMP_WORDS="main.py d", COMP_CWORD="1")
    assert "dev" in done.stdout
