"""Filters of List methods: text → tree (`syntax`) → checked against the resource (here) → `Predicate`.

Which fields can be filtered, and how, is worked out once, at start; a filter's text only looks up what is there.
Sensitive and input-only fields cannot be named at all: a filter must not be a way to guess what a caller may not read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from protoplane.base.errors import Reason
from protoplane.contract.model import Field, Kind, Label, Resource, Role
from protoplane.query import names
from protoplane.query.caret import Misread, quote
from protoplane.query.columns import Columns, NameColumns
from protoplane.query.fields import find_field
from protoplane.query.literal import OPS, Read, read_contained, read_map_key, reader, require_order
from protoplane.query.predicate import Compare, CompareName, Element, Junction, Negation, Op, Predicate, Present, Term, Test, predicate
from protoplane.query.syntax import And, Bare, Call, Literal, Member, Not, Or, Restriction, Tree, parse

FILTERS_KEPT_MAX = 256
"""Compiled filters a List method remembers by text: clients send few, and at 8 KiB each these take 2 MiB at most."""


class FilterCompiler:
    """Compiles the filters of one List method, and remembers the last FILTERS_KEPT_MAX. Safe for threads.

    `argument` is the request field that the filters stand in, and what their slots are named after.
    """

    def __init__(self, resource: Resource, columns: Columns, *, argument: str = "filter") -> None:
        self._argument = argument
        self._resource = resource
        self._columns = columns
        self._subjects = {subject.path: subject for field in resource.fields for subject in _subjects(field, columns, ())}
        self.compile: Callable[[str], Predicate | None] = lru_cache(FILTERS_KEPT_MAX)(self._compile)
        """The predicate of a filter, None for an empty one. Raises INVALID_FILTER with a caret under the place."""

    def _compile(self, text: str) -> Predicate | None:
        try:
            tree = parse(text)
            return None if tree is None else predicate(self._check(tree), self._columns, slots=self._argument)
        except Misread as misread:
            raise misread.fault(Reason.INVALID_FILTER, self._argument, text) from None

    def _check(self, tree: Tree) -> Term:
        match tree:
            case Restriction(member, comparator, offset, argument):
                return self._check_restriction(member, comparator, offset, argument)
            case Not(inner):
                return Negation(self._check(inner))
            case And(trees):
                return Junction("AND", tuple(self._check(inner) for inner in trees))
            case Or(trees):
                return Junction("OR", tuple(self._check(inner) for inner in trees))
            case Bare(member):
                raise _refuse_bare(member)
            case Call(member):
                raise Misread(member.offsets[0], f"there is no function {quote('.'.join(member.path))}")
            case Literal(offset):
                raise Misread(offset, "a field name is expected here")
            case _ as never:
                assert_never(never)

    def _check_restriction(self, member: Member, comparator: str, offset: int, argument: Tree) -> Term:
        subject = self._subjects.get(member.path)
        if subject is None:
            subject, rest, rest_offset = self._find(member)
        else:
            rest, rest_offset = None, 0
        if subject.refusal:
            raise Misread(member.offsets[len(subject.path) - 1], subject.refusal)
        key = None if rest is None else Literal(rest_offset, rest, (rest,), quoted=False)

        def test(literal: Literal) -> Term:
            return _compare(subject, key, comparator, offset, literal)

        if isinstance(argument, Literal):
            return test(argument)
        if comparator == "!=":  # `x != (a OR b)` says that x is not any of them.
            comparator = "="
            return Negation(_spread(argument, test))
        return _spread(argument, test)

    def _find(self, member: Member) -> tuple[Subject, str | None, int]:
        """The map that the path leads into, with the key named and its place; anything else is a problem to explain."""
        owner: Resource | Field = self._resource
        for index, name in enumerate(member.path):
            offset = member.offsets[index]
            field = find_field(owner, name, offset)
            subject = self._subjects[member.path[: index + 1]]
            if subject.refusal:
                raise Misread(offset, subject.refusal)
            beyond = member.offsets[index + 1]
            if field.label is Label.MAP and index + 2 == len(member.path):
                return subject, member.path[index + 1], beyond
            if field.label is Label.MAP:
                raise Misread(member.offsets[index + 2], f"the values of the map '{name}' cannot be filtered by their fields")
            if field.label is Label.REPEATED:
                raise Misread(beyond, f"'{name}' is repeated: its elements are tested as a whole, with '{name}:value'")
            if subject.name is not None or field.reference:
                raise Misread(beyond, f"'{name}' holds a resource name; fields of the resource it names cannot be filtered here")
            if not field.fields:
                raise Misread(beyond, f"'{name}' has no fields that can be filtered")
            owner = field
        raise AssertionError(member.path)  # Every path of fields is among the subjects.


@dataclass(frozen=True, slots=True)
class Subject:
    """A field as filters see it."""

    path: tuple[str, ...]
    field: Field
    below: Field | None
    """The message that holds it."""
    read: Read | None
    """How its values' literals are read; None when only presence can be asked."""
    name: NameColumns | None
    """Key columns, when it is a resource name."""
    refusal: str
    """Why it cannot be filtered; empty when it can."""


def _subjects(field: Field, columns: Columns, above: tuple[Field, ...]) -> list[Subject]:
    """The field and every field below it, in any depth."""
    refusal = next((reason for reason in map(_refusal, (*above, field)) if reason), "")
    name = columns.name(field) if not refusal and field.kind is Kind.STRING and field.label is Label.SINGULAR else None
    path = (*(other.name for other in above), field.name)
    found = [Subject(path, field, above[-1] if above else None, reader(field.kind), name, refusal)]
    if field.kind is Kind.MESSAGE and field.label is Label.SINGULAR:
        for inner in field.fields:
            found += _subjects(inner, columns, (*above, field))
    return found


def _refusal(field: Field) -> str:
    if field.queryable:
        return ""
    return f"'{field.name}' cannot be filtered{': it is made when the resource is read' if field.role is Role.ETAG else ''}"


def _spread(tree: Tree, test: Callable[[Literal], Term]) -> Term:
    """`field op (a OR b)` as `field op a OR field op b`."""
    match tree:
        case Literal():
            return test(tree)
        case Not(inner):
            return Negation(_spread(inner, test))
        case And(trees):
            return Junction("AND", tuple(_spread(inner, test) for inner in trees))
        case Or(trees):
            return Junction("OR", tuple(_spread(inner, test) for inner in trees))
        case _:
            raise AssertionError(tree)  # The parser reads values only between these parentheses.


def _compare(subject: Subject, key: Literal | None, comparator: str, offset: int, literal: Literal) -> Term:
    """One comparison; `key` is the map key that the path ended with, `offset` the comparator's place."""
    field = subject.field
    if comparator == ":" and literal.is_star and key is None:
        return Present(field)
    match field.label:
        case Label.SINGULAR:
            return _compare_singular(subject, comparator, offset, literal)
        case Label.REPEATED:
            if comparator != ":":
                raise Misread(offset, f"'{field.name}' is repeated: only ':' can be used, which asks whether it holds the value")
            return Element(field, subject.below, value=_readable(subject, offset)(field, Op.EQUAL, literal))
        case Label.MAP if key is None:
            if comparator != ":":
                raise Misread(offset, f"'{field.name}' is a map: use '{field.name}:key', or '{field.name}.key' with a comparator")
            return Element(field, subject.below, key=read_map_key(field, literal))
        case Label.MAP:
            key_test = read_map_key(field, key)
            if comparator == ":" and literal.is_star:
                return Element(field, subject.below, key=key_test)
            read = _readable(subject, offset)
            require_order(field, comparator, offset)
            value_test = read(field, OPS[comparator], literal)
            return Element(field, subject.below, key=key_test, value=value_test, of_key=comparator != ":")
        case _ as never:
            assert_never(never)


def _compare_singular(subject: Subject, comparator: str, offset: int, literal: Literal) -> Term:
    field = subject.field
    if subject.name is not None:
        if comparator not in ("=", "!=", ":"):
            raise Misread(offset, f"'{field.name}' holds a resource name, which has no order: only = != and : can be used")
        tests = names.read_name(subject.name.pattern, literal)
        if len(tests) == 1 and comparator == "!=" and tests[0][1].op is Op.EQUAL:
            return CompareName(field, ((tests[0][0], Test(Op.UNEQUAL, tests[0][1].value)),))
        return Negation(CompareName(field, tests)) if comparator == "!=" else CompareName(field, tests)
    read = _readable(subject, offset)
    if comparator == ":" and field.kind is Kind.STRING:
        return Compare(field, read_contained(literal))
    require_order(field, comparator, offset)
    return Compare(field, read(field, OPS[comparator], literal))


def _readable(subject: Subject, offset: int) -> Read:
    if subject.read is not None:
        return subject.read
    field = subject.field
    if field.kind is Kind.MESSAGE and field.label is Label.SINGULAR:
        raise Misread(offset, f"'{field.name}' is a message: compare its fields, or use '{field.name}:*' to ask whether it is set")
    raise Misread(offset, f"the values of '{field.name}' cannot be compared; '{field.name}:*' asks whether it is set")


def _refuse_bare(member: Member) -> Misread:
    word = member.path[0]
    if word.upper() in ("AND", "OR", "NOT") and len(member.path) == 1:
        return Misread(member.offsets[0], f"AND, OR and NOT are written in capitals, not {quote(word)}")
    return Misread(
        member.offsets[0],
        f"{quote('.'.join(member.path))} is compared with nothing; no searchable fields are declared, so a comparison "
        'such as field = "value" is expected here',
    )
