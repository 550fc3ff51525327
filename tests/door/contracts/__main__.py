"""`python -m tests.door.contracts --contracts 25 --cases 200 [--engine mariadb] [--seed 7]`: the oracle over generated contracts, for as long as one likes."""

from __future__ import annotations

import argparse
import tempfile
import time
import traceback
from pathlib import Path

from tests.door.contracts.suite import check
from tests.door.contracts.writer import write
from tests.engines import ENGINE_NAMES, Database
from tests.engines.session import Engines


def run(database: Database, seed: int, cases: int) -> bool:
    """Ask one contract on one engine; says whether all agreed. What differs is printed with the contract's seed."""
    started = time.monotonic()
    name = f"{database.engine.name}: contract {seed}"
    try:
        with tempfile.TemporaryDirectory() as folder:
            check(write(seed), Path(folder), database.url, cases)
    except Exception:  # noqa: BLE001 - the next contract is asked all the same.
        print(f"{name}: DIFFERS", flush=True)
        traceback.print_exc()
        return False
    print(f"{name}: {cases} cases in {time.monotonic() - started:.0f} s", flush=True)
    return True


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contracts", type=int, default=25)
    parser.add_argument("--cases", type=int, default=200, help="filters of each contract; orders are a quarter as many")
    parser.add_argument("--seed", type=int, default=0, help="of the first contract")
    parser.add_argument("--engine", choices=ENGINE_NAMES, action="append")
    wanted = parser.parse_args()
    engines = Engines()
    differing = 0
    try:
        for name in wanted.engine or ENGINE_NAMES:
            for seed in range(wanted.seed, wanted.seed + wanted.contracts):
                database = engines.get(name).create_database()
                differing += not run(database, seed, wanted.cases)
                database.drop()
    finally:
        engines.close()
    raise SystemExit(min(differing, 1))


if __name__ == "__main__":
    main()
