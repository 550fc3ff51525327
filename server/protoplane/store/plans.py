"""How each engine is asked for the plan of a statement, without running it, and what of its answer may be told.

No value is told: plans are asked for in the form that has none (MySQL's own default quotes them), and literals in a statement's text,
which custom code may have written there, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from protoplane.store.ddl import Row

STEPS_MAX = 30
"""Steps of a plan that are told."""

_EXPLAINED = re.compile(r"\s*(SELECT|UPDATE|DELETE)\b", re.IGNORECASE)
"""Statements that have a plan worth reading; nothing else is asked about."""

_LOCKING = re.compile(
    r"\s+(?:FOR\s+(?:UPDATE|SHARE)|LOCK\s+IN\s+SHARE\s+MODE)(?:\s+(?:NOWAIT|SKIP\s+LOCKED|WAIT\s+\d+))?[\s;]*\Z", re.IGNORECASE
)
"""The end of a SELECT that locks. It is left out: a row that is found by its key is read, and so waited for, while the plan is made."""

_NUMBER = r"\b\d[\w.]*"


@dataclass(frozen=True, slots=True)
class Plans:
    """What one engine is asked, and answers."""

    ask: str
    """What stands before the statement."""
    columns: tuple[str, ...]
    """Names of the answer's columns; empty for those that tell nothing."""
    literal: re.Pattern[str]
    """A literal (group 1), or a quoted name."""
    refuses_readers: bool
    """Whether a plan of a write is given only in a transaction that may write."""

    def question(self, sql: str) -> str | None:
        """The statement that asks for the plan of `sql`, with the same parameters; None for what has no plan."""
        return self.ask + _LOCKING.sub("", sql) if _EXPLAINED.match(sql) else None

    def for_writers(self, sql: str) -> bool:
        """Whether to ask in a transaction that may write."""
        found = _EXPLAINED.match(sql)
        return self.refuses_readers and found is not None and found[1].upper() != "SELECT"

    def lines(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """The plan, a line a step."""
        return tuple(self._line(row) for row in rows[:STEPS_MAX])

    def without_values(self, sql: str) -> str:
        """The statement with `?` for every literal."""
        return self.literal.sub(lambda found: "?" if found[1] else found[0], sql)

    def _line(self, row: Row) -> str:
        told = ((name, value) for name, value in zip_longest(self.columns, row) if name and value not in {None, ""})
        return " ".join(f"{name}={value}" for name, value in told)


SQLITE = Plans(
    ask="EXPLAIN QUERY PLAN ",
    columns=("id", "parent", "", "step"),
    literal=re.compile(rf"""('(?:[^']|'')*(?:'|\Z)|{_NUMBER})|"(?:[^"]|"")*\""""),
    refuses_readers=False,
)

_SERVERS = re.compile(rf"""('(?:[^'\\]|\\.|'')*(?:'|\Z)|"(?:[^"\\]|\\.|"")*(?:"|\Z)|{_NUMBER})|`[^`]*`""", re.DOTALL)

MARIADB = Plans(
    ask="EXPLAIN FORMAT=TRADITIONAL ",
    columns=("id", "select", "table", "type", "possible_keys", "key", "key_bytes", "ref", "rows", "extra"),
    literal=_SERVERS,
    refuses_readers=True,
)

MYSQL = Plans(
    ask="EXPLAIN FORMAT=TRADITIONAL ",
    columns=("id", "select", "table", "partitions", "type", "possible_keys", "key", "key_bytes", "ref", "rows", "filtered", "extra"),
    literal=_SERVERS,
    refuses_readers=True,
)
