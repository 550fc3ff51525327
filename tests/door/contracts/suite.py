"""All that is asked of one generated contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.door.contracts import served
from tests.door.contracts.asked import SIZES, Asked, Scope
from tests.door.contracts.groups import Groups, Question
from tests.door.contracts.writer import Made

ORDERS_SHARE = 4
"""One order, and one question about groups, in so many filters."""


def check(made: Made, folder: Path, url: str, cases: int) -> None:
    """Serve it, fill it, and ask so many filters, and some orders and groups with their pages."""
    with served(made, folder, url) as service:
        asked = Asked(service)
        groups = Groups(asked)
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

        @seed(number)
        @settings(steady, max_examples=cases // ORDERS_SHARE)
        @given(groups.questions(), SIZES)
        def check_groups(question: Question, sizes: Sequence[int]) -> None:
            groups.check(question, sizes)

        check_filters()
        check_orders()
        check_groups()
