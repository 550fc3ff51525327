"""The gRPC server: its options with their reasons, its threads, its address, its end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any, TypeVar, final

import grpc

from protoplane.base import limits
from protoplane.base.observe import Observe
from protoplane.edge import early
from protoplane.edge.call import unknown_method
from protoplane.edge.early import Arrivals

T = TypeVar("T")

OPTIONS: Sequence[tuple[str, int]] = (
    # The one place where a message is bounded before it is in memory.
    ("grpc.max_receive_message_length", limits.VALUE_BYTES_MAX),
    # Four times what a client takes by default: only to catch a bug before it fills the memory.
    ("grpc.max_send_message_length", 4 * limits.VALUE_BYTES_MAX),
    # Unlimited by default: rapid reset, header-only streams and the like are bounded per connection.
    ("grpc.max_concurrent_streams", 100),
    # Soft and hard limit alike: between the two, gRPC refuses at random.
    ("grpc.max_metadata_size", 16_384),
    ("grpc.absolute_max_metadata_size", 16_384),
    # One malformed header must not poison the compression table that later requests of the connection use.
    ("grpc.http2.hpack_table_size.decoder", 0),
    # Memory of a connection; the default advertises 4 MiB.
    ("grpc.http2.max_frame_size", 65_536),
    # Connections are balanced, not calls: they must end now and then for a new process to get its share.
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
    ("grpc.max_connection_idle_ms", 300_000),
    # Connections that never say anything live 120 s by default.
    ("grpc.server_handshake_timeout_ms", 10_000),
    # Dead peers: keepalive_timeout does nothing in grpcio, ping_timeout is what counts.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),
    # Our clients ping every 30 s, also when idle; more than that is abuse.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Calls that no thread picked up in time: their callers have given up.
    ("grpc.server_max_unrequested_time_in_server", 10),
    ("grpc.enable_channelz", 0),
)


class AddressError(Exception):
    """The server cannot listen where it is told to."""


@final
class Workers(futures.Executor):
    """Threads that take calls from one queue: an eighth less CPU a call than ThreadPoolExecutor, which keeps an idle count."""

    def __init__(self, threads: int, name: str) -> None:
        self._arrivals = Arrivals(lambda future, run, args: self._waiting.put((future, run, args)), name) if not early.problem() else None
        self._waiting: queue.SimpleQueue[tuple[futures.Future[Any], Callable[..., Any], tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True) for number in range(threads)]
        self._open = True
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> futures.Future[T]:
        """Have a thread run it, a call once its message is here. RuntimeError after `shutdown`."""
        assert not kwargs  # grpcio has none, and a dictionary a call is not free.
        if not self._open:
            raise RuntimeError("these workers have been shut down")
        if self._arrivals is not None and self._arrivals.concerns(args):
            return self._arrivals.take(fn, args)
        future: futures.Future[T] = futures.Future()
        self._waiting.put((future, fn, args))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's signature.
        """Take nothing more; what waits is still run, unless `cancel_futures`."""
        self._open = False
        if self._arrivals is not None:
            self._arrivals.close()
        if cancel_futures:
            while not self._waiting.empty():
                if (item := self._waiting.get()) is not None:
                    item[0].cancel()
        for _ in self._threads:
            self._waiting.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _run(self) -> None:
        get = self._waiting.get
        while (item := get()) is not None:
            future, fn, args = item
            try:
                result = fn(*args)
            except BaseException as error:  # noqa: BLE001 - as every executor: whoever waits for the future is told.
                future.set_exception(error)
            else:
                future.set_result(result)
            del item, future, fn, args  # An idle thread must not keep the last request in memory.


class Dispatch(grpc.GenericRpcHandler):
    """Path → handler. What is not there is answered too, with the reason METHOD_UNKNOWN."""

    def __init__(self, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]], observe: Observe) -> None:
        self._handlers, self._observe = dict(handlers), observe

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """The handler of a call's path."""
        found = self._handlers.get(handler_call_details.method)
        return found or grpc.stream_stream_rpc_method_handler(unknown_method(handler_call_details.method, self._observe))


@final
class Listening:
    """A server that takes calls; `port` is the one it got."""

    def __init__(self, server: grpc.Server, workers: Workers, port: int) -> None:
        self._server, self._workers, self.port = server, workers, port

    def stop(self, grace_seconds: float) -> None:
        """Take no more calls, let running ones end for `grace_seconds`, then cancel them; returns when all is still."""
        self._server.stop(grace_seconds).wait()
        self._workers.shutdown(wait=False)


def listen(
    handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]],
    *,
    address: str,
    threads: int,
    share_port: bool,
    observe: Observe,
    credentials: grpc.ServerCredentials | None = None,
) -> Listening:
    """Start to serve. `share_port`: other processes may listen there too, for deployments without a gap. `credentials`: None for plaintext.

    AddressError when the address is taken or not ours.
    """
    workers = Workers(threads, "call")
    options = [*OPTIONS, ("grpc.so_reuseport", int(share_port))]
    # The stubs ask for a ThreadPoolExecutor; grpcio only submits (`grpc._server._handle_unary_unary`).
    server = grpc.server(workers, handlers=[Dispatch(handlers, observe)], options=options)  # type: ignore[arg-type]
    try:
        port = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise AddressError(
            f"cannot listen on {address}: another process does, or the address is not one of this machine. "
            f"Stop the other one, or choose another address: PROTOPLANE_SERVER_ADDRESS=127.0.0.1:0 takes a free port"
        ) from error
    server.start()
    return Listening(server, workers, port)
