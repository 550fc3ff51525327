"""Filters of List methods: text → tree (`syntax`) → checked against the resource (here) → `Predicate`.

Fields are found from the resource's own columns on, through messages and references (`fields`); what lies in a column of JSON is
`inside`'s business, functions are `applied`'s. Sensitive and input-only fields cannot be named at all, on no way: a filter must
not be a way to guess what a caller may not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from protoplane.base import limits
from protoplane.base.errors import Reason
from protoplane.contract.model import Field, Kind, Label, Resource
from protoplane.query import names
from protoplane.query.applied import FunctionReader
from protoplane.query.caret import Misread, quote
from protoplane.query.columns import Columns, Level, NameColumns, Path
from protoplane.query.element import Element, Typed
from protoplane.query.fields import find_path
from protoplane.query.functions import FilterFunction
from protoplane.query.inside import compile_inside
from protoplane.query.literal import OPS, Read, read_contained, reader, require_order, require_time
from protoplane.query.predicate import Compare, CompareName, Junction, Negation, Op, Predicate, Present, Term, Test, Truth, predicate
from protoplane.query.syntax import KEYWORDS, And, Bare, Call, Literal, Member, Not, Or, Restriction, Tree, parse

NO_FUNCTIONS: Mapping[str, FilterFunction] = {}

FILTERS_KEPT_MAX = 256
"""Compiled filters a List method remembers by text: clients send few, and at 8 KiB each these take 2 MiB at most."""


class FilterCompiler:
    """Compiles the filters of one List method, and remembers the last FILTERS_KEPT_MAX. Safe for threads.

    `argument` is the request field that the filters stand in, and what their slots are named after.
    """

    def __init__(
        self, resource: Resource, columns: Columns, functions: Mapping[str, FilterFunction] = NO_FUNCTIONS, *, argument: str = "filter"
    ) -> None:
        self._argument = argument
        self._columns = columns
        self._searched = tuple(Path(columns, field) for field in _searchable(resource.fields))
        self._functions = FunctionReader(columns, functions)
        self._subjects: dict[tuple[str, ...], Subject] = {}
        """Those that were named before, without map keys: as many as the contract has fields."""
        self.compile: Callable[[str], Predicate | None] = lru_cache(FILTERS_KEPT_MAX)(self._compile)
        """The predicate of a filter, None for an empty one. Raises INVALID_FILTER with a caret under the place."""

    def _compile(self, text: str) -> Predicate | None:
        try:
            tree = parse(text)
            return None if tree is None else self._predicate(tree)
        except Misread as misread:
            raise misread.fault(Reason.INVALID_FILTER, self._argument, text) from None

    def _predicate(self, tree: Tree) -> Predicate:
        made = predicate(self._check(tree), slots=self._argument)
        if len(made.views) > limits.FILTER_JOINS_MAX:
            raise Misread(0, f"the filter reaches more than {limits.FILTER_JOINS_MAX} resources through references")
        if made.steps > limits.FILTER_STEPS_MAX:
            raise Misread(0, f"paths with ':' into Structs have more than {limits.FILTER_STEPS_MAX} names on the way, in the whole filter")
        return made

    def _check(self, tree: Tree) -> Term:
        match tree:
            case Restriction(left, comparator, offset, argument):
                return self._check_restriction(left, comparator, offset, argument)
            case Not(inner):
                return Negation(self._check(inner))
            case And(trees):
                return Junction("AND", tuple(self._check(inner) for inner in trees))
            case Or(trees):
                return Junction("OR", tuple(self._check(inner) for inner in trees))
            case Bare(member, literal):
                return self._search(member, literal)
            case Call():
                return self._functions.alone(tree)
            case Literal(offset):
                raise Misread(offset, "a field name is expected here")
            case _ as never:
                assert_never(never)

    def _check_restriction(self, left: Member | Call, comparator: str, offset: int, argument: Tree) -> Term:
        negated = comparator == "!=" and not isinstance(argument, Literal | Call)  # `x != (a OR b)` says that x is not any of them.
        comparator = "=" if negated else comparator
        test = self._called(left, comparator, offset) if isinstance(left, Call) else self._named(left, comparator, offset)
        term = self._spread(argument, test)
        return Negation(term) if negated else term

    def _called(self, call: Call, comparator: str, offset: int) -> Callable[[Literal], Term]:
        return lambda literal: self._functions.compared(call, comparator, offset, literal)

    def _named(self, member: Member, comparator: str, offset: int) -> Callable[[Literal], Term]:
        """The comparison of a field with a literal; `offset` is the comparator's place."""
        subject, left = self._find(member)
        inside, places = member.path[len(member.path) - left :], member.offsets[len(member.path) - left :]

        def test(literal: Literal) -> Term:
            if comparator == ":" and literal.is_star and not left:
                return Present(subject.path)
            if left or subject.field.label is not Label.SINGULAR or subject.field.kind is Kind.JSON:
                return compile_inside(subject.path, inside, places, comparator, offset, literal)
            require_time(subject.field, literal)
            return _compare(subject, comparator, offset, literal)

        return test

    def _spread(self, tree: Tree, test: Callable[[Literal], Term]) -> Term:
        """`field op (a OR b)` as `field op a OR field op b`."""
        match tree:
            case Literal():
                return test(tree)
            case Call():
                return test(self._functions.moment(tree))
            case Not(inner):
                return Negation(self._spread(inner, test))
            case And(trees):
                return Junction("AND", tuple(self._spread(inner, test) for inner in trees))
            case Or(trees):
                return Junction("OR", tuple(self._spread(inner, test) for inner in trees))
            case _:
                raise AssertionError(tree)  # The parser reads values only between these parentheses.

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

    def _search(self, member: Member, literal: Literal) -> Term:
        """A bare word or phrase: some searchable field contains it. True or false, so that `-word` finds what lacks it."""
        if not literal.quoted and literal.text.upper() in KEYWORDS:
            raise Misread(literal.offset, f"AND, OR and NOT are written in capitals, not {quote(literal.text)}")
        if not self._searched:
            problem = (
                f"{quote('.'.join(member.path))} is compared with nothing; no searchable fields are declared, so a comparison such as "
            )
            raise Misread(literal.offset, f'{problem}field = "value" is expected here')
        if not any(literal.pieces):
            raise Misread(literal.offset, "a word to search for is expected here")
        terms = tuple(_contains(path, read_contained(literal)) for path in self._searched)
        return Truth(terms[0] if len(terms) == 1 else Junction("OR", terms))


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


def _searchable(fields: Sequence[Field]) -> Iterator[Field]:
    for field in fields:
        if field.searchable and field.queryable:
            yield field
        if field.kind is Kind.MESSAGE and field.label is Label.SINGULAR and field.queryable:
            yield from _searchable(field.fields)


def _contains(path: Path, test: Test) -> Term:
    field = path.field
    return Compare(path, test) if field.label is Label.SINGULAR else Element(path, (Level(field),), value=Typed(field, test))


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
