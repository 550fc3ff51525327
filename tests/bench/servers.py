"""The two servers compared, each in a process of its own on the same database, and what a process has used of the processor."""

import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import grpc

from protoplane.identity.tokens import Signer
from tests.bench.contract import PROJECT, ROOT
from tests.engines.server import free_port

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
TOKEN_SECONDS = 3_600
ISSUER, AUDIENCE, SUBJECT = "bench", "flightdesk", "developer"
"""The example's configuration grants everything to the subject."""
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROTOPLANE = (sys.executable, "-c", "from protoplane.cli.main import main; main()")


class NotServing(Exception):
    """A server did not start; the text has what it said."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that takes calls."""

    name: str
    target: str
    pid: int
    metadata: Mapping[str, str]
    """What each call carries; names are lower case."""

    def processor_seconds(self) -> float:
        """Processor time of the process and those it started so far, user and system; counted in hundredths of a second."""
        ticks = 0
        for file in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # It has just ended.
                fields = file.read_text().rpartition(")")[2].split()  # The first is the state, the second the parent.
                if self.pid in {int(file.parent.name), int(fields[1])}:
                    ticks += int(fields[11]) + int(fields[12])  # utime and stime.
        return ticks / TICKS_PER_SECOND


@contextmanager
def reference(url: str) -> Iterator[Serving]:
    """Serve by `tests.bench.reference`."""
    parts = urlsplit(url)
    command = [sys.executable, "-m", "tests.bench.reference", str(parts.hostname), str(parts.port), str(parts.username), parts.path[1:]]
    with _process(command, os.environ, stdout=subprocess.PIPE) as (process, log):
        assert process.stdout is not None
        port = process.stdout.readline().decode().strip()  # Nothing when it ended.
        yield _ready(Serving("reference", f"127.0.0.1:{port}", process.pid, {}), process, log)


@contextmanager
def ours(url: str) -> Iterator[Serving]:
    """Serve the example as `protoplane serve` does in production, on a database that `migrated` has prepared."""
    signer = Signer.new()
    token = signer.mint(subject=SUBJECT, issuer=ISSUER, audience=AUDIENCE, seconds=TOKEN_SECONDS)
    target = f"127.0.0.1:{free_port()}"
    with _environment(url, signer) as environment:
        environment["PROTOPLANE_SERVER_ADDRESS"] = target
        with _process([*PROTOPLANE, "serve", "--project", str(PROJECT)], environment) as (process, log):
            yield _ready(Serving("ours", target, process.pid, {"authorization": f"Bearer {token}"}), process, log)


def migrated(url: str) -> None:
    """Make the contract's tables. Raises NotServing."""
    with _environment(url, Signer.new()) as environment:
        command = [*PROTOPLANE, "migrate", "--apply", "--project", str(PROJECT)]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise NotServing(f"`protoplane migrate --apply` failed:\n{ran.stdout}{ran.stderr}")


@contextmanager
def _environment(url: str, signer: Signer) -> Iterator[dict[str, str]]:
    """What `serve` demands to be told, beside the example's own configuration."""
    with tempfile.TemporaryDirectory(prefix="protoplane-bench-") as folder:
        page_token_keys = Path(folder) / "page_token_keys"
        page_token_keys.touch(mode=0o600)
        page_token_keys.write_bytes(base64.b64encode(secrets.token_bytes(32)) + b"\n")
        yield {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "server"), os.environ.get("PYTHONPATH", "")]),
            "PROTOPLANE_DATABASE_URL": url,
            "PROTOPLANE_AUTH_ISSUER": ISSUER,
            "PROTOPLANE_AUTH_AUDIENCE": AUDIENCE,
            "PROTOPLANE_AUTH_KEYS": json.dumps(signer.jwks()),
            "PROTOPLANE_PAGE_TOKENS_KEYS": str(page_token_keys),
        }


@contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], stdout: int | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A process whose stderr goes to a file, ended with the block."""
    with tempfile.TemporaryDirectory(prefix="protoplane-bench-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(command, env=dict(environment), cwd=ROOT, stdout=stdout or stderr, stderr=stderr)
        try:
            yield process, log
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS_MAX)
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _ready(serving: Serving, process: subprocess.Popen[bytes], log: Path) -> Serving:
    """Wait until the server takes connections. Raises NotServing with its last words."""
    give_up = time.monotonic() + START_SECONDS_MAX
    with grpc.insecure_channel(serving.target) as channel:
        ready = grpc.channel_ready_future(channel)
        while process.poll() is None and time.monotonic() < give_up:
            with suppress(grpc.FutureTimeoutError):
                ready.result(0.1)
                return serving
        ready.cancel()
    raise NotServing(f"the {serving.name} server did not start:\n{log.read_text(errors='replace')[-4_000:]}")
