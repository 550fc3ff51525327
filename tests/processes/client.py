"""The client package of the desk, and calls with it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

SECONDS_MAX = 30.0
"""For anything that is waited for."""
OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)


@dataclass(frozen=True)
class Client:
    """The client package that `protoplane generate` writes, imported, and a token."""

    source: Path
    """The folder that it was imported from."""
    pb: Any
    grpc: Any
    channel: Any
    token: str

    @staticmethod
    def of(source: Path, token: str) -> Client:
        """The package in that folder."""
        sys.path.insert(0, str(source))
        try:
            pb, stubs, channel = map(importlib.import_module, ("desk.v1.desk_pb2", "desk.v1.desk_pb2_grpc", "desk.v1.channel"))
        finally:
            sys.path.remove(str(source))
        return Client(source, pb, stubs, channel, token)

    @contextmanager
    def stub(self, target: str) -> Iterator[Any]:
        """Calls with what the package ships: the stub, on a connection of its own."""
        with self.channel.connect(target, options=[OWN_CONNECTION]) as channel:
            yield self.grpc.DeskStub(channel)

    @contextmanager
    def once(self, target: str) -> Iterator[Any]:
        """Calls that are made once, whatever comes of it."""
        with grpc.insecure_channel(target, [OWN_CONNECTION, ("grpc.enable_retries", 0)]) as channel:
            yield self.grpc.DeskStub(channel)

    @property
    def own(self) -> dict[str, Any]:
        """What each call is made with."""
        return {"metadata": [("authorization", f"Bearer {self.token}")], "timeout": SECONDS_MAX}
