"""Random models, tuples and questions: every way of asking equals the slow interpreter, on every engine."""

import os

import pytest
from hypothesis import HealthCheck, given, settings

from protoplane.access.check import Checks
from protoplane.access.tuples import Subject
from protoplane.store.closure import Asker
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from tests.access.cases import IDS, Case, Question, cases
from tests.access.conftest import fill, soon
from tests.access.oracle import Meaning

CASES = int(os.environ.get("PROTOPLANE_ACCESS_EXAMPLES", "400"))
"""On each engine, of four questions each, in all tests that take `RANDOM` and in `test_scope`: 1,200 on the three in CI; 10,000 in a long run."""

EXAMPLES = CASES * 2 // 9
"""Of each test but that of `test_scope`, which has half as many: four tests and a half."""

PATIENT = pytest.mark.timeout(max(300, 2 * EXAMPLES))
"""A case takes up to a quarter of a second."""

RANDOM = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def agree(store: Engine, case: Case) -> None:
    """Ask everything of a case both ways."""
    fill(store, case.model, case.tuples)
    checks, meaning = Checks(case.model, store), Meaning(case.model, case.tuples)

    def ask(session: Session) -> None:
        for question in case.questions:
            compare(session, checks, meaning, question)

    store.read(ask, soon())


def compare(session: Session, checks: Checks, meaning: Meaning, question: Question) -> None:
    subject, relation, object_ = question.subject, question.relation, question.object
    wanted = meaning.check(subject, relation, object_)
    assert checks.check(session, subject, relation, object_) is wanted, f"check {question}"

    asked = [(name, type(object_)(kind, one)) for kind in ("doc", "group") for one in IDS for name in ("r", "s", "t")]
    assert checks.check_many(session, subject, asked) == [meaning.check(subject, name, one) for name, one in asked], f"many {question}"

    listed = checks.list_objects(session, subject, relation, object_.type)
    assert listed == sorted(one.id for one in meaning.list_objects(subject, relation, object_.type)), f"objects {question}"

    for kind in (Asker("user"), Asker(subject.type, subject.relation)):
        found = set(checks.list_subjects(session, object_, relation, kind))
        everybody = Subject(kind.type, "*") in found
        meant = meaning.list_subjects(object_, relation, kind.type, kind.relation)
        assert found <= meant, f"subjects {question} {kind}"
        assert found == meant or everybody, f"subjects {question} {kind}"


@PATIENT
@RANDOM
@given(cases())
def test_every_answer_is_what_the_tuples_mean(module_store: Engine, case: Case) -> None:
    agree(module_store, case)


@PATIENT
@RANDOM
@given(cases(pure=True))
def test_every_answer_of_linear_models_is_what_the_tuples_mean(module_store: Engine, case: Case) -> None:
    agree(module_store, case)
