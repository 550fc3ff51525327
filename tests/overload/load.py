"""One client process: `python -m tests.overload.load TARGET TOKEN METHOD REQUEST RATE SECONDS` prints what became of its calls as JSON.

RATE calls a second are sent on schedule, whether or not earlier ones are answered; 0 sends as many as 32 callers get answered, one
after the other, which is the most that the server can do. REQUEST is the message in base64.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections import Counter
from typing import Any

import grpc

CHANNELS = 8
CALLERS = 32
CALL_SECONDS_MAX = 20.0


class Tally:
    """What became of the calls, and how long each took."""

    def __init__(self) -> None:
        self.codes: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def note(self, code: str, seconds: float) -> None:
        """A call has ended."""
        with self._lock:
            self.codes[code] += 1
            self.seconds.setdefault(code, []).append(seconds)

    def told(self) -> dict[str, Any]:
        """Counts, and the median and 99th percentile in seconds, by code."""
        found: dict[str, Any] = {}
        for code, seconds in self.seconds.items():
            ordered = sorted(seconds)
            found[code] = {"count": len(ordered), "p50": ordered[len(ordered) // 2], "p99": ordered[len(ordered) * 99 // 100]}
        return found


class Load:
    """Calls of one method until a time."""

    def __init__(self, target: str, token: str, method: str, request: bytes, seconds: float) -> None:
        channels = [grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(CHANNELS)]
        self._calls: list[Any] = [channel.unary_unary(method) for channel in channels]
        self._request, self._metadata = request, [("authorization", f"Bearer {token}")]
        self._until = time.monotonic() + seconds
        self.tally = Tally()

    def in_turn(self) -> None:
        """As many callers as there are, each with one call after the other."""
        callers = [threading.Thread(target=self._one_by_one, args=(self._calls[number % CHANNELS],)) for number in range(CALLERS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()

    def _one_by_one(self, call: Any) -> None:
        while (begun := time.monotonic()) < self._until:
            code = "OK"
            try:
                call(self._request, timeout=CALL_SECONDS_MAX, metadata=self._metadata)
            except grpc.RpcError as error:
                code = error.code().name
            self.tally.note(code, time.monotonic() - begun)

    def on_schedule(self, rate: float) -> None:
        """So many a second, whatever becomes of them."""
        ended, sent, begun = threading.Semaphore(0), 0, time.monotonic()
        while (now := time.monotonic()) < self._until:
            while sent < (now - begun) * rate:
                self._send(self._calls[sent % CHANNELS], ended)
                sent += 1
            time.sleep(0.002)
        for _ in range(sent):
            ended.acquire(timeout=CALL_SECONDS_MAX)

    def _send(self, call: Any, ended: threading.Semaphore) -> None:
        at = time.monotonic()

        def note(done: Any) -> None:
            self.tally.note(done.code().name, time.monotonic() - at)
            ended.release()

        call.future(self._request, timeout=CALL_SECONDS_MAX, metadata=self._metadata).add_done_callback(note)


def main(target: str, token: str, method: str, request: bytes, *, rate: float, seconds: float) -> None:
    """See the module."""
    load = Load(target, token, method, request, seconds)
    if rate:
        load.on_schedule(rate)
    else:
        load.in_turn()
    print(json.dumps(load.tally.told()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], base64.b64decode(sys.argv[4]), rate=float(sys.argv[5]), seconds=float(sys.argv[6]))
