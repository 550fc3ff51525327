"""The gRPC server: its options with their reasons, its address, its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import grpc

from protoplane.base import limits
from protoplane.base.observe import Observe
from protoplane.base.settings import ServerSettings
from protoplane.edge.rpc import Handler
from protoplane.edge.wire import Identify, Wire

OPTIONS: Sequence[tuple[str, int]] = (
    # The one place where a message is bounded before it is in memory; methods have lower bounds of their own.
    ("grpc.max_receive_message_length", limits.VALUE_BYTES_MAX),
    # Four times what a client takes by default: only to catch a bug before it fills the memory.
    ("grpc.max_send_message_length", limits.ANSWER_BYTES_MAX),
    # Unlimited by default: rapid reset, header-only streams and the like are bounded per connection.
    ("grpc.max_concurrent_streams", 100),
    # Soft and hard limit alike: between the two, gRPC refuses at random.
    ("grpc.max_metadata_size", 16_384),
    ("grpc.absolute_max_metadata_size", 16_384),
    # One malformed header must not poison the compression table that later requests of the connection use.
    ("grpc.http2.hpack_table_size.decoder", 0),
    # Memory of a connection, before anybody is authenticated. Probing raises both windows and frames to 4 MiB, whatever is set here;
    # without it a stream has 64 KiB, and as much as the message needs that is being read.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.max_frame_size", 65_536),
    # For calls of a connection that has come of age.
    ("grpc.max_connection_age_grace_ms", 60_000),
    ("grpc.max_connection_idle_ms", 300_000),
    # Connections that never say anything live 120 s by default.
    ("grpc.server_handshake_timeout_ms", 10_000),
    # Dead peers, and those that read nothing from their sockets: keepalive_timeout does nothing in grpcio, ping_timeout is what counts.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),
    # Our clients ping every 30 s, also when idle; more than that is abuse.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Calls that no thread has looked at yet. Between the two numbers, 1,000 and 3,000 by default, the core ends calls at random with
    # CANCELLED, whosever they are: 20 connections of header-only calls would do. Streams and connections bound them; we refuse by principal.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 30_000),
    # Calls that no thread picked up in time: their callers have given up.
    ("grpc.server_max_unrequested_time_in_server", 10),
    # It would show every connection and call to whoever can ask, and nobody here asks.
    ("grpc.enable_channelz", 0),
)


class AddressError(Exception):
    """The server cannot listen where it is told to."""


@final
class Listening:
    """A server that takes calls."""

    def __init__(self, wire: Wire, port: int, types: Mapping[str, str]) -> None:
        self.wire = wire
        self.port = port
        """The one it got."""
        self.types = types
        """Path → `unary`, `client_stream`, `server_stream` or `bidi_stream`."""

    def stop(self, grace_seconds: float) -> None:
        """Take no more calls, let running ones end for `grace_seconds`, then cancel them; returns when all is still."""
        self.wire.stop(grace_seconds)


def listen(
    handlers: Mapping[str, Handler],
    server: ServerSettings,
    *,
    share_port: bool,
    identify: Identify,
    observe: Observe,
    credentials: grpc.ServerCredentials | None = None,
) -> Listening:
    """Start to serve. `share_port`: other processes may listen there too, for deployments without a gap.

    AddressError when the address is taken or not ours.
    """
    # Ten per cent around it are random, so that connections made together do not end together.
    age = ("grpc.max_connection_age_ms", round(server.connection_age_seconds * 1_000))
    options = [*OPTIONS, age, ("grpc.so_reuseport", int(share_port))]
    wire = Wire(handlers, options, server, identify=identify, observe=observe)
    port = wire.listen(server.address, credentials)
    if not port:
        raise AddressError(
            f"cannot listen on {server.address}: another process does, or the address is not one of this machine. "
            f"Stop the other one, or choose another address: PROTOPLANE_SERVER_ADDRESS=127.0.0.1:0 takes a free port"
        )
    wire.start()
    return Listening(wire, port, {path: handler.type for path, handler in handlers.items()})
