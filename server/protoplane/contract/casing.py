"""The words of a contract in the forms that AIPs ask for: `bookShelf`, `BookShelf`, `book_shelf`."""

from __future__ import annotations

import re

_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(text: str) -> str:
    """`bookShelf` and `BookShelf` as `book_shelf`; `APIKey` as `api_key`."""
    return _BORDER.sub("_", text).lower()


def upper_camel(text: str) -> str:
    """`bookShelf` as `BookShelf`."""
    return text[:1].upper() + text[1:]


def lower_camel(text: str) -> str:
    """`BookShelf` as `bookShelf`; `APIKey` as `apiKey`."""
    first, *rest = snake(text).split("_")
    return first + "".join(upper_camel(word) for word in rest)
