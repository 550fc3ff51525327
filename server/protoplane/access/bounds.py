"""How much a question may cost. What is beyond is an error: never a shorter list, never a yes."""

from __future__ import annotations

GOALS_MAX = 10_000
"""Relationships, of relations that are not linear, that one question may depend on; each is a row read and an expression in memory."""

LEVELS_MAX = 100
"""Links from one such relationship to the next, one behind the other; each is a statement."""

OBJECTS_MAX = 100_000
"""Objects, or subjects, that one listing may have to look at."""


CONTEXTUAL_MAX = 100
"""Tuples that may come with one question."""


class BoundExceeded(Exception):
    """A question would cost more than it may; the text names the bound."""
