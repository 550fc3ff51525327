"""B14: a right that goes away while a call waits, and answers that several statements make: interleavings, provoked by the engines' own locks."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed

from protoplane.store.session import Session
from tests.door.client import Door, Refused, code_of
from tests.door.conftest import Serve
from tests.door.service import Service
from tests.door.vault import VAULT
from tests.door.vault import pb as vault_pb
from tests.door.workspace import WORKSPACE, Office, access_door, pb, tuples
from tests.engines import Database
from tests.engines.server import Server, driver

SERVERS = pytest.mark.engines("mariadb", "mysql")
SQLITE = pytest.mark.engines("sqlite")
WAIT_SECONDS_MAX = 10.0
LOOK_SECONDS = 0.15
"""Between two looks at who waits: whoever looks again within 0.1 s is shown the same."""

Refuse = Callable[..., Refused]


@pytest.fixture(scope="module")
def workspace(serve: Serve) -> Service:
    """One of these tests alone: they write past its change log."""
    return serve(WORKSPACE, logged=False)


@pytest.fixture
def office(workspace: Service, fresh_id: str) -> Iterator[Office]:
    """An organisation of Ada's; Bob may edit its folder."""
    with Office.of(workspace, fresh_id) as office:
        office.give(f"{office.folder}#editor@users/bob")
        yield office


def packed(message: Any) -> Any:
    found = Packed()
    found.Pack(message)
    return found


WRITES: dict[str, tuple[str, Callable[[Door, Office], Any]]] = {
    "update": ("documents", lambda bob, office: bob.UpdateDocument(document=pb.Document(name=office.document, title="bob's"))),
    "delete": ("documents", lambda bob, office: bob.DeleteDocument(name=office.document)),
    "batch of updates": (
        "documents",
        lambda bob, office: bob.BatchUpdateDocuments(requests=[{"document": {"name": office.document, "title": "bob's"}}]),
    ),
    "batch of deletes": ("documents", lambda bob, office: bob.BatchDeleteDocuments(names=[office.document])),
    "commit": (
        "documents",
        lambda bob, office: bob.Commit(writes=[{"update": {"resource": packed(pb.Document(name=office.document, title="bob's"))}}]),
    ),
    "custom code": ("documents", lambda bob, office: bob.PublishDocument(name=office.document)),
    "create": ("folders", lambda bob, office: bob.CreateDocument(parent=office.folder, document_id="bobs", document=pb.Document())),
    "batch of creates": (
        "folders",
        lambda bob, office: bob.BatchCreateDocuments(parent=office.folder, requests=[{"document_id": "bobs", "document": {"title": "x"}}]),
    ),
    "update that creates": (
        "folders",
        lambda bob, office: bob.UpdateDocument(document=pb.Document(name=f"{office.folder}/documents/bobs"), allow_missing=True),
    ),
}
"""Calls of Bob's, and the table in which a row of theirs is locked."""


class Holder:
    """Another user of the database, with a transaction of his own."""

    def __init__(self, workspace: Service) -> None:
        engine, self._database = workspace.database.engine, workspace.database
        assert isinstance(engine, Server)
        self.connection = driver().connect(
            host="127.0.0.1", port=engine.port, user="root", database=workspace.database.name, charset="utf8mb4"
        )
        self.cursor = self.connection.cursor()

    def lock(self, table: str, organisation: str) -> None:
        """Its rows there."""
        self.cursor.execute("SET NAMES utf8mb4")
        self.cursor.execute("START TRANSACTION")
        self.cursor.execute(f"SELECT 1 FROM {table} WHERE organisation = %s FOR UPDATE", (organisation,))
        assert self.cursor.fetchall()

    def await_waiting(self) -> None:
        """Until a transaction on this database waits for a lock."""
        done = threading.Event()
        for _ in range(int(WAIT_SECONDS_MAX / LOOK_SECONDS)):
            ((count,),) = self._database.execute("SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'")
            if count:
                return
            done.wait(LOOK_SECONDS)
        raise AssertionError("nobody waits")

    def let_go(self) -> None:
        """End the transaction."""
        self.connection.commit()

    def close(self) -> None:
        """End it, and the connection."""
        self.cursor.close()
        self.connection.close()


@contextmanager
def waiting(workspace: Service, office: Office, way: str) -> Iterator[tuple[Holder, Future[str]]]:
    """Bob's call while it waits for a row that somebody else has locked."""
    table, call = WRITES[way]
    bob = office.door("bob")
    with closing(Holder(workspace)) as holder, ThreadPoolExecutor(1) as threads:
        holder.lock(table, office.name)
        answer = threads.submit(lambda: code_of(lambda: call(bob, office)))
        try:
            holder.await_waiting()
            yield holder, answer
        finally:
            holder.let_go()


def state(office: Office) -> list[tuple[str, str]]:
    """All documents of the folder."""
    found = office.door("ada").ListDocuments(parent=office.folder).documents
    return [(one.name, one.title) for one in found]


@SERVERS
@pytest.mark.parametrize("way", WRITES)
def test_b14_a_right_that_is_taken_while_a_write_waits_is_not_there_when_it_goes_on(workspace: Service, office: Office, way: str) -> None:
    before = state(office)
    with waiting(workspace, office, way) as (holder, answer):
        office.take(f"{office.folder}#editor@users/bob")  # Acknowledged, while Bob's call is under way.
        holder.let_go()
        assert answer.result(WAIT_SECONDS_MAX) == "PERMISSION_DENIED"
    assert state(office) == before


@SERVERS
@pytest.mark.parametrize("way", WRITES)
def test_b14_a_write_that_waited_and_whose_right_is_still_there_is_done(workspace: Service, office: Office, way: str) -> None:
    before = state(office)
    with waiting(workspace, office, way) as (holder, answer):
        holder.let_go()
        assert answer.result(WAIT_SECONDS_MAX) == "OK"
    assert state(office) != before


@SERVERS
def test_b14_who_owned_a_document_does_not_write_what_its_next_owner_made_of_it(workspace: Service, office: Office) -> None:
    """The row that is waited for is the one that says who may write it."""
    office.take(f"{office.folder}#editor@users/bob")
    office.door("ada").UpdateDocument(document=pb.Document(name=office.document, owner="bob"))
    for way in ("update", "delete", "commit", "custom code"):
        with waiting(workspace, office, way) as (holder, answer):
            holder.cursor.execute("UPDATE documents SET owner = 'carol' WHERE organisation = %s", (office.name,))
            holder.let_go()
            assert answer.result(WAIT_SECONDS_MAX) == "PERMISSION_DENIED", way
        office.door("ada").UpdateDocument(document=pb.Document(name=office.document, owner="bob"))
    assert state(office) == [(office.document, "plan")]


@SQLITE
@pytest.mark.parametrize("way", WRITES)
def test_b14_where_one_writes_at_a_time_the_question_is_asked_when_the_turn_has_come(workspace: Service, office: Office, way: str) -> None:
    before, bob, (_, call) = state(office), office.door("bob"), WRITES[way]
    with closing(sqlite3.connect(workspace.database.name, isolation_level=None)) as other, ThreadPoolExecutor(1) as threads:
        other.execute("BEGIN IMMEDIATE")
        answer = threads.submit(lambda: code_of(lambda: call(bob, office)))
        other.execute("DELETE FROM protoplane_tuple WHERE subject_id = 'bob' AND object_id LIKE ?", (f"{office.name}/%",))
        other.execute("COMMIT")
        assert answer.result(WAIT_SECONDS_MAX) == "PERMISSION_DENIED"
    assert state(office) == before


def test_b14_of_two_writes_with_the_same_etag_one_is_done(office: Office) -> None:
    ada, bob = office.door("ada"), office.door("bob")
    for turn in range(10):
        etag = ada.GetDocument(name=office.document).etag
        meeting = threading.Barrier(2)

        def write(door: Door, title: str, etag: str = etag, meeting: threading.Barrier = meeting) -> str:
            meeting.wait(10)
            return code_of(lambda: door.UpdateDocument(document=pb.Document(name=office.document, title=title, etag=etag)))

        with ThreadPoolExecutor(2) as threads:
            codes = [threads.submit(write, door, f"{turn}{i}") for i, door in enumerate((ada, bob))]
            assert sorted(code.result(30) for code in codes) == ["ABORTED", "OK"]


# What several statements find out


@pytest.fixture(scope="module")
def vault(serve: Serve) -> Service:
    """The vault: its relation takes more than one statement."""
    return serve(VAULT)


class Swapped:
    """Between any two statements of the calls that are watched, the tuples change from one state to another, atomically."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, swap: Callable[[], None]) -> None:
        self.on, self.start, self.count = False, 0, 0
        run, mine = Session.rows, threading.local()

        def rows(session: Session, sql: str, params: Any = ()) -> Any:
            if self.on and "object_type" in sql and not getattr(mine, "inside", False):
                self.count += 1
                if self.count > self.start:
                    mine.inside = True
                    swap()
                    mine.inside = False
            return run(session, sql, params)

        monkeypatch.setattr(Session, "rows", rows)

    @contextmanager
    def after(self, statements: int) -> Iterator[None]:
        """Begin to swap after so many."""
        self.on, self.start, self.count = True, statements, 0
        try:
            yield
        finally:
            self.on = False


_numbers = itertools.count(1)


@pytest.fixture
def boxes(vault: Service) -> Iterator[tuple[Door, Door, str, str]]:
    """Calls of a maker and of Bob; a box in another one."""
    with closing(vault.door("maker")) as maker, closing(vault.door("bob")) as bob:
        new = f"b{next(_numbers)}"
        outer = maker.CreateBox(box_id=f"{new}-outer", box=vault_pb.Box(content="outer")).name
        inner = maker.CreateBox(box_id=f"{new}-inner", box=vault_pb.Box(content="inner", outer_box=outer)).name
        yield maker, bob, outer, inner


ASKED: dict[str, Callable[[Door, str], bool]] = {
    "get": lambda bob, inner: code_of(lambda: bob.GetBox(name=inner)) == "OK",
    "batch": lambda bob, inner: code_of(lambda: bob.BatchGetBoxes(names=[inner])) == "OK",
    "list": lambda bob, inner: inner in [one.name for one in bob.ListBoxes(page_size=1000).boxes],
    "aggregate": lambda bob, inner: bob.AggregateBoxes(filter=f'content = "{inner}"').groups[0].values["count"].int64_value > 0,
    "update": lambda bob, inner: code_of(lambda: bob.UpdateBox(box=vault_pb.Box(name=inner, content="stolen"))) == "OK",
    "delete": lambda bob, inner: code_of(lambda: bob.DeleteBox(name=inner, validate_only=True)) == "OK",
    "batch of updates": lambda bob, inner: (
        code_of(lambda: bob.BatchUpdateBoxes(requests=[{"box": {"name": inner, "content": "x"}}])) == "OK"
    ),
}


def atomically(database: Database, *statements: str) -> None:
    """Run statements in one transaction."""
    engine = database.engine
    if isinstance(engine, Server):
        opened: Any = driver().connect(host="127.0.0.1", port=engine.port, user="root", database=database.name, charset="utf8mb4")
    else:
        opened = sqlite3.connect(database.name)
    with closing(opened) as connection, closing(connection.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


PLAIN, CONDITIONAL = "protoplane_tuple", "protoplane_conditional_tuple"
ALWAYS = """, 'while_open', '{"until":"2999-01-01T00:00:00Z"}'"""


def states(kind: str, outer: str, inner: str, other: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Two sets of tuples, each with its table; by none of them may Bob open the inner box, by a part of each he might."""
    link = f"'box', '{inner}', 'opener', 'box', 'opener', "
    ban, outside = f"'box', '{inner}', 'banned', 'user', '', 'bob'", f"'box', '{outer}', 'opener', 'user', '', 'bob'"
    match kind:
        case "but not":
            return [(PLAIN, ban), (PLAIN, outside)], []
        case "but not, and a condition":
            return [(PLAIN, ban), (CONDITIONAL, outside + ALWAYS)], []
        case _:
            elsewhere = outside.replace(f"'{outer}'", f"'{other}'")
            return [(PLAIN, f"{link}'{outer}x'"), (PLAIN, elsewhere)], [
                (PLAIN, f"{link}'{other}'"),
                (PLAIN, elsewhere.replace(f"'{other}'", f"'{outer}x'")),
            ]


@pytest.mark.parametrize("kind", ["but not", "but not, and a condition", "a link and its end"])
@pytest.mark.parametrize("way", ASKED)
def test_b14_no_yes_comes_of_two_statements_that_saw_two_moments(
    vault: Service, boxes: tuple[Door, Door, str, str], monkeypatch: pytest.MonkeyPatch, way: str, kind: str
) -> None:
    maker, bob, outer, inner = boxes
    maker.UpdateBox(box=vault_pb.Box(name=inner, content=inner))
    ids = outer.partition("/")[2], inner.partition("/")[2]
    both = states(kind, *ids, f"{ids[0]}y")
    alone = way in {"update", "delete", "batch of updates"} and not isinstance(vault.database.engine, Server)
    there = 0

    def swap() -> None:
        nonlocal there
        there = 1 - there
        cleared = [f"DELETE FROM {table} WHERE object_id LIKE '{ids[0]}%' AND subject_id = 'bob'" for table in (PLAIN, CONDITIONAL)]
        cleared += [f"DELETE FROM {PLAIN} WHERE object_id = '{ids[1]}' AND relation <> 'maker'"]
        atomically(vault.database, *cleared, *(f"INSERT INTO {table} VALUES ({row})" for table, row in both[there]))

    swapped = Swapped(monkeypatch, (lambda: None) if alone else swap)  # Of SQLite's writer nothing can change under it.
    for start, _ in itertools.product(range(5), range(2)):
        swap()
        with swapped.after(start):
            assert not ASKED[way](bob, inner), start
        assert swapped.count, "nothing was asked"
        swap() if start % 2 else None
    assert maker.GetBox(name=inner).content == inner


def test_b14_a_right_by_the_same_box_is_a_yes_where_nothing_takes_it_away(vault: Service, boxes: tuple[Door, Door, str, str]) -> None:
    """What the test before would not see without."""
    maker, bob, outer, inner = boxes
    maker.UpdateBox(box=vault_pb.Box(name=inner, content=inner))
    with closing(access_door(vault, "keeper")) as access:
        access.WriteRelations(writes=tuples(f"{outer}#opener@users/bob"))
    assert [way for way, ask in ASKED.items() if not ask(bob, inner)] == []
