"""Health follows the database, and what callers see meanwhile: clear codes in time, never INTERNAL; nothing to restart afterwards.

F05, F06, F07, F15 of the reliability checklist (F08, deadlocks, is with custom code).
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.door.client import Door, Refused
from tests.door.custom import WORKSHOP, pb
from tests.door.running import HealthWatch, Running, running
from tests.engines import Database
from tests.engines.server import Server, driver

THREADS = 8
"""Of the server's, each with a connection."""
NOTICED_SECONDS_MAX = 6.0
"""Until health knows that the database is silent, or back: a probe every second, two to answer in."""
CALL_SECONDS = 1.5
"""Deadline of calls while the database is away."""
LOOK_SECONDS = 0.15
"""Between two looks at InnoDB's transactions: it shows the same again to whoever looks more often than every 0.1 s."""
LATE_SECONDS_MAX = 1.0
"""How much later than its deadline an answer may be seen here, on a busy machine."""
DOWN = {"UNAVAILABLE", "DEADLINE_EXCEEDED"}


@dataclass
class Service:
    """The workshop as a process, with a caller and somebody who watches its health."""

    process: Running
    door: Door
    health: HealthWatch
    database: Database


@pytest.fixture(scope="module")
def service(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One process for all that happens to its database here."""
    folder = WORKSHOP.project(tmp_path_factory.mktemp("workshop"), module_database.url)
    with running(folder, "dev", "--once") as process:
        process.started()
        door, health = WORKSHOP.door(folder, process.target), HealthWatch(process.target, "workshop.v1.Workshop")
        health.until("SERVING", NOTICED_SECONDS_MAX)
        yield Service(process, door, health, module_database)
        health.close()
        door.close()
    assert not [line for line in process.lines if '"trace"' in line], "the server took something for a bug"
    assert len(process.seen('"server.started"')) == 1


numbers = itertools.count(1)


@dataclass(frozen=True)
class Pair:
    """Two accounts of one test."""

    one: str
    """Name."""
    other: str


@pytest.fixture
def pair(service: Service) -> Pair:
    ids = [f"a{next(numbers)}" for _ in range(2)]
    one, other = (service.door.CreateAccount(account_id=own, account=pb.Account(display_name="x")).name for own in ids)
    return Pair(one, other)


def calls(door: Door, pair: Pair) -> dict[str, Callable[..., Any]]:
    """One call of every kind."""
    return {
        "get": lambda **more: door.GetAccount(name=pair.one, **more),
        "list": lambda **more: door.ListAccounts(page_size=10, **more),
        "create": lambda **more: door.CreateAccount(account=pb.Account(display_name="x"), **more),
        "update": lambda **more: door.UpdateAccount(account=pb.Account(name=pair.one, note=str(uuid.uuid4())), **more),
        "custom": lambda **more: door.Transfer(source=pair.one, target=pair.other, amount=1, **more),
        "custom read": lambda **more: door.Meddle(name=pair.one, verb="get", **more),
    }


@dataclass
class Traffic:
    """Calls that go on whatever happens, and how they ended."""

    door: Door
    name: str
    """Of the account that is read."""
    stop: threading.Event = field(default_factory=threading.Event)
    codes: Counter[str] = field(default_factory=Counter)
    kept: list[str] = field(default_factory=list)
    """Names of accounts whose creation was acknowledged."""
    slowest_seconds: float = 0.0

    def run(self) -> None:
        """Read and create in turn until told to stop."""
        while not self.stop.is_set():
            for call in (self.read, self.create):
                began = time.monotonic()
                try:
                    call()
                    self.codes["OK"] += 1
                except Refused as refusal:
                    self.codes[refusal.code] += 1
                self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)

    def read(self) -> None:
        """One call."""
        self.door.GetAccount(name=self.name, seconds=CALL_SECONDS)

    def create(self) -> None:
        """One call, and what it made if that was said."""
        made = self.door.CreateAccount(account=pb.Account(display_name="x"), request_id=str(uuid.uuid4()), seconds=CALL_SECONDS)
        self.kept.append(made.name)


@contextmanager
def traffic(door: Door, name: str) -> Iterator[Traffic]:
    """A few callers at once for as long as the block lasts."""
    going = Traffic(door, name)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(going.run) for _ in range(2)]
        try:
            yield going
        finally:
            going.stop.set()
        for run in runs:
            run.result()


OUTAGES: dict[str, tuple[Callable[[Server], None], Callable[[Server], None]]] = {
    "killed": (Server.kill, Server.restart),
    "paused": (Server.pause, Server.resume),
}


@pytest.mark.engines("mariadb", "mysql")
@pytest.mark.parametrize("outage", OUTAGES)
def test_aip_15_f06_f15_an_outage_is_told_in_time_and_ends_by_itself(server: Server, service: Service, pair: Pair, outage: str) -> None:
    door, begin, end = service.door, *OUTAGES[outage]
    before = len(service.health.told)
    with traffic(door, pair.one) as going:
        begin(server)
        service.health.until("NOT_SERVING", NOTICED_SECONDS_MAX)
        began = time.monotonic()
        with ThreadPoolExecutor() as pool:
            asked = {name: pool.submit(call, seconds=CALL_SECONDS) for name, call in calls(door, pair).items()}
            refusals = {name: call.exception() for name, call in asked.items()}
        assert time.monotonic() - began < CALL_SECONDS + LATE_SECONDS_MAX
        assert {name for name, refusal in refusals.items() if isinstance(refusal, Refused) and refusal.code in DOWN} == set(
            calls(door, pair)
        ), refusals
        end(server)
        service.health.until("SERVING", NOTICED_SECONDS_MAX)
        for call in calls(door, pair).values():
            call()
    assert set(going.codes) <= DOWN | {"OK", "ABORTED"}, going.codes
    assert going.codes["OK"]
    assert going.slowest_seconds < CALL_SECONDS + LATE_SECONDS_MAX
    for name in going.kept[-300:]:
        assert door.GetAccount(name=name).name == name, "what was acknowledged is there"
    assert service.health.told[before:] == ["NOT_SERVING", "SERVING"]


@pytest.mark.engines("mariadb", "mysql")
def test_f05_idle_connections_that_were_killed_are_nothing_callers_notice(server: Server, service: Service, pair: Pair) -> None:
    door = service.door
    for _ in range(3):
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda _: door.ListAccounts(), range(4 * THREADS)))
        assert kill_connections(server, service.database) > THREADS // 2
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda call: call(), [*calls(door, pair).values()] * 3))


@pytest.mark.engines("mariadb", "mysql")
def test_f05_a_connection_killed_in_the_middle_of_a_write_is_nothing_callers_notice(server: Server, service: Service, pair: Pair) -> None:
    with ThreadPoolExecutor(1) as pool:
        with locked(server, service.database, pair.one):
            waiting = pool.submit(calls(service.door, pair)["update"])
            server.execute(f"KILL {waiting_connection(server, service.database)}")
            waiting_connection(server, service.database)  # It is back, on another connection.
        assert waiting.result().name == pair.one


@pytest.mark.engines("mariadb", "mysql")
def test_f07_a_lock_that_is_let_go_is_waited_for(server: Server, service: Service, pair: Pair) -> None:
    with ThreadPoolExecutor(1) as pool:
        with locked(server, service.database, pair.one):
            waiting = pool.submit(calls(service.door, pair)["update"])
            waiting_connection(server, service.database)
        assert waiting.result().name == pair.one


@pytest.mark.engines("mariadb", "mysql")
def test_aip_15_16_f07_a_lock_that_is_kept_ends_in_time_and_leaves_nothing_by_half(server: Server, service: Service, pair: Pair) -> None:
    """The transfer has written its first row when it begins to wait for the second."""
    door = service.door
    with locked(server, service.database, pair.other):
        began = time.monotonic()
        with pytest.raises(Refused) as caught:
            calls(door, pair)["custom"](seconds=CALL_SECONDS)
        assert caught.value.code in {"DEADLINE_EXCEEDED", "ABORTED"}
        assert time.monotonic() - began < CALL_SECONDS + LATE_SECONDS_MAX
        assert door.GetAccount(name=pair.one).balance == 100
        assert door.UpdateAccount(account=pb.Account(name=pair.one, note="free"), seconds=CALL_SECONDS).note == "free"
    assert calls(door, pair)["custom"]().entry.amount == -1
    assert [door.GetAccount(name=name).balance for name in (pair.one, pair.other)] == [99, 101]


@pytest.mark.engines("mariadb", "mysql")
def test_f07_a_lock_kept_past_the_engines_patience_is_tried_again(server: Server, service: Service, pair: Pair) -> None:
    with ThreadPoolExecutor(1) as pool:
        with locked(server, service.database, pair.one):
            waiting = pool.submit(calls(service.door, pair)["update"])
            first = waiting_transaction(server)
            waiting_transaction(server, other_than=first)
        assert waiting.result().name == pair.one


def test_readers_go_on_while_somebody_writes(service: Service, pair: Pair) -> None:
    door = service.door
    with writing(service.database, pair.one):
        for name in ("get", "list", "custom read"):
            began = time.monotonic()
            calls(door, pair)[name](seconds=CALL_SECONDS)
            assert time.monotonic() - began < LATE_SECONDS_MAX
        assert door.GetAccount(name=pair.one).note == "", "and see what is committed"


@contextmanager
def locked(server: Server, database: Database, name: str) -> Iterator[None]:
    """Somebody else's transaction holds the row."""
    connection = driver().connect(host="127.0.0.1", port=server.port, user="root", database=database.name, autocommit=False)
    with closing(connection), closing(connection.cursor()) as cursor:
        cursor.execute("SELECT balance FROM accounts WHERE account = %s FOR UPDATE", (name.rpartition("/")[2],))
        yield
        connection.rollback()


@contextmanager
def writing(database: Database, name: str) -> Iterator[None]:
    """Somebody else's transaction has changed the row and has not committed."""
    if isinstance(database.engine, Server):
        connection: Any = driver().connect(
            host="127.0.0.1", port=database.engine.port, user="root", database=database.name, autocommit=False
        )
    else:
        connection = sqlite3.connect(database.name)
    with closing(connection), closing(connection.cursor()) as cursor:
        own = name.rpartition("/")[2]
        cursor.execute(f"UPDATE accounts SET note = 'changed' WHERE account = '{own}'")
        yield
        connection.rollback()


def kill_connections(server: Server, database: Database) -> int:
    """End every connection of the database; how many there were."""
    found = [row[0] for row in server.execute("SHOW PROCESSLIST") if row[3] == database.name]
    for connection_id in found:
        server.execute(f"KILL {connection_id}")
    return len(found)


def waiting_connection(server: Server, database: Database) -> object:
    """The connection that waits for the lock, once there is one."""
    query = (
        "SELECT p.id FROM information_schema.processlist p JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id"
        " WHERE t.trx_state = 'LOCK WAIT' AND p.db = %s AND p.command = 'Query'"
    )
    return until(lambda: [row[0] for row in server.execute(query, (database.name,))])


def waiting_transaction(server: Server, other_than: object = None) -> object:
    """The transaction that waits for a lock, once there is one; another one than that."""
    query = "SELECT trx_id FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    return until(lambda: [row[0] for row in server.execute(query) if row[0] != other_than])


def until(find: Callable[[], list[object]]) -> object:
    """The first thing found, asked for again and again: the engine tells nobody."""
    deadline = time.monotonic() + 20
    while not (found := find()):
        assert time.monotonic() < deadline
        time.sleep(LOOK_SECONDS)
    return found[0]
