"""Regular expressions of contracts that Python may answer in the place of RE2.

`buf.validate` means RE2, which is linear in the text. Python's `re` goes back and tries again, so here is only what means the same in
both (ASCII patterns of literals, classes, groups, alternatives and greedy quantifiers, with `^` first and `$` last) and cannot be
made to try many ways by whoever sends the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

CHARACTERS_MAX: Final = 64
"""Of a text for which ways are counted; a pattern with more than one way answers for no longer one."""

_WAYS_MAX: Final = 128
"""Ways through a pattern that a text may ask to be tried, each at most as long as the text: less than 1 ms in all, at worst."""

_SIZE_MAX: Final = 1000
"""Characters of a pattern with all its repeats written out, and RE2's own bound on repeats."""

_PATTERN_CHARACTERS_MAX: Final = 200
"""Also bounds how deep its groups go."""

_ESCAPE: Final = r"\\[dDwWtnrf!-/:-@\[-^`{-~]"  # Any punctuation but `_`, which RE2 does not let one escape.
_INSIDE: Final = r"(?!&&|~~|\|\|)[^\\\]\[^-]"  # Twice the same of these is a warning of Python's, for what it may mean one day.
_CLASS: Final = rf"\[\^?-?(?:{_INSIDE}-[^\\\]\[^-]|{_INSIDE}|{_ESCAPE})+-?\]"
_SINGLE: Final = re.compile(rf"{_CLASS}|{_ESCAPE}|[^\\\[\](){{}}*+?^$|]")
_QUANTIFIER: Final = re.compile(r"(?P<sign>[*+?])|\{(?P<low>\d{1,4})(?P<range>,(?P<high>\d{0,4}))?\}")
_SIGNS: Final = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_OPEN: Final = re.compile(r"\((?:\?:)?(?!\?)")
_ALPHABET: Final = (*map(chr, range(128)), "é")
"""Every ASCII character, and one for all others: no part of an ASCII pattern tells those apart."""


@dataclass(frozen=True, slots=True)
class Regex:
    """A pattern that `re` answers."""

    search: Callable[[str], object]
    """Something, where the text has a match; None where it has none."""
    characters_max: int | None
    """Longer texts must not be asked about; None when any may."""


def read_regex(pattern: str) -> Regex | None:
    """The pattern as Python's; None when it is beyond what is surely the same, or may take long."""
    if not pattern.isascii() or len(pattern) > _PATTERN_CHARACTERS_MAX:
        return None
    try:
        reader = _Reader(pattern)
        body, ways = reader.body, reader.ways
        if reader.at_start:
            compiled = re.compile(body, re.ASCII)
            search = compiled.fullmatch if reader.at_end else compiled.match
        else:
            # Python's `$` also stands before a line feed at the end.
            search = re.compile(rf"(?:{body})\Z" if reader.at_end else body, re.ASCII).search
            ways *= CHARACTERS_MAX
    except (_Beyond, re.error):
        return None
    return Regex(search, None if ways == 1 else CHARACTERS_MAX) if ways <= _WAYS_MAX else None


class _Beyond(Exception):
    """The pattern holds something that is not read here."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """One character of some, or one of several sequences; so many times."""

    characters: int
    """A bit for each character of the alphabet: those that it may begin with, which of a single one is all of it."""
    choices: tuple[tuple[_Piece, ...], ...] | None
    low: int
    high: int
    may_be_empty: bool
    size: int
    """With all repeats written out."""


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self.at_start = pattern.startswith("^")
        self._text = pattern
        self._position = begin = int(self.at_start)
        choices = self._choices()
        end = self._position
        self.at_end = pattern[end:] == "$"
        if end != len(pattern) and not self.at_end:
            raise _Beyond
        if _size(choices) > _SIZE_MAX:
            raise _Beyond
        if len(choices) > 1 and (self.at_start or self.at_end):
            raise _Beyond  # In `^a|b` the mark is of the first choice alone.
        self.body = pattern[begin:end]
        self.ways = _ways_of_choices(choices, 0)
        """Ways to go through the whole of it from one place that a text may ask for; those that end at the next character do not count."""

    def _choices(self) -> tuple[tuple[_Piece, ...], ...]:
        choices = [self._sequence()]
        while self._text.startswith("|", self._position):
            self._position += 1
            choices.append(self._sequence())
        return tuple(choices)

    def _sequence(self) -> tuple[_Piece, ...]:
        pieces: list[_Piece] = []
        while self._position < len(self._text) and self._text[self._position] not in "|)$":
            pieces.append(self._piece())
        return tuple(pieces)

    def _piece(self) -> _Piece:
        choices: tuple[tuple[_Piece, ...], ...] | None = None
        if self._take(_OPEN):
            choices = self._choices()
            if not self._text.startswith(")", self._position):
                raise _Beyond
            self._position += 1
            characters = 0
            for choice in choices:
                characters |= _first(choice, 0)
            may_be_empty, size = any(map(_may_be_empty, choices)), _size(choices)
        else:
            single = self._take(_SINGLE)
            if single is None:
                raise _Beyond
            one = re.compile(single[0], re.ASCII)
            characters = sum(1 << index for index, character in enumerate(_ALPHABET) if one.fullmatch(character))
            may_be_empty, size = False, 1
        low, high = self._quantifier()
        size *= max(low, high or 0, 1)
        if size > _SIZE_MAX:
            raise _Beyond
        # No text for which ways are counted goes round more often than it has characters.
        highest = max(low, CHARACTERS_MAX if high is None else min(high, CHARACTERS_MAX))
        return _Piece(characters, choices, low, highest, may_be_empty or low == 0, size)

    def _quantifier(self) -> tuple[int, int | None]:
        """Times at least and at most, None for any number."""
        found = self._take(_QUANTIFIER)
        if found is None:
            return 1, 1
        if found["sign"]:
            low, high = _SIGNS[found["sign"]]
        else:
            low = int(found["low"])
            high = low if not found["range"] else int(found["high"]) if found["high"] else None
        if self._text[self._position : self._position + 1] in {"*", "+", "?", "{"}:
            raise _Beyond  # `a*?`, `a*+`
        return low, high

    def _take(self, wanted: re.Pattern[str]) -> re.Match[str] | None:
        found = wanted.match(self._text, self._position)
        if found is not None:
            self._position = found.end()
        return found


def _size(choices: Sequence[Sequence[_Piece]]) -> int:
    return max(1, sum(piece.size for choice in choices for piece in choice))


def _may_be_empty(sequence: Sequence[_Piece]) -> bool:
    return all(piece.may_be_empty for piece in sequence)


def _first(sequence: Sequence[_Piece], after: int) -> int:
    """What a text may go on with where the sequence begins; `after` is what may follow the sequence."""
    found = 0
    for piece in sequence:
        found |= piece.characters
        if not piece.may_be_empty:
            return found
    return found | after


def _ways(piece: _Piece, after: int) -> int:
    # Where what follows begins otherwise than one more time does, the next character decides.
    stops = piece.high - piece.low + 1 if piece.characters & after else 1
    if piece.choices is None:
        return stops
    if piece.high <= 1:
        return _ways_of_choices(piece.choices, after) + (stops > 1 or (piece.low == 0 and any(map(_may_be_empty, piece.choices))))
    if any(map(_may_be_empty, piece.choices)):
        raise _Beyond  # A text may go round without end.
    once = _ways_of_choices(piece.choices, after | piece.characters)
    if once > 1 and piece.high > _WAYS_MAX.bit_length():
        raise _Beyond
    return int(stops * once**piece.high)


def _ways_of_choices(choices: Sequence[Sequence[_Piece]], after: int) -> int:
    ways = [_ways_of(choice, after) for choice in choices]
    begins = [_first(choice, after) for choice in choices]
    union = 0
    for begin in begins:
        union |= begin
    decided = union.bit_count() == sum(begin.bit_count() for begin in begins)
    return max(ways) if decided else sum(ways)


def _ways_of(sequence: Sequence[_Piece], after: int) -> int:
    found = 1
    for index, piece in enumerate(sequence):
        found *= _ways(piece, _first(sequence[index + 1 :], after))
    return found
