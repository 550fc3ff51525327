"""The notebook: a contract of resources that stand under parents of several kinds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from protoplane.cli.noun import FURTHER, KEPT_METHODS, METHODS
from protoplane.cli.scaffold import Wish, scaffold
from tests.door.service import Contract

HERE = Path(__file__).parent
RESOURCES = ("Folder", "User", "Note", "Remark", "Layout", "Memo", "Citation")


def scaffolded(text: str, names: Sequence[str] = RESOURCES) -> str:
    """A contract with the methods of its resources."""
    for name in names:
        text = scaffold(text, Wish(name, methods=(*KEPT_METHODS, *FURTHER) if name in {"Note", "Memo"} else METHODS))
    return text


NOTEBOOK = Contract.of(
    HERE, "notebook", {"writer": ["*"], "reader": ["notes.get"]}, scaffolded=scaffolded, imports=["protoplane.commit.v1.commit_pb2"]
)

pb = NOTEBOOK.module()
"""Its messages."""

commit = NOTEBOOK.module(1)
"""Those of a commit."""
