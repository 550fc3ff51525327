"""One call of the server and what came back, and the caller who makes them: bounded in number, rate and time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from protoplane.base import clock

Message: TypeAlias = Any
"""A message of the target's own pool: its fields are known at run time only."""

LATER: Final = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED"})
"""Codes after which the same call is made again, later: they are about the server's load, not about its behaviour."""

ATTEMPTS_MAX: Final = 4
BACKOFF_SECONDS: Final = 0.3
JSON_CHARACTERS_MAX: Final = 4_000
"""Of one message in a report."""

_DETAILS: Final[Mapping[str, Any]] = {
    f"google.rpc.{name}": getattr(error_details_pb2, name)
    for name in (
        "ErrorInfo",
        "BadRequest",
        "PreconditionFailure",
        "ResourceInfo",
        "RetryInfo",
        "QuotaFailure",
        "DebugInfo",
        "RequestInfo",
        "Help",
        "LocalizedMessage",
    )
}


class BudgetSpentError(Exception):
    """No more calls may be made, or no more time is left."""


@dataclass(frozen=True, slots=True)
class Detail:
    """One detail of an error; `value` is None for a type that google.rpc does not have, or for bytes that are none."""

    type: str
    value: Message | None


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """A request and its answer. `code` is the name of a gRPC code; `response` is None unless it is OK."""

    method: MethodDescriptor
    request: Message
    code: str
    message: str
    details: tuple[Detail, ...]
    response: Message
    pool: DescriptorPool

    @property
    def ok(self) -> bool:
        """Whether it went well."""
        return self.code == "OK"

    def detail(self, name: str) -> Message | None:
        """The first detail of that type of google.rpc."""
        return next((one.value for one in self.details if one.type == f"google.rpc.{name}"), None)

    @property
    def violations(self) -> Mapping[str, str]:
        """Field → what is wrong with it, as BadRequest has it."""
        bad = self.detail("BadRequest")
        return {} if bad is None else {one.field: one.description for one in bad.field_violations}

    def facts(self) -> dict[str, object]:
        """For people and machines: what was asked and what came back, as JSON has it."""
        told: dict[str, object] = {"method": self.method.full_name, "request": self._json(self.request), "status": self.code}
        if self.response is not None:
            return {**told, "response": self._json(self.response)}
        details = [{"@type": one.type} if one.value is None else {"@type": one.type, **_plain(one.value)} for one in self.details]
        return {**told, "message": self.message, "details": details}

    def _json(self, message: Message) -> object:
        try:
            return json_format.MessageToDict(message, descriptor_pool=self.pool, preserving_proto_field_name=True)
        except (TypeError, ValueError, json_format.Error):  # An Any of an unknown type, a time out of range.
            return {"text": str(message)[:JSON_CHARACTERS_MAX]}


def _plain(message: Message) -> dict[str, object]:
    found: dict[str, object] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return found


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be asked of the server."""

    call_seconds: float = 10.0
    """Deadline of one call."""
    calls_max: int = 50_000
    seconds_max: float = 600.0
    calls_per_second: float = 0.0
    """0: as fast as they come back."""


@final
class Caller:
    """Makes calls and remembers their errors. Several threads may use it."""

    def __init__(self, channel: grpc.Channel, pool: DescriptorPool, metadata: Sequence[tuple[str, str]], bounds: Bounds) -> None:
        self.pool, self.bounds, self.calls = pool, bounds, 0
        self.errors: list[Exchange] = []
        """What was refused since somebody last emptied it."""
        self.latest: list[Exchange] = []
        """The same of all exchanges."""
        self._channel, self._metadata = channel, tuple(metadata)
        self._stubs: dict[str, Callable[..., bytes]] = {}
        self._lock = threading.Lock()
        self._end_seconds = clock.monotonic_seconds() + bounds.seconds_max
        self._turn_seconds = 0.0
        self._stopped = False

    def stop(self) -> None:
        """Let the call under way end, so that it is known what it made, and make no other: the next raises KeyboardInterrupt."""
        self._stopped = True

    def extend(self, seconds: float, calls: int) -> None:
        """Go on, with more of both: cleaning up is not to fail because checking took long, or was stopped."""
        self._stopped = False
        self._end_seconds = max(self._end_seconds, clock.monotonic_seconds() + seconds)
        self.bounds = Bounds(self.bounds.call_seconds, self.calls + calls, self.bounds.seconds_max, self.bounds.calls_per_second)

    def call(
        self, method: MethodDescriptor, request: Message, *, seconds: float = 0.0, headers: Sequence[tuple[str, str]] = ()
    ) -> Exchange:
        """Make a call; one that a busy server refuses is made again a few times. BudgetSpentError when that is not allowed any more."""
        seconds = seconds or self.bounds.call_seconds
        found = self._once(method, request, seconds, headers)
        for attempt in range(1, ATTEMPTS_MAX):
            if found.code not in LATER:
                break
            clock.sleep(BACKOFF_SECONDS * 2**attempt)
            found = self._once(method, request, seconds, headers)
        with self._lock:
            self.latest.append(found)
            if not found.ok:
                self.errors.append(found)
        return found

    def _wait(self) -> None:
        """Take a turn; they are as far apart as was asked for."""
        if self._stopped:
            raise KeyboardInterrupt
        with self._lock:
            self.calls += 1
            if self.calls > self.bounds.calls_max:
                raise BudgetSpentError(f"{self.bounds.calls_max:,} calls were made")
            now = clock.monotonic_seconds()
            if now > self._end_seconds:
                raise BudgetSpentError(f"{self.bounds.seconds_max:,.0f} seconds have passed")
            pause_seconds = max(0.0, self._turn_seconds - now)
            if self.bounds.calls_per_second:
                self._turn_seconds = max(now, self._turn_seconds) + 1 / self.bounds.calls_per_second
        if pause_seconds:
            clock.sleep(pause_seconds)

    def _once(self, method: MethodDescriptor, request: Message, seconds: float, headers: Sequence[tuple[str, str]]) -> Exchange:
        self._wait()
        try:
            data = self._stub(method)(request.SerializeToString(), timeout=seconds, metadata=(*self._metadata, *headers))
            response = GetMessageClass(method.output_type).FromString(data)
        except grpc.RpcError as error:
            refused: Any = error
            return Exchange(method, request, refused.code().name, refused.details() or "", details_of(refused), None, self.pool)
        except DecodeError:
            return Exchange(method, request, "INTERNAL", f"the answer is no {method.output_type.full_name}", (), None, self.pool)
        return Exchange(method, request, "OK", "", (), response, self.pool)

    def _stub(self, method: MethodDescriptor) -> Callable[..., bytes]:
        path = f"/{method.containing_service.full_name}/{method.name}"
        if path not in self._stubs:
            self._stubs[path] = self._channel.unary_unary(path)
        return self._stubs[path]


def details_of(error: Any) -> tuple[Detail, ...]:
    """The details of a gRPC error; none where there are none, or where they are in somebody's own form."""
    trailers: Mapping[str, Any] = dict(error.trailing_metadata() or ())
    try:
        status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    except DecodeError:
        return ()
    return tuple(_detail(packed) for packed in status.details)


def _detail(packed: Message) -> Detail:
    name = packed.TypeName()
    if name not in _DETAILS:
        return Detail(name, None)
    try:
        return Detail(name, _DETAILS[name].FromString(packed.value))
    except DecodeError:
        return Detail(name, None)
