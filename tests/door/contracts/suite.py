"""All that is asked of one generated contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.door.contracts import served
from tests.door.contracts.asked import SIZES, Asked, Scope
from tests.door.contracts.writer import Made

ORDERS_SHARE = 4
"""One order, and the groups by its fields, in so many filters."""


def check(made: Made, folder: Path, url: str, cases: int) -> None:
    """Serve it, fill it, and ask so many filters, and some orders and groups with their pages."""
    with served(made, folder, url) as service:
        asked = Asked(service)
        number = made.seed
        steady = settings(
            deadline=None,
            database=None,
            derandomize=False,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )

        @seed(number)
        @settings(steady, max_examples=cases)
        @given(asked.questions())
        def check_filters(question: tuple[Scope, str]) -> None:
            asked.check_filter(*question)

        @seed(number)
        @settings(steady, max_examples=cases // ORDERS_SHARE)
        @given(asked.orders(), SIZES)
        def check_orders(order: tuple[Scope, Sequence[tuple[str, bool]], str], sizes: Sequence[int]) -> None:
            asked.check_pages(*order, sizes)
            asked.check_groups(*order, sizes)

        check_filters()
        check_orders()
