"""A list is what check allows, in order, for every page size and however it is read."""

import pytest
from hypothesis import HealthCheck, given, settings

from protoplane.access.check import Checks
from protoplane.access.scope import Scope, Shape
from protoplane.access.tuples import Object, Subject
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from tests.access.cases import Case, cases
from tests.access.conftest import fill, soon
from tests.access.oracle import Meaning
from tests.access.papers import Papers
from tests.access.test_differential import EXAMPLES, PATIENT

PAPERS = (("c", 1), ("a", 2), ("d", 2), ("b", 3))


@pytest.fixture(scope="module")
def papers(module_store: Engine) -> Papers:
    """Three papers that tuples may name, and one that none does."""
    papers = Papers(module_store)
    papers.fill(PAPERS)
    return papers


def pages(session: Session, scope: Scope, papers: Papers, subject: Subject, size: int, shape: Shape | None) -> list[str]:
    """The whole list, page by page."""
    found: list[str] = []
    after = None
    while page := scope.page(session, subject, papers.behind(after), size, shape):
        found += [row.id for row in page]
        after = page[-1].position
        assert len(found) <= len(PAPERS)
    return found


@PATIENT
@settings(max_examples=EXAMPLES // 2, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(cases())
def test_every_page_in_every_shape_is_what_check_allows(module_store: Engine, papers: Papers, case: Case) -> None:
    fill(module_store, case.model, case.tuples)
    checks, meaning = Checks(case.model, module_store), Meaning(case.model, case.tuples)

    def ask(session: Session) -> None:
        for question in case.questions:
            subject, relation = question.subject, question.relation
            meant = [one for one, _ in PAPERS if meaning.check(subject, relation, Object("doc", one))]
            scope = Scope(checks, ("doc", relation), papers.keys)
            for shape in (None, *Shape):
                for size in (1, 3):
                    assert pages(session, scope, papers, subject, size, shape) == meant, (question, shape, size)

    module_store.read(ask, soon())
