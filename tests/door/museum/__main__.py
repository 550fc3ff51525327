"""`python -m tests.door.museum --cases 10000 [--engine mariadb] [--seed 7]`: the oracle of filters, for as long as one likes."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings

from tests.door.museum import MUSEUM
from tests.door.museum.collection import load
from tests.door.museum.texts import comparisons, filters
from tests.door.service import served
from tests.door.test_filter_oracle import Asked
from tests.engines import ENGINE_NAMES
from tests.engines.session import Engines


def run(engines: Engines, name: str, cases: int, number: int) -> None:
    """Ask one engine so many filters; the first that differs ends it, with its text."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, served(MUSEUM, engines.get(name), Path(folder)) as museum, museum.calls() as door:
        asked = Asked(door, load(door, seed=number))

        @seed(number)
        @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(filters(comparisons()))
        def check(text: str) -> None:
            asked.check(text)

        check()
    print(f"{name}: {cases} filters found what the interpreter finds, in {time.monotonic() - started:.0f} s")


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7, help="of the rows and of the filters")
    parser.add_argument("--engine", choices=ENGINE_NAMES, action="append")
    wanted = parser.parse_args()
    engines = Engines()
    try:
        for name in wanted.engine or ENGINE_NAMES:
            run(engines, name, wanted.cases, wanted.seed)
    finally:
        engines.close()


if __name__ == "__main__":
    main()
