"""Generated contracts answer filters, orders and groups as a slow interpreter does, whatever their fields are and are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from protoplane.cli.scaffold import Wish, scaffold
from tests.door.contracts import served
from tests.door.contracts.suite import check
from tests.door.contracts.writer import HEAD, Made, Planned, write
from tests.door.museum.schema import Schema
from tests.engines import Database

CASES = 100
SEEDS = (0, 8, 25, 30)
"""With four levels of names, integer ids, sort_0, references in references, a field called true, and tables called as words of SQL."""


@pytest.mark.parametrize("seed", SEEDS)
def test_aip_23_27_28_29_30_31_32_a_generated_contract_finds_what_the_interpreter_finds(
    database: Database, tmp_path: Path, seed: int
) -> None:
    check(write(seed), tmp_path, database.url, CASES)


THING = """
// A thing.
message Thing {
  option (google.api.resource) = {
    type: "made.example.com/Thing"
    pattern: "things/{thing}"
    singular: "thing"
    plural: "things"
  };

  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  optional int32 weight = 2;
  int32 sort_0 = 3;
}
"""


def test_aip_23_a_field_called_as_the_keys_of_a_page_once_were_does_not_disturb_it(database: Database, tmp_path: Path) -> None:
    thing = Planned("Thing", "thing", "things", "thing", None, integer=False, any_id=False)
    nothing = Schema({}, {}, {}, frozenset(), frozenset(), {}, {})
    made = Made(0, scaffold(HEAD + THING, Wish("Thing")), nothing, (thing,))
    with served(made, tmp_path, database.url) as service:
        values = [(None, 3), (None, 2), (1, 1), (2, 0)]
        for number, (weight, other) in enumerate(values):
            service.door.CreateThing(thing_id=f"t{number}", thing=service.message("Thing")(weight=weight, sort_0=other))
        found, token = service.page(thing, order_by="weight", page_size=1)
        while token:
            rows, token = service.page(thing, order_by="weight", page_size=1, page_token=token)
            found += rows
        assert [row.name for row in found] == ["things/t0", "things/t1", "things/t2", "things/t3"]


CHILD = """
// A child with a field called as its foreign key, which is an index on MySQL and MariaDB.
message Child {
  option (google.api.resource) = {
    type: "made.example.com/Child"
    pattern: "things/{thing}/children/{child}"
    singular: "child"
    plural: "children"
  };
  option (protoplane.v1.storage) = {
    index: { fields: ["parent"] }
  };

  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  int32 parent = 2;
}
"""


def test_a_table_may_have_an_index_over_a_column_called_parent(database: Database, tmp_path: Path) -> None:
    thing = Planned("Thing", "thing", "things", "thing", None, integer=False, any_id=False, names=["things/t"])
    child = Planned("Child", "child", "children", "child", thing, integer=False, any_id=False, names=["things/t/children/c"])
    text = scaffold(scaffold(HEAD + THING + CHILD, Wish("Thing")), Wish("Child"))
    nothing = Schema({}, {}, {}, frozenset(), frozenset({"made.v1.Thing.name", "made.v1.Child.name"}), {}, {})
    with served(Made(0, text, nothing, (thing, child)), tmp_path, database.url) as service:
        assert list(service.load()) == ["things/t", "things/t/children/c"]
