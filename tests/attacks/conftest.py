"""One server for the session, and somebody who works on it all the time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attacks import bystander as bystanders
from tests.attacks import target as targets
from tests.attacks.bystander import Bystander
from tests.attacks.siege import Attacker
from tests.attacks.target import Target
from tests.attacks.wire import Wire


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with targets.target(tmp_path_factory.mktemp("attacked")) as target:
        yield target


@pytest.fixture(scope="session")
def bystander(target: Target) -> Iterator[Bystander]:
    with bystanders.bystander(target) as bystander:
        yield bystander


@pytest.fixture
def wire(target: Target) -> Iterator[Wire]:
    """One connection."""
    with Wire(target.address) as wire:
        yield wire


@pytest.fixture
def attacker(target: Target) -> Iterator[Attacker]:
    """As many connections as it takes."""
    attacker = Attacker(target)
    yield attacker
    attacker.close()
