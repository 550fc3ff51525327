"""The notebook: a contract of resources that stand under parents of several kinds."""

from __future__ import annotations

from pathlib import Path

from protoplane.cli.noun import FURTHER, KEPT_METHODS, METHODS
from protoplane.cli.scaffold import Wish
from tests.door.service import Contract

HERE = Path(__file__).parent
WISHES = tuple(
    Wish(name, methods=(*KEPT_METHODS, *FURTHER) if name in {"Note", "Memo"} else METHODS)
    for name in ("Folder", "User", "Note", "Remark", "Layout", "Memo", "Citation")
)

NOTEBOOK = Contract.of(
    HERE, "notebook", {"writer": ["*"], "reader": ["notes.get"]}, wishes=WISHES, imports=["protoplane.commit.v1.commit_pb2"]
)

pb = NOTEBOOK.module()
"""Its messages."""

commit = NOTEBOOK.module(1)
"""Those of a commit."""
