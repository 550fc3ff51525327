"""Why yes, why no: it is what Check says, and every step of it can be looked up."""

import functools
from dataclasses import replace

import pytest
from hypothesis import given

from protoplane.access import explain as explaining
from protoplane.access import ways
from protoplane.access.check import Checks, UnknownRelation
from protoplane.access.expansion import Expansion, expand
from protoplane.access.expansion import Kind as Expanded
from protoplane.access.explain import Explanation, Kind, explain, lines
from protoplane.access.model import Model
from protoplane.access.stated import Reader
from protoplane.access.syntax import parse
from protoplane.access.tuples import Object, RelationTuple, Subject, object_of, subject_of, tuple_of
from protoplane.store.engine import Engine
from tests.access.cases import Case, cases
from tests.access.conftest import fill, soon
from tests.access.oracle import Meaning
from tests.access.test_differential import RANDOM

DESK = """
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, user:*, group#member] or viewer from parent
type document
  relations
    define folder: [folder]
    define owner: [user]
    define blocked: [user, group#member]
    define editor: [group#member] and owner
    define viewer: (owner or viewer from folder) but not blocked
    define reader: viewer
"""

HELD = [
    "group:a#member@user:anne",
    "group:b#member@group:a#member",
    "folder:1#viewer@group:b#member",
    "folder:2#parent@folder:1",
    "document:1#folder@folder:2",
    "document:1#owner@user:olga",
    "document:1#blocked@group:c#member",
    "group:c#member@user:carl",
    "folder:2#viewer@user:carl",
]


def asked(store: Engine, model: Model, question: str) -> Explanation:
    subject, relation, object_ = question.split()
    reader, wanted = Reader(Checks(model, store), store), (subject_of(subject), relation, object_of(object_))
    return store.read(lambda session: explain(session, reader, wanted), soon())


def told(store: Engine, question: str) -> list[str]:
    fill(store, parse(DESK), map(tuple_of, HELD))
    return list(lines(asked(store, parse(DESK), question)))


def test_a_yes_is_told_by_the_tuples_that_lead_there(module_store: Engine) -> None:
    assert told(module_store, "user:anne reader document:1") == [
        "yes: user:anne is reader of document:1, by another relation",
        "  + user:anne is viewer of document:1, by but not",
        "    + user:anne is viewer of document:1, by any of",
        "      + user:anne is viewer of document:1, from document:1#folder@folder:2",
        "        + user:anne is viewer of folder:2, by any of",
        "          + user:anne is viewer of folder:2, from folder:2#parent@folder:1",
        "            + user:anne is viewer of folder:1, by any of",
        "              + user:anne is viewer of folder:1, tuple folder:1#viewer@group:b#member",
        "                + user:anne is member of group:b, tuple group:b#member@group:a#member",
        "                  + user:anne is member of group:a, tuple group:a#member@user:anne",
        "    - user:anne is not blocked of document:1, tuple document:1#blocked@group:c#member",
        "      - user:anne is not member of group:c: no tuple names it",
    ]


def test_a_no_is_told_by_what_takes_it_away(module_store: Engine) -> None:
    assert told(module_store, "user:carl viewer document:1") == [
        "no: user:carl is not viewer of document:1, by but not",
        "  + user:carl is viewer of document:1, by any of",
        "    + user:carl is viewer of document:1, from document:1#folder@folder:2",
        "      + user:carl is viewer of folder:2, by any of",
        "        + user:carl is viewer of folder:2, tuple folder:2#viewer@user:carl",
        "  + user:carl is blocked of document:1, tuple document:1#blocked@group:c#member",
        "    + user:carl is member of group:c, tuple group:c#member@user:carl",
    ]


def test_a_no_is_told_by_every_way_that_was_tried(module_store: Engine) -> None:
    assert told(module_store, "user:zoe viewer folder:2") == [
        "no: user:zoe is not viewer of folder:2, by any of",
        "  - user:zoe is not viewer of folder:2: no tuple names it",
        "  - user:zoe is not viewer of folder:2, from folder:2#parent@folder:1",
        "    - user:zoe is not viewer of folder:1, by any of",
        "      - user:zoe is not viewer of folder:1, tuple folder:1#viewer@group:b#member",
        "        - user:zoe is not member of group:b, tuple group:b#member@group:a#member",
        "          - user:zoe is not member of group:a: no tuple names it",
        "      - user:zoe is not viewer of folder:1: there is no 'parent'",
    ]


def test_of_all_of_the_first_that_fails_is_told(module_store: Engine) -> None:
    assert told(module_store, "user:olga editor document:1") == [
        "no: user:olga is not editor of document:1, by all of",
        "  - user:olga is not editor of document:1: no tuple names it",
    ]


def test_a_userset_is_its_own_member(module_store: Engine) -> None:
    assert told(module_store, "group:x#member member group:x") == ["yes: group:x#member is member of group:x, by being it"]


def test_the_shortest_proof_is_told(module_store: Engine) -> None:
    held = [*HELD, "folder:2#viewer@user:*"]
    fill(module_store, parse(DESK), map(tuple_of, held))
    explanation = asked(module_store, parse(DESK), "user:anne viewer folder:2")
    assert list(lines(explanation))[1:] == ["  + user:anne is viewer of folder:2, tuple folder:2#viewer@user:*"]
    assert explanation.children[0].stated is not None
    assert explanation.children[0].stated.held.subject.wildcard


def test_a_relation_that_the_model_does_not_have_is_said(module_store: Engine) -> None:
    with pytest.raises(UnknownRelation):
        asked(module_store, parse(DESK), "user:anne parent document:1")


def test_a_circle_is_told_once(module_store: Engine) -> None:
    fill(module_store, parse(DESK), map(tuple_of, ["group:a#member@group:b#member", "group:b#member@group:a#member"]))
    assert list(lines(asked(module_store, parse(DESK), "user:anne member group:a"))) == [
        "no: user:anne is not member of group:a, tuple group:a#member@group:b#member",
        "  - user:anne is not member of group:b, tuple group:b#member@group:a#member",
        "    - user:anne is not member of group:a: see above",
    ]


def chained(length: int) -> list[RelationTuple]:
    return [tuple_of(f"folder:{i}#parent@folder:{i + 1}") for i in range(length)]


def test_a_tree_too_deep_is_cut_and_still_right(module_store: Engine) -> None:
    fill(module_store, parse(DESK), [*chained(150), tuple_of("folder:150#viewer@user:anne")])
    for who, held in (("anne", True), ("zoe", False)):
        explanation = asked(module_store, parse(DESK), f"user:{who} viewer folder:0")
        assert explanation.held is held
        assert any(explaining.CUT in line for line in lines(explanation))


def test_a_tree_too_wide_is_cut_and_still_right(module_store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = [tuple_of(f"folder:1#viewer@group:{i:04}#member") for i in range(600)]
    fill(module_store, parse(DESK), [*wide, tuple_of("group:0599#member@user:anne")])
    for explored, links in ((1000, 1000), (1000, 50), (50, 1000)):
        monkeypatch.setattr(ways, "EXPLORED_MAX", explored)
        monkeypatch.setattr(ways, "LINKS_MAX", links)
        for who, held in (("anne", True), ("zoe", False)):
            explanation = asked(module_store, parse(DESK), f"user:{who} viewer folder:1")
            text = list(lines(explanation))
            assert explanation.held is held
            assert len(text) <= explaining.NODES_MAX + 10
            assert held or any(note in line for line in text for note in (explaining.CUT, "were not read"))


def sound(explanation: Explanation, tuples: frozenset[RelationTuple]) -> None:
    """Every step is true, and rests on what is told with it. Contexts are not looked at."""
    below = [child.held for child in explanation.children]
    if explanation.stated is not None and not explanation.stated.field:
        assert replace(explanation.stated.held, context="") in tuples
    if explanation.note:
        return
    match explanation.kind:
        case Kind.ITSELF:
            assert explanation.subject == Subject(explanation.object.type, explanation.object.id, explanation.relation)
        case Kind.ANY_OF | Kind.COMPUTED | Kind.FROM | Kind.TUPLE | Kind.FIELD:
            assert explanation.held is (any(below) if below else explanation.stated is not None)
        case Kind.ALL_OF:
            assert explanation.held is all(below)
        case Kind.BUT_NOT:
            assert explanation.held is (below == [True, False])
    for child in explanation.children:
        sound(child, tuples)


@RANDOM
@given(cases())
def test_every_explanation_is_what_check_says_and_rests_on_what_it_tells(module_store: Engine, case: Case) -> None:
    fill(module_store, case.model, case.tuples)
    reader, meaning = Reader(Checks(case.model, module_store), module_store), Meaning(case.model, case.tuples)
    for one in case.questions:
        question = one.subject, one.relation, one.object
        explanation = module_store.read(functools.partial(explain, reader=reader, question=question), soon())
        assert explanation.held is meaning.check(*question), str(one)
        sound(explanation, frozenset(case.tuples))


def test_one_level_is_expanded(module_store: Engine) -> None:
    model, one = parse(DESK), Object("document", "1")
    fill(module_store, model, map(tuple_of, HELD))
    own, reader = Subject("document", "1", "viewer"), Reader(Checks(model, module_store), module_store)
    found = module_store.read(lambda session: expand(session, reader, "viewer", one), soon())
    parents = Expansion(own, Expanded.COMPUTED, (Subject("folder", "2", "viewer"),))
    owner = Expansion(own, Expanded.COMPUTED, (Subject("document", "1", "owner"),))
    blocked = Expansion(own, Expanded.COMPUTED, (Subject("document", "1", "blocked"),))
    assert found == Expansion(own, Expanded.WITHOUT, (), (Expansion(own, Expanded.ANY_OF, (), (owner, parents)), blocked))
    direct = module_store.read(lambda session: expand(session, reader, "blocked", one), soon())
    assert direct == Expansion(Subject("document", "1", "blocked"), Expanded.DIRECT, (Subject("group", "c", "member"),))
    with pytest.raises(UnknownRelation):
        module_store.read(lambda session: expand(session, reader, "nobody", one), soon())
