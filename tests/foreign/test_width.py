"""The widest contracts that have no finding can be stored, full, on the engines that bound rows."""

from __future__ import annotations

from pathlib import Path

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

CASES: dict[str, tuple[int, str, object]] = {  # The most fields of that type, their options, and the widest value.
    "string": (182, "", "x" * STAYS_CHARACTERS),
    "bytes": (115, " [(buf.validate.field).bytes.max_len = 64]", "AAAA" * 21),
    "optional string": (92, " [(buf.validate.field).string.max_len = 20]", "𝕏" * 20),
    "int64": (936, "", str(2**63 - 1)),
    "string bounded": (80, " [(buf.validate.field).string.max_len = 200]", "𝕏" * 200),
}


def write(folder: Path, case: str, *, more: int = 0) -> list[str]:
    """The contract, with as many fields as can be or more; their names."""
    count, options, _ = CASES[case]
    names = [f"f{number}" for number in range(10, 10 + count + more)]
    lines = "".join(f"  {case.removesuffix(' bounded')} {name} = {name[1:]}{options};\n" for name in names)
    folder.mkdir()
    (folder / "sheet.proto").write_text(SHEET.replace("@", lines))
    return names


@pytest.mark.parametrize("case", CASES)
def test_one_field_more_than_a_row_can_hold_is_found(tmp_path: Path, case: str) -> None:
    write(tmp_path / "protos", case, more=1)
    assert [finding.rule for finding in load([tmp_path / "protos"]).findings] == ["row-wide"]


@pytest.mark.engines("mariadb", "mysql")  # SQLite knows no such bounds.
@pytest.mark.parametrize("case", CASES)
def test_the_widest_row_without_a_finding_can_be_stored_full(tmp_path: Path, database: Database, case: str) -> None:
    sheet = dict.fromkeys(write(tmp_path / "protos", case), CASES[case][2])
    (tmp_path / "protoplane.toml").write_text(SETTINGS.format(name="wide", url=database.url))
    with served(tmp_path) as guest:
        made = guest.call("CreateSheet", sheet_id="x" * limits.ID_CHARACTERS_MAX, sheet=sheet)
    assert {name: made[name] for name in sheet} == sheet
