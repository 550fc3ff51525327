"""One run: every check on every kind of resource, and everything taken away at its end, whatever happens."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from protoplane.base import clock
from protoplane.verify.check import CHECKS, Check, Scene
from protoplane.verify.exchange import BudgetSpentError, Exchange
from protoplane.verify.made import Left
from protoplane.verify.resources import Kind, Role
from protoplane.verify.verdict import NotApplicable, Verdict, Wrong
from protoplane.verify.world import World

BEHAVIOURS: Final = (
    "fields",
    "calls",
    "get",
    "list",
    "order",
    "filter",
    "create",
    "update",
    "delete",
    "batch",
    "views",
    "beyond",
    "errors",
)
"""Modules of checks. Errors are judged last: by then there are some."""


@dataclass(frozen=True, slots=True)
class Result:
    """How one check ended for one kind of resource."""

    number: int
    aip: int
    title: str
    name: str
    kind: str
    verdict: Verdict
    text: str = ""
    exchanges: tuple[Exchange, ...] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class Outcome:
    """What a run found."""

    results: list[Result] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    stopped: str = ""
    """Why it ended before its end."""
    calls: int = 0

    def count(self, verdict: Verdict) -> int:
        """Checks that ended so."""
        return sum(result.verdict is verdict for result in self.results)


def checks() -> list[Check]:
    """Every check there is."""
    for name in BEHAVIOURS:
        importlib.import_module(f"protoplane.verify.behaviours_{name}")
    return CHECKS


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which checks to make: all, or those of some numbers, of some kinds. Empty is all."""

    numbers: frozenset[int] = frozenset()
    kinds: frozenset[str] = frozenset()

    def wants(self, check: Check, kind: Kind) -> bool:
        """Whether this one is among them."""
        named = {kind.title.lower(), kind.type.lower(), kind.plural.lower()}
        return (not self.numbers or check.number in self.numbers) and (not self.kinds or bool(self.kinds & named))


def run(world: World, chosen: Chosen, tell: Callable[[Result], None]) -> Outcome:
    """Check, then clean up. An interrupt ends the checks, not the cleaning; what was found till then is in the outcome."""
    outcome = Outcome()
    try:
        for kind in world.kinds.values():
            world.caller.errors.clear()
            for check in checks():
                if chosen.wants(check, kind):
                    result = _result(check, Scene(kind, world))
                    world.tidy()
                    outcome.results.append(result)
                    tell(result)
    except BudgetSpentError as spent:
        outcome.stopped = str(spent)
    except KeyboardInterrupt:
        outcome.stopped = "interrupted"
    finally:
        outcome.calls = world.caller.calls
        _clean(world, outcome)
    return outcome


def _clean(world: World, outcome: Outcome) -> None:
    """Take away what was made. A second interrupt ends this, too; what is left then is told all the same."""
    try:
        outcome.left += world.clean()
    except KeyboardInterrupt:
        outcome.left += [Left(name, "interrupted") for kind in world.kinds.values() for name in world.made.names(kind)]
    except BudgetSpentError as spent:
        outcome.left += [Left(name, str(spent)) for kind in world.kinds.values() for name in world.made.names(kind)]


def _result(check: Check, scene: Scene) -> Result:
    started = clock.monotonic_seconds()
    scene.world.caller.latest.clear()
    verdict, text, exchanges = Verdict.PASS, "", tuple[Exchange, ...]()
    try:
        _applies(check, scene)
        check.run(scene)
    except NotApplicable as reason:
        verdict, text = Verdict.NOT_APPLICABLE, str(reason)
    except Wrong as trouble:
        verdict, text, exchanges = (Verdict.FAIL if check.must else Verdict.SHOULD), trouble.text, trouble.exchanges
    seconds = clock.monotonic_seconds() - started
    return Result(check.number, check.aip, check.title, check.run.__name__, scene.kind.title, verdict, text, exchanges, seconds)


def _applies(check: Check, scene: Scene) -> None:
    missing: Sequence[Role] = [role for role in check.needs if role not in scene.kind.methods]
    if missing:
        raise NotApplicable(f"there is no {' and no '.join(scene.kind.method_name(role) for role in missing)}")
    if check.writes and scene.world.permits.read_only:
        raise NotApplicable("it writes, and --read-only is set")
