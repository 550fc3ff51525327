"""Faults provoked for real, and what callers see of them.

`FAULTS` says of every number of the reliability checklist that applies so far where it is shown; `test_table.py` holds it to that.
The database servers are real ones that are killed, frozen, filled and misconfigured; the networks between them, the server and its
callers are real connections through a proxy of ours (`proxy.py`). What takes root is provoked by something that does not:

- packet loss (F20): chunks that come late, as when they are sent again, and connections that are reset;
- a full disk (F11): a tablespace that may not grow. A disk that fills up under large values has InnoDB abort: that is F04.
- a clock that jumps (F25): libfaketime, which moves the clock of the server's process alone. SQLite has no clock but that one.
"""

from collections.abc import Mapping

FAULTS: Mapping[int, tuple[str, ...]] = {
    1: ("tests/faults/test_crash.py",),
    2: ("tests/processes",),  # SIGTERM under load.
    3: ("tests/processes",),  # A drain that takes longer than it may.
    4: ("tests/faults/test_crash.py", "tests/faults/test_outage.py", "tests/faults/test_start.py"),
    5: ("tests/faults/test_connections.py", "tests/door/test_health.py"),
    6: ("tests/faults/test_outage.py", "tests/door/test_health.py"),
    7: ("tests/faults/test_locks.py", "tests/door/test_health.py"),
    8: ("tests/faults/test_locks.py", "tests/door/test_custom.py"),
    9: ("tests/faults/test_connections.py",),
    10: ("tests/faults/test_connections.py", "tests/faults/test_start.py"),
    11: ("tests/faults/test_full.py",),
    12: ("tests/faults/test_full.py",),
    13: ("tests/faults/test_crash.py",),
    14: ("tests/faults/test_network.py",),
    15: ("tests/faults/test_network.py", "tests/faults/test_outage.py", "tests/door/test_health.py"),
    16: ("tests/faults/test_network.py", "tests/faults/test_outage.py"),
    17: ("tests/faults/test_callers.py",),
    18: ("tests/faults/test_callers.py",),
    19: ("tests/faults/test_callers_network.py",),
    20: ("tests/faults/test_callers_network.py",),
    21: ("tests/faults/test_callers_network.py",),
    22: ("tests/faults/test_callers.py",),
    23: ("tests/faults/test_callers.py", "tests/faults/test_deadline.py"),
    24: ("tests/faults/test_callers.py", "tests/faults/test_deadline.py"),
    25: ("tests/faults/test_clock.py",),
    37: ("tests/overload",),
    38: ("tests/faults/test_resources.py",),
    39: ("tests/faults/test_resources.py",),
    40: ("tests/faults/test_callers_network.py",),
    41: ("tests/faults/test_backup.py",),
    42: ("tests/faults/test_resources.py",),
}
"""Number → the files, or the folder, that show it. F26 to F36 are about what does not exist yet: workers, webhooks, an outbox, JWKS."""
