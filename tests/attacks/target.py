"""The server that is attacked: a process of its own with data in it, the memory it takes, and what is asked of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from tests.attacks.wire import Fields, Wire, message
from tests.door.custom import WORKSHOP, pb
from tests.door.running import Running, running
from tests.door.service import token_of

SERVICE = "/workshop.v1.Workshop"
GET, LIST, CREATE, UPDATE = (f"{SERVICE}/{verb}" for verb in ("GetAccount", "ListAccounts", "CreateAccount", "UpdateAccount"))
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
UNKNOWN = "/workshop.v1.Workshop/NobodyServesThis"
CARDINALITIES = {"unary": GET, "server-streaming": WATCH, "bidirectional": REFLECTION, "unknown": UNKNOWN}

ACCOUNTS = 1_000
NOTE = "n" * 2_900
"""Of each account: a page of them all is close to the largest answer there is (`limits.PAGE_BYTES_MAX`)."""
MEGABYTE = 1 << 20
VISIT_CALL_SECONDS = 5.0
HONEST, HOSTILE = "teller", "developer"
"""Subjects: both may read and write accounts, and share nothing else."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a process in memory: now, and at most since `Target.forget_peak`."""

    now: int
    peak: int


@dataclass(frozen=True)
class Target:
    """A server under attack."""

    process: Running
    folder: Path
    name: str
    """Of an account."""

    @property
    def address(self) -> str:
        """`host:port`."""
        return self.process.target

    def token(self, subject: str = HONEST) -> str:
        """A token of somebody who may read and write accounts."""
        return token_of(self.folder, subject)

    @property
    def get(self) -> bytes:
        """A request for the account."""
        return bytes(pb.GetAccountRequest(name=self.name).SerializeToString())

    @property
    def list(self) -> bytes:
        """A request for the largest page."""
        return bytes(pb.ListAccountsRequest(page_size=ACCOUNTS).SerializeToString())

    def fields(self, path: str = GET, *more: tuple[str | bytes, str | bytes], seconds: float | None = 30.0) -> Fields:
        """What a call with credentials of its own begins with; `more` replaces what has its name."""
        mine: dict[str | bytes, str | bytes] = {":method": "POST", ":scheme": "http", ":path": path, ":authority": self.address}
        mine |= {"te": "trailers", "content-type": "application/grpc", "user-agent": "attacks"}
        mine["authorization"] = f"Bearer {self.token(HOSTILE)}"
        if seconds:
            mine["grpc-timeout"] = f"{int(seconds)}S"
        given = dict(more)
        return [(name, given.pop(name, value)) for name, value in mine.items()] + list(given.items())

    def memory(self) -> Memory:
        """Resident memory."""
        lines = Path("/proc", str(self.process._process.pid), "status").read_text().splitlines()
        sizes = {
            name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in lines) if name in {"VmRSS", "VmHWM"}
        }
        return Memory(sizes["VmRSS"], sizes["VmHWM"])

    def forget_peak(self) -> None:
        """Count the peak from here (proc(5), clear_refs)."""
        Path("/proc", str(self.process._process.pid), "clear_refs").write_text("5")

    def visit(self) -> float:
        """Seconds in which somebody new connects, and has one call of each cardinality answered. AssertionError, grpc.RpcError."""
        begun = time.monotonic()
        with grpc.insecure_channel(self.address, options=[("grpc.use_local_subchannel_pool", 1)]) as connected:
            channel: Any = connected  # The stubs know no methods that take and give bytes.
            metadata = (("authorization", f"Bearer {self.token()}"),)
            got: bytes = channel.unary_unary(GET)(self.get, timeout=VISIT_CALL_SECONDS, metadata=metadata)
            assert pb.Account.FromString(got).name == self.name
            assert channel.unary_unary(CHECK)(b"", timeout=VISIT_CALL_SECONDS)
            watch = channel.unary_stream(WATCH)(b"", timeout=VISIT_CALL_SECONDS)
            assert next(watch)
            watch.cancel()
            services: Sequence[bytes] = list(
                channel.stream_stream(REFLECTION)(iter([b"\x3a\x01*"]), timeout=VISIT_CALL_SECONDS, metadata=metadata)
            )
            assert b"workshop.v1.Workshop" in services[0]
        return time.monotonic() - begun

    def works_on(self, wire: Wire) -> bool:
        """Whether an honest call is answered on this connection."""
        return wire.call(self.fields(), message(self.get)).status == 0


@contextmanager
def target(folder: Path) -> Iterator[Target]:
    """Serve the workshop, with ACCOUNTS accounts in SQLite."""
    WORKSHOP.project(folder, f"sqlite:///{folder}/workshop.db")
    with running(folder, "dev", "--once", PROTOPLANE_LOG_CALLS="failed", PROTOPLANE_LOG_FORMAT="json") as process:
        process.started()
        door = WORKSHOP.door(folder, process.target)
        account = pb.Account(display_name="Ada", note=NOTE)
        with ThreadPoolExecutor(8) as threads:
            made = list(threads.map(lambda _: door.CreateAccount(account=account), range(ACCOUNTS)))
        door.close()
        yield Target(process, folder, made[0].name)
