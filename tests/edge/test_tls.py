"""TLS as clients meet it: versions, certificates, their replacement while the server runs, and clients that must show one."""

from __future__ import annotations

import socket
import ssl
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from protoplane.base.observe import Event, Level, Observation
from protoplane.base.settings import Settings
from protoplane.edge import tls
from tests.edge.authority import MUTUAL, TLS, Authority, Issued, connected, in_pem
from tests.edge.conftest import LIST, Running, Starter

SPIFFE = "spiffe://example.org/billing"
V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def clients() -> Authority:
    """Who issues the certificates of clients."""
    return Authority("clients")


@pytest.fixture
def encrypted(start: Starter, settings: Settings, authority: Authority) -> Running:
    authority.issue("localhost").write(settings.folder)
    return start(**TLS)


@pytest.fixture
def mutual(start: Starter, settings: Settings, authority: Authority, clients: Authority) -> Running:
    authority.issue("localhost").write(settings.folder)
    (settings.folder / "clients.pem").write_bytes(clients.pem)
    return start(**MUTUAL)


def refusal(call: Callable[..., bytes]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    code: grpc.StatusCode = caught.value.code()
    return code


HUNG_UP = (ssl.SSLEOFError, ConnectionResetError)
"""gRPC ends a handshake without a word. What the client itself would not offer raises other errors, before anything is sent."""


def shake(port: int, authority: Authority, version: ssl.TLSVersion, ciphers: str = "ALL") -> ssl.SSLSocket:
    """A handshake of this version alone."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Old versions are what this is about.
        context.minimum_version = context.maximum_version = version
    with ExitStack() as stack:
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        connection = context.wrap_socket(plain, server_hostname="localhost")
        stack.pop_all()  # Whoever has it closes it.
    return connection


def shown(running: Running, authority: Authority) -> int:
    """The serial number of the certificate that a new connection is shown."""
    with shake(running.app.port, authority, V1_3) as connection:
        certificate = connection.getpeercert(binary_form=True)
        assert certificate is not None
        return x509.load_der_x509_certificate(certificate).serial_number


def serial(issued: Issued) -> int:
    return x509.load_pem_x509_certificate(issued.certificate).serial_number


def wait_until_shown(running: Running, authority: Authority, issued: Issued) -> None:
    pause = threading.Event()
    for _ in range(100):
        if shown(running, authority) == serial(issued):
            return
        pause.wait(0.1)
    pytest.fail("new connections are not shown the new certificate")


def asked_until(running: Running, authority: Authority, event: str) -> Event:
    """The event, which comes once connections are made."""
    pause = threading.Event()
    for _ in range(100):
        shown(running, authority)
        if any(isinstance(seen, Event) and seen.name == event for seen in running.seen):
            break
        pause.wait(0.1)
    found = running.observed(event)
    assert isinstance(found, Event)
    return found


def test_calls_are_served_encrypted(encrypted: Running, authority: Authority) -> None:
    with connected(encrypted, authority) as call:
        assert call(b"hello") == b"hello"


@pytest.mark.parametrize(("version", "name"), [(V1_2, "TLSv1.2"), (V1_3, "TLSv1.3")])
def test_tls_1_2_and_1_3_are_spoken_with_forward_secrecy_and_authenticated_ciphers(
    encrypted: Running, authority: Authority, version: ssl.TLSVersion, name: str
) -> None:
    with shake(encrypted.app.port, authority, version) as connection:
        assert connection.version() == name
        assert connection.selected_alpn_protocol() == "h2"
        cipher = connection.cipher()
    assert cipher is not None
    assert cipher[0].startswith(("ECDHE-", "TLS_"))
    assert "GCM" in cipher[0] or "POLY1305" in cipher[0]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_are_refused_by_the_server(encrypted: Running, authority: Authority, version: ssl.TLSVersion) -> None:
    with pytest.raises(HUNG_UP):
        shake(encrypted.app.port, authority, version)


def test_ciphers_without_forward_secrecy_or_authentication_are_refused(start: Starter, settings: Settings, authority: Authority) -> None:
    authority.issue("localhost", key=rsa.generate_private_key(65_537, 2_048)).write(settings.folder)
    port = start(**TLS).app.port
    with shake(port, authority, V1_2, ciphers="ECDHE-RSA-AES128-GCM-SHA256") as connection:
        assert connection.version() == "TLSv1.2"
    for ciphers in ("AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384"):
        with pytest.raises(HUNG_UP):
            shake(port, authority, V1_2, ciphers=ciphers)


def test_plaintext_is_refused_and_disturbs_nobody(encrypted: Running, authority: Authority) -> None:
    with connected(encrypted, authority) as call:
        assert call() == b"x"
        assert refusal(lambda: encrypted.call(LIST, b"x")) is grpc.StatusCode.UNAVAILABLE
        assert call() == b"x"


def test_a_client_refuses_a_server_of_another_authority_or_name(start: Starter, settings: Settings, authority: Authority) -> None:
    Authority("stranger").issue("localhost").write(settings.folder)
    with connected(start(**TLS), authority) as call:
        assert refusal(call) is grpc.StatusCode.UNAVAILABLE
    authority.issue("elsewhere.example").write(settings.folder)
    with connected(start(**TLS), authority) as call:
        assert refusal(call) is grpc.StatusCode.UNAVAILABLE


def test_new_connections_get_replaced_files_and_old_ones_go_on(encrypted: Running, settings: Settings, authority: Authority) -> None:
    with connected(encrypted, authority) as old:
        assert old() == b"x"
        renewed = authority.issue("localhost", "127.0.0.1", SPIFFE, ends=timedelta(days=30))
        renewed.write(settings.folder)
        wait_until_shown(encrypted, authority, renewed)
        told = encrypted.observed("tls.reloaded")
        assert isinstance(told, Event)
        assert told.facts["names"] == f"localhost, 127.0.0.1, {SPIFFE}"
        ends = x509.load_pem_x509_certificate(renewed.certificate).not_valid_after_utc
        assert told.facts["ends"] == f"{ends:%Y-%m-%dT%H:%M:%SZ}"
        assert old() == b"x"
        with connected(encrypted, authority) as new:
            assert new() == b"x"


def test_a_secret_that_kubernetes_turns_by_a_link_is_seen(start: Starter, settings: Settings, authority: Authority) -> None:
    first, second = authority.issue("localhost"), authority.issue("localhost")
    for number, issued in enumerate((first, second)):
        (settings.folder / f"..{number}").mkdir()
        issued.write(settings.folder / f"..{number}")
    (settings.folder / "..data").symlink_to("..0")
    running = start(tls_certificate="..data/server.pem", tls_key="..data/server.key")
    assert shown(running, authority) == serial(first)
    (settings.folder / "..new").symlink_to("..1")
    (settings.folder / "..new").replace(settings.folder / "..data")
    wait_until_shown(running, authority, second)


def broken(authority: Authority) -> dict[str, tuple[Callable[[Path], object], str]]:
    """What may become of the files while they are replaced, and what is said of it."""
    other = authority.issue("localhost")
    return {
        "only the certificate": (lambda folder: (folder / "server.pem").write_bytes(other.certificate), "is not the key of"),
        "only the key": (lambda folder: (folder / "server.key").write_bytes(other.key), "is not the key of"),
        "half a certificate": (lambda folder: (folder / "server.pem").write_bytes(other.certificate[:300]), "not one or more whole"),
        "an empty key": (lambda folder: (folder / "server.key").write_bytes(b""), "not a whole private key"),
        "no file": (lambda folder: (folder / "server.pem").unlink(), "cannot be read: No such file"),
        "an expired pair": (lambda folder: authority.issue("localhost", ends=timedelta(minutes=-1)).write(folder), "has expired"),
    }


@pytest.mark.parametrize("what", broken(Authority()))
def test_files_that_cannot_be_served_with_keep_the_last_good_pair_and_are_told_of_once(
    encrypted: Running, settings: Settings, authority: Authority, what: str
) -> None:
    before = shown(encrypted, authority)
    spoil, said = broken(authority)[what]
    spoil(settings.folder)
    told = asked_until(encrypted, authority, "tls.reload_failed")
    assert (told.level, told.bug) == (Level.WARNING, None)
    assert said in str(told.facts["problems"])
    assert shown(encrypted, authority) == before
    mended = authority.issue("localhost")
    mended.write(settings.folder)
    wait_until_shown(encrypted, authority, mended)
    failures = {str(seen.facts["problems"]) for seen in encrypted.seen if isinstance(seen, Event) and seen.name == "tls.reload_failed"}
    assert len(failures) == sum(isinstance(seen, Event) and seen.name == "tls.reload_failed" for seen in encrypted.seen)


def test_a_client_with_a_certificate_is_served(mutual: Running, authority: Authority, clients: Authority) -> None:
    with connected(mutual, authority, clients.issue("billing.example")) as call:
        assert call() == b"x"


def impostors(clients: Authority) -> dict[str, Issued | None]:
    itself = Authority("admin")
    return {
        "none": None,
        "self-made": Issued(itself.pem, in_pem(itself.key)),
        "of an authority of the same name": Authority(clients.name).issue("admin"),
        "expired": clients.issue("billing.example", ends=timedelta(minutes=-1)),
        "not yet valid": clients.issue("billing.example", begins=timedelta(hours=1)),
    }


@pytest.mark.parametrize("who", impostors(Authority()))
def test_a_client_without_a_good_certificate_is_refused(mutual: Running, authority: Authority, clients: Authority, who: str) -> None:
    with connected(mutual, authority, impostors(clients)[who]) as call:
        assert refusal(call) is grpc.StatusCode.UNAVAILABLE
    with connected(mutual, authority, clients.issue("billing.example")) as call:
        assert call() == b"x"


def test_authorities_of_clients_are_replaced_without_a_restart(
    mutual: Running, settings: Settings, authority: Authority, clients: Authority
) -> None:
    newer = Authority("newer clients")
    (settings.folder / "clients.pem").write_bytes(clients.pem + newer.pem)
    pause, client = threading.Event(), newer.issue("billing.example")
    for _ in range(100):
        with connected(mutual, authority, client) as call:
            try:
                assert call() == b"x"
                break
            except grpc.RpcError:
                pause.wait(0.1)
    else:
        pytest.fail("the new authority is not believed")
    with connected(mutual, authority, clients.issue("billing.example")) as call:
        assert call() == b"x"


def test_a_call_sees_the_names_of_its_client(settings: Settings, authority: Authority, clients: Authority) -> None:
    authority.issue("localhost").write(settings.folder)
    (settings.folder / "clients.pem").write_bytes(clients.pem)
    seen: list[Observation] = []
    credentials = tls.credentials(replace(settings.server, **MUTUAL), settings.folder, seen.append)
    assert credentials is not None

    def names(_data: bytes, context: grpc.ServicerContext) -> bytes:
        found: Any = context.auth_context()["x509_subject_alternative_name"]  # A list; the stubs know of one value only.
        return b" ".join(found)

    handler = grpc.method_handlers_generic_handler("x.X", {"Names": grpc.unary_unary_rpc_method_handler(names)})
    with ExitStack() as stack:
        workers = stack.enter_context(ThreadPoolExecutor(1))
        server = grpc.server(workers, handlers=[handler])
        port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        stack.callback(lambda: server.stop(0).wait())
        client = clients.issue(SPIFFE, "billing.example")
        channel_credentials = grpc.ssl_channel_credentials(authority.pem, client.key, client.certificate)
        channel: Any = stack.enter_context(grpc.secure_channel(f"localhost:{port}", channel_credentials))
        assert channel.unary_unary("/x.X/Names")(b"", timeout=10) == f"{SPIFFE} billing.example".encode()
    assert not seen
