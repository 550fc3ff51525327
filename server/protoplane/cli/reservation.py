"""The address of `serve`, kept by the process that supervises: one port for all workers, over all their lives."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import final

FREE = "PROTOPLANE_SERVER_ADDRESS=127.0.0.1:0 takes a free port"


class ReservationError(Exception):
    """The address cannot be had."""


@final
class Reservation:
    """`host:port` bound but not listened on: calls go to the workers, which may bind it too (SO_REUSEPORT), and nobody else may.

    `address` has the port that was found where 0 was asked for. A `unix:` path cannot be `shared` and is not reserved.
    """

    def __init__(self, address: str) -> None:
        """Raises ReservationError."""
        self._sockets: list[socket.socket] = []
        self.address, self.shared = address, not address.startswith(("unix:", "unix-abstract:"))
        if self.shared:
            host, _, port = address.rpartition(":")
            try:
                self.address = f"{host}:{self._bind(host, int(port))}"
            except (OSError, ValueError) as error:
                self.close()
                raise ReservationError(_problem(address, error)) from error

    def close(self) -> None:
        """Let go of it."""
        for each in self._sockets:
            each.close()

    def _bind(self, host: str, port: int) -> int:
        """Bind every address that the host has; the port."""
        missing: OSError | None = None
        for family, _, _, _, (name, *_) in socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
            with contextlib.ExitStack() as undo:
                bound = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
                try:
                    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                    bound.bind((name, port))
                except OSError as error:
                    if error.errno == errno.EADDRINUSE:
                        raise
                    missing = error  # `localhost` is ::1 too, also on machines without IPv6: one of them is enough, as for gRPC.
                    continue
                port = int(bound.getsockname()[1])
                self._sockets.append(bound)
                undo.pop_all()
        if missing is not None and not self._sockets:
            raise missing
        return port


def _problem(address: str, error: OSError | ValueError) -> str:
    match error:
        case OSError(errno=errno.EADDRINUSE):
            problem = "another process does\n    mend: stop that one, or choose another address"
        case OSError():
            problem = f"it is not an address of this machine, or not ours to take ({error.strerror})\n    mend: choose another one"
        case _:
            problem = "it is not host:port\n    mend: write it as 127.0.0.1:50051"
    return f"cannot listen on {address}: {problem}; {FREE}"
