"""Servers that answer the questions of `tests.bench.shelves`, each in words of its own: `protoplane.access.v1` and OpenFGA, through gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
from google.protobuf.message_factory import GetMessageClass

from protoplane.access.tuples import RelationTuple
from tests.access.openfga import Store, started
from tests.bench.contract import ROOT, pool
from tests.bench.load import Orders
from tests.bench.serving import Serving, processor_seconds, servers_core
from tests.bench.shelves import MODEL, RELATION, Question
from tests.engines import Database
from tests.engines.server import Server

HERE = Path(__file__).parent
PAGE_ROWS = 1_000


class Words(Protocol):
    """How one API says questions and answers."""

    def said(self, question: Question) -> tuple[str, Any, Any]:
        """Path of the method, the request, and the class of the response."""

    def named(self, question: Question, response: Any) -> list[str]:
        """The documents that the answer names, in order."""


@dataclass(frozen=True, slots=True)
class Answering:
    """A server, and what its API calls things."""

    name: str
    port: int
    pid: int
    database_pid: int
    metadata: Mapping[str, str]
    words: Words

    def ask(self, question: Question) -> list[str]:
        """The documents that the answer names, by an ordinary client."""
        path, request, response = self.words.said(question)
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            call: Callable[..., Any] = channel.unary_unary(path, response_deserializer=response.FromString)
            answer = call(request.SerializeToString(), metadata=tuple(self.metadata.items()), timeout=30)
        return self.words.named(question, answer)

    def orders(self, question: Question, connections: int, warm: int) -> Orders:
        """What a client process is told that asks such questions."""
        return Orders("grpc", self.port, self.words.said(question)[0], self.metadata, connections, warm)

    def encode(self, question: Question) -> bytes:
        """What it sends."""
        encoded: bytes = self.words.said(question)[1].SerializeToString()
        return encoded

    def spent_seconds(self) -> tuple[float, float]:
        """Processor time of the server, and of the database."""
        return processor_seconds(self.pid), processor_seconds(self.database_pid)


class Ours:
    """`protoplane.access.v1`: resources and subjects by their names."""

    def __init__(self) -> None:
        found = pool(ROOT / "protos", "protoplane/access/v1/access.proto")
        self._make: Callable[[str], Any] = lambda name: GetMessageClass(found.FindMessageTypeByName(f"protoplane.access.v1.{name}"))

    def said(self, question: Question) -> tuple[str, Any, Any]:
        """See Words."""
        user, service = f"users/{question.user}", "/protoplane.access.v1.Access/"
        names = [f"documents/{one}" for one in question.documents]
        if not names:
            request = self._make("ListResourcesRequest")(subject=user, relation=RELATION, type="document", page_size=PAGE_ROWS)
            return f"{service}ListResources", request, self._make("ListResourcesResponse")
        if len(names) == 1:
            request = self._make("CheckRequest")(subject=user, relation=RELATION, resource=names[0])
            return f"{service}Check", request, self._make("CheckResponse")
        items = [{"subject": user, "relation": RELATION, "resource": name} for name in names]
        return f"{service}BatchCheck", self._make("BatchCheckRequest")(items=items), self._make("BatchCheckResponse")

    def named(self, question: Question, response: Any) -> list[str]:
        """See Words."""
        if not question.documents:
            return sorted(name.removeprefix("documents/") for name in response.resources)
        allowed = [response.allowed] if len(question.documents) == 1 else response.allowed
        return [one for one, yes in zip(question.documents, allowed, strict=True) if yes]


class Theirs:
    """OpenFGA's: objects as `type:id`, in a store with a model."""

    def __init__(self, store: Store) -> None:
        found = pool(HERE, "openfga.proto")
        self._make: Callable[[str], Any] = lambda name: GetMessageClass(found.FindMessageTypeByName(f"openfga.v1.{name}"))
        self._of = {"store_id": store.path.rpartition("/")[2], "authorization_model_id": store.model_id}

    def said(self, question: Question) -> tuple[str, Any, Any]:
        """See Words."""
        user, service = f"user:{question.user}", "/openfga.v1.OpenFGAService/"
        keys = [{"user": user, "relation": RELATION, "object": f"document:{one}"} for one in question.documents]
        if not keys:
            request = self._make("ListObjectsRequest")(type="document", relation=RELATION, user=user, **self._of)
            return f"{service}ListObjects", request, self._make("ListObjectsResponse")
        if len(keys) == 1:
            return f"{service}Check", self._make("CheckRequest")(tuple_key=keys[0], **self._of), self._make("CheckResponse")
        checks = [{"tuple_key": key, "correlation_id": str(i)} for i, key in enumerate(keys)]
        return f"{service}BatchCheck", self._make("BatchCheckRequest")(checks=checks, **self._of), self._make("BatchCheckResponse")

    def named(self, question: Question, response: Any) -> list[str]:
        """See Words."""
        if not question.documents:
            return sorted(one.removeprefix("document:") for one in response.objects)
        if len(question.documents) == 1:
            return [*question.documents] if response.allowed else []
        return [one for i, one in enumerate(question.documents) if response.result[str(i)].allowed]


def ours(serving: Serving, database: Database) -> Answering:
    """A server of ours that `with_protoplane.serve` has started."""
    return Answering(serving.name, serving.port, serving.pid, pid_of(database), serving.metadata, Ours())


CACHES = (
    "--check-query-cache-enabled",
    "--check-iterator-cache-enabled",
    "--list-objects-iterator-cache-enabled",
    "--check-cache-limit=100000",
    "--check-query-cache-ttl=60s",
    "--check-iterator-cache-ttl=60s",
    "--list-objects-iterator-cache-ttl=60s",
)
"""All that it has, larger and kept for longer than by default."""

LOADED_TOGETHER = 1_000
LOADING = f"--max-tuples-per-write={LOADED_TOGETHER}"


@contextmanager
def openfga(database: Database, tuples: Sequence[RelationTuple]) -> Iterator[list[Answering]]:
    """Two servers of it on one database: one as it is by default, one with its caches on. Raises `Unavailable`."""
    with ExitStack() as stack:
        with servers_core():
            plain, caching = (stack.enter_context(started(database, LOADING, *flags)) for flags in ((), CACHES))
        words = Theirs(plain.store(MODEL, tuples, together=LOADED_TOGETHER))
        yield [
            Answering(name, server.grpc_port, server.pid, pid_of(database), {}, words)
            for name, server in (("openfga", plain), ("with caches", caching))
        ]


def pid_of(database: Database) -> int:
    """The process of a database server."""
    assert isinstance(database.engine, Server)
    return database.engine.pid
