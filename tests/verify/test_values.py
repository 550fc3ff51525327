"""Values for fields: texts that match patterns, and resources that keep every rule that they carry."""

from __future__ import annotations

import re

import protovalidate
import pytest

from protoplane.contract.pool import open_pool
from protoplane.contract.report import Report
from protoplane.contract.sources import compile_files
from protoplane.verify.annotations import Annotations
from protoplane.verify.chance import Chance
from protoplane.verify.data import Learned, Maker
from protoplane.verify.patterns import matching
from protoplane.verify.values import NoValueError

PATTERNS = (
    "^[A-Z0-9]{2}$", "[a-z]([a-z0-9-]{0,61}[a-z0-9])?", "^([A-Z][A-Z0-9]{1,5})?$", "[0-9]{4}-[0-9]{2}-[0-9]{2}", "^(abc|de+f)$",
    r"^\d{3}\.\w+$", "^[^a-z]+$", "^(?:x|y){2,4}$", "^(?P<year>20[0-9]{2})Q[1-4]$", r"^[\w.-]+@[a-z]+\.(com|org)$", "^a*?b$", r"^\$[0-9]{1,3}$",
    "^[]x]$", "^.{3,5}$", "^[a-z][a-z0-9_-]{0,62}$", "^#[0-9a-fA-F]{6}$",
)  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_text_is_found_in_which_the_pattern_is(pattern: str) -> None:
    for seed in range(30):
        made = matching(pattern, Chance(str(seed)))
        assert made is not None
        assert re.search(pattern, made)


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(a)\1", r"\p{L}+", "(", "[[:alpha:]]", "x{2", "^[a-z]{100}$"])
def test_patterns_that_are_not_plain_or_too_long_are_given_up(pattern: str) -> None:
    assert matching(pattern, Chance("1")) is None


def test_the_same_seed_gives_the_same_words() -> None:
    first, second, other = Chance("a"), Chance("a"), Chance("b")
    words = [first.word(8), first.uuid4()]
    assert words == [second.word(8), second.uuid4()]
    assert words != [other.word(8), other.uuid4()]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}", words[1])


PROTO = """
syntax = "proto3";
package rules.v1;
import "buf/validate/validate.proto";
import "google/api/field_behavior.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
// Everything that can be ruled.
message Ruled {
  string code = 1 [(buf.validate.field).string = {pattern: "^[A-Z]{3}[0-9]{2,4}$", max_len: 6}];
  string padded = 2 [(buf.validate.field).string = {min_len: 40, max_len: 41}];
  string exact = 3 [(buf.validate.field).string.len = 7];
  string mail = 4 [(buf.validate.field).string.email = true];
  string page = 5 [(buf.validate.field).string.uri = true];
  string id = 6 [(buf.validate.field).string.uuid = true];
  string host = 7 [(buf.validate.field).string.ipv6 = true];
  string among = 8 [(buf.validate.field).string = {in: ["red", "blue"]}];
  string fixed = 9 [(buf.validate.field).string.const = "always"];
  string prefixed = 10 [(buf.validate.field).string.prefix = "pre-"];
  int32 small = 11 [(buf.validate.field).int32 = {gte: 3, lte: 5}];
  int64 negative = 12 [(buf.validate.field).int64.lt = 0];
  uint32 above = 13 [(buf.validate.field).uint32.gt = 1000000];
  double share = 14 [(buf.validate.field).double = {gt: 0, lt: 1}];
  sint32 listed = 15 [(buf.validate.field).sint32 = {in: [-4, 9]}];
  bool agreed = 16 [(buf.validate.field).bool.const = true];
  Mood mood = 17 [(buf.validate.field).enum = {defined_only: true, not_in: [0, 1]}];
  repeated string words = 18 [(buf.validate.field).repeated = {min_items: 3, unique: true, items: {string: {pattern: "^[a-z]{5}$"}}}];
  map<string, int32> counts = 19 [(buf.validate.field).map = {min_pairs: 1, keys: {string: {min_len: 9}}, values: {int32: {gte: 7}}}];
  google.protobuf.Timestamp when = 20 [(buf.validate.field).timestamp = {gt: {seconds: 1600000000}, lt: {seconds: 1600000100}}];
  google.protobuf.Duration during = 21 [(buf.validate.field).duration = {lte: {seconds: 5}}];
  google.protobuf.Int32Value wrapped = 22 [(buf.validate.field).int32.gte = 40];
  Inner inner = 23 [(buf.validate.field).required = true];
  oneof choice {
    option (buf.validate.oneof).required = true;
    string left = 24 [(buf.validate.field).string.min_len = 3];
    int32 right = 25;
  }
  bytes blob = 26 [(buf.validate.field).bytes.min_len = 20];
  google.protobuf.Timestamp seen = 27 [(buf.validate.field).timestamp.lt_now = true];
  repeated Inner inners = 28 [(buf.validate.field).repeated.min_items = 1];
  // Moods.
  enum Mood {
    MOOD_UNSPECIFIED = 0;
    MOOD_BAD = 1;
    MOOD_GOOD = 2;
  }
  // Inside.
  message Inner {
    string text = 1 [(google.api.field_behavior) = REQUIRED, (buf.validate.field).string.min_len = 2];
  }
}
// Nothing fits.
message Impossible {
  string odd = 1 [(google.api.field_behavior) = REQUIRED, (buf.validate.field).string.pattern = "^\\\\p{Greek}$"];
}
"""


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rules.proto").write_text(PROTO)
    report = Report()
    compiled = compile_files([folder], None, report)
    assert compiled is not None, report.findings()
    return Maker(Annotations(open_pool(compiled.data).descriptors), Chance("rules"))


def test_what_is_made_keeps_every_rule_that_it_carries(maker: Maker) -> None:
    descriptor = maker.annotations.pool.FindMessageTypeByName("rules.v1.Ruled")
    for _ in range(20):
        made = maker.message(descriptor, lambda _: "", Learned())
        protovalidate.validate(made)
        unset = [each.name for each in descriptor.fields if each.name not in {one.name for one, _ in made.ListFields()}]
        assert unset == ["right"]


def test_what_cannot_be_made_is_said_with_its_pattern(maker: Maker) -> None:
    descriptor = maker.annotations.pool.FindMessageTypeByName("rules.v1.Impossible")
    with pytest.raises(NoValueError, match=r"cannot make a valid value for `odd` because of its pattern \^\\p\{Greek\}\$"):
        maker.message(descriptor, lambda _: "", Learned())


def test_numbers_to_sort_are_valid_distinct_and_ascending(maker: Maker) -> None:
    fields = maker.annotations.pool.FindMessageTypeByName("rules.v1.Ruled").fields_by_name
    assert maker.sorted_values(fields["small"], 3) == [3, 4, 5]
    assert maker.sorted_values(fields["small"], 4) is None
    for name in ("negative", "above", "share", "right"):
        values = maker.sorted_values(fields[name], 4)
        assert values is not None
        assert values == sorted(set(values))
