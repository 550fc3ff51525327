"""Messages that surely keep their rules: where generated code is sure, protovalidate finds nothing."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import protovalidate
import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from protoplane.contract.assured import Assured, compile_assured
from protoplane.contract.load import load
from protoplane.contract.model import Contract
from protoplane.contract.options import Annotations
from protoplane.contract.regexes import CHARACTERS_MAX, read_regex
from protoplane.project import Everything
from tests.contract.protos import HEADER, LIBRARY, good, load_text, message_class
from tests.contract.ruled import SCALARS, TIMES, Ruled, Types, rules_of, values_of
from tests.contract.ruled_at_random import PATTERNS, TEXTS, fields, messages

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Every try to make a failure smaller is another type for protovalidate to keep."""

BEYOND = (
    'string f = 1 [(buf.validate.field).cel = {id: "x" message: "x" expression: "this != \'x\'"}];',
    "string f = 1 [(buf.validate.field).cel_expression = \"this != 'x'\"];",
    "string f = 1 [(buf.validate.field).string.email = true];",
    "string f = 1 [(buf.validate.field).string.uuid = true];",
    "string f = 1 [(buf.validate.field).string.well_known_regex = KNOWN_REGEX_HTTP_HEADER_NAME];",
    'string f = 1 [(buf.validate.field).string.pattern = "^(a+)+$"];',
    'bytes f = 1 [(buf.validate.field).bytes.pattern = "a"];',
    "bytes f = 1 [(buf.validate.field).bytes.ip = true];",
    "int32 f = 1 [(buf.validate.field).int32 = {lt: 1 gt: 5}];",
    "google.protobuf.Timestamp f = 1 [(buf.validate.field).timestamp.lt_now = true];",
    "google.protobuf.Timestamp f = 1 [(buf.validate.field).timestamp.within = {seconds: 9}];",
    'google.protobuf.Any f = 1 [(buf.validate.field).any.in = "x"];',
    'google.protobuf.FieldMask f = 1 [(buf.validate.field).field_mask.in = "x"];',
    "google.protobuf.DoubleValue f = 1 [(buf.validate.field).double.gt = 1];",
    "repeated google.protobuf.StringValue f = 1 [(buf.validate.field).repeated.unique = true];",
    "repeated string f = 1 [(buf.validate.field).repeated.items.string.hostname = true];",
    "map<string, int32> f = 1 [(buf.validate.field).map.keys.string.ip = true];",
    'option (buf.validate.message).cel = {id: "x" message: "x" expression: "this.f != 1"}; int32 f = 1;',
    'option (buf.validate.message).oneof = {fields: ["f", "g"]}; int32 f = 1; int32 g = 2;',
)
"""Bodies of message types with a rule that is left to protovalidate."""

UNDERSTOOD = """
message Outer {
  Inner inner = 1 [(buf.validate.field).required = true];
  repeated Inner inners = 2 [(buf.validate.field).repeated.max_items = 1];
  map<string, Inner> named = 3;
  Asked asked = 4;
  repeated Asked all_asked = 5;
}
message Inner {
  string text = 1 [(buf.validate.field).string.min_len = 1];
}
message Asked {
  string text = 1 [(buf.validate.field).string.email = true];
}
"""


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    bodies = "".join(f"message Beyond{number} {{ {body} }}\n" for number, body in enumerate(BEYOND))
    return good(load_text(tmp_path_factory.mktemp("assured"), HEADER + UNDERSTOOD + bodies))


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Types:
    book: Any = good(load_text(tmp_path_factory.mktemp("types"), LIBRARY)).messages["library.v1.Book"].DESCRIPTOR
    return Types(book.file.pool)


def compiled(message_type: Any, **shallow: Any) -> Assured | None:
    return compile_assured(message_type.DESCRIPTOR, Annotations(message_type.DESCRIPTOR.file.pool), **shallow)


@pytest.mark.parametrize("kind", [*SCALARS, *TIMES])
def test_each_rule_by_itself_is_that_of_protovalidate(types: Types, kind: str) -> None:
    """At every value, all bounds among them; only where a range means what is outside of it, or holds NaN, nothing is said."""
    annotations, validator = Annotations(types.pool), protovalidate.Validator()
    understood = 0
    for rules in rules_of(kind):
        message_type = types.add([Ruled(kind, "optional", {kind: rules})])
        assured = compile_assured(message_type, annotations)
        low, high = ([rules[name] for name in names if name in rules] for names in (("gt", "gte"), ("lt", "lte")))
        if assured is None:
            assert "nan" in repr(rules) or list(map(_order, low)) > list(map(_order, high)), rules
            continue
        understood += 1
        for value in values_of(kind):
            message: Any = GetMessageClass(message_type)(f1=value)
            assert assured(message) == (not validator.collect_violations(message)), (rules, value)
    assert understood > len(list(rules_of(kind))) / 2, understood


def _order(value: Any) -> Any:
    return (value["seconds"] * 1_000_000_000 + value["nanos"]) if isinstance(value, dict) else value


@pytest.mark.parametrize("label", ["implicit", "optional", "oneof", "repeated", "map"])
@pytest.mark.parametrize("kind", ["int32", "double", "string", "bytes", "bool", "enum", "duration", "inner"])
def test_whether_a_rule_is_asked_is_what_protovalidate_makes_of_it(types: Types, kind: str, label: str) -> None:
    """Whatever is required or ignored, of a field or inside it, set or not."""
    annotations, validator = Annotations(types.pool), protovalidate.Validator()
    rule: dict[str, Any] = {kind: {"const": values_of(kind)[1]}} if kind != "inner" else {}
    inner = [Ruled("int32", "optional", {"required": True})]
    values = ({}, {"f1": 0}) if kind == "inner" else values_of(kind)[:2] if kind != "duration" else ({}, *values_of(kind)[:2])
    for required, ignore, ignore_inside, unique in product((False, True), (0, 1, 3), (0, 1, 3), (False, True)):
        match label:
            case "repeated":
                said: dict[str, Any] = {label: {"unique": unique and kind in SCALARS, "items": {**rule, "ignore": ignore_inside}}}
                held: list[Any] = [[], *([value] for value in values), list(values), [values[1], values[1]]]
            case "map":
                said = {label: {"values": {**rule, "ignore": ignore_inside}, **({"keys": {"int32": {"gte": 0}}} if unique else {})}}
                held = [{}, *({key: value} for value in values for key in (-1, 0, 1))]
            case _:
                said, held = rule, list(values)
        ruled = Ruled(kind, label, {**said, "required": required, "ignore": ignore}, key="int32")
        message_type = types.add([ruled], inner=inner, oneof_required=unique)
        assured = compile_assured(message_type, annotations)
        assert assured is not None
        message_class: Any = GetMessageClass(message_type)
        for message in (message_class(), *(message_class(f1=value) for value in held)):
            kept = not validator.collect_violations(message)
            assert kept or not assured(message), (ruled, message)
            # Of an empty message in a list or map protovalidate is asked.
            assert assured(message) == kept or (ignore_inside == 1 and kind in {"duration", "inner"}), (ruled, message)


def test_where_it_is_sure_no_rule_is_broken(types: Types) -> None:
    """Types and values at random. Of each answer there must be many, or this shows nothing."""
    annotations, validator = Annotations(types.pool), protovalidate.Validator()
    seen: Counter[str] = Counter()

    @settings(max_examples=400, deadline=None, phases=UNSHRUNK, suppress_health_check=[HealthCheck.too_slow])
    @given(fields("inner", "inner", "inner"), fields(), st.booleans(), st.data())
    def check(outer: list[Ruled], inner: list[Ruled], oneof_required: bool, data: st.DataObject) -> None:
        message_type = types.add(outer, inner=inner, oneof_required=oneof_required)
        assured = compile_assured(message_type, annotations)
        for _ in range(8):
            message = data.draw(messages(message_type))
            sure = assured is not None and assured(message)
            try:
                broken = bool(validator.collect_violations(message))
            except protovalidate.CompilationError:
                broken = True
                seen["uncompilable"] += 1
            seen[f"{sure=} {broken=}"] += 1
            assert not (sure and broken), message

    check()
    assert seen["sure=True broken=False"] > 500 < seen["sure=False broken=True"]


def test_patterns_mean_to_python_what_they_mean_to_re2(types: Types) -> None:
    validator = protovalidate.Validator()
    seen: Counter[str] = Counter()

    @settings(max_examples=600, deadline=None, phases=UNSHRUNK)
    @given(PATTERNS, st.lists(TEXTS, max_size=12).map(lambda texts: [*texts, "", "\n", "a", "a\n", "ab\n"]))
    @example("a$", ["a", "a\n"])
    @example("^a$", ["a", "a\n"])
    @example("^.$", ["a", "\n", "😀", "é"])
    @example(r"^\d$", ["1", "١"])
    @example(r"^\w$", ["_", "é"])
    @example(r"^\W$", ["_", "é"])
    @example("^a|b$", ["a", "ac", "b", "cb"])
    def check(pattern: str, texts: list[str]) -> None:
        message_type: Any = GetMessageClass(types.add([Ruled("string", rules={"string": {"pattern": pattern}})]))
        regex = read_regex(pattern)
        try:
            matches = [not validator.collect_violations(message_type(f1=text)) for text in texts]
        except protovalidate.CompilationError:
            assert regex is None, pattern
            seen["uncompilable"] += 1
            return
        if regex is None:
            seen["beyond"] += 1
        else:
            assert [regex.search(text) is not None for text in texts] == matches, (pattern, texts)
            seen.update(map(str, matches))

    check()
    assert min(seen["True"], seen["False"], seen["beyond"]) > 50
    assert seen["uncompilable"] > 3


@pytest.mark.parametrize(
    "pattern",
    ["^(a+)+$", "^(a*)*$", "^(a|a)*$", "^(a|ab|b)*$", r"^(\w+,?)*$", "^a*a*a*$", "[ab]*a[ab]*b", "(a|b|ab){20}", "a{1001}", "(a{50}){50}"],
)
def test_patterns_that_may_take_long_are_left_to_re2(pattern: str) -> None:
    assert read_regex(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "characters_max"),
    [
        ("^[a-z][a-z0-9-]{0,39}$", None),
        ("^([A-Z][A-Z0-9]{1,5})?$", None),
        ("^[a-z]+(-[a-z0-9]+)*$", None),
        (r"^[\w.+-]+@[a-z0-9]+(\.[a-z]+)+$", None),
        ("^(red|green|blue)(,(red|green|blue))*$", None),
        ("^[a-z]([a-z0-9-]*[a-z0-9])?$", CHARACTERS_MAX),
        ("[a-z]", CHARACTERS_MAX),
    ],
)
def test_ordinary_patterns_are_python_s_for_texts_of_any_length_where_the_next_character_decides(
    pattern: str, characters_max: int | None
) -> None:
    regex = read_regex(pattern)
    assert regex is not None
    assert regex.characters_max == characters_max


def test_ordinary_messages_of_the_examples_are_sure() -> None:
    flights = good(load([EXAMPLES / "flightdesk/protos"], implemented=Everything())).messages
    library = good(load([EXAMPLES / "library/protos"])).messages
    flight: Any = flights["flightdesk.v1.Flight"](flight_number=1545, tail_number="N14228", distance_miles=1400, outcome=1)
    flight.scheduled_departure_time.seconds = 1_357_016_400
    flight.air_time.seconds = 13_620
    book: Any = library["library.v1.Book"](title="The Left Hand of Darkness", isbn="9780441478125")
    for message in (flight, book, flights["flightdesk.v1.ListFlightsRequest"](page_size=50)):
        assured = compiled(message)
        assert assured is not None
        assert assured(message), message
    sure = compiled(flight)
    flight.tail_number = "n14228"
    assert sure is not None
    assert not sure(flight)


@pytest.mark.parametrize("number", range(len(BEYOND)), ids=BEYOND)
def test_types_with_other_rules_are_left_to_protovalidate(contract: Contract, number: int) -> None:
    assert compiled(message_class(contract, f"Beyond{number}")) is None


def test_a_default_of_proto2_is_left_to_protovalidate(types: Types) -> None:
    ruled = Ruled("int32", rules={"int32": {"gt": 1}})
    assert compile_assured(types.add([ruled]), Annotations(types.pool)) is not None
    assert compile_assured(types.add([ruled], default="7"), Annotations(types.pool)) is None


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_rules_of_a_project_s_own_are_left_to_protovalidate(types: Types, known: bool) -> None:
    number = 80_048 + known
    if known:
        extension = FieldDescriptorProto(
            name="even", number=number, extendee=".buf.validate.Int32Rules", type=FieldDescriptorProto.TYPE_BOOL
        )
        own = FileDescriptorProto(name="own.proto", package="own", dependency=["buf/validate/validate.proto"], extension=[extension])
        types.pool.AddSerializedFile(own.SerializeToString())
    rules: Any = GetMessageClass(types.pool.FindMessageTypeByName("buf.validate.Int32Rules"))
    tag = number << 3
    even = rules.FromString(bytes((tag & 0x7F | 0x80, tag >> 7 & 0x7F | 0x80, tag >> 14, 1)))
    assert len(even.ListFields()) == known
    assert compile_assured(types.add([Ruled("int32", rules={"int32": even})]), Annotations(types.pool)) is None


def test_messages_inside_that_protovalidate_must_judge_are_not_sure(contract: Contract) -> None:
    outer = message_class(contract, "Outer")
    assured = compiled(outer)
    assert assured is not None
    inner = {"text": "x"}
    assert assured(outer(inner=inner, inners=[inner], named={"a": inner}))
    address = {"text": "a@example.com"}
    fields: tuple[dict[str, Any], ...] = (
        {"asked": address},
        {"all_asked": [address]},
        {"inners": [{}]},
        {"named": {"a": {}}},
        {"inner": {}},
    )
    for more in fields:
        assert not assured(outer(**{"inner": inner, **more})), more


def test_what_is_inside_shallow_fields_does_not_count(contract: Contract) -> None:
    outer = message_class(contract, "Outer")
    assured = compiled(outer, shallow={"inner", "inners", "named", "asked"})
    assert assured is not None
    assert assured(outer(inner={}, inners=[{}], named={"a": {}}, asked={"text": "x"}))
    assert not assured(outer())
    assert not assured(outer(inner={}, inners=[{}, {}]))
    assert not assured(outer(inner={}, all_asked=[{}]))
