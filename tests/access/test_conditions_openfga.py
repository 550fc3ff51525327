"""Conditions as ours and a real OpenFGA answer them: what compiles, what a tuple may say, and whether it holds. Where they differ is listed here.

- *Numbers that do not fit* an int or uint are no such number to us; OpenFGA takes the largest that there is.
- *Cost.* OpenFGA ends an evaluation at a cost of 100, which a list of some dozens reaches; our bounds are those of `access.conditions`.
- *Infinity in a string* is no double to us.
- *`has(x.a)`* where `x` is neither a map nor an object has no answer; OpenFGA says no, and so yes to `!has(x.a)`.
- *A regular expression* that is none makes the evaluation fail; OpenFGA refuses the model where it stands as a literal.
- *A tuple whose condition has no answer* leaves a question without one where the answer depends on it, and only there. OpenFGA has none also where the
  tuple leads to nothing, and says no, which is no answer that one should give, where another tuple of the same relation was evaluated. A yes is a yes in both.
"""

import functools
import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from protoplane.access.check import Checks
from protoplane.access.conditions import Compiled, Conditions, Uncompilable
from protoplane.access.context import ConditionFailed
from protoplane.access.given import Given, Unanswered
from protoplane.access.model import Condition, Model
from protoplane.access.syntax import parse
from protoplane.access.tuples import Object, Subject, tuple_of
from protoplane.store.engine import Engine
from tests.access import openfga
from tests.access.conftest import fill, soon
from tests.access.openfga import OpenFga, Refused, kind_of
from tests.engines import Unavailable

SCALARS: dict[str, list[str]] = {
    "bool": ["x", "x == true"],
    "string": ["x == '5'", "x.startsWith('1')", "x < 'm'"],
    "int": ["x == 5", "x % 2 == 1", "x < 0"],
    "uint": ["x == 5u", "x > 4u"],
    "double": ["x == 0.5", "x < 5.0", "double(int(x)) == x"],
    "duration": ["x == duration('1h30m')", "x < duration('1m')", "x.getMinutes() == 90"],
    "timestamp": ["x < timestamp('2024-01-01T00:00:00Z')", "x.getHours() == 0", "x == timestamp('2023-12-31T22:00:00Z')"],
    "ipaddress": ["x.in_cidr('10.0.0.0/8')", "x.in_cidr('::ffff:10.0.0.0/104')", "x == ipaddress('::1')", "x.in_cidr('fe80::/10')"],
    "any": ["x == 5", "x == '5'", "x == null", "has(x.a)", "x.a == 5", "x[0] == 5", "x in [true, '5', 5]"],
    "list<int>": ["x.size() == 2", "x.exists(i, i == 5)", "5 in x"],
    "list<string>": ["'5' in x", "x.all(s, s.size() > 1)"],
    "list<ipaddress>": ["x.exists(i, i.in_cidr('10.0.0.0/8'))", "ipaddress('10.1.2.3') in x"],
    "map<string>": ["x.a == '5'", "'a' in x", "has(x.b)"],
    "map<int>": ["x['a'] == 5", "x.size() == 0"],
    "list<any>": ["x.size() == 2", "x[0] == 5"],
}
"""Expressions over one parameter of each type."""

VALUES: list[object] = [
    *(None, True, False, 5, 5.0, 0.5, -1, 1e18, 9007199254740993, 1e308, 0),
    *("", "5", "-5", "+5", "5.0", "0.5", ".5", "5.", "0.1", "1e1", "5e-1", "1e400", " 5", "0x5", "1_0", "five", "true"),
    *("1h30m", "1h", "90m", "-1.5s", "1.5h", "0", "1", "1ns", "1µs", "1h-30m", "+5400s", "2540400h", "2570000h", ".5m", "1.h", "1d"),
    *("2023-12-31T23:59:59Z", "2024-01-01T00:00:00+02:00", "2023-12-31T22:00:00.000000001Z", "2023-12-31T22:00:00z"),
    *("2023-12-31 22:00:00Z", "2023-12-31T22:00:00", "2023-02-29T00:00:00Z", "2023-12-31T24:00:00Z", "2023-12-31T23:59:60Z", "2023-12-31"),
    *("10.1.2.3", "::ffff:10.1.2.3", "::1", "0:0::1", "fe80::1", "fe80::1%eth0", "10.1.2", "010.1.2.3", "10.1.2.3/8", "10.1.2.256"),
    *([], [5], [5, 6], ["5"], ["5", "6.0"], [5.5, 1], [None], ["10.1.2.3", "::1"], [[5], 5], [True, 5]),
    *({}, {"a": 5}, {"a": "5"}, {"a": 5, "b": "x"}, {"a": None}, {"a": {"b": 5}}),
]


def different(expression: str, value: object) -> bool:
    """Whether we have no answer where OpenFGA has one, for a reason told above."""
    too_large = value in {1e308, "1e400"} if isinstance(value, float | str) else False
    return too_large or (expression == "has(x.a)" and not isinstance(value, dict))


EXPRESSIONS: list[tuple[dict[str, str], str]] = [
    ({"x": "int"}, "x"),
    ({"x": "int"}, "dyn(x) == 5.0"),
    ({"x": "int"}, "dyn(true)"),
    ({"x": "int"}, "x == 5.0"),
    ({"x": "int"}, "x < 5u"),
    ({"x": "int"}, "x =="),
    ({"x": "int"}, "y == 1"),
    ({"x": "int"}, "x > 1 ? true : false"),
    ({"x": "int"}, "x > 1 ? 1 : 2"),
    ({"x": "int"}, "[1, 'a'].size() == x"),
    ({"x": "int"}, "x.in_cidr('10.0.0.0/8')"),
    ({"x": "ipaddress"}, "x == '10.0.0.1'"),
    ({"x": "ipaddress"}, "x.in_cidr(5)"),
    ({"x": "ipaddress"}, "x.size() == 4"),
    ({"x": "ipaddress"}, "x == b'10.0.0.1'"),
    ({"x": "ipaddress"}, "ipaddress(true).in_cidr('10.0.0.0/8')"),
    ({"x": "list<ipaddress>"}, "'10.0.0.1' in x"),
    ({"x": "string"}, "x.substring(1) == 'a'"),
    ({"x": "string"}, "x.matches('(a)+')"),
    ({"x": "any"}, "x"),
    ({"x": "any"}, "x.a.b.c == 5 && x.d"),
    ({"x": "timestamp", "d": "duration"}, "x + d > x"),
    ({"x": "timestamp"}, "x + 5 > x"),
    ({"x": "map<int>"}, "x.all(k, x[k] > 0)"),
    ({"x": "map<int>"}, "x[1] == 1"),
    ({"if": "int"}, "1 == 1"),
    ({"in": "int"}, "1 == 1"),
]
"""Expressions that compile, or do not."""

CONTEXTS: list[tuple[str, dict[str, object], dict[str, object]]] = [
    ("x == y", {"x": 1}, {"y": 1}),
    ("x == y", {"x": 1}, {"x": 2, "y": 1}),
    ("x == y", {"x": 1, "y": 2}, {"x": 2, "y": 1}),
    ("x == y", {"x": 1}, {}),
    ("x == y", {}, {}),
    ("x == 1 || y == 1", {"x": 1}, {}),
    ("x == 1 || true", {"x": 1}, {}),
    ("x == 1", {"x": 1}, {"y": "no"}),
    ("x == 1", {"x": 1}, {"y": 1, "z": "no parameter"}),
    ("x == 1", {"x": 1, "z": 1}, {"y": 1}),
    ("x == 1", {"x": "one"}, {"y": 1}),
    ("x / y == 1", {"x": 1}, {"y": 0}),
    ("x == 1 || x / y == 1", {"x": 1}, {"y": 0}),
    ("x == 1 && x / y == 1", {"x": 2}, {"y": 0}),
]
"""What a tuple says, and what a request says, to a condition of two ints."""


@pytest.fixture(scope="module")
def there() -> Iterator[OpenFga]:
    """An OpenFGA, where the program is."""
    try:
        openfga.program()
    except Unavailable as reason:
        pytest.skip(str(reason))
    with openfga.started(None) as server:
        yield server


class Theirs:
    """A store whose documents are viewed under one condition."""

    def __init__(self, there: OpenFga, parameters: dict[str, str], expression: str) -> None:
        self.server = there
        self.path = f"/stores/{there.ask('/stores', {'name': 'test'})['id']}"
        this = {"directly_related_user_types": [{"type": "user", "condition": "held"}]}
        types = [
            {"type": "user"},
            {"type": "doc", "relations": {"viewer": {"this": {}}}, "metadata": {"relations": {"viewer": this}}},
        ]
        condition = {"name": "held", "expression": expression, "parameters": {name: kind_of(kind) for name, kind in parameters.items()}}
        there.ask(
            f"{self.path}/authorization-models", {"schema_version": "1.1", "type_definitions": types, "conditions": {"held": condition}}
        )

    def write(self, number: int, stored: dict[str, object]) -> None:
        """A tuple that says this; raises Refused."""
        key = {"user": "user:u", "relation": "viewer", "object": f"doc:{number}", "condition": {"name": "held", "context": stored}}
        self.server.ask(f"{self.path}/write", {"writes": {"tuple_keys": [key]}})

    def check(self, number: int, given: dict[str, object]) -> bool | None:
        """None for an error."""
        key = {"user": "user:u", "relation": "viewer", "object": f"doc:{number}"}
        try:
            return bool(self.server.ask(f"{self.path}/check", {"tuple_key": key, "context": given})["allowed"])
        except Refused as refused:
            if refused.status != http.client.BAD_REQUEST:
                raise
            return None


def condition_of(parameters: dict[str, str], expression: str) -> Condition:
    return Condition("held", tuple(parameters.items()), expression)


def ours(conditions: Conditions, stored: dict[str, object], given: dict[str, object]) -> bool | None:
    try:
        return conditions.evaluate("held", stored, given)
    except ConditionFailed:
        return None


@pytest.mark.parametrize("kind", SCALARS)
def test_what_fits_a_parameter_and_what_it_then_is_are_as_openfga_has_them(there: OpenFga, kind: str) -> None:
    wrong = []
    for expression in SCALARS[kind]:
        theirs = Theirs(there, {"x": kind}, expression)
        theirs.write(1, {})
        conditions = Conditions(Model({}, {"held": condition_of({"x": kind}, expression)}))
        for value in VALUES:
            mine, wanted = ours(conditions, {}, {"x": value}), theirs.check(1, {"x": value})
            if mine is not wanted and not (mine is None and different(expression, value)):
                wrong.append(f"{expression} of {json.dumps(value)}: {mine}, and OpenFGA has {wanted}")
    assert not wrong


@pytest.mark.parametrize(("parameters", "expression"), EXPRESSIONS)
def test_what_compiles_is_what_openfga_compiles(there: OpenFga, parameters: dict[str, str], expression: str) -> None:
    try:
        Theirs(there, parameters, expression)
        wanted = True
    except Refused:
        wanted = False
    try:
        Compiled(condition_of(parameters, expression))
        mine = True
    except Uncompilable:
        mine = False
    assert mine is wanted


def test_what_a_tuple_says_and_what_a_request_says_meet_as_in_openfga(there: OpenFga) -> None:
    parameters = {"x": "int", "y": "int"}
    for number, (expression, stored, given) in enumerate(CONTEXTS):
        theirs = Theirs(there, parameters, expression)
        conditions = Conditions(Model({}, {"held": condition_of(parameters, expression)}))
        try:
            theirs.write(number, stored)
        except Refused:
            with pytest.raises(ConditionFailed):
                conditions.admit("held", stored)
            continue
        conditions.admit("held", stored)
        assert ours(conditions, stored, given) is theirs.check(number, given), (expression, stored, given)


@pytest.mark.parametrize(
    ("kind", "expression", "value", "mine", "theirs"),
    [
        ("int", "x == 9223372036854775807", "99999999999999999999", None, True),
        ("int", "x == 9223372036854775807", 1e30, None, True),
        ("uint", "x == 9223372036854775807u", "18446744073709551615", False, True),
        ("double", "x > 1.0", "Inf", None, True),
        ("list<int>", "x.all(i, i > 0)", [1] * 200, True, None),
        ("any", "!has(x.a)", "a", None, True),
    ],
)
def test_where_conditions_differ_is_known(
    there: OpenFga, kind: str, expression: str, value: object, mine: bool | None, theirs: bool | None
) -> None:
    conditions = Conditions(Model({}, {"held": condition_of({"x": kind}, expression)}))
    assert ours(conditions, {}, {"x": value}) is mine
    store = Theirs(there, {"x": kind}, expression)
    store.write(1, {})
    assert store.check(1, {"x": value}) is theirs


OFFICE = """
model
  schema 1.1
type user
type group
  relations
    define member: [user, user with open]
type doc
  relations
    define parent: [doc, doc with open]
    define blocked: [user with open]
    define viewer: [user, user:* with open, group#member, group#member with open] or viewer from parent
    define reader: viewer but not blocked
    define both: viewer and reader

condition open(x: int) {
  x > 0
}
"""

HELD: list[tuple[str, str | None]] = [
    ("doc:1#viewer@user:plain", None),
    ("doc:2#viewer@user:*", '{"x":1}'),
    ("doc:3#viewer@user:*", "{}"),
    ("doc:4#viewer@group:a#member", '{"x":0}'),
    ("doc:4#viewer@group:b#member", "{}"),
    ("group:a#member@user:anne", None),
    ("group:b#member@user:anne", "{}"),
    ("doc:5#parent@doc:1", "{}"),
    ("doc:6#parent@doc:3", None),
    ("doc:1#blocked@user:plain", "{}"),
    ("doc:2#blocked@user:anne", '{"x":1}'),
    ("doc:7#viewer@user:plain", None),
    ("doc:7#viewer@user:*", "{}"),
    ("doc:8#viewer@group:a#member", None),
    ("doc:8#viewer@group:b#member", "{}"),
    ("doc:9#parent@doc:7", "{}"),
    ("doc:9#parent@doc:8", None),
]


@pytest.mark.engines("sqlite")
def test_conditions_on_the_way_are_met_as_in_openfga(there: OpenFga, module_store: Engine) -> None:
    model = parse(OFFICE)
    tuples = [tuple_of(text) if said is None else replace(tuple_of(text), condition="open", context=said) for text, said in HELD]
    theirs, checks = there.store(model, tuples), Checks(model, module_store)
    fill(module_store, model, tuples)
    questions = [
        (Subject("user", who), relation, Object("doc", str(number)))
        for who in ("plain", "anne", "zoe")
        for relation in ("viewer", "reader", "both")
        for number in range(1, 10)
    ]
    contexts: list[dict[str, object]] = [{"x": 0}, {"x": 1}, {"x": "1"}, {}]
    wrong = []
    for context in contexts:
        given = Given(evaluate=Conditions(model).bind(context))
        for subject, relation, object_ in questions:
            ask = functools.partial(checks.check, subject=subject, relation=relation, object_=object_, given=given)
            mine = answer(Unanswered, functools.partial(module_store.read, ask, soon()))
            wanted = answer(Refused, functools.partial(theirs.check, subject, relation, object_, context))
            if mine is not wanted and (context or True in {mine, wanted}):
                wrong.append(f"{subject} {relation} {object_} with {context}: {mine}, and OpenFGA has {wanted}")
    assert not wrong, "\n".join(wrong)


def answer(refusal: type[Exception], ask: Callable[[], bool]) -> bool | None:
    """None where there is none."""
    try:
        return ask()
    except refusal:
        return None
