"""What a filter means, said of protobuf messages as plainly as Python can: slow, and sharing nothing with the compiler but the parser.

`None` is neither true nor false: something on the way to what is compared is unset.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from protoplane.query.syntax import And, Bare, Call, Literal, Member, Not, Or, Restriction, Tree
from tests.door.museum.schema import Schema

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DOCUMENTS = {f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue")}
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Unset:
    """Where a path ends before it should."""


@dataclass(frozen=True)
class World:
    """Every resource by its name, and the time."""

    schema: Schema
    by_name: Mapping[str, Any]
    now_micros: int

    def holds(self, tree: Tree | None, row: Any) -> bool | None:  # noqa: PLR0911 - one case a line.
        """True, False, or None for neither."""
        match tree:
            case None:
                return True
            case Not(inner):
                return negate(self.holds(inner, row))
            case And(trees):
                return both(*(self.holds(inner, row) for inner in trees))
            case Or(trees):
                return either(*(self.holds(inner, row) for inner in trees))
            case Bare(_, literal):
                return any(contains(text, literal) for text in self.searched(row))
            case Call():
                return self.call(tree, row)
            case Restriction(left, "!=", _, argument) if not isinstance(argument, Literal | Call):
                return negate(self.spread(left, "=", argument, row))
            case Restriction(left, comparator, _, argument):
                return self.spread(left, comparator, argument, row)
        raise AssertionError(tree)

    def spread(self, left: Member | Call, comparator: str, argument: Tree, row: Any) -> bool | None:
        """Compare with each of the values in parentheses."""
        match argument:
            case Literal():
                return self.compare(left, comparator, argument, row)
            case Call():
                return self.compare(left, comparator, self.moment(argument), row)
            case Not(inner):
                return negate(self.spread(left, comparator, inner, row))
            case And(trees):
                return both(*(self.spread(left, comparator, inner, row) for inner in trees))
            case Or(trees):
                return either(*(self.spread(left, comparator, inner, row) for inner in trees))
        raise AssertionError(argument)

    def moment(self, call: Call) -> Literal:
        """The time that a call on the right stands for."""
        micros = self.now_micros
        if call.name == "ago":
            (span,) = call.arguments
            assert isinstance(span, Literal)
            micros -= int(Fraction(span.text[:-1]) * UNIT_SECONDS[span.text[-1]] * 1_000_000)
        micros = min(max(micros, -62_135_596_800_000_000), 253_402_300_799_999_999)
        text = (EPOCH + timedelta(microseconds=micros)).isoformat()
        return Literal(0, text, (text,), quoted=True)

    def compare(self, left: Member | Call, comparator: str, literal: Literal, row: Any) -> bool | None:
        """Compare a field, or what a function makes of one."""
        if isinstance(left, Member):
            return self.restrict(list(left.path), comparator, literal, row)
        (given,) = left.arguments
        value = self.value_of(path_of(given), row)
        if isinstance(value, Unset):
            return None
        number = len(value[:1]) if left.name == "initial" else len(value)
        return (
            compare_text(value[:1], comparator, literal)
            if left.name == "initial"
            else order(Fraction(number), comparator, number_in(literal))
        )

    def call(self, call: Call, row: Any) -> bool | None:
        """A function that is a condition."""
        value = self.value_of(path_of(call.arguments[0]), row)
        if isinstance(value, Unset):
            return None
        given = call.arguments[1]
        assert isinstance(given, Literal)
        pattern = ".*".join(re.escape(piece) for piece in given.pieces)
        return re.fullmatch(f"{pattern}.*" if call.name == "startsWith" else f".*{pattern}", value, re.DOTALL) is not None

    def searched(self, row: Any) -> Iterator[str]:
        """The texts that a bare word is looked for in."""
        for path in self.schema.searched.get(row.DESCRIPTOR.name, ()):
            owner, field, _ = self.walk(path.split("."), row)
            if owner is None or (field.has_presence and not owner.HasField(field.name)):
                continue
            value = getattr(owner, field.name)
            yield from value if field.is_repeated else [plain(value)]

    def value_of(self, names: Sequence[str], row: Any) -> Any:
        """What stands at a path of singular fields; Unset where nothing does."""
        owner, field, rest = self.walk(list(names), row)
        assert not rest
        if owner is None or (field.has_presence and not owner.HasField(field.name)):
            return Unset()
        return plain(getattr(owner, field.name))

    def walk(self, names: list[str], row: Any) -> tuple[Any, FieldDescriptor, list[str]]:
        """The message that holds the field (None: it is missing), the field, and the names that lead into it."""
        owner, descriptor = row, row.DESCRIPTOR
        while True:
            name, *names = names
            field = descriptor.fields_by_name.get(name)
            if field is None:
                owner = None if owner is None else self.by_name.get(owner.name.rsplit("/", 2)[0])
                descriptor = sibling(descriptor, self.schema.parents[descriptor.name][name])
            elif not names or field.is_repeated or is_json(field):
                return owner, field, names
            elif target := self.schema.target(field):
                owner = None if owner is None else self.by_name.get(plain(getattr(owner, name)))
                descriptor = sibling(descriptor, target)
            else:
                owner = getattr(owner, name) if owner is not None and owner.HasField(name) else None
                descriptor = field.message_type

    def is_set(self, owner: Any, field: FieldDescriptor) -> bool:
        """Whether a field is not its default; of a reference, whether it names anything."""
        return bool(plain(getattr(owner, field.name))) if self.schema.target(field) else is_set(owner, field)

    def restrict(self, names: list[str], comparator: str, literal: Literal, row: Any) -> bool | None:  # noqa: PLR0911 - one case a line.
        """Compare a field."""
        owner, field, rest = self.walk(names, row)
        star = comparator == ":" and literal.pieces == ("", "")
        if star and not rest:
            return owner is not None and self.is_set(owner, field)
        if is_json(field) and not field.is_repeated:
            return document(owner, field, rest, comparator, literal)
        if owner is None:
            return None
        if not field.is_repeated:
            if field.has_presence and not owner.HasField(field.name):
                return None
            value = getattr(owner, field.name)
            if self.schema.target(field):
                return compare_name(plain(value), comparator, literal)
            return compare(field, value, comparator, literal, contain=True)
        return inside(field, getattr(owner, field.name), rest, comparator, literal)


def sibling(descriptor: Any, name: str) -> Any:
    return descriptor.file.message_types_by_name[name]


def path_of(given: Any) -> tuple[str, ...]:
    return given.path if isinstance(given, Member) else tuple(given.text.split("."))


def contains(text: str, literal: Literal) -> bool:
    return re.search(".*".join(re.escape(piece) for piece in literal.pieces), text, re.DOTALL) is not None


def negate(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def both(*truths: bool | None) -> bool | None:
    return False if False in truths else None if None in truths else True


def either(*truths: bool | None) -> bool | None:
    return True if True in truths else None if None in truths else False


def message_of(field: FieldDescriptor) -> Descriptor:
    assert field.message_type is not None
    return field.message_type


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_json(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name in DOCUMENTS


def is_set(owner: Any, field: FieldDescriptor) -> bool:
    if field.has_presence:
        return bool(owner.HasField(field.name))
    return bool(getattr(owner, field.name))


def inside(field: FieldDescriptor, container: Any, names: list[str], comparator: str, literal: Literal) -> bool | None:
    star = comparator == ":" and literal.pieces == ("", "")
    found = list(leaves(field, container, names, literal, star=star))
    if comparator == ":":
        return any(hit is True or (hit is None and (star or compare(leaf, value, "=", literal))) for leaf, value, hit in found)
    return compare(found[0][0], found[0][1], comparator, literal) if found else None


def leaves(
    field: FieldDescriptor, container: Any, names: list[str], literal: Literal, *, star: bool
) -> Iterator[tuple[Any, Any, bool | None]]:
    """The values that a path into a repeated field or map leads to; a third part that is not None is the outcome itself."""
    if is_map(field):
        key, value = message_of(field).fields_by_name["key"], message_of(field).fields_by_name["value"]
        if not names:
            for name in container:
                yield key, name, True if star else None
            return
        wanted, *names = names
        name = next((name for name in container if key_text(name) == wanted), None)
        if name is not None:
            yield from below(value, container[name], names, literal, star=star)
        return
    for element in container:
        yield from below(field, element, names, literal, star=star)


def key_text(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def below(field: FieldDescriptor, value: Any, names: list[str], literal: Literal, *, star: bool) -> Iterator[tuple[Any, Any, bool | None]]:
    if is_json(field):
        if star and not names:
            yield field, value, True
        else:
            plainly = plain_json(value)
            yield None, at(plainly, names), has(plainly, names, literal, star=star) is True
        return
    if not names:
        yield field, value, None
        return
    name, *rest = names
    inner = message_of(field).fields_by_name[name]
    if inner.is_repeated:
        yield from leaves(inner, getattr(value, name), rest, literal, star=star)
    elif (star and not rest and not is_set(value, inner)) or (inner.has_presence and not value.HasField(name)):
        return
    else:
        yield from below(inner, getattr(value, name), rest, literal, star=star)


def document(owner: Any, field: FieldDescriptor, names: list[str], comparator: str, literal: Literal) -> bool | None:
    unset = owner is None or not owner.HasField(field.name)
    top = comparator == ":" and not names and message_of(field).name == "Struct"
    if unset:
        return False if top or (comparator == ":" and literal.pieces == ("", "")) else None
    value = plain_json(getattr(owner, field.name))
    if comparator == ":":
        return has(value, names, literal, star=literal.pieces == ("", ""))
    found = at(value, names)
    return None if isinstance(found, Unset) else compare(None, found, comparator, literal)


def has(value: Any, names: Sequence[str], literal: Literal, *, star: bool) -> bool | None:
    """What `:` says of a place in JSON; with `star`, whether there is anything."""
    if names and isinstance(value, list):
        return any(has(element, names, literal, star=star) is True for element in value if isinstance(element, dict))
    if names:
        inner = at(value, names[:1])
        return (False if star else None) if isinstance(inner, Unset) else has(inner, names[1:], literal, star=star)
    if star:
        return True
    if isinstance(value, dict):
        return any(compare_text(key, "=", literal) for key in value)
    if isinstance(value, list):
        return any(compare_dynamic(element, "=", literal) is True for element in value)
    return compare_dynamic(value, "=", literal)


def plain_json(value: Any) -> Any:
    match value.DESCRIPTOR.name:
        case "Struct":
            return {key: plain_json(inner) for key, inner in value.fields.items()}
        case "ListValue":
            return [plain_json(inner) for inner in value.values]
    kind = value.WhichOneof("kind")
    inner = getattr(value, kind)
    return None if kind == "null_value" else plain_json(inner) if kind in {"struct_value", "list_value"} else inner


def at(value: Any, names: Sequence[str]) -> Any:
    for name in names:
        if not isinstance(value, dict) or name not in value:
            return Unset()
        value = value[name]
    return value


def compare_dynamic(value: Any, comparator: str, literal: Literal) -> bool | None:
    if not literal.quoted and literal.text in {"true", "false"}:
        return order(Fraction(value), comparator, Fraction(literal.text == "true")) if isinstance(value, bool) else None
    if not literal.quoted and re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", literal.text):
        if isinstance(value, bool) or not isinstance(value, float):
            return None
        return order(Fraction(value), comparator, double_in(literal.text))
    return compare_text(value, comparator, literal) if isinstance(value, str) else None


def plain(value: Any) -> Any:
    """What is inside a wrapper, a Timestamp or a Duration."""
    match getattr(value, "DESCRIPTOR", None):
        case None:
            return value
        case descriptor if descriptor.name in {"Timestamp", "Duration"}:
            return value.seconds * 1_000_000 + value.nanos // 1_000
    return value.value


def compare(field: FieldDescriptor | None, value: Any, comparator: str, literal: Literal, *, contain: bool = False) -> bool | None:  # noqa: PLR0911 - one case a line.
    if field is None:
        return compare_dynamic(value, comparator, literal)
    value = plain(value)
    if isinstance(value, str):
        return contains(value, literal) if comparator == ":" and contain else compare_text(value, comparator, literal)
    if isinstance(value, bytes):
        same = value == base64.b64decode(literal.text.rstrip("=") + "=" * (-len(literal.text.rstrip("=")) % 4))
        return not same if comparator == "!=" else same
    if field.message_type is not None and field.message_type.name == "Timestamp":
        return order(Fraction(value), comparator, time_in(literal.text))
    if field.message_type is not None and field.message_type.name == "Duration":
        return order(Fraction(value), comparator, Fraction(literal.text.removesuffix("s")) * 1_000_000)
    if field.enum_type is not None:
        return order(Fraction(value), comparator, Fraction(field.enum_type.values_by_name[literal.text].number))
    if isinstance(value, bool):
        return order(Fraction(value), comparator, Fraction(literal.text == "true"))
    if isinstance(value, float):
        single = field.type == field.TYPE_FLOAT or (field.message_type is not None and field.message_type.name == "FloatValue")
        return order(
            Fraction(value),
            comparator,
            double_in(literal.text, single=single) if not re.fullmatch("-?[0-9]+", literal.text) else number_in(literal),
        )
    return order(Fraction(value), comparator, number_in(literal))


def compare_name(value: str, comparator: str, literal: Literal) -> bool:
    same = re.fullmatch("[^/]*".join(re.escape(piece) for piece in literal.pieces), value) is not None
    return not same if comparator == "!=" else same


def compare_text(value: str, comparator: str, literal: Literal) -> bool:
    pattern = ".*".join(re.escape(piece) for piece in literal.pieces)
    match comparator:
        case "=" | ":":
            return re.fullmatch(pattern, value, re.DOTALL) is not None
        case "!=":
            return re.fullmatch(pattern, value, re.DOTALL) is None
    text = literal.text
    return {"<": value < text, "<=": value <= text, ">": value > text, ">=": value >= text}[comparator]


def order(left: Fraction, comparator: str, right: Fraction) -> bool:
    outcomes = {"=": left == right, ":": left == right, "!=": left != right, "<": left < right, "<=": left <= right, ">": left > right}
    return {**outcomes, ">=": left >= right}[comparator]


def number_in(literal: Literal) -> Fraction:
    return Fraction(Decimal(literal.text))


def double_in(text: str, *, single: bool = False) -> Fraction:
    """The double (or float) that a text means; itself where there is none so large."""
    try:
        return Fraction(struct.unpack("<f", struct.pack("<f", float(text)))[0] if single else float(text))
    except OverflowError:
        return Fraction(Decimal(text))


def time_in(text: str) -> Fraction:
    match = re.fullmatch(r"(.{19})(?:\.([0-9]+))?(.*)", text)
    assert match is not None
    whole, fraction, zone = match.groups()
    moment = datetime.fromisoformat(f"{whole}+00:00") - EPOCH
    offset = timedelta(0) if zone in "Zz" else datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").utcoffset()
    assert offset is not None
    return (moment - offset) // timedelta(microseconds=1) + Fraction(f"0.{fraction or 0}") * 1_000_000
