"""One client process of the benchmark: so many calls at once, each on a connection of its own, as quickly as they are answered.

It reads a line of JSON (see `Orders`), then one request a line in base64; an empty line ends them. It makes the first `warm` calls,
prints `ready`, waits for a line, makes the rest, and prints how long that took and how much of the processor.
"""

import base64
import json
import selectors
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from tests.bench.wire import OK, Connection, Grpc, Http

WAIT_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What to call, and how."""

    protocol: Literal["grpc", "http"]
    port: int
    method: str
    """`/package.Service/Method`; of no use for HTTP, whose requests say it themselves."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    connections: int = 8
    warm: int = 0

    def connect(self) -> Connection:
        """One connection."""
        return Grpc(self.port, self.method, self.metadata) if self.protocol == "grpc" else Http(self.port)


@dataclass(frozen=True, slots=True)
class Took:
    """What the calls took of the client."""

    seconds: float
    processor_seconds: float


def given() -> tuple[dict[str, object], list[bytes]]:
    """What stands on stdin: orders and requests."""
    orders = json.loads(sys.stdin.readline())
    return orders, [base64.b64decode(line) for line in iter(lambda: sys.stdin.readline().strip(), "")]


def spread(selector: selectors.BaseSelector, connections: list[Connection], requests: Iterator[bytes]) -> None:
    """Make the calls: each connection begins one when its last was answered. Exits when one fails."""
    busy = 0
    for connection, request in zip(connections, requests, strict=False):
        connection.send(request)
        busy += 1
    while busy:
        events = selector.select(WAIT_SECONDS_MAX)
        if not events:
            sys.exit(f"no answer in {WAIT_SECONDS_MAX} s")
        for key, _ in events:
            connection = key.data
            for answered in connection.receive():
                if answered.status != OK:
                    sys.exit(f"a call failed: {answered.status}")
                following = next(requests, None)
                if following is None:
                    busy -= 1
                else:
                    connection.send(following)


def main() -> None:
    """See the module."""
    said, requests = given()
    orders = Orders(**said)  # type: ignore[arg-type]  # Written by whoever started this, from the same class.
    connections = [orders.connect() for _ in range(orders.connections)]
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        spread(selector, connections, iter(requests[: orders.warm]))
        print("ready", flush=True)
        sys.stdin.readline()
        begun, used = time.perf_counter(), time.process_time()
        spread(selector, connections, iter(requests[orders.warm :]))
        took = Took(time.perf_counter() - begun, time.process_time() - used)
    print(json.dumps(asdict(took)), flush=True)
    for connection in connections:
        connection.socket.close()


if __name__ == "__main__":
    main()
