"""Random models whose relationships come from everywhere: every way of asking equals the slow interpreter, on every engine."""

import pytest
from hypothesis import given

from protoplane.access.check import Checks
from protoplane.access.tuples import Object, Subject
from protoplane.store.closure import Asker
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from tests.access.cases import RELATIONS, TYPES, Question
from tests.access.conftest import fill, soon
from tests.access.oracle import Meaning
from tests.access.sourced import Sourced, sourced
from tests.access.tables import IDS, STRANGE, keep, make
from tests.access.test_differential import PATIENT, RANDOM


@pytest.fixture(scope="module")
def kept(module_store: Engine) -> Engine:
    """With the tables of all resources."""
    make(module_store)
    return module_store


def agree(store: Engine, case: Sourced) -> None:
    fill(store, case.model, case.tuples)
    keep(store, case.rows, case.derived)
    checks, meaning = Checks(case.model, store, case.derived), case.meaning()

    def ask(session: Session) -> None:
        for question in case.questions:
            compare(session, checks, meaning, case, question)

    store.read(ask, soon())


def compare(session: Session, checks: Checks, meaning: Meaning, case: Sourced, question: Question) -> None:
    subject, relation, object_ = question.subject, question.relation, question.object
    wanted = meaning.check(subject, relation, object_)
    assert checks.check(session, subject, relation, object_, case.given) is wanted, f"check {question}"

    objects = [Object(kind, one) for kind in TYPES for one in (*IDS[case.kinds[kind]], STRANGE[case.kinds[kind]][0])]
    asked = [(name, one) for one in objects for name in RELATIONS]
    many = checks.check_many(session, subject, asked, case.given)
    assert many == [meaning.check(subject, name, one) for name, one in asked], f"many {question}"

    listed = checks.list_objects(session, subject, relation, object_.type, case.given)
    meant = {one.id for one in meaning.list_objects(subject, relation, object_.type)}
    unseen = {one for one in meant if case.named(object_.type) and not case.has_row(Object(object_.type, one))}
    assert meant - unseen <= set(listed) <= meant, f"objects {question}"
    assert listed == sorted(set(listed))

    for kind in (Asker("user"), Asker(subject.type, subject.relation)):
        found = set(checks.list_subjects(session, object_, relation, kind, case.given))
        everybody = Subject(kind.type, "*") in found
        subjects = meaning.list_subjects(object_, relation, kind.type, kind.relation)
        # Whoever has it by everybody's having it may be named, too, by a tuple whose condition does not hold.
        assert all(everybody and meaning.check(one, relation, object_) for one in found - subjects), f"subjects {question} {kind}"
        assert found >= subjects or everybody, f"subjects {question} {kind}"


@PATIENT
@RANDOM
@given(sourced())
def test_every_answer_is_what_all_sources_mean(kept: Engine, case: Sourced) -> None:
    agree(kept, case)


@PATIENT
@RANDOM
@given(sourced(linear=True))
def test_every_answer_of_models_without_operators_is_what_all_sources_mean(kept: Engine, case: Sourced) -> None:
    agree(kept, case)
