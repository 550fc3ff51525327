"""Errors in texts that callers write (filters, orders): the place, what was expected, and a caret under the column."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

from protoplane.base.errors import Fault, Reason, Violation, shorten

WINDOW_CHARACTERS = 60
"""Characters of the text shown on either side of the caret: an error fits a terminal whatever the length of the text."""


class Misread(Exception):
    """A text cannot be used; `offset` counts characters from 0, `problem` says what was expected, in lower case."""

    def __init__(self, offset: int, problem: str) -> None:
        super().__init__(problem)
        self.offset = offset
        self.problem = problem

    def fault(self, reason: Reason, field: str, text: str) -> Fault:
        """The refusal of the request field that holds `text`; its violation shows the text with a caret."""
        problem = f"column {self.offset + 1}: {self.problem}{'' if self.problem.endswith('?') else '.'}"
        description = f"{problem}\n{show(text, self.offset)}"
        return Fault(reason, violations=[Violation(field, description, reason.value)], problem=problem)


def show(text: str, offset: int) -> str:
    """Two lines: the text around `offset` (control characters blanked, what is cut marked by …), and a caret below it."""
    start = max(0, offset - WINDOW_CHARACTERS)
    end = min(len(text), offset + WINDOW_CHARACTERS)
    left, right = "…" if start else "", "…" if end < len(text) else ""
    shown = "".join(c if c.isprintable() else " " for c in text[start:end])
    return f"  {left}{shown}{right}\n  {' ' * (len(left) + offset - start)}^"


def nearest(word: str, names: Iterable[str]) -> str:
    """A suggestion to append to a problem: `; did you mean 'title'?`, or nothing when no name is near."""
    word = word[:NEAREST_CHARACTERS_MAX]
    best, name = max(((_likeness(word, name), name) for name in names), default=(0.0, ""))
    return f"; did you mean '{name}'?" if best >= NEAREST_LIKENESS_MIN else ""


NEAREST_CHARACTERS_MAX = 64
"""Of a word, for comparing it with names: the comparison takes the square of its length."""

NEAREST_LIKENESS_MIN = 0.6
"""Below it a suggestion would be a guess (difflib's own choice)."""


def _likeness(word: str, name: str) -> float:
    """From 0 to 1. A word like one part of a name (`pages` and `page_count`) is nearly as like as one like the whole."""
    parts = name.split("_") if "_" in name else []
    return max(SequenceMatcher(None, word, name).ratio(), *(0.95 * SequenceMatcher(None, word, part).ratio() for part in parts), 0.0)


def quote(word: str) -> str:
    """A word of the caller's as it may stand in a problem: bounded, in quotes."""
    return f"'{shorten(word)}'"
