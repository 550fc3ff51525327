"""Where the questions of a `.fga.yaml` file are asked: the real engine, on a SQLite database of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self, assert_never

from protoplane.access.bounds import BoundExceeded
from protoplane.access.check import Checks, UnknownRelation
from protoplane.access.explain import explain, lines
from protoplane.access.relations import Relations
from protoplane.access.stated import Stated, Tuples
from protoplane.access.tuples import Object
from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault
from protoplane.cli.access_cases import Case, CheckCase, ObjectsCase, Store, Test, UsersCase
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from protoplane.store.tuples import TUPLE_TABLE

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
        for statement in (
            definitions.create_table(TUPLE_TABLE),
            *(definitions.create_index(TUPLE_TABLE.name, index) for index in TUPLE_TABLE.indexes),
        ):
            self._engine.define(statement, _soon())
        self._checks = Checks(store.model, self._engine)
        self._relations = Relations(store.model, self._engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def run(self, test: Test) -> list[Result]:
        """All questions of a test, on the tuples of the file and its own."""
        # A tuple of the test takes the place of an equal one of the file.
        held = list({stated.held: stated for stated in (*self._store.tuples, *test.tuples)}.values())
        self._engine.write(lambda session: self._fill(session, held), _soon())
        try:
            return [self._engine.read(partial(self._ask, case), _soon()) for case in test.cases]
        finally:
            self._engine.write(lambda session: self._clear(session, held), _soon())

    def _fill(self, session: Session, held: Sequence[Stated]) -> None:
        self._relations.write(session, [stated.held for stated in held])

    def _clear(self, session: Session, held: Sequence[Stated]) -> None:
        for stated in held:
            self._relations.delete(session, stated.held)

    def _ask(self, case: Case, session: Session) -> Result:
        try:
            match case:
                case CheckCase(subject, relation, object_, _, expected):
                    held = self._checks.check(session, subject, relation, object_)
                    why = self._why(session, case) if held is not expected and self._explained else ()
                    return Result(case, _truth(expected), _truth(held), why=why)
                case ObjectsCase(subject, relation, kind, _, expected):
                    found = self._checks.list_objects(session, subject, relation, kind)
                    return Result(case, _names(expected), _names(str(Object(kind, one)) for one in found))
                case UsersCase(object_, relation, kinds, _, expected):
                    named = {str(one) for kind in kinds for one in self._checks.list_subjects(session, object_, relation, kind)}
                    return Result(case, _names(expected), _names(named))
                case _:
                    assert_never(case)
        except (UnknownRelation, BoundExceeded, Fault) as error:
            expected = case.expected
            return Result(case, _truth(expected) if isinstance(expected, bool) else _names(expected), error=str(error))

    def _why(self, session: Session, case: CheckCase) -> tuple[str, ...]:
        question = case.subject, case.relation, case.object
        return tuple(lines(explain(session, self._checks, Tuples(self._engine), question)))


def _truth(value: bool) -> str:  # noqa: FBT001 - a value that is written.
    return "true" if value else "false"


def _names(values: Iterable[str]) -> str:
    return f"[{' '.join(sorted(values))}]"


def _soon() -> Deadline:
    return Deadline.after(SECONDS_MAX)
