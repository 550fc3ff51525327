"""Functions as filters use them: `length(title) > 10`, `startsWith(code, "A")`, `create_time > ago(24h)`, and a project's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from peewee import Case, Node

from protoplane.contract.model import Field, Kind, Label, Place
from protoplane.query.caret import Misread, nearest, quote
from protoplane.query.columns import Columns, Path
from protoplane.query.fields import find_path
from protoplane.query.functions import ACCEPTED, BUILT_IN, FilterFunction, field_of
from protoplane.query.literal import OPS, read_span, reader, require_order, require_time
from protoplane.query.predicate import Compare, Op, Shape, Slots, Term, Test, join, pattern
from protoplane.query.syntax import Call, Literal, Member

_COUNT = {name: field_of(name, Kind.INT64, Place("")) for name in ("length", "size")}
_MOMENTS = ("now", "ago")
_SPELLED = ("timestamp", "duration")


@dataclass(frozen=True, slots=True)
class Counted:
    """How many characters or elements a field has passes a test."""

    path: Path
    name: str
    test: Test

    def describe(self, shape: Shape) -> None:
        """See `Term.describe`."""
        shape.path(self.path, f"#{self.name}")
        shape.test(self.test, lambda value: self.path.columns.bind(_COUNT[self.name], value))

    def build(self, slots: Slots) -> Node:
        """See `Term.build`."""
        columns, field = self.path.columns, self.path.field
        passes = slots.test(self.test)
        if self.name == "length":
            return passes(columns.characters(field))
        guards, found = self.path.guards(), passes(columns.size(field))
        return Case(None, ((join("AND", guards), found),)) if guards else found


@dataclass(frozen=True, slots=True)
class Applied:
    """What a project's function returns passes a test. An argument is a field, or a value with the field it is read as."""

    function: FilterFunction
    columns: Columns
    arguments: tuple[Path | tuple[Field, Test], ...]
    test: Test | None
    """None: it returns a condition."""

    def describe(self, shape: Shape) -> None:
        """See `Term.describe`."""
        shape.parts.append(f"{self.function.name}(")
        for argument in self.arguments:
            if isinstance(argument, Path):
                shape.path(argument)
            else:
                shape.test(argument[1], self._bind(argument[0]))
        shape.parts.append(")")
        if self.test is not None:
            shape.test(self.test, self._bind(self.function.field))

    def _bind(self, field: Field) -> Callable[[object], object]:
        return lambda value: self.columns.bind(field, value)

    def build(self, slots: Slots) -> Node:
        """See `Term.build`."""
        nodes = [a.columns.value(a.field) if isinstance(a, Path) else slots.take() for a in self.arguments]
        test = None if self.test is None else slots.test(self.test)
        made = self.function.apply(nodes, self.columns.engine)
        return made if test is None else test(made)


class FunctionReader:
    """Reads the calls of functions in the filters of one List method."""

    def __init__(self, columns: Columns, functions: Mapping[str, FilterFunction]) -> None:
        self._columns = columns
        self._functions = functions

    def moment(self, call: Call) -> Literal:
        """The value of a function on the right of a comparison: a time, so far from that of the call; or a time or duration as written."""
        start = call.member.offsets[0]
        if call.name in _SPELLED:
            self._count(call, 1)
            return _spelled(call.name, call.arguments[0])
        if call.name not in _MOMENTS:
            known = call.name in (*BUILT_IN, *self._functions)
            raise self._unknown(call) if not known else Misread(start, f"{quote(call.name)} stands on the left of a comparison only")
        if call.name == "now":
            self._count(call, 0)
            return Literal(start, "now()", ("now()",), quoted=False, from_now_micros=0)
        self._count(call, 1)
        span = call.arguments[0]
        if not isinstance(span, Literal):
            raise Misread(start, "a duration such as 24h is expected in ago()")
        return Literal(start, f"ago({span.text})", ("",), quoted=False, from_now_micros=-read_span(span))

    def _plain(self, call: Call) -> Call:
        """`title.endsWith("x")` as `endsWith(title, "x")`, which AIP-160 writes both ways."""
        path, offsets = call.member.path, call.member.offsets
        if len(path) == 1 or call.name in self._functions or path[-1] not in (*BUILT_IN, *self._functions):
            return call
        receiver = Member(path[:-1], offsets[:-1])
        return Call(Member(path[-1:], offsets[-1:]), (receiver, *call.arguments))

    def alone(self, call: Call) -> Term:
        """A call that is a condition by itself."""
        call = self._plain(call)
        if call.name in ("startsWith", "endsWith"):
            return self._affix(call)
        function = self._functions.get(call.name)
        if function is not None and function.returns is Kind.BOOL:
            return Applied(function, self._columns, self._arguments(call, function), None)
        if function is None and call.name not in BUILT_IN:
            raise self._unknown(call)
        raise Misread(call.member.offsets[0], f"what {quote(call.name)} gives must be compared with something")

    def compared(self, call: Call, comparator: str, offset: int, literal: Literal) -> Term:
        """A call that is compared with a value."""
        call = self._plain(call)
        if comparator == ":":
            raise Misread(offset, "what a function gives is compared with = != < <= > or >=")
        if call.name in _COUNT:
            return self._counted(call, comparator, literal)
        function = self._functions.get(call.name)
        if function is None:
            known = call.name in BUILT_IN
            raise Misread(offset, f"{quote(call.name)} is compared with nothing") if known else self._unknown(call)
        arguments = self._arguments(call, function)
        return Applied(function, self._columns, arguments, _read(function.field, comparator, offset, literal))

    def _affix(self, call: Call) -> Term:
        self._count(call, 2)
        path = self._field(call, call.arguments[0])
        given = call.arguments[1]
        if path.field.kind is not Kind.STRING or path.columns.name(path.field) is not None:
            raise Misread(_place(call.arguments[0]), f"'{path.field.name}' is no string")
        if not isinstance(given, Literal):
            raise Misread(_place(given), "a text in quotes is expected here")
        pieces = (*given.pieces, "") if call.name == "startsWith" else ("", *given.pieces)
        return Compare(path, Test(Op.LIKE, pattern(pieces)))

    def _counted(self, call: Call, comparator: str, literal: Literal) -> Term:
        self._count(call, 1)
        path = self._field(call, call.arguments[0], singular=call.name == "length")
        field = path.field
        fits = (
            field.kind is Kind.STRING and path.columns.name(field) is None if call.name == "length" else field.label is not Label.SINGULAR
        )
        if not fits:
            wanted = "a string" if call.name == "length" else "a repeated field or a map"
            raise Misread(_place(call.arguments[0]), f"{call.name}() takes {wanted}, and '{field.name}' is none")
        return Counted(path, call.name, _read(_COUNT[call.name], comparator, 0, literal))

    def _arguments(self, call: Call, function: FilterFunction) -> tuple[Path | tuple[Field, Test], ...]:
        self._count(call, len(function.parameters))
        return tuple(self._argument(call, given, kind) for given, kind in zip(call.arguments, function.parameters, strict=True))

    def _argument(self, call: Call, given: Literal | Member | Call, kind: Kind) -> Path | tuple[Field, Test]:
        if isinstance(given, Call):
            given = self.moment(given)
        if isinstance(given, Literal) and (given.from_now_micros is not None or _is_value(given, kind)):
            field = field_of(call.name, kind, Place(""))
            test = _read(field, "=", given.offset, given)
            if test.op is not Op.EQUAL:  # A number that no int64 is, or a pattern.
                raise Misread(given.offset, f"a plain {kind.value} is expected here")
            return field, test
        path = self._field(call, given)
        if path.field.kind not in ACCEPTED[kind] or path.columns.name(path.field) is not None:
            raise Misread(_place(given), f"{call.name}() takes a {kind.value} here, and '{path.field.name}' is none")
        return path

    def _field(self, call: Call, given: Literal | Member | Call, *, singular: bool = True) -> Path:
        if isinstance(given, Call) or (isinstance(given, Literal) and given.quoted):
            raise Misread(_place(given), f"{call.name}() takes a field here")
        member = given if isinstance(given, Member) else _member(given)
        path, left = find_path(self._columns, member.path, member.offsets, "filtered")
        if left or (singular and path.field.label is not Label.SINGULAR):
            raise Misread(member.offsets[0], f"{call.name}() takes a single value, and '{path.field.name}' holds many")
        return path

    def _count(self, call: Call, wanted: int) -> None:
        if len(call.arguments) != wanted:
            raise Misread(call.member.offsets[0], f"{call.name}() takes {wanted} arguments, not {len(call.arguments)}")

    def _unknown(self, call: Call) -> Misread:
        known = sorted((*BUILT_IN, *self._functions))
        return Misread(
            call.member.offsets[0],
            f"there is no function {quote(call.name)}{nearest(call.name, known) or '; there are ' + ', '.join(known)}",
        )


def _read(field: Field, comparator: str, offset: int, literal: Literal) -> Test:
    require_time(field, literal)
    require_order(field, comparator, offset)
    read = reader(field.kind)
    assert read is not None  # Of every kind that functions return.
    return read(field, OPS[comparator], literal)


def _is_value(literal: Literal, kind: Kind) -> bool:
    """Whether an argument without quotes is a value and no field."""
    return literal.quoted or literal.text[:1] in "0123456789-." or (kind is Kind.BOOL and literal.text in ("true", "false"))


def _spelled(name: str, given: Literal | Member | Call) -> Literal:
    if not isinstance(given, Literal) or not given.quoted:
        raise Misread(_place(given), f"a text in quotes is expected in {name}()")
    return replace(given, said=name)


def _member(literal: Literal) -> Member:
    names: Sequence[str] = literal.text.split(".")
    return Member(tuple(names), tuple(literal.offset + sum(map(len, names[:index])) + index for index in range(len(names))))


def _place(given: Literal | Member | Call) -> int:
    match given:
        case Literal(offset):
            return offset
        case Member():
            return given.offsets[0]
        case Call():
            return given.member.offsets[0]
