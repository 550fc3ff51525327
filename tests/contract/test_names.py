"""Resource names: what formats parses, what does not fit is refused, and the ids the server makes."""

from __future__ import annotations

import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protoplane.base import clock
from protoplane.contract.ids import id_pattern_problem
from protoplane.contract.model import IdRule, IdSource
from protoplane.contract.names import DEFAULT_ID_PATTERN, ID_ALPHABET, IdMaker, NamePattern, new_id
from protoplane.contract.resources import parse_pattern

TEXT = "publishers/{publisher}/books/{book}"


def compiled(text: str, rule: str = DEFAULT_ID_PATTERN) -> NamePattern:
    pattern, problem = parse_pattern(text)
    assert pattern is not None, problem
    return NamePattern(pattern, IdRule(IdSource.EITHER, rule))


BOOKS = compiled(TEXT)
IDS = st.text(sorted(ID_ALPHABET), min_size=1, max_size=63).filter(lambda text: text not in {"-", ".", ".."})


@given(st.lists(IDS, min_size=1, max_size=4))
def test_what_is_formatted_parses_to_the_same_ids(ids: list[str]) -> None:
    pattern = compiled("/".join(f"things{'x' * i}/{{v{i}}}" for i in range(len(ids))))
    assert pattern.parse(pattern.format(ids)) == tuple(ids)
    assert pattern.parse_parent(pattern.format_parent(ids[:-1])) == tuple(ids[:-1])


@given(st.text())
def test_what_parses_formats_to_the_same_name(name: str) -> None:
    for text in (name, f"publishers/{name}/books/b", f"publishers/p/books/{name}"):
        ids = BOOKS.parse(text)
        assert ids is None or BOOKS.format(ids) == text


@pytest.mark.parametrize(
    "name",
    [
        "",
        "publishers/p",
        "publishers/p/books",
        "publishers/p/books/",
        "publishers//books/b",
        "/publishers/p/books/b",
        "publishers/p/books/b/",
        "publishers/p/books/b\n",
        "publishers/p/books/b/pages/c",
        "Publishers/p/books/b",
        "publishers/-/books/b",
        "publishers/p/books/-",
        "publishers/../books/b",
        "publishers/p/books/.",
        "publishers/p/books/b c",
        "publishers/p/books/b%2Fc",
        "publishers/p/books/é",
        "publishers/p/books/٣",
        "//library.example.com/publishers/p/books/b",
        f"publishers/p/books/{'b' * 64}",
    ],
)
def test_malformed_names_do_not_parse(name: str) -> None:
    """aip.md 11."""
    assert BOOKS.parse(name) is None


def test_the_parent_of_a_resource_at_the_top_is_empty() -> None:
    top = compiled("publishers/{publisher}")
    assert top.parse_parent("") == ()
    assert top.format_parent(()) == ""
    assert top.parse_parent("publishers/p") is None


def test_a_narrowed_id_rule_hides_no_row() -> None:
    narrow = compiled(TEXT, "[a-z]{3}")
    assert narrow.parse("publishers/1/books/OLD.1") == ("1", "OLD.1")
    assert [value for value in ("abc", "abcd", "ABC", "abc\n", "-") if narrow.is_new_id(value)] == ["abc"]


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("a", True),
        ("a1-b", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("1a", False),
        ("A", False),
        ("a-", False),
        ("", False),
        ("aé", False),
    ],
)
def test_the_default_rule_of_ids_is_that_of_rfc_1034(value: str, good: bool) -> None:
    """aip.md 12."""
    assert BOOKS.is_new_id(value) is good


def test_no_id_rule_lets_a_wildcard_or_a_path_step_be_an_id() -> None:
    loose = compiled(TEXT, "[a-z.-]{1,5}")
    assert [value for value in ("-", ".", "..", "...", "a.") if loose.is_new_id(value)] == ["...", "a."]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (DEFAULT_ID_PATTERN, ""),
        ("^[A-Z]{2,3}$", ""),
        ("[0-9]{1,10}", ""),
        ("N[0-9]{1,5}[A-Z]{0,2}", ""),
        (r"\d{4}-\d{2}-\d{2}", ""),
        ("(?:us|eu)-[a-z]{1,20}", ""),
        ("[a-z", "ends too early"),
        ("a)", "unbalanced"),
        ("(a", "ends too early"),
        ("*a", "cannot have"),
        ("a{2,1}", "cannot be compiled"),
        ("[z-a]", "bad range"),
        ("[a-z]*", "empty"),
        ("a|", "empty"),
        ("[a-z]+", "more than 63"),
        ("[a-z]{64}", "more than 63"),
        ("[a-z/]{1,9}", "'/'"),
        ("[a-z ]{1,9}", "' '"),
        ("é", "'é'"),
        ("a.b", "'.'"),
        (r"a\.b", ""),
        ("[^/]{1,9}", "not allowed"),
        ("(?i)a", "(?…)"),
        ("(?=a)a", "(?…)"),
        (r"(a)\1", r"\1"),
        ("([a-z]{1,7}){1,9}", "varies"),
        ("a?b?c?d?e?f?g?h", "vary"),
        ("a+?", "lazy"),
        ("((((((((((((((((((a))))))))))))))))))", "deeper"),
    ],
)
def test_id_patterns_are_judged_by_what_they_allow(pattern: str, words: str) -> None:
    problem = id_pattern_problem(pattern)
    assert words in problem
    assert bool(problem) is bool(words)


@given(st.from_regex(re.compile(DEFAULT_ID_PATTERN, re.ASCII), fullmatch=True))
def test_ids_of_the_default_rule_make_names(value: str) -> None:
    assert BOOKS.is_new_id(value)
    assert BOOKS.parse(BOOKS.format(("p", value))) == ("p", value)


@given(st.text("abAB019[](){}|?+*^$\\.,-:/ ", max_size=20))
def test_a_pattern_that_is_let_pass_keeps_its_promises(pattern: str) -> None:
    if not id_pattern_problem(pattern):
        rule = re.compile(pattern, re.ASCII)
        assert rule.fullmatch("") is None
        assert rule.fullmatch("a" * 64) is None
        assert rule.fullmatch("a/b") is None


def test_made_ids_sort_by_the_time_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([2_000_000, 2_000_000, 5_000_000, 1_000, 5_001_000])
    monkeypatch.setattr(clock, "now_micros", lambda: next(times))
    maker = IdMaker()
    made = [maker.new_id() for _ in range(5)]
    assert made == sorted(made)
    assert len(set(made)) == 5


def test_made_ids_fit_the_default_rule_and_never_repeat() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend(new_id() for _ in range(500))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 2_000
    assert all(len(value) == 27 and BOOKS.is_new_id(value) for value in made)
