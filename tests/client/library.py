"""The generated client of the test library, and every request that it sends."""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import cache
from typing import Any

import grpc

from tests.door.client import generated
from tests.door.conftest import LIBRARY, stubs
from tests.door.service import Service


class Recorder(grpc.UnaryUnaryClientInterceptor):
    """Takes note of each call: the name of its method and a copy of its request."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Note one, and let it go on."""
        copy = type(request)()
        copy.CopyFrom(request)
        self.calls.append((client_call_details.method.rpartition("/")[2], copy))
        return continuation(client_call_details, request)


@cache
def modules() -> tuple[Any, ...]:
    """Those of the package that are no messages."""
    return generated(LIBRARY.project, *(f"library.v1.{name}" for name in ("client", "names", "runtime", "channel")))


class Library:
    """Modules of the package, and clients that are closed with it."""

    def __init__(self, served: Service) -> None:
        self._served = served
        self._open = ExitStack()
        self.pb = stubs
        self.client_module, self.names, self.runtime, self.channel = modules()

    def client(self, port: int = 0, *, subject: str = "writer", **options: Any) -> Any:
        """A client of the server, by way of another port where that is given."""
        target = f"127.0.0.1:{port or self._served.app.port}"
        defaults = {"token": self.token(subject), "insecure": True, "options": [("grpc.use_local_subchannel_pool", 1)]}
        return self._open.enter_context(self.client_module.LibraryClient(target, **defaults | options))

    def recorded(self) -> tuple[Any, list[tuple[str, Any]]]:
        """A client, and all that it asks."""
        recorder = Recorder()
        channel = grpc.insecure_channel(self._served.target, [("grpc.use_local_subchannel_pool", 1)])
        self._open.enter_context(closing(channel))
        return self.client_module.LibraryClient(grpc.intercept_channel(channel, recorder), token=self.token()), recorder.calls

    def token(self, subject: str = "writer") -> str:
        """Credentials of somebody."""
        return self._served.token(subject)

    def close(self) -> None:
        """Close all clients."""
        self._open.close()
