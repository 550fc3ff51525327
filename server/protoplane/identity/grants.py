"""Which permissions a subject holds: the `[grants]` of the configuration, resolved against those the contract declares."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import final

from protoplane.base.config import FILE, Problem

EVERYONE = "*"
"""As a subject: anyone with valid credentials. As a permission: all that the contract declares."""


@final
class Grants:
    """Subject → permissions; every answer is made at start."""

    __slots__ = ("_everyone", "_of")

    def __init__(self, grants: Mapping[str, Iterable[str]], declared: Iterable[str]) -> None:
        """Resolve patterns against the `declared` permissions; a pattern that matches none gives nothing (see `problems`)."""
        known = frozenset(declared)
        resolved = {
            subject: frozenset(p for pattern in patterns for p in _matching(pattern, known)) for subject, patterns in grants.items()
        }
        self._everyone = resolved.pop(EVERYONE, frozenset())
        self._of = {subject: permissions | self._everyone for subject, permissions in resolved.items()}

    def of(self, subject: str) -> frozenset[str]:
        """Permissions of a subject whose credentials were verified; subjects are compared exactly."""
        return self._of.get(subject, self._everyone)


def problems(grants: Mapping[str, Sequence[str]], declared: Iterable[str]) -> Iterator[Problem]:
    """Grants that give nothing, most likely typing errors: each pattern must match a permission that some method asks for."""
    known = sorted(set(declared))
    for subject, patterns in grants.items():
        where = f"{FILE} [grants] {subject!r}"
        if not subject:
            yield Problem(where, "an empty subject is nobody", "name a subject, or '*' for anyone with valid credentials")
        for pattern in patterns:
            if pattern != EVERYONE and not any(_matching(pattern, known)):
                near = difflib.get_close_matches(pattern, known, n=1)
                mend = f"did you mean '{near[0]}'?" if near else "the contract declares: " + (", ".join(known) or "none")
                yield Problem(where, f"no method asks for the permission '{pattern}'", mend)


def _matching(pattern: str, known: Iterable[str]) -> Iterator[str]:
    if pattern == EVERYONE:
        yield from known
    elif pattern.endswith(".*"):
        yield from (permission for permission in known if permission.startswith(pattern[:-1]))
    else:
        yield from (permission for permission in known if permission == pattern)
