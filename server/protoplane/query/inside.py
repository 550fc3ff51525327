"""Paths that lead into a repeated field, a map or a Struct: `parts.point.x:1`, `labels.env = "x"`, `facts.size.height > 3`.

What stands behind `:` asks for some element, the same one all the way (AIP-160: `r.foo:42`). With a key in place of every repeated
field on the way there is one value at most, and it is compared as a field is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from protoplane.contract.model import Field, Kind, Label
from protoplane.query.caret import Misread
from protoplane.query.columns import Level, Path
from protoplane.query.element import Document, Dynamic, Element, Has, Typed, Way
from protoplane.query.fields import find_field
from protoplane.query.literal import OPS, read_map_key, read_string, reader, require_order, require_time
from protoplane.query.predicate import Op, Term, Test
from protoplane.query.syntax import Literal

_STRANGE_KEY = re.compile(r'^-|[\x00-\x1f\x7f"\\]')
"""What no two engines read alike in a key of a JSON path; MariaDB takes a leading minus for something else."""
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)
_DOUBLE_MAX = 1.7976931348623157e308


@dataclass(slots=True)
class _Walk:
    """How far a path has been followed."""

    names: Sequence[str]
    offsets: Sequence[int]
    levels: list[Level] = field(default_factory=list)
    keys: list[tuple[int, Test]] = field(default_factory=list)
    each: bool = False
    """Whether a repeated field is on the way: there may be many values."""
    at: int = 0

    @property
    def left(self) -> bool:
        return self.at < len(self.names)

    def take(self) -> tuple[str, int]:
        self.at += 1
        return self.names[self.at - 1], self.offsets[self.at - 1]

    def enter(self, holder: Field) -> Field | None:
        """Follow the path from a repeated field or map; the field it ends with, None for the keys of a map."""
        if holder.label is Label.REPEATED:
            self.each = True
        elif not self.left:
            self.levels.append(Level(holder))
            return None
        else:
            name, offset = self.take()
            self.keys.append((len(self.levels), read_map_key(holder, Literal(offset, name, (name,), quoted=False))))
        members: list[Field] = []
        current = holder
        while self.left and current.kind is not Kind.JSON:
            current = self._member(current, of_element=not members)
            members.append(current)
            if current.label is not Label.SINGULAR:
                self.levels.append(Level(holder, tuple(members)))
                return self.enter(current)
        self.levels.append(Level(holder, tuple(members)))
        return current

    def _member(self, owner: Field, *, of_element: bool) -> Field:
        name, offset = self.take()
        if owner.label is Label.REPEATED and of_element and name.isdecimal():
            raise Misread(offset, f"elements cannot be addressed by their index; '{owner.name}:value' asks for any of them")
        if owner.kind is not Kind.MESSAGE:
            what = "elements" if owner.label is Label.REPEATED and of_element else "values" if owner.label is Label.MAP else ""
            whose = f"the {what} of '{owner.name}' have" if what and of_element else f"'{owner.name}' has"
            raise Misread(offset, f"{whose} no fields that can be filtered")
        found = find_field(owner, name, offset)
        if not found.queryable:
            raise Misread(offset, f"'{name}' cannot be filtered")
        return found


def compile_inside(path: Path, names: Sequence[str], offsets: Sequence[int], comparator: str, offset: int, literal: Literal) -> Term:
    """The term of a comparison with what `names` lead to, from a repeated field, a map or a JSON value; `offset` is the comparator's."""
    if path.field.label is Label.SINGULAR:
        require_time(path.field, literal)
        return Document(path, _dynamic(path.field, names, offsets, comparator, offset, literal))
    walk = _Walk(names, offsets)
    last = walk.enter(path.field)
    levels = tuple(walk.levels)
    if last is None or last.kind is not Kind.TIMESTAMP:
        require_time(path.field if last is None else last, literal)
    if last is None:
        return Element(path, levels, (*walk.keys, *_key(levels, comparator, offset, literal)))
    if walk.each and comparator != ":":
        raise Misread(offset, _many(walk, last))
    keys, of_key = tuple(walk.keys), comparator != ":"
    if last.kind is Kind.JSON and not _is_presence(walk, comparator, literal):
        value = _dynamic(last, names[walk.at :], offsets[walk.at :], comparator, offset, literal)
        return Element(path, levels, keys, value, of_key and value.test is not None)
    if comparator == ":" and literal.is_star:
        return Element(path, levels, keys)
    read = reader(last.kind)
    if read is None:
        raise Misread(offset, _unreadable(last))
    require_order(last, comparator, offset)
    return Element(path, levels, keys, Typed(last, read(last, OPS[comparator], literal)), of_key)


def _is_presence(walk: _Walk, comparator: str, literal: Literal) -> bool:
    return not walk.left and comparator == ":" and literal.is_star


def _key(levels: Sequence[Level], comparator: str, offset: int, literal: Literal) -> list[tuple[int, Test]]:
    holder = levels[-1].holder
    if comparator != ":":
        raise Misread(offset, f"'{holder.name}' is a map: use '{holder.name}:key', or '{holder.name}.key' with a comparator")
    return [] if literal.is_star else [(len(levels) - 1, read_map_key(holder, literal))]


def _many(walk: _Walk, last: Field) -> str:
    if last.label is Label.REPEATED:
        return f"'{last.name}' is repeated: only ':' can be used, which asks whether it holds the value"
    holder = next(level.holder for level in walk.levels if level.holder.label is Label.REPEATED)
    return f"'{holder.name}' is repeated: only ':' can be used, which asks whether '{last.name}' of some element has the value"


def _unreadable(last: Field) -> str:
    if last.kind is Kind.MESSAGE:
        return f"'{last.name}' holds messages: compare their fields, or use ':*' to ask whether there is one"
    return f"the values of '{last.name}' cannot be compared; ':*' asks whether there are any"


def _dynamic(owner: Field, names: Sequence[str], offsets: Sequence[int], comparator: str, offset: int, literal: Literal) -> Dynamic | Has:
    """The test of what stands in a Struct, Value or ListValue, by the type of the literal."""
    assert owner.message is not None
    kind = owner.message.name
    keys = list(zip(names, offsets, strict=True))
    if not keys and kind == "Struct":
        return _top_key(owner, comparator, offset, literal)
    if kind == "ListValue" and comparator != ":":
        raise Misread(offset, f"'{owner.name}' is a list: only ':' can be used, which asks whether it holds the value")
    path = _json_path(keys)
    if comparator != ":":
        return Dynamic(path, *_typed(owner, OPS[comparator], offset, literal))
    way = _way(path, keys, of_object=kind == "Struct")
    if literal.is_star:
        return Has(way, "type") if way.heads else Dynamic(path, "type", None)
    return Has(way, *_typed(owner, Op.EQUAL, offset, literal), key=read_string(owner, Op.EQUAL, literal))


def _top_key(owner: Field, comparator: str, offset: int, literal: Literal) -> Dynamic | Has:
    """The test of a Struct itself, which has keys and no value. A path finds a key faster than a look at all of them."""
    if comparator != ":":
        raise Misread(offset, f"'{owner.name}' is a Struct: use '{owner.name}:key', or '{owner.name}.key' with a comparator")
    if len(literal.pieces) > 1 or _STRANGE_KEY.search(literal.text):
        return Has(Way("$"), "type", key=read_string(owner, Op.EQUAL, literal))
    return Dynamic(_json_path([(literal.text, literal.offset)]), "type", None)


def _way(path: str, keys: Sequence[tuple[str, int]], *, of_object: bool) -> Way:
    """The way to a place by its keys; `of_object`: what they begin at is no array."""
    heads = [_json_path(keys[:depth]) for depth in range(of_object, len(keys))]
    steps = [_json_path([key]) for key in keys]
    return Way(path, tuple(heads), tuple(steps if of_object else ["$", *steps])) if heads else Way(path)


def _typed(owner: Field, op: Op, offset: int, literal: Literal) -> tuple[str, Test]:
    """The type of the literal and the test of a value that is of it."""
    if not literal.quoted and literal.text in ("true", "false"):
        if op not in (Op.EQUAL, Op.UNEQUAL):
            raise Misread(offset, "true and false have no order: only = != and : can be used")
        return "bool", Test(op, literal.text)
    if not literal.quoted and _NUMBER.fullmatch(literal.text):
        number = float(Decimal(literal.text)) + 0.0
        # Beyond all doubles the outcome is that of the largest one, but for equality.
        return "number", _beyond(op, number) if abs(number) > _DOUBLE_MAX else Test(op, number)
    return "text", read_string(owner, op, literal)


def _beyond(op: Op, number: float) -> Test:
    holds = op is Op.UNEQUAL or op in ((Op.LESS, Op.AT_MOST) if number > 0 else (Op.GREATER, Op.AT_LEAST))
    return Test(Op.TRUE if holds else Op.FALSE)


def _json_path(keys: Sequence[tuple[str, int]]) -> str:
    for key, offset in keys:
        if _STRANGE_KEY.search(key):
            raise Misread(offset, "keys with double quotes, backslashes, control characters or a minus sign in front cannot be filtered by")
    return "$" + "".join(f'."{key}"' for key, _ in keys)
