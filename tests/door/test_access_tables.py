"""`protoplane migrate` makes what a server of relations needs."""

from __future__ import annotations

from contextlib import closing

from protoplane.cli.migrate import wanted_tables
from protoplane.store.engine import Engine
from protoplane.store.migrate import plan
from protoplane.store.tuples import ACCESS_TABLES
from tests.door.service import Service


def test_migrate_wants_the_tables_of_tuples_that_the_server_has_made(workspace: Service) -> None:
    with closing(Engine(workspace.database.url, threads=1)) as store:
        wanted = wanted_tables(workspace.app.contract, store)
        assert set(ACCESS_TABLES) <= set(wanted)
        assert not list(plan(store, wanted).steps)
