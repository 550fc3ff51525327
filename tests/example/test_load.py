"""`load.py`: loads everything once, goes on after it was broken off, and says what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.door.client import Door
from tests.door.running import Running, running
from tests.example import DESK, copy
from tests.example.rows import ROWS

DATA = """
    import json
    from collections.abc import Callable, Iterator
    from dataclasses import dataclass
    from pathlib import Path

    Row = dict[str, str]
    LAST_FLIGHT = "flights/{last}"

    class DataUnavailable(Exception):
        pass

    @dataclass
    class Collection:
        message: str
        count: int
        rows: Callable[[], Iterator[Row]]

    def archive():
        with open("fetched", "a") as file:
            file.write("x")

    ROWS = json.loads(Path(__file__).with_name("rows.json").read_text())
    COLLECTIONS = {{name: Collection(message, len(rows), lambda rows=rows: iter(rows)) for name, (message, rows) in ROWS.items()}}
"""
"""Stands for data.py: a day of sixteen flights, and whether the archive was asked for."""


@dataclass
class Example:
    """The example with a day of data, served."""

    folder: Path
    process: Running
    door: Door

    def load(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run load.py, as the README says."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PROTOPLANE_")}
        environment |= {"PROTOPLANE_TARGET": self.process.target} | variables
        command = [sys.executable, "load.py"]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def everything(self) -> list[Any]:
        """All rows, with their etags and times."""
        door = self.door
        weather = [
            one
            for airport in door.ListAirports().airports
            for one in door.ListWeatherObservations(parent=airport.name).weather_observations
        ]
        return [
            *door.ListAirlines().airlines,
            *door.ListAirports().airports,
            *door.ListPlanes().planes,
            *weather,
            *door.ListFlights().flights,
            *door.ListDesks().desks,
        ]

    def reports(self, subject: str) -> dict[str, str]:
        """What somebody sees of all reports: titles, with what only leads see."""
        with closing(DESK.door(self.folder, self.process.target, subject)) as door:
            found = door.ListIncidentReports(parent="flights/-").incident_reports
        return {report.name.rpartition("/")[2]: report.assessment for report in found}


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    folder = copy(tmp_path)
    rows = {name: (message, [*rows, *EXTRA.get(name, [])]) for name, (message, rows) in ROWS.items()}
    last = rows["flights"][1][-1]["id"]
    (folder / "data.py").write_text(textwrap.dedent(DATA.format(last=last)))
    staff = (folder / "staff.py").read_text()
    for real, known in REPORTED.items():
        assert real in staff
        staff = staff.replace(real, known)
    (folder / "staff.py").write_text(staff)
    (folder / "rows.json").write_text(json.dumps(rows))
    with running(folder, "dev", "--once") as process:
        process.started()
        door = Door(process.target, DESK.modules, process.token)
        yield Example(folder, process, door)
        door.close()


EXTRA = {"airlines": [{"id": "9e", "code": "9E", "display_name": "Endeavor Air Inc."}]}
DESKS = 3
COUNT = sum(len(rows) for _, rows in ROWS.values()) + 1 + DESKS
REPORTED = {
    "2013-01-09-ha-51-jfk": "2013-01-01-ua-1-jfk",
    "2013-01-10-mq-3695-ewr": "2013-01-01-ua-4-ewr",
    "2013-02-08-us-2136-lga": "2013-01-01-ua-3-lga",
}
"""The flights that `staff.py` reports on, and what stands for them here."""


def test_it_loads_once_and_goes_on_after_it_was_broken_off(example: Example) -> None:
    first = example.load()
    assert first.returncode == 0, first.stderr
    loaded = example.everything()
    assert len(loaded) == COUNT
    assert (example.folder / "fetched").read_text() == "x"
    second = example.load()
    assert second.returncode == 0, second.stderr
    assert example.everything() == loaded, "down to etags and times"
    assert (example.folder / "fetched").read_text() == "x", "the archive is not even looked at again"
    last = f"flights/{ROWS['flights'][1][-1]['id']}"
    listed = [flight.name for flight in example.door.ListFlights().flights]
    gone = {last, *[name for name in listed if name.rpartition("/")[2] not in REPORTED.values()][5:8]}
    for name in gone:
        example.door.DeleteFlight(name=name)
    third = example.load()
    assert third.returncode == 0, third.stderr
    now = example.everything()
    assert [row.name for row in now] == [row.name for row in loaded]
    assert [row for row in now if row.name not in gone] == [row for row in loaded if row.name not in gone]


def test_everybody_has_what_is_his_and_whoever_loaded_it_has_nothing_of_it_any_more(example: Example) -> None:
    ran = example.load()
    assert ran.returncode == 0, ran.stderr
    seen = {who: example.reports(who) for who in ("ada", "bob", "nils", "sam", "carl", "developer")}
    assert {who: sorted(reports) for who, reports in seen.items()} == {
        "ada": ["a-day-late"],
        "bob": ["a-day-late", "no-spare"],
        "nils": ["a-day-late", "blizzard", "no-spare"],
        "sam": ["a-day-late"],
        "carl": ["blizzard"],
        "developer": [],
    }
    assert {who for who, reports in seen.items() if any(reports.values())} == {"ada", "carl"}
    assert set(example.reports("schedule-loader").values()) == {""}, "it reported them, and leads no desk"
    with closing(DESK.door(example.folder, example.process.target, "carl")) as carl:
        carl.DeleteDesk(name="desks/lga")
    again = example.load()
    assert again.returncode == 0, again.stderr
    assert example.reports("carl") == {}, "what was handed over is not ours to mend"


def test_it_needs_no_more_rights_than_it_has(example: Example) -> None:
    """Its own subject creates what the data has, and could not do anything else."""
    refused = example.load(PROTOPLANE_TOKEN="not a token")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "credentials" in refused.stderr
    assert example.everything() == []


def test_a_row_that_is_refused_is_named(example: Example) -> None:
    rows = json.loads((example.folder / "rows.json").read_text())
    rows["flights"][1][3]["distance_miles"] = "-5"
    (example.folder / "rows.json").write_text(json.dumps(rows))
    refused = example.load()
    assert refused.returncode == 1
    assert "distance_miles" in refused.stderr
    assert "line 5" in refused.stderr
    assert not example.door.ListFlights().flights
