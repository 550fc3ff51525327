"""A call takes a thread only once its request is here.

grpcio's own pool parks a thread on every call whose message is still on the way. So many calls as there are threads, that send
headers and nothing more, would stop the server before anybody is authenticated; and every honest call costs a second hand-over.
Here grpcio's polling thread starts the receive operation itself, and a worker gets the call together with its bytes. Measured
on one core, echo: 115 → 75 µs a call.

There is no public way to do this: the names of `grpc._server` used below are private. `problem` checks at start that they are
those that were read and tested; outside development an unknown grpcio refuses to start rather than fall back to the hole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

import grpc
from grpc import _server  # Private on purpose; see above.
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from protoplane.base.clock import monotonic_seconds

T = TypeVar("T")

MESSAGE_SECONDS_MAX = 5.0
"""For the request message to come after the headers; then the call is ended, and costs memory no longer."""

SWEEP_SECONDS = 1.0

READ = ((1, 83, 2), (1, 86, 0))
"""From and below: the versions whose source was read for this."""

NAMES = (
    "_abort",
    "_CLOSED",
    "_OPEN",
    "_RECEIVE_MESSAGE_TOKEN",
    "_is_rpc_state_active",
    "_possibly_finish_call",
    "_serialized_request",
    "_stream_response_in_pool",
    "_unary_request",
    "_unary_response_in_pool",
)


def problem() -> str:
    """Why this grpcio cannot be trusted with it; empty when it can."""
    version = tuple(int(part) for part in grpc.__version__.split(".")[:3] if part.isdigit())
    if not READ[0] <= version < READ[1]:
        low, high = (".".join(map(str, bound)) for bound in READ)
        return f"grpcio is {grpc.__version__}; this server needs one from {low} and below {high}"
    missing = [name for name in NAMES if not hasattr(_server, name)]
    nothing: Any = None
    thunk = None if missing else _server._unary_request(nothing, nothing, nothing)
    if missing or getattr(thunk, "__name__", "") != "unary_request":
        return f"grpcio {grpc.__version__} is not built as expected ({', '.join(missing) or 'unary_request'})"
    return ""


class Arrivals:
    """Calls whose message is awaited, oldest first. `run` hands a call to a worker."""

    def __init__(self, run: Callable[[futures.Future[Any], Callable[..., Any], tuple[Any, ...]], None], name: str) -> None:
        self._run = run
        self._awaited: dict[int, tuple[float, Any, Any, futures.Future[Any]]] = {}
        self._stopping = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name=f"{name}-arrivals", daemon=True)
        self._sweeper.start()

    @staticmethod
    def concerns(args: tuple[Any, ...]) -> bool:
        """Whether a submission of grpcio's is a call with one request message, which no deserialiser of grpcio's is to see."""
        return (
            len(args) == SUBMITTED
            and args[0] in {_server._unary_response_in_pool, _server._stream_response_in_pool}
            and args[4].__name__ == "unary_request"
            and args[5] is None
        )

    def take(self, run: Callable[..., Any], args: tuple[Any, ...]) -> futures.Future[Any]:
        """Await the message of a call; grpcio holds its locks meanwhile, so nothing here waits."""
        respond, event, state, behaviour, _, deserialise, serialise = args
        future: futures.Future[Any] = futures.Future()

        def on_message(received: Any) -> Any:
            """On grpcio's polling thread."""
            data: bytes | None = _server._serialized_request(received)
            awaited = self._awaited.pop(id(state), None)
            with state.condition:
                if data is None and awaited is not None:
                    self._end_without(state, event)
                finished = _server._possibly_finish_call(state, _server._RECEIVE_MESSAGE_TOKEN)
            if awaited is not None and data is None:
                future.set_result(None)
            elif awaited is not None:
                self._run(future, run, (respond, event, state, behaviour, lambda: data, deserialise, serialise))
            return finished

        with state.condition:
            if not _server._is_rpc_state_active(state):
                future.set_result(None)
                return future
            self._awaited[id(state)] = (monotonic_seconds() + MESSAGE_SECONDS_MAX, state, event, future)
            event.call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), on_message)
            state.due.add(_server._RECEIVE_MESSAGE_TOKEN)
        return future

    def close(self) -> None:
        """Stop looking for calls that are late."""
        self._stopping.set()

    @staticmethod
    def _end_without(state: Any, event: Any) -> None:
        """The caller closed its side without a message, or has gone."""
        if state.client is _server._OPEN:
            state.client = _server._CLOSED
        if state.client is _server._CLOSED:
            _server._abort(state, event.call, cygrpc.StatusCode.unimplemented, b"exactly one request message is required")

    def _sweep(self) -> None:
        while not self._stopping.wait(SWEEP_SECONDS):
            now = monotonic_seconds()
            for key, (until, state, event, future) in list(self._awaited.items()):
                if until > now:
                    break  # The others came later.
                if self._awaited.pop(key, None) is None:
                    continue  # Its message has just come.
                with state.condition:
                    _server._abort(state, event.call, cygrpc.StatusCode.deadline_exceeded, b"the request message did not come in time")
                future.set_result(None)


SUBMITTED = 7
"""What grpcio submits with a call: the responder, the call's event, its state, the behaviour, the thunk, and two serialisers."""


class EarlyPool(futures.ThreadPoolExecutor):
    """A pool of grpcio's own kind, which a behaviour may carry as `experimental_thread_pool`."""

    def __init__(self, threads: int, name: str) -> None:
        super().__init__(threads, name)
        self._arrivals = Arrivals(self._start, name) if not problem() else None

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> futures.Future[T]:
        """Have a thread run it, a call once its message is here."""
        if self._arrivals is not None and self._arrivals.concerns(args):
            return self._arrivals.take(fn, args)
        return super().submit(fn, *args, **kwargs)

    def _start(self, future: futures.Future[Any], run: Callable[..., Any], args: tuple[Any, ...]) -> None:
        super().submit(run, *args).add_done_callback(lambda _: future.set_result(None))
