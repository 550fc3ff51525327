"""Grants: subjects and patterns become sets of declared permissions."""

from __future__ import annotations

import pytest

from protoplane.identity.grants import Grants, problems
from protoplane.identity.principal import ANONYMOUS

DECLARED = ["books.get", "books.create", "reports.get", "reports.daily.get", "report.get"]


@pytest.mark.parametrize(
    ("patterns", "held"),
    [
        ([], set()),
        (["books.get"], {"books.get"}),
        (["reports.*"], {"reports.get", "reports.daily.get"}),
        (["*"], set(DECLARED)),
        (["books.get", "report.*"], {"books.get", "report.get"}),
        (["books.delete"], set()),
        (["Books.get"], set()),
        (["books.get*"], set()),
    ],
)
def test_a_pattern_gives_the_declared_permissions_it_matches(patterns: list[str], held: set[str]) -> None:
    assert Grants({"alice": patterns}, DECLARED).of("alice") == held


def test_what_everyone_has_comes_on_top_of_what_a_subject_has() -> None:
    grants = Grants({"*": ["books.get"], "alice": ["books.create"]}, DECLARED)
    assert grants.of("alice") == {"books.get", "books.create"}
    assert grants.of("bob") == {"books.get"}


@pytest.mark.parametrize("subject", ["Alice", "alice ", "ALICE", "álice"])
def test_subjects_are_compared_exactly(subject: str) -> None:
    assert Grants({"alice": ["*"]}, DECLARED).of(subject) == frozenset()


def test_anonymous_callers_hold_nothing() -> None:
    assert ANONYMOUS.anonymous
    assert ANONYMOUS.permissions == frozenset()


def test_a_pattern_that_matches_nothing_is_a_problem_with_the_nearest_name() -> None:
    found = list(problems({"alice": ["books.gett", "reports.*", "*"], "": ["nothing.*"]}, DECLARED))
    assert [problem.what for problem in found] == [
        "no method asks for the permission 'books.gett'",
        "an empty subject is nobody",
        "no method asks for the permission 'nothing.*'",
    ]
    assert found[0].mend == "did you mean 'books.get'?"
