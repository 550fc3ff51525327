"""One attack while somebody else works: what holds for every attack there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.attacks.bystander import Bystander
from tests.attacks.target import MEGABYTE, Target
from tests.attacks.wire import Wire

GROWTH_BYTES_MAX = 150 * MEGABYTE
"""At most, while an attack goes on: 16 threads with a message of 4 MiB as bytes and decoded are 128 MiB; all headers that 20
connections of 100 streams may send are 32 MiB."""

KEPT_BYTES_MAX = 64 * MEGABYTE
"""At most, once the connections of an attack are closed: what the allocators of C and Python keep in hand."""

GIVEN_BACK_SECONDS_MAX = 12.0
"""Until then: longer than a call without its message is waited for."""

CALLS_DURING = 25
"""Of the bystander, at least, while the attack stands: half a second of its usual pace."""

VISIT_SECONDS_MAX = 1.0
"""For somebody new, afterwards. It takes some 5 ms; the machine may be busy with others."""


@dataclass
class Attacker:
    """Opens connections, which live as long as the attack."""

    target: Target
    wires: list[Wire] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def connect(self, *, preface: bool = True, window_bytes: int | None = None, reads: bool = True) -> Wire:
        """One more connection."""
        more = {} if window_bytes is None else {"window_bytes": window_bytes}
        wire = self._stack.enter_context(Wire(self.target.address, preface=preface, reads=reads, **more))
        self.wires.append(wire)
        return wire

    def close(self) -> None:
        """Hang up everywhere."""
        self._stack.close()


Attack = Callable[[Attacker], None]


@contextmanager
def siege(target: Target, bystander: Bystander) -> Iterator[Attacker]:
    """What happens in the block harms nobody else: no call fails, memory is bounded and given back, newcomers are served."""
    before = target.memory()
    target.forget_peak()
    attacker = Attacker(target)
    began = time.monotonic()
    try:
        yield attacker
        bystander.work(CALLS_DURING + 1)  # The first of them may have begun before.
    finally:
        ended = time.monotonic()
        peak = target.memory().peak
        attacker.close()
    calls = bystander.calls(began, ended, at_least=CALLS_DURING)
    assert {call.code for call in calls} == {"OK"}, "calls of others failed"
    grown = peak - before.now
    assert grown <= GROWTH_BYTES_MAX, f"the server grew by {grown / MEGABYTE:.0f} MiB"
    kept = kept_bytes(target, before.now)
    assert kept <= KEPT_BYTES_MAX, f"the server still has {kept / MEGABYTE:.0f} MiB of {grown / MEGABYTE:.0f} MiB"
    assert usual(target), "somebody new is served slowly"
    assert target.process._process.poll() is None, "the server has ended"


def kept_bytes(target: Target, before: int) -> int:
    """What the server has not given back, as soon as that is little enough, or when the time is up."""
    give_up = time.monotonic() + GIVEN_BACK_SECONDS_MAX
    while (kept := target.memory().now - before) > KEPT_BYTES_MAX and time.monotonic() < give_up:
        time.sleep(0.1)  # The kernel tells nobody when a process shrinks.
    return kept


def usual(target: Target) -> bool:
    """Whether somebody new is served within the usual time; a second try where the machine was busy with others."""
    return any(target.visit() <= VISIT_SECONDS_MAX for _ in range(2))
