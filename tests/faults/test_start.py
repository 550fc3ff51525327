"""F04, F10: a database server whose settings would lose acknowledged writes, or has no room for us, is not served from."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from pathlib import Path

import pytest

from protoplane.identity.tokens import Signer
from protoplane.store.engine import Engine as Store
from tests.door.conftest import project
from tests.door.running import run
from tests.engines import Database, Engine
from tests.engines.server import Server
from tests.faults.others import SERVERS, private


def served(folder: Path, database: Database, **variables: str) -> str:
    """What `protoplane serve` says before it ends."""
    project(folder, database.url)
    (folder / "jwks.json").write_text(json.dumps(Signer.new().jwks()))
    (folder / "page.keys").write_text(base64.b64encode(b"k" * 32).decode())
    production = {
        "PROTOPLANE_AUTH_ISSUER": "https://issuer.example",
        "PROTOPLANE_AUTH_AUDIENCE": "library",
        "PROTOPLANE_AUTH_KEYS": "jwks.json",
        "PROTOPLANE_PAGE_TOKENS_KEYS": "page.keys",
    }
    ended = run("serve", folder=folder, **production, **variables)
    assert ended.returncode == 1
    return ended.stderr


@SERVERS
def test_f04_a_server_that_acknowledges_before_it_has_written_is_refused(server: Server, database: Database, tmp_path: Path) -> None:
    for value in (0, 2):
        server.execute(f"SET GLOBAL innodb_flush_log_at_trx_commit = {value}")
        try:
            assert "[commit-not-durable]" in served(tmp_path, database)
        finally:
            server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")


@SERVERS
def test_f04_a_binary_log_that_may_lack_acknowledged_writes_is_told(engine: Engine) -> None:
    options = ("--log-bin=log", "--server-id=1", "--sync-binlog=0")
    with (
        private(engine, *options, without="--skip-log-bin") as server,
        closing(Store(server.create_database().url, threads=1)) as store,
    ):
        assert [finding.rule for finding in store.findings()] == ["binlog-not-synced"]
        server.execute("SET GLOBAL sync_binlog = 1")
        assert store.findings() == []


@SERVERS
@pytest.mark.parametrize("too_many", [{"PROTOPLANE_SERVER_THREADS": "290"}, {"PROTOPLANE_SERVER_PROCESSES": "20"}])
def test_f10_a_server_without_room_for_all_connections_is_refused(database: Database, tmp_path: Path, too_many: dict[str, str]) -> None:
    assert "[connections-too-few]" in served(tmp_path, database, **too_many)
