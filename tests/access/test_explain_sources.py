"""Explanations where relationships come from everywhere: conditions, columns, names, and what a question comes with."""

import functools
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given

from protoplane.access.check import Checks
from protoplane.access.conditions import Conditions
from protoplane.access.expansion import expand
from protoplane.access.explain import Kind, explain, lines
from protoplane.access.given import Given
from protoplane.access.stated import Reader
from protoplane.access.syntax import parse
from protoplane.access.tuples import Object, RelationTuple, Subject, tuple_of
from protoplane.store.engine import Engine
from tests.access.conftest import fill, soon
from tests.access.sourced import Sourced, sourced
from tests.access.tables import Row, by_columns, keep, make
from tests.access.test_differential import RANDOM
from tests.access.test_explain import sound


@pytest.fixture(scope="module")
def kept(module_store: Engine) -> Engine:
    """With the tables of all resources."""
    make(module_store)
    return module_store


@RANDOM
@given(sourced())
def test_every_explanation_is_what_check_says_whatever_the_source(kept: Engine, case: Sourced) -> None:
    fill(kept, case.model, case.tuples)
    keep(kept, case.rows, case.derived)
    reader, meaning = Reader(Checks(case.model, kept, case.derived), kept), case.meaning()
    said = frozenset(replace(one, context="") for one in (*case.tuples, *case.contextual))
    for one in case.questions:
        question = one.subject, one.relation, one.object
        explanation = kept.read(functools.partial(explain, reader=reader, question=question, given=case.given), soon())
        assert explanation.held is meaning.check(*question), str(one)
        sound(explanation, said)


OFFICE = parse("""
model
  schema 1.1
type user
type group
  relations
    define member: [user with hours]
type document
  relations
    define blocked: [user with hours]
    define editor: [user]
    define viewer: ([user, user with hours, group#member] or editor) but not blocked

condition hours(now: timestamp, until: timestamp) {
  now < until
}
""")

OVER, OPEN = '{"until":"2024-01-01T00:00:00Z"}', '{"until":"2026-01-01T00:00:00Z"}'
NOW = {"now": "2025-01-01T00:00:00Z"}


def under(text: str, context: str) -> RelationTuple:
    return replace(tuple_of(text), condition="hours", context=context)


def told(store: Engine, held: list[RelationTuple], context: Mapping[str, object], *given: RelationTuple) -> list[str]:
    fill(store, OFFICE, held)
    reader, wanted = Reader(Checks(OFFICE, store), store), Given(given, Conditions(OFFICE).bind(context))
    question = Subject("user", "anne"), "viewer", Object("document", "1")
    return list(lines(store.read(lambda session: explain(session, reader, question, wanted), soon())))


def test_a_condition_that_does_not_hold_is_named(module_store: Engine) -> None:
    one = under("document:1#viewer@user:anne", OVER)
    assert told(module_store, [one], NOW) == [
        "no: user:anne is not viewer of document:1, by but not",
        "  - user:anne is not viewer of document:1, by any of",
        f"    - user:anne is not viewer of document:1, tuple {one}: condition 'hours' does not hold",
        "    - user:anne is not editor of document:1: no tuple names it",
    ]


def test_a_condition_that_holds_is_named_and_so_is_a_tuple_that_came_with_the_question(module_store: Engine) -> None:
    held = [tuple_of("document:1#viewer@group:a#member")]
    assert told(module_store, held, NOW, under("group:a#member@user:anne", OPEN)) == [
        "yes: user:anne is viewer of document:1, by but not",
        "  + user:anne is viewer of document:1, by any of",
        "    + user:anne is viewer of document:1, tuple document:1#viewer@group:a#member",
        f"      + user:anne is member of group:a, tuple group:a#member@user:anne with hours {OPEN}",
        "  - user:anne is not blocked of document:1: no tuple names it",
    ]


def test_a_condition_without_an_answer_is_no_yes_and_tells_why(module_store: Engine) -> None:
    lines = told(module_store, [under("document:1#viewer@user:anne", OPEN)], {})
    assert lines[0].startswith("no: user:anne is not viewer of document:1: denied")
    assert lines[2].endswith("condition 'hours': 'now' is missing")


def test_a_condition_without_an_answer_takes_away_where_it_is_subtracted(module_store: Engine) -> None:
    lines = told(module_store, [tuple_of("document:1#viewer@user:anne"), under("document:1#blocked@user:anne", "{}")], NOW)
    assert lines[0].startswith("no: user:anne is not viewer of document:1: denied")
    assert lines[-1].endswith("condition 'hours': 'until' is missing")


def test_expansion_names_who_is_there_under_a_condition_too(module_store: Engine) -> None:
    held = [under("document:1#blocked@user:anne", OVER), tuple_of("document:1#editor@user:bob")]
    fill(module_store, OFFICE, held)
    reader = Reader(Checks(OFFICE, module_store), module_store)
    given = Given((under("document:1#blocked@user:carl", OVER),))
    found = module_store.read(lambda session: expand(session, reader, "blocked", Object("document", "1"), given), soon())
    assert found.subjects == (Subject("user", "anne"), Subject("user", "carl"))


def test_a_column_that_says_it_is_named(kept: Engine) -> None:
    model = parse("model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define r: [user]\n")
    derived = {("doc", "r"): by_columns("doc", "text", "r", Subject("user", ""), "text")}
    one = Object("doc", "a")
    keep(kept, [Row(one, "text", (("r", "u"),))], derived)
    reader, named = Reader(Checks(model, kept, derived), kept), Subject("user", "u")
    explanation = kept.read(lambda session: explain(session, reader, (named, "r", one)), soon())
    assert (explanation.held, explanation.kind) == (True, Kind.FIELD)
    assert explanation.stated is not None
    assert explanation.stated.field == ", ".join(column.name for column in derived["doc", "r"].subject)
    assert kept.read(lambda session: expand(session, reader, "r", one), soon()).subjects == (named,)
