"""A TCP proxy on loopback that loses, delays and cuts what passes through it: a bad network without root."""

from __future__ import annotations

import contextlib
import math
import random
import socket
import struct
import threading
import time
from typing import final

CHUNK_BYTES = 16_384
RESET = struct.pack("ii", 1, 0)  # SO_LINGER that has close() send RST, as a host does that knows nothing of the connection.


@final
class Line:
    """One connection through the proxy."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.doomed = False  # Whether the next answer is lost, and the connection with it.
        self.up_bytes = 0

    def reset(self) -> None:
        """End it on both sides, at once and without goodbye; also wakes whoever waits to read from it."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RD)
            end.close()


@final
class Proxy:
    """Listens on `port` and passes everything on to another port of loopback; attributes may change at any time."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.latency_seconds, self.jitter_seconds = 0.0, 0.0
        """In each direction; and what is added to it or taken from it, at most."""
        self.stall_share, self.stall_seconds = 0.0, 0.0
        """Share of chunks that come that much later, as when a packet was lost and is sent again."""
        self.bytes_per_second = math.inf
        """Of each connection in each direction."""
        self.cut_after_bytes: int | None = None
        """A connection is reset once so many bytes have come from its client; those before are passed on."""
        self.loses_reply_to = b""
        """What a client sends that is passed on, but whose answer is lost: the connection is reset in place of it. Empty for none."""
        self.replies_lost, self.replies_lost_max = 0, math.inf
        """So far; and how many of them are."""
        self.up_bytes = 0  # Taken from clients so far, over all connections.
        self.up, self.down = threading.Event(), threading.Event()
        """Set while bytes pass from clients, and to them. Cleared, bytes wait: a partition, whose packets are sent again after it."""
        self.up.set()
        self.down.set()
        self._random = random.Random(1)
        self._lines: set[Line] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self) -> None:
        """End every connection."""
        for line in list(self._lines):
            line.reset()

    def close(self) -> None:
        """Take no more connections and end all that are there."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.up.set()
        self.down.set()
        self.reset()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target_port))
                except OSError:
                    client.close()
                    continue
                line = Line(client, server)
                self._lines.add(line)
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass, args=(line, client, server, self.up), daemon=True).start()
                threading.Thread(target=self._pass, args=(line, server, client, self.down), daemon=True).start()

    def _pass(self, line: Line, source: socket.socket, sink: socket.socket, gate: threading.Event) -> None:
        upwards = gate is self.up
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                gate.wait()
                time.sleep(self._delay_seconds(len(data)))
                if upwards:
                    data = self._outgoing(line, data)
                elif line.doomed:
                    break
                sink.sendall(data)
                if self.cut_after_bytes is not None and line.up_bytes >= self.cut_after_bytes:
                    break
        line.reset()
        self._lines.discard(line)

    def _delay_seconds(self, size: int) -> float:
        late = self.stall_seconds if self._random.random() < self.stall_share else 0.0
        jitter = self._random.uniform(-self.jitter_seconds, self.jitter_seconds)
        return max(0.0, self.latency_seconds + jitter + late) + size / self.bytes_per_second

    def _outgoing(self, line: Line, data: bytes) -> bytes:
        if self.loses_reply_to and self.loses_reply_to in data and self.replies_lost < self.replies_lost_max:
            line.doomed = True
            self.replies_lost += 1
        if self.cut_after_bytes is not None:
            data = data[: max(0, self.cut_after_bytes - line.up_bytes)]
        line.up_bytes += len(data)
        self.up_bytes += len(data)
        return data
