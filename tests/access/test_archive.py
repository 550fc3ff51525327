"""Columns and names as sources, at a size at which a plan shows: what is read, what is listed, and what references to nothing mean."""

import json
import re
import time
from collections.abc import Iterator, Sequence

import pytest

from protoplane.access.check import Checks, bound
from protoplane.access.scope import Scope, Shape
from protoplane.access.tuples import Object, Subject, object_of, subject_of, tuple_of
from protoplane.query.slot import bind
from protoplane.store.closure import Asker
from protoplane.store.direct import direct
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from protoplane.store.statements import Statement
from protoplane.store.tuples import closure
from protoplane.store.visible import Visible
from tests.access.archive import DERIVED, MODEL, DocRow, Docs, FolderRow, keep
from tests.access.conftest import fill, soon
from tests.engines import Database

FOLDER_COUNT, DOC_COUNT = 400, 4_000

PLAN_SECONDS_MAX = 0.005
"""Most take 0.5 ms."""

PEOPLE = ("ann", "bob", "cat", "dan", "eve", "fay")


def folders() -> Iterator[FolderRow]:
    """Of four organisations, in trees of ten a level; the first of each organisation is its root."""
    for i in range(FOLDER_COUNT):
        org, number = f"o{i % 4}", i // 4
        yield org, f"f{number}", *((org, f"f{(number - 1) // 10}") if number else ("", ""))


def docs() -> Iterator[DocRow]:
    """Most in folders, every hundredth in one that is not there; some with an owner or a team."""
    for i in range(DOC_COUNT):
        org, number = f"o{i % 4}", i // 4
        place = ("o0", f"gone{i}") if i % 100 == 50 else (org, f"f{number % 100}") if i % 7 else ("", "")
        yield org, number + 1, *place, ("eve" if i % 1_000 == 3 else None), (9 if i % 500 == 1 else None), f"{i:06}"


TUPLES = [
    "org:o0#admin@user:ann",
    "org:o1#admin@group:8#member",
    "group:8#member@group:7#member",
    "group:7#member@user:bob",
    "folder:o2/f3#viewer@user:cat",
    "group:9#member@user:dan",
    "doc:o3/77#viewer@user:fay",
    "doc:o3/78#viewer@user:fay",
    *(f"doc:{strange}#viewer@user:gil" for strange in ("o3/80/x", "o3/081", "o3", "o3/82 ", "o3/83x", "O3/84", "/85")),
    *(f"doc:o0/{number}#blocked@user:ann" for number in range(1, 1_000, 9)),
]


@pytest.fixture(scope="module")
def archive(module_store: Engine, module_database: Database) -> tuple[Engine, Checks]:
    """With all rows and tuples, and what the engine knows about them."""
    keep(module_store, folders(), docs())
    fill(module_store, MODEL, map(tuple_of, TUPLES))
    for name in ("folder", "doc", "protoplane_tuple"):
        module_database.execute(f"ANALYZE {'' if module_store.dialect.name == 'sqlite' else 'TABLE'} {name}")
    return module_store, Checks(MODEL, module_store, DERIVED)


def seen(who: str) -> set[str]:
    """The documents that each may view, by hand."""
    found = set()
    below = {0, 3, *(i for i in range(100) if i and under(i, 3))}
    for org, number, in_org, in_folder, owner, team, _ in docs():
        there = in_org and not in_folder.startswith("gone")
        sees = {
            "ann": there and in_org == "o0",
            "bob": there and in_org == "o1",
            "cat": there and in_org == "o2" and int(in_folder[1:]) in below - {0},
            "dan": team == 9,
            "eve": owner == "eve",
            "fay": org == "o3" and number in {77, 78},
        }[who]
        if sees:
            found.add(f"{org}/{number}")
    return found


def under(number: int, root: int) -> bool:
    """Whether a folder lies below another."""
    return number == root or (number > 0 and under((number - 1) // 10, root))


@pytest.mark.parametrize("who", PEOPLE)
def test_lists_and_checks_are_what_columns_and_names_say(archive: tuple[Engine, Checks], who: str) -> None:
    store, checks = archive
    subject, wanted = Subject("user", who), seen(who)
    assert len(wanted) > 1

    def ask(session: Session) -> None:
        assert checks.list_objects(session, subject, "viewer", "doc") == sorted(wanted)
        every = [f"{org}/{number}" for org, number, *_ in docs()][::7]
        answers = checks.check_many(session, subject, [("viewer", Object("doc", one)) for one in every])
        assert [one for one, answer in zip(every, answers, strict=True) if answer] == [one for one in every if one in wanted]
        assert all(checks.check(session, subject, "viewer", Object("doc", one)) for one in sorted(wanted)[:3])

    store.read(ask, soon())


@pytest.mark.parametrize("relation", ["viewer", "reader"])
@pytest.mark.parametrize("who", PEOPLE)
def test_pages_in_every_shape_are_what_columns_and_names_say(archive: tuple[Engine, Checks], who: str, relation: str) -> None:
    store, checks = archive
    scope, blocked = Scope(checks, ("doc", relation), Docs(store).keys), {text[4:].split("#")[0] for text in TUPLES if "#blocked" in text}
    wanted = seen(who) - (blocked if relation == "reader" and who == "ann" else set())
    ordered = [f"{org}/{number}" for org, number, *_ in docs() if f"{org}/{number}" in wanted]

    def ask(session: Session) -> None:
        for shape in (None, *Shape):
            page = scope.page(session, Subject("user", who), Docs(store), 40, shape)
            assert [row.id for row in page] == ordered[:40], shape
        later = scope.page(session, Subject("user", who), Docs(store, "002000"), 40)
        if relation == "viewer":
            _, condition, values = scope.condition(session, Subject("user", who))
            assert [row.id for row in Docs(store).read(session, condition, values, None, DOC_COUNT)] == ordered
        assert [row.id for row in later] == [f"{o}/{n}" for o, n, *_, rank in docs() if f"{o}/{n}" in wanted and rank > "002000"][:40]

    store.read(ask, soon())


def test_a_tuple_of_an_id_that_no_row_has_shows_no_row(archive: tuple[Engine, Checks]) -> None:
    store, checks = archive
    scope, gil = Scope(checks, ("doc", "viewer"), Docs(store).keys), Subject("user", "gil")

    def ask(session: Session) -> None:
        assert len(checks.list_objects(session, gil, "viewer", "doc")) == 7
        for shape in (None, *Shape):
            assert scope.page(session, gil, Docs(store), 40, shape) == [], shape
        _, condition, values = scope.condition(session, gil)
        assert Docs(store).read(session, condition, values, None, DOC_COUNT) == []

    store.read(ask, soon())


@pytest.mark.parametrize(
    ("who", "object_", "allowed"),
    [
        ("ann", "folder:o0/never", True),
        ("ann", "folder:o1/never", False),
        ("bob", "folder:o1/never", True),
        ("ann", "folder:o0/f1/x", False),
        ("ann", "folder:o0", False),
        ("ann", "folder:O0/f1", False),
        ("ann", "doc:o0/9999999", False),
        ("cat", "folder:o2/f31", True),
        ("cat", "folder:o2/f41", False),
        ("cat", "folder:o2/F31", False),
    ],
)
def test_what_has_no_row_is_judged_by_its_name(archive: tuple[Engine, Checks], who: str, object_: str, allowed: bool) -> None:
    store, checks = archive
    asked = Subject("user", who), "viewer", object_of(object_)
    assert store.read(lambda session: checks.check(session, *asked), soon()) is allowed
    listed = store.read(lambda session: checks.list_subjects(session, asked[2], "viewer", Asker("user")), soon())
    assert (asked[0] in listed) is allowed


def test_a_reference_to_a_row_that_is_not_there_leads_no_further(archive: tuple[Engine, Checks]) -> None:
    store, checks = archive
    org, number, in_org, in_folder, *_ = next(row for row in docs() if row[3].startswith("gone"))
    ann = subject_of("user:ann")

    def ask(session: Session) -> None:
        asked = [("viewer", Object("doc", f"{org}/{number}")), ("viewer", Object("folder", f"{in_org}/{in_folder}"))]
        assert checks.check_many(session, ann, asked) == [False, True]
        assert [checks.check(session, ann, relation, one) for relation, one in asked] == [False, True]
        assert checks.check_many(session, ann, [("reader", asked[0][1]), *asked]) == [False, False, True]

    store.read(ask, soon())


def statements(store: Engine, checks: Checks) -> Iterator[tuple[str, Statement, dict[str, object]]]:
    """Those of every kind of question, with values."""
    graph, closures, visible = checks.graph, checks.closures, Visible(checks.closures)
    subject, asker = Subject("user", "cat"), Asker("user")
    viewer, root = graph.node(("doc", "viewer")), graph.candidates(("doc", "viewer"))
    behind = closure([graph.nodes[number] for number in sorted({link.target for link in root.links})], graph.nodes, usersets=True)
    one = {"subject": bound(subject), "node": viewer.number, "object": "o2/9", "limit": 100}
    many = json.dumps([[i, viewer.number, f"o2/{i}", 1] for i in range(1, 40)])
    places = json.dumps([[node.number, "o2/f3"] for node in behind])
    rows = json.dumps([[root.number, f"o2/{i}"] for i in range(1, 100)])
    yield "check", closures.check(graph.nodes, [viewer], asker, listed=False), one
    yield "check_many", closures.check(graph.nodes, [viewer], asker, listed=True), {**one, "listed": many}
    yield "list_objects", closures.list_objects(graph.nodes, [viewer], asker), one
    yield "list_subjects", closures.list_subjects(graph.nodes, viewer, asker), one
    for name, statement in {
        "direct": direct(closures, viewer, asker),
        "seeds": visible.seeds(root, asker),
        "step": visible.step(root),
        "places": visible.places(graph.nodes, (root,), asker),
    }.items():
        assert statement is not None
        yield name, statement, {**one, "listed": places, "examined": 1_000}
    for walked in (False, True):
        yield f"within {walked}", visible.within(graph.nodes, root, asker, walked=walked), {**one, "listed": rows, "visible": places}
    found = Docs(store)
    keys = json.dumps([["o2", 1], ["o2", 2]])
    yield "among", found.statement(visible.among(found.keys)), {"visible": keys, "rank": "", "limit": 50}


def test_every_statement_reads_by_indexes_alone(archive: tuple[Engine, Checks]) -> None:
    store, checks = archive
    for name, statement, values in statements(store, checks):
        plan = plan_of(store, statement, values)
        read = [line for line in plan if stored(line)]
        assert read or any(map(LOOKED_UP.search, plan)), name
        assert [line for line in read if WHOLE.search(line)] == [], name


LOOKED_UP = re.compile(r"Impossible WHERE|no matching row in const table")
"""The whole key is told, and the servers have looked it up to make a plan."""

WHOLE = re.compile(r"type=(ALL|index)\b|step=SCAN")
"""A step that reads all of a table, or of an index."""


def stored(line: str) -> bool:
    """Whether a step reads a table that is stored, and not what the statement has made."""
    return re.search(r"(table=|SCAN |SEARCH )(t|c|d\d|t1|folder|doc)\b", line) is not None


def plan_of(store: Engine, statement: Statement, values: dict[str, object]) -> tuple[str, ...]:
    """The steps of a statement; `Engine.explain` is for what callers run, and knows no WITH."""
    plans, params = store.dialect.plans, bind(statement.params, values)
    return plans.lines(store.read(lambda session: session.rows(plans.ask + statement.sql, params), soon()))


@pytest.mark.engines("mariadb")
def test_a_statement_of_five_sources_is_planned_within_milliseconds(archive: tuple[Engine, Checks]) -> None:
    store, checks = archive

    def best(session: Session, statement: Statement, params: Sequence[object]) -> float:
        def once() -> float:
            began = time.perf_counter()
            session.rows(f"EXPLAIN {statement.sql}", params)
            return time.perf_counter() - began

        return min(once() for _ in range(5))

    for name, statement, values in statements(store, checks):
        params = bind(statement.params, values)
        assert store.read(lambda session: best(session, statement, params), soon()) < PLAN_SECONDS_MAX, name  # noqa: B023 - run at once.
