"""The git-ignored folder that keeps what is slow to fetch or make, and a lock so that parallel runs share the work."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache"


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock of this name against every other process; it is let go when the process ends, however it ends."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
