"""From the tables that are there to the tables a contract wants: planned, then applied step by step.

Only what adds is applied: a table, a column that is nullable or has a default, an index. Everything else is reported with its reason.
DDL commits by itself, so each step is one statement, recorded before and after it runs; a run that was cut off is taken up again by
looking at what is there. Two runs at once are harmless: the record is a lease, and a step that is there is not run.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from peewee import Column, Select, Table

from protoplane.base.clock import MICROSECONDS, sleep
from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault, Reason
from protoplane.base.jitter import between
from protoplane.query.slot import Slot
from protoplane.store.ddl import ActualTable, Definitions, is_unbounded
from protoplane.store.engine import Duplicate, Engine, Unusable
from protoplane.store.schema import ColumnShape, ForeignKeyShape, IndexShape, Storage, TableShape
from protoplane.store.session import Session
from protoplane.store.statements import render

APPLY_SECONDS_MAX = 3_600.0
"""Time for all steps together, most of it for indexes over many rows."""

LEASE_SECONDS = 30
"""How long a step that was begun is left to whoever began it. A longer one may be tried twice: the engine lets one of them win."""

POLL_SECONDS = 0.2
"""Pause, on average, before looking again at what another run does or a long transaction holds up."""

STEP_TABLE = TableShape(
    name="protoplane_step",
    columns=(
        ColumnShape("number", Storage.INT64, nullable=False),
        ColumnShape("table_name", Storage.TEXT, nullable=False, length=64),
        ColumnShape("statement", Storage.TEXT, nullable=False),
        ColumnShape("checksum", Storage.TEXT, nullable=False, length=64),
        ColumnShape("state", Storage.TEXT, nullable=False, length=16),
        ColumnShape("holder", Storage.TEXT, nullable=False, length=36),
        ColumnShape("begun", Storage.TIME, nullable=False),
        ColumnShape("lease_until", Storage.TIME, nullable=False),
        ColumnShape("ended", Storage.TIME, nullable=True),
        ColumnShape("problem", Storage.TEXT, nullable=True),
    ),
    primary_key=("number",),
)
"""Every step that was ever begun, in order: RUNNING, then DONE, FAILED, or ABANDONED when its run was cut off (the tables show whether after all)."""


class StepKind(StrEnum):
    """What a step adds."""

    TABLE = "table"
    COLUMN = "column"
    DEFAULT = "default"
    INDEX = "index"


class StepState(StrEnum):
    """How far a recorded step is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Step:
    """One statement. `name` is the column or index it adds, empty for a table; `number` counts within its plan from 1."""

    number: int
    kind: StepKind
    table: str
    name: str
    statement: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the statement, in hex."""
        return hashlib.sha256(self.statement.encode()).hexdigest()

    def is_there(self, actual: Mapping[str, ActualTable]) -> bool:
        """Whether what it adds exists already."""
        table = actual.get(self.table)
        if table is None:
            return False
        match self.kind:
            case StepKind.TABLE:
                return True
            case StepKind.COLUMN:
                return any(column.name == self.name for column in table.shape.columns)
            case StepKind.DEFAULT:
                return self.name not in table.without_default
            case StepKind.INDEX:
                return any(index.name == self.name for index in table.shape.indexes)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as the contract wants it and that no step mends."""

    table: str
    problem: str
    harmless: bool = False
    """It costs room or time only: a column or index nobody asked for, as an older or newer contract leaves it."""

    def __str__(self) -> str:
        return f"table '{self.table}': {self.problem}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What it takes to have the wanted tables."""

    steps: tuple[Step, ...]
    refused: tuple[Difference, ...]

    @property
    def done(self) -> bool:
        """Whether the tables can be served as they are."""
        return not self.steps and all(difference.harmless for difference in self.refused)


class StepFailed(Exception):
    """A step was refused by the database, for good: what it says is the cause."""

    def __init__(self, step: Step, problem: str) -> None:
        self.step = step
        super().__init__(f"{problem}\n    in: {step.statement}")


def introspect(engine: Engine) -> dict[str, ActualTable]:
    """The tables of the database, by name."""
    return engine.inspect(engine.dialect.definitions.introspect)


def plan(engine: Engine, wanted: Sequence[TableShape]) -> Plan:
    """Compare the database with the tables wanted; other tables in it are nobody's business."""
    return compare(engine.dialect.definitions, introspect(engine), wanted)


def compare(definitions: Definitions, actual: Mapping[str, ActualTable], wanted: Sequence[TableShape]) -> Plan:
    """The steps, parents before children, and the differences that remain. The journal of steps comes first where it is missing."""
    steps: list[tuple[StepKind, str, str, str]] = []
    refused: list[Difference] = []
    for shape in parents_first(wanted):
        problems = definitions.problems(shape)
        refused += [Difference(shape.name, problem) for problem in problems]
        if problems:
            continue
        found = actual.get(shape.name)
        if found is None:
            steps.append((StepKind.TABLE, shape.name, "", definitions.create_table(shape)))
            found = ActualTable(TableShape(shape.name, shape.columns, shape.primary_key, (), shape.foreign_key), {})
        refused += table_differences(found, shape)
        for column in shape.columns:
            steps += column_steps(definitions, found, column)
            refused += column_differences(definitions, found, column)
        for index in shape.indexes:
            if index.name not in {i.name for i in found.shape.indexes}:
                steps.append((StepKind.INDEX, shape.name, index.name, definitions.create_index(shape.name, index)))
    if steps and STEP_TABLE.name not in actual:
        steps.insert(0, (StepKind.TABLE, STEP_TABLE.name, "", definitions.create_table(STEP_TABLE)))
    return Plan(tuple(Step(number, *step) for number, step in enumerate(steps, 1)), tuple(refused))


def parents_first(shapes: Sequence[TableShape]) -> list[TableShape]:
    """In an order in which they can be made; the order given where it does not matter."""
    by_name = {shape.name: shape for shape in shapes}
    ordered: dict[str, TableShape] = {}

    def place(shape: TableShape) -> None:
        parent = by_name.get(shape.foreign_key.table) if shape.foreign_key else None
        if parent is not None and parent.name not in ordered and parent is not shape:
            place(parent)
        ordered[shape.name] = shape

    for shape in shapes:
        if shape.name not in ordered:
            place(shape)
    return list(ordered.values())


def column_steps(definitions: Definitions, found: ActualTable, column: ColumnShape) -> Iterable[tuple[StepKind, str, str, str]]:
    """Add a column that is missing, or the default that it lacks."""
    table = found.shape.name
    there = next((c for c in found.shape.columns if c.name == column.name), None)
    if there is None and column.name not in found.strange:
        statement = definitions.add_column(table, column)
        yield StepKind.COLUMN, table, column.name, statement
        default = definitions.set_default(table, column)
        if not column.nullable and is_unbounded(column) and default is not None and "DEFAULT" not in statement:
            yield StepKind.DEFAULT, table, column.name, default
    elif there == column and column.name in found.without_default:
        default = definitions.set_default(table, column)
        if default is not None:
            yield StepKind.DEFAULT, table, column.name, default


def column_differences(definitions: Definitions, found: ActualTable, column: ColumnShape) -> Iterable[Difference]:
    """What is wrong about a column that is there."""
    table = found.shape.name
    if column.name in found.strange:
        yield Difference(table, f"column '{column.name}' is {found.strange[column.name]}, wanted is {definitions.column_type(column)}")
    there = next((c for c in found.shape.columns if c.name == column.name), None)
    if there is None:
        return
    if there.storage is not column.storage:
        yield Difference(table, f"column '{column.name}' holds {there.storage}, wanted is {column.storage}")
    elif there.length != column.length:
        wider = column.length == 0 or 0 < there.length < column.length
        have, want = (str(length or "unbounded") for length in (there.length, column.length))
        yield Difference(
            table, f"column '{column.name}' has length {have}; {'widening' if wider else 'narrowing'} it to {want} is not automatic"
        )
    if there.nullable != column.nullable:
        have, want = ("nullable" if null else "not nullable" for null in (there.nullable, column.nullable))
        yield Difference(table, f"column '{column.name}' is {have}, wanted is {want}")
    elif column.name in found.without_default and definitions.set_default(table, column) is None:
        yield Difference(table, f"column '{column.name}' has no default, wanted is {definitions.default(column)}")


def table_differences(found: ActualTable, wanted: TableShape) -> Iterable[Difference]:
    """What is wrong about keys and indexes, and what nobody asked for."""
    have, table = found.shape, wanted.name
    yield from (Difference(table, remark) for remark in found.remarks)
    if have.primary_key != wanted.primary_key:
        yield Difference(table, f"its primary key is ({', '.join(have.primary_key)}), wanted is ({', '.join(wanted.primary_key)})")
    if have.foreign_key != wanted.foreign_key:
        yield Difference(table, f"its parent is {parent_text(have.foreign_key)}, wanted is {parent_text(wanted.foreign_key)}")
    indexes = {index.name: index for index in wanted.indexes}
    for index in have.indexes:
        if index.name not in indexes:
            yield Difference(table, f"index '{index.name}' is not in the contract", harmless=not index.unique)
        elif index != indexes[index.name]:
            yield Difference(table, f"index '{index.name}' is {index_text(index)}, wanted is {index_text(indexes[index.name])}")
    names = {column.name for column in wanted.columns}
    for column in have.columns:
        if column.name not in names:
            harmless = column.nullable or column.name not in found.without_default
            yield Difference(table, f"column '{column.name}' is not in the contract", harmless=harmless)
    yield from (
        Difference(table, f"column '{name}' ({kind}) is not in the contract") for name, kind in found.strange.items() if name not in names
    )


def parent_text(key: ForeignKeyShape | None) -> str:
    """A foreign key in words."""
    return "none" if key is None else f"'{key.table}' by ({', '.join(key.columns)}) as {key.name}"


def index_text(index: IndexShape) -> str:
    """An index in words."""
    return f"{'unique' if index.unique else 'not unique'} on ({', '.join(index.columns)})"


def ignore(step: Step) -> None:
    """Report to nobody."""
    del step


def apply(engine: Engine, planned: Plan, *, report: Callable[[Step], None] = ignore, deadline: Deadline | None = None) -> None:
    """Run the steps of a plan that are not there yet, in order; `report` is called before each. Without steps nothing is done at all.

    Raises StepFailed, or the engine's faults when the database is out of reach: run it again then, it goes on where it was.
    """
    deadline = deadline or Deadline.after(APPLY_SECONDS_MAX)
    journal = Journal(engine)
    for step in planned.steps:
        report(step)
        run(engine, None if step.table == STEP_TABLE.name else journal, step, deadline)


def run(engine: Engine, journal: Journal | None, step: Step, deadline: Deadline) -> None:
    """One step, until it is there. The step that makes the journal has none."""
    while not step.is_there(introspect(engine)):
        deadline.check()
        if journal is not None and journal.begin(step, deadline) is None:
            pause()  # Another run is at work.
            continue
        try:
            engine.define(step.statement, deadline)
        except Exception as error:
            if isinstance(error, Fault) and error.reason == Reason.CONCURRENT_WRITE:
                pause()
                continue
            if isinstance(error, Fault) and not isinstance(error, Unusable):
                raise
            if step.is_there(introspect(engine)):
                continue  # Another run was quicker.
            if journal is not None:
                journal.end(step, StepState.FAILED, deadline, problem=str(error))
            raise StepFailed(step, str(error)) from error
    if journal is not None:
        journal.end(step, StepState.DONE, deadline)


def pause() -> None:
    """Wait before looking again; not as long as other runs do."""
    sleep(POLL_SECONDS * between(0.5, 1.5))


def reset(engine: Engine, wanted: Sequence[TableShape], *, deadline: Deadline | None = None) -> list[str]:
    """Drop the wanted tables and every other that a step has ever made, with all that is in them; the names of those dropped."""
    deadline = deadline or Deadline.after(APPLY_SECONDS_MAX)
    actual = introspect(engine)
    ours = {shape.name for shape in wanted}
    if STEP_TABLE.name in actual:
        ours |= Journal(engine).tables(deadline)
    doomed = [table.shape for name, table in actual.items() if name in ours and name != STEP_TABLE.name]
    for shape in reversed(parents_first(doomed)):
        engine.define(engine.dialect.definitions.drop_table(shape.name), deadline)
    return [shape.name for shape in doomed]


class Journal:
    """The records of steps, and the lease of the one that runs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.holder = str(uuid.uuid4())
        self.time = engine.dialect.binder(Storage.TIME)
        table = Table(STEP_TABLE.name, [column.name for column in STEP_TABLE.columns])
        column = {shape.name: Column(table, shape.name) for shape in STEP_TABLE.columns}
        number, state, holder, lease = column["number"], column["state"], column["holder"], column["lease_until"]
        read_lease = engine.dialect.read(lease, Storage.TIME)
        running = state == StepState.RUNNING.value
        self.now = render(Select(columns=(engine.dialect.now(),)), engine.database)
        self.running = render(table.select(number, column["checksum"], holder, read_lease).where(running), engine.database)
        self.last = render(table.select(number).order_by(number.desc()).limit(1), engine.database)
        self.made = render(table.select(column["table_name"]).distinct(), engine.database)
        self.insert = render(table.insert({column[shape.name]: Slot(shape.name) for shape in STEP_TABLE.columns}), engine.database)
        claim = {holder: Slot("holder"), lease: Slot("lease_until")}
        unchanged = (number == Slot("number")) & (holder == Slot("seen")) & running
        self.claim = render(table.update(claim).where(unchanged), engine.database)
        finish = {state: Slot("state"), column["ended"]: Slot("ended"), column["problem"]: Slot("problem")}
        self.finish = render(table.update(finish).where(unchanged), engine.database)
        self.finish_all = render(table.update(finish).where((column["checksum"] == Slot("checksum")) & running), engine.database)

    def begin(self, step: Step, deadline: Deadline) -> int | None:
        """Record that a step begins, or take over its record from a run that was cut off; None while another run is at work."""

        def work(session: Session) -> int | None:
            now = self._now(session)
            lease = {"holder": self.holder, "lease_until": self.time(now + LEASE_SECONDS * MICROSECONDS)}
            for number, checksum, holder, until in session.rows(self.running.sql, self.running.bound({})):
                if holder != self.holder and until > now:
                    return None
                if checksum == step.checksum:
                    taken = session.execute(self.claim.sql, self.claim.bound({**lease, "number": number, "seen": holder}))
                    return int(number) if taken else None
                ended = {"state": StepState.ABANDONED.value, "ended": self.time(now), "problem": None, "number": number, "seen": holder}
                session.execute(self.finish.sql, self.finish.bound(ended))
            last = session.row(self.last.sql, self.last.bound({}))
            number = int(last[0]) + 1 if last else 1
            row = {"number": number, "table_name": step.table, "statement": step.statement, "checksum": step.checksum, "ended": None}
            session.execute(
                self.insert.sql,
                self.insert.bound({**row, **lease, "state": StepState.RUNNING.value, "begun": self.time(now), "problem": None}),
            )
            return number

        try:
            return self.engine.write(work, deadline)
        except Duplicate:
            return None  # Another run took the number.

    def end(self, step: Step, state: StepState, deadline: Deadline, *, problem: str | None = None) -> None:
        """Record how a step went, whoever began it: what counts is what is there."""

        def work(session: Session) -> None:
            ended = {"state": state.value, "ended": self.time(self._now(session)), "problem": problem, "checksum": step.checksum}
            session.execute(self.finish_all.sql, self.finish_all.bound(ended))

        self.engine.write(work, deadline)

    def tables(self, deadline: Deadline) -> set[str]:
        """Every table a step was about."""
        return {name for (name,) in self.engine.read(lambda session: session.rows(self.made.sql, self.made.bound({})), deadline)}

    def _now(self, session: Session) -> int:
        """Leases go by the database's clock: every run reads the same."""
        row = session.row(self.now.sql, self.now.bound({}))
        assert row is not None
        return int(row[0])
