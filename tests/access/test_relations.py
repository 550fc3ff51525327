"""Tuples written, taken away, forgotten and read, of both tables; by many at once."""

import threading
from collections.abc import Iterable

import pytest

from protoplane.access.relations import NotAdmitted, Relations, TupleFilter
from protoplane.access.syntax import parse
from protoplane.access.tuples import Object, RelationTuple, Subject, object_of, subject_of, tuple_of
from protoplane.store.engine import Duplicate, Engine
from protoplane.store.session import Session
from protoplane.store.tuples import CONDITIONAL_TABLE, TUPLE_TABLE
from protoplane.store.written import Filter, Written
from tests.access.conftest import fill, soon

MODEL = parse("""
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type doc
  relations
    define parent: [doc]
    define owner: [user with open, group#member with open]
    define viewer: [user, user:*, group#member, user with open, user with closed]
condition open(x: int) {
  x > 0
}
condition closed(x: int) {
  x < 0
}
""")

ALL = TupleFilter()


def held(text: str, condition: str = "", context: str = "") -> RelationTuple:
    """A tuple, under a condition perhaps."""
    one = tuple_of(text)
    return RelationTuple(one.object, one.relation, one.subject, condition, context or ("{}" if condition else ""))


PLAIN, OPEN, CLOSED = (
    held("doc:1#viewer@user:ann"),
    held("doc:1#viewer@user:ann", "open", '{"x":1}'),
    held("doc:1#viewer@user:ann", "closed"),
)


@pytest.fixture
def relations(store: Engine) -> Relations:
    """Of the model, with no tuples."""
    return Relations(MODEL, store)


def everything(store: Engine, relations: Relations, which: TupleFilter = ALL) -> list[RelationTuple]:
    return store.read(lambda session: relations.read(session, which, limit=10_000), soon())


def write(store: Engine, relations: Relations, tuples: Iterable[RelationTuple], *, ignore: bool = False) -> int:
    listed = list(tuples)
    return store.write(lambda session: relations.write(session, listed, ignore=ignore), soon())


@pytest.mark.parametrize("first", [PLAIN, OPEN, CLOSED])
@pytest.mark.parametrize("second", [PLAIN, OPEN, CLOSED])
@pytest.mark.parametrize("ignore", [False, True])
def test_a_key_stands_in_one_table_and_only_the_same_tuple_is_ignored(
    store: Engine, relations: Relations, first: RelationTuple, second: RelationTuple, ignore: bool
) -> None:
    assert write(store, relations, [first]) == 1
    if ignore and first == second:
        assert write(store, relations, [second, held("doc:2#viewer@user:ann")], ignore=True) == 1
    else:
        with pytest.raises(Duplicate):
            write(store, relations, [second, held("doc:2#viewer@user:ann")], ignore=ignore)
    assert [one for one in everything(store, relations) if one.object.id == "1"] == [first]
    assert store.write(lambda session: relations.delete(session, second), soon())
    assert not store.write(lambda session: relations.delete(session, second), soon())


def test_another_context_is_another_tuple(store: Engine, relations: Relations) -> None:
    write(store, relations, [OPEN])
    with pytest.raises(Duplicate):
        write(store, relations, [held(str(PLAIN), "open", '{"x":2}')], ignore=True)
    assert write(store, relations, [OPEN, OPEN], ignore=True) == 0


@pytest.mark.parametrize(
    "refused",
    [
        held("doc:1#owner@user:ann"),
        held("doc:1#owner@user:ann", "closed"),
        held("doc:1#viewer@user:*", "open"),
        held("doc:1#viewer@group:a#member", "open"),
        held("doc:1#parent@user:ann"),
        held("group:a#member@group:a#member"),
        held(f"doc:{'x' * 256}#viewer@user:ann"),
    ],
)
def test_what_the_model_does_not_admit_is_not_written_and_nothing_with_it(
    store: Engine, relations: Relations, refused: RelationTuple
) -> None:
    for ignore in (False, True):
        with pytest.raises(NotAdmitted):
            write(store, relations, [PLAIN, refused], ignore=ignore)
    assert everything(store, relations) == []


def test_many_are_taken_away_from_both_tables(store: Engine, relations: Relations) -> None:
    tuples = [held(f"doc:{i}#viewer@user:ann", *(("open",) if i % 2 else ())) for i in range(50)]
    write(store, relations, tuples)
    missing = held("doc:99#viewer@user:ann")
    assert store.write(lambda session: relations.delete_all(session, [*tuples[10:20], missing, tuples[10]]), soon()) == 10
    assert everything(store, relations) == sorted([*tuples[:10], *tuples[20:]])


NESTED = [
    "doc:f1#viewer@user:ann",
    "doc:f1/a#viewer@user:ann",
    "doc:f1/a/b#viewer@group:f1/g#member",
    "doc:f10#viewer@user:ann",
    "doc:f1.x#viewer@user:ann",
    "doc:f10/a#parent@doc:f1/a",
    "doc:F1/a#viewer@user:ann",
    "doc:z#parent@doc:f1/b",
    "doc:z#parent@doc:f1",
    "group:f1/g#member@user:ann",
    "group:g#member@user:f1/ann",
]
UNDER = [held("doc:f1/c#owner@user:ann", "open"), held("doc:z#owner@group:f1/g#member", "open"), held("doc:z#owner@user:bob", "open")]


def test_everything_below_an_object_is_forgotten_and_nothing_else(store: Engine, relations: Relations) -> None:
    tuples = [*map(held, NESTED), *UNDER]
    write(store, relations, tuples)
    gone = [one for one in tuples if any(part.type == "doc" and part.id.startswith("f1/") for part in (one.object, one.subject.object))]
    assert store.write(lambda session: relations.forget_below(session, "doc", "f1"), soon()) == len(gone) == 5
    assert everything(store, relations) == sorted(set(tuples) - set(gone))


def test_objects_are_forgotten_as_objects_and_as_subjects(store: Engine, relations: Relations) -> None:
    tuples = [*map(held, NESTED), *UNDER]
    write(store, relations, tuples)
    objects = {Object("doc", "f1"), Object("group", "f1/g"), Object("user", "bob"), Object("doc", "never")}
    gone = [one for one in tuples if one.object in objects or one.subject.object in objects]
    assert store.write(lambda session: relations.forget(session, objects), soon()) == len(gone) == 6
    assert everything(store, relations) == sorted(set(tuples) - set(gone))
    assert store.write(lambda session: relations.forget(session, []), soon()) == 0


@pytest.mark.parametrize(
    "which",
    [
        ALL,
        TupleFilter(object_type="doc"),
        TupleFilter(object_type="doc", object_id="3"),
        TupleFilter(object_type="doc", object_id="3", relation="viewer"),
        TupleFilter(object_type="doc", relation="owner"),
        TupleFilter(relation="viewer"),
        TupleFilter(subject=subject_of("user:u1")),
        TupleFilter(subject=subject_of("group:g1#member")),
        TupleFilter(object_type="doc", subject=subject_of("user:u1")),
        TupleFilter(object_type="doc", relation="viewer", subject=subject_of("user:u1")),
        TupleFilter(relation="owner", subject=subject_of("user:u1")),
        TupleFilter(object_type="doc", object_id="3", subject=subject_of("user:u1")),
        TupleFilter(object_type="doc", object_id="3", relation="viewer", subject=subject_of("user:u1")),
        TupleFilter(object_type="doc", object_id="nothing"),
    ],
)
def test_pages_have_every_tuple_once_and_are_planned_by_an_index(store: Engine, relations: Relations, which: TupleFilter) -> None:
    tuples = [held(f"doc:{i}#viewer@user:u{j}", *(("open",) if (i + j) % 3 else ())) for i in range(8) for j in range(8)]
    tuples += [held(f"doc:{i}#owner@user:u{j}", "open") for i in range(8) for j in range(0, 8, 3)]
    tuples += [held(f"doc:{i}#viewer@group:g{j}#member") for i in range(8) for j in range(3)]
    write(store, relations, tuples)
    wanted = {one for one in tuples if fits(which, one)}
    for size in (1, 7, 500):
        found: list[RelationTuple] = []
        while page := store.read(lambda session: relations.read(session, which, limit=size, after=found[-1] if found else None), soon()):  # noqa: B023 - run at once.
            assert len(page) <= size
            found += page
        assert len(found) == len(set(found))
        assert set(found) == wanted
        if which.subject is None or which.object_id:
            assert found == sorted(
                found, key=lambda one: (one.object, one.relation, one.subject.type, one.subject.relation, one.subject.id)
            )
    assert_planned(store, which)


def fits(which: TupleFilter, one: RelationTuple) -> bool:
    return (
        which.object_type in {"", one.object.type}
        and which.object_id in {"", one.object.id}
        and which.relation in {"", one.relation}
        and which.subject in {None, one.subject}
    )


def assert_planned(store: Engine, which: TupleFilter) -> None:
    told = {"object_type": which.object_type, "object_id": which.object_id, "relation": which.relation}
    names = {name for name, value in told.items() if value} | (
        {"subject_type", "subject_id", "subject_relation"} if which.subject else set()
    )
    for shape in (TUPLE_TABLE, CONDITIONAL_TABLE):
        for after in (False, True) if Filter(frozenset(names)).order else (False,):
            statement = Written(store).reading(shape, Filter(frozenset(names)), after)
            params = [5 if getattr(slot, "name", "") == "limit" else "doc" for slot in statement.params]
            rows = store.read(lambda session: session.rows(store.dialect.plans.ask + statement.sql, params), soon())  # noqa: B023 - run at once.
            plan = "\n".join(store.dialect.plans.lines(rows))
            assert "filesort" not in plan, plan
            assert "TEMP B-TREE" not in plan, plan
            assert "type=ALL" not in plan, plan
            if names & {"object_type", "subject_id"}:
                assert "SCAN" not in plan, plan
                assert "type=index " not in plan, plan


def test_thirty_writers_of_one_object_never_see_an_error_and_what_was_acknowledged_is_there(store: Engine, relations: Relations) -> None:
    fill(store, MODEL, [])
    there: set[RelationTuple] = set()
    failures: list[BaseException] = []
    keeping = threading.Lock()

    def work(number: int) -> None:
        own = [held(f"doc:1#viewer@user:{number}-{i}", *(("open",) if i % 2 else ())) for i in range(4)]
        shared = [held(f"doc:1#viewer@user:all-{i}", *(("closed",) if i % 2 else ())) for i in range(10)]
        try:
            for turn in range(4):
                write(store, relations, [*shared[:: -1 if turn % 2 else 1], own[turn]], ignore=True)
                if turn == 3:
                    store.write(lambda session: relations.delete_all(session, own[:2]), soon())
            with keeping:
                there.update(shared, own[2:])
        except BaseException as failure:  # noqa: BLE001 - told below, by the thread that asserts.
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert everything(store, relations) == sorted(there)


def test_of_two_that_write_one_key_to_both_tables_at_once_one_is_refused(store: Engine, relations: Relations) -> None:
    fill(store, MODEL, [])
    for i in range(40):
        pair = [held(f"doc:{i}#viewer@user:ann"), held(f"doc:{i}#viewer@user:ann", "open")]
        outcomes: list[bool] = []
        barrier = threading.Barrier(2)

        def work(one: RelationTuple, barrier: threading.Barrier = barrier, outcomes: list[bool] = outcomes) -> None:
            barrier.wait()
            try:
                write(store, relations, [one])
                outcomes.append(True)
            except Duplicate:
                outcomes.append(False)

        threads = [threading.Thread(target=work, args=(one,)) for one in pair]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [False, True]
    assert len(everything(store, relations)) == 40


def test_forgetting_does_not_wait_for_tuples_of_others(store: Engine, relations: Relations) -> None:
    write(store, relations, [held(f"doc:{i}#viewer@user:ann") for i in range(20)])

    def elsewhere(session: Session) -> None:
        relations.delete(session, held("doc:7#viewer@user:ann"))
        done = threading.Event()

        def forget() -> None:
            store.write(lambda other: relations.forget(other, [object_of("doc:3"), Object("user", "bob")]), soon(2.0))
            store.write(lambda other: relations.forget_below(other, "doc", "3"), soon(2.0))
            done.set()

        thread = threading.Thread(target=forget)
        thread.start()
        thread.join()
        assert done.is_set()

    if store.dialect.name != "sqlite":  # Which has one writer at a time.
        store.write(elsewhere, soon())
        assert len(everything(store, relations, TupleFilter(subject=Subject("user", "ann")))) == 18
