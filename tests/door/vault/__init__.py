"""The vault: a relation of the hard kind, for which several statements are needed."""

from __future__ import annotations

from pathlib import Path

from protoplane.cli.noun import FURTHER, METHODS
from protoplane.cli.scaffold import Wish
from tests.door.service import Contract

RULES = {
    "boxes.create": "authenticated = true",
    "boxes.get": 'check = "opener"',
    "boxes.list": 'scope = "opener"',
    "boxes.aggregate": 'scope = "opener"',
    "boxes.update": 'check = "opener"',
    "boxes.delete": 'check = "opener"',
}

VAULT = Contract.of(Path(__file__).parent, "vault", {"keeper": ["*"]}, wishes=[Wish("Box", methods=(*METHODS, *FURTHER))], rules=RULES)

pb = VAULT.module()
"""Its messages."""
