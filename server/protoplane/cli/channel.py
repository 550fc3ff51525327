"""The module of a client package that opens channels: how calls are tried again, and how lost connections are noticed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from protoplane.contract.model import Contract, Idempotency, Kind, Label, Method, MethodKind

MODULE = "channel.py"

TEXT = '''\
"""Channels to {services}: calls that can safely be made again are, and lost connections are noticed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

import grpc

WITH_REQUEST_ID = (
{with_request_id})
"""Writes whose second try has no second effect, because both carry one request_id."""

REPEATABLE = (
{repeatable})
"""Reads, and writes that do the same when done twice."""

SERVICE_CONFIG = {{
    "methodConfig": [
        {{
            "name": [
                dict(zip(("service", "method"), path[1:].split("/"), strict=True)) for path in (*REPEATABLE, *WITH_REQUEST_ID)
            ],
            "retryPolicy": {{
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                # CANCELLED is what a gRPC server that stops gives to calls that come before the client knows; it has not begun them.
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            }},
        }}
    ],
    # While most calls fail, they are not made four times: that would keep a server down that tries to get up.
    "retryThrottling": {{"maxTokens": {tokens}, "tokenRatio": 0.1}},
}}
"""What gRPC knows about retries (gRFC A6), as JSON has it."""


def channel_options() -> list[tuple[str, Any]]:
    """Options of a channel. With them alone, calls of WITH_REQUEST_ID must be given a request_id by whoever makes them."""
    return [
        ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
        # A peer that is gone without a goodbye is noticed within 40 s, before there is a call, too.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # A server that comes back is found soon: by default clients wait up to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5_000),
    ]


def connect(
    target: str, credentials: grpc.ChannelCredentials | None = None, *, options: Sequence[tuple[str, Any]] = ()
) -> grpc.Channel:
    """A channel to `host:port`, encrypted with `credentials` (`grpc.ssl_channel_credentials()`), else not.

    Writes without a request_id are given one, so that they may be tried again. Calls still want a timeout.
    """
    every = [*channel_options(), *options]
    channel = grpc.insecure_channel(target, every) if credentials is None else grpc.secure_channel(target, credentials, every)
    return grpc.intercept_channel(channel, _RequestIds())


class _RequestIds(grpc.UnaryUnaryClientInterceptor):
    """Gives a request_id to requests that have none."""

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        if client_call_details.method in WITH_REQUEST_ID and not request.request_id:
            own = type(request)()
            own.CopyFrom(request)  # The caller may use theirs again, for another call.
            own.request_id = str(uuid.uuid4())
            request = own
        return continuation(client_call_details, request)
'''

TOKENS = 400
"""Retries stop when failures have used up half of them; a success gives a tenth of one back. So many because a connection has up
to 100 calls, which all fail when it is lost, and perhaps once more before there is another: with 10, six calls are too many."""


def channel_modules(contract: Contract) -> Mapping[PurePosixPath, str]:
    """The text of each module by its path: one beside the modules of the services in a folder."""
    folders: dict[PurePosixPath, list[Method]] = {}
    for method in contract.own_methods:
        folders.setdefault(folder_of(method), []).append(method)
    return {folder / MODULE: _text(methods) for folder, methods in folders.items()}


def folder_of(method: Method) -> PurePosixPath:
    """Where the generator puts the modules of the method's service."""
    file = method.request.file.pool.FindServiceByName(method.service).file
    return PurePosixPath(file.name.replace("-", "_")).parent


def _text(methods: Iterable[Method]) -> str:
    methods = list(methods)
    return TEXT.format(
        services=", ".join(dict.fromkeys(method.service for method in methods)),
        with_request_id=_lines(method.path for method in methods if has_request_id(method) and not _repeatable(method)),
        repeatable=_lines(method.path for method in methods if _repeatable(method)),
        tokens=TOKENS,
    )


def _lines(paths: Iterable[str]) -> str:
    return "".join(f'    "{path}",\n' for path in paths)


def _repeatable(method: Method) -> bool:
    """Whether doing it twice is doing it once, whatever the request says."""
    if method.kind is MethodKind.CUSTOM:
        # Of a stream gRPC makes no second try once it has had an answer (gRFC A6).
        return (method.reads or method.idempotency is Idempotency.IDEMPOTENT) and not method.client_streaming
    return method.kind in {MethodKind.GET, MethodKind.BATCH_GET, MethodKind.LIST, MethodKind.AGGREGATE}


def has_request_id(method: Method) -> bool:
    """Whether a call may carry a request_id; where it writes, the server gives the first answer again to a call with the same one."""
    field = method.request_field("request_id")
    found = field is not None and field.kind is Kind.STRING and field.label is Label.SINGULAR and not field.wrapper
    return found and not (method.client_streaming or method.server_streaming)
