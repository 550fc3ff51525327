"""A museum of everything that can be filtered."""

from __future__ import annotations

from pathlib import Path

from protoplane.cli.noun import FURTHER, METHODS
from protoplane.cli.scaffold import Wish
from tests.door.service import Contract

GRANTS = {
    "curator": ["countries.*", "artists.*", "halls.*", "exhibits.*"],
    "visitor": ["halls.get", "exhibits.list", "artists.get"],
}
WISHES = (Wish("Country"), Wish("Artist"), Wish("Hall"), Wish("Exhibit", parent="Hall", methods=(*METHODS, *FURTHER)))


MUSEUM = Contract.of(Path(__file__).parent, "museum", GRANTS, wishes=WISHES)

pb = MUSEUM.module()
"""Its messages."""
