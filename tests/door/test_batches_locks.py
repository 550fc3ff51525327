"""Batches and commits that touch the same rows in opposite orders wait for each other in one order, and no statement of theirs scans."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.field_mask_pb2 import FieldMask

from tests.door.client import Door
from tests.door.depot import commit, pb
from tests.door.service import Service
from tests.engines import Database
from tests.engines.server import Server, driver

ROUNDS = 12
CALLERS = 4
ROWS = 40
SERVERS = pytest.mark.engines("mariadb", "mysql")  # SQLite has one writer at a time.


def deadlocks(depot: Service) -> int:
    """How many the server has had."""
    ((count,),) = depot.database.execute("SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks'")
    assert isinstance(count, int)
    return count


def at_once(depot: Service, *calls: Callable[[Door, int], object]) -> None:
    """Make the calls many times, each time all of them together, from connections of their own."""
    doors = [depot.door() for _ in calls]
    meeting = threading.Barrier(len(calls))

    def run(door: Door, call: Callable[[Door, int], object]) -> None:
        for turn in range(ROUNDS):
            meeting.wait(20)
            call(door, turn)

    with ThreadPoolExecutor(len(calls)) as threads:
        done = [threads.submit(run, door, call) for door, call in zip(doors, calls, strict=True)]
        for one in done:
            one.result(60)
    for door in doors:
        door.close()


def filled(keeper: Door, town: str) -> list[str]:
    """A depot's crates, by name."""
    place = keeper.CreateDepot(depot=pb.Depot(town=town)).name
    requests = [pb.CreateCrateRequest(crate_id=f"c{n:02}", crate=pb.Crate(label="0")) for n in range(ROWS)]
    return [one.name for one in keeper.BatchCreateCrates(parent=place, requests=requests).crates]


@SERVERS
def test_aip_46_batch_updates_in_opposite_orders_never_deadlock(depot: Service, keeper: Door) -> None:
    names = filled(keeper, "Ghent") + filled(keeper, "Bruges")
    before = deadlocks(depot)

    def caller(number: int) -> Callable[[Door, int], object]:
        order = names if number % 2 else names[::-1]

        def call(door: Door, turn: int) -> object:
            mask = FieldMask(paths=["label"])
            items = [pb.UpdateCrateRequest(crate=pb.Crate(name=name, label=f"{number} {turn}"), update_mask=mask) for name in order]
            return door.BatchUpdateCrates(requests=items)

        return call

    at_once(depot, *(caller(number) for number in range(CALLERS)))
    assert deadlocks(depot) == before
    found = {one.label for one in keeper.BatchGetCrates(names=names).crates}
    assert len(found) == 1, "the last batch wrote all of them"


def packed(message: Any) -> Any:
    """A resource in a write."""
    made = Packed()
    made.Pack(message)
    return made


def changing(name: str, label: str) -> Any:
    """A write of a crate, or of a depot."""
    resource = pb.Crate(name=name, label=label) if "/crates/" in name else pb.Depot(name=name, town=label)
    mask = FieldMask(paths=["label" if "/crates/" in name else "town"])
    return commit.Write(update=commit.Write.Update(resource=packed(resource), update_mask=mask))


@SERVERS
def test_aip_58_commits_in_opposite_orders_over_parents_and_children_never_deadlock(depot: Service, keeper: Door) -> None:
    crates = filled(keeper, "Ghent")[:8] + filled(keeper, "Bruges")[:8]
    places = sorted({name.rpartition("/crates/")[0] for name in crates})
    names = [crates[0], places[1], *crates[1:15], places[0], crates[15]]
    before = deadlocks(depot)

    def caller(number: int) -> Callable[[Door, int], object]:
        order, below = (names, places) if number % 2 else (names[::-1], places[::-1])

        def call(door: Door, turn: int) -> object:
            created = [
                commit.Write(create=commit.Write.Create(parent=place, id=f"n{number}-{turn}", resource=packed(pb.Crate(label="new"))))
                for place in below
            ]
            changed = [changing(name, f"{number} {turn}") for name in order]
            # The children first, and parents that this commit does not change itself every other time.
            return door.Commit(writes=[*created, *(changed if turn % 2 else changed[:1])])

        return call

    at_once(depot, *(caller(number) for number in range(CALLERS)))
    assert deadlocks(depot) == before
    assert len(keeper.ListCrates(parent=places[0], page_size=1_000).crates) == ROWS + CALLERS * ROUNDS


def plan(database: Database, sql: str, params: Sequence[object]) -> list[dict[str, str]]:
    """How the engine reaches the rows of the table, a step each: `type` and `key` (servers), or `detail` (SQLite)."""
    engine = database.engine
    if not isinstance(engine, Server):
        with closing(sqlite3.connect(database.name)) as connection:
            return [{"table": "t1", "detail": row[3]} for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", params)]
    connection = driver().connect(host="127.0.0.1", port=engine.port, user="root", database=database.name, charset="utf8mb4")
    with closing(connection), closing(connection.cursor()) as cursor:
        cursor.execute(f"SET NAMES utf8mb4 COLLATE {'utf8mb4_nopad_bin' if engine.name == 'mariadb' else 'utf8mb4_0900_bin'}")
        cursor.execute(f"EXPLAIN {'' if engine.name == 'mariadb' else 'FORMAT=TRADITIONAL '}{sql}", tuple(params))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, map(str, row), strict=True)) for row in cursor.fetchall()]


@pytest.mark.parametrize("call", ["BatchGetCrates", "BatchUpdateCrates", "BatchDeleteCrates"])
@pytest.mark.parametrize("rows", [2, ROWS])
def test_aip_45_46_47_every_statement_of_a_batch_finds_its_rows_by_key(depot: Service, keeper: Door, call: str, rows: int) -> None:
    """Also where it asks for half of a small table, which optimizers rather read whole."""
    names = [*filled(keeper, "Ghent")[: rows // 2], *filled(keeper, "Bruges")[: rows // 2]]
    mask = FieldMask(paths=["label"])
    updates = [pb.UpdateCrateRequest(crate=pb.Crate(name=name, label="new"), update_mask=mask) for name in names]
    depot.ran.clear()
    getattr(keeper, call)(**({"requests": updates} if "Update" in call else {"names": names}))
    ran = [(sql, params) for sql, params in depot.ran if "protoplane_" not in sql]
    assert ran
    for sql, params in ran:
        steps = [step for step in plan(depot.database, sql, params) if step["table"] == "t1"]
        if isinstance(depot.database.engine, Server):
            assert [(step["type"], step["key"], step["rows"]) for step in steps] == [("eq_ref", "PRIMARY", "1")], (sql, steps)
        else:
            details = [step["detail"] for step in steps]
            assert any("USING PRIMARY KEY (depot=? AND crate=?)" in detail for detail in details), details
            assert not any(re.match(r"SCAN (t1|crates)", detail) for detail in details), details
