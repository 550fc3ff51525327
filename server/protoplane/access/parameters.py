"""Types of conditions' parameters: what of JSON fits into each, and as what an expression sees it.

As OpenFGA 1.22 converts (`internal/condition/types`), where numbers are those of a `google.protobuf.Struct`: doubles. It is stricter in one
thing: a number that an int or uint cannot hold does not fit, where OpenFGA takes the largest that there is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from cel_expr_python import cel
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from protoplane.access.context import as_double, plain

Convert: TypeAlias = Callable[[object], object]

INT_MIN, INT_MAX, UINT_MAX = -(2**63), 2**63 - 1, 2**64 - 1

NANOSECONDS = {"ns": 1, "us": 10**3, "\u00b5s": 10**3, "\u03bcs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
"""Units of Go's durations."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_DURATION = re.compile(r"([+-]?)((?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+|0)")
_SPAN = re.compile(r"([0-9.]+)([a-z\u00b5\u03bc]+)")
_TIMESTAMP = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))")
_PREFIX = re.compile(r"(.+)/(0|[1-9][0-9]{0,2})")

NUMBER_CHARACTERS_MAX = 400
"""Of a number, or a duration, that stands in a string."""

MAPPED = 96
"""Bits before an IPv4 address that stands in an IPv6 one."""

ADDRESS = cel.Type.AbstractType("IPAddress")
"""What `ipaddress` is when an expression is checked: nothing but itself is compared with it. It is evaluated as bytes."""


class Unfit(Exception):
    """A value is none of a type; the text says why."""


class UnknownType(Exception):
    """There is no such type of parameters."""


def converter(kind: str) -> Convert:
    """What makes a value of a type such as `int` or `list<ipaddress>` out of JSON. Raises UnknownType; what it gives raises Unfit."""
    name, inner = _split(kind)
    if not inner:
        return SCALARS[name][1]
    return partial(_list if name == "list" else _map, SCALARS[inner][1])


def declared(kind: str, *, checked: bool) -> cel.Type:
    """The type for CEL: for the checker, or for the evaluation."""
    name, inner = _split(kind)
    scalar = SCALARS[inner or name][0]
    if scalar is ADDRESS and not checked:
        scalar = cel.Type.BYTES
    if not inner:
        return scalar
    return cel.Type.List(scalar) if name == "list" else cel.Type.Map(cel.Type.STRING, scalar)


def functions(*, checked: bool) -> cel.CelExtension:
    """`ipaddress("…")` and `….in_cidr("…")`."""
    address = ADDRESS if checked else cel.Type.BYTES
    made = cel.Overload("string_to_ipaddress", return_type=address, parameters=[cel.Type.STRING], impl=_address)
    within = cel.Overload("ipaddr_in_cidr", return_type=cel.Type.BOOL, parameters=[address, cel.Type.STRING], is_member=True, impl=_in_cidr)
    return cel.CelExtension("ipaddress", [cel.FunctionDecl("ipaddress", [made]), cel.FunctionDecl("in_cidr", [within])])


def _split(kind: str) -> tuple[str, str]:
    name, _, rest = kind.partition("<")
    inner = rest.removesuffix(">")
    if (rest and (name not in {"list", "map"} or rest == inner or inner not in SCALARS)) or (not rest and name not in SCALARS):
        raise UnknownType(f"there is no type '{kind}'; there are {', '.join(SCALARS)}, and list<…> and map<…> of these")
    return name, inner


def _list(convert: Convert, value: object) -> object:
    if not isinstance(value, list | tuple):
        raise _unfit("a list", value)
    return [convert(inner) for inner in value]


def _map(convert: Convert, value: object) -> object:
    if not isinstance(value, Mapping):
        raise _unfit("a map", value)
    return {str(key): convert(inner) for key, inner in value.items()}


def _bool(value: object) -> object:
    if not isinstance(value, bool):
        raise _unfit("true or false", value)
    return value


def _string(value: object) -> object:
    if not isinstance(value, str):
        raise _unfit("a string", value)
    return value


def _whole(wanted: str, least: int, most: int, value: object) -> object:
    number = _number(wanted, value)
    if isinstance(number, float) and not math.isfinite(number):
        raise _unfit(wanted, value)
    whole = int(number)
    if whole != number or not least <= whole <= most:
        raise _unfit(wanted, value)
    return whole


def _double(value: object) -> object:
    number = _number("a number", value)
    if isinstance(number, float):
        return number
    try:
        nearest = float(number)
    except OverflowError:
        raise _unfit("a number that a double holds", value) from None
    if nearest != number:
        raise _unfit("a number that a double holds exactly", value)
    return nearest


def _number(wanted: str, value: object) -> float | Fraction:
    """Numbers stand in strings, too, and exactly so."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return as_double(value)
    if not isinstance(value, str) or len(value) > NUMBER_CHARACTERS_MAX or not _NUMBER.fullmatch(value):
        raise _unfit(wanted, value)
    return Fraction(value)


def _duration(value: object) -> object:
    """As Go writes them: `1h30m`, `-1.5s`."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) and len(value) <= NUMBER_CHARACTERS_MAX else None
    if match is None:
        raise _unfit("a duration such as '1h30m'", value)
    # Every span is cut off to whole nanoseconds by itself, as in Go.
    spans = [int(Fraction(f"0{number}") * NANOSECONDS[unit]) for number, unit in _SPAN.findall(match[2])]
    nanoseconds = sum(spans) * (-1 if match[1] == "-" else 1)
    if not INT_MIN <= nanoseconds <= INT_MAX:
        raise _unfit("a duration of at most 292 years", value)
    seconds, rest = divmod(abs(nanoseconds), NANOSECONDS["s"])
    sign = -1 if nanoseconds < 0 else 1
    return Duration(seconds=sign * seconds, nanos=sign * rest)


def _timestamp(value: object) -> object:
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _unfit("a timestamp of RFC 3339", value)
    moment, fraction, sign, hours, minutes = match.groups()
    try:
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
        if int(minutes or 0) > 59:  # noqa: PLR2004 - minutes of an hour.
            raise _unfit("a timestamp of RFC 3339", value)
        at = datetime.fromisoformat(moment).replace(tzinfo=timezone(offset)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _unfit("a timestamp of RFC 3339", value) from None
    return Timestamp(seconds=int((at - EPOCH).total_seconds()), nanos=int((fraction or "")[:9].ljust(9, "0")))


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _address(value: object) -> object:
    """The text of the address as bytes: a kind of value that no other parameter has."""
    try:
        return str(_unmapped(ip_address(_string(value)))).encode()  # type: ignore[arg-type]  # It is a string.
    except ValueError:
        raise _unfit("an IP address", value) from None


def _in_cidr(address: bytes, cidr: str) -> bool:
    found = ip_address(address.decode())
    if isinstance(found, IPv6Address) and found.scope_id is not None:
        return False
    network = _network(cidr)
    return found.version == network.version and found in network


@lru_cache(maxsize=256)
def _network(cidr: str) -> IPv4Network | IPv6Network:
    match = _PREFIX.fullmatch(cidr)
    if match is None or "%" in cidr:
        raise Unfit(f"'{cidr}' is no CIDR")
    try:
        address, bits = ip_address(match[1]), int(match[2])
        inner = _unmapped(address)
        mapped = inner.version != address.version and bits >= MAPPED
        return ip_network((inner, bits - MAPPED) if mapped else (address, bits), strict=False)
    except ValueError:
        raise Unfit(f"'{cidr}' is no CIDR") from None


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address that stands in an IPv6 one is itself."""
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _unfit(wanted: str, value: object) -> Unfit:
    found = "null" if value is None else repr(value)
    return Unfit(f"{wanted} is expected, not {found if len(found) <= 100 else f'{found[:99]}…'}")  # noqa: PLR2004 - a line.


SCALARS: Mapping[str, tuple[cel.Type, Convert]] = {
    "any": (cel.Type.DYN, plain),
    "bool": (cel.Type.BOOL, _bool),
    "string": (cel.Type.STRING, _string),
    "int": (cel.Type.INT, partial(_whole, "a whole number", INT_MIN, INT_MAX)),
    "uint": (cel.Type.UINT, partial(_whole, "a whole number that is not negative", 0, UINT_MAX)),
    "double": (cel.Type.DOUBLE, _double),
    "duration": (cel.Type.DURATION, _duration),
    "timestamp": (cel.Type.TIMESTAMP, _timestamp),
    "ipaddress": (ADDRESS, _address),
}
"""The types that are no containers."""
