"""Contracts as other teams write them, in Google's own style, to be served as they are: nothing in them was made for us but the access rules."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format

from protoplane import app
from tests.door.client import Refused
from tests.door.service import running, token_of

HERE = Path(__file__).parent
SECONDS_MAX = 20.0
SUBJECT = "developer"
SETTINGS = """
[project]
name = "{name}"

[database]
url = "{url}"

[server]
address = "127.0.0.1:0"

[grants]
"developer" = ["*"]
"""


def project(folder: Path, name: str, url: str) -> Path:
    """The project of one of the contracts, with its data at `url`."""
    shutil.copytree(HERE / "contracts" / name / "protos", folder / "protos")
    code = HERE / f"{name}_code.py"
    if code.exists():
        shutil.copy(code, folder / "servicers.py")
    (folder / "protoplane.toml").write_text(SETTINGS.format(name=name, url=url))
    return folder


@dataclass(frozen=True)
class Guest:
    """One of them, served."""

    app: app.App
    folder: Path
    channel: grpc.Channel
    bugs: list[BaseException]
    """What the server raised that it should not have."""

    @property
    def target(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.app.port}"

    @property
    def token(self) -> str:
        """Of one who may do everything."""
        return token_of(self.folder, SUBJECT)

    def call(self, method_name: str, /, **fields: Any) -> dict[str, Any]:
        """Call a method by its name, with the fields of its request as in JSON. Raises Refused."""
        method = next(each for each in self.app.contract.methods.values() if each.name == method_name)
        pool = method.request.file.pool
        request = json_format.ParseDict(fields, method.request_class(), descriptor_pool=pool)
        run: Callable[..., Any] = self.channel.unary_unary(
            method.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=method.response_class.FromString,
        )
        try:
            answer = run(request, timeout=SECONDS_MAX, metadata=(("authorization", f"Bearer {self.token}"),))
        except grpc.RpcError as error:
            raise Refused.of(error) from error
        return json_format.MessageToDict(answer, preserving_proto_field_name=True, descriptor_pool=pool)

    def filtered(self, method_name: str, rows: str, /, **fields: Any) -> set[str]:
        """Last ids of what a List gives."""
        return {row["name"].rpartition("/")[2] for row in self.call(method_name, **fields).get(rows, ())}


@contextmanager
def served(folder: Path) -> Iterator[Guest]:
    """A project in a folder, served. What was a bug inside fails the test with its own trace."""
    with (
        running(folder) as (server, bugs),
        grpc.insecure_channel(f"127.0.0.1:{server.port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel,
    ):
        yield Guest(server, folder, channel, bugs)
    if bugs:
        raise bugs[0]
