"""The answers to a call that streams them, as an iterator."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from .errors import error_of

if TYPE_CHECKING:
    from typing_extensions import Self

Response = TypeVar("Response")


class Stream(Iterator[Response]):
    """The answers, as they come; the server makes them about as fast as they are taken. An error ends it, and is raised again when it is gone on with.

    Before the first answer the channel may have called again, as the contract allows it. Later nobody does: who has had half of a
    stream must begin it anew himself. Leave it by `cancel`, or use it in a `with`, to have the server stop.
    """

    def __init__(self, call: Any, method: str) -> None:
        """`call` is the one of gRPC, under way."""
        self._call = call
        self._method = method

    def cancel(self) -> None:
        """Want no more of it."""
        self._call.cancel()

    def __iter__(self) -> Stream[Response]:
        return self

    def __next__(self) -> Response:
        try:
            answer: Response = next(self._call)
        except grpc.RpcError as failure:
            raise error_of(failure, self._method) from failure
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cancel()
