"""The widest contracts that have no finding can be stored, full, on the engines that bound rows."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from protoplane.base import limits
from protoplane.contract.load import load
from tests.engines import Database
from tests.foreign import SETTINGS, served

SHEET = """syntax = "proto3";
package wide.v1;
import "buf/validate/validate.proto";
import "google/api/field_behavior.proto";
import "google/api/resource.proto";
import "protoplane/v1/options.proto";
message Sheet {
  option (google.api.resource) = {type: "wide.example.com/Sheet" pattern: "sheets/{sheet}"};
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
@}
message CreateSheetRequest {
  Sheet sheet = 1;
  string sheet_id = 2;
}
service Sheets {
  rpc CreateSheet(CreateSheetRequest) returns (Sheet) { option (protoplane.v1.rule).authenticated = true; }
}
"""
STAYS_CHARACTERS = 40
"""The longest text that InnoDB leaves in the row, when there is no room for others."""

CASES: dict[str, tuple[str, object]] = {
    "string": ("", "x" * STAYS_CHARACTERS),
    "bytes": (" [(buf.validate.field).bytes.max_len = 64]", "AAAA" * 21),
    "optional string": (" [(buf.validate.field).string.max_len = 20]", "𝕏" * 20),
    "int64": ("", str(2**63 - 1)),
    "string bounded": (" [(buf.validate.field).string.max_len = 200]", "𝕏" * 200),
}


def text(kind: str, options: str, count: int) -> str:
    return SHEET.replace("@", "".join(f"  {kind} f{number} = {number}{options};\n" for number in range(10, 10 + count)))


@cache
def widest(kind: str, options: str) -> int:
    """The most fields of a kind that lint lets through."""
    fits, beyond = 1, limits.COLUMNS_MAX + 1
    with TemporaryDirectory() as folder:
        while beyond - fits > 1:
            count = (fits + beyond) // 2
            (Path(folder) / "sheet.proto").write_text(text(kind, options, count))
            found = {finding.rule for finding in load([Path(folder)]).findings}
            assert found <= {"row-wide"}
            fits, beyond = (fits, count) if found else (count, beyond)
    return fits


@pytest.mark.engines("mariadb", "mysql")  # SQLite knows no such bounds.
@pytest.mark.parametrize("case", CASES)
def test_the_widest_row_without_a_finding_can_be_stored_full(tmp_path: Path, database: Database, case: str) -> None:
    options, value = CASES[case]
    kind = case.removesuffix(" bounded")
    count = widest(kind, options)
    (tmp_path / "protos").mkdir()
    (tmp_path / "protos/sheet.proto").write_text(text(kind, options, count))
    (tmp_path / "protoplane.toml").write_text(SETTINGS.format(name="wide", url=database.url))
    sheet = {f"f{number}": value for number in range(10, 10 + count)}
    with served(tmp_path) as guest:
        made = guest.call("CreateSheet", sheet_id="x" * limits.ID_CHARACTERS_MAX, sheet=sheet)
    assert {name: made[name] for name in sheet} == sheet
