"""The HTTP server beside the gRPC one, for machines that watch: `/metrics`, `/readyz`, `/livez`. It needs nothing of gRPC.

Small on purpose, and bounded in everything: it answers GET and HEAD, once a connection, to few connections at once.
"""

from __future__ import annotations

import io
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, final

from protoplane.base import clock
from protoplane.base.observe import Event, Level, Observe

CONNECTIONS_MAX = 16
"""At once; more are closed without an answer."""

SECONDS_MAX = 5.0
"""For the request to arrive, and again for the answer to be taken."""

LINE_BYTES_MAX = 8_192
"""Of the request line."""

REQUEST_BYTES_MAX = 32_768
"""Of the request line and all headers."""

REST_SECONDS_MAX = 0.5
REST_READS_MAX = 8
"""What is taken of the rest of a request that was refused, and how long each part is waited for."""

ACCEPT_PAUSE_SECONDS = 0.1
"""After a connection that could not be accepted, for want of file descriptors: it would fail again at once."""

TEXT = "text/plain; charset=utf-8"
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
"""What Prometheus' text format is called."""


class ScrapeAddressError(Exception):
    """The server cannot listen where it is told to."""


@final
class Scrape:
    """Serves from its construction to `stop`, each request on a thread of its own."""

    def __init__(self, address: str, *, text: Callable[[], bytes], ready: Callable[[], bool], observe: Observe) -> None:
        """`address`: `host:port`; port 0 takes a free one. `text` gives the metrics, `ready` says whether calls can be answered now.

        Raises ScrapeAddressError when the address is taken or not ours.
        """
        host, _, port = address.rpartition(":")
        try:
            self._server = _Server((host.strip("[]") or "127.0.0.1", int(port)), text, ready, observe)
        except (OSError, ValueError, OverflowError) as error:
            raise ScrapeAddressError(
                f"cannot serve metrics on {address}: {getattr(error, 'strerror', None) or error}. "
                f"Stop whoever does, or choose another address: PROTOPLANE_METRICS_ADDRESS=127.0.0.1:0 takes a free port"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="scrape", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Take no more connections; what is being answered is left to its own time limit."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(SECONDS_MAX)


@final
class _Server(ThreadingHTTPServer):
    """The listening socket, and one thread a connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = CONNECTIONS_MAX

    def __init__(self, address: tuple[str, int], text: Callable[[], bytes], ready: Callable[[], bool], observe: Observe) -> None:
        self.text, self.ready, self.observe = text, ready, observe
        self._free = threading.BoundedSemaphore(CONNECTIONS_MAX)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """As TCPServer's; HTTPServer's would ask the DNS for our own name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", int(self.server_address[1])

    def get_request(self) -> Any:
        """Accept one."""
        try:
            return super().get_request()
        except OSError:
            clock.sleep(ACCEPT_PAUSE_SECONDS)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give it a thread, if there is room."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # No thread could be made.
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer it."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away or was too slow is no news; what `text` and `ready` raise is told where they are asked."""


class _Arriving(io.RawIOBase):
    """The bytes of one request: at most so many, at most for so long, however slowly they trickle."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._until_seconds = clock.monotonic_seconds() + SECONDS_MAX
        self.left_bytes = REQUEST_BYTES_MAX

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Some of them; none past the bound. Raises TimeoutError."""
        left = self._until_seconds - clock.monotonic_seconds()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        got = int(self._connection.recv_into(memoryview(buffer)[: self.left_bytes])) if self.left_bytes else 0
        self.left_bytes -= got
        return got


@final
class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    raw_requestline: bytes
    protocol_version = "HTTP/1.0"  # One request a connection.

    def setup(self) -> None:
        """Bound what is read."""
        super().setup()
        self._refused = False
        self._arriving = _Arriving(self.connection)
        self.rfile = io.BufferedReader(self._arriving, LINE_BYTES_MAX)

    def finish(self) -> None:
        """Of a request that was refused, take what is still coming: to close on it would reset the connection, and take the answer back."""
        super().finish()
        if self._refused:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
                self.connection.settimeout(REST_SECONDS_MAX)
                for _ in range(REST_READS_MAX):
                    if not self.connection.recv(REQUEST_BYTES_MAX):
                        break

    def parse_request(self) -> bool:
        """Whether it is one that is answered; refuses it otherwise."""
        if len(self.raw_requestline) > LINE_BYTES_MAX:
            self.requestline = self.command = ""
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG)
            return False
        if not super().parse_request():
            return False
        objection = self._objection()
        if objection is not None:
            self._refuse(objection)
        return objection is None

    def _objection(self) -> HTTPStatus | None:
        if not self._arriving.left_bytes:
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if self.command not in {"GET", "HEAD"}:
            return HTTPStatus.METHOD_NOT_ALLOWED
        if self.request_version == "HTTP/0.9":
            return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
        if "Transfer-Encoding" in self.headers or self.headers.get_all("Content-Length", ["0"]) != ["0"]:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return None

    def do_GET(self) -> None:
        """Answer."""
        path = self.path.partition("?")[0]
        try:
            status, body, kind = self._found(path)
        except Exception as bug:  # noqa: BLE001 - whatever it is, the next request may do better.
            self.server.observe(Event("scrape.failed", Level.WARNING, {"path": path}, bug=bug))
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
        else:
            self._answer(status, body, kind)

    do_HEAD = do_GET  # noqa: N815 - http.server finds it by this name.

    def _found(self, path: str) -> tuple[HTTPStatus, bytes, str]:
        match path:
            case "/metrics":
                return HTTPStatus.OK, self.server.text(), EXPOSITION
            case "/livez":
                return HTTPStatus.OK, b"ok\n", TEXT
            case "/readyz" if self.server.ready():
                return HTTPStatus.OK, b"ok\n", TEXT
            case "/readyz":
                return HTTPStatus.SERVICE_UNAVAILABLE, b"not ready\n", TEXT
            case _:
                return HTTPStatus.NOT_FOUND, b"Not Found\n", TEXT

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Without the page of the base class, which quotes the request."""
        del message, explain
        self._refuse(HTTPStatus(code))

    def version_string(self) -> str:
        """Without the versions of Python and its library."""
        return "protoplane"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name.
        """Nothing: a request that is answered is no news."""

    def _refuse(self, status: HTTPStatus) -> None:
        self._refused = True
        self._answer(status, f"{status.phrase}\n".encode(), TEXT)

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.request_version = "HTTP/1.0"  # So that there are headers, whatever was asked in.
        self.connection.settimeout(SECONDS_MAX)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = True
