"""Start and stop every engine once, and say which there are: `python -m tests.engines`."""

import sys
import time

from tests.engines.engine import ENGINE_NAMES, Unavailable
from tests.engines.session import start


def main() -> int:
    """Print one line per engine; the exit code counts those that cannot be had."""
    missing = 0
    for name in ENGINE_NAMES:
        begin = time.monotonic()
        try:
            engine = start(name)
        except Unavailable as reason:
            print(f"{name:8} unavailable: {reason}")
            missing += 1
            continue
        ready = time.monotonic()
        try:
            database = engine.create_database()
            created = time.monotonic()
            database.drop()
        finally:
            engine.close()
        times = f"start {ready - begin:.2f} s, create database {(created - ready) * 1000:.0f} ms"
        print(f"{name:8} {engine.version}: {times}")
    return missing


if __name__ == "__main__":
    sys.exit(main())
