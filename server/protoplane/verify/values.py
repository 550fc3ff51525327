"""Valid values of single fields, from what their types, names and rules say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from protoplane.verify.annotations import FieldFacts
from protoplane.verify.chance import Chance
from protoplane.verify.patterns import matching

INTEGERS: Final = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)
FLOATS: Final = frozenset({FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE})
SPAN: Final = 1_000_000
"""How far values go where nothing bounds them."""
STEPS: Final = 64
"""Values that are tried between two bounds."""

BY_FORMAT: Final = {
    "email": "verify@example.com",
    "hostname": "verify.example.com",
    "ip": "192.0.2.7",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
    "uri": "https://example.com/verify",
    "uri_ref": "/verify",
    "address": "verify.example.com",
}
"""Addresses that RFC 2606, 3849 and 5737 keep for examples."""

BY_NAME: Final = {
    "email": "verify@example.com",
    "uri": "https://example.com/verify",
    "url": "https://example.com/verify",
    "hostname": "verify.example.com",
    "language_code": "en",
    "region_code": "CH",
    "country_code": "CH",
    "currency_code": "CHF",
    "time_zone": "Europe/Zurich",
    "mime_type": "text/plain",
    "content_type": "text/plain",
    "phone_number": "+41445550100",
    "ip_address": "192.0.2.7",
}
"""What fields are called whose texts have a form (AIP-143, AIP-148)."""

OTHERS: Final = (
    "en",
    "CH",
    "CHF",
    "A1",
    "1",
    "2020-01-02",
    "https://example.com/verify",
    "verify@example.com",
    "192.0.2.7",
    "+41445550100",
)
"""Texts to try when the plain ones are refused."""


class NoValueError(Exception):
    """No valid value can be made of what the field says of itself; the text says why."""


def rule(rules: Any, name: str) -> Any:
    """A rule of `buf.validate`, None where it is not set or not known to the target."""
    if rules is None or name not in rules.DESCRIPTOR.fields_by_name:
        return None
    found = rules.DESCRIPTOR.fields_by_name[name]
    if found.is_repeated:
        return getattr(rules, name) or None
    return getattr(rules, name) if rules.HasField(name) else None


def rules_of(facts: FieldFacts) -> Any:
    """The rules for the field's own type; None without any."""
    chosen = facts.rules.WhichOneof("type") if facts.rules is not None else None
    return getattr(facts.rules, chosen) if chosen else None


def scalars(field: FieldDescriptor, facts: FieldFacts, rules: Any, chance: Chance) -> Iterator[Any]:
    """Values to try, the likeliest first. Raises NoValueError."""
    if (only := rule(rules, "const")) is not None:
        yield only
    elif (among := rule(rules, "in")) is not None:
        yield from among
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        yield from _blobs(rules) if field.type == FieldDescriptor.TYPE_BYTES else _texts(field, facts, rules, chance)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        yield from (True, False)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        yield from _enums(field, rules)
    else:
        yield from ascending(field, rules, 8)


def numbers_of(field: FieldDescriptor) -> list[int]:
    """The values of an enum, in the order of their declaration."""
    assert field.enum_type is not None
    return [value.number for value in field.enum_type.values]


def _enums(field: FieldDescriptor, rules: Any) -> Iterator[int]:
    banned = set(rule(rules, "not_in") or ())
    numbers = [number for number in numbers_of(field) if number not in banned]
    yield from (number for number in numbers if number)
    yield from (number for number in numbers if not number)


def ascending(field: FieldDescriptor, rules: Any, count: int) -> list[Any]:
    """Distinct valid numbers, the smallest first; as texts they would sort otherwise, where that can be had."""
    whole = field.cpp_type in INTEGERS
    low, high = _bounds(rules, whole=whole)
    tried: list[float] = [value for value in (2, 9, 10, 11, 100, 101, 1_000, 1_001) if low <= value <= high]
    tried += [low + (high - low) * i / STEPS for i in range(STEPS + 1)]
    banned = set(rule(rules, "not_in") or ())
    numbers: list[Any] = [int(value) if whole else float(value) for value in tried]
    return sorted([value for value in dict.fromkeys(numbers) if value and value not in banned][:count])


def _bounds(rules: Any, *, whole: bool) -> tuple[float, float]:
    """The least and the greatest number that the rules allow, or that is wanted here."""
    below, above = (
        next((value for name in names if (value := rule(rules, name)) is not None), None) for names in (("gte", "gt"), ("lte", "lt"))
    )
    low = below if below is not None else 1 if above is None or above > 1 else above - SPAN
    high = above if above is not None else max(low + SPAN, SPAN)
    inside = 1 if whole else (high - low) / STEPS
    return low + (inside if rule(rules, "gt") is not None else 0), high - (inside if rule(rules, "lt") is not None else 0)


def lengths(rules: Any) -> tuple[int, int]:
    """The least and the most characters of a text."""
    exact = rule(rules, "len")
    if exact is not None:
        return int(exact), int(exact)
    most = [int(value) for name in ("max_len", "max_bytes") if (value := rule(rules, name)) is not None]
    least = [int(value) for name in ("min_len", "min_bytes") if (value := rule(rules, name)) is not None]
    return max(least, default=0), min(most, default=1 << 20)


def _blobs(rules: Any) -> Iterator[bytes]:
    least, most = lengths(rules)
    yield (b"verify" * (1 + least // 6))[: max(least, min(6, most))]


def _texts(field: FieldDescriptor, facts: FieldFacts, rules: Any, chance: Chance) -> Iterator[str]:
    least, most = lengths(rules)
    if (pattern := rule(rules, "pattern")) is not None:
        yield from _patterned(field, pattern, chance, (least, most))
        return
    form = facts.format or (rules.WhichOneof("well_known") if rules is not None else None)
    if form in {"uuid", "tuuid"}:
        yield chance.uuid4() if form == "uuid" else chance.uuid4().replace("-", "")
    elif form in BY_FORMAT:
        yield BY_FORMAT[form]
    else:
        named = next((value for name, value in BY_NAME.items() if field.name == name or field.name.endswith(f"_{name}")), None)
        if named is not None:
            yield named
        plain = _fitted(f"verify{chance.word(8)}", least, most, chance)
        around = (rule(rules, "prefix") or "", rule(rules, "contains") or "", rule(rules, "suffix") or "")
        yield plain if not any(around) else f"{around[0]}{around[1]}{around[2]}"
        yield from (value for value in OTHERS if least <= len(value) <= most)


def _fitted(text: str, least: int, most: int, chance: Chance) -> str:
    """The text cut from the left or lengthened, to so many characters."""
    return (text + chance.word(max(0, least - len(text))))[-most:] if most else ""


def _patterned(field: FieldDescriptor, pattern: str, chance: Chance, bounds: tuple[int, int]) -> Iterator[str]:
    found = 0
    for _ in range(40):
        value = matching(pattern, chance, length_max=min(bounds[1], 256))
        if value is None:
            break
        if value and len(value) >= bounds[0]:
            found += 1
            yield value
    if not found:
        raise NoValueError(f"cannot make a valid value for `{field.name}` because of its pattern {pattern}")
