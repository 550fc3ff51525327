"""Where the questions of a `.fga.yaml` file are asked: the real engine, on a SQLite database of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self, assert_never

from protoplane.access.bounds import BoundExceeded
from protoplane.access.check import Checks, UnknownRelation
from protoplane.access.explain import explain, lines
from protoplane.access.given import Given, Unanswered
from protoplane.access.relations import Relations
from protoplane.access.stated import Reader
from protoplane.access.tuples import Object, RelationTuple
from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault
from protoplane.cli.access_cases import Case, CheckCase, ObjectsCase, Store, Test, UsersCase
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from protoplane.store.tuples import CONDITIONAL_TABLE, TUPLE_TABLE

SECONDS_MAX = 60.0
"""Of one question."""


@dataclass(frozen=True, slots=True)
class Result:
    """A question, and what came of it."""

    case: Case
    expected: str
    got: str = "N/A"
    error: str = ""
    why: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it is what was expected."""
        return not self.error and self.got == self.expected

    @property
    def method(self) -> str:
        """What was asked, as summaries call it."""
        match self.case:
            case CheckCase():
                return "Checks"
            case ObjectsCase():
                return "ListObjects"
            case UsersCase():
                return "ListUsers"
            case _:
                assert_never(self.case)

    def __str__(self) -> str:
        return f"\N{SMALL ROMAN NUMERAL TEN} {self.case}: expected={self.expected}, got={self.got}{f', error={self.error}' if self.error else ''}"


class Bench:
    """A database in memory with the tuples of one file, and of one of its tests at a time."""

    def __init__(self, store: Store, *, explained: bool) -> None:
        self._store, self._explained = store, explained
        self._engine = Engine("sqlite://", threads=1)
        definitions = self._engine.dialect.definitions
        for table in (TUPLE_TABLE, CONDITIONAL_TABLE):
            indexes = [definitions.create_index(table.name, index) for index in table.indexes]
            for statement in (definitions.create_table(table), *indexes):
                self._engine.define(statement, _soon())
        self._checks = Checks(store.model, self._engine)
        self._reader = Reader(self._checks, self._engine)
        self._relations = Relations(store.model, self._engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def run(self, test: Test) -> list[Result]:
        """All questions of a test, on the tuples of the file and its own."""
        # A tuple of the test takes the place of one of the file, whatever their conditions.
        held = list({(one.object, one.relation, one.subject): one for one in (*self._store.tuples, *test.tuples)}.values())
        self._engine.write(lambda session: self._fill(session, held), _soon())
        try:
            return [self._engine.read(partial(self._ask, case), _soon()) for case in test.cases]
        finally:
            self._engine.write(lambda session: self._clear(session, held), _soon())

    def _fill(self, session: Session, held: Sequence[RelationTuple]) -> None:
        self._relations.write(session, held)

    def _clear(self, session: Session, held: Sequence[RelationTuple]) -> None:
        for one in held:
            self._relations.delete(session, one)

    def _ask(self, case: Case, session: Session) -> Result:
        try:
            given = Given(evaluate=self._store.conditions.bind(case.context))
            match case:
                case CheckCase(subject, relation, object_, _, expected):
                    held = self._checks.check(session, subject, relation, object_, given)
                    why = self._why(session, case, given) if held is not expected else ()
                    return Result(case, _truth(expected), _truth(held), why=why)
                case ObjectsCase(subject, relation, kind, _, expected):
                    found = self._checks.list_objects(session, subject, relation, kind, given)
                    return Result(case, _names(expected), _names(str(Object(kind, one)) for one in found))
                case UsersCase(object_, relation, kinds, _, expected):
                    named = {str(one) for kind in kinds for one in self._checks.list_subjects(session, object_, relation, kind, given)}
                    return Result(case, _names(expected), _names(named))
                case _:
                    assert_never(case)
        except (UnknownRelation, BoundExceeded, Unanswered, Fault) as error:
            expected = case.expected
            return Result(case, _truth(expected) if isinstance(expected, bool) else _names(expected), error=str(error))

    def _why(self, session: Session, case: CheckCase, given: Given) -> tuple[str, ...]:
        if not self._explained:
            return ()
        return tuple(lines(explain(session, self._reader, (case.subject, case.relation, case.object), given)))


def _truth(value: bool) -> str:  # noqa: FBT001 - a value that is written.
    return "true" if value else "false"


def _names(values: Iterable[str]) -> str:
    return f"[{' '.join(sorted(values))}]"


def _soon() -> Deadline:
    return Deadline.after(SECONDS_MAX)
