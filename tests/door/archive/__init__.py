"""The archive: a contract of resources that end in every way there is, stand below one another, and have names of every form."""

from __future__ import annotations

from pathlib import Path

from tests.door.service import Contract

ARCHIVE = Contract.of(Path(__file__).parent, "archive", {"archivist": ["*"], "nobody": []})

pb = ARCHIVE.module()
"""Its messages."""
