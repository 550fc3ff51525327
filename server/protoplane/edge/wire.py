"""gRPC calls as they come and go on the wire: a call takes a thread only once its request is here.

grpcio's own server parks a thread on every call whose message is still on the way. So many calls as there are threads, that send
headers and nothing more, would stop it before anybody is authenticated; and every honest call pays for a hand-over between threads,
for locks, futures and contexts that a compiled method has no use for. There is no public way around it, so this is a server of
our own on the same core that grpcio's is written on (see `core`). Measured on one core, echo: 110 µs with grpcio's server, 50 with this one.

Threads wait for events of the core, all of them alike. One that finds a request complete runs its method at once, where it is,
as long as another thread is left to wait; when none is, the call waits in `Waiting`. Streams have threads of their own.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias, final

import grpc

from protoplane.base import clock
from protoplane.base.errors import Fault, Reason
from protoplane.base.memory import Growth
from protoplane.base.metrics import UNKNOWN
from protoplane.base.observe import CallDone, Event, Level, Observe, Stages
from protoplane.base.settings import ServerSettings
from protoplane.edge.admission import Waiting
from protoplane.edge.core import cygrpc
from protoplane.edge.head import authorization_of, read_metadata
from protoplane.edge.held import Awaited, Unsent
from protoplane.edge.places import Places
from protoplane.edge.refusal import Refused, refused
from protoplane.edge.rpc import SEND_SECONDS_MAX, Call, Handler
from protoplane.edge.threads import Threads

MESSAGE_SECONDS_MAX = 5.0
"""For the first request message to come after the headers; then the call is ended, and costs memory no longer."""

AWAITED_MAX = 10_000
"""Calls whose first message is awaited. One more, and the oldest is ended: honest callers wait for milliseconds."""

CONNECTION_BYTES_MAX = 16 * 1024 * 1024
"""Of large answers that one connection has not taken: five of the largest pages."""

UNSENT_BYTES_MAX = 128 * 1024 * 1024
"""Of large answers that have not been taken, of all connections; the core keeps a copy, so that the memory is twice that."""

SWEEP_SECONDS = 0.1

GROWTH_BYTES_MAX = 64 * 1024 * 1024
"""Of the process since it was smallest lately. Beyond it, calls are ended whose message has begun to come and has not ended: each may
have up to 4 MiB here, before anybody is authenticated, and nothing else bounds them but five seconds of the network."""

UNENDED_SECONDS = 0.05
UNENDED_MAX = 16
"""Messages on their way for longer than that, which are spared even then: 64 MiB."""

LATELY_SECONDS = 30.0
"""What "lately" is: long enough for an attack to be seen as one, short enough for a process that has become larger to be taken as it is."""

REQUESTED_MAX = 16
"""Calls that the core may take before a thread has looked at the last one."""

POLL_SECONDS = 1.0
"""After which a thread that waits for an event sees whether the server is down."""

STOP_SECONDS_MAX = 5.0
"""For cancelled calls to end; a method that does not even then is left behind."""

Identify: TypeAlias = Callable[[str], Hashable]
"""Whose the credentials of a call are, as far as it is known without verifying anything; None for unknown callers, and for none."""

_ARRIVED = "arrived"
"""Tag of the event that a call has come."""


@final
class Wire:
    """The server: threads that wait for events of the core, and what they share."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        options: Sequence[tuple[str, Any]],
        settings: ServerSettings,
        *,
        identify: Identify,
        observe: Observe,
    ) -> None:
        """Of the settings it is the numbers of threads, streams and waiting calls that count here."""
        self._threads = settings.threads
        self._handlers = {path.encode(): handler for path, handler in handlers.items()}
        self._observe = observe
        self._identify = identify
        self._waiting: Waiting[Call] = Waiting(settings.waiting_calls_max)
        self._places = Places(settings.threads, self._whose)
        self._stream_places = Places(settings.streams, self._whose)
        self._stream_threads = Threads("stream")
        self.awaited: Awaited[Call] = Awaited(MESSAGE_SECONDS_MAX, AWAITED_MAX, lambda call: self.refuse(call, Fault(Reason.MESSAGE_LATE)))
        self.unsent: Unsent[Call] = Unsent(
            SEND_SECONDS_MAX, connection_bytes_max=CONNECTION_BYTES_MAX, bytes_max=UNSENT_BYTES_MAX, evict=Call.cancel
        )
        self._stopping = threading.Event()
        self._down = threading.Event()
        self._queue = cygrpc.CompletionQueue()
        self._server = cygrpc.Server(tuple(options), False)  # noqa: FBT003 - it takes no keywords: no xDS.
        self._server.register_completion_queue(self._queue)

    def listen(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Take an address; the port, or 0 when it cannot be had."""
        try:
            core: Any = credentials
            port: int = self._server.add_http2_port(address.encode(), *([] if core is None else [core._credentials]))
        except RuntimeError:
            return 0
        return port

    def start(self) -> None:
        """Take calls."""
        self._server.start()
        for _ in range(REQUESTED_MAX):
            self._server.request_call(self._queue, self._queue, _ARRIVED)
        # One more than may run methods: there is always one that hears.
        for number in range(self._threads + 1):
            threading.Thread(target=self._poll, name=f"call-{number}", daemon=True).start()
        threading.Thread(target=self._sweep, name="call-sweep", daemon=True).start()

    def stop(self, grace_seconds: float) -> None:
        """Take no more calls, let running ones end, cancel what is left; returns when all is still, or cannot be stilled."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._server.shutdown(self._queue, self._on_down)
        if not self._down.wait(grace_seconds):
            self._server.cancel_all_calls()
            if not self._down.wait(STOP_SECONDS_MAX):
                self._observe(Event("server.stuck", Level.ERROR, {"calls_running": self.running}))
                return
        self._stream_threads.stop()
        self._server.destroy()

    @property
    def running(self) -> int:
        """Methods running now."""
        return len(self._places)

    @property
    def streaming(self) -> int:
        """Streams open now."""
        return len(self._stream_places)

    @property
    def waiting(self) -> int:
        """Calls that wait for a thread."""
        return len(self._waiting)

    # Events.

    def _poll(self) -> None:
        # The queue is never shut down: to start an operation on one that is ends the process, and a method that outlives the
        # server may do so. It goes when the last call and the last of these threads let go of it.
        poll, down = self._queue.poll, self._down
        while not down.is_set():
            event = poll(clock.now_seconds() + POLL_SECONDS)
            tag = event.tag
            try:
                if tag is _ARRIVED:
                    self._on_arrived(event)
                elif tag is not None:
                    call = tag(event)
                    # An event holds its call, the request and the connection, and this thread may go on for long.
                    event = tag = None
                    while call is not None:
                        call = self._run(call)
            except BaseException as bug:  # noqa: BLE001 - whatever becomes of one call, the next one must be heard.
                self._observe(Event("edge.broke", Level.ERROR, bug=bug))
            event = tag = call = None

    def _on_arrived(self, event: Any) -> None:
        with contextlib.suppress(ValueError):  # The server is being shut down.
            self._server.request_call(self._queue, self._queue, _ARRIVED)
        if not event.success:
            return
        handler = self._handlers.get(event.call_details.method)
        call = Call(self, handler or _NOBODY, event)
        if handler is None:
            self._turn_away(call, Fault(Reason.METHOD_UNKNOWN, method=call.path))
            return
        waits = not (handler.inline or handler.request_streaming or handler.response_streaming)
        if waits and self._waiting.full and not self._waiting.admits(self._whose(call)):
            self._turn_away(call, self._waiting.fault())
        else:
            call.start()

    def _on_down(self, _event: Any) -> None:
        self._down.set()

    def _sweep(self) -> None:
        growth = Growth(LATELY_SECONDS)
        while not self._down.wait(SWEEP_SECONDS):  # Also while it stops: what never comes must not be waited for.
            self.awaited.sweep()
            self.unsent.sweep()
            self._waiting.forget(lambda call: call.cancelled)
            if growth.bytes() > GROWTH_BYTES_MAX:
                self.awaited.relieve(UNENDED_SECONDS, UNENDED_MAX)

    # A call whose request is here.

    def take(self, call: Call, handler: Handler) -> Call | None:
        """Run it elsewhere, have it wait, or refuse it; or what this thread is to run now, in a place that it was given."""
        if handler.inline:
            call.run()
        elif handler.request_streaming or handler.response_streaming:
            self._take_stream(call)
        elif not self._waiting and self._places.take(call):
            return call
        else:
            for turned_away in self._waiting.put(call, self._whose(call), call.request_bytes):
                self.refuse(turned_away, self._waiting.fault())
            # What waits beside a free place is of somebody who has enough of them, and one may have become free.
            return self._places.fill(self._waiting.take)
        return None

    def _run(self, call: Call) -> Call | None:
        """Run a call that has a place; what the thread is to run next, in the same."""
        try:
            call.run()
        except BaseException:
            self._places.leave(call)
            raise
        return self._places.pass_on(call, self._waiting.take)

    def _take_stream(self, call: Call) -> None:
        """Run it on a thread of its own, or refuse it: streams do not wait."""
        if not self._stream_places.take(call):
            self.refuse(call, self._waiting.fault())
            return

        def run() -> None:
            try:
                call.run()
            finally:
                self._stream_places.leave(call)

        try:
            self._stream_threads.run(run)
        except RuntimeError:  # The system gives no more threads.
            self._stream_places.leave(call)
            self.refuse(call, self._waiting.fault())

    def _whose(self, call: Call) -> Hashable:
        return self._identify(authorization_of(call.metadata))

    # Refusals besides those of methods.

    def refuse(self, call: Call, fault: Fault) -> None:
        """End a call that no method has seen."""
        call.end_refused(self._refused(call, fault))

    def broke(self, call: Call, bug: BaseException) -> None:
        """End a call whose method failed without saying so: the caller learns nothing but that."""
        call.end_refused(self._refused(call, None, bug))

    def _turn_away(self, call: Call, fault: Fault) -> None:
        call.turn_away(self._refused(call, fault))

    def _refused(self, call: Call, fault: Fault | None, bug: BaseException | None = None) -> Refused:
        """What the caller is told, after the observers were told."""
        stages, head = Stages(), read_metadata(call.metadata)
        fault = fault or Fault(Reason.INTERNAL_FAULT, requestId=head.request_id)
        refusal = refused(fault, head.request_id)
        stages.mark("refuse")
        # What a caller calls a method that nobody serves is its own affair: it may be anything, a secret that went astray too.
        path = UNKNOWN if fault.reason == Reason.METHOD_UNKNOWN else call.path
        self._observe(CallDone(path, head.request_id, "", fault.code.name, fault.reason, stages, bug, trace_id=head.trace_id))
        return refusal


_NOBODY = Handler(lambda _request, _call: b"")
"""Of calls that are turned away for their path."""
