"""The gRPC health service: SERVING while the database answers, NOT_SERVING when it does not and when the server stops.

A prober asks the database; calls only read what it found. A database that hangs is noticed as well: the question is asked on
a thread of its own, and no answer within the time limit is an answer.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, final

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from protoplane.base.errors import Code, Fault, Reason
from protoplane.base.observe import Event, Level, Observe
from protoplane.edge.admission import Waiting
from protoplane.edge.head import read_metadata
from protoplane.edge.refusal import Refused, refused
from protoplane.edge.rpc import Call, Handler

Status: TypeAlias = int
"""A number of `HealthCheckResponse.ServingStatus`."""

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

PROBE_SECONDS = 1.0
"""Between two questions to the database."""

PROBE_SECONDS_MAX = 2.0
"""For one answer: a database slower than this is down for its callers too."""

WATCHERS_MAX = 100
"""Watch streams at once; they hold no thread, but memory."""

REQUEST_BYTES_MAX = 4_096
"""It holds the name of a service."""


@final
class Health:
    """What the health service answers. `known` are the names of the services served; '' stands for all."""

    def __init__(self, known: Iterable[str], observe: Observe) -> None:
        self._known = frozenset(known) | {""}
        self._observe = observe
        self._lock = threading.Lock()
        self._database_answers = False
        self._draining = False
        self._watchers: set[_Watcher] = set()

    @property
    def serving(self) -> bool:
        """Whether calls can be answered now."""
        return self._database_answers and not self._draining

    @property
    def database_answered(self) -> bool:
        """Whether the database did when it was last asked."""
        return self._database_answers

    def status_of(self, service: str) -> Status:
        """SERVING or NOT_SERVING; SERVICE_UNKNOWN for a name that is not served."""
        if service not in self._known:
            return SERVICE_UNKNOWN
        return SERVING if self.serving else NOT_SERVING

    def statuses(self) -> dict[str, Status]:
        """Of every service and of the whole."""
        return {service: self.status_of(service) for service in sorted(self._known)}

    def database_answers(self, answers: bool) -> None:  # noqa: FBT001 - the one thing it says.
        """What the prober found."""
        with self._lock:
            if answers == self._database_answers:
                return
            self._database_answers = answers
        self._observe(Event("database.answers") if answers else Event("database.silent", Level.ERROR))
        self._tell_watchers()

    def drain(self) -> None:
        """The server stops: NOT_SERVING for good, and Watch streams end after saying so."""
        with self._lock:
            self._draining = True
        self._tell_watchers()

    def watch(self, watcher: _Watcher) -> bool:
        """Keep the watcher informed; False when there are too many."""
        with self._lock:
            if len(self._watchers) >= WATCHERS_MAX:
                return False
            self._watchers.add(watcher)
        return True

    def forget(self, watcher: _Watcher) -> None:
        """The watcher has gone."""
        with self._lock:
            self._watchers.discard(watcher)

    @property
    def draining(self) -> bool:
        """Whether the server stops."""
        return self._draining

    def _tell_watchers(self) -> None:
        with self._lock:
            watchers = tuple(self._watchers)
        for watcher in watchers:
            watcher.tell()


@final
class _Watcher:
    """One Watch stream. Sends only changes, and only the latest; nobody ever waits for a client that does not read."""

    def __init__(self, health: Health, service: str, call: Call) -> None:
        self._health, self._service, self._call = health, service, call
        self._lock = threading.Lock()
        self._sending = self._again = False
        self._last: Status | None = None

    def tell(self) -> None:
        """Something may have changed."""
        with self._lock:
            if self._sending:
                self._again = True
                return
            self._sending, self._again = True, False
        self._send()

    def _send(self) -> None:
        # In this order: a drain that begins in between is told as NOT_SERVING before the stream ends.
        draining, status = self._health.draining, self._health.status_of(self._service)
        if status != self._last:
            self._last = status
            self._call.post(health_pb2.HealthCheckResponse(status=status).SerializeToString(), lambda taken: self._sent(taken=taken))
        elif draining:
            self._call.end()
        else:
            self._sent(taken=True)

    def _sent(self, *, taken: bool) -> None:
        with self._lock:
            again = taken and (self._again or self._health.draining)
            self._sending, self._again = again, False
        if again:
            self._send()


@final
class Prober:
    """Asks the database again and again whether it is there, from `start` to `stop`."""

    def __init__(
        self,
        ping: Callable[[], bool],
        health: Health,
        *,
        every_seconds: float = PROBE_SECONDS,
        limit_seconds: float = PROBE_SECONDS_MAX,
    ) -> None:
        """`ping` says whether the database answers; whatever it raises is a no."""
        self._ping, self._health = ping, health
        self._every_seconds, self._limit_seconds = every_seconds, limit_seconds
        self._stopped = threading.Event()
        self._questions: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin; the first answer is asked for at once."""
        threading.Thread(target=self._ask, name="health-ask", daemon=True).start()
        threading.Thread(target=self._judge, name="health-judge", daemon=True).start()

    def stop(self) -> None:
        """End; a question that hangs is left behind on its daemon thread."""
        self._stopped.set()
        self._questions.put(None)

    def _ask(self) -> None:
        while self._questions.get() is not None:
            self._answers.put(self._answered())

    def _answered(self) -> bool:
        try:
            return self._ping()
        except Exception:  # noqa: BLE001 - whatever it is, the database did not answer.
            return False

    def _judge(self) -> None:
        asked = False
        while not self._stopped.is_set():
            if not asked:
                self._questions.put("ping")
            try:
                answers, asked = self._answers.get(timeout=self._limit_seconds), False
            except queue.Empty:
                answers, asked = False, True  # It hangs: do not queue more questions behind this one.
            self._health.database_answers(answers)
            self._stopped.wait(self._every_seconds)


def health_handlers(health: Health) -> dict[str, Handler]:
    """Handlers by path. Anyone may ask: balancers and kubelets have no credentials, and learn nothing but the status.

    All of them are inline: a server whose threads all wait for the database can still say so.
    """

    def check(data: bytes, call: Call) -> bytes:
        status = health.status_of(_service(data, call))
        if status == SERVICE_UNKNOWN:
            raise Refused(Code.NOT_FOUND, "the service is not served here")  # As the protocol wants it.
        return health_pb2.HealthCheckResponse(status=status).SerializeToString()

    def statuses(_data: bytes, _call: Call) -> bytes:
        found: Any = health_pb2.HealthListResponse()  # type: ignore[attr-defined]  # Not in the stubs yet.
        for service, status in health.statuses().items():
            found.statuses[service].status = status
        listed: bytes = found.SerializeToString()
        return listed

    def watch(data: bytes, call: Call) -> None:
        watcher = _Watcher(health, _service(data, call), call)
        if not health.watch(watcher):
            raise refused(Waiting.fault(), read_metadata(call.metadata).request_id)
        if call.when_over(lambda: health.forget(watcher)):
            watcher.tell()
        else:
            health.forget(watcher)

    service = "/grpc.health.v1.Health/"
    return {
        service + "Check": Handler(check, inline=True, message_bytes_max=REQUEST_BYTES_MAX),
        service + "List": Handler(statuses, inline=True, message_bytes_max=REQUEST_BYTES_MAX),
        service + "Watch": Handler(watch, response_streaming=True, inline=True, message_bytes_max=REQUEST_BYTES_MAX),
    }


def _service(data: bytes, call: Call) -> str:
    try:
        return health_pb2.HealthCheckRequest.FromString(data).service
    except DecodeError:
        raise refused(
            Fault(Reason.MALFORMED_MESSAGE, message="grpc.health.v1.HealthCheckRequest"), read_metadata(call.metadata).request_id
        ) from None
