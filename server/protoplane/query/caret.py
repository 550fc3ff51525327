"""Errors in texts that callers write (filters, orders): the place, what was expected, and a caret under the column."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from protoplane.base.errors import Fault, Reason, Violation, shorten

WINDOW_CHARACTERS = 60
"""Characters of the text shown on either side of the caret: an error fits a terminal whatever the length of the text."""


class Misread(Exception):  # noqa: N818 - a place in a text, not yet an error: `fault` makes it one.
    """A text cannot be used; `offset` counts characters from 0, `problem` says what was expected, in lower case."""

    def __init__(self, offset: int, problem: str) -> None:
        super().__init__(problem)
        self.offset = offset
        self.problem = problem

    def fault(self, reason: Reason, field: str, text: str) -> Fault:
        """The refusal of the request field that holds `text`; its violation shows the text with a caret."""
        problem = f"column {self.offset + 1}: {self.problem}."
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
    close = get_close_matches(word, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def quote(word: str) -> str:
    """A word of the caller's as it may stand in a problem: bounded, in quotes."""
    return f"'{shorten(word)}'"
