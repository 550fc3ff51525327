"""Batches and Commit as a contract declares them: which are known for what they are, and what is said of those that are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from protoplane.cli.scaffold import Wish, scaffold
from protoplane.contract.load import Loaded, load
from protoplane.contract.model import MethodKind
from tests.contract.protos import LIBRARY

COMMIT = """
  rpc Commit(protoplane.commit.v1.CommitRequest) returns (protoplane.commit.v1.CommitResponse) {
    option (protoplane.v1.rule).authenticated = true;
  }
"""
WHOLE = (
    scaffold(LIBRARY, Wish("Book", methods=("BatchGet", "BatchUpdate", "BatchDelete")))
    .replace('import "protoplane/v1/options.proto";', 'import "protoplane/commit/v1/commit.proto";\nimport "protoplane/v1/options.proto";')
    .replace("service Library {", f"service Library {{{COMMIT}")
)
BY_REQUESTS = "repeated DeleteBookRequest requests"


def loaded(folder: Path, text: str) -> Loaded:
    file = folder / "library/v1/library.proto"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return load([folder])


def test_batches_and_commit_are_known_by_name_and_shape(tmp_path: Path) -> None:
    read = loaded(tmp_path, WHOLE)
    assert read.contract is not None, read.findings
    kinds = {method.name: method.kind for method in read.contract.methods.values()}
    assert kinds["BatchGetBooks"] is MethodKind.BATCH_GET
    assert kinds["BatchUpdateBooks"] is MethodKind.BATCH_UPDATE
    assert kinds["BatchDeleteBooks"] is MethodKind.BATCH_DELETE
    assert kinds["Commit"] is MethodKind.COMMIT


def test_batch_delete_may_take_requests_with_etags(tmp_path: Path) -> None:
    start = WHOLE.index("message BatchDeleteBooksRequest {")
    end = WHOLE.index("\n}\n", start) + 1
    read = loaded(tmp_path, f"{WHOLE[:start]}message BatchDeleteBooksRequest {{\n  {BY_REQUESTS} = 1;\n{WHOLE[end:]}")
    assert read.contract is not None, read.findings


WRONG = {
    "a batch of one name": ("method-shape", "  repeated string names = 2", "  string names = 2"),
    "a batch of other requests": ("method-shape", "  repeated UpdateBookRequest requests", "  repeated CreateBookRequest requests"),
    "what a batch does not heed": (
        "method-fields",
        "message BatchGetBooksRequest {",
        "message BatchGetBooksRequest {\n  string filter = 9;",
    ),
    "a view that is none": ("method-shape", "message BatchGetBooksRequest {", "message BatchGetBooksRequest {\n  string view = 9;"),
    "a batch of nothing known": ("resource-unknown", "rpc BatchGetBooks(", "rpc BatchGetPamphlets("),
    "a commit that answers something else": ("method-shape", "(protoplane.commit.v1.CommitResponse)", "(BatchGetBooksResponse)"),
    "a commit that streams": ("method-streaming", "rpc Commit(protoplane", "rpc Commit(stream protoplane"),
    "a commit without a rule": ("rule-missing", COMMIT, COMMIT.replace("    option (protoplane.v1.rule).authenticated = true;\n", "")),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_as_it_should_be_is_a_finding(tmp_path: Path, case: str) -> None:
    rule, before, after = WRONG[case]
    assert before in WHOLE
    assert [finding.rule for finding in loaded(tmp_path, WHOLE.replace(before, after, 1)).findings] == [rule]
