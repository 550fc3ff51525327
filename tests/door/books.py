"""Books of the library, for tests that are about any of them."""

from __future__ import annotations

import uuid
from typing import Any

from tests.door.client import Door


def new_uuid() -> str:
    return str(uuid.uuid4())


def book(door: Door, lib: Any, parent: str, book_id: str = "", **fields: Any) -> Any:
    """A book that is stored."""
    fields.setdefault("title", "Emma")
    return door.CreateBook(parent=parent, book_id=book_id, book=lib.Book(**fields))


def every_book(door: Door, parent: str, **arguments: Any) -> list[Any]:
    """All pages of a list."""
    found, token = [], ""
    while True:
        page = door.ListBooks(parent=parent, page_token=token, **arguments)
        found += page.books
        token = page.next_page_token
        if not token:
            return found
