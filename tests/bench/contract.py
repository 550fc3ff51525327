"""Messages as plain classes, the flight desk's before all: what a generator would give the reference and the clients."""

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
def pool(folder: Path, file: str) -> DescriptorPool:
    """A `.proto` file below a folder, with all that it imports, in a pool that nothing else uses."""
    with tempfile.TemporaryDirectory() as made_in:
        made = Path(made_in) / "files.binpb"
        google, known_types = Path(google_api.__path__[0]).parents[1], Path(grpc_tools.__path__[0]) / "_proto"
        includes = [folder, ROOT / "protos", ROOT / "protos" / "third_party", google, known_types]
        command = [sys.executable, "-m", "grpc_tools.protoc", "--include_imports", f"--descriptor_set_out={made}"]
        subprocess.run([*command, *(f"-I{path}" for path in includes), file], check=True)
        files = FileDescriptorSet.FromString(made.read_bytes())
    filled = DescriptorPool()
    for one in files.file:
        filled.Add(one)
    return filled


@cache
def message_class(name: str) -> type[Message]:
    """The class of `flightdesk.v1.<name>`."""
    found = pool(PROJECT / "protos", "flightdesk/v1/flight_desk.proto")
    return GetMessageClass(found.FindMessageTypeByName(f"{PACKAGE}.{name}"))
