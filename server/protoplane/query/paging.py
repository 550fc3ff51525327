"""Page sizes and page tokens (AIP-158).

A token is encrypted and authenticated: callers can neither read the sort keys in it nor make one up. It is bound to the
method and every argument but the page size, and it carries no authority: each page is authorised like the first.

    token = base64url(version ‖ salt ‖ nonce ‖ AES-256-GCM(HMAC-SHA256(key, salt), nonce, payload))
    payload = issued (8 bytes, µs) ‖ digest of the arguments (16 bytes) ‖ values

Each token has its own AES key, so the 2^32 messages that random nonces allow under one key are no bound on pages served.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import struct
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protoplane.base import limits
from protoplane.base.clock import MICROSECONDS
from protoplane.base.errors import Fault, Reason, Violation, invalid_fields

Scalar: TypeAlias = int | float | str | bytes | bool | None
Position: TypeAlias = tuple[Scalar, ...]
"""The sort keys of the last row of a page."""

KEY_BYTES = 32
DIGEST_BYTES = 16
SALT_BYTES = 16
NONCE_BYTES = 12
VERSION = b"\x01"

_HEADER = struct.Struct(f">q{DIGEST_BYTES}s")
_SEALED_FROM = len(VERSION) + SALT_BYTES + NONCE_BYTES
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_DAY_SECONDS = 86_400


def page_rows(page_size: int) -> int:
    """Rows of the page asked for: 0 means the default, too many are lowered. Raises INVALID_FIELDS when negative."""
    if page_size < 0:
        description = f"page_size is {page_size}; it must not be negative. 0 asks for the default of {limits.PAGE_ROWS_DEFAULT} rows."
        raise invalid_fields([Violation("page_size", description, "NEGATIVE")])
    return min(page_size or limits.PAGE_ROWS_DEFAULT, limits.PAGE_ROWS_MAX)


def rows_to_skip(skip: int) -> int:
    """Rows to leave out before the page (AIP-158). Raises INVALID_FIELDS when negative."""
    if skip < 0:
        raise invalid_fields([Violation("skip", f"skip is {skip}; it must not be negative.", "NEGATIVE")])
    return skip


def digest_arguments(method: str, arguments: Iterable[tuple[str, bytes]]) -> bytes:
    """What a page token is bound to: the method's path and its arguments, without page_size and page_token.

    Arguments are (name, serialised value) pairs in a fixed order; lengths are hashed too, so that no two lists collide.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in (method.encode(), *(part for name, value in arguments for part in (name.encode(), value))):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


class PageTokens:
    """Seals and opens page tokens. The first key seals, all of them open: put a new key in front to rotate."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"page tokens need at least one key, and each key has {KEY_BYTES} bytes")
        self._keys = tuple(keys)

    def __repr__(self) -> str:
        return f"PageTokens({len(self._keys)} keys)"

    def seal(self, digest: bytes, position: Position, now_micros: int) -> str:
        """A token for the rows after `position`, bound to `digest`; URL-safe, without padding."""
        salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
        payload = _HEADER.pack(now_micros, digest) + encode(position)
        sealed = _cipher(self._keys[0], salt).encrypt(nonce, payload, VERSION)
        return base64.urlsafe_b64encode(VERSION + salt + nonce + sealed).rstrip(b"=").decode()

    def open(self, token: str, digest: bytes, now_micros: int) -> Position:
        """The position in a token. Raises INVALID_PAGE_TOKEN: not one of ours, too old, or made for other arguments."""
        payload = self._decrypt(_from_base64(token))
        issued, bound = _HEADER.unpack_from(payload)
        if now_micros - issued > limits.PAGE_TOKEN_SECONDS_MAX * MICROSECONDS:
            days = limits.PAGE_TOKEN_SECONDS_MAX // _DAY_SECONDS
            raise refuse_token(f"it is older than {days} days; list again from the start.")
        if not hmac.compare_digest(bound, digest):
            raise refuse_token("it was made for other arguments; only page_size may change from page to page.")
        return decode(payload[_HEADER.size :])

    def _decrypt(self, data: bytes) -> bytes:
        if len(data) <= _SEALED_FROM or data[: len(VERSION)] != VERSION:
            raise _refuse_strange()
        salt, nonce = data[len(VERSION) : len(VERSION) + SALT_BYTES], data[len(VERSION) + SALT_BYTES : _SEALED_FROM]
        for key in self._keys:
            try:
                return _cipher(key, salt).decrypt(nonce, data[_SEALED_FROM:], VERSION)
            except InvalidTag:
                continue
        raise _refuse_strange()


def refuse_token(problem: str) -> Fault:
    """INVALID_ARGUMENT for the request's page_token; `problem` is a sentence without its first words."""
    violation = Violation("page_token", f"The page token cannot be used: {problem}", Reason.INVALID_PAGE_TOKEN.value)
    return Fault(Reason.INVALID_PAGE_TOKEN, violations=[violation], problem=problem)


def encode(position: Position) -> bytes:
    """The values, exactly, each with its type: a tag, then for all but None and bool a length or 8 bytes, and the value."""
    parts: list[bytes] = []
    for value in position:
        match value:
            case None:
                parts.append(b"n")
            case bool():  # Before int, of which it is one.
                parts.append(b"t" if value else b"f")
            case int():
                parts.append(_sized(b"i", value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)))
            case float():
                parts.append(b"d" + struct.pack(">d", value))
            case str():
                parts.append(_sized(b"s", value.encode()))
            case bytes():
                parts.append(_sized(b"b", value))
    return b"".join(parts)


def decode(data: bytes) -> Position:
    """The inverse of `encode`; its input was authenticated, so what it cannot read is a bug."""
    values: list[Scalar] = []
    at = 0
    while at < len(data):
        tag = data[at : at + 1]
        at += 1
        if tag in _CONSTANTS:
            values.append(_CONSTANTS[tag])
            continue
        if tag == b"d":
            values.append(float(struct.unpack_from(">d", data, at)[0]))
            at += 8
            continue
        size = int.from_bytes(data[at : at + 2], "big")
        part = data[at + 2 : at + 2 + size]
        at += 2 + size
        values.append(int.from_bytes(part, "big", signed=True) if tag == b"i" else part.decode() if tag == b"s" else part)
    return tuple(values)


def _sized(tag: bytes, value: bytes) -> bytes:
    return tag + len(value).to_bytes(2, "big") + value


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(hmac.digest(key, salt, "sha256"))


def _from_base64(token: str) -> bytes:
    if len(token) > limits.PAGE_TOKEN_BYTES_MAX or not _BASE64URL.fullmatch(token):
        raise _refuse_strange()
    try:
        data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except binascii.Error:
        raise _refuse_strange() from None
    # The last character may have bits to spare: a token has one spelling.
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != token:
        raise _refuse_strange()
    return data


def _refuse_strange() -> Fault:
    return refuse_token("it was not made by this service, or it was changed.")


_CONSTANTS: dict[bytes, Scalar] = {b"n": None, b"t": True, b"f": False}
