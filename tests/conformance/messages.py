"""The suite's own messages as plain classes, from its contracts in `protos/` (Connect, Apache License 2.0, unchanged)."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc_tools  # type: ignore[import-untyped]

from protoplane.contract.pool import open_pool

PROTOS = Path(__file__).parent / "protos"
PACKAGE = "connectrpc.conformance.v1"


def compile_protos(made: Path) -> None:
    """Write the descriptors of all messages into a file."""
    command = [sys.executable, "-m", "grpc_tools.protoc", "--include_imports", f"--descriptor_set_out={made}"]
    includes = (PROTOS, Path(grpc_tools.__path__[0]) / "_proto")
    files = (path.relative_to(PROTOS).as_posix() for path in sorted(PROTOS.rglob("*.proto")))
    subprocess.run([*command, *(f"-I{path}" for path in includes), *files], check=True)


def load_messages(made: Path) -> Callable[[str], Any]:
    """The message class of a short name, from a pool that nothing else uses.

    The classes are made once and kept: protobuf crashes sooner or later when a thread asks for one that is being collected.
    """
    messages = open_pool(made.read_bytes()).messages
    return lambda name: messages[f"{PACKAGE}.{name}"]
