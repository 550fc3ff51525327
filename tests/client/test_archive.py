"""The Python client of a contract with singletons, ids that are numbers, and lists that skip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protoplane.cli.generate import command as generate
from protoplane.contract.names import compile_patterns
from tests.door.archive import ARCHIVE, pb
from tests.door.client import importable
from tests.door.service import Service, served
from tests.engines import Engine

pytestmark = pytest.mark.engines("sqlite")  # Clients do not know what is behind the server.


@pytest.fixture(scope="module")
def archive(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The server."""
    with served(ARCHIVE, engine, tmp_path_factory.mktemp("archive")) as archive:
        yield archive


@pytest.fixture(scope="module")
def modules(archive: Service, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """`client` and `names` of the package."""
    folder = ARCHIVE.project(tmp_path_factory.mktemp("client"), "sqlite:///none.db")
    out = folder / "client"
    made = CliRunner().invoke(generate, ["--lang", "python", "--out", str(out), "--project", str(folder)], catch_exceptions=False)
    assert made.exit_code == 0, made.output
    with importable(Path(out) / "src") as load:
        return load("archive.v1.client"), load("archive.v1.names")


numbers = st.integers(1, 2**63 - 1).map(str)
"""They are ids of every kind, where a contract has words for ids as where it has numbers."""


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_names_of_every_pattern_are_read_as_the_server_reads_them(archive: Service, modules: tuple[Any, Any], data: st.DataObject) -> None:
    contract = archive.app.contract
    assert any(resource.pattern.singleton for resource in contract.resources.values())
    for kind, pattern in compile_patterns(contract).items():
        name_class = getattr(modules[1], f"{kind.rpartition('/')[2]}Name")
        ids = [data.draw(numbers) for _ in pattern.pattern.variables]
        name = name_class(**dict(zip(pattern.pattern.variables, ids, strict=True)))
        assert name_class.parse(name.format()) == name
        assert contract.resources[kind].pattern.text == name_class.PATTERN
        assert [str(one) for one in pattern.parse(name.format()) or ()] == ids
        assert [str(one) for one in pattern.parse_parent(name.parent) or ()] == ids[: len(pattern.pattern.collections) - 1]


def test_a_list_skips_once_and_not_on_every_page(archive: Service, modules: tuple[Any, Any]) -> None:
    client_module, names = modules
    door = archive.door()
    door.close()
    with client_module.ArchiveClient(door.target, token=door.token, insecure=True) as client:
        region = client.create_region(region_id="skipping", region=pb.Region(display_name="R")).name
        towns = [client.create_town(parent=region, town_id=f"t{n}", town=pb.Town()).name for n in range(7)]
        assert [town.name for town in client.list_towns(parent=region, page_size=2, skip=2)] == towns[2:]
        town = names.TownName.parse(towns[0])
        assert (town.region, town.town, town.parent) == ("skipping", "t0", region)
