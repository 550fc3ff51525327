"""A text that a regular expression matches, for the plain ones that contracts hold: RE2 without look-around and classes by name."""

from __future__ import annotations

import re
import string
from typing import Final

from protoplane.verify.chance import Chance

REPEAT_MORE: Final = 8
"""Times that `*` and `+` go beyond their least."""

_CLASSES: Final = {
    "d": string.digits,
    "w": string.ascii_lowercase + string.digits,
    "s": " ",
    "D": string.ascii_lowercase,
    "W": "-",
    "S": string.ascii_lowercase,
}
_ANY: Final = string.ascii_lowercase + string.digits
_PRINTABLE: Final = "".join(map(chr, range(32, 127)))


class NotPlainError(Exception):
    """The expression has something that is not understood here."""


def matching(pattern: str, chance: Chance, *, length_max: int = 64, tries: int = 24) -> str | None:
    """A text, of any length up to the one given, in which the pattern is found; None when none can be made."""
    try:
        for attempt in range(tries):
            # Later tries repeat less, for those that are too long.
            found = _Writer(pattern, chance, max(0, REPEAT_MORE - attempt // 2)).text()
            if len(found) <= length_max and re.search(pattern, found):
                return found
    except (NotPlainError, re.error, IndexError, ValueError):
        return None
    return None


class _Writer:
    """Walks through an expression and writes a text on the way."""

    def __init__(self, pattern: str, chance: Chance, more: int) -> None:
        self._pattern, self._chance, self._more, self._at = pattern, chance, more, 0

    def text(self) -> str:
        found = self._alternatives()
        if self._at < len(self._pattern):
            raise NotPlainError
        return found

    def _alternatives(self) -> str:
        branches = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            branches.append(self._sequence())
        return branches[self._chance.number(len(branches))]

    def _sequence(self) -> str:
        found = ""
        while (sign := self._peek()) and sign not in "|)":
            if sign in "^$":
                self._at += 1
                continue
            start = self._at
            piece = self._atom()
            end = self._at
            least, most = self._times()
            after = self._at
            count = least + self._chance.number(most - least + 1)
            pieces = [piece] if count else []
            for _ in range(count - 1):  # Written anew, so that repeated classes do not give one letter again and again.
                self._at = start
                pieces.append(self._atom())
                assert self._at == end
            self._at = after
            found += "".join(pieces)
        return found

    def _atom(self) -> str:
        sign = self._next()
        match sign:
            case "(":
                return self._group()
            case "[":
                return self._one_of(self._class())
            case ".":
                return self._one_of(_ANY)
            case "\\":
                return self._one_of(self._escape())
            case "*" | "+" | "?" | "{":
                raise NotPlainError
            case _:
                return sign

    def _group(self) -> str:
        if self._peek() == "?":
            rest = self._pattern[self._at :]
            named = re.match(r"\?(:|P?<[A-Za-z_]\w*>)", rest)
            if named is None:
                raise NotPlainError
            self._at += named.end()
        found = self._alternatives()
        if self._next() != ")":
            raise NotPlainError
        return found

    def _escape(self) -> str:
        sign = self._next()
        if sign in _CLASSES:
            return _CLASSES[sign]
        if sign in "AzZ":
            return ""
        if sign.isalnum():
            raise NotPlainError
        return sign

    def _class(self) -> str:
        negated = self._peek() == "^"
        self._at += negated
        signs = ""
        first = True
        while (sign := self._next()) != "]" or first:
            first = False
            if sign == "[" and self._peek() == ":":
                raise NotPlainError
            low = self._escape() if sign == "\\" else sign
            if self._peek() == "-" and self._pattern[self._at + 1] != "]" and len(low) == 1:
                self._at += 1
                high = self._next()
                high = self._escape() if high == "\\" else high
                low = "".join(map(chr, range(ord(low), min(ord(high), ord(low) + 255) + 1)))
            signs += low
        return "".join(sign for sign in _PRINTABLE if sign not in signs) if negated else signs

    def _times(self) -> tuple[int, int]:
        sign = self._peek()
        if not sign or sign not in "*+?{":
            return 1, 1
        self._at += 1
        least, most = {"*": (0, self._more), "+": (1, 1 + self._more), "?": (0, 1)}.get(sign, (0, 0))
        if sign == "{":
            end = self._pattern.index("}", self._at)
            low, comma, high = self._pattern[self._at : end].partition(",")
            self._at = end + 1
            least = int(low or 0)
            most = least if not comma else min(int(high), least + self._more) if high else least + self._more
        if self._peek() == "?":
            self._at += 1  # Lazy or not, the text is the same.
        return least, most

    def _one_of(self, signs: str) -> str:
        return signs[self._chance.number(len(signs))] if signs else ""

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _next(self) -> str:
        sign = self._pattern[self._at]
        self._at += 1
        return sign
