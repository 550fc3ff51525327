"""Values of fields from text and JSON and back, exactly: converters are made once per column, then only called.

What a converter gives is what a message constructor takes as a keyword: a number, a text, a dict for a message.
Texts follow the proto3 JSON mapping; a converter raises BadValue with what is wrong, never a rounded or guessed value.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf import json_format, message_factory

from protoplane.base.moments import second_of
from protoplane.contract.model import Field, Kind, Label
from protoplane.contract.values import DURATION_SECONDS_MAX, INTEGER_RANGES

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.message import Message

FromText: TypeAlias = Callable[[str], object]
FromJson: TypeAlias = Callable[[Any], object]

INTEGER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII)
SPAN = re.compile(r"(-?)(\d+)(?:\.(\d{1,9}))?s", re.ASCII)

FLOAT_MAX = 3.4028234663852886e38
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REMEMBERED = 16_384
"""Texts whose value is remembered per column: durations and measures repeat in real tables."""


class BadValue(ValueError):
    """A text or JSON value that is not exactly of the field's type; the text says what it must be."""


def text_converter(field: Field) -> FromText:
    """How one cell of a table becomes the field's value. Repeated fields, maps and messages are JSON."""
    if field.label is not Label.SINGULAR or field.kind in {Kind.MESSAGE, Kind.JSON, Kind.OPAQUE}:
        convert = json_converter(field)
        return lambda text: convert(parse_json(text))
    scalar = _from_text(field)
    return _wrapped(scalar) if field.wrapper else scalar


def json_converter(field: Field) -> FromJson:
    """How a JSON value becomes the field's value (proto3 JSON mapping)."""
    one = _from_json(field)
    match field.label:
        case Label.SINGULAR:
            return one
        case Label.REPEATED:

            def items(value: object) -> list[object]:
                if not isinstance(value, list):
                    raise BadValue(f"must be a JSON array, not {shown(value)}")
                return [one(item) for item in value]

            return items
        case Label.MAP:
            assert field.key is not None
            key = _from_text(field.key)

            def entries(value: object) -> dict[object, object]:
                if not isinstance(value, dict):
                    raise BadValue(f"must be a JSON object, not {shown(value)}")
                return {key(name): one(item) for name, item in value.items()}

            return entries


def object_converter(fields: tuple[Field, ...]) -> Callable[[Mapping[str, Any]], dict[str, object]]:
    """How a JSON object becomes the keywords of a message; keys are field names or their lowerCamel form."""
    converters = {key: (field.name, json_converter(field)) for field in fields for key in (field.name, json_name(field.name))}

    def convert(value: Mapping[str, Any]) -> dict[str, object]:
        keywords: dict[str, object] = {}
        for key, item in value.items():
            if item is None:
                continue
            if key not in converters:
                raise BadValue(f"there is no field '{key}'{nearest(key, converters)}")
            name, one = converters[key]
            try:
                keywords[name] = one(item)
            except ValueError as problem:
                raise BadValue(f"{name}: {problem}") from problem
        return keywords

    return convert


def _wrapped(convert: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda value: {"value": convert(value)}


def _from_text(field: Field) -> FromText:
    """One scalar from text."""
    plain: Mapping[Kind, FromText] = {Kind.STRING: _same, Kind.BOOL: boolean, Kind.BYTES: octets, Kind.TIMESTAMP: time}
    if field.kind in plain:
        return plain[field.kind]
    if field.kind in INTEGER_RANGES:
        return _integer(field.kind)
    if field.enum is not None:
        return enum_value(field.enum)
    return lru_cache(REMEMBERED)(span if field.kind is Kind.DURATION else _number(field.kind))


def _from_json(field: Field) -> FromJson:
    """One element from JSON."""
    if field.kind is Kind.MESSAGE:
        return _nested(field)
    if field.kind in {Kind.JSON, Kind.OPAQUE}:
        assert field.message is not None
        return _whole_message(field.message)
    scalar = _json_scalar(field.kind, _from_text(field))
    return _wrapped(scalar) if field.wrapper else scalar


def _nested(field: Field) -> FromJson:
    convert = object_converter(field.fields)

    def nested(value: object) -> object:
        if not isinstance(value, dict):
            raise BadValue(f"must be a JSON object, not {shown(value)}")
        return convert(value)

    return nested


def _json_scalar(kind: Kind, text: FromText) -> FromJson:
    """JSON's strings and numbers by way of the text they stand for: one reader for both."""

    def scalar(value: object) -> object:
        match value:
            case str() if kind is not Kind.BOOL:
                return text(value)
            case bool() if kind is Kind.BOOL:
                return value
            case int() if kind in INTEGER_RANGES or kind is Kind.ENUM:
                return text(str(value))
            case int() | float() if kind in {Kind.FLOAT, Kind.DOUBLE} and not isinstance(value, bool):
                return text(repr(value))
            case float() if kind in INTEGER_RANGES and value.is_integer():
                return text(str(int(value)))
            case _:
                raise BadValue(f"must be {kind}, not {shown(value)}")

    return scalar


def _whole_message(descriptor: Descriptor) -> FromJson:
    """Struct, Any and other messages that are taken as they are: protobuf's own JSON reader."""
    message_class, pool = message_factory.GetMessageClass(descriptor), descriptor.file.pool

    def convert(value: object) -> Message:
        try:
            return json_format.ParseDict(value, message_class(), descriptor_pool=pool)  # type: ignore[arg-type]  # Lists and scalars are right for Value.
        except json_format.ParseError as problem:
            raise BadValue(str(problem)) from problem

    return convert


def _same(text: str) -> str:
    return text


def boolean(text: str) -> bool:
    """`true` or `false` in any case."""
    match text.lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise BadValue(f"must be true or false, not {shown(text)}")


def _integer(kind: Kind) -> FromText:
    low, high = INTEGER_RANGES[kind]

    def integer(text: str) -> int:
        if len(text) < 10 and text.isascii() and text.isdigit():  # noqa: PLR2004 - within every range, and most are.
            return int(text)
        if not INTEGER.fullmatch(text):
            raise BadValue(f"must be a whole number, not {shown(text)}")
        if len(text) > 21 or not low <= (value := int(text)) <= high:  # noqa: PLR2004 - a sign and the 20 digits of 2^64.
            raise BadValue(f"must be from {low} to {high}, not {shown(text)}")
        return value

    return integer


def _number(kind: Kind) -> FromText:
    most = FLOAT_MAX if kind is Kind.FLOAT else math.inf

    def number(text: str) -> float:
        if not NUMBER.fullmatch(text):
            raise BadValue(f"must be a number, not {shown(text)}")
        value = float(text)
        if math.isinf(value) or abs(value) > most:
            raise BadValue(f"is too large for {kind}: {shown(text)}")
        return value

    return number


def octets(text: str) -> bytes:
    """Base64, standard or URL-safe."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error as problem:
        raise BadValue(f"must be base64, not {shown(text)}") from problem


def enum_value(enum: EnumDescriptor) -> FromText:
    """A value by its name, or by the number of one that has none."""
    numbers = {value.name: value.number for value in enum.values}

    def number(text: str) -> int:
        found = numbers.get(text)
        if found is not None:
            return found
        if INTEGER.fullmatch(text) and len(text) <= 11 and -(2**31) <= int(text) < 2**31:  # noqa: PLR2004 - digits of an int32 with its sign.
            return int(text)
        raise BadValue(f"must be a value of {enum.full_name}, not {shown(text)}{nearest(text, numbers)}")

    return number


def time(text: str) -> dict[str, int]:
    """RFC 3339 with an offset, to the nanosecond, as the fields of a Timestamp."""
    seconds = second_of(text)
    if seconds is not None:
        return {"seconds": seconds, "nanos": 0}
    match = TIME.fullmatch(text)
    if not match:
        raise BadValue(f"must be a time such as 2013-01-01T05:15:00Z (RFC 3339), not {shown(text)}")
    date, clock, fraction, zulu, sign, hours, minutes = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}+00:00")
        if not zulu:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            moment -= -offset if sign == "-" else offset
    except (ValueError, OverflowError) as problem:
        raise BadValue(f"is no time in the years 0001 to 9999: {shown(text)}") from problem
    since = moment - EPOCH
    return {"seconds": since.days * 86_400 + since.seconds, "nanos": int((fraction or "0").ljust(9, "0"))}


def span(text: str) -> dict[str, int]:
    """Seconds with the unit, such as `-90.5s`, as the fields of a Duration."""
    match = SPAN.fullmatch(text)
    if not match or len(match[2]) > 12 or int(match[2]) > DURATION_SECONDS_MAX:  # noqa: PLR2004 - digits of the bound.
        raise BadValue(f"must be a duration such as 90s or -1.5s, not {shown(text)}")
    sign = -1 if match[1] else 1
    return {"seconds": sign * int(match[2]), "nanos": sign * int((match[3] or "0").ljust(9, "0"))}


def parse_json(text: str) -> Any:
    """A JSON text; BadValue with the column in it otherwise, also for what is nested beyond reason."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        raise BadValue(f"is no JSON: {problem.msg} at character {problem.pos + 1}") from problem
    except RecursionError as problem:
        raise BadValue("is nested too deeply") from problem


def json_name(name: str) -> str:
    """The lowerCamel form protoc gives a field: `book_id` → `bookId`."""
    return re.sub(r"_(.)", lambda match: match[1].upper(), name)


def shown(value: object) -> str:
    """A value as an error quotes it: bounded."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"  # noqa: PLR2004 - a line of a terminal.


def nearest(name: str, known: Mapping[str, object]) -> str:
    """What was perhaps meant, as the end of an error's text."""
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
