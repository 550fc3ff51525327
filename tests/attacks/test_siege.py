"""An attack on one connection, or on many, is nobody else's business."""

from __future__ import annotations

import pytest

from tests.attacks import floods, messages, streams
from tests.attacks.bystander import Bystander
from tests.attacks.siege import Attack, siege
from tests.attacks.target import Target

ATTACKS = streams.ATTACKS | floods.ATTACKS | messages.ATTACKS


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_others_work_on_and_memory_is_given_back(target: Target, bystander: Bystander, attack: Attack) -> None:
    with siege(target, bystander) as attacker:
        attack(attacker)
