"""The standard rules of buf.validate for one value, as Python expressions that are true only where protovalidate finds nothing.

What a rule means is read in protovalidate's own code (2.1, `rules/standard`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from protoplane.base.generated import Source
from protoplane.contract.regexes import read_regex


class Beyond(Exception):
    """A rule is not understood here."""


_SCALARS: Final = {
    getattr(FieldDescriptor, f"TYPE_{name.upper()}"): name
    for name in (
        *("int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64"),
        *("float", "double", "bool", "string", "bytes", "enum"),
    )
}
_TIMES: Final = {"google.protobuf.Duration": "duration", "google.protobuf.Timestamp": "timestamp"}

_EQUAL: Final = {"const": "{v} == {x}", "in": "{v} in {x}", "not_in": "{v} not in {x}"}
_LENGTH: Final = {"len": "len({v}) == {x}", "min_len": "len({v}) >= {x}", "max_len": "len({v}) <= {x}"}
_PARTS: Final = {"prefix": "{v}.startswith({x})", "suffix": "{v}.endswith({x})", "contains": "{x} in {v}"}
_TESTS: Final[Mapping[str, Mapping[str, str]]] = {
    **dict.fromkeys((*_SCALARS.values(), *_TIMES.values()), _EQUAL),
    "string": {
        **_EQUAL,
        **_LENGTH,
        **_PARTS,
        "not_contains": "{x} not in {v}",
        "len_bytes": "len({v}.encode()) == {x}",
        "min_bytes": "len({v}.encode()) >= {x}",
        "max_bytes": "len({v}.encode()) <= {x}",
    },
    "bytes": {**_EQUAL, **_LENGTH, **_PARTS},
    "repeated": {"min_items": "len({v}) >= {x}", "max_items": "len({v}) <= {x}"},
    "map": {"min_pairs": "len({v}) >= {x}", "max_pairs": "len({v}) <= {x}"},
}
"""By kind, the rules that are one test of the value `v` with `x`, which the rule says."""

_LESS: Final = {"gt": "<", "gte": "<=", "lt": "<", "lte": "<="}
_NANOS: Final = 1_000_000_000
_TIMESTAMP_SECONDS: Final = range(-62_135_596_800, 253_402_300_800)
"""0001-01-01 to 9999-12-31: protovalidate compiles no rule with another time."""


def kind_of(field: FieldDescriptor) -> str:
    """What the standard rules of one value of a field are called; empty when there are none for it here."""
    message = field.message_type
    return _SCALARS.get(field.type, "") if message is None else _TIMES.get(message.full_name, "")


def said(rules: Message | None) -> dict[str, Any]:
    """What a message of rules says, by name. Raises Beyond where it knows more than its own fields."""
    if rules is None:
        return {}
    if len(UnknownFieldSet(rules)):
        raise Beyond
    found = {field.name: (field, value) for field, value in rules.ListFields()}
    if any(field.is_extension for field, _ in found.values()):
        raise Beyond
    return {name: value for name, (_, value) in found.items() if name != "example"}


def said_of(rules: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What is left of a field's rules when those of all fields are taken away: standard rules, which must be of a kind.

    Raises Beyond where they are not, or where there is CEL.
    """
    if rules.keys() - {kind}:
        raise Beyond
    return said(rules.get(kind))


def write_tests(source: Source, field: FieldDescriptor, kind: str, rules: Mapping[str, Any], value: str) -> list[str]:
    """Expressions that test the value of that name by the standard rules of a kind. Raises Beyond."""
    subject = f"({value}.seconds * {_NANOS} + {value}.nanos)" if kind in _TIMES.values() else value
    tests = [] if rules.keys().isdisjoint(_LESS) else [_within(source, kind, rules, subject)]
    for name, says in rules.items():
        match name, says:
            case (("gt" | "gte" | "lt" | "lte"), _):
                pass
            case (("finite" | "defined_only"), False):
                pass
            case "finite", _:
                tests.append(f"{source.bind(math.isfinite)}({subject})")
            case "defined_only", _ if field.enum_type is not None:
                tests.append(f"{subject} in {source.bind(frozenset(field.enum_type.values_by_number))}")
            case "pattern", str() if kind == "string":
                tests.append(_matches(source, says, subject))
            case _ if name in _TESTS[kind]:
                tests.append(_TESTS[kind][name].format(v=subject, x=_written(source, _plain(kind, says))))
            case _:
                raise Beyond
    return tests


def _within(source: Source, kind: str, rules: Mapping[str, Any], subject: str) -> str:
    """The bounds as one comparison."""
    bounds = {name: _plain(kind, rules[name]) for name in _LESS if name in rules}
    low = next((name for name in ("gt", "gte") if name in bounds), None)
    high = next((name for name in ("lt", "lte") if name in bounds), None)
    if low and high and bounds[low] > bounds[high]:
        raise Beyond  # Then what is outside is meant.
    left = f"{_written(source, bounds[low])} {_LESS[low]} " if low else ""
    right = f" {_LESS[high]} {_written(source, bounds[high])}" if high else ""
    return f"{left}{subject}{right}"


def _matches(source: Source, pattern: str, subject: str) -> str:
    regex = read_regex(pattern)
    if regex is None:
        raise Beyond
    short = "" if regex.characters_max is None else f"len({subject}) <= {regex.characters_max} and "
    return f"{short}{source.bind(regex.search)}({subject})"


def _plain(kind: str, says: Any) -> Any:
    """What a rule says, as what values are compared with."""
    match says:
        case int() | str() | bytes():
            return says
        case float():
            if math.isnan(says):
                raise Beyond
            return says
        case Message() if kind == "duration":
            return _nanos(says)
        case Message() if kind == "timestamp":
            if says.seconds not in _TIMESTAMP_SECONDS or says.nanos not in range(_NANOS):  # type: ignore[attr-defined] # A Timestamp.
                raise Beyond
            return _nanos(says)
        case _:
            return frozenset(_plain(kind, one) for one in says)


def _nanos(time: Any) -> int:
    return int(time.seconds * _NANOS + time.nanos)


def _written(source: Source, plain: Any) -> str:
    return repr(plain) if isinstance(plain, int) else source.bind(plain)
