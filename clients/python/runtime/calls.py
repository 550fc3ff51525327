"""The calls of a service: one channel, credentials and a deadline for all of them, and errors that say what they are."""

from __future__ import annotations

import copy
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import grpc

from .errors import error_of
from .paging import Pager
from .streams import Stream

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from typing_extensions import Self

Request = TypeVar("Request", bound="Message")
Response = TypeVar("Response", bound="Message")
Item = TypeVar("Item")

TIMEOUT_SECONDS = 10.0
"""Of a call with all of its tries, where nobody says anything else. Without a deadline a lost answer is waited for without end."""


@dataclass(frozen=True)
class Method(Generic[Request, Response]):
    """One method of a service, which takes one message."""

    path: str
    request_class: type[Request]
    response_class: type[Response]
    request_id: bool = False
    """Whether the request has a `request_id`, so that its tries have one effect (AIP-155)."""
    streams: bool = False
    """Whether it gives more than one message."""


class Client(ABC):
    """What the clients of all services share. Threads may share a client.

    Tries are made by the channel, as the contract allows them (`channel.SERVICE_CONFIG`), and never here: the request that is
    sent again is the same bytes, so its `request_id` is the same too (AIP-4235).
    """

    def __init__(  # noqa: PLR0913 - each has a default that most callers want.
        self,
        target: str | grpc.Channel,
        *,
        token: str | Callable[[], str] | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        insecure: bool = False,
        timeout_seconds: float = TIMEOUT_SECONDS,
        wait_for_ready: bool = False,
        metadata: Iterable[tuple[str, str]] = (),
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """A client of the server at `host:port`, or on a channel, which stays its maker's to close and to configure.

        The connection is encrypted, with `credentials` where the public certificate authorities are not meant; `insecure` sends all
        as plain text, the token too. `token` is sent with each call; a function is asked for it each time, by any thread.
        `wait_for_ready`: calls wait, as long as they have, for a server that is not there yet.
        """
        self._own: grpc.Channel | None = None
        if isinstance(target, str):
            self._own = target_channel = self._connect(target, credentials, [*self._channel_options(), *options], insecure=insecure)
        elif credentials is not None or insecure or options:
            raise ValueError("a channel that is there has its credentials and options already")
        else:
            target_channel = target
        self._channel = target_channel
        self._calls: dict[str, Callable[..., Any]] = {}
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._wait_for_ready = wait_for_ready
        self._metadata = tuple(metadata)

    def with_options(
        self,
        *,
        token: str | Callable[[], str] | None = None,
        timeout_seconds: float | None = None,
        metadata: Iterable[tuple[str, str]] | None = None,
    ) -> Self:
        """The same client on the same channel, with other options for its calls; those not given stay. It needs no closing."""
        changes = {"_token": token, "_timeout_seconds": timeout_seconds, "_metadata": None if metadata is None else tuple(metadata)}
        other = copy.copy(self)
        vars(other).update({name: value for name, value in changes.items() if value is not None}, _own=None)
        return other

    def close(self) -> None:
        """Let the connection go; calls under way are cancelled."""
        if self._own is not None:
            self._own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @staticmethod
    @abstractmethod
    def _channel_options() -> Sequence[tuple[str, Any]]:
        """How channels of this service try again; of the generated subclass."""

    @staticmethod
    def _connect(
        target: str, credentials: grpc.ChannelCredentials | None, options: Sequence[tuple[str, Any]], *, insecure: bool
    ) -> grpc.Channel:
        if insecure and credentials is not None:
            raise ValueError("a connection is encrypted with credentials, or insecure; not both")
        if insecure:
            return grpc.insecure_channel(target, options)
        return grpc.secure_channel(target, credentials or grpc.ssl_channel_credentials(), options)

    def _call(self, method: Method[Request, Response], request: Request | None, fields: Mapping[str, Any]) -> Response:
        """One call, whose request was given whole or by its fields. Raises CallError."""
        return self._send(method, self._request(method, request, fields))

    def _pages(
        self,
        method: Method[Request, Response],
        request: Request | None,
        fields: Mapping[str, Any],
        items: Callable[[Response], Iterable[Item]],
    ) -> Pager[Response, Item]:
        """One list, page by page."""
        first = self._request(method, request, fields)
        return Pager(lambda one: self._send(method, one), first if request is None else _copied(first), items)

    def _stream(self, method: Method[Request, Response], request: Request | None, fields: Mapping[str, Any]) -> Stream[Response]:
        """One call whose answers stream. It has begun when this returns."""
        return Stream(self._begin(method, self._request(method, request, fields)), method.path)

    def _request(self, method: Method[Request, Response], request: Request | None, fields: Mapping[str, Any]) -> Request:
        if request is None:
            return method.request_class(**fields)
        if any(value is not None for value in fields.values()):
            raise TypeError("give the request whole, or its fields; not both")
        return request

    def _send(self, method: Method[Request, Response], request: Request) -> Response:
        try:
            answer: Response = self._begin(method, request)
        except grpc.RpcError as failure:
            raise error_of(failure, method.path) from failure
        return answer

    def _begin(self, method: Method[Request, Response], request: Request) -> Any:
        """The answer, or the call that is under way where answers stream."""
        asked: Any = request
        if method.request_id and not asked.request_id:
            # On a copy: the caller may use theirs again, for another call.
            asked = _copied(request)
            asked.request_id = str(uuid.uuid4())
        call = self._calls.get(method.path) or self._bind(method)
        token = self._token() if callable(self._token) else self._token
        metadata = self._metadata if token is None else (("authorization", f"Bearer {token}"), *self._metadata)
        return call(asked, timeout=self._timeout_seconds, metadata=metadata, wait_for_ready=self._wait_for_ready)

    def _bind(self, method: Method[Request, Response]) -> Callable[..., Any]:
        kind = self._channel.unary_stream if method.streams else self._channel.unary_unary
        call: Callable[..., Any] = kind(
            method.path,
            request_serializer=method.request_class.SerializeToString,
            response_deserializer=method.response_class.FromString,
        )
        return self._calls.setdefault(method.path, call)


def _copied(request: Request) -> Request:
    own = type(request)()
    own.CopyFrom(request)
    return own
