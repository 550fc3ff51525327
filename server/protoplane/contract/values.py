"""Tests of single values: what can be wrong with a number, a time, a name or an id, whatever field holds it."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from protoplane.base import limits
from protoplane.base.clock import MICROSECONDS
from protoplane.base.errors import shorten
from protoplane.contract.model import Field, Kind, Role
from protoplane.contract.names import NamePattern

Problem: TypeAlias = tuple[str, str]
"""Description and reason of a violation."""

Judge: TypeAlias = Callable[[Any], Problem | None]
"""What is wrong with one value: a scalar, or a Timestamp, Duration, Struct, Value or ListValue message."""


@dataclass(frozen=True, slots=True)
class Test:
    """Of one value."""

    judge: Judge
    passes: str = ""
    """Python that is only true where the judge finds nothing, and so is asked first: it is quicker. The value is `{}` where it is read
    first, then `v`; `known` is the callable below. Empty: the judge is asked at once."""
    known: Callable[[Any], object] | None = None


TIMESTAMP_SECONDS_MIN: Final = -62_135_596_800
"""0001-01-01T00:00:00Z (google/protobuf/timestamp.proto)."""

TIMESTAMP_SECONDS_MAX: Final = 253_402_300_799
"""9999-12-31T23:59:59Z."""

DURATION_SECONDS_MAX: Final = 315_576_000_000
"""10,000 years, either way (google/protobuf/duration.proto)."""

INTEGER_RANGES: Final[Mapping[Kind, tuple[int, int]]] = {
    Kind.INT32: (-(2**31), 2**31 - 1),
    Kind.INT64: (-(2**63), 2**63 - 1),
    Kind.UINT32: (0, 2**32 - 1),
    Kind.UINT64: (0, 2**64 - 1),
}
"""Least and greatest value of the kinds that are integers in a contract."""

WHOLE_RANGES: Final[Mapping[Kind, tuple[int, int]]] = {
    **INTEGER_RANGES,
    Kind.ENUM: (-(2**31), 2**31 - 1),
    Kind.TIMESTAMP: (TIMESTAMP_SECONDS_MIN * MICROSECONDS, (TIMESTAMP_SECONDS_MAX + 1) * MICROSECONDS - 1),
    Kind.DURATION: (1 - (DURATION_SECONDS_MAX + 1) * MICROSECONDS, (DURATION_SECONDS_MAX + 1) * MICROSECONDS - 1),
}
"""Least and greatest value of the kinds that are kept as whole numbers: times and durations in microseconds."""

_NANOS: Final = 1_000_000_000
_UUID4: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}")


def value_test(field: Field, patterns: Mapping[str, Sequence[NamePattern]], *, request: bool) -> Test | None:
    """The test that values of a field need; None when any value will do. `request`: the field is not a resource's own."""
    match field.kind:
        case Kind.FLOAT | Kind.DOUBLE:
            return _FINITE
        case Kind.TIMESTAMP:
            return _TIMESTAMP
        case Kind.DURATION:
            return _DURATION
        case Kind.JSON:
            return Test(_json_judge(field))
        case Kind.STRING:
            return _string_test(field, patterns, request=request)
        case _:
            return None


def _finite(value: float) -> Problem | None:
    return None if math.isfinite(value) else ("must be a finite number", "NOT_FINITE")


_FINITE: Final = Test(_finite, "{} - v == 0")


def _timestamp(value: Any) -> Problem | None:
    if TIMESTAMP_SECONDS_MIN <= value.seconds <= TIMESTAMP_SECONDS_MAX and 0 <= value.nanos < _NANOS:
        return None
    return "must be a time between the years 1 and 9999, with 0 to 999,999,999 nanos", "OUT_OF_RANGE"


_TIMESTAMP: Final = Test(_timestamp, f"{TIMESTAMP_SECONDS_MIN} <= {{}}.seconds <= {TIMESTAMP_SECONDS_MAX} and 0 <= v.nanos < {_NANOS}")


def _duration(value: Any) -> Problem | None:
    one_sign = value.seconds * value.nanos >= 0
    stored = value.seconds * MICROSECONDS + value.nanos // 1_000  # Floored: at the very end that leaves the range.
    if abs(value.seconds) <= DURATION_SECONDS_MAX and abs(value.nanos) < _NANOS and one_sign and stored >= WHOLE_RANGES[Kind.DURATION][0]:
        return None
    return "must be a duration within 10,000 years, its seconds and nanos of one sign", "OUT_OF_RANGE"


_DURATION: Final = Test(_duration, f"-{DURATION_SECONDS_MAX} < {{}}.seconds < {DURATION_SECONDS_MAX} and v.nanos == 0")


def _json_judge(field: Field) -> Judge:
    kind = "" if field.message is None else field.message.name
    problem: Problem = f"must be JSON: finite numbers, no value without a kind, and at most {limits.JSON_LEVELS_MAX} levels", "NOT_JSON"
    holds = {"Struct": _is_struct, "ListValue": _is_list}.get(kind, _is_value)
    return lambda value: None if holds(value, limits.JSON_LEVELS_MAX) else problem


def _is_struct(struct: Any, levels: int) -> bool:
    return levels > 0 and all(_is_value(value, levels - 1) for value in struct.fields.values())


def _is_list(values: Any, levels: int) -> bool:
    return levels > 0 and all(_is_value(value, levels - 1) for value in values.values)


def _is_value(value: Any, levels: int) -> bool:
    match value.WhichOneof("kind"):
        case None:
            return False
        case "number_value":
            return math.isfinite(value.number_value)
        case "struct_value":
            return _is_struct(value.struct_value, levels)
        case "list_value":
            return _is_list(value.list_value, levels)
        case _:
            return True


def _string_test(field: Field, patterns: Mapping[str, Sequence[NamePattern]], *, request: bool) -> Test | None:
    if field.reference in patterns and field.role is not Role.NAME:
        return _name_test(patterns[field.reference])
    if field.format == "UUID4" or (request and field.name == "request_id"):
        return Test(_uuid4)
    judge = {"IPV4": _ipv4, "IPV6": _ipv6, "IPV4_OR_IPV6": _ip}.get(field.format)
    return None if judge is None else Test(judge)


def _name_test(patterns: Sequence[NamePattern]) -> Test:
    first, *others = (one.parse for one in patterns)
    texts = " or ".join(one.pattern.text for one in patterns)

    def judge(value: str) -> Problem | None:
        if not value or first(value) is not None or any(parse(value) is not None for parse in others):
            return None
        return f"'{shorten(value)}' is not a name like {texts}", "INVALID_NAME"

    return Test(judge, "not {} or known(v)", patterns[0].fits)


def _uuid4(value: str) -> Problem | None:
    return None if not value or _UUID4.fullmatch(value) else ("must be a random UUID (version 4, RFC 9562)", "INVALID_UUID4")


def _ipv4(value: str) -> Problem | None:
    return None if not value or _is_address(value, 4) else ("must be an IPv4 address", "INVALID_IPV4")


def _ipv6(value: str) -> Problem | None:
    return None if not value or _is_address(value, 6) else ("must be an IPv6 address", "INVALID_IPV6")


def _ip(value: str) -> Problem | None:
    return None if not value or _is_address(value, 4, 6) else ("must be an IP address", "INVALID_IP")


def _is_address(value: str, *versions: int) -> bool:
    try:
        return ipaddress.ip_address(value).version in versions
    except ValueError:
        return False
