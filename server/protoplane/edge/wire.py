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
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, final

import grpc

from protoplane.base import clock
from protoplane.base.errors import Fault, Reason
from protoplane.base.metrics import UNKNOWN
from protoplane.base.observe import CallDone, Event, Level, Observe, Stages
from protoplane.edge.admission import Waiting
from protoplane.edge.core import cygrpc
from protoplane.edge.held import Awaited, Unsent
from protoplane.edge.refusal import refused
from protoplane.edge.rpc import SEND_SECONDS_MAX, Call, Handler

MESSAGE_SECONDS_MAX = 5.0
"""For the first request message to come after the headers; then the call is ended, and costs memory no longer."""

AWAITED_MAX = 10_000
"""Calls whose first message is awaited. One more, and the oldest is ended: honest callers wait for milliseconds."""

CONNECTION_BYTES_MAX = 16 * 1024 * 1024
"""Of large answers that one connection has not taken: five of the largest pages."""

UNSENT_BYTES_MAX = 128 * 1024 * 1024
"""Of large answers that have not been taken, of all connections; the core keeps a copy, so that the memory is twice that."""

SWEEP_SECONDS = 0.5

REQUESTED_MAX = 16
"""Calls that the core may take before a thread has looked at the last one."""

POLL_SECONDS = 1.0
"""After which a thread that waits for an event sees whether the server is down."""

STOP_SECONDS_MAX = 5.0
"""For cancelled calls to end; a method that does not even then is left behind."""

_ARRIVED = "arrived"
"""Tag of the event that a call has come."""


@final
class Wire:
    """The server: threads that wait for events of the core, and what they share."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        options: Sequence[tuple[str, Any]],
        *,
        threads: int,
        streams: int,
        waiting: Waiting[Call],
        observe: Observe,
    ) -> None:
        """`threads` calls run at once, and `streams` streaming ones besides."""
        self._handlers = {path.encode(): handler for path, handler in handlers.items()}
        self._observe = observe
        self._waiting = waiting
        self._free: deque[None] = deque([None] * threads)
        self._free_streams: deque[None] = deque([None] * streams)
        self.awaited: Awaited[Call] = Awaited(MESSAGE_SECONDS_MAX, AWAITED_MAX, lambda call: self.refuse(call, Fault(Reason.MESSAGE_LATE)))
        self.unsent: Unsent[Call] = Unsent(
            SEND_SECONDS_MAX, connection_bytes_max=CONNECTION_BYTES_MAX, bytes_max=UNSENT_BYTES_MAX, evict=Call.cancel
        )
        self._threads, self._streams = threads, streams
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
        self._server.destroy()

    @property
    def running(self) -> int:
        """Methods running now."""
        return self._threads - len(self._free)

    @property
    def streaming(self) -> int:
        """Streams open now."""
        return self._streams - len(self._free_streams)

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
                        call.run()
                        call = self._next()
            except BaseException as bug:  # noqa: BLE001 - whatever becomes of one call, the next one must be heard.
                self._observe(Event("edge.broke", Level.ERROR, bug=bug))
            event = tag = call = None

    def _on_arrived(self, event: Any) -> None:
        with contextlib.suppress(ValueError):  # The server is being shut down.
            self._server.request_call(self._queue, self._queue, _ARRIVED)
        if not event.success:
            return
        handler = self._handlers.get(event.call_details.method)
        if handler is None:
            call = Call(self, _NOBODY, event)
            self._turn_away(call, Fault(Reason.METHOD_UNKNOWN, method=call.path))
        elif self._waiting.full and not (handler.inline or handler.request_streaming or handler.response_streaming):
            call = Call(self, handler, event)
            if self._waiting.admits(call.metadata):
                call.start()
            else:
                self._turn_away(call, self._waiting.fault())
        else:
            Call(self, handler, event).start()

    def _on_down(self, _event: Any) -> None:
        self._down.set()

    def _sweep(self) -> None:
        while not self._down.wait(SWEEP_SECONDS):  # Also while it stops: what never comes must not be waited for.
            self.awaited.sweep()
            self.unsent.sweep()

    # A call whose request is here.

    def take(self, call: Call, handler: Handler) -> Call | None:
        """Run it elsewhere, have it wait, or refuse it; or what this thread is to run now, with a place that `_next` gives back."""
        if handler.inline:
            call.run()
        elif handler.request_streaming or handler.response_streaming:
            self._take_stream(call)
        elif not self._waiting and self._occupy(self._free):
            return call
        else:
            for turned_away in self._waiting.put(call, call.metadata, call.request_bytes):
                self.refuse(turned_away, self._waiting.fault())
            if self._occupy(self._free):  # A thread that found nothing waiting may have become free since.
                return self._next()
        return None

    def _next(self) -> Call | None:
        """What a thread that has a place runs next; None when nothing waits, and the place is given back."""
        while (call := self._waiting.take()) is None:
            self._free.append(None)
            if not self._waiting or not self._occupy(self._free):
                return None
        return call

    def _take_stream(self, call: Call) -> None:
        if not self._occupy(self._free_streams):
            self.refuse(call, self._waiting.fault())
            return

        def run() -> None:
            try:
                call.run()
            finally:
                self._free_streams.append(None)

        try:
            threading.Thread(target=run, name="stream", daemon=True).start()
        except RuntimeError:  # The system gives no more threads.
            self._free_streams.append(None)
            self.refuse(call, self._waiting.fault())

    @staticmethod
    def _occupy(places: deque[None]) -> bool:
        """Take a place; False when there is none. Both ends of a deque are safe for threads."""
        try:
            places.pop()
        except IndexError:
            return False
        return True

    # Refusals before any method.

    def refuse(self, call: Call, fault: Fault) -> None:
        """End a call that no method has seen."""
        self._tell(call, fault)
        call.end_refused(refused(fault, ""))

    def broke(self, call: Call, bug: BaseException) -> None:
        """End a call whose method failed without saying so: the caller learns nothing but that."""
        fault = Fault(Reason.INTERNAL_FAULT, requestId="")
        self._tell(call, fault, bug)
        call.end_refused(refused(fault, ""))

    def _turn_away(self, call: Call, fault: Fault) -> None:
        self._tell(call, fault)
        call.turn_away(refused(fault, ""))

    def _tell(self, call: Call, fault: Fault, bug: BaseException | None = None) -> None:
        stages = Stages()
        stages.mark("refuse")
        # What a caller calls a method that nobody serves is its own affair: it may be anything, a secret that went astray too.
        path = UNKNOWN if fault.reason == Reason.METHOD_UNKNOWN else call.path
        self._observe(CallDone(path, "", "", fault.code.name, fault.reason, stages, bug))


_NOBODY = Handler(lambda _request, _call: b"")
"""Of calls that are turned away for their path."""
