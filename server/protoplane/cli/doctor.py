"""`protoplane doctor`: whether this machine and the project are fit to serve, and what to do where they are not."""

from __future__ import annotations

import dataclasses
import json
import shutil
import stat
import sys
from collections.abc import Iterator
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.cli import outside
from protoplane.cli.checking import Check, Look, Patient, State
from protoplane.cli.project import project_option
from protoplane.database import DRIVER_LINE

if TYPE_CHECKING:
    from protoplane.base.settings import Settings
    from protoplane.contract.model import Contract
    from protoplane.store.engine import Engine

PYTHON_MIN = (3, 11)
PACKAGES = (
    "grpcio",
    "grpcio-tools",
    "protobuf",
    "protovalidate",
    "peewee",
    "googleapis-common-protos",
    "joserfc",
    "cryptography",
    "click",
    "watchfiles",
)
TOOLS = {
    "buf": ("lints and formats .proto files", "pip install buf-bin"),
    "grpcurl": ("calls the server from a shell", "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3"),
}
INSTALL = "in the checkout of Protoplane: pip install ."
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def checks(folder: Path, environment: Environment) -> Iterator[Check]:
    """Every check, in the order in which they would fail at start; a check that breaks is a failure of its own, not of the doctor."""
    yield _python()
    yield from _packages()
    try:
        settings = config.load(folder, environment)
    except config.SettingsError as error:
        yield from (Check("settings", State.FAIL, f"{problem.where}: {problem.what}", problem.mend) for problem in error.problems)
        return
    yield _settings(settings)
    patient = Patient(settings)
    for name, look in LOOKS.items():
        yield from _guarded(name, look, patient)
    yield from _tools()


def _guarded(name: str, look: Look, patient: Patient) -> Iterator[Check]:
    try:
        yield from look(patient)
    except Exception as error:  # noqa: BLE001 - the doctor reports what breaks, whatever it is, and goes on.
        yield Check(name, State.FAIL, f"cannot be looked at: {type(error).__name__}: {error}", f"see the checks above, or {INSTALL}")


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_MIN:
        return Check("python", State.FAIL, version, f"install Python {'.'.join(map(str, PYTHON_MIN))} or newer")
    return Check("python", State.OK, f"{version} at {sys.executable}")


def _packages() -> Iterator[Check]:
    found: list[str] = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield Check("packages", State.FAIL, f"{name} is not installed", INSTALL)
    yield Check("packages", State.OK, ", ".join(found))


def _settings(settings: Settings) -> Check:
    if not (settings.folder / config.FILE).is_file():
        return Check(
            "settings", State.WARN, f"{settings.folder} has no {config.FILE}", "go to a project's folder, or start one: protoplane new NAME"
        )
    return Check("settings", State.OK, f"{settings.folder / config.FILE} for {settings.environment}")


def _contract(patient: Patient) -> Iterator[Check]:
    from protoplane.contract.variants import faces

    contract, findings = patient.project.contract, patient.project.findings
    yield from (Check("contract", State.FAIL, f"{one.place}: {one.problem} [{one.rule}]", one.mend) for one in findings)
    if contract is not None and not findings:
        yield Check("contract", State.OK, f"{len(faces(contract.resources.values()))} resources, {len(contract.methods)} methods")


def _driver(patient: Patient) -> Iterator[Check]:
    needed = patient.settings.database.url.reveal().startswith(("mysql:", "mariadb:"))
    if find_spec("MySQLdb") is None:
        state = State.FAIL if needed else State.OK
        yield Check(
            "driver", state, f"mysqlclient is not installed{'' if needed else '; SQLite does not need it'}", DRIVER_LINE if needed else ""
        )
        return
    try:
        import_module("protoplane.store.mysqlclient")  # The one module that may import the driver.
    except ImportError as error:
        yield Check("driver", State.FAIL if needed else State.WARN, f"mysqlclient cannot be loaded: {error}", DRIVER_LINE)
        return
    yield Check("driver", State.OK, f"mysqlclient {metadata.version('mysqlclient')}")


def _database(patient: Patient) -> Iterator[Check]:
    from protoplane.base.errors import Fault
    from protoplane.database import DatabaseProblem, connect, file_of

    settings, file = patient.settings, file_of(patient.settings)
    if file is not None and not file.exists():
        if settings.environment is Environment.DEV:
            yield Check("database", State.OK, f"{file} is made at the first start")
        else:
            yield Check("database", State.FAIL, f"{file} does not exist", MIGRATE)
        return
    try:
        contract = patient.project.contract
        engine = connect(settings, streams=contract is not None and contract.streams)
        try:
            found = engine.findings(processes=1 if settings.environment is Environment.DEV else settings.server.processes)
            yield from (
                Check("database", State.FAIL if one.fatal else State.WARN, f"{one.problem} [{one.rule}]", one.mend) for one in found
            )
            if not any(one.fatal for one in found):
                yield Check("database", State.OK, in_words(engine))
            if contract is not None:
                yield from _tables(engine, contract, settings.environment)
        finally:
            engine.close()
    except (DatabaseProblem, Fault) as problem:
        yield Check("database", State.FAIL, str(problem), "check database.url, and that the server runs and lets this machine in")


MIGRATE = "protoplane migrate --production --apply"


def _tables(engine: Engine, contract: Contract, environment: Environment) -> Iterator[Check]:
    """What the next start would find; nothing is changed."""
    from protoplane.cli.migrate import wanted_tables
    from protoplane.store import migrate

    wanted, development = wanted_tables(contract, engine), environment is Environment.DEV
    planned = migrate.plan(engine, wanted)
    if planned.steps:
        missing = ", ".join(f"{step.kind} {step.table}{f'.{step.name}' if step.name else ''}" for step in planned.steps)
        if development:
            yield Check("tables", State.OK, f"the next start of `dev` adds {missing}")
        else:
            yield Check("tables", State.FAIL, f"missing: {missing}", MIGRATE)
    for difference in planned.refused:
        if difference.harmless:
            yield Check("tables", State.WARN, f"{difference}; it does no harm", "drop it by hand, once no older version needs it")
        else:
            mend = "protoplane dev --reset (drops the data)" if development else "change it by hand; only additions are migrated"
            yield Check("tables", State.FAIL, str(difference), mend)
    if planned.done:
        yield Check("tables", State.OK, f"{len(wanted)} tables, as the contract wants them")


def in_words(engine: Engine) -> str:
    """Which database it is: product, version and place, without secrets."""
    from protoplane.store.address import SqliteAddress
    from protoplane.store.dialect import MySQLFamily, Sqlite

    dialect, address = engine.dialect, engine.address
    assert isinstance(dialect, Sqlite | MySQLFamily)
    product = f"{'SQLite' if isinstance(dialect, Sqlite) else dialect.product} {'.'.join(map(str, dialect.version))}"
    if isinstance(address, SqliteAddress):
        return f"{product}, {address.path or 'in memory'}"
    place = address.socket or f"{address.host}:{address.port}"
    tls = "" if address.socket or address.ssl_mode == "DISABLED" else f", TLS {address.ssl_mode}"
    return f"{product}, database {address.database} at {place} as {address.user}{tls}"


def _keys(patient: Patient) -> Iterator[Check]:
    """Files that hold secrets: readable by their owner only. Whether they are of use is for the settings to say."""
    settings = patient.settings
    files = [path for path in settings.private_folder.glob("*") if path.is_file()] if settings.private_folder.is_dir() else []
    if settings.page_tokens.keys:
        files.append(settings.folder / settings.page_tokens.keys)
    loose = [path for path in files if path.exists() and path.stat().st_mode & OTHERS and "db" not in path.suffix]
    yield from (Check("keys", State.WARN, f"{path} can be read by others", f"chmod 600 {path}") for path in loose)
    if not loose:
        yield Check(
            "keys", State.OK, f"{len(files)} files, for their owner only" if files else "development makes its own at the first start"
        )


def _tools() -> Iterator[Check]:
    for name, (purpose, line) in TOOLS.items():
        found = shutil.which(name)
        if found:
            yield Check(name, State.OK, found)
        else:
            yield Check(name, State.WARN, f"is not installed; it {purpose}", line)


LOOKS: dict[str, Look] = {
    "contract": _contract,
    "driver": _driver,
    "database": _database,
    "keys": _keys,
    **outside.LOOKS,
}
COLOURS = {State.OK: "green", State.WARN: "yellow", State.FAIL: "red"}


@click.command(name="doctor")
@click.option("--json", "as_data", is_flag=True, help="Print the checks as JSON.")
@click.option("--production", is_flag=True, help="Check what `serve` needs, not what `dev` does.")
@project_option
def command(*, as_data: bool, production: bool, project: Path) -> None:
    """Check this machine and the project: versions, driver, contract, database and its tables, keys, processes, certificate, addresses, tools.

    Exit code 1 when a check fails; warnings are about comfort and safety.
    """
    found = list(checks(project, Environment.SERVE if production else Environment.DEV))
    if as_data:
        click.echo(json.dumps([dataclasses.asdict(check) for check in found], indent=2))
    else:
        for check in found:
            click.secho(f"{check.state:<5}", fg=COLOURS[check.state], nl=False)
            click.echo(f"{check.name}: {check.text}")
            if check.todo and check.state is not State.OK:
                click.echo(f"     do: {check.todo}")
    if any(check.state is State.FAIL for check in found):
        sys.exit(1)
