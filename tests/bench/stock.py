"""What both servicers written by hand have in common: grpcio as it comes, and the parts of names and times."""

import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import grpc

from tests.bench.contract import SERVICE, message_class

Method: TypeAlias = tuple[Callable[[Any, grpc.ServicerContext], Any], str]
"""A behaviour and the name of its request."""


def serve(methods: Mapping[str, Method], threads: int) -> None:
    """Serve on a free port, which is printed, until SIGTERM."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_unary_rpc_method_handler(
            behaviour,
            request_deserializer=message_class(request).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        for name, (behaviour, request) in methods.items()
    }
    server = grpc.server(ThreadPoolExecutor(max_workers=threads), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    bound = server.add_insecure_port("127.0.0.1:0")
    signal.signal(signal.SIGTERM, lambda *_: server.stop(1))
    server.start()
    print(bound, flush=True)
    server.wait_for_termination()


def flight_id(name: str, context: grpc.ServicerContext) -> str:
    """The id in a flight's name."""
    collection, _, key = name.partition("/")
    if collection != "flights" or not key or len(key) > 63 or "/" in key:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "name must be flights/{flight}")
    return key


def set_time(message: Any, value: int) -> None:
    """Set a Timestamp or Duration from microseconds."""
    message.seconds, rest = divmod(value, 1_000_000)
    message.nanos = rest * 1_000


def set_span(message: Any, value: int) -> None:
    """Set a Duration, whose parts have the same sign."""
    if value < 0:
        seconds, rest = divmod(-value, 1_000_000)
        message.seconds, message.nanos = -seconds, -rest * 1_000
    else:
        set_time(message, value)
