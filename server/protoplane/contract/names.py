"""Resource names: `publishers/1/books/2` outside, a tuple of ids inside (AIP-122); and the ids the server makes."""

from __future__ import annotations

import base64
import re
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Final

from protoplane.base import clock, limits
from protoplane.contract.model import Contract, IdRule, Pattern

DEFAULT_ID_PATTERN: Final = "[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
"""Ids a caller may give where the contract says nothing (AIP-122, RFC 1034)."""

ID_ALPHABET: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-")
"""Characters of any id: the unreserved ones of RFC 3986, so that a name never needs escaping in a URL."""

# An id alone of `-` is the wildcard of AIP-159, `.` and `..` are steps of a path: none of them is anything's id.
_ID = rf"((?!(?:-|\.\.?)(?:/|$))[A-Za-z0-9._~-]{{1,{limits.ID_CHARACTERS_MAX}}})"
_ID_OR_ANY = rf"((?!\.\.?(?:/|$))[A-Za-z0-9._~-]{{1,{limits.ID_CHARACTERS_MAX}}})"

ANY: Final = "-"
"""In place of the id of a parent: of any parent (AIP-159)."""


class NamePattern:
    """One resource name pattern, compiled.

    `parse` takes any id that can be stored, so that a narrowed id rule never hides rows; `is_new_id` is for a caller's id on create.
    """

    __slots__ = ("_anywhere", "_format", "_format_parent", "_new_id", "_parent", "_parents", "_whole", "pattern")

    def __init__(self, pattern: Pattern, id_rule: IdRule | None = None) -> None:
        self.pattern = pattern
        own = pattern.collections[len(pattern.variables) :]  # Of a singleton: its word, which no id follows.
        self._whole = _matcher(pattern.collections[: len(pattern.variables)], _ID, *own)
        self._parent = _matcher(pattern.collections[:-1])
        self._anywhere = _matcher(pattern.collections[:-1], _ID_OR_ANY, f"{pattern.collections[-1]}/{_ID}")
        self._parents = _matcher(pattern.collections[:-1], _ID_OR_ANY)
        self._format = pattern.template.replace("%s", "{}").format
        self._format_parent = _formatter(pattern.collections[:-1])
        self._new_id = re.compile(DEFAULT_ID_PATTERN if id_rule is None else id_rule.pattern, re.ASCII)

    def parse(self, name: str) -> tuple[str, ...] | None:
        """The ids of a name, in order; None when it does not fit."""
        found = self._whole(name)
        return None if found is None else found.groups()

    def parse_parent(self, parent: str) -> tuple[str, ...] | None:
        """The ids of the name of a parent, in order; None when it does not fit. A resource at the top has the parent ""."""
        found = self._parent(parent)
        return None if found is None else found.groups()

    def parse_anywhere(self, name: str) -> tuple[str, ...] | None:
        """The ids of a name below one parent or any; all but the last may be ANY. None when it does not fit."""
        found = self._anywhere(name)
        return None if found is None else found.groups()

    def parse_parents(self, parent: str) -> tuple[str, ...] | None:
        """The ids in the name of a parent, or of many: each may be ANY. None when it does not fit."""
        found = self._parents(parent)
        return None if found is None else found.groups()

    def format(self, ids: Sequence[str]) -> str:
        """The name of the resource with these ids, one per variable."""
        return self._format(*ids)

    def format_parent(self, ids: Sequence[str]) -> str:
        """The name of the parent with these ids, one per variable but the last; "" for a resource at the top."""
        return self._format_parent(*ids)

    def is_new_id(self, value: str) -> bool:
        """Whether a caller may give this id to a new resource."""
        return self._new_id.fullmatch(value) is not None and _ANY_ID(value) is not None


def compile_patterns(contract: Contract) -> dict[str, NamePattern]:
    """The name pattern of every resource stored here, by type."""
    return {resource.type: NamePattern(resource.pattern, resource.id) for resource in contract.resources.values()}


def _matcher(collections: Sequence[str], one: str = _ID, *more: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile("/".join((*(f"{re.escape(collection)}/{one}" for collection in collections), *more))).fullmatch


def _formatter(collections: Sequence[str]) -> Callable[..., str]:
    return "/".join(f"{collection}/{{}}" for collection in collections).format


_ANY_ID: Final = re.compile(_ID).fullmatch


# Crockford's base 32 in lower case: no i, l, o, u, so that ids read out loud arrive. In the order of base32hex, as that sorts.
_DIGITS: Final = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"0123456789abcdefghjkmnpqrstvwxyz")
_ID_BYTES, _ID_DIGITS = 16, 26
_RANDOM_BITS = 80
_ID_LETTER = "x"  # RFC 1034: an id starts with a letter.


class IdMaker:
    """Makes ids: 48 bits of milliseconds and 80 random ones (the layout of a ULID), 27 characters, valid by the default rule.

    They sort by the time they were made; within one process strictly so, also inside a millisecond and when the clock goes back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def new_id(self) -> str:
        """An id that was never used before."""
        value = (clock.now_micros() // 1_000 << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
        with self._lock:
            value = self._last = max(value, self._last + 1)
        digits = base64.b32hexencode(value.to_bytes(_ID_BYTES, "big")).translate(_DIGITS)
        return _ID_LETTER + digits[:_ID_DIGITS].decode("ascii")


new_id: Final = IdMaker().new_id
"""The ids of this process."""
