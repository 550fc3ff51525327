"""A real OpenFGA server on a database of a private MySQL, asked over HTTP as anybody would; caches are off, which is its default."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protoplane.access.model import Computed, Exclusion, Intersection, Model, Restriction, Rewrite, This, Through, Union
from protoplane.access.tuples import Object, RelationTuple, Subject, object_of, subject_of
from tests.engines import Database, Unavailable
from tests.engines.server import POLL_SECONDS, START_SECONDS_MAX, Server, free_port, tail

VERSION = "1.22.1"
WRITES_MAX = 100
"""Tuples in one write, as the server's default has it."""


class Refused(Exception):
    """The server answers with an error: its status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


def program() -> Path:
    """Where `go install github.com/openfga/openfga/cmd/openfga@v1.22.1` puts it; raises `Unavailable`."""
    found = shutil.which("openfga", path=f"{os.environ.get('PATH', '')}:{Path.home() / 'go' / 'bin'}")
    if found is None:
        raise Unavailable(f"OpenFGA is not there: go install github.com/openfga/openfga/cmd/openfga@v{VERSION}")
    return Path(found)


@dataclass(slots=True)
class OpenFga:
    """A running server, with one connection kept open."""

    port: int
    grpc_port: int
    pid: int
    connection: http.client.HTTPConnection = field(repr=False)

    def ask(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """One POST; raises Refused."""
        self.connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read().decode()
        if answer.status >= http.client.BAD_REQUEST:
            raise Refused(answer.status, text)
        found: dict[str, Any] = json.loads(text)
        return found

    def store(self, model: Model, tuples: Iterable[RelationTuple], together: int = WRITES_MAX) -> Store:
        """A new store with a model and tuples, so many in one write; raises Refused for a model that it does not take."""
        path = f"/stores/{self.ask('/stores', {'name': 'test'})['id']}"
        store = Store(self, path, self.ask(f"{path}/authorization-models", json_of(model))["authorization_model_id"])
        held = list(tuples)
        for start in range(0, len(held), together):
            keys = [key_of(one.subject, one.relation, one.object) | under(one) for one in held[start : start + together]]
            self.ask(f"{path}/write", {"writes": {"tuple_keys": keys}, "authorization_model_id": store.model_id})
        return store


@dataclass(frozen=True, slots=True)
class Store:
    """A model and tuples in a server."""

    server: OpenFga
    path: str
    model_id: str

    def check(self, subject: Subject, relation: str, object_: Object, context: Mapping[str, object] | None = None) -> bool:
        """Check."""
        return bool(self._ask("check", {"tuple_key": key_of(subject, relation, object_), "context": context or {}})["allowed"])

    def check_many(self, subject: Subject, asked: Sequence[tuple[str, Object]]) -> list[bool]:
        """BatchCheck, of 50 at most."""
        checks = [{"tuple_key": key_of(subject, relation, one), "correlation_id": str(i)} for i, (relation, one) in enumerate(asked)]
        result = self._ask("batch-check", {"checks": checks})["result"]
        return [bool(result[str(i)].get("allowed")) for i in range(len(asked))]

    def list_objects(self, subject: Subject, relation: str, type_name: str) -> list[str]:
        """ListObjects: ids, sorted."""
        found = self._ask("list-objects", {"type": type_name, "relation": relation, "user": str(subject)})["objects"]
        return sorted(object_of(one).id for one in found)

    def list_subjects(self, object_: Object, relation: str, type_name: str, subject_relation: str = "") -> set[Subject]:
        """ListUsers."""
        filters = [{"type": type_name, **({"relation": subject_relation} if subject_relation else {})}]
        body = {"object": {"type": object_.type, "id": object_.id}, "relation": relation, "user_filters": filters}
        return {subject_of_user(user) for user in self._ask("list-users", body)["users"]}

    def _ask(self, method: str, body: Mapping[str, object]) -> dict[str, Any]:
        return self.server.ask(f"{self.path}/{method}", {**body, "authorization_model_id": self.model_id})


@contextmanager
def started(database: Database | None, *flags: str) -> Iterator[OpenFga]:
    """A server on a MySQL database that is empty or another's, or on none but its memory, ended at the end. Raises `Unavailable`."""
    datastore = ["--datastore-engine=memory"]
    if database is not None:
        engine = database.engine
        assert isinstance(engine, Server)
        datastore = ["--datastore-engine=mysql", f"--datastore-uri=root@tcp(127.0.0.1:{engine.port})/{database.name}?parseTime=true"]
        subprocess.run([str(program()), "migrate", *datastore], check=True, capture_output=True, timeout=120)
    port, grpc_port = free_port(), free_port()
    addresses = [
        f"--http-addr=127.0.0.1:{port}",
        f"--grpc-addr=127.0.0.1:{grpc_port}",
        "--playground-enabled=false",
        "--metrics-enabled=false",
    ]
    with tempfile.NamedTemporaryFile() as log:
        command = [str(program()), "run", *datastore, *addresses, "--log-level=error", *flags]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            connection = wait_for(port, process, Path(log.name))
            yield OpenFga(port, grpc_port, process.pid, connection)
            connection.close()
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> http.client.HTTPConnection:
    """A connection to the server, once it serves."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/healthz")
            if b'"SERVING"' in connection.getresponse().read():
                return connection
        except OSError:
            pass
        connection.close()
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(f"OpenFGA did not start:\n{tail(log)}")
        time.sleep(POLL_SECONDS)


def key_of(subject: Subject, relation: str, object_: Object) -> dict[str, object]:
    """A tuple key of its API."""
    return {"user": str(subject), "relation": relation, "object": str(object_)}


def under(held: RelationTuple) -> dict[str, object]:
    """The condition of a tuple key."""
    return {"condition": {"name": held.condition, "context": json.loads(held.context or "{}")}} if held.condition else {}


def subject_of_user(user: Mapping[str, Any]) -> Subject:
    """A user of its answers."""
    if "userset" in user:
        return Subject(user["userset"]["type"], user["userset"]["id"], user["userset"]["relation"])
    return subject_of(f"{user['wildcard']['type']}:*") if "wildcard" in user else Subject(user["object"]["type"], user["object"]["id"])


def json_of(model: Model) -> dict[str, object]:
    """A model as its API takes it."""
    definitions = []
    for type_name, relations in model.types.items():
        related = {
            relation.name: {"directly_related_user_types": list(map(reference, relation.restrictions))} for relation in relations.values()
        }
        rewrites = {relation.name: userset(relation.rewrite) for relation in relations.values()}
        definitions.append({"type": type_name, "relations": rewrites, "metadata": {"relations": related}})
    conditions = {
        condition.name: {
            "name": condition.name,
            "expression": condition.expression,
            "parameters": {name: kind_of(kind) for name, kind in condition.parameters},
        }
        for condition in model.conditions.values()
    }
    return {"schema_version": "1.1", "type_definitions": definitions, "conditions": conditions}


def kind_of(kind: str) -> dict[str, object]:
    """A type of a condition's parameter."""
    name, _, inner = kind.removesuffix(">").partition("<")
    return {"type_name": f"TYPE_NAME_{name.upper()}", **({"generic_types": [kind_of(inner)]} if inner else {})}


def reference(given: Restriction) -> dict[str, object]:
    """A restriction as its API takes it."""
    extra: dict[str, object] = {"relation": given.relation} if given.relation else {"wildcard": {}} if given.wildcard else {}
    return {"type": given.type, **extra, **({"condition": given.condition} if given.condition else {})}


def userset(rewrite: Rewrite) -> dict[str, object]:
    """An expression as its API takes it."""
    match rewrite:
        case This():
            return {"this": {}}
        case Computed(name):
            return {"computedUserset": {"relation": name}}
        case Through(name, tupleset):
            return {"tupleToUserset": {"tupleset": {"relation": tupleset}, "computedUserset": {"relation": name}}}
        case Union(operands):
            return {"union": {"child": list(map(userset, operands))}}
        case Intersection(operands):
            return {"intersection": {"child": list(map(userset, operands))}}
        case Exclusion(base, subtract):
            return {"difference": {"base": userset(base), "subtract": userset(subtract)}}
