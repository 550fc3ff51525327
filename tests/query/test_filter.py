"""Filters mean what the oracle says, refuse what cannot be meant, and cost no more than their length."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peewee import fn

from protoplane.base import limits
from protoplane.base.errors import Code, Fault, Reason
from protoplane.query.filter import FilterCompiler
from protoplane.query.predicate import Predicate
from protoplane.query.syntax import parse
from tests.query import oracle
from tests.query.library import STRINGS, BookColumns, Books, book, random_books

COMPILER = FilterCompiler(book(), BookColumns())


@cache
def books() -> Books:
    return Books(random_books(300))


def matched(text: str) -> set[object]:
    """The ids of the rows that the compiled filter finds in SQLite."""
    predicate = COMPILER.compile(text)
    query = books().select()
    if predicate is None:
        return {row[0] for row in books().run(query, {})}
    return {row[0] for row in books().run(query.where(predicate.build("")), dict(predicate.values))}


def compiled(text: str) -> Predicate:
    """The predicate of a filter that is not empty."""
    predicate = COMPILER.compile(text)
    assert predicate is not None
    return predicate


def expected(text: str) -> set[object]:
    tree = parse(text)
    return {number for number, row in enumerate(books().rows) if tree is None or oracle.holds(tree, row) is True}


def refusal(text: str) -> str:
    """The description of the violation that a filter is refused with."""
    with pytest.raises(Fault) as caught:
        FilterCompiler(book(), BookColumns()).compile(text)
    fault = caught.value
    assert (fault.code, fault.reason) == (Code.INVALID_ARGUMENT, Reason.INVALID_FILTER)
    assert [violation.field for violation in fault.violations] == ["filter"]
    assert fault.metadata["problem"] in fault.text
    return fault.violations[0].description


# Meaning


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("*", "\\*").replace("\n", "\\n")
    return f'"{escaped}"'


NUMBERS = ("0", "1", "-1", "7", "42", "1.5", "-0.5", "1e2", "4.2e1", "1e30", "-1e30", "2147483647", "2147483647.5", "9223372036854775807")
BIG = ("9223372036854775808", "18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809", "1e-400")
DOUBLES = ("0.5", "-1.5", "1e-9", "1e300", "9007199254740992", "9007199254740993", "9007199254740991", "1.0e16", "0.1")
TIMES = (
    "1970-01-01T00:00:00Z",
    '"1970-01-01T00:00:00.0000005Z"',
    "1969-12-31T23:59:59.999999999Z",
    "2024-05-01T12:00:00Z",
    "2024-05-01t14:00:00+02:00",
    "'2024-05-01T12:00:00.123456Z'",
    "2024-05-01T12:00:00.1234567Z",
    "2024-05-01T07:30:00.123456-04:30",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
)
ORDERED = ("=", "!=", "<", "<=", ">", ">=", ":")
EQUAL = ("=", "!=", ":")
TEXT = st.sampled_from(STRINGS).map(quoted) | st.sampled_from(
    ('"a*"', '"*b"', '"*"', '"a*b*"', '"**"', '"*!*"', "a", "ab*", "'a\\*b'", "v1.2")
)
FIELDS: list[tuple[str, tuple[str, ...], st.SearchStrategy[str]]] = [
    *((path, EQUAL, TEXT) for path in ("title", "subtitle", "address.city", '"title"')),
    *((path, ORDERED, st.sampled_from(STRINGS).map(quoted)) for path in ("title", "subtitle", "address.city")),
    *((path, ORDERED, st.sampled_from((*NUMBERS, *BIG))) for path in ("pages", "views", "stock", "address.zip", "rank")),
    *((path, ORDERED, st.sampled_from((*NUMBERS, *DOUBLES))) for path in ("ratio", "score", "weight", "address.point.x")),
    *((path, ORDERED, st.sampled_from(TIMES)) for path in ("publish_time",)),
    ("length", ORDERED, st.sampled_from(("0s", "1.2s", "-3s", '"1.2s"', "0.0000005s", "-0.0000015s", "-0.000001s", "1s"))),
    ("state", EQUAL, st.sampled_from(("DRAFT", '"PUBLISHED"', "STATE_UNSPECIFIED"))),
    ("active", EQUAL, st.sampled_from(("true", "false"))),
    ("cover", EQUAL, st.sampled_from(('""', '"AP8="', "YQ", "'AP8='"))),
    *((p, EQUAL, st.sampled_from(('"publishers/p1/authors/a1"', "publishers/*/authors/a1", '"publishers/p1/authors/*"', '"publishers/*/authors/*"')))
      for p in ("author", "editor")),
    ("author", EQUAL, st.sampled_from(('""', "publishers/p*/authors/a2"))),
    ("editor", ("=", "!="), st.just('""')),
    ("name", EQUAL, st.sampled_from(("publishers/p1/books/*", "publishers/*/books/b00007", "publishers/p2/books/b*5", '"publishers/*/books/*"'))),
    ("tags", (":",), TEXT),
    ("address.lines", (":",), TEXT),
    ("codes", (":",), st.sampled_from(NUMBERS)),
    ("labels", (":",), TEXT.filter(lambda text: text != '""')),
    ("labels.env", EQUAL, TEXT),
    ("labels.env", ("<", ">="), st.sampled_from(STRINGS).map(quoted)),
    ('labels."a b"', EQUAL, TEXT),
    ("counts", (":",), st.sampled_from(("1", "42", "-1", "7", "1e30", "*"))),
    ("counts.42", ORDERED, st.sampled_from((*NUMBERS, *BIG))),
    ("printings", (":",), st.sampled_from(TIMES)),
    ("plates", (":",), st.sampled_from(('""', '"AP8="', "YQ", '"YWI="'))),
    ("flags", (":",), st.sampled_from(("true", "false"))),
    ("states", (":",), st.sampled_from(("DRAFT", "PUBLISHED", "STATE_UNSPECIFIED"))),
    ("serials", (":",), st.sampled_from((*NUMBERS, *BIG))),
    ("ratings", (":",), st.sampled_from((*NUMBERS, *DOUBLES))),
    ("answers", (":",), st.sampled_from(("true", "false"))),
    ("answers.true", EQUAL, TEXT),
    ("delays.a", ORDERED, st.sampled_from(("0s", "1.2s", "1.1999999s", "-3s"))),
    *((path, (":",), st.just("*")) for path in ("address", "address.point", "parts", "pieces", "extra", "address.city", "rank", "author", "editor", "cover")),
]  # fmt: skip


def restriction(path: str, comparators: tuple[str, ...], literals: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    either = st.lists(literals, min_size=2, max_size=3).map(lambda found: f"({' OR '.join(found)})")
    return st.tuples(st.just(path), st.sampled_from(comparators), literals | either).map(" ".join)


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    grouped = inner.map(lambda text: f"({text})")
    many = st.lists(inner | grouped, min_size=2, max_size=3)
    negated = st.tuples(st.sampled_from(("NOT ", "-")), grouped).map("".join)
    return many.map(" OR ".join) | many.map(" AND ".join) | many.map(" ".join) | negated


FILTERS = st.recursive(st.one_of([restriction(*field) for field in FIELDS]), nested, max_leaves=6)


@settings(max_examples=1_500)
@given(FILTERS)
def test_a_compiled_filter_finds_what_the_oracle_finds(text: str) -> None:
    assert matched(text) == expected(text)


@pytest.mark.parametrize(("path", "comparators", "literals"), FIELDS)
def test_every_field_is_compared_as_the_oracle_compares_it_also_under_not(
    path: str, comparators: tuple[str, ...], literals: st.SearchStrategy[str]
) -> None:
    @settings(max_examples=60)
    @given(st.sampled_from(comparators), literals)
    def check(comparator: str, literal: str) -> None:
        text = f"{path} {comparator} {literal}"
        assert matched(text) == expected(text)
        assert matched(f"NOT {text}") == expected(f"NOT {text}")

    check()


def test_an_empty_filter_is_none() -> None:
    assert FilterCompiler(book(), BookColumns()).compile(" \n ") is None


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("pages = 1 OR pages = 7 AND active = true", "(pages = 1 OR pages = 7) AND active = true"),
        ("active = true pages = 1 OR pages = 7", "active = true AND (pages = 1 OR pages = 7)"),
        ("-pages = 1", "NOT pages = 1"),
        ("NOT pages = 1 OR active = true", "(NOT pages = 1) OR active = true"),
        ("pages=1 active=true", "pages  =  1\n\tAND active = true"),
        ("pages = (1 OR 7)", "pages = 1 OR pages = 7"),
        ("pages = (-1 7)", "pages = -1 AND pages = 7"),
        ("pages != (1 OR 7)", "pages != 1 AND pages != 7"),
        ("tags:(a AND NOT ab)", "tags:a AND NOT tags:ab"),
        ("tags:(a -ab)", "tags:a AND -tags:ab"),
        ("(active=true)AND(pages=1)", "active = true AND pages = 1"),
    ],
)
def test_two_spellings_mean_the_same(one: str, same: str) -> None:
    assert matched(one) == matched(same) == expected(one)


def test_unset_values_match_nothing_not_even_unequal() -> None:
    for text in (
        'subtitle = "a"',
        'subtitle != "a"',
        "address.zip = 1",
        "address.zip != 1",
        'address.city != "a"',
        "address.point.x < 1e400",
    ):
        path = text.split()[0]
        unset = {number for number, row in enumerate(books().rows) if path not in row}
        assert unset
        assert not unset & matched(text)
        assert not unset & matched(f"NOT {text}")


def test_presence_is_true_or_false_below_an_unset_message_too() -> None:
    everything = set(range(len(books().rows)))
    for path in (
        "address",
        "address.city",
        "address.zip",
        "address.point.x",
        "subtitle",
        "title",
        "author",
        "editor",
        "tags",
        "address.lines",
    ):
        assert matched(f"{path}:*") | matched(f"NOT {path}:*") == everything
        assert not matched(f"{path}:*") & matched(f"NOT {path}:*")


# Shapes


def test_equal_shapes_make_equal_sql_without_literals() -> None:
    one, other = compiled('title = "secret" AND pages < 17 OR tags:x'), compiled('title = "other" pages < 4 OR tags : "y"')
    assert one.shape == other.shape
    assert not {"secret", "17"} & set(one.shape.split())
    assert list(one.values) == ["filter.0", "filter.1", "filter.2"]
    assert list(one.values.values()) == ["secret", 17, "x"]
    sql = [books().select().where(predicate.build("")).sql() for predicate in (one, other)]
    assert sql[0] == sql[1]
    assert "secret" not in sql[0][0]


def test_every_literal_that_changes_the_sql_changes_the_shape() -> None:
    texts = [
        "pages = 1",
        "pages = 1e30",
        "pages = 0.5",
        "pages < 0.5",
        "pages <= 1",
        'title = "a"',
        'title = "a*"',
        "title:a",
        "labels.a = x",
        "labels.a:x",
    ]
    texts += ["labels:a", "author = publishers/*/authors/a", "author = publishers/p/authors/*", 'author = ""', "NOT pages = 1", "pages:*"]
    seen: dict[str, str] = {}
    for text in texts:
        predicate = compiled(text)
        sql = books().select().where(predicate.build("")).sql()[0]
        assert seen.setdefault(predicate.shape, sql) == sql
    assert len(set(seen.values())) == len(seen)


@pytest.mark.parametrize("text", ["length < 315576000000.999999s", "length > -315576000000.999999s"])
def test_the_longest_durations_are_compared_and_what_is_longer_is_beyond_all(text: str) -> None:
    assert [abs(int(str(value))) for value in compiled(text).values.values()] == [315_576_000_000_999_999]
    assert not compiled(text.replace("000.", "001.")).values


def test_a_filter_is_compiled_once() -> None:
    compiler = FilterCompiler(book(), BookColumns())
    assert compiler.compile("pages = 1") is compiler.compile("pages = 1")


# Refusals


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ('tittle = "x"', "column 1: the resource 'book' has no field 'tittle'; did you mean 'title'?\n  tittle = \"x\"\n  ^"),
        ("pages = 1 AND", "column 14: a field name is expected here, but the filter ends.\n  pages = 1 AND\n               ^"),
        ("pages = ", "column 9: a value is expected here, but the filter ends.\n  pages = \n          ^"),
        ("(pages = 1", "column 1: this '(' is never closed.\n  (pages = 1\n  ^"),
        ("pages = 1)", "column 10: this ')' closes nothing.\n  pages = 1)\n           ^"),
        ('title = "x', 'column 9: this string is never closed.\n  title = "x\n          ^'),
        ("pages = 1 AND AND active = true", "column 15: a field name is expected here, not AND."),
        ("pages = AND", "column 9: a value is expected here; put AND in quotes to mean the word."),
        ("pages == 1", "column 8: a value is expected here, or a string in quotes."),
        ("pages = 1 or active = true", "column 11: AND, OR and NOT are written in capitals, not 'or'."),
        ("war peace", "column 1: 'war' is compared with nothing; no searchable fields are declared"),
        ('"war and peace"', "column 1: 'war and peace' is compared with nothing"),
        ("regex(title, 'a')", "column 1: there is no function 'regex'; there are ago, duration, endsWith, length, now, size, startsWith, timestamp."),
        ("pages = max(1)", "column 9: there is no function 'max'; there are"),
        ('pages = "1"', "column 9: a whole number without quotes is expected here, because 'pages' is an int32."),
        ("pages = x", "column 9: a whole number"),
        ("ratio = NaN", "column 9: a number without quotes is expected here, because 'ratio' is a double."),
        ("ratio = inf", "column 9: a number"),
        ("pages = 0x10", "column 9: a whole number"),
        ("active = 1", "column 10: true or false is expected here, because 'active' is a bool."),
        ("active = TRUE", "column 10: true or false"),
        ("active < true", "column 8: 'active' is a bool, which has no order: only = != and : can be used.\n  active < true\n         ^"),
        ("state = DRAFTED", "column 9: the enum State has no value 'DRAFTED'; did you mean 'DRAFT'?"),
        ("state = draft", "column 9: the enum State has no value 'draft'; it has STATE_UNSPECIFIED, DRAFT, PUBLISHED."),
        ("state = 1", "column 9: the enum State has no value '1'"),
        ("state > DRAFT", "column 7: 'state' is an enum, which has no order"),
        ("cover = ?", "column 9: base64 is expected here, because 'cover' holds bytes."),
        ("cover < AA", "column 7: 'cover' is bytes, which has no order"),
        ("publish_time > 2024-05-01", "column 16: a time such as 2024-05-01T12:00:00Z is expected here, because 'publish_time' is a Timestamp."),
        ("publish_time > 2024-02-30T00:00:00Z", "there is no day 2024-02-30."),
        ("publish_time > 0000-01-01T00:00:00Z", "there is no day 0000-01-01."),
        ("publish_time > 2024-05-01T23:59:60Z", "hours go to 23, minutes and seconds to 59."),
        ("publish_time > 2024-05-01T23:59:00+24:00", "hours go to 23"),
        ("publish_time > 2024-05-01T12:00:00", "column 16: a time such as"),
        ("length = 1", "column 10: a duration such as 1.5s is expected here, because 'length' is a Duration."),
        ("length = 1e3s", "column 10: a duration such as"),
        ('title < "a*"', "column 9: '*' is a wildcard, which only = != and : take"),
        ('title = "a\\d"', "column 11: there is no such escape"),
        ("title = a\\b", "column 10: a backslash stands in quoted strings only."),
        ("author = ua", "column 10: 'ua' is not a name of the form 'publishers/{publisher}/authors/{author}'."),
        ("author = publishers/p/authors/", "column 10: 'publishers/p/authors/' is not a name"),
        ("author = publishers/*", "column 10: 'publishers/*' is not a name"),
        ('name = "*"', "column 8: '*' is not a name"),
        ("author < publishers/p/authors/a", "column 8: 'author' holds a resource name, which has no order"),
        ("author.name = x", "column 1: 'author' names a resource that is not stored here: its fields cannot be filtered."),
        ("address = x", "column 9: 'address' is a message: compare its fields, or use 'address:*' to ask whether it is set."),
        ("address.town = x", "column 9: 'address' has no field 'town'."),
        ("address.cit = x", "column 9: 'address' has no field 'cit'; did you mean 'city'?"),
        ("title.x = 1", "column 7: 'title' has no fields that can be filtered."),
        ("publish_time.seconds = 1", "column 14: 'publish_time' has no fields"),
        ('extra."a\\"b" = 1', "column 7: keys with double quotes, backslashes"),
        ("extra.a < true", "column 9: true and false have no order"),
        ("extra = 1", "column 7: 'extra' is a Struct: use 'extra:key', or 'extra.key' with a comparator."),
        ("tags = a", "column 6: 'tags' is repeated: only ':' can be used, which asks whether it holds the value."),
        ("tags.0 = a", "column 6: elements cannot be addressed by their index; 'tags:value' asks for any of them."),
        ("parts.title = a", "column 13: 'parts' is repeated: only ':' can be used, which asks whether 'title' of some element has the value."),
        ("parts:a", "column 6: 'parts' holds messages: compare their fields, or use ':*' to ask whether there is one."),
        ("labels = a", "column 8: 'labels' is a map: use 'labels:key', or 'labels.key' with a comparator."),
        ("labels.a.b = c", "column 10: the values of 'labels' have no fields that can be filtered."),
        ("counts.x = 1", "column 8: a whole number"),
        ("counts:x", "column 8: a whole number"),
        ("pieces.a = 1", "column 10: 'pieces' holds messages: compare their fields"),
        ("secret = x", "column 1: 'secret' cannot be filtered."),
        ("secret:*", "column 1: 'secret' cannot be filtered."),
        ("password > m", "column 1: 'password' cannot be filtered."),
        ("etag = x", "column 1: 'etag' cannot be filtered: it is made when the resource is read."),
        ("pages[0] = 1", "column 1: the resource 'book' has no field 'pages[0]'; did you mean 'pages'?"),
        ("pages..x = 1", "column 7: a field name is expected here"),
        ("title = \0", "column 9: the character U+0000 cannot be used."),
        ("NOT NOT pages = 1", "column 5: a field name is expected here, not NOT."),
        ("pages > (1 OR (x))", "column 16: a whole number"),
        ("pages ! 1", "column 7: a comparator is expected here: = != < <= > >= or :."),
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_meant_is_refused_with_its_place(text: str, description: str) -> None:
    assert description in refusal(text)


def test_a_long_filter_is_shown_around_the_fault_only() -> None:
    text = " AND ".join(["pages = 1"] * 20) + " AND pagess = 1 AND " + " AND ".join(["pages = 1"] * 20)
    _, shown, caret = refusal(text).split("\n")
    assert len(shown) < 130
    assert (shown[:3], shown[-1]) == ("  …", "…")
    assert shown[caret.index("^") :].startswith("pagess")


def test_control_characters_are_not_echoed() -> None:
    assert "\x1b" not in refusal("pages = 1 \x1b[2J").split("\n")[1]


# Bounds


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "(" * 8_000,
        "(" * 4_000 + "pages=1" + ")" * 4_000,
        "NOT (" * 1_600,
        "-(" * 4_000,
        "-" * 8_000,
        "pages:(" * 1_000,
        "pages=(" + "(" * 8_000,
        " OR ".join(["pages=1"] * 10_000),
        "pages=1 " * 1_000,
        "pages:(" + "1 " * 4_000 + ")",
        "title=" + '"' + "a" * 1_000_000 + '"',
        'title="' + "\\" * 8_001,
        'title="' + "a" * 8_000,
        "title='" + "\\a" * 4_000 + "'",
        "a" * 8_000,
        "a." * 4_000,
        "a.a" * 2_700 + "=1",
        "pages=" + "9" * 8_000,
        "pages=" + "1." + "9" * 8_000,
        "ratio=" + "9" * 8_000,
        "pages=1e" + "9" * 8_000,
        "ratio=1e" + "9" * 8_000,
        "length=" + "9" * 8_000 + "s",
        "length=1." + "9" * 8_000 + "s",
        "publish_time=2024-01-01T00:00:00." + "9" * 8_000 + "Z",
        " " * 8_000 + "(",
        "f(" + "1," * 4_000,
        "title=" + "*a" * 4_000,
    ],
)
def test_a_hostile_filter_is_answered_quickly_and_never_by_a_recursion_error(text: str) -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 250)
    started = time.perf_counter()
    try:
        predicate = FilterCompiler(book(), BookColumns()).compile(text)
        if predicate is not None:
            books().select().where(predicate.build("")).sql()
    except Fault as fault:
        assert len(fault.violations[0].description) < 1_000  # noqa: PT017 - refusing is one of two right answers.
    finally:
        sys.setrecursionlimit(limit)
    assert time.perf_counter() - started < 0.05


def test_limits_are_named_and_exact() -> None:
    deepest = limits.FILTER_DEPTH_MAX
    assert FilterCompiler(book(), BookColumns()).compile("(" * deepest + "pages=1" + ")" * deepest) is not None
    assert "nested deeper than 32" in refusal("(" * (deepest + 1) + "pages=1" + ")" * (deepest + 1))
    most = limits.FILTER_TERMS_MAX
    text = " ".join(["pages=1"] * most)
    assert matched(text) == matched("pages=1")
    assert "more than 128 comparisons" in refusal(f"{text} pages=1")
    stars = limits.FILTER_WILDCARDS_MAX
    assert FilterCompiler(book(), BookColumns()).compile("title=" + "*a" * stars) is not None
    assert "at most 32 wildcards" in refusal("title=" + "*a" * (stars + 1))
    filler = limits.FILTER_BYTES_MAX - len("title=")
    assert FilterCompiler(book(), BookColumns()).compile("title=" + "a" * filler) is not None
    assert "longer than 8192 bytes" in refusal("title=" + "a" * (filler + 1))
    assert "longer than 8192 bytes" in refusal("title=" + "ä" * (filler // 2 + 1))


def test_the_deepest_filter_runs() -> None:
    text = "pages=1"
    for _ in range(limits.FILTER_DEPTH_MAX // 2):
        text = f"NOT ({text} OR active = true)"
    assert matched(text) == expected(text)


@pytest.mark.parametrize(
    "make", [lambda n: "title = " + '"' + "x" * n, lambda n: "(" * n, lambda n: " " * n + "x", lambda n: "title=" + "*a" * (n // 2)]
)
def test_reading_takes_time_in_proportion_to_length(make: Callable[[int], str]) -> None:
    def seconds(size: int) -> float:
        best = 1.0
        for _ in range(5):
            started = time.perf_counter()
            with suppress(Fault):
                FilterCompiler(book(), BookColumns()).compile(make(size))
            best = min(best, time.perf_counter() - started)
        return best

    assert seconds(8_000) < 40 * seconds(1_000) + 0.005


@given(st.text(max_size=60) | st.lists(st.sampled_from(["pages", "title", "address", ".", "(", ")", "=", "!=", ":", "*", "-", "NOT", "AND", "OR", '"', "'", "\\", "1", "a", ",", "1.5", "x(", "tags", "labels"]), max_size=25).map(" ".join)
       | st.lists(st.sampled_from(["pages", "title", "address", ".", "(", ")", "=", "!=", ":", "*", "-", "NOT", "AND", "OR", '"', "'", "\\", "1", "a", ",", "1.5", "x(", "tags", "labels"]), max_size=25).map("".join))  # fmt: skip
@settings(max_examples=2_000)
def test_any_text_is_compiled_or_refused(text: str) -> None:
    try:
        predicate = FilterCompiler(book(), BookColumns()).compile(text)
    except Fault as fault:
        assert fault.reason == Reason.INVALID_FILTER  # noqa: PT017 - refusing is one of two right answers.
        return
    if predicate is not None:
        books().run(books().select().where(predicate.build("")).limit(1), dict(predicate.values))


INJECTIONS = ["' OR '1'='1", '" OR 1=1 --', "'; DROP TABLE book; --", "%", "_", "!", "!%", "\\'", "a' UNION SELECT", "?", "%s", "`", "😀", "\u202e", "${x}", "{0}"]  # fmt: skip


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_literal_never_reaches_the_sql(text: str) -> None:
    plain = compiled('title = "x" OR title:"x" OR labels.k = "x" OR tags:"x"')
    literal = quoted(text)
    hostile = compiled(f"title = {literal} OR title:{literal} OR labels.k = {literal} OR tags:{literal}")
    assert hostile.shape == plain.shape
    assert books().select().where(hostile.build("")).sql()[0] == books().select().where(plain.build("")).sql()[0]
    assert matched(f"title:{literal}") == expected(f"title:{literal}")
    assert books().run(books().select("id").columns(fn.COUNT("*")), {}) == [(300,)]
