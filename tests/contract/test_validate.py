"""Checks of values: what breaks which field, told by path and reason, on messages of a private pool."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from protoplane.base.errors import Violation
from protoplane.contract.model import Behavior, Contract
from protoplane.contract.validate import Checks, compile_clear, compile_required, reason_of
from tests.contract.protos import HEADER, LIBRARY, edited, good, load_text, message_class

NOVEL = """
message Novel {
  option (google.api.resource) = {
    type: "library.example.com/Novel"
    pattern: "novels/{novel}"
  };
  string name = 1;
  string title = 2 [(google.api.field_behavior) = REQUIRED, (buf.validate.field).string = {min_len: 2 max_len: 5}];
  repeated string tags = 3 [(buf.validate.field).repeated.items.string.min_len = 2];
  map<string, string> notes = 4 [(buf.validate.field).map.values.string.min_len = 2];
  optional int32 pages = 5 [(google.api.field_behavior) = REQUIRED];
  repeated Chapter chapters = 6;
  map<int32, Chapter> extras = 7;
  Chapter preface = 8;
  double price = 9;
  repeated float scores = 10;
  google.protobuf.DoubleValue weight = 11;
  google.protobuf.Timestamp printed = 12;
  google.protobuf.Duration reading = 13;
  google.protobuf.Struct extra = 14;
  string sequel = 15 [(google.api.resource_reference).type = "library.example.com/Novel"];
  repeated string similar = 16 [(google.api.resource_reference).type = "library.example.com/Novel"];
  string token = 17 [(google.api.field_info).format = UUID4];
  string host = 18 [(google.api.field_info).format = IPV6];
  string request_id = 19;
  string hash = 20 [(google.api.field_behavior) = OUTPUT_ONLY];
  string pin = 21 [(google.api.field_behavior) = INPUT_ONLY];
  oneof cover {
    option (buf.validate.oneof).required = false;
    string hard = 22 [(google.api.field_behavior) = REQUIRED];
    string soft = 23;
  }
  google.protobuf.Value any_value = 24;

  option (buf.validate.message).cel = {
    id: "novel.cheap-enough"
    message: "a long novel must not be cheap"
    expression: "!has(this.pages) || this.pages < 100 || this.price > 5.0"
  };
  option (buf.validate.message).cel = {
    id: "x"
    message: "never"
    expression: "this.reading == duration('0s') || 10 / this.tags.size() > 0"
  };

  message Chapter {
    string heading = 1 [(google.api.field_behavior) = REQUIRED];
    string hash = 2 [(google.api.field_behavior) = OUTPUT_ONLY];
    google.protobuf.Timestamp written = 3;
    repeated Chapter sections = 4;
  }
}
message Plain {
  int32 number = 1;
  Plain plain = 2;
}
"""

UUID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return good(load_text(tmp_path_factory.mktemp("novel"), HEADER + NOVEL))


@pytest.fixture(scope="module")
def checks(contract: Contract) -> Checks:
    return Checks(contract)


def novel(contract: Contract, **fields: Any) -> Any:
    return message_class(contract, "Novel")(**fields)


def found(violations: list[Violation]) -> list[tuple[str, str]]:
    return [(violation.field, violation.reason) for violation in violations]


def test_rules_name_the_path_the_text_and_the_reason(contract: Contract, checks: Checks) -> None:
    check = checks.rules(message_class(contract, "Novel"))
    bad = novel(contract, title="toolong", tags=["ok", "x"], notes={'a"b': "y"}, pages=200)
    violations = check(bad, "novel.")
    assert set(found(violations)) == {
        ("novel.title", "STRING_MAX_LEN"),
        ("novel.tags[1]", "STRING_MIN_LEN"),
        ('novel.notes["a"b"]', "STRING_MIN_LEN"),
        ("novel", "NOVEL_CHEAP_ENOUGH"),
    }
    assert "a long novel must not be cheap" in [violation.description for violation in violations]
    assert check(novel(contract, title="fine"), "") == []


def test_a_rule_without_an_answer_is_a_violation(contract: Contract, checks: Checks) -> None:
    stuck = novel(contract, title="fine")
    stuck.reading.seconds = 1
    assert found(checks.rules(message_class(contract, "Novel"))(stuck, "novel.")) == [("novel", "RULE_WITHOUT_ANSWER")]


def test_rules_can_be_kept_out_of_a_field(tmp_path: Path) -> None:
    """An update's resource is judged after the merge, not as it comes."""
    text = edited(
        (
            "message UpdateBookRequest {\n  Book book = 1 [",
            "message UpdateBookRequest {\n  Book book = 1 [(buf.validate.field).required = true, ",
        )
    )
    contract = good(load_text(tmp_path, text))
    request_class = message_class(contract, "UpdateBookRequest")
    too_long = request_class(book={"title": "x" * 201})
    checks = Checks(contract)
    assert found(checks.rules(request_class)(too_long, "")) == [("book.title", "STRING_MAX_LEN")]
    shallow = checks.rules(request_class, shallow={"book"})
    assert shallow(too_long, "") == []
    assert found(shallow(request_class(), "")) == [("book", "REQUIRED")]


def test_two_contracts_do_not_share_rules(tmp_path: Path) -> None:
    """The validator keeps rules by the name of the message; each contract has its own."""
    other = edited(("string.max_len = 200", "string.max_len = 300"))
    for folder, text, bad in (("a", LIBRARY, 1), ("b", other, 0)):
        contract = good(load_text(tmp_path / folder, text))
        book = message_class(contract, "Book")
        assert len(Checks(contract).rules(book)(book(title="x" * 250), "")) == bad


def test_a_message_without_rules_costs_nothing(contract: Contract, checks: Checks) -> None:
    plain = message_class(contract, "Plain")
    field_free: tuple[Any, ...] = ()
    nothing = checks.rules(plain)
    assert nothing is checks.values(plain.DESCRIPTOR, field_free) is compile_required(plain.DESCRIPTOR, field_free)  # type: ignore[arg-type] # The stubs give classes another Descriptor.
    assert nothing(plain(), "") == []


def test_rules_hold_in_many_threads(contract: Contract, checks: Checks) -> None:
    check = checks.rules(message_class(contract, "Novel"))
    results: set[tuple[tuple[str, str], ...]] = set()

    def run() -> None:
        for _ in range(300):
            results.add(tuple(found(check(novel(contract, title="x"), ""))))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {(("title", "STRING_MIN_LEN"),)}


def test_required_is_presence_of_messages_and_truth_of_values(contract: Contract) -> None:
    """aip.md 8."""
    resource = contract.resources["library.example.com/Novel"]
    check = compile_required(resource.message, resource.fields)
    empty = novel(contract, chapters=[{}, {"heading": "x", "sections": [{}]}], extras={7: {}})
    assert found(check(empty, "novel.")) == [
        ("novel.title", "REQUIRED"),
        ("novel.pages", "REQUIRED"),
        ("novel.hard", "REQUIRED"),
        ("novel.chapters[0].heading", "REQUIRED"),
        ("novel.chapters[1].sections[0].heading", "REQUIRED"),
        ("novel.extras[7].heading", "REQUIRED"),
    ]
    assert found(check(novel(contract, title="x", pages=0, hard="y", preface={"heading": "x"}), "")) == [("pages", "REQUIRED")]
    assert check(novel(contract, title="x", pages=1, hard="y", preface={"heading": "x"}), "") == []


def test_required_fields_of_a_request(tmp_path: Path) -> None:
    contract = good(load_text(tmp_path, LIBRARY))
    create = contract.methods["/library.v1.Library/CreateBook"]
    request = create.request_class(book={})
    assert found(compile_required(create.request, create.request_fields)(request, "")) == [
        ("parent", "REQUIRED"),
        ("book.title", "REQUIRED"),
    ]
    shallow = compile_required(create.request, create.request_fields, shallow={"book"}, skipped={"parent"})
    assert shallow(request, "") == []
    assert found(shallow(create.request_class(), "")) == [("book", "REQUIRED")]


def test_output_only_fields_are_cleared_at_every_depth(contract: Contract) -> None:
    """aip.md 9."""
    resource = contract.resources["library.example.com/Novel"]
    clear = compile_clear(resource.message, resource.fields, Behavior.OUTPUT_ONLY)
    chapter = {"heading": "x", "hash": "y", "sections": [{"hash": "z", "sections": [{"hash": "deep"}]}]}
    message = novel(contract, title="x", hash="h", pin="1", chapters=[chapter], extras={1: chapter}, preface=chapter)
    clear(message)
    cleared = {"heading": "x", "sections": [{"sections": [{}]}]}
    assert message == novel(contract, title="x", pin="1", chapters=[cleared], extras={1: cleared}, preface=cleared)
    compile_clear(resource.message, resource.fields, Behavior.INPUT_ONLY)(message)
    assert not message.pin


def test_single_values_are_judged_by_their_kind(contract: Contract, checks: Checks) -> None:
    resource = contract.resources["library.example.com/Novel"]
    check = checks.values(resource.message, resource.fields)
    good_values = novel(
        contract,
        price=1e308,
        scores=[-0.0],
        weight={"value": 1.5},
        sequel="novels/a",
        similar=["novels/b"],
        token=UUID,
        host="::1",
        request_id="free text",
    )
    good_values.printed.FromJsonString("9999-12-31T23:59:59.999999999Z")
    good_values.reading.FromNanoseconds(-1_000_000_001)
    good_values.extra.update({"a": [1, None, {"b": True}]})
    assert check(good_values, "") == []

    bad = novel(
        contract,
        price=float("inf"),
        scores=[0.0, float("nan")],
        weight={"value": float("-inf")},
        sequel="novels",
        similar=["", "x/y"],
        token="6f9619ff-8b86-1d01-b42d-00cf4fc964ff",  # A UUID of version 1.
        host="10.0.0.1",
        chapters=[{"sections": [{"written": {"seconds": -62_135_596_801}}]}],
    )
    bad.printed.nanos = -1
    bad.reading.seconds, bad.reading.nanos = 1, -1
    bad.extra.fields["a"].list_value.values.add().number_value = float("nan")
    bad.any_value.SetInParent()
    assert found(check(bad, "novel.")) == [
        ("novel.price", "NOT_FINITE"),
        ("novel.scores[1]", "NOT_FINITE"),
        ("novel.weight", "NOT_FINITE"),
        ("novel.printed", "OUT_OF_RANGE"),
        ("novel.reading", "OUT_OF_RANGE"),
        ("novel.extra", "NOT_JSON"),
        ("novel.sequel", "INVALID_NAME"),
        ("novel.similar[1]", "INVALID_NAME"),
        ("novel.token", "INVALID_UUID4"),
        ("novel.host", "INVALID_IPV6"),
        ("novel.any_value", "NOT_JSON"),
        ("novel.chapters[0].sections[0].written", "OUT_OF_RANGE"),
    ]


@pytest.mark.parametrize(
    ("value", "fits"), [("", True), (UUID, True), (UUID.upper(), True), ("x", False), (UUID + "\n", False), (f"{{{UUID}}}", False)]
)
def test_request_ids_are_uuids(value: str, fits: bool, tmp_path: Path) -> None:
    """aip.md 14: on requests only; a resource may call a field as it likes."""
    contract = good(load_text(tmp_path, LIBRARY))
    create = contract.methods["/library.v1.Library/CreateBook"]
    check = Checks(contract).values(create.request, create.request_fields)
    assert found(check(create.request_class(request_id=value), "")) == ([] if fits else [("request_id", "INVALID_UUID4")])


@pytest.mark.parametrize(
    ("rule_id", "reason"),
    [
        ("string.max_len", "STRING_MAX_LEN"),
        ("my rule-2", "MY_RULE_2"),
        ("", "RULE_BROKEN"),
        ("2.x", "RULE_BROKEN"),
        ("a" * 80, "A" * 63),
        ("é", "RULE_BROKEN"),
    ],
)
def test_reasons_have_the_form_of_aip_193(rule_id: str, reason: str) -> None:
    assert reason_of(rule_id) == reason
