"""`python -m tests.attacks`: what each attack does to the calls of somebody else, as the ratio of their p99 to that in quiet.

The median of three short rounds each; an attack is repeated until its round is over. Also how much the server grew, at most.
Ratios below some 2 are the noise of a machine with two cores, on which attacker, server and bystander share them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.attacks import floods, messages, streams
from tests.attacks import target as targets
from tests.attacks.bystander import Bystander, Call, bystander
from tests.attacks.siege import CALLS_DURING, Attack, Attacker
from tests.attacks.target import MEGABYTE, Target

ATTACKS = streams.ATTACKS | floods.ATTACKS | messages.ATTACKS
ROUNDS = 3
ROUND_SECONDS = 1.5


def p99(calls: Sequence[Call]) -> float:
    """Of their times, seconds."""
    times = sorted(call.took_seconds for call in calls)
    return times[int(len(times) * 0.99)]


def during(somebody: Bystander, act: Callable[[], None]) -> Sequence[Call]:
    """The calls of one round."""
    began = time.monotonic()
    act()
    somebody.work(CALLS_DURING + 1)
    while time.monotonic() - began < ROUND_SECONDS:
        act()
        somebody.work(1)
    return somebody.calls(began, time.monotonic(), at_least=CALLS_DURING)


def once(target: Target, attack: Attack, somebody: Bystander) -> None:
    """One attack, left standing for a few calls."""
    attacker = Attacker(target)
    try:
        attack(attacker)
        somebody.work(5)
    finally:
        attacker.close()


def measure(target: Target, somebody: Bystander, name: str) -> None:
    """A line of the table."""
    before = target.memory().now
    target.forget_peak()
    ratios, failed = [], 0
    for _ in range(ROUNDS):
        quiet = during(somebody, lambda: None)
        attacked = during(somebody, lambda: once(target, ATTACKS[name], somebody))
        ratios.append(p99(attacked) / p99(quiet))
        failed += sum(call.code != "OK" for call in attacked)
    grown = (target.memory().peak - before) / MEGABYTE
    print(f"{name:<42}{statistics.median(ratios):>22.1f}{failed:>14}{grown:>13.0f}", flush=True)


def main(wanted: Sequence[str]) -> None:
    """Attack and print."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="protoplane-attacks-")))
        target = stack.enter_context(targets.target(folder))
        somebody = stack.enter_context(bystander(target))
        print(f"{'':<42}{'p99, attacked / quiet':>22}{'calls failed':>14}{'growth, MiB':>13}", flush=True)
        for name in wanted:
            measure(target, somebody, name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("attack", nargs="*", help="which (default: all)")
    chosen: list[str] = parser.parse_args().attack
    if strangers := sorted(set(chosen) - set(ATTACKS)):
        sys.exit(f"there is no attack {strangers}; there are:\n" + "\n".join(ATTACKS))
    main(chosen or list(ATTACKS))
