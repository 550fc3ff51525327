"""Fixtures of all tests: database engines, fresh databases, tools; and the loud list of what could not be had.

A test runs on every engine, with an empty database each time, or where it says so only on those with a process to kill:

    def test_something(database: Database) -> None: ...

    @pytest.mark.engines("mariadb", "mysql")
    def test_crash(server: Server, database: Database) -> None: ...

Set PROTOPLANE_ENGINES=sqlite to run on some engines only; those named must then be there, as all must with CI=true.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest

from tests import tools
from tests.engines import ENGINE_NAMES, Database, Engine, Unavailable
from tests.engines.server import Server
from tests.engines.session import Engines

CHOSEN = os.environ.get("PROTOPLANE_ENGINES", "").replace(",", " ").split()
"""The only engines to run on; each is then required. Empty: all, and those that cannot be had are skipped loudly."""
REQUIRED = bool(CHOSEN) or os.environ.get("CI", "") not in {"", "0", "false"}
MISSING = pytest.StashKey[dict[str, str]]()
"""What tests asked for and could not have, and why: printed at the end of the run."""

hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.load_profile("fixed")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MISSING] = {name: "not in PROTOPLANE_ENGINES" for name in ENGINE_NAMES if CHOSEN and name not in CHOSEN}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that needs an engine once per engine: all of them, or those that its `engines` marker names."""
    if "engine" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("engines")
        names = marker.args if marker else ENGINE_NAMES
        metafunc.parametrize("engine", [name for name in names if not CHOSEN or name in CHOSEN], indirect=True, scope="session")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name, reason in sorted(config.stash[MISSING].items()):
        terminalreporter.write_line(f"NOT TESTED: {name}: {reason}", red=True, bold=True)


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """The engines of this session, started on demand; use `engine` or `database` instead."""
    engines = Engines()
    yield engines
    engines.close()


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest, engines: Engines) -> Engine:
    """A running engine: the test runs once on each."""
    try:
        return engines.get(request.param)
    except Unavailable as reason:
        miss(request.config, request.param, reason)


@pytest.fixture
def database(engine: Engine) -> Iterator[Database]:
    """A fresh, empty database for one test; `database.url` is what Protoplane is configured with."""
    database = engine.create_database()
    yield database
    engine.mend()
    database.drop()


@pytest.fixture(scope="module")
def module_database(engine: Engine) -> Iterator[Database]:
    """One database shared by the tests of a module: for data that is costly to load and only read."""
    database = engine.create_database()
    yield database
    engine.mend()
    database.drop()


@pytest.fixture
def server(engine: Engine) -> Iterator[Server]:
    """The engine as a process that can be killed, restarted, paused; it is mended afterwards."""
    assert isinstance(engine, Server), 'mark the test with @pytest.mark.engines("mariadb", "mysql")'
    yield engine
    engine.mend()


@pytest.fixture(scope="session")
def grpcurl(request: pytest.FixtureRequest) -> Path:
    """The path of the grpcurl program."""
    try:
        return tools.grpcurl()
    except Unavailable as reason:
        miss(request.config, "grpcurl", reason)


@pytest.fixture(scope="session")
def connectconformance(request: pytest.FixtureRequest) -> Path:
    """The path of the gRPC conformance suite."""
    try:
        return tools.connectconformance()
    except Unavailable as reason:
        miss(request.config, "connectconformance", reason)


def miss(config: pytest.Config, name: str, reason: Unavailable) -> NoReturn:
    """Skip a test for want of something and remember to say so, or fail where that thing is required."""
    if REQUIRED:
        raise pytest.fail.Exception(f"{name} is required here: {reason}", pytrace=False) from None
    config.stash[MISSING][name] = str(reason)
    raise pytest.skip.Exception(f"{name}: {reason}") from None
