"""What is secret is taken out wherever it stands, and whether it changed is told by its path."""

from __future__ import annotations

from typing import Any

import pytest

from protoplane.changes.redaction import Redact, changed_paths, compile_redaction
from protoplane.contract.load import load

CONTRACT = """
syntax = "proto3";
package vault.v1;
import "google/api/field_behavior.proto";
import "google/api/resource.proto";
import "google/protobuf/wrappers.proto";
import "protoplane/v1/options.proto";
message Safe {
  option (google.api.resource) = {type: "vault.example.com/Safe" pattern: "safes/{safe}" singular: "safe" plural: "safes"};
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  string place = 2;
  string code = 3 [(protoplane.v1.field).sensitive = true];
  Lock lock = 4;
  repeated Lock spares = 5;
  map<string, Lock> rented = 6;
  repeated string hints = 7 [(google.api.field_behavior) = INPUT_ONLY];
  map<string, string> notes = 8 [(protoplane.v1.field).sensitive = true];
  optional int32 attempts = 9 [(protoplane.v1.field).sensitive = true];
  google.protobuf.Int64Value worth = 10 [(protoplane.v1.field).sensitive = true];
  Lock whole = 11 [(protoplane.v1.field).sensitive = true];
  Drawer drawer = 12;
}
message Lock {
  string maker = 1;
  string pin = 2 [(protoplane.v1.field).sensitive = true];
}
message Drawer {
  string label = 1;
  string secret = 2 [(protoplane.v1.field).sensitive = true];
  repeated Drawer drawers = 3;
}
message Plain {
  option (google.api.resource) = {type: "vault.example.com/Plain" pattern: "plains/{plain}" singular: "plain" plural: "plains"};
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  Link link = 2;
}
message Link {
  Link next = 1;
  string text = 2;
}
"""

FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "code": ({"code": "canary"}, {}),
    "lock.pin": ({"lock": {"maker": "m", "pin": "canary"}}, {"lock": {"maker": "m"}}),
    "spares.pin": ({"spares": [{"maker": "m"}, {"pin": "canary"}]}, {"spares": [{"maker": "m"}, {}]}),
    "rented.pin": ({"rented": {"k": {"maker": "m", "pin": "canary"}}}, {"rented": {"k": {"maker": "m"}}}),
    "hints": ({"hints": ["canary"]}, {}),
    "notes": ({"notes": {"canary": "canary"}}, {}),
    "attempts": ({"attempts": 0}, {}),
    "worth": ({"worth": {"value": 0}}, {}),
    "whole": ({"whole": {"maker": "canary"}}, {}),
    "drawer.secret": ({"drawer": {"label": "l", "secret": "canary"}}, {"drawer": {"label": "l"}}),
    "drawer.drawers": ({"drawer": {"label": "l", "drawers": [{"drawers": [{"secret": "canary"}]}]}}, {"drawer": {"label": "l"}}),
}
"""What is set, and what of it may be seen."""


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Redact]:
    """The class of safes and their redaction."""
    folder = tmp_path_factory.mktemp("vault")
    (folder / "vault.proto").write_text(CONTRACT)
    loaded = load([folder])
    assert loaded.contract is not None, loaded.findings
    resources = loaded.contract.resources
    assert compile_redaction(resources["vault.example.com/Plain"]) is None, "nothing to do costs nothing"
    redact = compile_redaction(resources["vault.example.com/Safe"])
    assert redact is not None
    return resources["vault.example.com/Safe"].message_class, redact


@pytest.mark.parametrize("path", FIELDS)
def test_a_secret_is_taken_out_and_its_path_is_told(safe: tuple[Any, Redact], path: str) -> None:
    new, redact = safe
    given, seen = FIELDS[path]
    message = new(name="safes/x", place="here", **given)
    kept = message.SerializeToString(deterministic=True)
    public, hidden = redact(message)
    assert public == new(name="safes/x", place="here", **seen)
    assert message.SerializeToString(deterministic=True) == kept, "what is given is left as it is"
    _, nothing = redact(new(name="safes/x", place="here", **seen))
    assert (changed_paths(hidden, nothing), changed_paths(nothing, hidden), changed_paths(hidden, hidden)) == (path, path, "")


def test_the_same_secret_in_another_element_is_a_change(safe: tuple[Any, Redact]) -> None:
    new, redact = safe
    hidden = [redact(new(spares=spares))[1] for spares in ([{"pin": "1"}, {}], [{}, {"pin": "1"}], [{"pin": "1"}, {}])]
    assert changed_paths(hidden[0], hidden[1]) == "spares.pin"
    assert changed_paths(hidden[0], hidden[2]) == ""
    both = redact(new(code="1", hints=["2"]))[1]
    assert changed_paths({}, both) == "code,hints"
