"""What a filter means, said as plainly as Python can: slow, and sharing no code with the compiler but the parser."""

from __future__ import annotations

import base64
import re
import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from protoplane.contract.model import Field, Kind, Label, Presence
from protoplane.query.syntax import And, Literal, Member, Not, Or, Restriction, Tree
from tests.query.library import Row, all_fields

FIELDS: dict[str, Field] = {field.path: field for field in all_fields()}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def holds(tree: Tree, row: Row) -> bool | None:
    """True, False, or None for neither."""
    match tree:
        case Not(inner):
            return negate(holds(inner, row))
        case And(trees):
            return both(*(holds(inner, row) for inner in trees))
        case Or(trees):
            return either(*(holds(inner, row) for inner in trees))
        case Restriction(Member() as member, "!=", _, argument) if not isinstance(argument, Literal):
            return negate(spread(member, "=", argument, row))
        case Restriction(Member() as member, comparator, _, argument):
            return spread(member, comparator, argument, row)
    raise AssertionError(tree)


def spread(member: Member, comparator: str, argument: Tree, row: Row) -> bool | None:
    match argument:
        case Literal():
            return restrict(member, comparator, argument, row)
        case Not(inner):
            return negate(spread(member, comparator, inner, row))
        case And(trees):
            return both(*(spread(member, comparator, inner, row) for inner in trees))
        case Or(trees):
            return either(*(spread(member, comparator, inner, row) for inner in trees))
    raise AssertionError(argument)


def negate(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def both(*truths: bool | None) -> bool | None:
    return False if False in truths else None if None in truths else True


def either(*truths: bool | None) -> bool | None:
    return True if True in truths else None if None in truths else False


def restrict(member: Member, comparator: str, literal: Literal, row: Row) -> bool | None:  # noqa: PLR0911 - one case a line.
    path, key = ".".join(member.path), None
    if path not in FIELDS:
        path, key = ".".join(member.path[:-1]), member.path[-1]
    field, value = FIELDS[path], row.get(path)
    star = literal.pieces == ("", "") and comparator == ":"
    if star and key is None:
        return present(field, value)
    if "." in path and path.rpartition(".")[0] not in row:
        return None
    if isinstance(value, list):
        return any(compare(field, element, "=", literal) for element in value)
    if isinstance(value, dict):
        if key is None:
            assert field.key is not None
            return any(compare(field.key, typed_key(field.key, name), "=", literal) for name in value)
        if star:
            return key in value
        if key not in value:
            return False if comparator == ":" else None
        return compare(field, value[key], "=" if comparator == ":" else comparator, literal)
    return None if value is None else compare(field, value, comparator, literal)


def typed_key(field: Field, name: str) -> object:
    return name if field.kind is Kind.STRING else name == "true" if field.kind is Kind.BOOL else int(name)


def present(field: Field, value: object) -> bool:
    if field.presence is Presence.EXPLICIT and field.label is Label.SINGULAR and not field.reference:
        return value is not None
    return bool(value)


def compare(field: Field, value: object, comparator: str, literal: Literal) -> bool:  # noqa: PLR0911 - one case a line.
    if field.reference or field.path == "name":
        found = same_name(str(value), literal)
        return not found if comparator == "!=" else found
    if field.kind is Kind.STRING:
        return compare_text(str(value), comparator, literal)
    left, right = number_of(field, value), literal_of(field, literal)
    match comparator:
        case "=" | ":":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
    return left >= right


def compare_text(value: str, comparator: str, literal: Literal) -> bool:
    pattern = ".*".join(re.escape(piece) for piece in literal.pieces)
    match comparator:
        case ":":
            return re.search(pattern, value, re.DOTALL) is not None
        case "=":
            return re.fullmatch(pattern, value, re.DOTALL) is not None
        case "!=":
            return re.fullmatch(pattern, value, re.DOTALL) is None
    text = literal.text
    return {"<": value < text, "<=": value <= text, ">": value > text, ">=": value >= text}[comparator]


def same_name(value: str, literal: Literal) -> bool:
    return re.fullmatch("[^/]*".join(re.escape(piece) for piece in literal.pieces), value) is not None


def number_of(field: Field, value: object) -> Fraction:
    """Everything that is not text as a number, for comparison."""
    if field.kind is Kind.BYTES:
        assert isinstance(value, bytes)
        return Fraction(int.from_bytes(b"\x01" + value, "big"))
    assert isinstance(value, int | float)
    return Fraction(value)


def literal_of(field: Field, literal: Literal) -> Fraction:  # noqa: PLR0911 - one case a line.
    text = literal.text
    match field.kind:
        case Kind.BOOL:
            return Fraction(text == "true")
        case Kind.ENUM:
            assert field.enum is not None
            return Fraction(field.enum.values_by_name[text].number)
        case Kind.BYTES:
            return number_of(field, base64.b64decode(text + "=="))
        case Kind.TIMESTAMP:
            match = re.fullmatch(r"(.{19})(?:\.([0-9]+))?(.*)", text)
            assert match is not None
            whole, fraction, zone = match.groups()
            moment = datetime.fromisoformat(f"{whole}+00:00") - EPOCH
            offset = timedelta(0) if zone in "Zz" else datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").utcoffset()
            assert offset is not None
            micros = (moment - offset) // timedelta(microseconds=1)
            return micros + Fraction(f"0.{fraction or 0}") * 1_000_000
        case Kind.DURATION:
            return Fraction(text.removesuffix("s")) * 1_000_000
        case Kind.FLOAT | Kind.DOUBLE if not re.fullmatch("-?[0-9]+", text):
            try:
                return Fraction(float(text) if field.kind is Kind.DOUBLE else struct.unpack("<f", struct.pack("<f", float(text)))[0])
            except OverflowError:
                return Fraction(Decimal(text))
    return Fraction(Decimal(text))
