"""The two methods of the library that no AIP has a standard form for."""

from __future__ import annotations

from typing import Any

from google_.example.library.v1.library import (  # type: ignore[import-not-found]  # Made by the server from the contract.
    Book,
    MergeShelvesRequest,
    MoveBookRequest,
    Shelf,
)

from protoplane.method.custom import Call, Servicer


class LibraryService(Servicer, service="google.example.library.v1.LibraryService"):
    """As its comments say."""

    def merge_shelves(self, call: Call, request: MergeShelvesRequest) -> Shelf:
        """Move all books to one shelf, and take the other away."""
        books: Any = call.model(Book)
        for (own_id,) in books.select(books.book).where(books.shelf == request.other_shelf.removeprefix("shelves/")).tuples():
            _move(call, f"{request.other_shelf}/books/{own_id}", request.name)
        call.delete(Shelf, request.other_shelf)
        return call.get(Shelf, request.name)

    def move_book(self, call: Call, request: MoveBookRequest) -> Book:
        """Move one book."""
        return _move(call, request.name, request.other_shelf_name)


def _move(call: Call, name: str, shelf: str) -> Book:
    book = call.get(Book, name)
    call.delete(Book, name)
    return call.create(book, parent=shelf, id=name.rpartition("/")[2])
