"""What the log does when it cannot: a write without an entry is none, whatever is made of the error."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from protoplane.base import clock
from protoplane.base.deadline import Deadline
from protoplane.changes.log import ChangeKind, Log, log_of
from protoplane.contract.load import load
from protoplane.store import migrate, origin
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from protoplane.store.statements import insert
from protoplane.store.system import REQUEST_TABLE, SYSTEM_TABLES
from tests.engines import Database

CONTRACT = """
syntax = "proto3";
package vault.v1;
import "google/api/field_behavior.proto";
import "google/api/resource.proto";
message Safe {
  option (google.api.resource) = {type: "vault.example.com/Safe" pattern: "safes/{safe}" singular: "safe" plural: "safes"};
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
}
"""


@pytest.fixture
def engine_here(database: Database) -> Iterator[Engine]:
    """An engine with Protoplane's own tables."""
    engine = Engine(database.url, threads=1)
    migrate.apply(engine, migrate.plan(engine, SYSTEM_TABLES))
    yield engine
    engine.close()


@pytest.fixture
def log(engine_here: Engine, tmp_path: Path) -> Log:
    """Of safes."""
    (tmp_path / "vault.proto").write_text(CONTRACT)
    contract = load([tmp_path]).contract
    assert contract is not None
    log = log_of(contract.resources["vault.example.com/Safe"], engine_here)
    assert isinstance(log, Log)
    return log


class TakenBackError(Exception):
    """Why a savepoint is rolled back."""


def row(engine: Engine) -> tuple[str, tuple[object, ...]]:
    """A statement that writes a row, and its values."""
    columns = [column.name for column in REQUEST_TABLE.columns]
    return insert(REQUEST_TABLE, columns, engine.database), (
        "p",
        "m",
        "r",
        b"d",
        None,
        engine.dialect.binder(REQUEST_TABLE.columns[5].storage)(0),
    )


def test_code_that_swallows_the_error_keeps_nothing_of_its_transaction(database: Database, engine_here: Engine, log: Log) -> None:
    statement, values = row(engine_here)

    def work(session: Session) -> None:
        session.origin = origin.service("test", clock.now_micros())
        session.execute(statement, values)
        broken: Any = None  # Of a column that is never NULL.
        with pytest.raises(Exception, match=r"(?i)null"):
            log.record(session, cast("ChangeKind", broken), [("safes/x", None, (b"", {}))])

    with pytest.raises(Exception, match=r"(?i)null"):
        engine_here.write(work, Deadline.after(10))
    assert database.execute("SELECT COUNT(*) FROM protoplane_request")[0][0] == 0
    assert database.execute("SELECT COUNT(*) FROM protoplane_change")[0][0] == 0


def test_an_entry_that_nobody_is_the_origin_of_is_a_bug(engine_here: Engine, log: Log) -> None:
    with pytest.raises(RuntimeError, match="origin"):
        engine_here.write(lambda session: log.record(session, ChangeKind.DELETED, [("safes/x", (b"", {}), None)]), Deadline.after(10))


def test_what_a_savepoint_takes_back_it_takes_out_of_the_log(database: Database, engine_here: Engine, log: Log) -> None:
    def work(session: Session) -> None:
        session.origin = origin.service("test", clock.now_micros())
        for name, taken_back in (("safes/a", False), ("safes/b", True), ("safes/c", False)):
            with contextlib.suppress(TakenBackError), session.savepoint():
                log.record(session, ChangeKind.CREATED, [(name, None, (b"", {}))])
                if taken_back:
                    raise TakenBackError

    engine_here.write(work, Deadline.after(10))
    assert sorted(database.execute("SELECT name, ordinal FROM protoplane_change")) == [("safes/a", 0), ("safes/c", 2)]
