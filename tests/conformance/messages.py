"""The suite's own messages as plain classes, from its contracts in `protos/` (Connect, Apache License 2.0, unchanged)."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc_tools  # type: ignore[import-untyped]
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PROTOS = Path(__file__).parent / "protos"
PACKAGE = "connectrpc.conformance.v1"


def compile_protos(made: Path) -> None:
    """Write the descriptors of all messages into a file."""
    command = [sys.executable, "-m", "grpc_tools.protoc", "--include_imports", f"--descriptor_set_out={made}"]
    includes = (PROTOS, Path(grpc_tools.__path__[0]) / "_proto")
    files = (path.relative_to(PROTOS).as_posix() for path in sorted(PROTOS.rglob("*.proto")))
    subprocess.run([*command, *(f"-I{path}" for path in includes), *files], check=True)


def load_messages(made: Path) -> Callable[[str], Any]:
    """The message class of a short name, from a pool that nothing else uses."""
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(made.read_bytes()).file:
        pool.Add(file)
    return lambda name: GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
