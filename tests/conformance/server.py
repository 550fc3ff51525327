"""The server under test, as the suite starts it: `python -m tests.conformance.server DESCRIPTORS`.

It reads from stdin how it is wanted, says on stdout where it is, and ends on SIGTERM.
"""

import signal
import struct
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from protoplane.base.config import load
from protoplane.base.observe import Observation
from protoplane.base.settings import Environment, Settings
from protoplane.edge import tls
from protoplane.edge.server import listen
from tests.conformance.messages import load_messages
from tests.conformance.servicer import Servicer

STREAMS = 64
"""More than the suite opens at once, those that outlive their deadlines among them."""

SECONDS_MAX = 120
"""To live: a runner that was killed ends nobody."""


def main() -> None:
    """Serve one configuration."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # Before there are threads, so that no one else gets it.
    messages = load_messages(Path(sys.argv[1]))
    (size,) = struct.unpack(">I", sys.stdin.buffer.read(4))
    request = messages("ServerCompatRequest").FromString(sys.stdin.buffer.read(size))
    settings = configure(request, Path(tempfile.mkdtemp(dir=Path(sys.argv[1]).parent)))
    listening = listen(
        Servicer(messages, settings.deadlines, report).handlers(request.message_receive_limit),
        settings.server,
        share_port=False,
        identify=lambda _metadata: None,
        observe=report,
        credentials=tls.credentials(settings.server, settings.folder, report),
    )
    response = messages("ServerCompatResponse")(host="127.0.0.1", port=listening.port, pem_cert=request.server_creds.cert)
    data = response.SerializeToString()
    sys.stdout.buffer.write(struct.pack(">I", len(data)) + data)
    sys.stdout.buffer.flush()
    signal.sigtimedwait({signal.SIGTERM}, SECONDS_MAX)
    listening.stop(0)


def configure(request: Any, folder: Path) -> Settings:
    """The server as the request wants it: a project in an empty folder."""
    variables = {"PROTOPLANE_SERVER_ADDRESS": "127.0.0.1:0", "PROTOPLANE_SERVER_STREAMS": str(STREAMS)}
    files = {"CERTIFICATE": request.server_creds.cert, "KEY": request.server_creds.key, "CLIENT_CA": request.client_tls_cert}
    for name, data in files.items():
        if data:
            file = folder / f"{name.lower()}.pem"
            file.touch(mode=0o600)
            file.write_bytes(data)
            variables[f"PROTOPLANE_SERVER_TLS_{name}"] = file.name
    return load(folder, Environment.DEV, variables)


def report(observation: Observation) -> None:
    """Have the suite print what nobody expects."""
    bug = observation.bug
    if bug is not None:
        traceback.print_exception(bug)


if __name__ == "__main__":
    main()
