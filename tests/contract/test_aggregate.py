"""An Aggregate method is known by its name and its shape, and every fault of the shape has its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from protoplane.contract.model import MethodKind
from tests.contract.protos import LIBRARY, edited, good, load_text, marked_lines

REQUEST = """
message AggregateBooksRequest {
  string parent = 1;
  string filter = 2;
  repeated string group_by = 3;
  repeated string aggregates = 4;
  string having = 5;
  string order_by = 6;
  int32 page_size = 7;
  string page_token = 8;
}
message AggregateBooksResponse {
  repeated protoplane.v1.AggregateGroup groups = 1;
  string next_page_token = 2;
}
"""
RPC = """
  rpc AggregateBooks(AggregateBooksRequest) returns (AggregateBooksResponse) {
    option (protoplane.v1.rule).permission = "books.list";
  }
"""
TEXT = edited(
    ("service Library {\n", "service Library {\n" + RPC),
    (
        'import "protoplane/v1/options.proto";\n',
        'import "protoplane/v1/aggregate.proto";\nimport "protoplane/v1/options.proto";\n' + REQUEST,
    ),
    text=LIBRARY,
)


def test_it_is_of_its_own_kind_and_about_its_resource(tmp_path: Path) -> None:
    method = good(load_text(tmp_path, TEXT)).methods["/library.v1.Library/AggregateBooks"]
    assert method.kind is MethodKind.AGGREGATE
    assert method.resource is not None
    assert method.resource.singular == "book"


def test_what_it_need_not_be_asked_for_may_be_left_out(tmp_path: Path) -> None:
    names = (
        "string filter = 2",
        "repeated string group_by = 3",
        "repeated string aggregates = 4",
        "string having = 5",
        "string order_by = 6",
    )
    good(load_text(tmp_path, edited(*((f"  {name};\n", "") for name in names), text=TEXT)))


FAULTS: dict[str, tuple[str, tuple[str, str]]] = {
    "group_by that is one text": ("method-shape", ("  repeated string group_by = 3;", "  string group_by = 3; //!")),
    "no parent": ("method-shape", ("message AggregateBooksRequest {\n  string parent = 1;", "message AggregateBooksRequest { //!")),
    "no page_token": ("method-shape", ("message AggregateBooksRequest {\n", "message AggregateBooksRequest { //!\n")),
    "a field that nobody heeds": ("method-fields", ("  string having = 5;", "  string having = 5;\n  bool exact = 20; //!")),
    "groups of its own making": (
        "method-shape",
        (
            "message AggregateBooksResponse {\n  repeated protoplane.v1.AggregateGroup groups",
            "message AggregateBooksResponse { //!\n  repeated Book books",
        ),
    ),
    "no next_page_token": ("method-shape", ("message AggregateBooksResponse {\n", "message AggregateBooksResponse { //!\n")),
    "groups of nothing that is stored": ("resource-unknown", ("rpc AggregateBooks(", "rpc AggregateLoans( //!\n")),
}
TAKEN = {"no page_token": "  string page_token = 8;\n", "no next_page_token": "AggregateGroup groups = 1;\n  string next_page_token = 2;\n"}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_of_its_shape_is_found_at_its_line(tmp_path: Path, what: str) -> None:
    rule, edit = FAULTS[what]
    text = edited(edit, text=TEXT)
    if what in TAKEN:
        text = edited((TAKEN[what], TAKEN[what].rpartition("  string")[0]), text=text)
    found = load_text(tmp_path, text).findings
    assert [finding.rule for finding in found] == [rule], found
    assert found[0].place.line in marked_lines(text)
