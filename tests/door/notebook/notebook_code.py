"""Code beside resources with several patterns."""

from __future__ import annotations

from typing import Any

from notebook.v1.notebook import Note  # type: ignore[import-not-found]  # Made by the server from the contract.
from peewee import fn

from protoplane.method.custom import Call, Servicer


class Notebook(Servicer, service="notebook.v1.Notebook"):
    """What the contract cannot say."""

    def move_note(self, call: Call, request: Any) -> Any:
        """The verbs find the table by the name, the free query is told it."""
        found = call.get(Note, request.name)
        kept = call.create(found, parent=request.destination, id=found.name.rpartition("/")[2])
        call.delete(Note, found.name)
        notes: Any = call.model(Note, pattern="users/{user}/notes/{note}")
        kept.pages = notes.select(fn.COUNT(notes.note)).scalar()
        return call.update(kept, "pages")
