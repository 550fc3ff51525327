"""One client process of the benchmark: calls as quickly as its threads can, and says how long that took.

`python -m tests.bench.load TARGET METHOD THREADS WARM` reads a header line of JSON metadata, then one request a line in base64; an
empty line ends them. It makes the first WARM calls, prints `ready`, waits for a line, makes the rest, prints the seconds they took.
"""

import base64
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence

import grpc

CALL_SECONDS_MAX = 30.0


def main(target: str, method: str, threads: int, warm: int) -> None:
    """See the module."""
    metadata = tuple((key, value) for key, value in json.loads(sys.stdin.readline()).items())
    requests = [base64.b64decode(line) for line in iter(lambda: sys.stdin.readline().strip(), "")]
    channels = [
        grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)])
        for _ in range(threads)
    ]
    calls: list[Callable[..., bytes]] = [channel.unary_unary(method) for channel in channels]

    def run(call: Callable[..., bytes], share: Sequence[bytes]) -> None:
        for request in share:
            call(request, metadata=metadata, timeout=CALL_SECONDS_MAX)

    spread(run, calls, requests[:warm])
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.perf_counter()
    spread(run, calls, requests[warm:])
    print(time.perf_counter() - begun, flush=True)
    for channel in channels:
        channel.close()


def spread(
    run: Callable[[Callable[..., bytes], Sequence[bytes]], None], calls: Sequence[Callable[..., bytes]], requests: Sequence[bytes]
) -> None:
    """Share the requests out among the threads; the first call that fails ends the process."""
    failures: list[Exception] = []

    def guarded(call: Callable[..., bytes], share: Sequence[bytes]) -> None:
        try:
            run(call, share)
        except grpc.RpcError as error:
            failures.append(error)

    workers = [threading.Thread(target=guarded, args=(call, requests[number :: len(calls)])) for number, call in enumerate(calls)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        sys.exit(f"a call failed: {failures[0]}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
