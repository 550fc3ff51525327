"""The flight desk's messages as plain classes: what a generator would give the reference and the clients."""

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import google.api as google_api  # type: ignore[import-untyped]
import grpc_tools  # type: ignore[import-untyped]
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "examples" / "flightdesk"
PACKAGE = "flightdesk.v1"
SERVICE = f"{PACKAGE}.FlightDesk"


@cache
def _pool() -> DescriptorPool:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "files.binpb"
        google, known_types = Path(google_api.__path__[0]).parents[1], Path(grpc_tools.__path__[0]) / "_proto"
        includes = [PROJECT / "protos", ROOT / "protos", ROOT / "protos" / "third_party", google, known_types]
        command = [sys.executable, "-m", "grpc_tools.protoc", "--include_imports", f"--descriptor_set_out={made}"]
        subprocess.run([*command, *(f"-I{path}" for path in includes), "flightdesk/v1/flight_desk.proto"], check=True)
        files = FileDescriptorSet.FromString(made.read_bytes())
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


@cache
def message_class(name: str) -> type[Message]:
    """The class of `flightdesk.v1.<name>`, in a pool that nothing else uses."""
    return GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))
