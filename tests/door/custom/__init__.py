"""A small service with custom code of every kind."""

from __future__ import annotations

from pathlib import Path

from protoplane.cli.scaffold import Wish, scaffold
from tests.door.service import Contract

GRANTS = {
    "teller": ["accounts.*", "entries.*"],
    "snoop": ["accounts.snoop"],
    "cuckoo": ["accounts.snoop", "accounts.create", "accounts.update"],
    "nobody": [],
}


def scaffolded(text: str) -> str:
    """The contract with its standard methods."""
    return scaffold(scaffold(text, Wish("Account")), Wish("Entry"))


WORKSHOP = Contract.of(Path(__file__).parent, "workshop", GRANTS, scaffolded=scaffolded)

pb = WORKSHOP.module()
"""Its messages."""
