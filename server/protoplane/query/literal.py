"""Literals of a filter, read as the type of the field they are compared with.

Comparisons are those of mathematics: a number is not rounded to fit an integer field, a time is not rounded to a
microsecond, and a literal that no value can reach gives a comparison whose outcome is known. Only a number with a
fraction or exponent, compared with a floating-point field, is read as the field's type: `ratio = 0.1` means the float 0.1.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal

from google.protobuf.descriptor import EnumDescriptor

from protoplane.base.clock import MICROSECONDS
from protoplane.contract.model import Field, Kind
from protoplane.contract.values import WHOLE_RANGES
from protoplane.query.caret import Misread, nearest, quote
from protoplane.query.predicate import FromNow, Op, Test, pattern
from protoplane.query.syntax import Literal

OPS: Mapping[str, Op] = {
    "=": Op.EQUAL,
    ":": Op.EQUAL,
    "!=": Op.UNEQUAL,
    "<": Op.LESS,
    "<=": Op.AT_MOST,
    ">": Op.GREATER,
    ">=": Op.AT_LEAST,
}
"""By comparator; `:` on a single value means equality, but for strings, which contain."""

UNORDERED: Mapping[Kind, str] = {Kind.BOOL: "a bool", Kind.ENUM: "an enum", Kind.BYTES: "bytes"}
"""Kinds whose values can be equal or not, but not less or greater; and how to call one."""

INTEGERS = WHOLE_RANGES
"""For `query.mask`."""

_NUMBER = re.compile(r"(-?)((?:\d+(?:\.\d*)?|\.\d+))(?:[eE]([+-]?\d+))?", re.ASCII)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)
_DURATION = re.compile(r"(-?)(\d+)(?:\.(\d+))?s", re.ASCII)
_SPAN = re.compile(r"(-?)(\d{1,12})(?:\.(\d+))?([smhd])", re.ASCII)
_UNIT_SECONDS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_EXPONENT_MAX = 20_000
"""Larger exponents are lowered to this: with at most 8,192 digits before it, the number stays beyond (or below) every double."""
_SHORT_DIGITS = 18
"""Digits that fit every 64-bit integer."""

Read = Callable[[Field, Op, Literal], Test]


def reader(kind: Kind) -> Read | None:
    """How literals are read for a field of this kind; None when values of the kind cannot be compared."""
    return _READERS.get(kind)


def require_order(field: Field, comparator: str, offset: int) -> None:
    """Refuse < <= > >= where values have no order, at the comparator's place."""
    what = UNORDERED.get(field.kind)
    if what is not None and OPS[comparator] not in (Op.EQUAL, Op.UNEQUAL):
        raise Misread(offset, f"'{field.name}' is {what}, which has no order: only = != and : can be used")


def read_contained(literal: Literal) -> Test:
    """The test that a string contains the literal; wildcards stand for anything."""
    return Test(Op.LIKE, pattern(("", *literal.pieces, "")))


def read_string(field: Field, op: Op, literal: Literal) -> Test:
    """Equality takes `*` wildcards; order is by code point."""
    if len(literal.pieces) == 1:
        return Test(op, literal.pieces[0])
    if op is Op.EQUAL:
        return Test(Op.LIKE, pattern(literal.pieces))
    if op is Op.UNEQUAL:
        return Test(Op.UNLIKE, pattern(literal.pieces))
    raise Misread(
        literal.offset, rf"'*' is a wildcard, which only = != and : take; write \* in quotes to compare '{field.name}' with a star"
    )


def read_map_key(field: Field, literal: Literal) -> Test:
    """The test of a map's key; keys are compared as the text that stands for them in JSON."""
    assert field.key is not None
    if field.key.kind is Kind.STRING:
        return read_string(field.key, Op.EQUAL, literal)
    if field.key.kind is Kind.BOOL:
        return Test(Op.EQUAL, str(_read_bool(field.key, Op.EQUAL, literal).value).lower())
    test = _read_integer(field.key, Op.EQUAL, literal)
    return test if test.op is Op.FALSE else Test(Op.EQUAL, str(test.value))


def _read_bool(field: Field, op: Op, literal: Literal) -> Test:
    if literal.quoted or literal.text not in ("true", "false"):
        raise Misread(literal.offset, f"true or false is expected here, because '{field.name}' is a bool")
    return Test(op, literal.text == "true")


def _read_enum(field: Field, op: Op, literal: Literal) -> Test:
    assert isinstance(field.enum, EnumDescriptor)
    value = field.enum.values_by_name.get(literal.text)
    if value is None:
        names = list(field.enum.values_by_name)
        hint = nearest(literal.text, names) or f"; it has {', '.join(names[:8])}{', …' if len(names) > 8 else ''}"  # noqa: PLR2004
        raise Misread(literal.offset, f"the enum {field.enum.name} has no value {quote(literal.text)}{hint}")
    return Test(op, value.number)


def _read_bytes(field: Field, op: Op, literal: Literal) -> Test:
    text = literal.text.translate(_STANDARD_BASE64).rstrip("=")
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Misread(literal.offset, f"base64 is expected here, because '{field.name}' holds bytes") from None
    return Test(op, value)


def _read_integer(field: Field, op: Op, literal: Literal) -> Test:
    text = literal.text
    if not literal.quoted and text.isdecimal() and text.isascii() and len(text) <= _SHORT_DIGITS:
        return _compare_whole(field, op, int(text), exact=True)
    number = _number(field, literal, "a whole number")
    low, high = WHOLE_RANGES[field.kind]
    if not low - 1 <= number <= high + 1:  # Before rounding: 1e20000 must not become an integer of 20,000 digits.
        return _beyond(op, above=number > 0)
    whole = math.floor(number)
    return _compare_whole(field, op, whole, exact=whole == number)


def _read_float(field: Field, op: Op, literal: Literal) -> Test:
    number = _number(field, literal, "a number")
    value = _nearest(field.kind, number)
    if value is None:
        return _beyond(op, above=number > 0)
    is_whole = literal.text.lstrip("-").isdecimal()
    if not is_whole or Decimal(value) == number:
        return Test(op, value)
    # A whole number between two floats: none equals it, and order is decided by the one beside it.
    below = Decimal(value) < number
    match op:
        case Op.EQUAL | Op.UNEQUAL:
            return Test(Op.FALSE if op is Op.EQUAL else Op.TRUE)
        case Op.LESS | Op.AT_MOST:
            return Test(Op.AT_MOST if below else Op.LESS, value)
        case _:
            return Test(Op.GREATER if below else Op.AT_LEAST, value)


def require_time(field: Field, literal: Literal) -> None:
    """Refuse `now()` and the like where there is no time to compare them with, and `duration()` where there is no duration."""
    if literal.from_now_micros is not None and field.kind is not Kind.TIMESTAMP:
        raise Misread(literal.offset, f"'{literal.text}' is a time, and '{field.name}' holds none")
    if literal.said not in ("", field.kind.value):
        raise Misread(literal.offset, f"{quote(literal.text)} is a {literal.said}, and '{field.name}' holds none")


def read_span(literal: Literal) -> int:
    """Microseconds of a duration with its unit (s, m, h or d), floored."""
    found = _SPAN.fullmatch(literal.text)
    if found is None:
        raise Misread(literal.offset, "a duration such as 90s, 15m, 24h or 7d is expected here")
    sign, digits, fraction, unit = found.groups()
    micros = (int(digits) * MICROSECONDS + _micros(fraction)[0]) * _UNIT_SECONDS[unit]
    return -micros if sign else micros


def _read_time(field: Field, op: Op, literal: Literal) -> Test:
    if literal.from_now_micros is not None:
        return Test(op, FromNow(literal.from_now_micros))
    found = _TIME.fullmatch(literal.text)
    hint = f"a time such as 2024-05-01T12:00:00Z is expected here, because '{field.name}' is a Timestamp"
    if found is None:
        raise Misread(literal.offset, hint)
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = found.groups()[6:]
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        raise Misread(literal.offset, f"{hint}; there is no day {found.group()[:10]}") from None
    if hour > 23 or minute > 59 or second > 59 or int(offset_hours or 0) > 23 or int(offset_minutes or 0) > 59:  # noqa: PLR2004
        raise Misread(literal.offset, f"{hint}; hours go to 23, minutes and seconds to 59")
    offset = (int(offset_hours or 0) * 60 + int(offset_minutes or 0)) * 60 * (-1 if sign == "-" else 1)
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second - offset
    micros, exact = _micros(fraction)
    return _compare_whole(field, op, seconds * MICROSECONDS + micros, exact=exact)


def _read_duration(field: Field, op: Op, literal: Literal) -> Test:
    found = _DURATION.fullmatch(literal.text)
    if found is None:
        raise Misread(literal.offset, f"a duration such as 1.5s is expected here, because '{field.name}' is a Duration")
    negative, digits, fraction = found.group(1) == "-", found.group(2).lstrip("0"), found.group(3)
    if len(digits) > _SHORT_DIGITS:
        return _beyond(op, above=not negative)
    micros, exact = _micros(fraction)
    micros += int(digits or 0) * MICROSECONDS
    if negative:
        micros = -micros if exact else -micros - 1  # The floor of the exact value.
    return _compare_whole(field, op, micros, exact=exact)


def _micros(fraction: str | None) -> tuple[int, bool]:
    """Microseconds of a decimal fraction of a second, floored, and whether nothing was cut."""
    if not fraction:
        return 0, True
    return int(fraction[:6].ljust(6, "0")), not fraction[6:].strip("0")


def _number(field: Field, literal: Literal, wanted: str) -> Decimal:
    found = None if literal.quoted else _NUMBER.fullmatch(literal.text)
    if found is None:
        raise Misread(literal.offset, f"{wanted} without quotes is expected here, because '{field.name}' is {_article(field.kind)}")
    sign, mantissa, exponent = found.groups()
    # Compared by length first: int() of thousands of digits is slow, then refused.
    digits = (exponent or "0").lstrip("+-0") or "0"
    size = _EXPONENT_MAX if len(digits) > 5 else min(int(digits), _EXPONENT_MAX)  # noqa: PLR2004
    return Decimal(f"{sign}{mantissa}E{'-' if exponent and exponent[0] == '-' else ''}{size}")


def _nearest(kind: Kind, number: Decimal) -> float | None:
    """The value of a floating-point kind nearest to the number; None when that is an infinity. -0 is 0."""
    value = float(number) + 0.0
    if math.isinf(value):
        return None
    if kind is Kind.DOUBLE:
        return value
    try:
        return float(_FLOAT.unpack(_FLOAT.pack(value))[0]) + 0.0
    except OverflowError:
        return None


def _compare_whole(field: Field, op: Op, whole: int, *, exact: bool) -> Test:
    """The test against `whole`, or against a number between it and the next one when not `exact`."""
    low, high = WHOLE_RANGES[field.kind]
    if whole < low:
        return _beyond(op, above=False)
    if whole > high or (whole == high and not exact):
        return _beyond(op, above=True)
    if exact:
        return Test(op, whole)
    if op in (Op.LESS, Op.AT_MOST):
        return Test(Op.AT_MOST, whole)
    if op in (Op.GREATER, Op.AT_LEAST):
        return Test(Op.GREATER, whole)
    return Test(Op.FALSE if op is Op.EQUAL else Op.TRUE)


def _beyond(op: Op, *, above: bool) -> Test:
    """The outcome of a comparison with a number above (or below) everything the field can hold."""
    holds = op is Op.UNEQUAL or op in ((Op.LESS, Op.AT_MOST) if above else (Op.GREATER, Op.AT_LEAST))
    return Test(Op.TRUE if holds else Op.FALSE)


def _article(kind: Kind) -> str:
    return f"{'an' if kind.value[0] == 'i' else 'a'} {kind.value}"


_FLOAT = struct.Struct("<f")  # Not "f": the native form turns what is too large into infinity.
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_STANDARD_BASE64 = str.maketrans("-_", "+/")
_READERS: Mapping[Kind, Read] = {
    Kind.BOOL: _read_bool,
    Kind.ENUM: _read_enum,
    Kind.STRING: read_string,
    Kind.BYTES: _read_bytes,
    Kind.TIMESTAMP: _read_time,
    Kind.DURATION: _read_duration,
    Kind.FLOAT: _read_float,
    Kind.DOUBLE: _read_float,
    **dict.fromkeys((Kind.INT32, Kind.INT64, Kind.UINT32, Kind.UINT64), _read_integer),
}
