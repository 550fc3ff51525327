"""The files of TLS: what a server starts with, what it refuses and what it warns of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from protoplane.app import NotStartedError
from protoplane.base import clock
from protoplane.base.observe import Event
from protoplane.base.settings import ServerSettings, Settings
from protoplane.edge import tls
from tests.edge.authority import MUTUAL, TLS, Authority, Issued, connected, in_pem
from tests.edge.conftest import Starter


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def test_the_files_are_looked_at_once_a_second_however_many_connect(
    settings: Settings, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.issue("localhost").write(settings.folder)
    files = tls.files_of(replace(settings.server, **TLS), settings.folder)
    assert files is not None
    moment = [100.0]
    monkeypatch.setattr(clock, "monotonic_seconds", lambda: moment[0])
    watched = tls.Watched(files, tls.read(files), lambda _: None)
    assert watched.fetch() is None
    authority.issue("localhost").write(settings.folder)
    for _ in range(100):
        moment[0] += tls.LOOK_SECONDS / 200
        assert watched.fetch() is None
    moment[0] += tls.LOOK_SECONDS
    assert watched.fetch() is not None
    assert watched.fetch() is None


@pytest.mark.parametrize(("days", "warned"), [(13, True), (15, False)])
def test_a_certificate_that_ends_within_14_days_is_warned_of(
    start: Starter, settings: Settings, authority: Authority, days: int, warned: bool
) -> None:
    authority.issue("localhost", ends=timedelta(days=days)).write(settings.folder)
    running = start(**TLS)
    told = [str(seen.facts["problem"]) for seen in running.seen if isinstance(seen, Event) and seen.name == "tls.unwise"]
    assert [f"ends in {days - 1} days" in text for text in told] == [True] * warned


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o604, True), (0o644, True)])
def test_a_key_that_others_may_read_is_warned_of(start: Starter, settings: Settings, authority: Authority, mode: int, warned: bool) -> None:
    authority.issue("localhost").write(settings.folder)
    (settings.folder / "server.key").chmod(mode)
    told = [str(seen.facts["problem"]) for seen in start(**TLS).seen if isinstance(seen, Event) and seen.name == "tls.unwise"]
    assert ["can be read by others" in text for text in told] == [True] * warned


def problems(start: Starter, **server: Any) -> list[str]:
    with pytest.raises(NotStartedError) as caught:
        start(**server)
    return [str(problem) for problem in caught.value.problems]


def test_all_that_is_wrong_with_the_files_is_told_at_once(start: Starter, settings: Settings) -> None:
    (settings.folder / "server.pem").write_text("nonsense")
    (settings.folder / "server.key").mkdir()
    told = problems(start, **MUTUAL)
    assert [text.partition(":")[0] for text in told] == ["server.tls_certificate", "server.tls_key", "server.tls_client_ca"]
    assert "is not one or more whole certificates" in told[0]
    assert "cannot be read: Is a directory" in told[1]
    assert "cannot be read: No such file or directory" in told[2]
    assert all("mend: " in text for text in told)


def pairs(authority: Authority) -> dict[str, tuple[Issued, str]]:
    """Pairs that a server must not start with, and what is said of them."""
    good, key = authority.issue("localhost"), ec.generate_private_key(ec.SECP256R1())
    return {
        "another's key": (replace(good, key=in_pem(key)), "is not the key of"),
        "encrypted": (replace(authority.issue("localhost", key=key), key=in_pem(key, b"password")), "is encrypted"),
        "the authority first": (replace(good, certificate=authority.pem + good.certificate), "the certificate of the key is not the first"),
        "expired": (authority.issue("localhost", ends=timedelta(seconds=-1)), "has expired"),
        "not yet valid": (authority.issue("localhost", begins=timedelta(hours=1)), "is not valid yet"),
        "ed25519": (authority.issue("localhost", key=ed25519.Ed25519PrivateKey.generate()), "clients refuse or is too short"),
        "p-521": (authority.issue("localhost", key=ec.generate_private_key(ec.SECP521R1())), "clients refuse or is too short"),
        "rsa 1024": (authority.issue("localhost", key=rsa.generate_private_key(65_537, 1_024)), "clients refuse or is too short"),
        "too long": (replace(good, key=good.key + b"\n" * tls.FILE_BYTES_MAX), "has more than"),
    }


@pytest.mark.parametrize("what", pairs(Authority()))
def test_a_pair_that_clients_could_not_use_is_refused_at_start(start: Starter, settings: Settings, authority: Authority, what: str) -> None:
    issued, said = pairs(authority)[what]
    issued.write(settings.folder)
    (told,) = problems(start, **TLS)
    assert said in told
    assert "PRIVATE KEY-----\n" not in told


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65_537, 2_048)], ids=["p-384", "rsa"])
def test_usual_keys_are_served_with(start: Starter, settings: Settings, authority: Authority, key: Any) -> None:
    authority.issue("localhost", key=key).write(settings.folder)
    with connected(start(**TLS), authority) as call:
        assert call() == b"x"


def test_a_file_that_openssl_made_with_parameters_and_one_that_holds_both_are_read(
    start: Starter, settings: Settings, authority: Authority
) -> None:
    issued = authority.issue("localhost")
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    replace(issued, key=parameters + issued.key + issued.certificate, certificate=issued.key + issued.certificate).write(settings.folder)
    with connected(start(**TLS), authority) as call:
        assert call() == b"x"


def test_authorities_that_have_all_expired_are_refused_at_start(start: Starter, settings: Settings, authority: Authority) -> None:
    authority.issue("localhost").write(settings.folder)
    (settings.folder / "clients.pem").write_bytes(authority.issue("old", begins=timedelta(days=-2), ends=timedelta(days=-1)).certificate)
    assert "all authorities in" in problems(start, **MUTUAL)[0]


def test_a_pair_never_shows_its_key(settings: Settings, authority: Authority) -> None:
    issued = authority.issue("localhost")
    issued.write(settings.folder)
    files = tls.files_of(replace(settings.server, **TLS), settings.folder)
    assert files is not None
    pair = tls.read(files)
    assert pair.key.reveal() in issued.key
    assert pair.key.reveal() not in repr(pair).encode()
    assert x509.load_pem_x509_certificate(pair.chain).public_bytes(Encoding.PEM) == issued.certificate


def test_without_a_certificate_there_is_no_tls(settings: Settings) -> None:
    assert isinstance(settings.server, ServerSettings)
    assert tls.credentials(settings.server, settings.folder, lambda _: None) is None
