"""Tokens: what is believed, and every way we know to be believed wrongly (RFC 8725; security.md C01 to C07)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from protoplane.base import clock, limits
from protoplane.base.errors import Code, Fault
from protoplane.base.secret import Secret
from protoplane.identity import tokens
from protoplane.identity.tokens import KeysError, Signer, Verifier, read_jwks

ISSUER, AUDIENCE, SUBJECT = "https://issuer.example", "library", "alice"
OURS, STRANGER = Signer.new(), Signer.new()
EC_KEY = ECKey.generate_key("P-256", private=True)


def verifier(**changes: Any) -> Verifier:
    jwks = {"keys": [*OURS.jwks()["keys"], {**EC_KEY.as_dict(private=False), "kid": "ec"}]}
    known: dict[str, Any] = {
        "keys": read_jwks(json.dumps(jwks)),
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "leeway_seconds": 30,
        "permissions_of": lambda subject: frozenset({f"{subject}.all"}),
    }
    return Verifier(**(known | changes))


def now() -> int:
    return clock.now_micros() // clock.MICROSECONDS


def header(**changes: Any) -> dict[str, Any]:
    return {"alg": "EdDSA", "typ": "at+jwt", "kid": OURS.kid} | changes


def claims(**changes: Any) -> dict[str, Any]:
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "iat": now(), "exp": now() + 60} | changes


def without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def signed(head: Mapping[str, Any] | None = None, body: Mapping[str, Any] | str | None = None, signer: Signer = OURS) -> str:
    payload = body if isinstance(body, str) else json.dumps(dict(claims() if body is None else body))
    return signer.sign(header() if head is None else head, payload)


def part(value: object) -> str:
    text = value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed_text(head: str, body: str) -> str:
    """A token with any bytes as its parts, with a signature of ours that is right."""
    text = f"{part(head)}.{part(body)}"
    return f"{text}.{part(JWSRegistry.algorithms['Ed25519'].sign(text.encode(), OURS._key))}"


def hs256(head: Mapping[str, Any], key: bytes) -> str:
    text = f"{part(dict(head))}.{part(claims())}"
    return f"{text}.{part(hmac.new(key, text.encode(), hashlib.sha256).digest())}"


def public_forms() -> list[bytes]:
    """The ways in which our public key could be taken for a shared secret."""
    raw = OURS._key.public_key
    return [
        base64.urlsafe_b64decode(OURS.jwks()["keys"][0]["x"] + "=="),
        raw.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        json.dumps(OURS.jwks()["keys"][0]).encode(),
    ]


def refusal(token: str, judge: Verifier | None = None) -> Fault:
    with pytest.raises(Fault) as caught:
        (judge or verifier()).authenticate(f"Bearer {token}")
    assert caught.value.code is Code.UNAUTHENTICATED
    assert caught.value.reason == "CREDENTIALS_INVALID"
    return caught.value


def test_a_token_of_a_known_key_names_its_subject_with_the_permissions_granted_to_it() -> None:
    principal = verifier().authenticate(f"Bearer {signed()}")
    assert (principal.subject, principal.issuer, principal.permissions) == (SUBJECT, ISSUER, frozenset({"alice.all"}))
    assert not principal.anonymous


RIGHT: dict[str, Callable[[], str]] = {
    "RFC 9864 name of the algorithm": lambda: signed(header(alg="Ed25519")),
    "long media type": lambda: signed(header(typ="application/at+jwt")),
    "media types have no case": lambda: signed(header(typ="AT+JWT")),
    "several audiences": lambda: signed(body=claims(aud=["other", AUDIENCE])),
    "expired within the leeway": lambda: signed(body=claims(exp=now() - 20)),
    "from a fast clock": lambda: signed(body=claims(nbf=now() + 20, iat=now() + 20)),
    "fraction of a second": lambda: signed(body=claims(exp=now() + 60.5)),
    "no iat": lambda: signed(body=without(claims(), "iat")),
    "key pointers are not read": lambda: signed(header(jku="https://evil.example/jwks", x5u="https://evil.example/x", jwk={"kty": "oct"})),
    "claims that mean nothing here": lambda: signed(body=claims(permissions=["*"], scope="everything")),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_token_that_is_right_gives_the_permissions_granted_and_no_others(name: str) -> None:
    assert verifier().authenticate(f"Bearer {RIGHT[name]()}").permissions == frozenset({"alice.all"})


def test_a_token_of_a_p256_key_is_taken() -> None:
    text = f"{part({'alg': 'ES256', 'typ': 'at+jwt', 'kid': 'ec'})}.{part(claims())}"
    token = f"{text}.{part(JWSRegistry.algorithms['ES256'].sign(text.encode(), EC_KEY))}"
    assert verifier().authenticate(f"bearer {token}").subject == SUBJECT


ATTACKS: dict[str, Callable[[], str]] = {
    "C01 alg none, no signature": lambda: f"{part(header(alg='none'))}.{part(claims())}.",
    "C01 alg none, some signature": lambda: signed(header(alg="none")),
    "C01 alg NoNe": lambda: signed(header(alg="NoNe")),
    "C01 alg missing": lambda: signed(without(header(), "alg")),
    "C01 alg null": lambda: signed(header(alg=None)),
    "C01 alg a list": lambda: signed(header(alg=["EdDSA"])),
    "C02 HS256 with the raw public key": lambda: hs256(header(alg="HS256"), public_forms()[0]),
    "C02 HS256 with the PEM": lambda: hs256(header(alg="HS256"), public_forms()[1]),
    "C02 HS256 with the JWK": lambda: hs256(header(alg="HS256"), public_forms()[2]),
    "C02 HMAC under the name EdDSA": lambda: hs256(header(), public_forms()[0]),
    "C02 ES256 said of an Ed25519 key": lambda: signed(header(alg="ES256")),
    "C02 EdDSA said of a P-256 key": lambda: signed(header(kid="ec")),
    "C02 Ed448": lambda: signed(header(alg="Ed448")),
    "C03 unknown kid": lambda: signed(header(kid="other")),
    "C03 no kid": lambda: signed(without(header(), "kid")),
    "C03 kid is a path": lambda: signed(header(kid="../../../../dev/null")),
    "C03 kid is SQL": lambda: signed(header(kid="' OR 1=1 --")),
    "C03 kid is a URL": lambda: signed(header(kid="https://evil.example/key")),
    "C03 kid is a list": lambda: signed(header(kid=[OURS.kid])),
    "C03 kid is an object": lambda: signed(header(kid={"a": 1})),
    "C03 kid of ours, key of another": lambda: signed(signer=STRANGER),
    "C03 embedded jwk": lambda: signed(header(jwk=STRANGER.jwks()["keys"][0]), signer=STRANGER),
    "C03 jku": lambda: signed(header(jku="https://evil.example/jwks", kid=STRANGER.kid), signer=STRANGER),
    "C03 crit": lambda: signed(header(crit=["exp"])),
    "C03 crit with a known extension": lambda: signed(header(crit=["b64"], b64=True)),
    "C03 crit empty": lambda: signed(header(crit=[])),
    "C04 expired": lambda: signed(body=claims(exp=now() - 31)),
    "C04 no exp": lambda: signed(body=without(claims(), "exp")),
    "C04 exp null": lambda: signed(body=claims(exp=None)),
    "C04 exp a text": lambda: signed(body=claims(exp=str(now() + 60))),
    "C04 exp true": lambda: signed(body=claims(exp=True)),
    "C04 exp NaN": lambda: signed(body=json.dumps(claims(exp=float("nan")))),
    "C04 exp Infinity": lambda: signed(body=json.dumps(claims(exp=float("inf")))),
    "C04 exp 1e999": lambda: signed(body=json.dumps(claims()).replace(f'"exp": {claims()["exp"]}', '"exp": 1e999')),
    "C04 exp of 5,000 digits": lambda: signed(body=json.dumps(claims(exp=0)).replace('"exp": 0', '"exp": ' + "9" * 5_000)),
    "C04 exp of 400 digits": lambda: signed(body=json.dumps(claims(exp=10**400))),
    "C04 nbf in the future": lambda: signed(body=claims(nbf=now() + 31)),
    "C04 iat in the future": lambda: signed(body=claims(iat=now() + 31)),
    "C04 nbf a text": lambda: signed(body=claims(nbf="soon")),
    "C04 nbf null": lambda: signed(body=claims(nbf=None)),
    "C05 other audience": lambda: signed(body=claims(aud="other")),
    "C05 other audiences": lambda: signed(body=claims(aud=["other", AUDIENCE + "x"])),
    "C05 audience in a longer text": lambda: signed(body=claims(aud=f"x {AUDIENCE}")),
    "C05 audience as a key": lambda: signed(body=claims(aud={AUDIENCE: 1})),
    "C05 no audience": lambda: signed(body=without(claims(), "aud")),
    "C05 other issuer": lambda: signed(body=claims(iss=ISSUER + "/")),
    "C05 no issuer": lambda: signed(body=without(claims(), "iss")),
    "C06 ID token": lambda: signed(header(typ="JWT")),
    "C06 no typ": lambda: signed(without(header(), "typ")),
    "C06 typ a list": lambda: signed(header(typ=["at+jwt"])),
    "C07 too long": lambda: signed(body=claims(pad="x" * limits.TOKEN_CHARACTERS_MAX)),
    "C07 four segments": lambda: signed() + ".x",
    "C07 five segments (JWE)": lambda: "a.b.c.d.e",
    "C07 two segments": lambda: signed().rpartition(".")[0],
    "C07 padding": lambda: signed() + "=",
    "C07 space inside": lambda: signed().replace(".", " .", 1),
    "C07 line break at the end": lambda: signed() + "\n",
    "C07 not base64": lambda: "a.b.c",
    "C07 other digits": lambda: "٣٣٣٣.٣٣٣٣.٣٣٣٣",
    "C07 empty": lambda: "",
    "signature of another payload": lambda: ".".join([*signed().split(".")[:2], signed(body=claims(sub="bob")).split(".")[2]]),
    "signature with loose last bits": lambda: signed()[:-1] + chr(ord(signed()[-1]) + 1),
    "signature empty": lambda: signed().rpartition(".")[0] + ".",
    "header name twice": lambda: signed_text(json.dumps(header())[:-1] + ', "alg": "EdDSA"}', json.dumps(claims())),
    "claim twice": lambda: signed_text(json.dumps(header()), json.dumps(claims())[:-1] + ', "sub": "admin"}'),
    "claim twice, nested": lambda: signed_text(json.dumps(header()), json.dumps(claims())[:-1] + ', "x": {"a": 1, "a": 2}}'),
    "header a list": lambda: signed_text("[]", json.dumps(claims())),
    "claims a list": lambda: signed_text(json.dumps(header()), "[]"),
    "claims a text": lambda: signed_text(json.dumps(header()), '"x"'),
    "claims not JSON": lambda: signed_text(json.dumps(header()), "{"),
    "claims nested 3,000 deep": lambda: signed_text(json.dumps(header()), "[" * 3_000 + "]" * 3_000),
    "claims in Latin-1": lambda: f"{part(header())}.{part(json.dumps(claims(sub='é'), ensure_ascii=False).encode('latin-1'))}.AAAA",
    "no subject": lambda: signed(body=without(claims(), "sub")),
    "subject empty": lambda: signed(body=claims(sub="")),
    "subject a number": lambda: signed(body=claims(sub=1)),
    "subject too long": lambda: signed(body=claims(sub="x" * 256)),
    "subject everybody": lambda: signed(body=claims(sub="*")),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_as_invalid_credentials(name: str) -> None:
    refusal(ATTACKS[name]())


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic YTpi", "bearer", "Token x", "none"])
def test_only_bearer_tokens_are_credentials(value: str) -> None:
    with pytest.raises(Fault) as caught:
        verifier().authenticate(value)
    assert caught.value.code is Code.UNAUTHENTICATED


@pytest.mark.parametrize("missing", [{"issuer": ""}, {"audience": ""}, {"keys": {}}])
def test_nothing_is_verified_without_issuer_audience_and_keys(missing: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needs an issuer"):
        verifier(**missing)


def test_a_kept_token_ends_when_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    judge, token, start = verifier(), signed(body=claims(exp=now() + 60)), clock.now_micros()
    judge.authenticate(f"Bearer {token}")
    monkeypatch.setattr(clock, "now_micros", lambda: start + 89 * clock.MICROSECONDS)
    judge.authenticate(f"Bearer {token}")
    monkeypatch.setattr(clock, "now_micros", lambda: start + 92 * clock.MICROSECONDS)
    assert "expired" in str(refusal(token, judge))


def test_a_kept_token_is_not_verified_again_and_the_least_used_one_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def permissions(subject: str) -> frozenset[str]:
        asked.append(subject)
        return frozenset()

    monkeypatch.setattr(tokens, "TOKENS_KEPT_MAX", 2)
    judge = verifier(permissions_of=permissions)
    a, b, c = (f"Bearer {signed(body=claims(sub=subject))}" for subject in "abc")
    for token in (a, b, a, c, a, b):
        judge.authenticate(token)
    assert "".join(asked) == "abcb"


def test_many_threads_share_a_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "TOKENS_KEPT_MAX", 3)
    judge = verifier()
    values = {f"s{number}": f"Bearer {signed(body=claims(sub=f's{number}'))}" for number in range(8)}
    wrong: list[object] = []

    def ask() -> None:
        for _ in range(50):
            for subject, value in values.items():
                try:
                    if judge.authenticate(value).subject != subject:
                        wrong.append(subject)
                except Exception as error:  # noqa: BLE001 - the test is that there is none.
                    wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a JWKS"),
        ("[]", "not a JWKS"),
        ('{"keys": []}', "empty"),
        ('{"keys": {}}', "no list"),
        ('{"keys": [1]}', "not an object"),
        (json.dumps({"keys": [OctKey.generate_key(256).as_dict(private=True)]}), "private key"),
        (json.dumps({"keys": [OKPKey.generate_key("Ed25519", private=True).as_dict(private=True)]}), "private key"),
        (json.dumps({"keys": [RSAKey.generate_key(2048).as_dict(private=False)]}), "not taken"),
        (json.dumps({"keys": [ECKey.generate_key("P-384").as_dict(private=False)]}), "not taken"),
        (json.dumps({"keys": [OKPKey.generate_key("X25519").as_dict(private=False)]}), "not taken"),
        (json.dumps({"keys": [{**OURS.jwks()["keys"][0], "use": "enc"}]}), "not for signatures"),
        (json.dumps({"keys": [{**OURS.jwks()["keys"][0], "alg": "HS256"}]}), "names the algorithm"),
        (json.dumps({"keys": [{**OURS.jwks()["keys"][0], "x": "AAAA"}]}), "key 1"),
        (json.dumps({"keys": [{**OURS.jwks()["keys"][0], "kid": 1}]}), "'kid' must be a str"),
        (json.dumps({"keys": OURS.jwks()["keys"] * 2}), "second key"),
    ],
)
def test_a_key_set_with_anything_but_public_signature_keys_is_refused(text: str, problem: str) -> None:
    with pytest.raises(KeysError, match=problem):
        read_jwks(text)


def test_every_bad_key_is_reported() -> None:
    with pytest.raises(KeysError) as caught:
        read_jwks('{"keys": [1, {"kty": "oct", "k": "AA"}, {"kty": "RSA"}]}')
    assert len(caught.value.problems) == 3


def test_a_key_without_kid_goes_by_its_thumbprint() -> None:
    key = without(OURS.jwks()["keys"][0], "kid")
    assert list(read_jwks(json.dumps({"keys": [key]}))) == [OURS.kid]


def test_the_development_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / ".protoplane" / "token-key.json"
    first, second = Signer.kept(path), Signer.kept(path)
    assert first.kid == second.kid
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o640)
    with pytest.raises(PermissionError, match="chmod 600"):
        Signer.kept(path)


def test_a_secret_shows_nothing() -> None:
    assert "hunter2" not in repr(Secret("hunter2")) + str(Secret("hunter2")) + f"{[Secret('hunter2')]}"
