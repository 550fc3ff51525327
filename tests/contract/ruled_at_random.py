"""Fields with rules, patterns, and messages whose values lie at the bounds of rules: at random."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from tests.contract.ruled import KIND_OF, SCALARS, TIMES, Ruled, rules_of, values_of

TEXTS: Final = st.text(st.sampled_from("ab0_-.A\n é😀\0"), max_size=4)
_LABELS: Final = ("implicit", "implicit", "optional", "oneof", "repeated", "map")
_KINDS: Final = (*SCALARS, *TIMES, *TIMES, "string", "string", "enum", "double", "bytes", "self")

_PARTS: Final = (
    *"ab0-_.A",
    r"\d",
    r"\w",
    r"\W",
    r"\D",
    r"\.",
    r"\n",
    r"\-",
    "[ab]",
    "[^a]",
    "[a-c_-]",
    r"[\w.-]",
    r"[^\d]",
    "[ -~]",
    "[!-&+]",
)
_BEYOND: Final = (r"\s", r"\b", "é", "^", "$", "(?i)", "[[:alpha:]]", "[&&]", "[a--]", r"\_", "{", "]", "(?=a)", "[")
_QUANTIFIERS: Final = (*("", "", "", "?", "*", "+", "{2}", "{1,2}", "{0,1}", "{2,}") * 5, "*?", "{,1}")
_sequence: Final = st.lists(st.builds(str.__add__, st.sampled_from(_PARTS * 10 + _BEYOND), st.sampled_from(_QUANTIFIERS)), max_size=3).map(
    "".join
)
_group: Final = st.builds(
    "{}({}{}{}){}".format, _sequence, st.sampled_from(("", "?:")), _sequence, st.just("|") | _sequence, st.sampled_from(_QUANTIFIERS)
)
_marks: Final = st.sampled_from((("^", "$"), ("^", ""), ("", "$"), ("", "")))
PATTERNS: Final = st.builds(lambda marks, *parts: marks[0] + "".join(parts) + marks[1], _marks, _sequence | _group, _sequence | _group)


def _rules(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Up to three standard rules."""
    some: st.SearchStrategy[dict[str, Any]] = st.sampled_from(list(rules_of(kind)))
    if kind == "string":
        some |= PATTERNS.map(lambda pattern: {"pattern": pattern})
    return st.lists(some, min_size=1, max_size=3).map(_merged)


def _merged(rules: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for one in rules:
        for name, value in one.items():
            # Of the rules `lt` and `lte` a message says only one.
            if not any(other != name and {other, name} in ({"lt", "lte"}, {"gt", "gte"}) for other in merged):
                merged[name] = value
    return merged


@st.composite
def _value_rules(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Of one value: of a field, or in a list or map."""
    said: dict[str, Any] = draw(st.fixed_dictionaries({}, optional={"ignore": st.sampled_from((0, 1, 1, 3))}))
    if kind in {*SCALARS, *TIMES} and draw(st.integers(0, 6)):
        said[kind] = draw(_rules(kind))
    elif not draw(st.integers(0, 9)):
        other = draw(st.sampled_from(SCALARS))  # Rules of another kind do not compile.
        said[other] = draw(_rules(other))
    return said


@st.composite
def fields(draw: st.DrawFn, *more: str) -> list[Ruled]:
    """Some fields of these kinds or any."""
    return [_field(draw, draw(st.sampled_from((*_KINDS, *more))), label) for label in draw(st.lists(st.sampled_from(_LABELS), max_size=4))]


def _field(draw: st.DrawFn, kind: str, label: str) -> Ruled:
    key = draw(st.sampled_from(("string", "int32", "bool", "uint64")))
    said = draw(_value_rules(kind))
    if label in {"repeated", "map"}:
        least, most = ("min_items", "max_items") if label == "repeated" else ("min_pairs", "max_pairs")
        own: dict[str, Any] = draw(st.fixed_dictionaries({}, optional={least: st.integers(0, 2), most: st.integers(0, 3)}))
        if label == "map":
            own |= {"values": said, "keys": draw(_value_rules(key))}
        else:
            own |= {"items": said} | ({"unique": draw(st.booleans())} if kind in SCALARS else {})
        said = {"ignore": draw(st.sampled_from((0, 0, 1, 3))), label: own}
    if not draw(st.integers(0, 4)):
        said = {**said, "required": draw(st.booleans())}
    return Ruled(kind, label, said, key)


@st.composite
def messages(draw: st.DrawFn, message: Descriptor, depth: int = 2) -> Any:
    """Messages of a type."""
    made: Any = GetMessageClass(message)()
    for field in message.fields:
        inner = field.message_type
        if draw(st.integers(0, 2)) == 0 or (depth == 0 and inner is not None and inner.file.name == message.file.name):
            continue
        if inner is not None and inner.GetOptions().map_entry:
            _fill_map(draw, getattr(made, field.name), inner, depth)
        elif field.is_repeated:
            getattr(made, field.name).extend(draw(_value(field, depth)) for _ in range(draw(st.integers(0, 3))))
        elif inner is not None:
            getattr(made, field.name).CopyFrom(draw(_value(field, depth)))
        else:
            setattr(made, field.name, draw(_value(field, depth)))
    return made


def _fill_map(draw: st.DrawFn, into: Any, entry: Descriptor, depth: int) -> None:
    key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
    for _ in range(draw(st.integers(0, 3))):
        one, held = draw(_value(key, depth)), draw(_value(value, depth))
        if value.message_type is None:
            into[one] = held
        else:
            into[one].CopyFrom(held)


def _value(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    inner = field.message_type
    if inner is None:
        kind = KIND_OF[field.type]
        return st.sampled_from(values_of(kind)) | TEXTS if kind == "string" else st.sampled_from(values_of(kind))
    if inner.full_name.startswith("google.protobuf."):
        message_class: Any = GetMessageClass(inner)
        return st.sampled_from(values_of("duration")).map(lambda said: message_class(**said))
    return messages(inner, depth - 1)
