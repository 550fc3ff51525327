"""Page sizes and tokens: exact, sealed, bound to their arguments, of one age."""

from __future__ import annotations

import base64
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protoplane.base import limits
from protoplane.base.errors import Code, Fault, Reason
from protoplane.query.paging import PageTokens, Position, decode, digest_arguments, encode, page_rows

KEY, OTHER_KEY = bytes(range(32)), bytes(range(32, 64))
DIGEST = digest_arguments("/library.v1.Library/ListBooks", [("parent", b"publishers/p"), ("filter", b"")])
NOW = 1_800_000_000_000_000
TOKENS = PageTokens([KEY])

SCALARS = st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats(allow_nan=False) | st.text() | st.binary(max_size=300)
POSITIONS = st.lists(SCALARS, max_size=9).map(tuple)


def problem(token: str, tokens: PageTokens = TOKENS, digest: bytes = DIGEST, now: int = NOW) -> str:
    with pytest.raises(Fault) as caught:
        tokens.open(token, digest, now)
    fault = caught.value
    assert (fault.code, fault.reason) == (Code.INVALID_ARGUMENT, Reason.INVALID_PAGE_TOKEN)
    assert [violation.field for violation in fault.violations] == ["page_token"]
    return fault.metadata["problem"]


@given(POSITIONS)
def test_a_position_reads_back_exactly_with_its_types(position: Position) -> None:
    opened = TOKENS.open(TOKENS.seal(DIGEST, position, NOW), DIGEST, NOW)
    assert [(type(value), value) for value in opened] == [(type(value), value) for value in position]


@pytest.mark.parametrize(
    "value", [-0.0, 5e-324, 1.7976931348623157e308, math.inf, 2**63 - 1, -(2**63), 2**64 - 1, -1, 127, 128, -128, -129, True, "\0", b""]
)
def test_extremes_read_back_exactly(value: float | bytes | str) -> None:
    (back,) = decode(encode((value,)))
    assert repr(back) == repr(value)


@given(POSITIONS, st.integers(min_value=0))
def test_a_token_with_any_bit_flipped_is_refused(position: Position, place: int) -> None:
    token = TOKENS.seal(DIGEST, position, NOW)
    data = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    place %= len(data) * 8
    data[place // 8] ^= 1 << place % 8
    assert "not made by this service" in problem(base64.urlsafe_b64encode(data).rstrip(b"=").decode())


def test_every_character_counts() -> None:
    token = TOKENS.seal(DIGEST, (1, "a"), NOW)
    for index, character in enumerate(token):
        for other in ("A" if character != "A" else "B", chr(ord(character) ^ 1)):
            assert "not made by this service" in problem(token[:index] + other + token[index + 1 :])
    for changed in (token[:-1], token + "A", token + "=", token + "\n", " " + token, token[1:], token * 2):
        assert "not made by this service" in problem(changed)


@pytest.mark.parametrize("token", ["x", "-", "AQ", "AQ" * 40, "ä", "\0", "a" * (limits.PAGE_TOKEN_BYTES_MAX + 1), "eyJvZmZzZXQiOjEwfQ"])
def test_garbage_is_refused(token: str) -> None:
    assert "not made by this service" in problem(token)


@given(st.text(max_size=80) | st.binary(max_size=120).map(lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")))
def test_any_text_is_refused(token: str) -> None:
    assert "not made by this service" in problem(token)


def test_a_token_is_url_safe_and_hides_what_it_carries() -> None:
    token = TOKENS.seal(DIGEST, ("confidential",), NOW)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert b"confidential" not in base64.urlsafe_b64decode(token + "==")
    assert token != TOKENS.seal(DIGEST, ("confidential",), NOW)


def test_a_token_serves_its_own_arguments_only() -> None:
    token = TOKENS.seal(DIGEST, (1,), NOW)
    path, arguments = "/library.v1.Library/ListBooks", [("parent", b"publishers/p"), ("filter", b"")]
    others = [
        digest_arguments("/library.v1.Library/ListAuthors", arguments),
        digest_arguments(path, [("parent", b"publishers/q"), ("filter", b"")]),
        digest_arguments(path, [("parent", b"publishers/p"), ("filter", b"pages = 1")]),
        digest_arguments(path, [("parent", b""), ("filter", b"publishers/p")]),
        digest_arguments(path, [("parent", b"publishers/pfilter")]),
        digest_arguments(path, [("parentpublishers/p", b""), ("filter", b"")]),
    ]
    assert len({DIGEST, *others}) == 7
    assert TOKENS.open(token, digest_arguments(path, arguments), NOW) == (1,)
    for other in others:
        assert "made for other arguments" in problem(token, digest=other)


def test_a_token_grows_old() -> None:
    token = TOKENS.seal(DIGEST, (1,), NOW)
    last = NOW + limits.PAGE_TOKEN_SECONDS_MAX * 1_000_000
    assert TOKENS.open(token, DIGEST, last) == (1,)
    assert TOKENS.open(token, DIGEST, NOW - 5_000_000) == (1,)  # Another machine's clock.
    assert "older than 7 days" in problem(token, now=last + 1)


def test_keys_rotate() -> None:
    old = TOKENS.seal(DIGEST, (1,), NOW)
    rotated = PageTokens([OTHER_KEY, KEY])
    assert rotated.open(old, DIGEST, NOW) == (1,)
    new = rotated.seal(DIGEST, (2,), NOW)
    assert PageTokens([OTHER_KEY]).open(new, DIGEST, NOW) == (2,)
    assert "not made by this service" in problem(new)
    assert "not made by this service" in problem(old, PageTokens([OTHER_KEY]))


@pytest.mark.parametrize("keys", [[], [b""], [b"short"], [KEY, b"x" * 31], [b"x" * 33]])
def test_keys_have_32_bytes(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PageTokens(keys)


def test_keys_are_never_printed() -> None:
    assert repr(PageTokens([os.urandom(32)])) == "PageTokens(1 keys)"


def test_the_longest_position_fits_a_token() -> None:
    longest = ("😀" * limits.SORT_CHARACTERS_MAX,) * limits.ORDER_FIELDS_MAX + ("a" * limits.ID_CHARACTERS_MAX,) * 8
    token = TOKENS.seal(DIGEST, longest, NOW)
    assert len(token) <= limits.PAGE_TOKEN_BYTES_MAX
    assert TOKENS.open(token, DIGEST, NOW) == longest


@pytest.mark.parametrize(("asked", "rows"), [(0, 50), (1, 1), (50, 50), (1_000, 1_000), (1_001, 1_000), (2**31 - 1, 1_000)])
def test_a_page_size_has_a_default_and_a_maximum(asked: int, rows: int) -> None:
    assert page_rows(asked) == rows


def test_a_negative_page_size_is_refused() -> None:
    with pytest.raises(Fault) as caught:
        page_rows(-1)
    assert (caught.value.code, caught.value.reason) == (Code.INVALID_ARGUMENT, Reason.INVALID_FIELDS)
    assert [(violation.field, "-1" in violation.description) for violation in caught.value.violations] == [("page_size", True)]
