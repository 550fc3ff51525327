"""The archive: a contract of resources that end in every way there is, stand below one another, and have names of every form.

Its file has what is its own: the resources, deletes by request, `skip`, totals. The rest is what `protoplane scaffold` writes.
"""

from __future__ import annotations

from pathlib import Path

from protoplane.cli.noun import FURTHER, KEPT_METHODS, METHODS, SINGLETON_METHODS
from protoplane.cli.scaffold import Wish
from tests.door.service import Contract

ONE = ("Get", "List", "Create", "Update", "Delete")
"""Methods of one row at a time, and lists of them."""
WISHES = (
    Wish("Region", methods=ONE),
    Wish("Town"),
    Wish("Street", methods=(*METHODS, *FURTHER)),
    Wish("House", methods=ONE),
    Wish("Climate", methods=SINGLETON_METHODS),
    Wish("Folder", methods=(*KEPT_METHODS, *FURTHER)),
    Wish("Note", methods=(*KEPT_METHODS, *FURTHER)),
    Wish("Line", methods=ONE),
    Wish("Scrap", methods=(*ONE, "Undelete")),
    Wish("Cover", methods=SINGLETON_METHODS),
    Wish("Ticket"),
    Wish("Comment"),
)

ARCHIVE = Contract.of(Path(__file__).parent, "archive", {"archivist": ["*"], "nobody": []}, wishes=WISHES)

pb = ARCHIVE.module()
"""Its messages."""
