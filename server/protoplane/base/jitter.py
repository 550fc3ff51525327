"""Chance, where many do the same and must not do it at the same time. It guards nothing: secrets are made by `secrets`."""

from __future__ import annotations

import random

_chance = random.Random()  # noqa: S311 - as the module says. Of its own: what others draw from `random` must not depend on our threads.


def between(low: float, high: float) -> float:
    """A number between the two, any as likely as any other."""
    return _chance.uniform(low, high)
