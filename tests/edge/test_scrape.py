"""The HTTP server for machines that watch: three answers, and bounds on everything else."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from protoplane.base.observe import Event, Observation
from protoplane.edge import scrape as module
from protoplane.edge.scrape import CONNECTIONS_MAX, EXPOSITION, LINE_BYTES_MAX, Scrape, ScrapeAddressError


def fails() -> bytes:
    raise RuntimeError("hunter2")


@dataclass
class Watched:
    """What a server under test tells."""

    text: Callable[[], bytes] = lambda: b"metric 1\n"
    ready: Callable[[], bool] = lambda: True
    seen: list[Observation] = field(default_factory=list)
    port: int = 0

    def metrics(self) -> bytes:
        """As the test has it now."""
        return self.text()

    def answers(self) -> bool:
        """As the test has it now."""
        return self.ready()

    def raw(self, data: bytes) -> bytes:
        """Everything that is answered to these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            client.sendall(data)
            with suppress(OSError):  # It has answered already, and may have gone.
                client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65_536), b""))

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body, by an ordinary client."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            client.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
            answer = client.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            client.close()


@pytest.fixture
def watched() -> Iterator[Watched]:
    told = Watched()
    server = Scrape("127.0.0.1:0", text=told.metrics, ready=told.answers, observe=told.seen.append)
    told.port = server.port
    yield told
    server.stop()


def test_metrics_are_served_as_prometheus_wants_them(watched: Watched) -> None:
    status, headers, body = watched.ask("/metrics?name=x")
    assert (status, body) == (200, b"metric 1\n")
    assert headers["Content-Type"] == EXPOSITION
    assert headers["Server"] == "protoplane"


def test_readiness_is_asked_each_time_and_being_alive_is_not_readiness(watched: Watched) -> None:
    assert watched.ask("/readyz")[::2] == (200, b"ok\n")
    watched.ready = lambda: False
    assert watched.ask("/readyz")[0] == 503
    assert watched.ask("/livez")[::2] == (200, b"ok\n")


def test_head_has_the_headers_and_no_body(watched: Watched) -> None:
    status, headers, body = watched.ask("/metrics", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, "9", b"")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", 404),
        (b"GET http://elsewhere/metrics HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"DELETE /metrics HTTP/1.1\r\n\r\n", 405),
        (b"CONNECT elsewhere:80 HTTP/1.1\r\n\r\n", 405),
        (b"GET /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 413),
        (b"GET /metrics HTTP/1.1\r\nContent-Length: x\r\n\r\n", 413),
        (b"GET /metrics HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 3\r\n\r\nabc", 413),
        (b"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
        (b"GET /" + b"a" * LINE_BYTES_MAX + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /metrics HTTP/1.1\r\n" + b"".join(b"a%d: %s\r\n" % (n, b"b" * 1_000) for n in range(40)), 431),
        (b"GET /metrics HTTP/1.1\r\n" + b"".join(b"a%d: b\r\n" % n for n in range(200)) + b"\r\n", 431),
        (b"GET /metrics\r\n\r\n", 505),
        (b"GET /metrics HTTP/2.0\r\n\r\n", 505),
        (b"hunter2 hunter2 hunter2 hunter2\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
    ],
)
def test_everything_else_is_refused_and_nothing_is_quoted(watched: Watched, data: bytes, status: int) -> None:
    head, _, body = watched.raw(data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 %d " % status)
    assert b"hunter2" not in head + body
    assert b"Python" not in head
    assert len(body) < 100
    assert watched.ask("/livez")[0] == 200


def test_one_connection_has_one_answer(watched: Watched) -> None:
    answered = watched.raw(b"GET /livez HTTP/1.1\r\nConnection: keep-alive\r\n\r\n" * 3)
    assert answered.count(b"HTTP/1.0 200") == 1


def test_what_fails_is_observed_and_its_text_is_not_answered(watched: Watched) -> None:
    watched.text = fails
    status, _, body = watched.ask("/metrics")
    assert (status, body) == (500, b"Internal Server Error\n")
    (event,) = watched.seen
    assert isinstance(event, Event)
    assert (event.name, str(event.bug)) == ("scrape.failed", "hunter2")
    watched.text = lambda: b"back\n"
    assert watched.ask("/metrics")[2] == b"back\n"


def test_more_connections_than_there_is_room_for_are_closed_and_the_room_is_given_back(watched: Watched) -> None:
    held = [socket.create_connection(("127.0.0.1", watched.port), timeout=20) for _ in range(CONNECTIONS_MAX)]
    with socket.create_connection(("127.0.0.1", watched.port), timeout=20) as one_more:
        assert one_more.recv(1) == b""
    for client in held:
        client.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
        assert b"".join(iter(lambda: client.recv(65_536), b"")).endswith(b"ok\n")  # noqa: B023 - used up at once.
        client.close()
    assert watched.ask("/livez")[0] == 200


def test_a_request_that_trickles_is_given_up(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a byte comes: what counts is when the whole is here."""
    monkeypatch.setattr(module, "SECONDS_MAX", 0.3)
    with socket.create_connection(("127.0.0.1", watched.port), timeout=0.05) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\n")
        for _ in range(200):
            try:
                client.sendall(b"a")
                if client.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("the server waited for ten seconds")


def test_an_answer_that_is_not_taken_is_given_up(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_MAX", 0.3)
    watched.text = lambda: b"x" * 50_000_000
    before = {thread.ident for thread in threading.enumerate()}
    with socket.create_connection(("127.0.0.1", watched.port), timeout=20) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert client.recv(1) == b"H"
        for thread in threading.enumerate():
            if thread.ident not in before:
                thread.join(10)
                assert not thread.is_alive()


def test_an_address_that_is_taken_or_none_is_said_clearly(watched: Watched) -> None:
    for address in (f"127.0.0.1:{watched.port}", "127.0.0.1:http", "127.0.0.1:99999", "203.0.113.1:0"):
        with pytest.raises(ScrapeAddressError) as refused:
            Scrape(address, text=watched.text, ready=watched.ready, observe=watched.seen.append)
        assert str(refused.value).startswith(f"cannot serve metrics on {address}: ")


def test_it_listens_on_ipv6_too() -> None:
    server = Scrape("[::1]:0", text=lambda: b"", ready=lambda: True, observe=lambda _: None)
    try:
        with socket.create_connection(("::1", server.port), timeout=20) as client:
            client.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
            assert client.recv(8) == b"HTTP/1.0"
    finally:
        server.stop()


def test_after_its_end_nobody_listens() -> None:
    server = Scrape("127.0.0.1:0", text=lambda: b"", ready=lambda: True, observe=lambda _: None)
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)
