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
from protoplane.contract.model import Field, Kind, Label, Resource
from protoplane.query import names
from protoplane.query.caret import Misread, quote
from protoplane.query.columns import Columns, NameColumns, Path
from protoplane.query.fields import find_path
from protoplane.query.inside import compile_inside
from protoplane.query.literal import OPS, Read, read_contained, reader, require_order
from protoplane.query.predicate import Compare, CompareName, Junction, Negation, Op, Predicate, Present, Term, Test, predicate
from protoplane.query.syntax import And, Bare, Call, Literal, Member, Not, Or, Restriction, Tree, parse

FILTERS_KEPT_MAX = 256
"""Compiled filters a List method remembers by text: clients send few, and at 8 KiB each these take 2 MiB at most."""


class FilterCompiler:
    """Compiles the filters of one List method, and remembers the last FILTERS_KEPT_MAX. Safe for threads."""

    def __init__(self, resource: Resource, columns: Columns) -> None:
        self._resource = resource
        self._columns = columns
        self._subjects: dict[tuple[str, ...], Subject] = {}
        """Those that were named before, without map keys: as many as the contract has fields."""
        self.compile: Callable[[str], Predicate | None] = lru_cache(FILTERS_KEPT_MAX)(self._compile)
        """The predicate of a filter, None for an empty one. Raises INVALID_FILTER with a caret under the place."""

    def _compile(self, text: str) -> Predicate | None:
        try:
            tree = parse(text)
            return None if tree is None else predicate(self._check(tree), slots="filter")
        except Misread as misread:
            raise misread.fault(Reason.INVALID_FILTER, "filter", text) from None

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
        subject, left = self._find(member)
        names, offsets = member.path[len(member.path) - left :], member.offsets[len(member.path) - left :]

        def test(literal: Literal) -> Term:
            if comparator == ":" and literal.is_star and not left:
                return Present(subject.path)
            if left or subject.field.label is not Label.SINGULAR or subject.field.kind is Kind.JSON:
                return compile_inside(subject.path, names, offsets, comparator, offset, literal)
            return _compare(subject, comparator, offset, literal)

        if isinstance(argument, Literal):
            return test(argument)
        if comparator == "!=":  # `x != (a OR b)` says that x is not any of them.
            comparator = "="
            return Negation(_spread(argument, test))
        return _spread(argument, test)

    def _find(self, member: Member) -> tuple[Subject, int]:
        """What the path leads to, and how many names are left that lead into it: into a repeated field, a map or a Struct."""
        known = self._subjects.get(member.path)
        if known is not None:
            return known, 0
        path, left = find_path(self._columns, member.path, member.offsets, "filtered")
        subject = Subject.of(path)
        if not left:
            self._subjects[member.path] = subject
        return subject, left


@dataclass(frozen=True, slots=True)
class Subject:
    """A field as filters see it."""

    path: Path
    read: Read | None
    """How its values' literals are read; None when only presence can be asked."""
    name: NameColumns | None
    """Key columns, when it is a resource name."""

    @staticmethod
    def of(path: Path) -> Subject:
        """The field at a path."""
        field, columns = path.field, path.columns
        name = columns.name(field) if field.kind is Kind.STRING and field.label is Label.SINGULAR else None
        return Subject(path, reader(field.kind), name)

    @property
    def field(self) -> Field:
        """The field itself."""
        return self.path.field


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


def _compare(subject: Subject, comparator: str, offset: int, literal: Literal) -> Term:
    """One comparison with a singular field; `offset` is the comparator's place."""
    field = subject.field
    if subject.name is not None:
        if comparator not in ("=", "!=", ":"):
            raise Misread(offset, f"'{field.name}' holds a resource name, which has no order: only = != and : can be used")
        tests = names.read_name(subject.name.pattern, literal)
        if len(tests) == 1 and comparator == "!=" and tests[0][1].op is Op.EQUAL:
            return CompareName(subject.path, ((tests[0][0], Test(Op.UNEQUAL, tests[0][1].value)),))
        return Negation(CompareName(subject.path, tests)) if comparator == "!=" else CompareName(subject.path, tests)
    read = _readable(subject, offset)
    if comparator == ":" and field.kind is Kind.STRING:
        return Compare(subject.path, read_contained(literal))
    require_order(field, comparator, offset)
    return Compare(subject.path, read(field, OPS[comparator], literal))


def _readable(subject: Subject, offset: int) -> Read:
    if subject.read is not None:
        return subject.read
    field = subject.field
    if field.kind is Kind.MESSAGE:
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
