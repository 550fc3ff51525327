"""The public door as a client sees it: generated stubs on a real port, and errors taken apart."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from click.testing import CliRunner
from google.rpc import error_details_pb2, status_pb2

from protoplane.cli.generate import command as generate

CALL_SECONDS_MAX = 20.0


@dataclass(eq=False)
class Refused(Exception):
    """A call that was refused, with everything a client can read from it."""

    code: str
    message: str
    reason: str
    domain: str
    metadata: Mapping[str, str]
    violations: Mapping[str, str]
    """Field → description."""
    details: tuple[str, ...] = field(default=())
    """Full names of all details, in order."""

    @staticmethod
    def of(error: Any) -> Refused:
        """Take a failed call apart."""
        trailers: dict[str, Any] = dict(error.trailing_metadata() or ())
        status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        for detail in status.details:
            for message in (info, bad):
                if detail.Is(message.DESCRIPTOR):
                    detail.Unpack(message)
        violations = {v.field: v.description for v in bad.field_violations}
        names = tuple(detail.TypeName() for detail in status.details)
        return Refused(error.code().name, error.details(), info.reason, info.domain, dict(info.metadata), violations, names)


def code_of(call: Callable[[], object]) -> str:
    """`OK`, or the code with which a call was refused."""
    try:
        call()
    except Refused as refusal:
        return refusal.code
    return "OK"


class Stream(Iterator[Any]):
    """The answers to a call that streams them."""

    def __init__(self, call: Any) -> None:
        self.call = call

    def __next__(self) -> Any:
        try:
            return next(self.call)
        except grpc.RpcError as error:
            raise Refused.of(error) from error


class Door:
    """Calls of one server with one token: `door.CreateBook(parent=…, book=Book(…))`."""

    def __init__(self, target: str, modules: Sequence[Any], token: str) -> None:
        self.target, self.token = target, token
        self.channel = grpc.insecure_channel(
            target, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        )
        self._methods: dict[str, tuple[Callable[..., Any], type[Any]]] = {}
        for module in modules:
            for service in module.DESCRIPTOR.services_by_name.values():
                for method in service.methods:
                    kind = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
                    call: Callable[..., Any] = kind(
                        f"/{service.full_name}/{method.name}",
                        request_serializer=lambda message: message.SerializeToString(),
                        response_deserializer=method.output_type._concrete_class.FromString,
                    )
                    self._methods[method.name] = (call, method.input_type._concrete_class)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self._methods:
            raise AttributeError(name)
        call, request_class = self._methods[name]

        def run(request: Any = None, *, seconds: float = CALL_SECONDS_MAX, metadata: Sequence[tuple[str, str]] = (), **fields: Any) -> Any:
            authorization = (("authorization", f"Bearer {self.token}"),) if self.token else ()
            try:
                answer = call(request or request_class(**fields), timeout=seconds, metadata=(*authorization, *metadata))
            except grpc.RpcError as error:
                raise Refused.of(error) from error
            return Stream(answer) if isinstance(answer, grpc.Future) and isinstance(answer, Iterator) else answer

        return run

    def close(self) -> None:
        """Let the connection go."""
        self.channel.close()


@contextmanager
def importable(folder: Path) -> Iterator[Callable[[str], Any]]:
    """Import generated modules from a folder."""
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(folder))


def generated(project: Callable[[Path, str], Path], *modules: str) -> tuple[Any, ...]:
    """Modules of the client that `protoplane generate` makes for a project, which `project` puts into a folder, told where its data would be."""
    with tempfile.TemporaryDirectory() as name:
        folder = project(Path(name), "sqlite:///none.db")
        made = CliRunner().invoke(
            generate, ["--lang", "python", "--out", f"{name}/client", "--project", str(folder)], catch_exceptions=False
        )
        assert made.exit_code == 0, made.output
        with importable(Path(name) / "client/src") as load:
            return tuple(map(load, modules))
