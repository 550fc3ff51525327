"""Resource names: `publishers/1/books/2` outside, a tuple of ids inside (AIP-122); and the ids the server makes."""

from __future__ import annotations

import base64
import re
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from protoplane.base import clock, limits
from protoplane.contract.model import Contract, IdRule, Pattern

DEFAULT_ID_PATTERN: Final = "[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
"""Ids a caller may give where the contract says nothing (AIP-122, RFC 1034)."""

INTEGER_ID_PATTERN: Final = "[1-9][0-9]{0,18}"
"""Ids that are numbers: one spelling each."""

INTEGER_MAX: Final = 2**63 - 1

Id: TypeAlias = str | int
"""One id, as it is stored."""

ID_ALPHABET: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-")
"""Characters of any id: the unreserved ones of RFC 3986, so that a name never needs escaping in a URL."""

# An id alone of `-` is the wildcard of AIP-159, `.` and `..` are steps of a path: none of them is anything's id.
_ID = rf"((?!(?:-|\.\.?)(?:/|$))[A-Za-z0-9._~-]{{1,{limits.ID_CHARACTERS_MAX}}})"
_INTEGER = rf"({INTEGER_ID_PATTERN})"
_INTEGER_OR_ANY = rf"(-|{INTEGER_ID_PATTERN})"
_ID_OR_ANY = rf"((?!\.\.?(?:/|$))[A-Za-z0-9._~-]{{1,{limits.ID_CHARACTERS_MAX}}})"

ANY: Final = "-"
"""In place of the id of a parent: of any parent (AIP-159)."""


class NamePattern:
    """One resource name pattern, compiled.

    `parse` takes any id that can be stored, so that a narrowed id rule never hides rows; `is_new_id` is for a caller's id on create.
    """

    __slots__ = ("_anywhere", "_format", "_format_parent", "_integer", "_new_id", "_parent", "_parents", "_whole", "fits", "pattern")

    def __init__(self, pattern: Pattern, id_rule: IdRule | None = None) -> None:
        self.pattern = pattern
        levels = len(pattern.collections) - 1  # Of the parent.
        self._whole = _matcher(pattern)
        self.fits: Callable[[str], object] = self._whole if pattern.integers else _expression(pattern).fullmatch
        """Whether it is a name of this pattern: true or false of what it gives. Quicker than `parse`."""
        self._anywhere = _matcher(pattern, wild=levels)
        self._parent = _matcher(pattern, of=levels)
        self._parents = _matcher(pattern, of=levels, wild=levels)
        self._format = pattern.template.replace("%s", "{}").format
        self._format_parent = "/".join(f"{collection}/{{}}" for collection in pattern.collections[:-1]).format
        self._integer = len(pattern.variables) - 1 in pattern.integers
        self._new_id = re.compile(DEFAULT_ID_PATTERN if id_rule is None else id_rule.pattern, re.ASCII)

    def parse(self, name: str) -> tuple[Id, ...] | None:
        """The ids of a name, in order; None when it does not fit."""
        return self._whole(name)

    def parse_parent(self, parent: str) -> tuple[Id, ...] | None:
        """The ids of the name of a parent, in order; None when it does not fit. A resource at the top has the parent ""."""
        return self._parent(parent)

    def parse_anywhere(self, name: str) -> tuple[Id, ...] | None:
        """The ids of a name below one parent or any; all but the last may be ANY. None when it does not fit."""
        return self._anywhere(name)

    def parse_parents(self, parent: str) -> tuple[Id, ...] | None:
        """The ids in the name of a parent, or of many: each may be ANY. None when it does not fit."""
        return self._parents(parent)

    def format(self, ids: Sequence[Id]) -> str:
        """The name of the resource with these ids, one per variable."""
        return self._format(*ids)

    def format_parent(self, ids: Sequence[Id]) -> str:
        """The name of the parent with these ids, one per variable but the last; "" for a resource at the top."""
        return self._format_parent(*ids)

    def is_new_id(self, value: str) -> bool:
        """Whether a caller may give this id to a new resource."""
        fits = self._new_id.fullmatch(value) is not None and _ANY_ID(value) is not None
        return fits and (not self._integer or integer(value) is not None)


def integer(value: str) -> int | None:
    """The number that an id is; None when it is none, or not in its one spelling."""
    number = int(value) if _INTEGER_ID(value) else 0
    return number if 0 < number <= INTEGER_MAX else None


def compile_patterns(contract: Contract) -> dict[str, NamePattern]:
    """The name pattern of every resource stored here, by key."""
    return {key: NamePattern(resource.pattern, resource.id) for key, resource in contract.resources.items()}


def compile_types(contract: Contract) -> dict[str, tuple[NamePattern, ...]]:
    """All name patterns of every type stored here: a reference may hold a name of any."""
    patterns = compile_patterns(contract)
    return {
        resource.type: tuple(patterns[variant.key] for variant in contract.variants(resource)) for resource in contract.resources.values()
    }


def _matcher(pattern: Pattern, *, of: int | None = None, wild: int = 0) -> Callable[[str], tuple[Id, ...] | None]:
    """From a name to its ids: of the whole pattern, or of its first levels; in the first `wild` of them ANY may stand."""
    count = len(pattern.variables) if of is None else of
    match = _expression(pattern, of=of, wild=wild).fullmatch
    places = sorted(place for place in pattern.integers if place < count)

    def texts(name: str) -> tuple[Id, ...] | None:
        found = match(name)
        return None if found is None else found.groups()

    def numbers(name: str) -> tuple[Id, ...] | None:
        found = match(name)
        if found is None:
            return None
        ids: list[Id] = list(found.groups())
        for place in places:
            if ids[place] != ANY:
                ids[place] = number = int(ids[place])
                if number > INTEGER_MAX:
                    return None
        return tuple(ids)

    return numbers if places else texts


def _expression(pattern: Pattern, *, of: int | None = None, wild: int = 0) -> re.Pattern[str]:
    count = len(pattern.variables) if of is None else of
    pairs = [
        f"{re.escape(collection)}/{_one_id(integer=place in pattern.integers, wild=place < wild)}"
        for place, collection in enumerate(pattern.collections[:count])
    ]
    own = pattern.collections[count:] if of is None else ()  # Of a singleton: its word, which no id follows.
    return re.compile("/".join((*pairs, *own)))


def _one_id(*, integer: bool, wild: bool) -> str:
    if integer:
        return _INTEGER_OR_ANY if wild else _INTEGER
    return _ID_OR_ANY if wild else _ID


_INTEGER_ID: Final = re.compile(INTEGER_ID_PATTERN, re.ASCII).fullmatch
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


class NumberMaker:
    """Makes ids that are numbers: 42 bits of milliseconds and 21 random ones; of one process strictly growing.

    They need no counter that all processes share, and so work on clusters too. Two processes may make the same one in the same
    millisecond, seldom enough for whoever stores it to make another (`Rows.insert`).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def new_id(self) -> int:
        """A number that this process has not made before."""
        value = (clock.now_micros() // 1_000 << _NUMBER_RANDOM_BITS) | secrets.randbits(_NUMBER_RANDOM_BITS)
        with self._lock:
            value = self._last = max(value, self._last + 1)
        return value


_NUMBER_RANDOM_BITS = 21

new_id: Final = IdMaker().new_id
"""The ids of this process."""

new_number: Final = NumberMaker().new_id
"""The ids of this process that are numbers."""
