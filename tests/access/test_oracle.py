"""The two interpreters that everything else is held against, held against each other and a few answers by hand."""

import pytest
from hypothesis import given, settings

from protoplane.access.model import Exclusion, Model
from protoplane.access.syntax import parse
from protoplane.access.tuples import object_of, subject_of, tuple_of
from tests.access.cases import Case, cases
from tests.access.oracle import Meaning, Walk

FILES = """
model
  schema 1.1
type user
type group
  relations
    define member: [user, user:*, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
type document
  relations
    define parent: [folder]
    define blocked: [user, group#member]
    define editor: [user, group#member]
    define viewer: ([user] or editor or viewer from parent) but not blocked
"""


@pytest.mark.parametrize(
    ("tuples", "subject", "allowed"),
    [
        (["document:1#viewer@user:anne"], "user:anne", True),
        (["document:1#viewer@user:anne"], "user:Anne", False),
        (["document:1#editor@group:a#member", "group:a#member@group:b#member", "group:b#member@user:anne"], "user:anne", True),
        (["document:1#editor@group:a#member", "group:a#member@user:*"], "user:anne", True),
        (["document:1#editor@group:a#member", "group:a#member@user:*"], "user:*", True),
        (["document:1#editor@group:a#member"], "group:a#member", True),
        (["document:1#editor@group:a#member", "group:a#member@user:*"], "group:b#member", False),
        (["document:1#parent@folder:x", "folder:x#parent@folder:y", "folder:y#viewer@user:anne"], "user:anne", True),
        (["document:1#viewer@user:anne", "document:1#blocked@user:anne"], "user:anne", False),
        (["group:a#member@group:b#member", "group:b#member@group:a#member", "document:1#editor@group:a#member"], "user:anne", False),
    ],
)
def test_what_tuples_mean(tuples: list[str], subject: str, allowed: bool) -> None:
    held = [tuple_of(text) for text in tuples]
    for interpreter in (Meaning(parse(FILES), held), Walk(parse(FILES), held)):
        assert interpreter.check(subject_of(subject), "viewer", object_of("document:1")) is allowed


def test_a_cycle_among_the_blocked_blocks_nobody_else_though_the_walk_denies() -> None:
    tuples = [
        "document:1#viewer@user:anne",
        "document:1#blocked@group:a#member",
        "group:a#member@group:b#member",
        "group:b#member@group:a#member",
    ]
    held = [tuple_of(text) for text in tuples]
    question = (subject_of("user:anne"), "viewer", object_of("document:1"))
    assert Meaning(parse(FILES), held).check(*question)
    assert not Walk(parse(FILES), held).check(*question)


def test_what_depends_on_its_own_negation_is_denied() -> None:
    model = parse(
        "model\n  schema 1.1\ntype user\ntype group\n  relations\n    define out: [user, group#in]\n    define in: [user] but not out"
    )
    held = [tuple_of("group:a#in@user:anne"), tuple_of("group:a#out@group:a#in")]
    assert not Meaning(model, held).check(subject_of("user:anne"), "in", object_of("group:a"))


def has_exclusion(model: Model) -> bool:
    return any("but not" in line for line in model.fga.splitlines()) or any(isinstance(r.rewrite, Exclusion) for _, r in model.relations())


@settings(max_examples=300)
@given(cases())
def test_what_the_walk_allows_is_meant_and_without_exclusions_nothing_else(case: Case) -> None:
    meaning, walk = Meaning(case.model, case.tuples), Walk(case.model, case.tuples)
    for question in case.questions:
        meant = meaning.check(question.subject, question.relation, question.object)
        walked = walk.check(question.subject, question.relation, question.object)
        assert meant or not walked, question
        assert meant == walked or has_exclusion(case.model), question
