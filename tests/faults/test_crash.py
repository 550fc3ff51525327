"""F01, F04, F13: kill -9 of the server and of the database while many write. P1: what was acknowledged is there; P2: each write has one effect."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from protoplane.contract.load import load
from protoplane.project import Everything
from tests.door.changes import check_log
from tests.door.client import Refused
from tests.engines import Database
from tests.engines.server import Server
from tests.faults.history import History
from tests.faults.service import Service, serving, until

WRITERS = 4
LIVES = 7
"""Of each engine: 21 deaths in all."""
WRITING_SECONDS_MAX = 0.6
RECOVERY_SECONDS_MAX = 5.0
"""P6: from the database's return to the first call that works."""


def test_f01_f04_f13_whatever_is_killed_nothing_acknowledged_is_lost_and_nothing_done_twice(
    database: Database, client_modules: Any, tmp_path: Path
) -> None:
    moments, engine = random.Random(database.engine.name), database.engine
    with serving(tmp_path, database, client_modules) as service:
        door = service.door()
        history = History(service.lib, service.publisher(door, "p"), service.door)
        history.share(door)
        door.close()
        writers = [threading.Thread(target=history.write, args=(seed,)) for seed in range(WRITERS)]
        for writer in writers:
            writer.start()
        for life in range(LIVES):
            time.sleep(moments.uniform(0.05, WRITING_SECONDS_MAX))
            if isinstance(engine, Server) and life % 2:
                engine.kill()
                engine.restart()
                assert until(lambda: answers(service), RECOVERY_SECONDS_MAX) < RECOVERY_SECONDS_MAX
            else:
                service.kill()
                service.start()
        history.stop.set()
        for writer in writers:
            writer.join()
        kinds = Counter((write.method, write.state) for write in history.writes)
        assert len({method for method, state in kinds if state == "kept"}) == 3, kinds
        assert history.of("unknown"), "some calls were cut off"
        with closing(service.door()) as door:
            history.check(door)
        kept = database.execute("SELECT COUNT(*) FROM protoplane_request")[0][0]
        assert kept == len(history.of("kept")), "an answer is kept if and only if its write is"
        contract = load([service.folder / "protos"], implemented=Everything()).contract
        assert contract is not None
        check_log(database, contract)
    if not isinstance(engine, Server):
        with closing(sqlite3.connect(database.name)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def answers(service: Service) -> bool:
    """Whether a read works on a new connection."""
    with closing(service.door()) as door:
        try:
            door.ListPublishers(seconds=1)
        except Refused:
            return False
        return True
