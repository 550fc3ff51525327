"""TLS of the server: certificate, key and client authorities from files, checked before use and read again when they change."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias, final

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from protoplane.base import clock
from protoplane.base.config import Problem
from protoplane.base.observe import Event, Level, Observe
from protoplane.base.secret import Secret
from protoplane.base.settings import ServerSettings

LOOK_SECONDS = 1.0
"""Between two looks at the files, however many connections come."""

END_WARNING = timedelta(days=14)
"""A certificate that is not replaced by then most likely never will be: issuers replace theirs when a third of the life is left."""

WARNED_AGAIN_SECONDS = 86_400.0
FILE_BYTES_MAX = 1 << 20
RSA_BITS_MIN = 2_048

Stamp: TypeAlias = tuple[int, int, int, int] | None
"""Device, inode, size and time of change of a file; None where there is none."""

PrivateKey: TypeAlias = RSAPrivateKey | EllipticCurvePrivateKey


class TlsError(Exception):
    """The files cannot be served with; `problems` has all that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


@dataclass(frozen=True, slots=True)
class Files:
    """Where the certificate, its key and the client authorities are."""

    certificate: Path
    key: Path
    client_ca: Path | None

    def stamps(self) -> tuple[Stamp, ...]:
        """What changes when a file does. Links are followed: Kubernetes replaces its secrets by turning one."""
        return tuple(_stamp(path) for path in (self.certificate, self.key, self.client_ca) if path is not None)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key that fit together and are valid now, with what clients are checked against."""

    chain: bytes
    key: Secret[bytes]
    client_ca: bytes | None
    names: tuple[str, ...]
    """The subject's alternative names: whom clients may believe to talk to."""
    ends: datetime

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """As gRPC takes it."""
        return grpc.ssl_server_certificate_configuration([(self.key.reveal(), self.chain)], self.client_ca)

    def facts(self) -> dict[str, str | int | float]:
        """What an operator wants to know of it."""
        return {"names": ", ".join(self.names), "ends": f"{self.ends:%Y-%m-%dT%H:%M:%SZ}"}


def credentials(settings: ServerSettings, folder: Path, observe: Observe) -> grpc.ServerCredentials | None:
    """What one port is opened with; None for plaintext. Raises TlsError with everything that is wrong with the files.

    Each new connection gets what the files hold then. Files that cannot be served with change nothing, and are told of.
    """
    if (files := files_of(settings, folder)) is None:
        return None
    watched = Watched(files, read(files), observe)
    return grpc.dynamic_ssl_server_credentials(
        watched.pair.configuration(),
        watched.fetch,  # type: ignore[arg-type]  # The stubs forget None, which gRPC's own documentation has.
        require_client_authentication=files.client_ca is not None,
    )


def files_of(settings: ServerSettings, folder: Path) -> Files | None:
    """The files that the settings name, from the project's folder; None without TLS."""
    if not settings.tls_certificate:
        return None
    client_ca = folder / settings.tls_client_ca if settings.tls_client_ca else None
    return Files(folder / settings.tls_certificate, folder / settings.tls_key, client_ca)


@final
class Watched:
    """The last good pair of the files. gRPC asks `fetch` at the start of every handshake, on threads of its own."""

    def __init__(self, files: Files, pair: Pair, observe: Observe) -> None:
        self.pair = pair
        self._files, self._observe = files, observe
        self._looking = threading.Lock()
        # Of no file: what was changed since it was read for the first time is read again at the first look.
        self._stamps: tuple[Stamp, ...] = ()
        self._look_again_seconds = self._warn_again_seconds = 0.0
        self._told = ""
        self._warn()

    def fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """What to go on with, None for what there is. Never raises and never waits: a handshake does."""
        if not self._looking.acquire(blocking=False):
            return None
        try:
            return self._look()
        except Exception as bug:  # noqa: BLE001 - whatever is wrong, connections are still to be had with the last good pair.
            self._observe(Event("tls.reload_failed", Level.ERROR, bug=bug))
            return None
        finally:
            self._looking.release()

    def _look(self) -> grpc.ServerCertificateConfiguration | None:
        now_seconds = clock.monotonic_seconds()
        if now_seconds < self._look_again_seconds:
            return None
        self._look_again_seconds = now_seconds + LOOK_SECONDS
        if now_seconds >= self._warn_again_seconds:
            self._warn()
        stamps = self._files.stamps()
        if stamps == self._stamps and not self._told:
            return None
        try:
            pair = read(self._files)
        except TlsError as error:
            # Without remembering the stamps: a file that was half written may end with the same size at the same time.
            self._tell_failure("; ".join(f"{problem.where}: {problem.what}" for problem in error.problems))
            return None
        self._stamps = stamps
        if pair == self.pair and not self._told:
            return None
        self.pair, self._told = pair, ""
        self._observe(Event("tls.reloaded", facts=pair.facts()))
        self._warn()
        return pair.configuration()

    def _tell_failure(self, problems: str) -> None:
        if problems != self._told:
            self._told = problems
            self._observe(Event("tls.reload_failed", Level.WARNING, {"problems": problems, "serving_until": self.pair.facts()["ends"]}))

    def _warn(self) -> None:
        self._warn_again_seconds = clock.monotonic_seconds() + WARNED_AGAIN_SECONDS
        for problem in warnings(self._files, self.pair):
            level = Level.ERROR if self.pair.ends <= _now() else Level.WARNING
            self._observe(Event("tls.unwise", level, {"problem": f"{problem.where}: {problem.what}", "mend": problem.mend}))


def read(files: Files) -> Pair:
    """What the files hold. Raises TlsError unless a server and its clients can do with it."""
    problems: list[Problem] = []
    chain = _certificates("server.tls_certificate", files.certificate, problems)
    key = _key(files.key, problems)
    authorities = [] if files.client_ca is None else _certificates("server.tls_client_ca", files.client_ca, problems)
    if chain:
        problems.extend(_untimely(files.certificate, chain[0]))
        problems.extend(_unfit(files, chain, key))
    if authorities and all(one.not_valid_after_utc <= _now() for one in authorities):
        problems.append(Problem("server.tls_client_ca", f"all authorities in {files.client_ca} have expired", "name those in use now"))
    if problems or key is None:
        raise TlsError(problems)
    return Pair(
        # Written anew, so that what gRPC reads is what was checked, whatever else stands in the files.
        chain=_pem(chain),
        key=Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
        client_ca=_pem(authorities) if files.client_ca is not None else None,
        names=tuple(_names(chain[0])),
        ends=chain[0].not_valid_after_utc,
    )


def warnings(files: Files, pair: Pair) -> Iterator[Problem]:
    """What can be served with, and should still be mended."""
    left = pair.ends - _now()
    if left < END_WARNING:
        when = f"ends in {left.days} days" if left > timedelta() else "has expired; new connections fail"
        yield Problem(
            "server.tls_certificate", f"{files.certificate} {when}: {pair.facts()['ends']}", "replace the files; no restart is needed"
        )
    if not pair.names:
        what = f"{files.certificate} has no subject alternative name, and clients look at nothing else"
        yield Problem("server.tls_certificate", what, "have one issued for the server's names")
    try:
        exposed = _is_exposed(files.key)
    except OSError:
        return  # It was there when it was read; if it is gone now, the next look says so.
    if exposed:
        yield Problem("server.tls_key", f"{files.key} can be read by others", f"chmod 600 {files.key}")


def _certificates(where: str, path: Path, problems: list[Problem]) -> list[x509.Certificate]:
    """Those in the file, in order; none after a problem."""
    if (data := _bytes(where, path, problems)) is None:
        return []
    try:
        found = x509.load_pem_x509_certificates(data)
        for certificate in found:
            _ = certificate.extensions  # They are parsed when they are asked for, and refuse then.
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        problems.append(Problem(where, f"{path} is not one or more whole certificates in PEM", "begin it with -----BEGIN CERTIFICATE-----"))
        return []
    return found


def _key(path: Path, problems: list[Problem]) -> PrivateKey | None:
    where = "server.tls_key"
    if (data := _bytes(where, path, problems)) is None:
        return None
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        problems.append(Problem(where, f"{path} is encrypted", f"write it without a password: openssl pkey -in {path} -out key.pem"))
        return None
    except (ValueError, UnsupportedAlgorithm):
        problems.append(Problem(where, f"{path} is not a whole private key in PEM", "begin it with -----BEGIN PRIVATE KEY-----"))
        return None
    if isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey) and _is_taken(key.public_key()):
        return key
    problems.append(Problem(where, f"the key in {path} is of a kind that gRPC clients refuse or is too short", KINDS))
    return None


KINDS = (
    f"make one of P-256 or P-384, or RSA with {RSA_BITS_MIN} bits or more: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
)


def _is_taken(key: RSAPublicKey | EllipticCurvePublicKey) -> bool:
    """Whether gRPC's own clients take it. Measured: with Ed25519 and P-521 they end every handshake, though others take both."""
    if isinstance(key, RSAPublicKey):
        return key.key_size >= RSA_BITS_MIN
    return isinstance(key.curve, SECP256R1 | SECP384R1)


def _untimely(path: Path, certificate: x509.Certificate) -> Iterator[Problem]:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if ends <= _now():
        yield Problem("server.tls_certificate", f"{path} has expired: {ends:%Y-%m-%dT%H:%M:%SZ}", "have a new one issued")
    if begins > _now():
        yield Problem("server.tls_certificate", f"{path} is not valid yet: {begins:%Y-%m-%dT%H:%M:%SZ}", "correct the clock, or wait")


def _unfit(files: Files, chain: Sequence[x509.Certificate], key: PrivateKey | None) -> Iterator[Problem]:
    """Whether the key is that of the first certificate."""
    if key is None or _is_of(chain[0], key):
        return
    if any(_is_of(certificate, key) for certificate in chain[1:]):
        what, mend = f"the certificate of the key is not the first in {files.certificate}", "put it first, then who issued it, and so on"
        yield Problem("server.tls_certificate", what, mend)
    else:
        yield Problem("server.tls_key", f"{files.key} is not the key of {files.certificate}", "name the two that were made together")


def _is_of(certificate: x509.Certificate, key: PrivateKey) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False


def _names(certificate: x509.Certificate) -> Iterator[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    yield from found.get_values_for_type(x509.DNSName)
    yield from map(str, found.get_values_for_type(x509.IPAddress))
    yield from found.get_values_for_type(x509.UniformResourceIdentifier)


def _bytes(where: str, path: Path, problems: list[Problem]) -> bytes | None:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        problems.append(Problem(where, f"{path} cannot be read: {error.strerror}", "name a PEM file that the server may read"))
        return None
    if len(data) <= FILE_BYTES_MAX:
        return data
    problems.append(Problem(where, f"{path} has more than {FILE_BYTES_MAX} bytes", "name a PEM file with certificates or a key only"))
    return None


def _pem(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _is_exposed(path: Path) -> bool:
    """Whether anyone may read it, or a group, unless root gave it to one: so Kubernetes hands out secrets, and Debian keys."""
    found = path.stat()
    return bool(found.st_mode & (stat.S_IRWXO if found.st_uid == 0 else stat.S_IRWXO | stat.S_IRWXG))


def _now() -> datetime:
    return datetime.fromtimestamp(clock.now_micros() / clock.MICROSECONDS, UTC)
