"""A gallery: resources that refer to each other, with masks, views and expansions."""

from __future__ import annotations

from pathlib import Path

from tests.door.service import Contract

GRANTS = {
    "curator": ["wings.*", "rooms.*", "artists.*", "pictures.*"],
    "visitor": ["pictures.get", "pictures.list", "artists.get"],
}
GALLERY = Contract.of(Path(__file__).parent, "gallery", GRANTS)

pb = GALLERY.module()
"""Its messages."""
