"""The flight desk's messages as plain classes: what a generator would give the reference and the clients."""

import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

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
        includes = [PROJECT / "protos", ROOT / "protos", ROOT / "protos" / "third_party", *_installed("google.api", 2), *_installed("grpc_tools", 0, "_proto")]
        command = [sys.executable, "-m", "grpc_tools.protoc", "--include_imports", f"--descriptor_set_out={made}"]
        subprocess.run([*command, *(f"-I{path}" for path in includes), "flightdesk/v1/flight_desk.proto"], check=True)
        files = FileDescriptorSet.FromString(made.read_bytes())
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)  # type: ignore[no-untyped-call]
    return pool


def _installed(package: str, up: int, down: str = "") -> list[Path]:
    """Folder, `up` levels above an installed package, from which its .proto files are imported."""
    spec = find_spec(package)
    assert spec is not None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    return [folder.parents[up - 1] / down if up else folder / down for folder in folders]


@cache
def message_class(name: str) -> type[Message]:
    """The class of `flightdesk.v1.<name>`, in a pool that nothing else uses."""
    return GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))
