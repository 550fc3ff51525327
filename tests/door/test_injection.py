"""What callers write into filters and orders never becomes SQL, costs no more than its length, and tells nothing that they may not read.

Numbers are those of the attacks that are held off: B03 to B08.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from protoplane.base import limits
from protoplane.store.session import Session
from tests.door.client import Door, Refused
from tests.door.conftest import Serve
from tests.door.museum import MUSEUM, pb
from tests.door.museum.texts import quoted
from tests.door.service import Service

CANARY = "qzx"
"""Stands in every payload: SQL that holds it holds what a caller wrote."""
HOSTILE = (
    "' OR '1'='1", '" OR 1=1 -- ', "'; DROP TABLE exhibits; --", "') OR ('1'='1", "1) UNION SELECT * FROM artists --", "' UNION ALL SELECT NULL,NULL,NULL#",
    "' AND SLEEP(5) --", "' AND 1=CAST((SELECT sqlite_version()) AS INT) --", "'||(SELECT password FROM countries)||'", "' OR EXISTS(SELECT 1) /*", "*/ OR 1=1 --",
    "/*!50000 OR 1=1 */", "\\' OR 1=1 --", "\\", "\\\\'", '\\"', "\\x27 OR 1=1", "\\u0027", "%27%20OR%201=1", "0x27204f5220313d31", "CHAR(39)", "'||'", "' || ''='",
    "`; DROP TABLE halls; --", "`", "``", "\"; ATTACH DATABASE ':memory:' AS x; --", "]; DROP TABLE halls --", "?", "??", "%s", "%(x)s", "%%", "%", "_", "!", "!%", "!_", "!!",
    ":1", ":name", "$1", "${x}", "{0}", "{{7*7}}", "@@version", "#", "-- ", ";", "; COMMIT;", "\u2019 OR 1=1", "\uff07 OR 1=1", "\u02bc", "é\u0301", "😀' --", "\u202e", "\ufeff'", "\x7f'",
    "\r\n' OR 1=1", "\t'", "NULL", "null", "true", "1e308", "$.a", "$[*]", "$**", '"$.a"', "[0]", "a.b", "AND", "NOT", "' ESCAPE '!", "' LIKE '%", "LOAD_FILE('/etc/passwd')",
    "' INTO OUTFILE '/tmp/x", "' PROCEDURE ANALYSE()", "GLOB '*'", "MATCH 'x'", "REGEXP '.*'", "(a+)+$", "x' COLLATE utf8mb4_general_ci --",
)  # fmt: skip
PAYLOADS = tuple(f"{CANARY}{text}" for text in HOSTILE)


@dataclass
class Sent:
    """Every statement that reached a connection while a test ran."""

    statements: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def served(serve: Serve) -> Service:
    museum = serve(MUSEUM)
    with museum.calls() as door:
        door.CreateHall(hall_id="h", hall=pb.Hall())
        door.BatchCreateExhibits(
            parent="halls/h",
            requests=[
                pb.CreateExhibitRequest(
                    parent="halls/h",
                    exhibit_id=f"e{number:03}",
                    exhibit=pb.Exhibit(title=text, subtitle=text, tags=[text], labels={text: text}, parts=[{"text": text}], number=number),
                )
                for number, text in enumerate(PAYLOADS)
            ],
        )
    return museum


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    sent = Sent()

    def recorded(original: Callable[..., Any]) -> Callable[..., Any]:
        def record(self: Session, sql: str, *rest: Any) -> Any:
            sent.statements.append(sql)
            return original(self, sql, *rest)

        return record

    for name in ("rows", "row", "execute", "execute_many"):
        monkeypatch.setattr(Session, name, recorded(getattr(Session, name)))
    return sent


def numbers(door: Door, text: str) -> list[int]:
    return [exhibit.number for exhibit in door.ListExhibits(parent="halls/h", filter=text, page_size=1_000).exhibits]


@pytest.mark.parametrize("form", ["title = {}", "title:{}", "tags:{}", "labels:{}", "labels.{} = {}", "parts.text:{}", "{}", "startsWith(title, {})", "subtitle = ({} OR {})",
                                  'initial(title) = "q" AND title = {}'])  # fmt: skip
def test_b04_a_literal_is_bound_and_finds_itself_alone(door: Door, sent: Sent, form: str) -> None:
    shapes = set()
    for number, payload in enumerate(PAYLOADS):
        sent.statements.clear()
        found = numbers(door, form.replace("{}", quoted(payload)))
        like = ":" in form or form == "{}" or "With" in form
        wanted = [
            n
            for n, other in enumerate(PAYLOADS)
            if (payload in other if like and form not in ("tags:{}", "labels:{}", "parts.text:{}") else payload == other)
        ]
        assert found == wanted, payload
        assert number in found
        mine = {sql for sql in sent.statements if "exhibits" in sql}
        assert not [sql for sql in sent.statements if CANARY in sql]
        shapes |= mine
    assert len(shapes) == 1, "one statement serves them all"


@pytest.mark.parametrize("form", ["{} = 1", "title.{} = 1", "artist.{} = 1", "parts.{}:1", "pieces.a.{} = 1", "{}(title) = 1", "hall.{}:*", "facts.{} = 1", "counts.{} = 1", "name = {}", "artist = {}",
                                  "state = {}", "number = {}", "make_time > {}", "loan = {}", "image = {}", "shown = {}"])  # fmt: skip
def test_b04_names_keys_and_values_of_every_type_are_looked_up_or_refused(door: Door, sent: Sent, form: str) -> None:
    for payload in PAYLOADS:
        for text in (form.replace("{}", quoted(payload)), form.replace("{}", payload)):
            try:
                numbers(door, text)
            except Refused as refused:
                assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_FILTER"), text  # noqa: PT017 - refusing is one of two right answers.
    assert not [sql for sql in sent.statements if CANARY in sql]
    assert len(numbers(door, "")) == len(PAYLOADS), "nothing is lost"


def test_b05_an_order_is_looked_up_or_refused(door: Door, sent: Sent) -> None:
    for payload in PAYLOADS:
        for text in (
            payload,
            f"title {payload}",
            f"title, {payload}",
            f"artist.{payload}",
            f"{payload} desc",
            f"title desc{payload}",
            f"title;{payload}",
        ):
            with pytest.raises(Refused) as caught:
                door.ListExhibits(parent="halls/h", order_by=text)
            assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "INVALID_ORDER_BY"), text
    assert not [sql for sql in sent.statements if CANARY in sql]


ASKED = {
    "group_by": (
        "{}",
        "title, {}",
        "year({})",
        "year(make_time) as {}",
        "year(make_time, {})",
        "artist.{}",
        "labels.{}",
        "pieces.{}.text",
        "facts.{}",
    ),
    "aggregates": ("{}", "count({})", "sum({})", "sum(number) as {}", "count() as {}", "max(artist.{})", "{}(number)"),
    "having": ("{}", "{} > 1", "count > {}", "title = {}", "title:{}", "count() = {}"),
    "order_by": ("{}", "count {}", "title, {}", "{} desc", "title desc{}"),
}
"""Where a text can stand in what an Aggregate is asked."""


@pytest.mark.parametrize("place", ASKED)
def test_b04_b05_groups_aggregates_their_conditions_and_orders_are_looked_up_or_refused(door: Door, sent: Sent, place: str) -> None:
    """Whatever a caller calls a column, or compares it with, is no part of a statement, and no answer is that of another question."""
    whole: dict[str, Any] = {"group_by": ["title"], "aggregates": ["count() as count"]}
    for payload in PAYLOADS:
        for form in ASKED[place]:
            for text in (form.replace("{}", quoted(payload)), form.replace("{}", payload)):
                asked = {**whole, place: [text] if place in {"group_by", "aggregates"} else text}
                try:
                    groups = door.AggregateExhibits(parent="halls/h", page_size=1_000, **asked).groups
                except Refused as refused:
                    assert refused.code == "INVALID_ARGUMENT", (text, refused)  # noqa: PT017 - refusing is one of two right answers.
                else:
                    assert len(groups) <= len(PAYLOADS), text
    assert not [sql for sql in sent.statements if CANARY in sql]
    assert len(numbers(door, "")) == len(PAYLOADS), "nothing is lost"


def test_b04_masks_in_the_metadata_are_looked_up_or_refused(door: Door, sent: Sent) -> None:
    for payload in (payload for payload in PAYLOADS if payload.isascii() and payload.isprintable()):
        for form in ("{}", "title,{}", "labels.{}", "labels.`{}`", "parts.{}", "pieces.`{}`.text", "artist.{}"):
            mask = (("x-goog-fieldmask", form.replace("{}", payload)),)
            try:
                exhibit = door.GetExhibit(name="halls/h/exhibits/e000", metadata=mask)
            except Refused as refused:
                assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD_MASK"), form  # noqa: PT017 - as above.
            else:
                assert not exhibit.subtitle, "what is not named is not shown"
    assert not [sql for sql in sent.statements if CANARY in sql]


def test_b04_every_statement_is_made_of_the_contract_and_of_placeholders(door: Door, sent: Sent) -> None:
    """Literals in SQL are those that the service itself writes: few, and known."""
    text = 'title = "x" AND (number > 17 OR artist.home.area != 2.5) AND facts.a.b = "y" AND labels.k:* AND pieces.k.text = "z" AND parts.point.x:3'
    numbers(door, f'{text} AND make_time < now() AND size(tags) > 4 AND "phrase"')
    (sql,) = [sql for sql in sent.statements if "exhibits" in sql]
    known = {
        "",
        "INTEGER",
        "DOUBLE",
        "DECIMAL",
        "UNSIGNED INTEGER",
        "STRING",
        "BOOLEAN",
        "integer",
        "real",
        "text",
        "true",
        "false",
        "!",
        "1970-01-01 00:00:00.000000",
    }
    literals = {found for found in re.findall(r"'([^']*)'", sql) if not found.startswith("$")}
    assert literals <= known
    assert set(re.findall(r"'(\$[^']*)'", sql)) <= {"$", "$[*]", "$[0]", "$[1]", "$[1].text", "$.point", "$.point.x"}
    assert not re.findall(r"[^\w.`\"$\[]\d{2,}", sql.replace("1970-01-01 00:00:00.000000", "").replace("255", "")), "numbers are bound too"


@pytest.mark.parametrize("path", ["password", "draft", "vault", "vault.code", "etag", "copy_of.password", "copy_of.vault.code", "artist.home.password", "lender.draft",
                                  "place.country.password", "hall.country.password", "copy_of.copy_of.lender.password"])  # fmt: skip
def test_b03_what_is_secret_cannot_be_named_in_any_way(door: Door, path: str) -> None:
    forms = (
        "{} = x",
        '{} > "m"',
        "{}:*",
        "NOT {}:*",
        "{}:x",
        '{} = "a*"',
        'startsWith({}, "a")',
        "length({}) > 3",
        'initial({}) = "a"',
        "size({}) = 0",
        "near({}, 1)",
    )
    for form in forms:
        with pytest.raises(Refused) as caught:
            numbers(door, form.format(path))
        assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "INVALID_FILTER"), form
        assert "cannot be filtered" in caught.value.violations["filter"], form
    with pytest.raises(Refused, match="cannot be sorted by"):
        door.ListExhibits(parent="halls/h", order_by=path)
    with pytest.raises(Refused) as caught:
        numbers(door, "passwor = x")
    assert "'password'" not in caught.value.violations["filter"], "not even as a suggestion"


BOMBS = {
    "parentheses": "(" * 8_000,
    "closed parentheses": "(" * 4_000 + "number=1" + ")" * 4_000,
    "negations": "NOT (" * 1_600,
    "minus signs": "-(" * 4_000,
    "alternatives": " OR ".join(["number=1"] * 900),
    "values": "number:(" + "1 OR " * 1_600 + "1)",
    "a long literal": 'title="' + "a" * 1_000_000 + '"',
    "a long name": "a." * 4_000 + "b = 1",
    "calls in calls": "initial(" * 1_000 + "title" + ")" * 1_000,
    "many arguments": "near(" + "1," * 4_000 + "1)",
    "a chain of references": "copy_of." * 900 + "number = 1",
    "a chain of keys": "facts." + "a." * 3_900 + "a = 1",
    "a chain of elements": "parts." * 1_300 + "text:x",
    "searched words": "a " * 4_000,
    "wildcards": "title = " + "*a" * 4_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_b06_a_filter_that_is_too_much_is_refused_at_once(door: Door, sent: Sent, name: str) -> None:
    door.GetHall(name="halls/h")
    sent.statements.clear()
    started = time.perf_counter()
    with pytest.raises(Refused) as caught:
        numbers(door, BOMBS[name])
    seconds = time.perf_counter() - started
    assert caught.value.code in {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
    assert not [sql for sql in sent.statements if "exhibits" in sql]
    assert seconds < 1.0


def test_b06_the_largest_filter_that_is_taken_needs_little_stack() -> None:
    from protoplane.query.syntax import parse

    depth, found = limits.FILTER_DEPTH_MAX, []
    text = "(" * (depth - 1) + "initial(title) = x" + ")" * (depth - 1)

    def read() -> None:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(len(inspect.stack(0)) + 250)
        try:
            found.append(parse(text))
        finally:
            sys.setrecursionlimit(limit)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert found


@pytest.mark.parametrize("name", BOMBS)
def test_b07_reading_a_filter_takes_time_in_proportion_to_its_length(name: str) -> None:
    """CPU of this thread, the least of several runs: eight times the text must not cost the square of that."""
    from protoplane.query.caret import Misread
    from protoplane.query.syntax import parse

    def least_seconds(text: str) -> float:
        taken = []
        for _ in range(7):
            began = time.thread_time()
            for _ in range(20):
                with contextlib.suppress(Misread):
                    parse(text)
            taken.append(time.thread_time() - began)
        return min(taken)

    short, long = (least_seconds(BOMBS[name][: limits.FILTER_BYTES_MAX // divisor]) for divisor in (8, 1))
    assert long < 24 * short + 0.002


def test_b07_wildcards_are_matched_in_time_with_their_number_bounded(door: Door) -> None:
    long = door.CreateExhibit(parent="halls/h", exhibit_id="long", exhibit=pb.Exhibit(title="a" * 20_000 + "b", number=-1))
    try:
        started = time.perf_counter()
        for last, found in (("b", [-1]), ("c", [])):
            assert numbers(door, f"title = {'*a' * (limits.FILTER_WILDCARDS_MAX - 1)}*{last}") == found
        assert time.perf_counter() - started < 5
    finally:
        door.DeleteExhibit(name=long.name)


BOUNDARIES = [
    ("number", "2147483648"), ("number", "-2147483649"), ("number", "1e5000"), ("number", "-1e5000"), ("number", "1e-5000"), ("number", "0.1"), ("number", "-0"),
    ("views", "9223372036854775808"), ("views", "-9223372036854775809"), ("stock", "18446744073709551615"), ("stock", "18446744073709551616"), ("stock", "9223372036854775808"), ("stock", "-1"),
    ("rooms", "4294967296"), ("rooms", "-1"), ("ratio", "1e309"), ("ratio", "-1e309"), ("ratio", "1e-400"), ("ratio", "-0.0"), ("weight", "1e39"), ("weight", "3.4028236e38"),
    ("counts.1", "9223372036854775808"), ("facts.a", "1e999"), ("facts.a", "-1e999"), ("make_time", "0001-01-01T00:00:00Z"), ("make_time", "9999-12-31T23:59:59.999999999Z"),
    ("make_time", "0001-01-01T00:00:00+23:59"), ("make_time", "9999-12-31T23:59:59-23:59"), ("loan", "315576000001s"), ("loan", "-999999999999999999999s"), ("loan", "-0.000000001s"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "literal"), BOUNDARIES)
def test_b08_numbers_and_times_at_and_beyond_their_ends_are_compared(door: Door, path: str, literal: str) -> None:
    whole = len(numbers(door, ""))
    below, equal, above = (len(numbers(door, f"{path} {comparator} {literal}")) for comparator in ("<", "=", ">"))
    not_below = len(numbers(door, f"{path} >= {literal}"))
    assert equal + above == not_below
    assert below + not_below == (whole if path in {"number", "stock", "rooms", "ratio", "weight"} else 0)


@pytest.mark.parametrize(
    "text",
    ["number = NaN", "ratio = NaN", "ratio > inf", "ratio < -Infinity", "number = 0x1", "number = 1_000", "number = ١", "number = '1'", "number = true", "number = --1", "number = 1e", "state = 1",
     "state = STATE_UNKNOWN", "state = -5", "shown = 1", "shown = TRUE", "make_time > 0000-01-01T00:00:00Z", "make_time > 10000-01-01T00:00:00Z", "make_time > 2024-02-30T00:00:00Z", "make_time > 1",
     "make_time > 2024-05-01T24:00:00Z", "make_time > 2024-05-01T23:59:60Z", "loan > 1", "loan > 1h", "loan > 1e3s", "image = '*'", "counts.1.5 = 1", "counts.x = 1", "answers.yes = a",
     "facts.a > true", "make_time > ago(1)", "make_time > ago(1e9d)", "title > 'a*'"],
)  # fmt: skip
def test_b08_a_value_of_another_type_is_refused(door: Door, text: str) -> None:
    with pytest.raises(Refused) as caught:
        numbers(door, text)
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "INVALID_FILTER")
