"""One RPC: how its request comes in, and how it is answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NoReturn, final

from protoplane.base import clock, limits
from protoplane.base.errors import Fault, Reason
from protoplane.edge.core import cygrpc
from protoplane.edge.head import Metadata
from protoplane.edge.refusal import Refused

if TYPE_CHECKING:
    from protoplane.edge.wire import Wire

PAUSE_SECONDS_MAX = 30.0
"""Between two messages of a request stream: it holds a thread."""

SEND_SECONDS_MAX = 10.0
"""For a caller to take an answer, or one message of a stream. Whoever reads slower is cut off: what it does not take is our memory."""

LAST_SECONDS = 1.0
"""For a message that is under way when the deadline of its stream passes: whoever reads is to be told why it ends, with all details."""

UNSENT_BYTES_COUNTED = 32_768
"""Smaller answers are not tracked: the number of calls bounds them."""

WRITE_THROUGH = 4
"""The core's flag (GRPC_WRITE_THROUGH): a message is sent when the system has taken it, not when the windows would let it go."""

NO_DEADLINE_SECONDS = 1e9
"""The core gives some 292 years for a call without a deadline."""


@final
@dataclass(frozen=True, slots=True)
class Handler:
    """What answers the calls of one method.

    `serve` gets the request as bytes (an iterator of them where requests stream) and the `Call`, and returns the answer as
    bytes (an iterator where answers stream; what was given to `Call.send` needs none). It may raise `Refused`. One that is `inline` never waits for anything: it runs on the
    thread that heard of the call, whatever else goes on; if its answers stream, it returns None and uses `Call.post` and `Call.end`.
    """

    serve: Callable[..., Any]
    request_streaming: bool = False
    response_streaming: bool = False
    inline: bool = False
    message_bytes_max: int = limits.VALUE_BYTES_MAX
    stream_seconds_max: float = limits.DEADLINE_SECONDS_MAX
    """For all of a stream, whatever its caller's deadline: it holds a thread. Unary methods see to their deadlines themselves."""

    @property
    def type(self) -> str:
        """The word of gRPC's metrics for its cardinality."""
        return TYPES[self.request_streaming, self.response_streaming]


TYPES = {(False, False): "unary", (True, False): "client_stream", (False, True): "server_stream", (True, True): "bidi_stream"}


@final
class Call:
    """One RPC on the wire."""

    __slots__ = (
        "_callbacks",
        "_core",
        "_details",
        "_handler",
        "_headed",
        "_request",
        "_wire",
        "_written",
        "arrived_seconds",
        "cancelled",
        "ended",
        "metadata",
        "trailing_metadata",
    )

    def __init__(self, wire: Wire, handler: Handler, event: Any) -> None:
        self._wire, self._handler, self._core, self._details = wire, handler, event.call, event.call_details
        self.metadata: Metadata = event.invocation_metadata
        """Names and values as the caller sent them, in order; those whose names end with `-bin` are bytes."""
        self.arrived_seconds = 0.0
        """On the monotonic clock: when the request was complete, or its first message here."""
        self.trailing_metadata: Metadata | None = None
        """Sent with the status; may be set until then."""
        self.cancelled = False
        """Whether the caller, or the server on its behalf, has given the call up."""
        self.ended = False
        """Whether a status was sent."""
        self._headed = False
        self._request: bytes | None = None
        self._written: SimpleQueue[bool] | None = None
        self._callbacks: list[Callable[[], None]] | None = []

    # What a method may ask and do.

    @property
    def active(self) -> bool:
        """Whether an answer still has somebody to go to."""
        return not (self.cancelled or self.ended)

    @property
    def path(self) -> str:
        """The method as the caller named it: `/package.Service/Method`."""
        name: bytes = self._details.method
        return name.decode("utf-8", "replace")

    @property
    def request_bytes(self) -> int:
        """The size of the request that is kept until the call is answered."""
        return 0 if self._request is None else len(self._request)

    def remaining_seconds(self) -> float:
        """Until the caller's deadline; above NO_DEADLINE_SECONDS without one, zero or less when it has passed."""
        left: float = self._details.deadline - clock.now_seconds()
        # The core tells it by the wall clock, which may have been set between its look and ours: hardly twice.
        return left if left > 0 else float(self._details.deadline - clock.now_seconds())

    def _stream_seconds(self) -> float:
        return min(self.remaining_seconds(), self.arrived_seconds + self._handler.stream_seconds_max - clock.monotonic_seconds())

    def peer(self) -> str:
        """The address of the other side, such as `ipv4:127.0.0.1:40000`."""
        address: bytes = self._core.peer()
        return address.decode("utf-8", "replace")

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        """What TLS says about the caller: `x509_subject_alternative_name` and others; empty without a client certificate."""
        found: Mapping[bytes, Sequence[bytes]] = cygrpc.auth_context(self._core) or {}
        return {key.decode(): value for key, value in found.items()}

    def when_over(self, callback: Callable[[], None]) -> bool:
        """Run it once the call is over, on a thread that must not wait; False when the call is over already."""
        with _closing:
            if self._callbacks is None:
                return False
            self._callbacks.append(callback)
            return True

    def send_initial_metadata(self, metadata: Metadata) -> None:
        """Send metadata before the first message; once, and before a stream of requests has been read to its end, else ValueError."""
        if self._headed:
            raise ValueError("initial metadata has been sent before")  # The core would refuse it, and never let go of the call.
        self._send_batch((), _ignore, head=metadata)

    def post(self, message: bytes, sent: Callable[[bool], None]) -> None:
        """Send a message of a stream without waiting; `sent` is told, on a thread that must not wait, whether it was taken."""
        operations = (cygrpc.SendMessageOperation(message, WRITE_THROUGH),)
        if self.ended or not self._send_batch(operations, lambda event: sent(event.success)):
            sent(False)  # noqa: FBT003 - the one thing it is told.

    def send(self, message: bytes, seconds_max: float = SEND_SECONDS_MAX) -> None:
        """Send a message of a stream, and wait until the transport has taken it: a stream is not made faster than it is read.

        `seconds_max` is what is left until its deadline. Raises Gone when it was not taken, which ends the call, and Fault ANSWERS_UNREAD when there is no room for it.
        """
        if self._written is None:
            self._written = SimpleQueue()
        taken = self._written
        if len(message) < UNSENT_BYTES_COUNTED:
            self.post(message, taken.put)
        elif not self._wire.unsent.add(self, self._core.peer(), len(message)):
            raise Fault(Reason.ANSWERS_UNREAD)
        else:

            def sent(success: bool) -> None:  # noqa: FBT001 - the one thing it is told.
                self._wire.unsent.discard(self)
                taken.put(success)

            self.post(message, sent)
        if (left := seconds_max + LAST_SECONDS) < SEND_SECONDS_MAX:
            self._await(taken, left, Reason.DEADLINE_PASSED)
        else:
            self._await(taken)

    def cancel(self, fault: Fault | None = None) -> None:
        """Give the call up, with whatever of its answer has not been taken; of the fault the caller learns code and text."""
        self.cancelled = True
        if fault is None:
            self._core.cancel()
        else:
            self._core.cancel(int(fault.code), fault.text)

    def end(self, code: int = 0, text: str = "", response: bytes | None = None) -> None:
        """Send the status, and a last message with it. Raises what the core says of values that it cannot send; then nothing was sent."""
        if self.ended:
            return
        operations = [cygrpc.SendStatusFromServerOperation(self.trailing_metadata, code, text.encode("utf-8", "replace"), 0)]
        done, taken = _ignore, False
        if response is not None:
            large = len(response) >= UNSENT_BYTES_COUNTED
            operations.append(cygrpc.SendMessageOperation(response, WRITE_THROUGH if large else 0))
            if large:
                if not self._wire.unsent.add(self, self._core.peer(), len(response)):
                    self._wire.refuse(self, Fault(Reason.ANSWERS_UNREAD))
                    return
                done = self._on_taken
        try:
            taken = self._send_batch(operations, done)
        finally:
            if not taken:
                done(None)
        self.ended = True  # Not before: what cannot be sent raises, and then it is that which is told.

    def end_refused(self, refusal: Refused) -> None:
        """Send a refusal."""
        self.trailing_metadata = refusal.trailing_metadata
        self.end(refusal.code, refusal.text)

    # How it comes in: on the threads that wait for events.

    def start(self) -> None:
        """Ask for its end, and for its first message."""
        self._core.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(0),), self._on_closed)
        self._wire.awaited.add(self)
        self._core.start_server_batch((cygrpc.ReceiveMessageOperation(0),), self._on_first)

    def turn_away(self, refusal: Refused) -> None:
        """Refuse it before anything of it is received."""
        self.ended = True
        status = cygrpc.SendStatusFromServerOperation(refusal.trailing_metadata, refusal.code, refusal.text.encode(), 0)
        self._send_batch((cygrpc.ReceiveCloseOnServerOperation(0), status), self._on_turned_away)

    def _on_first(self, event: Any) -> Call | None:
        """Returns a call that this thread is to run."""
        data = _message_of(event)
        if not self._wire.awaited.discard(self):
            return None  # It came too late.
        self.arrived_seconds = clock.monotonic_seconds()
        handler = self._handler
        if data is None and not handler.request_streaming:
            if not self.cancelled:
                self._wire.refuse(self, Fault(Reason.MESSAGE_MISSING))
        elif data is not None and len(data) > handler.message_bytes_max:
            self._wire.refuse(self, self._too_large())
        else:
            self._request = data
            return self._wire.take(self, handler)
        return None

    def _on_closed(self, event: Any) -> None:
        if event.batch_operations[0].cancelled():
            self.cancelled = True
        with _closing:
            callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()

    def _on_turned_away(self, _event: Any) -> None:
        self._callbacks = None

    def _on_taken(self, _event: Any) -> None:
        self._wire.unsent.discard(self)

    # How it is answered.

    def run(self) -> None:
        """Answer it. Whatever happens, it is ended: without a status the caller would wait for ever."""
        try:
            try:
                self._answer()
            except Refused as refusal:
                self.end_refused(refusal)
        except Gone:
            return
        except BaseException as bug:  # noqa: BLE001 - the last resort.
            self._wire.broke(self, bug)

    def _answer(self) -> None:
        if self.cancelled:
            return
        handler = self._handler
        request: Any
        request, self._request = self._request, None
        if handler.request_streaming:
            request = self._messages(request)
        answer = handler.serve(request, self)
        if not handler.response_streaming:
            self.end(0, "", answer)
        elif not handler.inline:
            self._send_all(answer)
            self.end()

    def _send_all(self, messages: Iterator[bytes]) -> None:
        try:
            for message in messages:
                self._send(message)
        finally:
            if (close := getattr(messages, "close", None)) is not None:
                close()

    def _send(self, message: bytes) -> None:
        """Send a message of an iterator, if there is time left for it."""
        if self._stream_seconds() <= 0:
            self._give_up(Fault(Reason.DEADLINE_PASSED))
        try:
            self.send(message)
        except Fault as fault:
            self._give_up(fault)

    def _await(self, taken: SimpleQueue[bool], seconds_max: float | None = None, reason: Reason = Reason.ANSWERS_UNREAD) -> None:
        """Wait for the transport, by default for SEND_SECONDS_MAX; raises Gone when it did not take what was sent."""
        try:
            if taken.get(timeout=SEND_SECONDS_MAX if seconds_max is None else max(0.0, seconds_max)):
                return
        except Empty:
            self.cancel(Fault(reason))
            raise Gone(reason) from None
        raise Gone

    def _messages(self, message: bytes | None) -> Iterator[bytes]:
        """The messages of the request, `message` first; ends the method when they pause for too long, or the caller is gone."""
        received: SimpleQueue[bytes | None] = SimpleQueue()
        while message is not None:
            yield message
            if not (self.active and self._batch((cygrpc.ReceiveMessageOperation(0),), lambda event: received.put(_message_of(event)))):
                raise Gone
            try:
                message = received.get(timeout=max(0.0, min(PAUSE_SECONDS_MAX, self._stream_seconds())))
            except Empty:
                self._give_up(Fault(Reason.MESSAGE_LATE))
            if message is not None and len(message) > self._handler.message_bytes_max:
                self._give_up(self._too_large())
        self._confirm_end()

    def _give_up(self, fault: Fault) -> NoReturn:
        """Refuse a call whose method is under way, and end the method."""
        self._wire.refuse(self, fault)
        raise Gone

    def _too_large(self) -> Fault:
        return Fault(Reason.MESSAGE_TOO_LARGE, bytesMax=str(self._handler.message_bytes_max))

    def _confirm_end(self) -> None:
        """Raise Gone unless the caller ended its stream itself.

        The core reports a stream that was cut off as one that is complete, and only in its next event that the call is over: a method
        would act upon half of what was meant. Whether metadata can still be sent tells them apart. Where it has been sent before,
        one more message is asked for, which takes about as long as that next event needs; more there is not.
        """
        answered: SimpleQueue[bool] = SimpleQueue()

        def answer(event: Any) -> None:
            answered.put(event.success)

        if self.active:
            probing = self._batch((cygrpc.ReceiveMessageOperation(0),), answer) if self._headed else self._send_batch((), answer)
            if probing:
                self._await(answered)
        if not self.active:
            raise Gone

    def _send_batch(self, operations: Sequence[Any], done: Callable[[Any], None], head: Metadata | None = None) -> bool:
        """Start operations that send, the initial metadata first unless it has been sent; otherwise as `_batch`."""
        if self._headed:
            return self._batch(operations, done)
        self._headed = True  # Before: `done` may be told, and send more, before this goes on.
        try:
            return self._batch((cygrpc.SendInitialMetadataOperation(head, 0), *operations), done)
        except BaseException:
            self._headed = False
            raise

    def _batch(self, operations: Sequence[Any], done: Callable[[Any], None]) -> bool:
        """Start operations; False when the core does not take them, and `done` will not be told. What raises has started nothing."""
        return not self._core.start_server_batch(operations, done)


class Gone(BaseException):
    """The caller has gone, or was cut off: there is nobody to tell. No `Exception`, so that no method takes it for an error of its own."""

    def __init__(self, reason: Reason = Reason.CALL_CANCELLED) -> None:
        self.reason = reason
        """For the observers: ANSWERS_UNREAD when it was cut off for not reading, DEADLINE_PASSED when its time was over meanwhile."""


_closing = threading.Lock()
"""Held while a call's callbacks are changed: rare, and never for longer than that."""


def _message_of(event: Any) -> bytes | None:
    """What a ReceiveMessageOperation received; None at the end of the caller's messages."""
    message: bytes | None = event.batch_operations[0].message()
    return message


def _ignore(_event: Any) -> None:
    """Nothing depends on it."""
