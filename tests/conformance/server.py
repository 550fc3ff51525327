"""The server under test, as the suite starts it: `python -m tests.conformance.server DESCRIPTORS`.

It reads from stdin how it is wanted, says on stdout where it is, and ends on SIGTERM.
"""

import signal
import struct
import sys
import traceback
from pathlib import Path
from typing import Any

import grpc

from protoplane.base.config import load
from protoplane.base.observe import Observation
from protoplane.base.settings import Environment, ServerSettings
from protoplane.edge.server import Listening, listen
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
    variables = {"PROTOPLANE_SERVER_ADDRESS": "127.0.0.1:0", "PROTOPLANE_SERVER_STREAMS": str(STREAMS)}
    settings = load(Path(sys.argv[1]).parent, Environment.DEV, variables)
    listening = start(request, Servicer(messages, settings.deadlines, report), settings.server)
    response = messages("ServerCompatResponse")(host="127.0.0.1", port=listening.port, pem_cert=request.server_creds.cert)
    data = response.SerializeToString()
    sys.stdout.buffer.write(struct.pack(">I", len(data)) + data)
    sys.stdout.buffer.flush()
    signal.sigtimedwait({signal.SIGTERM}, SECONDS_MAX)
    listening.stop(0)


def start(request: Any, servicer: Servicer, settings: ServerSettings) -> Listening:
    """The server as the request wants it."""
    credentials = None
    if request.use_tls:
        own, client_ca = request.server_creds, request.client_tls_cert or None
        credentials = grpc.ssl_server_credentials([(own.key, own.cert)], client_ca, require_client_auth=client_ca is not None)
    return listen(
        servicer.handlers(request.message_receive_limit),
        settings,
        share_port=False,
        identify=lambda _metadata: None,
        observe=report,
        credentials=credentials,
    )


def report(observation: Observation) -> None:
    """Have the suite print what nobody expects."""
    bug = observation.bug
    if bug is not None:
        traceback.print_exception(bug)


if __name__ == "__main__":
    main()
