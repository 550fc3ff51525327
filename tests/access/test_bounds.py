"""Deep, wide and cyclic tuples: the right answer or an error, never a wrong one."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from protoplane.access.bounds import LEVELS_MAX, BoundExceeded
from protoplane.access.check import Checks, UnknownRelation
from protoplane.access.syntax import parse
from protoplane.access.tuples import Object, object_of, subject_of, tuple_of
from protoplane.store.closure import Asker
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from tests.access.conftest import fill, soon

T = TypeVar("T")

MODEL = parse("""
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define hidden: [user]
    define viewer: [user, group#member] or viewer from parent
    define reader: ([user] or reader from parent) but not hidden
""")

ANNE = subject_of("user:anne")


def ask(store: Engine, work: Callable[[Session, Checks], T]) -> T:
    checks = Checks(MODEL, store)
    return store.read(lambda session: work(session, checks), soon())


def chain(length: int) -> list[str]:
    """Folders 0, 1, … below one another; the last is the root."""
    return [f"folder:{i}#parent@folder:{i + 1}" for i in range(length)]


def test_a_hundred_folders_deep_is_answered(store: Engine) -> None:
    fill(store, MODEL, map(tuple_of, [*chain(100), "folder:100#viewer@user:anne"]))
    assert ask(store, lambda session, checks: checks.check(session, ANNE, "viewer", object_of("folder:0")))
    assert not ask(store, lambda session, checks: checks.check(session, subject_of("user:bob"), "viewer", object_of("folder:0")))
    assert len(ask(store, lambda session, checks: checks.list_objects(session, ANNE, "viewer", "folder"))) == 101


def test_deeper_than_the_servers_recurse_by_default_is_answered(store: Engine) -> None:
    fill(store, MODEL, map(tuple_of, [*chain(1_500), "folder:1500#viewer@user:anne"]))
    assert ask(store, lambda session, checks: checks.check(session, ANNE, "viewer", object_of("folder:0")))
    assert len(ask(store, lambda session, checks: checks.list_objects(session, ANNE, "viewer", "folder"))) == 1_501


def test_more_levels_than_the_bound_is_an_error_not_a_no(store: Engine) -> None:
    fill(store, MODEL, map(tuple_of, [*chain(LEVELS_MAX + 1), f"folder:{LEVELS_MAX + 1}#reader@user:anne"]))
    with pytest.raises(BoundExceeded, match="LEVELS_MAX"):
        ask(store, lambda session, checks: checks.check(session, ANNE, "reader", object_of("folder:0")))
    assert ask(store, lambda session, checks: checks.check(session, ANNE, "reader", object_of("folder:3")))


def test_cycles_end(store: Engine) -> None:
    cycle = ["folder:0#parent@folder:1", "folder:1#parent@folder:0", "group:a#member@group:b#member", "group:b#member@group:a#member"]
    fill(store, MODEL, map(tuple_of, [*cycle, "folder:0#viewer@group:a#member", "folder:1#reader@user:anne"]))
    assert not ask(store, lambda session, checks: checks.check(session, ANNE, "viewer", object_of("folder:1")))
    assert ask(store, lambda session, checks: checks.check(session, ANNE, "reader", object_of("folder:0")))
    assert ask(store, lambda session, checks: checks.list_subjects(session, object_of("folder:0"), "viewer", Asker("user"))) == []


def test_twenty_thousand_wide_is_answered(store: Engine) -> None:
    wide = [f"group:a#member@user:{i}" for i in range(10_000)] + [f"folder:0#viewer@group:{i}#member" for i in range(10_000)]
    fill(store, MODEL, map(tuple_of, [*wide, "group:77#member@user:anne"]))
    assert ask(store, lambda session, checks: checks.check(session, ANNE, "viewer", object_of("folder:0")))
    assert not ask(store, lambda session, checks: checks.check(session, subject_of("user:7"), "viewer", object_of("folder:0")))
    fill(store, MODEL, map(tuple_of, [*wide, "folder:0#viewer@group:a#member"]))
    found = ask(store, lambda session, checks: checks.list_subjects(session, object_of("folder:0"), "viewer", Asker("user")))
    assert len(found) == 10_000


def test_ids_are_exact(store: Engine) -> None:
    fill(
        store,
        MODEL,
        [tuple_of("folder:é#viewer@user:anne"), tuple_of("folder:f#viewer@group:g#member"), tuple_of("group:g#member@user:bob")],
    )
    for subject, folder in (
        ("user:Anne", "é"),
        ("user:anne ", "é"),
        ("user:anne", "e"),
        ("user:anne", "é "),
        ("user:anne", "e\u0301"),
        ("user:Bob", "f"),
    ):
        assert not ask(store, lambda session, checks: checks.check(session, subject_of(subject), "viewer", Object("folder", folder)))  # noqa: B023 - run at once.
    assert ask(store, lambda session, checks: checks.check(session, ANNE, "viewer", Object("folder", "é")))


def test_a_relation_that_is_not_there_is_an_error(store: Engine) -> None:
    with pytest.raises(UnknownRelation):
        ask(store, lambda session, checks: checks.check(session, ANNE, "owner", object_of("folder:0")))
