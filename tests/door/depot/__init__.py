"""A service of depots and crates: batches, commits, and fields that not everybody may write."""

from __future__ import annotations

from pathlib import Path

from protoplane.cli.scaffold import Wish
from tests.door.service import Contract

GRANTS = {
    "keeper": ["depots.*", "crates.*", "notices.get"],
    "filler": ["crates.create", "crates.update"],
    "stocker": ["crates.create", "crates.update", "crates.get"],
    "crier": ["notices.create", "notices.commit", "whispers.create"],
    "silent": ["notices.commit"],
    "nobody": [],
}
METHODS = ("Get", "BatchGet", "List", "Create", "BatchCreate", "Update", "BatchUpdate", "Delete")


DEPOT = Contract.of(
    Path(__file__).parent,
    "depot",
    GRANTS,
    wishes=[Wish("Depot", methods=METHODS), Wish("Crate")],
    imports=["protoplane.commit.v1.commit_pb2"],
)

pb = DEPOT.module()
"""Its messages."""

commit = DEPOT.module(1)
"""Those of a commit."""
