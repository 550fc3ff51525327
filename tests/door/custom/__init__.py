"""A small service with custom code of every kind."""

from __future__ import annotations

from pathlib import Path

from protoplane.cli.scaffold import Wish
from tests.door.service import Contract

GRANTS = {
    "teller": ["accounts.*", "entries.*"],
    "snoop": ["accounts.snoop"],
    "cuckoo": ["accounts.snoop", "accounts.create", "accounts.update"],
    "nobody": [],
}


WORKSHOP = Contract.of(Path(__file__).parent, "workshop", GRANTS, wishes=[Wish("Account"), Wish("Entry")])

pb = WORKSHOP.module()
"""Its messages."""
