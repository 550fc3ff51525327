"""The relation language: what is read is written back, and what is wrong has a place and a reason."""

import pytest
from hypothesis import given, settings

from protoplane.access.model import Computed, Condition, Exclusion, Intersection, Model, Restriction, This, Through, Union
from protoplane.access.problem import InvalidModel, Wrong
from protoplane.access.syntax import parse
from tests.access.cases import models

WHOLE = """
# Everything of the language, once.
model
  schema 1.1

type user

type group
  relations
    define owner: [user]  # a comment after a space
    define member: [user, user:*, group#member, user with in_office]

type document
  relations
    define folder: [document]
    define owner: [user]
    define banned: [user]
    define editor: (
      [user, group#member]
        or owner
    ) but not banned
    define viewer: ([user] and editor) or (owner but not banned) or viewer from folder

condition in_office(now: timestamp, ranges: list<ipaddress>) {
  ranges.exists(r, r.in_cidr("{10.0.0.0/8")) && { "a": now }.size() > 0
}
"""


def test_everything_of_the_language_is_read() -> None:
    model = parse(WHOLE)
    assert list(model.types) == ["user", "group", "document"]
    member = model.types["group"]["member"]
    assert [str(r) for r in member.restrictions] == ["user", "user:*", "group#member", "user with in_office"]
    assert member.restrictions[2] == Restriction("group", "member")
    assert model.types["document"]["editor"].rewrite == Exclusion(Union((This(), Computed("owner"))), Computed("banned"))
    assert model.types["document"]["viewer"].rewrite == Union(
        (Intersection((This(), Computed("editor"))), Exclusion(Computed("owner"), Computed("banned")), Through("viewer", "folder"))
    )
    assert model.conditions["in_office"] == Condition(
        "in_office",
        (("now", "timestamp"), ("ranges", "list<ipaddress>")),
        'ranges.exists(r, r.in_cidr("{10.0.0.0/8")) && { "a": now }.size() > 0',
    )


def test_what_is_written_reads_as_the_same_model() -> None:
    model = parse(WHOLE)
    assert parse(model.fga) == model
    assert parse(model.fga).fga == model.fga


@settings(max_examples=200)
@given(models())
def test_every_model_is_read_as_it_was_written(model: Model) -> None:
    assert parse(model.fga) == model


HEAD = "model\n  schema 1.1\ntype user\ntype doc\n  relations\n"


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", (1, 1), Wrong.SYNTAX),
        ("model\n  schema 1.0\n", (2, 10), Wrong.SCHEMA_UNSUPPORTED),
        (HEAD + "    define a: [user", (6, 20), Wrong.SYNTAX),
        (HEAD + "    define a: [user] or", (6, 24), Wrong.SYNTAX),
        (HEAD + "    define a: [user] or b and c\n    define b: [user]\n    define c: [user]", (6, 27), Wrong.SYNTAX),
        (HEAD + "    define a: b or [user]\n    define b: [user]", (6, 20), Wrong.SYNTAX),
        (HEAD + "    define a: [user] [user]", (6, 22), Wrong.SYNTAX),
        (HEAD + "    define a: []", (6, 16), Wrong.SYNTAX),
        (HEAD + "    define this: [user]", (6, 12), Wrong.NAME_RESERVED),
        (HEAD + f"    define {'a' * 51}: [user]", (6, 12), Wrong.NAME_TOO_LONG),
        (HEAD + "    define a: [user]\n    define a: [user]", (7, 12), Wrong.DEFINED_TWICE),
        (HEAD + "    define a: [user]\ntype doc\n", (7, 6), Wrong.DEFINED_TWICE),
        (HEAD + "    define a: [usr]", (6, 16), Wrong.TYPE_UNDEFINED),
        (HEAD + "    define a: [user, doc#b]", (6, 22), Wrong.RELATION_UNDEFINED),
        (HEAD + "    define a: [user] or b", (6, 25), Wrong.RELATION_UNDEFINED),
        (HEAD + "    define a: [user with c]", (6, 16), Wrong.CONDITION_UNDEFINED),
        (HEAD + "    define a: [user] or a from p", (6, 25), Wrong.RELATION_UNDEFINED),
        (HEAD + "    define p: [doc] or q\n    define q: [doc]\n    define a: [user] or a from p", (8, 25), Wrong.TUPLESET_NOT_DIRECT),
        (HEAD + "    define p: [doc:*]\n    define a: [user] or a from p", (7, 25), Wrong.TUPLESET_NOT_DIRECT),
        (HEAD + "    define p: [user]\n    define a: [user] or a from p", (7, 25), Wrong.RELATION_UNDEFINED),
        (HEAD + "    define a: b\n    define b: a", (6, 12), Wrong.CYCLE),
        (HEAD + "    define a: [user] or b\n    define b: a", (6, 12), Wrong.CYCLE),
        (HEAD + "    define a: [doc#a]", (6, 12), Wrong.NO_ENTRYPOINT),
        (HEAD + "    define a: [user]\n    define b: [user] but not c\n    define c: [doc#c]", (7, 12), Wrong.NO_ENTRYPOINT),
        (HEAD + "    define a: [user]\ncondition c(x: int) { x > 1", (7, 21), Wrong.SYNTAX),
    ],
)
def test_what_is_wrong_has_a_place_and_a_reason(text: str, place: tuple[int, int], reason: Wrong) -> None:
    with pytest.raises(InvalidModel) as invalid:
        parse(text)
    first = invalid.value.problems[0]
    assert ((first.line, first.column), first.reason) == (place, reason), first


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidModel) as invalid:
        parse(HEAD + "    define a: [user] or\n    define b: ]\ntyp x\ntype this\n    define c: [user]")
    assert [(problem.line, problem.reason) for problem in invalid.value.problems] == [
        (7, Wrong.SYNTAX),
        (7, Wrong.SYNTAX),
        (9, Wrong.NAME_RESERVED),
    ]
