"""Conditions: what is said to them, what they answer, and what is never a yes."""

import threading

import pytest

from protoplane.access.conditions import EXPRESSION_CHARACTERS_MAX, Compiled, Conditions, Uncompilable
from protoplane.access.context import (
    CONTEXT_BYTES_MAX,
    CONTEXT_VALUES_MAX,
    ConditionFailed,
    ContextMismatch,
    ContextMissing,
    ContextTooLarge,
)
from protoplane.access.model import Condition, Model
from protoplane.access.problem import InvalidModel, Wrong
from protoplane.access.syntax import parse


def conditions(expression: str, **parameters: str) -> Conditions:
    return Conditions(Model({}, {"held": Condition("held", tuple(parameters.items()), expression)}))


def test_what_the_tuple_says_goes_before_what_the_request_says() -> None:
    both = conditions("x == 1 && y == 2", x="int", y="int")
    assert both.evaluate("held", {"x": 1}, {"x": 5, "y": 2})
    assert not both.evaluate("held", {"x": 5}, {"x": 1, "y": 2})


def test_a_parameter_that_nobody_says_is_named_even_where_the_answer_does_not_depend_on_it() -> None:
    with pytest.raises(ContextMissing, match="condition 'held': 'y', 'z' are missing") as missing:
        conditions("x == 1 || y == 1 || z == 1", z="int", x="int", y="int").evaluate("held", {"x": 1}, {})
    assert (missing.value.condition, missing.value.parameters) == ("held", ("y", "z"))


def test_a_value_that_does_not_fit_names_condition_and_parameter() -> None:
    with pytest.raises(ContextMismatch, match=r"condition 'held': parameter 'x': a whole number is expected, not 1\.5") as mismatch:
        conditions("x == 1", x="int").evaluate("held", {}, {"x": 1.5})
    assert (mismatch.value.condition, mismatch.value.parameter) == ("held", "x")


@pytest.mark.parametrize("value", ["9223372036854775808", 1e19, "1e400", float("inf"), float("nan"), 10**400, "1" * 500, "1e9999999"])
def test_a_number_that_an_int_cannot_hold_is_none(value: object) -> None:
    with pytest.raises(ContextMismatch):
        conditions("x == 9223372036854775807", x="int").evaluate("held", {}, {"x": value})


@pytest.mark.parametrize("value", ["9223372036854775807", "-9223372036854775808", "5e0", "18446744073709551615"])
def test_a_number_in_a_string_is_exact(value: str) -> None:
    whole = str(int(float(value))) if "e" in value else value
    kind, suffix = ("uint", "u") if value.startswith("18") else ("int", "")
    assert conditions(f"x == {whole}{suffix}", x=kind).evaluate("held", {}, {"x": value})


def test_a_whole_number_of_a_struct_is_an_int_and_a_double_where_anything_may_stand() -> None:
    assert conditions("x == 5", x="int").evaluate("held", {}, {"x": 5.0})
    assert conditions("type(x) == double", x="any").evaluate("held", {}, {"x": 5})


def test_time_is_exact_to_the_nanosecond() -> None:
    later = conditions("t > timestamp('2024-01-01T00:00:00Z') && d > duration('1s')", t="timestamp", d="duration")
    assert later.evaluate("held", {}, {"t": "2024-01-01T01:00:00.000000001+01:00", "d": "1000000001ns"})
    assert not later.evaluate("held", {}, {"t": "2024-01-01T01:00:00.000000001+01:00", "d": "1s"})


@pytest.mark.parametrize(
    ("address", "cidr", "inside"),
    [
        ("192.168.1.1", "192.168.1.0/24", True),
        ("192.168.1.1", "192.168.1.77/24", True),
        ("::ffff:192.168.1.1", "192.168.1.0/24", True),
        ("192.168.1.1", "::ffff:192.168.1.0/120", True),
        ("192.168.2.1", "::ffff:192.168.1.0/120", False),
        ("192.168.1.1", "::/0", False),
        ("fe80::1", "fe80::/10", True),
        ("fe80::1%eth0", "fe80::/10", False),
    ],
)
def test_an_address_is_in_a_network_or_not(address: str, cidr: str, inside: bool) -> None:
    assert conditions("a.in_cidr(c)", a="ipaddress", c="string").evaluate("held", {}, {"a": address, "c": cidr}) is inside


@pytest.mark.parametrize("cidr", ["", "10.0.0.0", "10.0.0.0/255.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "fe80::%eth0/10", "/8"])
def test_what_is_no_network_has_no_answer(cidr: str) -> None:
    with pytest.raises(ConditionFailed, match="is no CIDR"):
        conditions("a.in_cidr(c)", a="ipaddress", c="string").evaluate("held", {}, {"a": "10.0.0.1", "c": cidr})


@pytest.mark.parametrize(
    ("expression", "x"),
    [
        ("x / 0 == 1", 1),
        ("x + 9223372036854775807 > 0", 1),
        ("[1][x] == 1", 5),
        ("'a'.matches('(')", 1),
        ("{'a': 1}[string(x)] == 1", 1),
        ("timestamp('never') == timestamp('never')", 1),
    ],
)
def test_an_evaluation_that_fails_is_no_answer(expression: str, x: int) -> None:
    with pytest.raises(ConditionFailed, match="condition 'held': ") as failed:
        conditions(expression, x="int").evaluate("held", {}, {"x": x})
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("value", ["\ud800", "a\0b", "é" * 10_000])
def test_strange_strings_are_strings_or_have_no_answer(value: str) -> None:
    try:
        assert conditions("x.size() > 0", x="string").evaluate("held", {}, {"x": value})
        assert conditions("x.size() > 0", x="any").evaluate("held", {}, {"x": value})
    except ConditionFailed:
        assert value == "\ud800"


def test_loops_in_loops_end_with_no_answer() -> None:
    with pytest.raises(ConditionFailed, match="Iteration budget exceeded"):
        conditions("l.all(i, l.all(j, i >= 0))", l="list<int>").evaluate("held", {}, {"l": [1] * (CONTEXT_VALUES_MAX - 1)})


def deep(levels: int) -> object:
    found: object = 1
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ([1] * CONTEXT_VALUES_MAX, "CONTEXT_VALUES_MAX"),
        ([[1] * 500, {str(i): 1 for i in range(500)}], "CONTEXT_VALUES_MAX"),
        ("é" * (CONTEXT_BYTES_MAX // 2), "CONTEXT_BYTES_MAX"),
        (deep(100), "CONTEXT_DEPTH_MAX"),
        (deep(100_000), "CONTEXT_DEPTH_MAX"),
    ],
)
def test_a_context_beyond_a_bound_is_refused_whoever_says_it(value: object, bound: str) -> None:
    anything = conditions("x == x", x="any")
    for ask in (
        lambda: anything.bind({"x": value}),
        lambda: anything.bind({"unused": value}),
        lambda: anything.evaluate("held", {"x": value}, {}),
        lambda: anything.admit("held", {"x": value}),
    ):
        with pytest.raises(ContextTooLarge, match=bound):
            ask()


class Counted(dict[str, object]):
    """What a request says, and how often it was asked for it."""

    asked = 0

    def __getitem__(self, name: str) -> object:
        self.asked += 1
        return super().__getitem__(name)


def test_equal_contexts_are_evaluated_once() -> None:
    given = Counted(y="b")
    evaluate = conditions("x.a == y", x="map<string>", y="string").bind(given)
    assert [evaluate("held", {"x": {"a": one, "c": "c"}}) for one in "abab"] == [False, True, False, True]
    assert evaluate("held", {"x": {"c": "c", "a": "b"}})
    assert given.asked == 2


@pytest.mark.parametrize(("stored", "admitted"), [({}, True), ({"x": 1}, True), ({"x": "one"}, False), ({"z": 1}, False)])
def test_a_tuple_says_what_there_is_a_parameter_for(stored: dict[str, object], admitted: bool) -> None:
    both = conditions("x == y", x="int", y="int")
    if admitted:
        both.admit("held", stored)
    else:
        with pytest.raises(ContextMismatch):
            both.admit("held", stored)


def test_a_condition_that_the_model_does_not_have_has_no_answer() -> None:
    with pytest.raises(ConditionFailed, match="condition 'gone': the model has no such condition"):
        conditions("x == 1", x="int").evaluate("gone", {}, {"x": 1})


def test_threads_evaluate_at_once() -> None:
    both = conditions("l.exists(i, i == x)", l="list<int>", x="int")
    wrong: list[int] = []

    def work(number: int) -> None:
        evaluate = both.bind({"x": number})
        wrong.extend(i for i in range(300) if evaluate("held", {"l": [i, i + 1]}) is not (number in {i, i + 1}))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    "expression",
    ["x", "dyn(true)", "", "x ==", "y", "(" * 100 + "true" + ")" * 100, f"x == {'1' * EXPRESSION_CHARACTERS_MAX}", "'" + "\ud800'==''"],
)
def test_what_is_no_condition_does_not_compile(expression: str) -> None:
    with pytest.raises(Uncompilable):
        Compiled(Condition("held", (("x", "int"),), expression))


HEAD = "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define a: [user with held]\n"


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("condition held(x: int) {\n  x == 'a'\n}", (8, 5), Wrong.CONDITION_INVALID),
        ("condition held(x: int) {\n  x > 0 &&\n    y == 1\n}", (9, 5), Wrong.CONDITION_INVALID),
        ("condition held(x: int) { x }", (7, 26), Wrong.CONDITION_INVALID),
        ("condition held(x: int) { }", (7, 26), Wrong.CONDITION_INVALID),
        ("condition held(x: integer) { x == 1 }", (7, 19), Wrong.PARAMETER_TYPE_UNKNOWN),
        ("condition held(x: list) { x == 1 }", (7, 19), Wrong.PARAMETER_TYPE_UNKNOWN),
        ("condition held(x: list<list>) { x == 1 }", (7, 19), Wrong.PARAMETER_TYPE_UNKNOWN),
        ("condition held(x: int<int>) { x == 1 }", (7, 19), Wrong.PARAMETER_TYPE_UNKNOWN),
        ("condition held(x: int, x: int) { x == 1 }", (7, 24), Wrong.DEFINED_TWICE),
        ("condition held(x-y: int) { true }", (7, 16), Wrong.SYNTAX),
        ("condition held() { true }", (7, 16), Wrong.SYNTAX),
        ("condition this(x: int) { x == 1 }", (7, 11), Wrong.NAME_RESERVED),
        ("condition held(x: int) { x == 1 }\ncondition other(x: int) { x == 1 }", (8, 11), Wrong.CONDITION_UNUSED),
        ("condition held(x: int) { x == 1 }\ncondition held(x: int) { x == 1 }", (8, 11), Wrong.DEFINED_TWICE),
    ],
)
def test_what_is_wrong_with_a_condition_has_a_place_and_a_reason(text: str, place: tuple[int, int], reason: Wrong) -> None:
    with pytest.raises(InvalidModel) as invalid:
        parse(HEAD + text)
    first = invalid.value.problems[0]
    assert ((first.line, first.column), first.reason) == (place, reason), first
