"""The client package once for all; a service of two processes for tests that leave it as they found it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from protoplane.identity.tokens import Signer
from tests.door.running import Running, done
from tests.engines import Database
from tests.processes.client import Client
from tests.processes.kit import AUDIENCE, ISSUER, Project, production, write_project

SIGNER = Signer.new()
FILE = "desk.db"
FILE_URL = f"sqlite:///{FILE}"


@dataclass(frozen=True)
class Service:
    """A project that is served."""

    project: Project
    process: Running
    client: Client


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """The package, and a token for whoever may write notes."""
    folder = tmp_path_factory.mktemp("desk")
    write_project(folder)
    done("generate", "--lang", "python", "--out", "client", folder=folder)
    return Client.of(folder / "client/src", SIGNER.mint(subject="writer", issuer=ISSUER, audience=AUDIENCE, seconds=3_600))


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with the tables, to be copied."""
    folder = tmp_path_factory.mktemp("tables")
    production(folder, FILE_URL, SIGNER).migrate()
    return folder / FILE


@pytest.fixture
def project(tables: Path, tmp_path: Path) -> Project:
    """A project of this test alone, on SQLite."""
    shutil.copy(tables, tmp_path)
    return production(tmp_path, FILE_URL, SIGNER)


@pytest.fixture
def durable(database: Database, tmp_path: Path) -> Project:
    """A project of this test alone, on a database server."""
    return production(tmp_path, database.url, SIGNER).migrate()


@pytest.fixture(scope="module")
def service(module_database: Database, client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two processes on a database server."""
    project = production(tmp_path_factory.mktemp("desk"), module_database.url, SIGNER).migrate()
    with project.serving("--processes", "2") as process:
        process.started(times=2)
        yield Service(project, process, client)
        assert process.stop() == 0
    assert '"trace"' not in process.text
