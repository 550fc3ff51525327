"""Bearer tokens: signed JWTs (RFC 9068, `at+jwt`) checked against public keys that are known beforehand.

The rules are RFC 8725's: the key decides the algorithm, the header may only agree; a `kid` is looked up in memory and
nowhere else; `jku`, `x5u` and `jwk` are never read; `crit` is refused; issuer, audience and expiry are demanded.
joserfc brings the keys and the signatures. The envelope is parsed here, because two readings of one token (duplicate
JSON names, loose base64) are how verified and used claims come to differ.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from joserfc import util
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey
from joserfc.jws import JWSRegistry

from protoplane.base import clock, limits
from protoplane.base.config import Problem
from protoplane.base.errors import Fault, Reason
from protoplane.base.secret import Secret, keep_private
from protoplane.identity.principal import Principal

if TYPE_CHECKING:
    from pathlib import Path

TOKENS_KEPT_MAX = 4_096
"""Verified tokens kept: at most 32 MiB, were each as long as is taken. A hit costs 1 µs, a verification 120 µs."""

KEYS_MAX = 64
"""Keys in one JWKS: more is a mistake."""

SUBJECT_CHARACTERS_MAX = 255
"""OpenID Connect's bound for `sub`."""

NOBODY = frozenset({"*"})
"""Subjects that nobody is: in grants and in relations it stands for everybody."""

END = "\0"
"""In no subject: SQLite ends a text of JSON there, and would take one subject for another."""

TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})
"""RFC 9068 section 4; other types (ID tokens, mail tokens) are not for calling with."""

_ALGORITHMS: Mapping[tuple[str, str], tuple[str, frozenset[str]]] = {
    # Key type and curve → joserfc's name of the algorithm, and what a header may call it (RFC 9864 renamed EdDSA).
    ("OKP", "Ed25519"): ("Ed25519", frozenset({"EdDSA", "Ed25519"})),
    ("EC", "P-256"): ("ES256", frozenset({"ES256"})),
}
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key with the one algorithm it is good for."""

    key: OKPKey | ECKey
    algorithm: str
    names: frozenset[str]
    """What `alg` may say for it."""

    def verify(self, signed: bytes, signature: bytes) -> bool:
        """Whether the signature was made with its private half."""
        return JWSRegistry.algorithms[self.algorithm].verify(signed, signature, self.key)


class KeysError(Exception):
    """A JWKS that cannot be used; `problems` has every fault."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


def read_jwks(text: str) -> dict[str, VerificationKey]:
    """Verification keys by `kid` (its RFC 7638 thumbprint when it has none). Raises KeysError; private keys are refused."""
    keys: dict[str, VerificationKey] = {}
    problems: list[Problem] = []
    for position, entry in enumerate(_entries(text)):
        try:
            kid, key = _verification_key(entry)
        except (ValueError, TypeError, KeyError, JoseError) as error:
            mend = "give public Ed25519 (OKP) or P-256 (EC) keys for signatures"
            problems.append(Problem(f"auth.keys, key {position + 1}", str(error), mend))
            continue
        if keys.setdefault(kid, key) is not key:
            problems.append(
                Problem(f"auth.keys, key {position + 1}", f"is a second key with the kid '{kid}'", "give every key its own kid")
            )
    if problems:
        raise KeysError(problems)
    return keys


def _entries(text: str) -> list[object]:
    mend = f'give {{"keys": [...]}} as in RFC 7517, with 1 to {KEYS_MAX} keys'
    try:
        entries = json.loads(text)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeysError([Problem("auth.keys", f"is not a JWKS: {error}", mend)]) from error
    if not isinstance(entries, list) or not 0 < len(entries) <= KEYS_MAX:
        raise KeysError([Problem("auth.keys", "is not a JWKS: 'keys' is no list, empty or too long", mend)])
    return entries


def _verification_key(entry: object) -> tuple[str, VerificationKey]:
    if not isinstance(entry, dict):
        raise TypeError("is not an object")
    if "d" in entry or "k" in entry:
        raise ValueError("is a private key; whoever reads this file could make tokens")
    kind = (str(entry.get("kty")), str(entry.get("crv")))
    if kind not in _ALGORITHMS:
        raise ValueError(f"has the type {kind[0]} {kind[1]}, which is not taken")
    algorithm, names = _ALGORITHMS[kind]
    if entry.get("use", "sig") != "sig":
        raise ValueError("is not for signatures ('use')")
    if entry.get("alg", algorithm) not in names:
        raise ValueError(f"names the algorithm {entry['alg']}, but its type is for {algorithm}")
    key = JWKRegistry.import_key(entry)
    assert isinstance(key, OKPKey | ECKey)
    kid = entry.get("kid") or key.thumbprint()
    assert isinstance(kid, str)  # The import has seen to it.
    return kid, VerificationKey(key, algorithm, names)


class _Refused(Exception):
    """A token that is not taken; its text is what the caller is told."""


@final
class Verifier:
    """Turns the value of an `authorization` header into a Principal. Safe for many threads."""

    def __init__(
        self,
        *,
        keys: Mapping[str, VerificationKey],
        issuer: str,
        audience: str,
        leeway_seconds: int,
        permissions_of: Callable[[str], frozenset[str]],
    ) -> None:
        """`permissions_of` is asked once for each verified token, with its subject.

        ValueError without an issuer, an audience or a key: what is not configured must not count as checked.
        """
        if not (issuer and audience and keys):
            raise ValueError("a verifier needs an issuer, an audience and at least one key")
        self._keys, self._issuer, self._audience = dict(keys), issuer, audience
        self._leeway_seconds, self._permissions_of = leeway_seconds, permissions_of
        self._kept: OrderedDict[str, tuple[Principal, int]] = OrderedDict()
        self._keeping = threading.Lock()

    def authenticate(self, authorization: str) -> Principal:
        """The caller that the header value `Bearer <token>` names. Raises Fault CREDENTIALS_INVALID, and nothing else."""
        kept = self._kept.get(authorization)
        if kept is not None:
            principal, until_micros = kept
            if clock.now_micros() < until_micros:
                try:  # noqa: SIM105 - `suppress` costs a third of a hit.
                    self._kept.move_to_end(authorization)
                except KeyError:
                    pass  # Another thread has just dropped it; it is no less verified.
                return principal
        try:
            principal, until_micros = self._verify(authorization)
        except _Refused as refused:
            raise Fault(Reason.CREDENTIALS_INVALID, problem=str(refused)) from None
        except Exception as error:
            # Whatever a library makes of hostile input, it is not our INTERNAL.
            raise Fault(Reason.CREDENTIALS_INVALID, problem="the token cannot be read.") from error
        with self._keeping:
            self._kept[authorization] = (principal, until_micros)
            self._kept.move_to_end(authorization)
            while len(self._kept) > TOKENS_KEPT_MAX:
                self._kept.popitem(last=False)
        return principal

    def known(self, authorization: str) -> str | None:
        """Whose the header value is, if it was verified before; verifies nothing, and is no proof of anything."""
        kept = self._kept.get(authorization)
        return None if kept is None else kept[0].subject

    def _verify(self, authorization: str) -> tuple[Principal, int]:
        """The principal, and the UTC microsecond at which the token ends, leeway included."""
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise _Refused("the authorization must be 'Bearer' and a token.")
        token = authorization[len(_SCHEME) :]
        if len(token) > limits.TOKEN_CHARACTERS_MAX:
            raise _Refused(f"the token is longer than {limits.TOKEN_CHARACTERS_MAX} characters.")
        parts = _SHAPE.fullmatch(token)
        if parts is None:
            raise _Refused("the token is not a signed JWT.")
        header = _object(parts[1])
        key = self._key_of(header)
        signed = f"{parts[1]}.{parts[2]}".encode("ascii")
        if not key.verify(signed, util.urlsafe_b64decode(parts[3].encode("ascii"))):
            raise _Refused("the signature of the token is wrong.")
        return self._principal(_object(parts[2]))

    def _key_of(self, header: Mapping[str, Any]) -> VerificationKey:
        kid, kind = header.get("kid"), header.get("typ")
        if "crit" in header:
            raise _Refused("the token demands extensions that are not known here.")
        if not isinstance(kind, str) or kind.lower() not in TOKEN_TYPES:
            raise _Refused("the token is not an access token (typ at+jwt).")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise _Refused("the token's key is not known here.")
        if header.get("alg") not in key.names:
            raise _Refused("the token's algorithm is not that of its key.")
        return key

    def _principal(self, claims: Mapping[str, Any]) -> tuple[Principal, int]:
        now, leeway = clock.now_micros() / clock.MICROSECONDS, self._leeway_seconds
        expiry = _seconds(claims, "exp", demanded=True)
        if claims.get("iss") != self._issuer:
            raise _Refused("the token is from another issuer.")
        audience = claims.get("aud")
        if audience != self._audience and not (isinstance(audience, list) and self._audience in audience):
            raise _Refused("the token is for another audience.")
        if now >= expiry + leeway:
            raise _Refused("the token has expired.")
        if max(_seconds(claims, "nbf"), _seconds(claims, "iat")) > now + leeway:
            raise _Refused("the token is not valid yet.")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARACTERS_MAX or subject in NOBODY or END in subject:
            raise _Refused("the token names no subject.")
        principal = Principal(
            subject=subject,
            issuer=self._issuer,
            permissions=self._permissions_of(subject),
            service=claims.get("client_id") == subject,
        )
        return principal, int((expiry + leeway) * clock.MICROSECONDS)


def _seconds(claims: Mapping[str, Any], name: str, *, demanded: bool = False) -> float:
    """A NumericDate; 0 when it may be missing and is."""
    value = claims.get(name)
    if value is None and not demanded and name not in claims:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _Refused(f"the token has no usable '{name}'.")
    return float(value)


def _object(part: str) -> dict[str, Any]:
    """A part of a token as JSON object, read in one way only: canonical base64url, UTF-8, no name twice, no NaN."""
    value = json.loads(util.urlsafe_b64decode(part.encode("ascii")).decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise _Refused("the token is not a signed JWT.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Refused("the token has a name twice.")
    return found


def _no_constant(name: str) -> float:
    raise _Refused(f"the token has the value {name}.")


@final
class Signer:
    """Makes tokens with a private Ed25519 key: for development and tests, never in `serve`."""

    def __init__(self, jwk: Secret[Mapping[str, Any]]) -> None:
        self._key = OKPKey.import_key(dict(jwk.reveal()))
        self.kid = self._key.thumbprint()

    @classmethod
    def new(cls) -> Signer:
        """A signer with a fresh key."""
        return cls(Secret(OKPKey.generate_key("Ed25519", private=True).as_dict(private=True)))

    @classmethod
    def kept(cls, path: Path) -> Signer:
        """The signer whose key lies in the file, made on first use and readable by its owner only. Raises OSError, ValueError."""
        fresh = OKPKey.generate_key("Ed25519", private=True)
        return cls(Secret(json.loads(keep_private(path, lambda: json.dumps(fresh.as_dict(private=True)).encode("ascii")))))

    def verification_keys(self) -> dict[str, VerificationKey]:
        """Its public half, as `Verifier` takes it."""
        return read_jwks(json.dumps(self.jwks()))

    def jwks(self) -> dict[str, Any]:
        """Its public half, as a JWKS."""
        return {"keys": [{**self._key.as_dict(private=False), "kid": self.kid, "use": "sig"}]}

    def mint(self, *, subject: str, issuer: str, audience: str, seconds: int, service: bool = False) -> str:
        """An access token that is valid for `seconds` from now: of a person, or of a `service` in its own name."""
        now = clock.now_micros() // clock.MICROSECONDS
        claims = {"iss": issuer, "aud": audience, "sub": subject, "iat": now, "exp": now + seconds}
        if service:
            claims["client_id"] = subject
        return self.sign({"alg": "EdDSA", "typ": "at+jwt", "kid": self.kid}, json.dumps(claims))

    def sign(self, header: Mapping[str, Any], payload: str) -> str:
        """Any header and payload, signed: what is in them is for the verifier to judge."""
        signed = b".".join(util.urlsafe_b64encode(text.encode("utf-8")) for text in (json.dumps(dict(header)), payload))
        signature = JWSRegistry.algorithms["Ed25519"].sign(signed, self._key)
        return (signed + b"." + util.urlsafe_b64encode(signature)).decode("ascii")
