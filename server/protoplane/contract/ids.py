"""What an id pattern allows, judged before it is ever used.

The subset of RE2 that ids need is parsed here: literals, classes, groups, alternatives and repeats. That it is parsed in full is
what makes the promises possible: no id too long or with a `/`, and no pattern that Python's backtracking takes minutes over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from protoplane.base import limits
from protoplane.contract.names import ID_ALPHABET

_ESCAPES: Final = {
    "d": frozenset("0123456789"),
    "w": frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"),
}
_REPEAT: Final = re.compile(r"\{(\d{1,3})(,(\d{0,3}))?\}")
_UNBOUNDED: Final = 1_000_000
_GROUPS_MAX = 16
"""Groups inside groups."""
_VARYING_MAX = 6
"""Repeats and optional parts in one pattern: the work of a failing match grows with their power."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What a part of a pattern can match: how many characters, and which."""

    shortest: int
    longest: int
    characters: frozenset[str]

    @property
    def varies(self) -> bool:
        return self.shortest != self.longest


_NOTHING: Final = _Part(0, 0, frozenset())


class _Unusable(Exception):
    """Why a pattern cannot be used."""


def id_pattern_problem(pattern: str) -> str:
    """Why a pattern cannot be the rule of an id, as the end of "the id pattern …"; empty when it can."""
    try:
        whole = _Reader(pattern).read()
        re.compile(pattern, re.ASCII)
    except _Unusable as reason:
        return str(reason)
    except re.error as error:
        return f"cannot be compiled: {error}"
    return _problem(whole)


def _problem(whole: _Part) -> str:
    stray = sorted(whole.characters - ID_ALPHABET)
    if stray:
        return f"allows the character {stray[0]!r}; ids hold only letters, digits and . _ ~ -"
    if whole.shortest == 0:
        return "allows an empty id"
    if whole.longest > limits.ID_CHARACTERS_MAX:
        return f"allows more than {limits.ID_CHARACTERS_MAX} characters; bound every repeat, as in {{1,20}}"
    return ""


class _Reader:
    """A recursive-descent parser over one pattern."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern.removeprefix("^")
        if self._text.endswith("$") and not self._text.endswith("\\$"):
            self._text = self._text[:-1]
        self._at = 0
        self._depth = 0
        self._varying = 0

    def read(self) -> _Part:
        whole = self._alternatives()
        if self._at < len(self._text):
            raise _Unusable("cannot be compiled: unbalanced ')'")
        return whole

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        taken = self._peek()
        if not taken:
            raise _Unusable("cannot be compiled: it ends too early")
        self._at += 1
        return taken

    def _alternatives(self) -> _Part:
        parts = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            parts.append(self._sequence())
        return _Part(
            min(part.shortest for part in parts),
            max(part.longest for part in parts),
            frozenset().union(*(part.characters for part in parts)),
        )

    def _sequence(self) -> _Part:
        whole = _NOTHING
        while self._peek() not in {"", "|", ")"}:
            part = self._repeated(self._atom())
            whole = _Part(
                whole.shortest + part.shortest,
                min(whole.longest + part.longest, _UNBOUNDED),
                whole.characters | part.characters,
            )
        return whole

    def _repeated(self, part: _Part) -> _Part:
        """An atom with the repeat after it, if there is one."""
        least, most = self._repeat()
        if (least, most) == (1, 1):
            return part
        if most > 1 and part.varies:
            # `([a-z]{1,9}){1,7}`: exponentially many ways to fail. RE2 would not mind; Python's engine would.
            raise _Unusable("repeats something that itself varies in length; write it without a repeat inside a repeat")
        self._varying += least != most
        if self._varying > _VARYING_MAX:
            raise _Unusable(f"has more than {_VARYING_MAX} parts that vary in length")
        return _Part(part.shortest * least, min(part.longest * most, _UNBOUNDED), part.characters)

    def _repeat(self) -> tuple[int, int]:
        simple = {"*": (0, _UNBOUNDED), "+": (1, _UNBOUNDED), "?": (0, 1)}.get(self._peek())
        if simple is not None:
            self._at += 1
            bounds = simple
        elif found := _REPEAT.match(self._text, self._at):
            self._at = found.end()
            least = int(found[1])
            bounds = (least, least if found[2] is None else int(found[3]) if found[3] else _UNBOUNDED)
        else:
            return 1, 1
        if self._peek() in {"*", "+", "?"}:
            raise _Unusable("uses a lazy or doubled repeat, which an id does not need")
        return bounds

    def _atom(self) -> _Part:
        character = self._take()
        match character:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case "\\":
                return _one_of(self._escape())
            case "." | "^" | "$" | "*" | "+" | "?" | "{":
                raise _Unusable(f"has a {character!r} that an id cannot have; write out the characters that are allowed")
            case _:
                return _one_of(frozenset(character))

    def _group(self) -> _Part:
        if self._text.startswith("?:", self._at):
            self._at += 2
        elif self._peek() == "?":
            raise _Unusable("uses a (?…) construct other than (?:…)")
        self._depth += 1
        if self._depth > _GROUPS_MAX:
            raise _Unusable(f"nests groups deeper than {_GROUPS_MAX}")
        inside = self._alternatives()
        self._depth -= 1
        if self._take() != ")":
            raise _Unusable("cannot be compiled: a group is not closed")
        return inside

    def _class(self) -> _Part:
        if self._peek() == "^":
            raise _Unusable("uses a class of characters that are not allowed; list the ones that are")
        characters: set[str] = set()
        first = True
        while first or self._peek() != "]":
            first = False
            low = self._class_member()
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in {"]", ""}:
                self._at += 1
                high = self._class_member()
                characters.update(_range(low, high))
            else:
                characters |= low
        self._at += 1
        return _one_of(frozenset(characters))

    def _class_member(self) -> frozenset[str]:
        character = self._take()
        return self._escape() if character == "\\" else frozenset(character)

    def _escape(self) -> frozenset[str]:
        character = self._take()
        if character in _ESCAPES:
            return _ESCAPES[character]
        if character.isalnum():
            raise _Unusable(f"uses \\{character}, which an id does not need")
        return frozenset(character)


def _range(low: frozenset[str], high: frozenset[str]) -> set[str]:
    if len(low) != 1 or len(high) != 1 or min(low) > min(high):
        raise _Unusable("cannot be compiled: bad range in a class")
    return {chr(code) for code in range(ord(min(low)), ord(min(high)) + 1)}


def _one_of(characters: frozenset[str]) -> _Part:
    return _Part(1, 1, characters)
