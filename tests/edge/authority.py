"""An authority that issues certificates, good ones and others, and writes them as operators do; and clients that believe it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeAlias

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from tests.edge.conftest import LIST, Running

TLS: dict[str, Any] = {"tls_certificate": "server.pem", "tls_key": "server.key"}
MUTUAL: dict[str, Any] = {**TLS, "tls_client_ca": "clients.pem"}
"""Settings of [server], for files beside the project's."""

Key: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path, name: str = "server") -> None:
        """As `name.pem` and `name.key`, the key for its owner only."""
        key = folder / f"{name}.key"
        key.touch(mode=0o600)
        key.write_bytes(self.key)
        (folder / f"{name}.pem").write_bytes(self.certificate)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def in_pem(key: Key, password: bytes = b"") -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password) if password else NoEncryption())


@dataclass(frozen=True)
class Authority:
    """Its own certificate is `pem`."""

    name: str = "authority"
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    @cached_property
    def pem(self) -> bytes:
        """The authority's certificate, signed by itself."""
        return self._sign(self.name, self.key, timedelta(days=-1), timedelta(days=365), [], is_authority=True)

    def issue(
        self, *names: str, begins: timedelta = timedelta(hours=-1), ends: timedelta = timedelta(days=90), key: Key | None = None
    ) -> Issued:
        """A certificate for hosts, addresses and `spiffe://` names, the first of which is the common name; times are from now."""
        key = key or new_key()
        return Issued(self._sign(names[0] if names else "nobody", key, begins, ends, names), in_pem(key))

    def _sign(
        self, common: str, key: Key, begins: timedelta, ends: timedelta, names: tuple[str, ...] | list[str], *, is_authority: bool = False
    ) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(common))
            .issuer_name(named(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([alternative(name) for name in names]), critical=False)
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)


def named(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def alternative(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    return x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)


@contextmanager
def connected(running: Running, authority: Authority, client: Issued | None = None) -> Iterator[Callable[..., bytes]]:
    """A call to echo on a connection of its own."""
    shown = (client.key, client.certificate) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.pem, *shown)
    with grpc.secure_channel(running.target, credentials, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        call: Any = channel.unary_unary(LIST)
        yield lambda data=b"x": call(data, timeout=10)
