"""What comes with one question: tuples that are taken for written while it is answered, and how conditions are evaluated.

Both are looked at once: a condition with one context is evaluated no more than once a call, however many tuples have it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from protoplane.access.bounds import CONTEXTUAL_MAX, BoundExceeded
from protoplane.access.tuples import RelationTuple

Evaluate: TypeAlias = Callable[[str, Mapping[str, object]], bool]
"""Whether a condition holds, with what the tuple says of its parameters. Raises Unanswered."""


class Unanswered(Exception):
    """A condition has neither held nor not held: it is no yes, and no no either."""


class Unevaluated(Unanswered):
    """A tuple stands under a condition, and the question came without a way to evaluate one."""


def _refuse(condition: str, context: Mapping[str, object]) -> bool:
    del context
    raise Unevaluated(f"the condition '{condition}' must be evaluated, and nothing does")


@dataclass(frozen=True, slots=True)
class Given:
    """What one question comes with."""

    tuples: Sequence[RelationTuple] = ()
    """At most CONTEXTUAL_MAX, which the model must admit. One that is also written counts if either does."""
    evaluate: Evaluate = _refuse
    strict: bool = True
    """Whether a question whose answer depends on a condition that has none raises Unanswered. Otherwise it is a no: only what is certain is a yes."""


NOTHING = Given()


class Call:
    """One question while it is answered. Raises BoundExceeded."""

    def __init__(self, given: Given) -> None:
        if len(given.tuples) > CONTEXTUAL_MAX:
            raise BoundExceeded(f"more than CONTEXTUAL_MAX ({CONTEXTUAL_MAX}) tuples with one question")
        self.tuples = tuple(given.tuples)
        """All of them; a look for candidates takes those under a condition for held."""
        self.plain = tuple(held for held in self.tuples if not held.condition)
        self._by_link: dict[tuple[str, ...], list[RelationTuple]] = {}
        for t in self.tuples:
            link = (t.object.type, t.object.id, t.relation, t.subject.type, t.subject.relation, t.condition)
            self._by_link.setdefault(link, []).append(t)
        self._evaluate = given.evaluate
        self.strict = given.strict
        self._known: dict[tuple[str, str], bool | Unanswered] = {}
        self.unanswered: Unanswered | None = None
        """Why the first condition had no answer, of those that had none."""

    def subjects(self, *link: str) -> list[tuple[str, bool | None]]:
        """The ids of subjects that tuples of an object's link have, and whether these hold; the link ends with their condition."""
        found = self._by_link.get(link, ())
        return [(held.subject.id, True if not held.condition else self.holds(held.condition, held.context)) for held in found]

    def holds(self, condition: str, context: str) -> bool | None:
        """Whether a condition holds with a context, in the canonical form of one; None, and why in `unanswered`, when that cannot be told."""
        key = (condition, context)
        if key not in self._known:
            try:
                self._known[key] = self._evaluate(condition, json.loads(context) if context else {})
            except Unanswered as why:
                self._known[key] = why
                self.unanswered = self.unanswered or why
        known = self._known[key]
        return known if isinstance(known, bool) else None

    def problem(self, condition: str, context: str) -> str:
        """Why a condition has no answer; empty for one that has."""
        known = self._known.get((condition, context))
        return str(known) if isinstance(known, Unanswered) else ""


def listed(tuples: Sequence[RelationTuple]) -> str:
    """Tuples as statements are told of them."""
    return json.dumps([[t.object.type, t.object.id, t.relation, t.subject.type, t.subject.relation, t.subject.id] for t in tuples])
