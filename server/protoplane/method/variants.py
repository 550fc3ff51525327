"""Which of a resource's patterns something is about, where it has several: a name tells, or the name of a parent.

The words between the ids tell the patterns apart: lint sees to it that no two have the same ones, for names and for parents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from protoplane.contract.model import Pattern, Resource
from protoplane.method.rows import Rows, invalid_name

T = TypeVar("T")
_Words = tuple[int, tuple[str, ...]]


class Variants(Generic[T]):
    """One thing for each pattern of a resource. Where there is one pattern, that thing is about every name, and judges it itself."""

    def __init__(self, resources: Sequence[Resource], things: Sequence[T]) -> None:
        self.resource = resources[0]
        self.all = tuple(things)
        self._single = len(self.all) == 1
        patterns = [resource.pattern for resource in resources]
        self._named = {_words_of(pattern): thing for pattern, thing in zip(patterns, things, strict=True)}
        self._below = {_words_above(pattern): thing for pattern, thing in zip(patterns, things, strict=True)}
        self._names = " or ".join(pattern.text for pattern in patterns)
        self._parents = " or ".join(parent_text(pattern) or "an empty parent" for pattern in patterns)
        self._segments_max = max(words[0] for words in self._named)

    def find_named(self, name: str) -> T | None:
        """That of a name; None when it is like none of the patterns."""
        return self.all[0] if self._single else self._named.get(self._words(name))

    def find_below(self, parent: str) -> T | None:
        """That of the name of a parent, whatever its ids; "" is that of resources at the top."""
        return self.all[0] if self._single else self._below.get(self._words(parent) if parent else _TOP)

    def named(self, name: str, field: str) -> T:
        """That of a name; Fault INVALID_NAME naming all patterns and the request field it stood in."""
        found = self.find_named(name)
        if found is None:
            raise invalid_name(name, field, self._names)
        return found

    def below(self, parent: str, field: str) -> T:
        """That of the name of a parent; Fault INVALID_NAME naming those of all patterns."""
        found = self.find_below(parent)
        if found is None:
            raise invalid_name(parent, field, self._parents)
        return found

    def _words(self, name: str) -> _Words:
        segments = name.split("/", self._segments_max)
        return len(segments), tuple(segments[::2])


_TOP: _Words = (0, ())


def of_rows(rows: Sequence[Rows]) -> Variants[Rows]:
    """The rows of each pattern."""
    return Variants([one.resource for one in rows], rows)


def parent_text(pattern: Pattern) -> str:
    """The pattern of the parent; "" for a resource at the top."""
    return pattern.text.rsplit("/", 1 if pattern.singleton else 2)[0] if len(pattern.collections) > 1 else ""


def _words_of(pattern: Pattern) -> _Words:
    return len(pattern.collections) + len(pattern.variables), pattern.collections


def _words_above(pattern: Pattern) -> _Words:
    above = pattern.collections[:-1]
    return 2 * len(above), above
