"""Entries go when they are old enough: the oldest first, in bounded steps."""

from __future__ import annotations

from protoplane.base.deadline import Deadline
from protoplane.store.engine import Engine
from protoplane.store.origin import time_prefix
from protoplane.store.system import CHANGE_TABLE
from protoplane.store.trimming import delete_older, server_micros

MICROS_PER_DAY = 86_400_000_000


def trim(engine: Engine, *, keep_days: int, seconds_max: float) -> int:
    """Delete the entries of transactions older than that; gives how many went."""
    deadline = Deadline.after(seconds_max)
    before = max(0, server_micros(engine, deadline) - keep_days * MICROS_PER_DAY)
    return delete_older(engine, CHANGE_TABLE, "transaction_id", time_prefix(before), deadline)
